// Where things are in a checkout. Nothing here starts anything.
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')

const target = process.env['CARGO_TARGET_DIR'] ?? join(repository, 'target')

/** The release binary: what a user runs. */
export const binary = process.env['DURABLE_SESSIONS_BIN'] ?? join(target, 'release/durable-sessions')
