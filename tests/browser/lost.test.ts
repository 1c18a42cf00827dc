// The cap: after maxAttempts failures in a row the page says so once, no further request leaves, and reconnecting by
// hand resumes where the stream stopped.
import { expect, test } from 'vitest'
import { until } from '../harness/condition.ts'
import { world } from './harness/world.ts'

const event = (n: number): string =>
  JSON.stringify({ id: `e${n}`, type: 'chunk', timestamp: 1_760_000_000_000 + n, data: { text: `piece ${n} ` } })

test('the cap is reached: lost, said once with its reason, silence, and reconnect() resumes', async () => {
  const { server, link, page } = await world('lost', '&maxAttempts=3&initialDelay=20&maxDelay=80')
  const append = (n: number) => server.request('/v1/stream/sessions/lost', { method: 'POST', body: event(n) })
  expect((await append(1)).status).toBe(204)
  await page.receives(1)

  link.cut()
  const lost = await until('the page gave up', async () => {
    const collected = await page.collected()
    return collected.state === 'lost' && collected
  })
  const errors = lost.errors.filter((error) => error.code === 'CONNECTION_LOST')
  expect(errors).toHaveLength(1)
  expect(errors[0]?.message).toMatch(/gave up after 3 attempts/)
  expect(page.console.filter((line) => line.startsWith('error:') && /gave up after 3 attempts/.test(line))).toHaveLength(1)
  await page.page.getByTestId('connection-lost').getByText(/gave up after 3 attempts/i).waitFor()

  // Nothing leaves any more. The clock of the page is what could start an attempt: let it run far ahead of every delay.
  const attempts = link.attempts
  await page.page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 20 * 80)))
  expect(link.attempts).toBe(attempts)

  link.restore()
  expect((await append(2)).status).toBe(204)
  await page.page.getByTestId('reconnect').click()
  await page.receives(2)
  expect((await page.collected()).events.map((received) => received.data['text'])).toEqual(['piece 1 ', 'piece 2 '])
  expect((await page.collected()).state).toBe('connected')
})

test('the buttons of the page: cut, restore, damage on the way in, a bad event refused by the server', async () => {
  const { server, page } = await world('faults', '&initialDelay=20&maxDelay=80&maxAttempts=1000')
  const append = (n: number) => server.request('/v1/stream/sessions/faults', { method: 'POST', body: event(n) })
  await append(1)
  await page.receives(1)

  await page.page.getByTestId('cut').click()
  await until('the page noticed', async () => (await page.collected()).state !== 'connected')
  await append(2)
  await page.page.getByTestId('restore').first().click()
  await page.receives(2)

  await page.page.getByTestId('damage').click()
  await append(3)
  await until('the damaged event is rejected', async () => (await page.collected()).errors.some((e) => e.code === 'INVALID_EVENT'))
  await append(4)
  await page.receives(3)
  const collected = await page.collected()
  expect(collected.events.map((received) => received.data['text'])).toEqual(['piece 1 ', 'piece 2 ', 'piece 4 '])
  expect(collected.events.at(-1)?.offset).toBe(4)

  await page.page.getByTestId('post-bad').click()
  expect(await page.page.getByTestId('refusal-status').textContent()).toBe('400')
  expect(await page.page.getByTestId('refusal-body').textContent()).toContain('INVALID_EVENT')
  expect(await server.events('faults')).toHaveLength(4)
})
