// Where things are in a checkout. Nothing here starts anything.
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')

const target = process.env['CARGO_TARGET_DIR'] ?? join(repository, 'target')

/** The release binary: what a user runs. */
export const binary = process.env['DURABLE_SESSIONS_BIN'] ?? join(target, 'release/durable-sessions')

/** The built demo page, as the server serves it. */
export const webRoot = join(repository, 'web-demo/dist')

/** The committed recording of the example agent. */
export const recording = join(repository, 'tests/recordings/example-agent.jsonl')

/** Recorded runs that cannot be committed; present on the project's own machines. */
export function sharedRuns(): string[] {
  const folder = join(process.env['DURABLE_SESSIONS_SHARED_DATA'] ?? join(repository, '../shared/data'), 'trajectories')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.traj'))
    .sort()
    .map((name) => join(folder, name))
}

/** The system's Chromium; Playwright downloads none. */
export function chromium(): string {
  const named = process.env['CHROMIUM']
  const found = [named, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
    (path) => path !== undefined && existsSync(path),
  )
  if (found === undefined) throw new Error('no Chromium found: run `cargo xtask setup`, or set CHROMIUM to its path')
  return found
}
