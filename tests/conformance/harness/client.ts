// The public TypeScript client pointed at one of our servers, with and without a link that loses answers.
import { DurableStream, type DurableStreamOptions, type JsonBatch, type StreamResponse } from '@durable-streams/client'
import type { Server } from './server.ts'
import { until } from '../../harness/condition.ts'

let made = 0

/** A path that no other test of this server uses. */
export function freshPath(what: string): string {
  made += 1
  return `interop/${what}-${made}`
}

/** How the client reaches a stream: its URL, and the token by a function, as applications with short-lived tokens do. */
export function reach(server: Server, path: string): { url: string; headers: Record<string, () => Promise<string>> } {
  const headers = Object.entries(server.headers).map(([name, value]) => [name, async () => value])
  return { url: server.stream(path), headers: Object.fromEntries(headers) as Record<string, () => Promise<string>> }
}

export function create(
  server: Server,
  path: string,
  contentType: string,
  more: Partial<DurableStreamOptions> & { closed?: boolean; body?: string } = {},
): Promise<DurableStream> {
  return DurableStream.create({ ...reach(server, path), contentType, ...more })
}

/** Everything a stream holds now. With `live: false` the client asks for one page, so the pages are walked here. */
export async function everything<T = unknown>(stream: DurableStream, offset = '-1'): Promise<T[]> {
  const items: T[] = []
  for (let from = offset; ; ) {
    const page = await stream.stream<T>({ offset: from, live: false })
    items.push(...(await page.json()))
    if (page.upToDate) return items
    from = page.offset
  }
}

/** The batches of a live read, kept as they come. */
export class Follower<T> {
  readonly items: T[] = []
  readonly batches: JsonBatch<T>[] = []
  readonly stop: () => void

  constructor(readonly response: StreamResponse<T>) {
    this.stop = response.subscribeJson<T>((batch) => {
      this.batches.push(batch)
      this.items.push(...batch.items)
    })
  }

  get last(): JsonBatch<T> | undefined {
    return this.batches.at(-1)
  }

  /** The end of the stream has been handed on. (The client's own `closed` may come before the last batch.) */
  async ended(): Promise<void> {
    await until('the reader saw the end of the stream', () => this.last?.streamClosed)
    await this.response.closed
  }

  has(count: number): Promise<true> {
    return until(`${count} items arrived (${this.items.length} did)`, () => this.items.length >= count || undefined)
  }
}

const LOST = 'the answer was lost'

/** A `fetch` that carries out every request and loses the answer of those that `isLost` picks, counted from 1. */
export function losingAnswers(isLost: (request: number) => boolean): typeof fetch & { lost: number } {
  let requests = 0
  const lossy = async (...call: Parameters<typeof fetch>): Promise<Response> => {
    requests += 1
    const lose = isLost(requests)
    const answer = await fetch(...call)
    if (!lose) return answer
    await answer.arrayBuffer()
    tally.lost += 1
    throw new TypeError(LOST)
  }
  const tally = Object.assign(lossy, { lost: 0 })
  return tally
}

/** A `fetch` that sends a request again when its answer was lost: the client leaves that to the application. */
export function repeating(inner: typeof fetch): typeof fetch {
  return async (...call) => {
    for (;;) {
      try {
        return await inner(...call)
      } catch (error) {
        if (!isLost(error)) throw error
      }
    }
  }
}

function isLost(error: unknown): boolean {
  return error instanceof TypeError && error.message === LOST
}
