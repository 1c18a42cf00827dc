// The release server, and sessions in it. Must not know pages or projects.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../../harness/condition.ts'
import { binary } from './paths.ts'

export class Server {
  readonly token = randomBytes(24).toString('hex')
  readonly #directory = mkdtempSync(join(tmpdir(), 'durable-sessions-packaging-'))
  readonly #child: ChildProcess
  /** A run that is broken off leaves no server behind. */
  readonly #kill = () => void this.#child.kill('SIGKILL')
  #said = ''
  #sessions = 0

  private constructor() {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('DURABLE_SESSIONS_'))
    this.#child = spawn(binary, ['serve', '--listen', '127.0.0.1:0', '--store', 'memory'], {
      cwd: this.#directory,
      env: { ...Object.fromEntries(inherited), DURABLE_SESSIONS_TOKEN: this.token },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    process.once('exit', this.#kill)
    for (const output of [this.#child.stdout, this.#child.stderr]) {
      output?.on('data', (text: Buffer) => (this.#said = (this.#said + text.toString()).slice(-64_000)))
    }
  }

  /** A server that answers. */
  static async start(): Promise<Server> {
    const server = new Server()
    await until('the server is ready', async () => {
      if (server.#child.exitCode !== null) throw new Error(`the server ended:\n${server.#said}`)
      return server.#address !== undefined && (await fetch(`${server.url}/readyz`)).ok
    })
    return server
  }

  get #address(): string | undefined {
    return /https?:\/\/\S+/.exec(this.#said)?.[0].replace(/\/$/, '')
  }

  get url(): string {
    return this.#address ?? ''
  }

  /** Creates a session that holds one chunk for each text. */
  async session(...texts: string[]): Promise<string> {
    const session = `packaging-${(this.#sessions += 1)}`
    await this.#send('PUT', session)
    await this.append(session, ...texts)
    return session
  }

  async append(session: string, ...texts: string[]): Promise<void> {
    const events = texts.map((text) => ({ id: `event-${text}`, type: 'chunk', timestamp: Date.now(), data: { text } }))
    await this.#send('POST', session, { 'Content-Type': 'application/json' }, JSON.stringify(events))
  }

  async close(session: string): Promise<void> {
    await this.#send('POST', session, { 'Stream-Closed': 'true' })
  }

  async #send(method: string, session: string, headers: Record<string, string> = {}, body: string | null = null): Promise<void> {
    const answer = await fetch(`${this.url}/v1/stream/sessions/${session}`, {
      method,
      headers: { Authorization: `Bearer ${this.token}`, ...headers },
      body,
    })
    if (!answer.ok) throw new Error(`${method} ${session}: ${answer.status} ${await answer.text()}`)
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise((resolve) => this.#child.once('exit', resolve))
      this.#kill()
      await ended
    }
    process.off('exit', this.#kill)
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
