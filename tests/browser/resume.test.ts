// Every event of a real run reaches the page equal, in order, once: through a server killed without warning, a cut
// link, a link cut in the middle of a frame, and a reload.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { describe, expect, test } from 'vitest'
import { command } from './harness/command.ts'
import { until } from './harness/condition.ts'
import type { ReceivedEvent } from './harness/page.ts'
import { recording, sharedRuns } from './harness/paths.ts'
import { world } from './harness/world.ts'

const shared = sharedRuns()
console.log(
  shared.length > 0
    ? `recorded runs used: ${[recording, ...shared].map((path) => basename(path)).join(', ')}`
    : `recorded runs used: ${basename(recording)} only (no shared runs on this machine)`,
)

/** A record carries all of its event's payload, its id, type and time, and stands at its place. */
function expectSame(received: ReceivedEvent[], stored: Record<string, unknown>[]): void {
  expect(received.map((event) => event.offset)).toEqual(stored.map((_, index) => index + 1))
  for (const [index, event] of received.entries()) {
    const wire = stored[index] as { id: string; type: string; timestamp: number; data: Record<string, unknown> }
    expect({ ...event, data: undefined }, `event ${index}`).toMatchObject({ id: wire.id, type: wire.type })
    expect(event.data, `payload of event ${index} (${wire.type})`).toMatchObject({ ...wire.data, timestamp: wire.timestamp })
  }
}

describe.each([recording, ...shared])('%s', (path) => {
  test('arrives equal, in order, once, through a kill and two cuts, and again after a reload', async () => {
    const session = 'run'
    const { server, link, page } = await world(session)
    let replaying = true
    const replay = command(server, 'replay', path, '--session', session, '--speed', '20').finally(() => (replaying = false))

    await page.receives(20)
    expect(replaying).toBe(true)
    await server.kill()
    await until('the page noticed', async () => (await page.collected()).state === 'reconnecting')
    await server.start()
    await page.receives(60)

    link.cut()
    await until('the page noticed', async () => (await page.collected()).state === 'reconnecting')
    link.restore()
    await page.receives(100)

    expect(replaying).toBe(true)
    link.cutAfter(700)
    await until('the link was cut in the middle of a frame', () => link.cutsMidway === 1)
    const finished = await replay
    expect(finished.stderr + finished.stdout).not.toMatch(/panicked/)
    expect(finished.code, finished.stderr).toBe(0)

    const stored = (await server.events(session)) as Record<string, unknown>[]
    if (path === recording) {
      const lines = readFileSync(recording, 'utf8').trim().split('\n').slice(1)
      expect(stored).toEqual(lines.map((line) => JSON.parse(line)))
    }
    expect(new Set(stored.map((event) => event['id'])).size).toBe(stored.length)

    await page.receives(stored.length)
    const before = await page.collected()
    expectSame(before.events, stored)
    expect(before.errors.filter((error) => error.code !== 'CONNECTION_LOST')).toEqual([])

    await page.page.reload()
    await page.receives(stored.length)
    expectSame((await page.collected()).events, stored)
    expect(page.console.filter((line) => line.startsWith('uncaught'))).toEqual([])
  })
})
