// Every event of a real run reaches the page equal, in order, once: through a server killed without warning, a cut
// link, a link cut in the middle of a frame, and a reload.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { describe, expect, test } from 'vitest'
import { command, start } from './harness/command.ts'
import { until } from '../harness/condition.ts'
import { content, expectSame, recordedEvents } from './harness/compare.ts'
import { recording, sharedRuns } from './harness/paths.ts'
import { world } from './harness/world.ts'

const shared = sharedRuns()
console.log(
  shared.length > 0
    ? `recorded runs used: ${[recording, ...shared].map((path) => basename(path)).join(', ')}`
    : `recorded runs used: ${basename(recording)} only (no shared runs on this machine)`,
)

describe.each([recording, ...shared])('%s', (path) => {
  test('arrives equal, in order, once, through a kill and two cuts, and again after a reload', async () => {
    const session = 'run'
    const { server, link, page } = await world(session, '&initialDelay=20&maxDelay=200')
    const replay = start(server, 'replay', path, '--session', session, '--speed', '10')
    const isConnected = async () => (await page.collected()).state === 'connected'
    const isReconnecting = async () => (await page.collected()).state === 'reconnecting'

    // Killed while the replay is writing: it cannot end without the server.
    await page.receives(20)
    await server.kill()
    expect(replay.isRunning()).toBe(true)
    await until('the page noticed the kill', isReconnecting)
    replay.hold()
    await server.start()
    await until('the page is back after the kill', isConnected)
    replay.goOn()

    // Cut off while events go on being written.
    await page.receives(60)
    link.cut()
    await until('the page noticed the cut', isReconnecting)
    const before = (await server.events(session)).length
    await until('events are written meanwhile', async () => (await server.events(session)).length > before + 5)
    replay.hold()
    link.restore()
    await until('the page is back after the cut', isConnected)

    // Cut in the middle of a frame.
    link.cutAfter(700)
    replay.goOn()
    await until('the link was cut in the middle of a frame', () => link.cutsMidway === 1)
    const finished = await replay.finished
    expect(finished.stderr + finished.stdout).not.toMatch(/panicked/)
    expect(finished.code, finished.stderr).toBe(0)

    const stored = (await server.events(session)) as Record<string, unknown>[]
    // A recording is stored as it is; the events made from another format have ids and times of their own run.
    const planned = await command(server, 'replay', path, '--session', session, '--dry-run')
    const expected = recordedEvents(path === recording ? readFileSync(recording, 'utf8') : planned.stdout)
    expect(stored.length).toBeGreaterThan(100)
    expect(path === recording ? stored : stored.map(content)).toEqual(path === recording ? expected : expected.map(content))
    expect(new Set(stored.map((event) => event['id'])).size).toBe(stored.length)

    await page.receives(stored.length)
    const collected = await page.collected()
    expectSame(collected.events, stored)
    expect(collected.errors).toEqual([])

    await page.page.reload()
    await page.receives(stored.length)
    expectSame((await page.collected()).events, stored)
    expect(page.console.filter((line) => line.startsWith('uncaught'))).toEqual([])
  })
})
