// Serves built projects, and hears from them. A run is one session that several places (a page, its workers, a process)
// read at once: history first, then, when all of them have it, one more event live, then the end.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { until } from '../../harness/condition.ts'
import { workshop } from './paths.ts'
import type { Server } from './server.ts'

const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' }

/** What every place has to have seen. */
export const ALL = ['one', 'two', 'live', 'closed']

interface Run {
  session: string
  history: Set<string>
  results: Map<string, unknown>
  failure: string | null
}

export interface RunOptions {
  /** Whoever reports. */
  places: readonly string[]
  /** Starts what reads; it is over when this resolves. */
  open(site: string, run: string, done: () => Promise<void>): Promise<void>
}

export class Site {
  /** What browsers say that a policy with `report-uri` at `violationUrl` has stopped. */
  readonly violations: string[] = []
  readonly #server: Server
  readonly #http: HttpServer
  readonly #runs = new Map<string, Run>()

  private constructor(server: Server) {
    this.#server = server
    this.#http = createServer((request, response) => {
      void this.#answer(request).then(({ status, headers, body }) => response.writeHead(status, headers).end(body))
    })
  }

  static async start(server: Server): Promise<Site> {
    const site = new Site(server)
    await new Promise<void>((resolve) => site.#http.listen(0, '127.0.0.1', resolve))
    return site
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
  }

  get violationUrl(): string {
    return `${this.url}/violation`
  }

  /** What each place saw. */
  async run({ places, open }: RunOptions): Promise<Record<string, unknown>> {
    const run: Run = { session: await this.#server.session('one', 'two'), history: new Set(), results: new Map(), failure: null }
    const id = run.session
    this.#runs.set(id, run)
    const everyone = (heard: { has(place: string): boolean }) => () => {
      if (run.failure !== null) return true
      return places.every((place) => heard.has(place))
    }
    // How far it came is known only now.
    const told = (error: unknown) => {
      throw new Error(`${[...run.history].join()} have history, ${JSON.stringify([...run.results])} are through`, { cause: error })
    }
    await open(this.url, id, async () => {
      await until(`${places.join()} have history`, everyone(run.history)).catch(told)
      await this.#server.append(run.session, 'live')
      await this.#server.close(run.session)
      await until(`${places.join()} are through`, everyone(run.results)).catch(told)
    })
    if (run.failure !== null) throw new Error(run.failure)
    return Object.fromEntries(run.results)
  }

  async #answer(request: IncomingMessage): Promise<{ status: number; headers: Record<string, string>; body: string | Uint8Array }> {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.url)
    // A page of Next's own server reports here, too.
    const cors = { 'access-control-allow-origin': '*' }
    if (pathname === '/settings') {
      const { url, token } = this.#server
      const settings = { url, token, session: this.#runs.get(searchParams.get('run') ?? '')?.session }
      return { status: 200, headers: { ...cors, 'content-type': 'application/json' }, body: JSON.stringify(settings) }
    }
    if (pathname === '/report' || pathname === '/violation') {
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part as Buffer)
      const text = Buffer.concat(parts).toString()
      if (pathname === '/violation') this.violations.push(text)
      else this.#report(JSON.parse(text) as Report)
      return { status: 204, headers: cors, body: '' }
    }
    const path = normalize(join(workshop, pathname, pathname.endsWith('/') ? 'index.html' : ''))
    if (!path.startsWith(workshop) || !existsSync(path) || !statSync(path).isFile()) return { status: 404, headers: {}, body: '' }
    return {
      status: 200,
      headers: { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', 'content-security-policy': this.#policy() },
      body: readFileSync(path),
    }
  }

  /** What pkg/README.md says a policy needs, and nothing more. */
  #policy(): string {
    return `default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self' ${this.#server.url}; require-trusted-types-for 'script'`
  }

  #report({ run: id, place, what, value }: Report): void {
    const run = this.#runs.get(id)
    if (run === undefined) return
    if (what === 'history') run.history.add(place)
    else if (what === 'result') run.results.set(place, value)
    else run.failure ??= `${place}: ${String(value)}`
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#http.close(() => resolve())
      this.#http.closeAllConnections()
    })
  }
}

interface Report {
  run: string
  place: string
  what: 'history' | 'result' | 'failure'
  value: unknown
}
