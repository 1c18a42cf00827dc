// The command line of the release binary, pointed at a server of the protocol: ours, or the reference server.
import { type ChildProcess, spawn } from 'node:child_process'
import { DurableStreamTestServer } from '@durable-streams/server'
import { afterAll, beforeAll } from 'vitest'
import { until } from '../../harness/condition.ts'
import { binary } from './paths.ts'
import { Server } from './server.ts'

/** A command that runs longer hangs. */
const HUNG_MS = 60_000

export interface Ended {
  code: number | null
  stdout: Buffer
  stderr: string
}

/** Where the commands go. */
export interface Target {
  url: string
  token: string
  /** Of the reference server alone. */
  reference?: DurableStreamTestServer
}

export type Which = 'durable-sessions' | '@durable-streams/server'

/** A server for all tests of one `describe`. */
export function withTarget(which: Which): () => Target {
  let target: Target | undefined
  let stop: (() => Promise<void>) | undefined
  beforeAll(async () => {
    if (which === 'durable-sessions') {
      const server = await Server.start({ engine: 'memory', access: 'token', longPollTimeoutMs: 500 })
      target = { url: server.url, token: server.token }
      stop = () => server.stop()
    } else {
      const reference = new DurableStreamTestServer({ port: 0, longPollTimeout: 500 })
      const url = await reference.start()
      target = { url, token: '', reference }
      stop = () => reference.stop()
    }
  })
  afterAll(() => stop?.())
  return () => {
    if (target === undefined) throw new Error('the server has not started')
    return target
  }
}

/** A command that is under way. */
export class Command {
  readonly #child: ChildProcess
  readonly #stdout: Buffer[] = []
  #stderr = ''
  readonly #ended: Promise<number | null>

  constructor(target: Target, args: readonly string[], input: string | Uint8Array = '') {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('DURABLE_SESSIONS_'))
    this.#child = spawn(binary, args, {
      env: {
        ...Object.fromEntries(inherited),
        DURABLE_SESSIONS_URL: target.url,
        ...(target.token === '' ? {} : { DURABLE_SESSIONS_TOKEN: target.token }),
      },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: HUNG_MS,
    })
    this.#child.stdout?.on('data', (data: Buffer) => this.#stdout.push(data))
    this.#child.stderr?.on('data', (data: Buffer) => (this.#stderr += data.toString()))
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', resolve)
    })
    // The command may end without reading.
    this.#child.stdin?.on('error', () => {})
    this.#child.stdin?.end(input)
  }

  /** Waits until it has written so many bytes. */
  wrote(bytes: number): Promise<true> {
    return until(`${bytes} bytes are written`, () => Buffer.concat(this.#stdout).length >= bytes || undefined)
  }

  async ended(): Promise<Ended> {
    const code = await this.#ended
    return { code, stdout: Buffer.concat(this.#stdout), stderr: this.#stderr }
  }
}

/** Runs a command to its end. */
export function run(target: Target, args: readonly string[], input: string | Uint8Array = ''): Promise<Ended> {
  return new Command(target, args, input).ended()
}

/** Runs a command that has to succeed, for what it writes. */
export async function ok(target: Target, args: readonly string[], input: string | Uint8Array = ''): Promise<Buffer> {
  const ended = await run(target, args, input)
  if (ended.code !== 0) throw new Error(`${args.join(' ')}: ${ended.code}\n${ended.stderr}`)
  return ended.stdout
}

/** The cursor that `read` and `fork` say. */
export function cursorIn(stderr: string): string {
  const cursor = /next cursor ([^\s;]+)/.exec(stderr)?.[1]
  if (cursor === undefined) throw new Error(`no cursor: ${stderr}`)
  return cursor
}
