// `durable-sessions/streams` against our server and against the reference server, and against the public client's writes.
import { DurableStream } from '@durable-streams/client'
import { type Batch, type StreamAccess, durableStream, stream } from 'durable-sessions/streams'
import { describe, expect, test } from 'vitest'
import { freshPath, losingAnswers } from './harness/client.ts'
import { type Which, withTarget } from './harness/cli.ts'
import { until } from '../harness/condition.ts'

const BYTES_TYPE = 'application/octet-stream'
const MODES = [false, 'sse', 'long-poll', true] as const
const LIVE = ['sse', 'long-poll', true] as const
const QUICK = { initialDelay: 5, maxDelay: 50, jitter: false }

describe.each<Which>(['durable-sessions', '@durable-streams/server'])('durable-sessions/streams against %s', (which) => {
  const target = withTarget(which)

  function access(what: string): StreamAccess {
    const { url, token } = target()
    return { url: `${url}/v1/stream/${freshPath(what)}`, reconnect: QUICK, ...(token !== '' && { token }) }
  }

  async function created(what: string, contentType = 'application/json') {
    const at = access(what)
    const handle = durableStream(at)
    expect((await handle.create({ contentType })).created).toBe(true)
    return { at, handle }
  }

  test('a stream is created, described, written, read, ended and deleted', async () => {
    const at = access('life')
    const handle = durableStream(at)
    expect(await handle.head()).toBeNull()
    await expect(stream(at).json()).rejects.toMatchObject({ status: 404 })
    expect(await handle.create({ contentType: 'application/json', content: { n: 0 }, ttlSeconds: 600 })).toMatchObject({ created: true })
    expect(await handle.create({ contentType: 'application/json', ttlSeconds: 600 })).toMatchObject({ created: false })
    await expect(handle.create({ contentType: 'text/plain' })).rejects.toMatchObject({ status: 409 })
    await handle.append({ n: 1, text: 'Grüße, 世界 🎉' })
    await handle.append([1, 2])
    const head = await handle.head()
    expect(head).toMatchObject({ contentType: 'application/json', closed: false, ttlSeconds: 600 })
    expect(await stream(at).json()).toEqual([{ n: 0 }, { n: 1, text: 'Grüße, 世界 🎉' }, [1, 2]])
    expect(await stream({ ...at, offset: head?.offset ?? '' }).json()).toEqual([])
    await handle.append('last', { close: true })
    expect(await handle.head()).toMatchObject({ closed: true })
    await handle.close()
    await expect(handle.append(1)).rejects.toMatchObject({ status: 409 })
    const reader = stream(at)
    expect([await reader.json(), reader.closed]).toEqual([[{ n: 0 }, { n: 1, text: 'Grüße, 世界 🎉' }, [1, 2], 'last'], true])
    await handle.delete()
    expect(await handle.head()).toBeNull()
  })

  test.each(LIVE)('goes on with what comes and ends with the stream, live: %s', async (live) => {
    const { at, handle } = await created('live')
    await handle.append(0)
    const items: number[] = []
    const batches: Batch<number[]>[] = []
    const reader = stream<number>({ ...at, live })
    const reading = reader.subscribeJson((batch) => {
      items.push(...batch.content)
      batches.push(batch)
    })
    for (let n = 1; n < 30; n += 1) {
      await handle.append(n)
      if (n % 5 === 0) await until(`${n} items`, () => items.length > n)
    }
    await handle.append(30, { close: true })
    await reading
    expect(items).toEqual(Array.from({ length: 31 }, (_, n) => n))
    expect([reader.closed, reader.upToDate, batches.at(-1)?.closed]).toEqual([true, true, true])

    // Every batch's offset is a place to begin.
    const middle = batches[Math.floor(batches.length / 2)] as Batch<number[]>
    const before = batches.slice(0, batches.indexOf(middle) + 1).flatMap(({ content }) => content)
    expect([...before, ...(await stream({ ...at, live, offset: middle.offset }).json())]).toEqual(items)
  })

  test.each(MODES)('bytes and text come as they were written, live: %s', async (live) => {
    const bytes = await created('bytes', BYTES_TYPE)
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    await bytes.handle.append(all)
    await bytes.handle.append(all, { close: true })
    expect([...(await stream({ ...bytes.at, live }).bytes())]).toEqual([...all, ...all])

    const text = await created('text', 'text/plain')
    // No line begins with a space: the reference server writes SSE lines so that it would be lost.
    const written = 'día 🎉\n\nevent: control\ndata: {}\n世界'
    await text.handle.append(written)
    await text.handle.append('\nlast', { close: true })
    expect(await stream({ ...text.at, live }).text()).toBe(`${written}\nlast`)
  })

  test('reads what the public client wrote, page by page', async () => {
    const { at, handle } = await created('pages')
    const { token } = target()
    const theirs = new DurableStream({ url: at.url, contentType: 'application/json', ...(token !== '' && { headers: { Authorization: `Bearer ${token}` } }) })
    const filler = 'x'.repeat(50_000)
    const written = Array.from({ length: 50 }, (_, n) => ({ n, filler }))
    for (const one of written) await theirs.append(JSON.stringify(one))
    await handle.close()
    for (const live of MODES) expect(await stream({ ...at, live }).json(), String(live)).toEqual(written)
    const items: unknown[] = []
    const reader = stream(at).jsonStream().getReader()
    for (let part = await reader.read(); !part.done; part = await reader.read()) items.push(part.value)
    expect(items).toEqual(written)
  })

  test('a producer writes once and in order though answers are lost', async () => {
    const { at } = await created('producer')
    const lossy = losingAnswers((request) => request % 3 === 1)
    const producer = durableStream({ ...at, contentType: 'application/json', fetch: (url, init) => lossy(url, init as RequestInit) }).producer()
    const written = Array.from({ length: 200 }, (_, n) => ({ n }))
    for (const [n, one] of written.entries()) {
      void producer.append(one)
      if (n % 20 === 0) await producer.flush()
    }
    await producer.flush()
    expect(lossy.lost).toBeGreaterThan(3)
    expect(await stream(at).json()).toEqual(written)
  })

  test('a producer that is started again fences the one before', async () => {
    const { at, handle } = await created('fence')
    const old = handle.producer({ id: 'p' })
    await old.append(1)
    const next = durableStream(at).producer({ id: 'p', epoch: 1 })
    await next.append(2)
    expect(await stream(at).json()).toEqual([1, 2])
  })

  test('leaving a live read ends its request', async () => {
    const { at, handle } = await created('leave')
    await handle.append(1)
    for (const live of LIVE) {
      const signals: AbortSignal[] = []
      const watched = stream({
        ...at,
        live,
        fetch: (url, init) => {
          signals.push(init.signal)
          return fetch(url, init as RequestInit)
        },
      })
      for await (const item of watched.items()) {
        expect(item).toBe(1)
        break
      }
      expect(signals.at(-1)?.aborted, String(live)).toBe(true)
    }
  })
})
