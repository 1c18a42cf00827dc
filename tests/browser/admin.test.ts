// The page for administrators against the real server: a dead letter is made, seen, queued again and arrives; streams
// show who follows them; whoever is no administrator is told so.
import { expect, test } from 'vitest'
import { until } from '../harness/condition.ts'
import { DemoPage } from './harness/page.ts'
import { closing, world } from './harness/world.ts'

const event = (n: number): string =>
  JSON.stringify({ id: `e${n}`, type: 'chunk', timestamp: 1_760_000_000_000 + n, data: { text: `piece ${n} ` } })

/** An idempotent producer's append, queued or not. */
const claim = (sequence: number) => ({ 'producer-id': 'p', 'producer-epoch': '0', 'producer-seq': String(sequence) })

test('a dead letter is seen, redriven too early, redriven in time, and another one deleted', async () => {
  const { server, page } = await world('letters')
  const path = '/v1/stream/sessions/letters'
  const queue = (sequence: number, n: number) =>
    server.request(`${path}?durability=queued`, { method: 'POST', body: event(n), headers: claim(sequence) })
  const at = page.page
  await at.getByTestId('server').click()
  await at.getByTestId('letters-empty').waitFor()
  expect(new URL(at.url()).hash).toBe('#server')

  // Its predecessor is missing: the stream refuses it when its turn comes.
  expect((await queue(1, 2)).status).toBe(202)
  const letter = at.getByTestId('letter')
  await letter.waitFor()
  const said = await letter.textContent()
  for (const part of ['sessions/letters', 'SEQUENCE_GAP', '1 attempt', 'Taken', 'First tried', 'Given up']) expect(said).toContain(part)
  await letter.locator('summary').click()
  await letter.locator('pre').getByText('piece 2').waitFor()
  await at.getByTestId('dead-letters-kept').getByText('1', { exact: true }).waitFor()

  // Too early: it comes back under another id, and is the same append.
  const first = await letter.getAttribute('data-id')
  await at.getByTestId('redrive').press('Enter')
  await at.getByTestId('letters-outcome').getByText('1 dead letter queued again').waitFor()
  await until('it was given up again', async () => ![null, first].includes(await letter.getAttribute('data-id', { timeout: 1_000 }).catch(() => null)))

  const missing = await server.request(path, { method: 'POST', body: event(1), headers: claim(0) })
  expect(missing.status).toBe(200)
  await at.getByTestId('redrive').click()
  await at.getByTestId('letters-empty').waitFor()
  await until('both are stored', async () => (await server.events('letters')).length === 2)
  expect((await server.events('letters')).map((stored) => (stored as { id: string }).id)).toEqual(['e1', 'e2'])

  // By keyboard alone: asked twice, kept, then deleted for good.
  expect((await queue(5, 6)).status).toBe(202)
  await at.getByTestId('purge').focus()
  await at.keyboard.press('Enter')
  expect(await at.evaluate(() => document.activeElement?.textContent)).toBe('Keep')
  await at.keyboard.press('Enter')
  expect(await letter.count()).toBe(1)
  await at.getByTestId('purge').press('Enter')
  await at.keyboard.press('Tab')
  await at.keyboard.press('Enter')
  await at.getByTestId('letters-empty').waitFor()
  expect(await at.evaluate(() => document.activeElement?.id)).toBe('letters-title')
  const left = (await (await server.request('/api/dead-letters')).json()) as { data: { deadLetters: unknown[] } }
  expect(left.data.deadLetters).toEqual([])
  expect(await server.events('letters')).toHaveLength(2)

  // The session went on behind the page, and Back leads to it.
  await at.goBack()
  await at.getByTestId('admin').waitFor({ state: 'detached' })
  expect((await page.collected()).events.map(({ id }) => id)).toEqual(['e1', 'e2'])
  expect(page.console.filter((line) => /^(uncaught|error)/.test(line))).toEqual([])
})

test('counters and streams are of now: appends, subscribers, size, lag', async () => {
  const { server, page, address } = await world('followed')
  const at = page.page
  await server.request('/v1/stream/logs/build', { method: 'PUT', headers: { 'content-type': 'text/plain' }, body: 'hello' })
  await at.keyboard.press('s')
  const row = at.locator('[data-path="sessions/followed"]')
  await row.waitFor()
  await at.locator('[data-path="logs/build"]').getByText('5 B').waitFor()
  closing(await DemoPage.open(address))
  await until('two follow it', async () => /idle0 events20 events/.test((await row.textContent()) ?? ''))
  for (let n = 1; n <= 3; n += 1) {
    expect((await server.request('/v1/stream/sessions/followed', { method: 'POST', body: event(n) })).status).toBe(204)
  }
  await until('its size is of now', async () => /active3 events20 events/.test((await row.textContent()) ?? ''))
  await at.getByTestId('subscribers-open').getByText(/^2 of /).waitFor()
  await at.getByTestId('fsync').getByText(/^[\d.]+ m?s \/ [\d.]+ m?s$/).waitFor()
  await at.getByTestId('only-followed').check()
  await until('only what is followed is left', async () => (await at.getByTestId('stream').count()) === 1)
  await row.getByRole('button').click()
  await at.getByTestId('admin').waitFor({ state: 'detached' })
})

test('whoever is no administrator is told so, and keeps the session', async () => {
  const { server, link } = await world('mine')
  const made = await server.request('/api/auth/keys', {
    method: 'POST',
    body: JSON.stringify({ subject: 'ada', scope: 'stream:read', sessions: ['mine'] }),
  })
  expect(made.status, await made.clone().text()).toBe(201)
  const { key } = ((await made.json()) as { data: { key: string } }).data
  const reader = closing(await DemoPage.open(`${link.url}/?e2e=1#token=${key}&session=mine`))
  await until('the reader is connected', async () => (await reader.collected()).state === 'connected')
  await reader.page.getByTestId('server').click()
  await reader.page.getByTestId('admin-forbidden').getByText(/this is for administrators/).waitFor()
  expect(await reader.page.getByTestId('letter').count()).toBe(0)
  await reader.page.getByTestId('leave-admin').click()
  expect((await reader.collected()).state).toBe('connected')
})
