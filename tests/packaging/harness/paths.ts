// Where things are in a checkout. Nothing here starts anything.
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = resolve(dirname(fileURLToPath(import.meta.url)), '..')
export const repository = resolve(here, '../..')

const target = process.env['CARGO_TARGET_DIR'] ?? join(repository, 'target')

/** The release binary: what a user runs. */
export const binary = process.env['DURABLE_SESSIONS_BIN'] ?? join(target, 'release/durable-sessions')
/** The npm package as it is built. */
export const pkg = join(repository, 'pkg')
/** The projects as they are committed. */
export const templates = join(here, 'projects')
/** What they are built with, by lock file. */
export const tools = join(here, 'tools')
/** Where they are generated: the tools' node_modules stand here, above every project, so that each of them finds them. */
export const workshop = join(target, 'packaging')
/** The packed tarball. */
export const tarball = join(workshop, 'durable-sessions.tgz')
