// Before the first test: the tools are installed when their lock file has changed, and the package is packed.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { command } from './command.ts'
import { binary, pkg, tarball, tools, workshop } from './paths.ts'

export default async function setup(): Promise<void> {
  if (!existsSync(binary)) throw new Error(`${binary} is not built: run \`cargo build --release\` first`)
  if (!existsSync(join(pkg, 'dist/wasm/durable_sessions_bg.wasm'))) throw new Error('pkg is not built: run `cargo xtask wasm` first')
  mkdirSync(workshop, { recursive: true })
  await installTools()
  const answer: unknown = JSON.parse(await command('npm', ['pack', '--json', '--pack-destination', workshop], { cwd: pkg }))
  const [packed] = Object.values(answer as Record<string, { filename: string }>)
  if (packed === undefined) throw new Error('npm pack named no tarball')
  renameSync(join(workshop, packed.filename), tarball)
}

async function installTools(): Promise<void> {
  const lock = 'package-lock.json'
  // Copied after everything else, so that an install that was broken off does not count.
  const done = join(workshop, lock)
  if (existsSync(done) && readFileSync(done, 'utf8') === readFileSync(join(tools, lock), 'utf8')) return
  rmSync(done, { force: true })
  const staging = join(workshop, 'tools')
  rmSync(staging, { recursive: true, force: true })
  mkdirSync(staging)
  for (const name of ['package.json', lock]) copyFileSync(join(tools, name), join(staging, name))
  await command('npm', ['ci', '--no-audit', '--no-fund'], { cwd: staging })
  rmSync(join(workshop, 'node_modules'), { recursive: true, force: true })
  renameSync(join(staging, 'node_modules'), join(workshop, 'node_modules'))
  copyFileSync(join(tools, 'package.json'), join(workshop, 'package.json'))
  copyFileSync(join(tools, lock), done)
}
