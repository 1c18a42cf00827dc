// The release binary as a child process: started, killed without warning, started again on the same data and port.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../../harness/condition.ts'
import { binary, webRoot } from './paths.ts'

export class Server {
  readonly token = randomBytes(24).toString('hex')
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'durable-sessions-e2e-'))
  #child: ChildProcess | undefined
  #log = ''

  private constructor(readonly port: number) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  static async start(): Promise<Server> {
    const server = new Server(await freePort())
    await server.start()
    return server
  }

  async start(): Promise<void> {
    const child = spawn(
      binary,
      ['serve', '--listen', `127.0.0.1:${this.port}`, '--data-dir', this.#dataDir, '--web-root', webRoot],
      { env: { ...process.env, DURABLE_SESSIONS_TOKEN: this.token }, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    child.stdout?.on('data', (text: Buffer) => (this.#log += text.toString()))
    child.stderr?.on('data', (text: Buffer) => (this.#log += text.toString()))
    this.#child = child
    await until('the server is ready', async () => {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}:\n${this.#log}`)
      return (await fetch(`${this.url}/readyz`)).ok
    })
  }

  /** As the kernel does it: no goodbye. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
    this.#child = undefined
  }

  async stop(): Promise<void> {
    await this.kill()
    rmSync(this.#dataDir, { recursive: true, force: true })
  }

  async request(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json', ...init.headers },
    })
  }

  /** Everything the session's stream holds, in order: read page by page until the tail. */
  async events(session: string): Promise<unknown[]> {
    const events: unknown[] = []
    for (let offset = '-1'; ; ) {
      const answer = await this.request(`/v1/stream/sessions/${session}?offset=${offset}`)
      if (!answer.ok) throw new Error(`reading ${session} answered ${answer.status}: ${await answer.text()}`)
      events.push(...((await answer.json()) as unknown[]))
      offset = answer.headers.get('stream-next-offset') ?? offset
      if (answer.headers.get('stream-up-to-date') === 'true') return events
    }
  }
}

export async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const address = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
