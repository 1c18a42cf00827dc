// Who is there, by real pages on the real server: both see each other and where the other points; several tabs of one
// user are one; a page that is closed is gone at once, by its own word and not by the server's patience.
import { expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { until } from '../harness/condition.ts'
import { DemoPage } from './harness/page.ts'
import { closing, world } from './harness/world.ts'

const people = (page: Page) => page.getByTestId('person')
const sees = (page: Page, count: number) =>
  until(`${count} people are shown`, async () => (await people(page).count()) === count)
const visitor = (page: Page) => page.evaluate(() => sessionStorage.getItem('durable-sessions.visitor'))

test('two pages see each other, cursors move, tabs count once, and who closes is gone', async () => {
  const { server, page, address } = await world('together', '&presence=1')
  const grace = closing(await DemoPage.open(address))
  const [ada, her] = [page.page, grace.page]
  await sees(ada, 2)
  await sees(her, 2)
  const adaId = (await visitor(ada)) ?? ''
  expect(await visitor(her)).not.toBe(adaId)
  expect(await people(ada).filter({ hasText: 'you' }).count()).toBe(1)

  // A name that was chosen arrives.
  await ada.getByLabel('Your name').fill('Ada')
  await ada.getByRole('button', { name: 'Rename' }).click()
  await people(her).filter({ hasText: 'Ada' }).waitFor()

  // Pointing at a place of the middle part shows there, and follows.
  const cursor = her.locator(`[data-testid=cursor][data-user="${adaId}"]`)
  for (const [x, y] of [[0.25, 0.5], [0.75, 0.2]] as const) {
    await point(ada, x, y)
    await until(`the cursor is at ${x}, ${y}`, async () => {
      const shown = await place(her, await cursor.boundingBox({ timeout: 1_000 }).catch(() => null))
      return shown !== null && Math.abs(shown.x - x) < 0.02 && Math.abs(shown.y - y) < 0.02
    })
  }

  // Another tab of the same user: one person still, who is there until the last tab is gone.
  const opening = page.context.waitForEvent('page')
  await ada.evaluate(() => void window.open(window.location.href))
  const second = await opening
  await sees(second, 2)
  expect(await visitor(second)).toBe(adaId)
  await until('both tabs are connected', async () => (await connections(server, adaId)) === 2)
  await sees(her, 2)
  await ada.goto('about:blank')
  await until('the first tab has left', async () => (await connections(server, adaId)) === 1)
  await sees(her, 2)
  await second.evaluate(() => window.close()).catch(() => undefined)
  await sees(her, 1)
  await cursor.waitFor({ state: 'detached' })

  const stored = (await server.events('together')) as { type: string; data: { userId: string } }[]
  const told = stored.filter(({ data }) => data.userId === adaId).map(({ type }) => type)
  expect(told.filter((type) => type !== 'presence:joined')).toEqual(['presence:left'])
  expect(told.at(-1)).toBe('presence:left')
})

/** Moves the pointer to a part of the width and height of the page's middle. */
async function point(page: Page, x: number, y: number): Promise<void> {
  const box = await page.locator('#main').boundingBox()
  if (box === null) throw new Error('the middle of the page is not shown')
  await page.mouse.move(box.x + box.width * x, box.y + box.height * y, { steps: 4 })
}

/** Where something stands in the page's middle. */
async function place(page: Page, at: { x: number; y: number } | null): Promise<{ x: number; y: number } | null> {
  const box = await page.locator('#main').boundingBox()
  return box === null || at === null ? null : { x: (at.x - box.x) / box.width, y: (at.y - box.y) / box.height }
}

/** From how many tabs a user is there, as the server counts. */
async function connections(server: { request(path: string): Promise<Response> }, userId: string): Promise<number> {
  const answer = (await (await server.request('/api/sessions/together/presence')).json()) as {
    data: { presence: { userId: string; connections: number }[] }
  }
  return answer.data.presence.find((entry) => entry.userId === userId)?.connections ?? 0
}
