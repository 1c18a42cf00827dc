// The main job in the other engine: a run through a kill and a cut, every event once, and again after a reload.
import { expect, test } from 'vitest'
import { start } from './harness/command.ts'
import { expectSame } from './harness/compare.ts'
import { until } from '../harness/condition.ts'
import { FirefoxPage } from './harness/firefox.ts'
import { recording } from './harness/paths.ts'
import { closing, site } from './harness/world.ts'

test('Firefox shows every event of a run equal, in order, once, through a kill and a cut', async () => {
  const { server, link, address } = await site('firefox', '&initialDelay=20&maxDelay=200')
  const page = closing(await FirefoxPage.open(address))
  const isIn = (state: string) => async () => (await page.collected()).state === state
  await until('Firefox is connected', isIn('connected'))
  const replay = start(server, 'replay', recording, '--session', 'firefox', '--speed', '10')

  await page.receives(20)
  await server.kill()
  expect(replay.isRunning()).toBe(true)
  await until('Firefox noticed the kill', isIn('reconnecting'))
  await server.start()
  await page.receives(60)
  link.cut()
  await until('Firefox noticed the cut', isIn('reconnecting'))
  link.restore()

  const finished = await replay.finished
  expect(finished.code, finished.stderr).toBe(0)
  const stored = (await server.events('firefox')) as Record<string, unknown>[]
  await page.receives(stored.length)
  expectSame((await page.collected()).events, stored)
  await page.reload()
  await page.receives(stored.length)
  expectSame((await page.collected()).events, stored)
})
