// What a visitor sends: it is shown at once, arrives at the other page once, also when the network was away meanwhile.
import { expect, test } from 'vitest'
import { DemoPage } from './harness/page.ts'
import { closing, world } from './harness/world.ts'

const QUICK = '&initialDelay=20&maxDelay=200&maxAttempts=1000'

test('terminal input and a decision reach the other page once, through a cut of the network', async () => {
  const { server, page, address } = await world('sending', QUICK)
  const other = closing(await DemoPage.open(address))
  const type = async (text: string) => {
    await page.page.getByTestId('terminal-input').fill(text)
    await page.page.keyboard.press('Enter')
  }
  const lines = (at: DemoPage, text: string) => at.page.locator('.term-input', { hasText: text })

  await type('ls')
  await lines(other, 'ls').waitFor()
  await page.page.getByTestId('echo').waitFor({ state: 'detached' })

  await page.page.getByTestId('cut').click()
  await type('while cut')
  await page.page.getByTestId('echo').waitFor()
  expect(await lines(other, 'while cut').count()).toBe(0)
  await page.page.getByTestId('restore').first().click()
  await lines(other, 'while cut').waitFor()
  await page.page.getByTestId('echo').waitFor({ state: 'detached' })

  const asked = { id: 'ask', type: 'approval:requested', timestamp: 1, data: { taskId: 't', payload: { approvalId: 'a1', title: 'Deploy' } } }
  expect((await server.request('/v1/stream/sessions/sending', { method: 'POST', body: JSON.stringify(asked) })).status).toBe(204)
  await other.page.getByTestId('approve').click()
  await page.page.getByTestId('approval-bar').waitFor({ state: 'detached' })

  const stored = (await server.events('sending')) as { type: string; data: { data?: string; payload?: unknown } }[]
  expect(stored.map(({ type, data }) => [type, data.data])).toEqual([
    ['terminal:input', 'ls\n'],
    ['terminal:input', 'while cut\n'],
    ['approval:requested', undefined],
    ['approval:approved', undefined],
  ])
  expect(stored[3]?.data.payload).toEqual({ approvalId: 'a1' })
})

test('what is given up is said in the outbox with its reason, and sent again when asked', async () => {
  const { server, page } = await world('given-up', '&initialDelay=20&maxDelay=40&maxAttempts=2')
  const at = page.page
  await at.getByTestId('outbox').getByText('Everything sent from here is in the stream').waitFor()
  await at.getByTestId('cut').click()
  await at.getByTestId('terminal-input').fill('not now')
  await at.keyboard.press('Enter')
  const given = at.getByTestId('given-up')
  await given.waitFor()
  expect(await given.textContent()).toMatch(/terminal:input 2 attempts/)
  expect(await at.getByTestId('outbox-depth').textContent()).toContain('1 given up')
  await at.locator('.log-rows').getByText(/not sent: terminal:input/).waitFor()
  expect(await server.events('given-up')).toEqual([])

  await at.getByTestId('restore').first().click()
  await at.getByTestId('reconnect').click()
  await given.getByRole('button', { name: 'Try again' }).click()
  await at.getByTestId('outbox').getByText('Everything sent from here is in the stream').waitFor()
  expect((await server.events('given-up')) as { data: unknown }[]).toMatchObject([{ data: { data: 'not now\n' } }])
})
