// `durable-sessions/store` where nothing but the session API can be reached: what it shows is what a store on the
// protocol shows, earlier pages and repaired gaps included.
import { DurableStreamsClient, type FetchLike } from 'durable-sessions'
import { createSessionStore, sessionApiFetch, sessionApiHistory, type SessionStore } from 'durable-sessions/store'
import { afterEach, describe, expect, test } from 'vitest'
import { until } from '../harness/condition.ts'
import { withServer } from './harness/world.ts'

const QUICK = { initialDelay: 5, maxDelay: 50, jitter: false }
const EVENTS = 600
const LIMITS = { entriesMax: 160, pageEvents: 120 }

const server = withServer({ engine: 'memory', access: 'token', longPollTimeoutMs: 500 })
const open: { close(): void }[] = []
afterEach(() => {
  for (const one of open.splice(0).reverse()) one.close()
})

const chunk = (n: number) => ({ id: `e${n}`, type: 'chunk', timestamp: 1_760_000_000_000 + n, data: { text: `t${n} `, messageId: `m${n}` } })

async function ask(method: string, path: string, body?: unknown): Promise<Response> {
  const answer = await fetch(`${server().url}${path}`, {
    method,
    headers: { authorization: `Bearer ${server().token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  expect(answer.ok, `${method} ${path}: ${answer.status}`).toBe(true)
  return answer
}

const session = (id: string) => ask('PUT', `/v1/stream/sessions/${id}`)

const append = (id: string, from: number, to: number) =>
  ask('POST', `/v1/stream/sessions/${id}`, Array.from({ length: to - from + 1 }, (_, i) => chunk(from + i)))

function clientOf(fetch: FetchLike): DurableStreamsClient {
  const client = new DurableStreamsClient({ url: server().url, token: server().token, reconnect: QUICK, transport: 'sse', fetch, logger: { error: () => {}, warn: () => {} } })
  open.push(client)
  return client
}

/** A store whose requests outside of `/api` fail, and what it asked. `through` may change what comes in. */
function apiStore(id: string, options: Partial<typeof LIMITS> = {}, through: FetchLike = fetch, byEvents = true): { store: SessionStore; asked: string[] } {
  const asked: string[] = []
  const client = clientOf(
    sessionApiFetch((url, init) => {
      const path = url.slice(server().url.length)
      asked.push(path)
      return path.startsWith('/api/') ? through(url, init) : Promise.reject(new TypeError('only the session API can be reached'))
    }),
  )
  const store = createSessionStore(client, id, { ...options, ...(byEvents && { history: sessionApiHistory(client, id) }) })
  open.push(store)
  return { store, asked }
}

const shown = (store: SessionStore) => {
  store.flush()
  const { items, messages, truncatedCount, lastOffset, gaps, closed } = store.getSnapshot()
  return { items: items.map(({ kind, offset, key }) => [kind, offset, key]), texts: messages.map(({ text }) => text), truncatedCount, lastOffset, gaps, closed }
}

describe('a store on the session API', () => {
  test('shows what a store on the protocol shows, live, earlier pages and the end included', async () => {
    await session('same')
    await append('same', 1, EVENTS)
    const { store, asked } = apiStore('same', LIMITS)
    // The same without a history of its own: read by the stream from where a cursor is known.
    const { store: simple } = apiStore('same', LIMITS, fetch, false)
    const plain = createSessionStore(clientOf(fetch), 'same', LIMITS)
    open.push(plain)
    const all = [store, simple, plain]
    for (const one of all) one.subscribe(() => undefined)
    const reach = (offset: number) => until(`all are at ${offset}`, () => all.every((one) => one.getSnapshot().lastOffset === offset))
    const expectSame = () => {
      expect(shown(store)).toEqual(shown(plain))
      expect(shown(simple)).toEqual(shown(plain))
    }
    await reach(EVENTS)
    await append('same', EVENTS + 1, EVENTS + 5)
    await reach(EVENTS + 5)
    expectSame()
    expect(store.getSnapshot().truncatedCount).toBeGreaterThan(400)

    for (const one of all) expect(await one.loadEarlier()).toBe(120)
    expectSame()
    // One page of exactly what was wanted, from a place that no cursor was remembered for.
    const pages = asked.filter((path) => path.includes('/events?'))
    const { truncatedCount } = store.getSnapshot()
    expect(pages).toEqual([`/api/sessions/same/events?from=${truncatedCount}&to=${truncatedCount + 120}&limit=1000`])

    await ask('POST', '/api/sessions/same/close')
    await until('all heard of the end', () => all.every((one) => one.getSnapshot().connection.state === 'closed'))
    expectSame()
    expect(asked.every((path) => path.startsWith('/api/'))).toBe(true)
  })

  test('reads a gap from history that opened on the way', async () => {
    await session('gap')
    await append('gap', 1, 20)
    // Three of the twenty are lost on the way, once.
    let lost = 0
    const through: FetchLike = async (url, init) => {
      const answer = await fetch(url, init)
      if (!url.includes('/stream?') || lost > 0 || answer.body === null) return answer
      const text = new TransformStream<Uint8Array, Uint8Array>({
        transform(bytes, controller) {
          const kept = new TextDecoder().decode(bytes).split('\n\n').filter((frame) => {
            const isLost = /"e(8|9|10)"/.test(frame)
            lost += Number(isLost)
            return !isLost
          })
          controller.enqueue(new TextEncoder().encode(kept.join('\n\n')))
        },
      })
      return new Response(answer.body.pipeThrough(text), { status: answer.status, headers: answer.headers })
    }
    const { store, asked } = apiStore('gap', {}, through)
    store.subscribe(() => undefined)
    await until('everything is there', () => shown(store).texts.length === 20, 20_000)
    expect(lost).toBe(3)
    expect(shown(store).texts).toEqual(Array.from({ length: 20 }, (_, i) => `t${i + 1} `))
    expect(asked.some((path) => path.includes('/events?'))).toBe(true)
  })

  test('says what was refused', async () => {
    const { store } = apiStore('nowhere')
    store.subscribe(() => undefined)
    await until('it was told', () => store.getSnapshot().connection.state === 'lost')
    expect(store.getSnapshot().connection.lost?.cause).toMatch(/404/)
  })
})
