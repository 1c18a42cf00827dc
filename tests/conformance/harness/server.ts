// The release binary as a child process: one server with a data directory of its own, on a port the system chose.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../../harness/condition.ts'
import { binary } from './paths.ts'

export type Engine = 'memory' | 'embedded'

export interface ServerOptions {
  engine: Engine
  /** Whether requests need a token; without, the server runs with `--dev-no-auth`. */
  access: 'token' | 'everybody'
  /** How long a long-poll waits. */
  longPollTimeoutMs: number
  /** About how long an SSE answer lasts; the server's own default when absent. */
  sseMaxAgeMs?: number
}

export class Server {
  #log = ''
  #address: string | undefined
  /** A run that is broken off leaves no server behind. */
  readonly #kill = () => void this.child.kill('SIGKILL')

  private constructor(
    readonly directory: string,
    /** Empty when everybody is let in. */
    readonly token: string,
    private readonly child: ChildProcess,
  ) {
    process.once('exit', this.#kill)
    child.stderr?.on('data', (text: Buffer) => (this.#log = (this.#log + text.toString()).slice(-64_000)))
    child.stdout?.on('data', (text: Buffer) => {
      this.#address ??= /https?:\/\/\S+/.exec(text.toString())?.[0].replace(/\/$/, '')
    })
  }

  /** A server that answers. */
  static async start(options: ServerOptions): Promise<Server> {
    const directory = mkdtempSync(join(tmpdir(), 'durable-sessions-conformance-'))
    const token = options.access === 'token' ? randomBytes(24).toString('hex') : ''
    const child = spawn(
      binary,
      [
        'serve',
        ...['--listen', '127.0.0.1:0'],
        ...['--long-poll-timeout', `${options.longPollTimeoutMs}ms`],
        ...(options.sseMaxAgeMs === undefined ? [] : ['--sse-max-age', `${options.sseMaxAgeMs}ms`]),
        ...(options.engine === 'memory' ? ['--store', 'memory'] : ['--data-dir', join(directory, 'data')]),
        ...(options.access === 'everybody' ? ['--dev-no-auth'] : []),
      ],
      { cwd: directory, env: environment(token), stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const server = new Server(directory, token, child)
    const failed = new Promise<never>((_, reject) => child.once('error', reject))
    const ready = until('the server is ready', async () => {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}:\n${server.#log}`)
      return server.#address !== undefined && (await fetch(`${server.url}/readyz`)).ok
    })
    await Promise.race([ready, failed])
    return server
  }

  get url(): string {
    if (this.#address === undefined) throw new Error('the server has not said its address')
    return this.#address
  }

  get port(): string {
    return new URL(this.url).port
  }

  get headers(): Record<string, string> {
    return this.token === '' ? {} : { Authorization: `Bearer ${this.token}` }
  }

  /** The last lines it logged. */
  get log(): string {
    return this.#log
  }

  /** The URL of the stream at a path. */
  stream(path: string): string {
    return `${this.url}/v1/stream/${path}`
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = new Promise((resolve) => this.child.once('exit', resolve))
      this.#kill()
      await ended
    }
    process.off('exit', this.#kill)
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** What the child sees: nothing of the caller's own settings for a server. */
function environment(token: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('DURABLE_SESSIONS_'))
  return { ...Object.fromEntries(inherited), ...(token === '' ? {} : { DURABLE_SESSIONS_TOKEN: token }) }
}
