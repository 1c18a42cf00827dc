// The public TypeScript client against a server that asks for a token: lifecycle and reads, on both engines.
import { DurableStream, DurableStreamError, FetchError, stream } from '@durable-streams/client'
import { describe, expect, test } from 'vitest'
import { Follower, create, everything, freshPath, reach } from './harness/client.ts'
import { until } from '../harness/condition.ts'
import type { Engine } from './harness/server.ts'
import { withServer } from './harness/world.ts'

const JSON_TYPE = 'application/json'
const BYTES_TYPE = 'application/octet-stream'

describe.each<Engine>(['memory', 'embedded'])('@durable-streams/client on the %s engine', (engine) => {
  // A short SSE answer: the client has to come again while it reads.
  const server = withServer({ engine, access: 'token', longPollTimeoutMs: 500, sseMaxAgeMs: 1_500 })

  test('without the token every operation is refused, and the client says so', async () => {
    const path = freshPath('refused')
    await create(server(), path, JSON_TYPE)
    const stranger = new DurableStream({ url: server().stream(path), contentType: JSON_TYPE })
    const refusals = [
      () => stranger.create(),
      () => stranger.append('{"n":1}'),
      () => stranger.head(),
      () => stranger.close(),
      () => stranger.delete(),
      () => stream({ url: server().stream(path), live: false }),
      () => stream({ url: server().stream(path), live: 'sse' }),
    ]
    for (const refused of refusals) {
      const error: unknown = await refused().then(() => undefined, (reason: unknown) => reason)
      expect(statusOf(error), String(refused)).toBe(401)
    }
    expect(await everything(new DurableStream(reach(server(), path)))).toEqual([])
  })

  test('a stream is created, described, written, read, closed and deleted', async () => {
    const path = freshPath('life')
    expect(await new DurableStream(reach(server(), path)).head()).toEqual({ exists: false })
    const handle = await create(server(), path, JSON_TYPE, { body: '[{"n":0}]' })

    await handle.append('{"n":1}')
    await handle.append('{"n":2,"text":"Grüße, 世界 🎉"}')
    const open = await handle.head()
    expect(open).toMatchObject({ exists: true, contentType: JSON_TYPE, streamClosed: false })
    expect(await everything(handle)).toEqual([{ n: 0 }, { n: 1 }, { n: 2, text: 'Grüße, 世界 🎉' }])

    const { finalOffset } = await handle.close({ body: '{"n":3}' })
    expect(await handle.head()).toMatchObject({ exists: true, streamClosed: true, offset: finalOffset })
    expect(await handle.close()).toEqual({ finalOffset })
    await expect(handle.append('{"n":4}')).rejects.toThrow()
    const whole = await handle.stream({ offset: '-1', live: false })
    expect(await whole.json()).toEqual([{ n: 0 }, { n: 1 }, { n: 2, text: 'Grüße, 世界 🎉' }, { n: 3 }])
    expect(whole.streamClosed).toBe(true)

    await handle.delete()
    expect(await handle.head()).toEqual({ exists: false })
    await expect(stream({ ...reach(server(), path), live: false })).rejects.toMatchObject({ status: 404 })
  })

  test('creating again is fine with the same settings and a conflict with others', async () => {
    const path = freshPath('again')
    const handle = await create(server(), path, JSON_TYPE)
    await handle.append('{"n":1}')
    await create(server(), path, JSON_TYPE)
    expect(await everything(handle)).toEqual([{ n: 1 }])
    const error: unknown = await create(server(), path, 'text/plain').then(() => undefined, (reason: unknown) => reason)
    expect(statusOf(error)).toBe(409)
  })

  test('appends that overlap in time become batches and keep their order', async () => {
    const handle = await create(server(), freshPath('batches'), JSON_TYPE)
    const numbers = Array.from({ length: 500 }, (_, n) => ({ n }))
    await Promise.all(numbers.map((item) => handle.append(JSON.stringify(item))))
    expect(await everything(handle)).toEqual(numbers)
  })

  test('a writer that orders itself by Stream-Seq cannot go back', async () => {
    const handle = await create(server(), freshPath('seq'), JSON_TYPE, { batching: false })
    await handle.append('1', { seq: '09' })
    await handle.append('2', { seq: '10' })
    await expect(handle.append('3', { seq: '0A' })).rejects.toMatchObject({ status: 409 })
    expect(await everything(handle)).toEqual([1, 2])
  })

  test('bytes come back as they were, however they were written', async () => {
    const handle = await create(server(), freshPath('bytes'), BYTES_TYPE)
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    await handle.append(all)
    await handle.append(all.slice(0, 10))
    // One POST of unknown length.
    await handle.appendStream(
      (async function* () {
        for (let start = 0; start < 256; start += 64) yield all.slice(start, start + 64)
      })(),
    )
    const whole = await (await handle.stream({ offset: '-1', live: false })).body()
    expect([...whole]).toEqual([...all, ...all.slice(0, 10), ...all])
  })

  test('text that was written in pieces of a character is read whole', async () => {
    const handle = await create(server(), freshPath('text'), 'text/plain')
    const bytes = new TextEncoder().encode('día 🎉\r\n\r\nevent: control\ndata: {}\n')
    for (const byte of bytes) await handle.append(Uint8Array.of(byte))
    const whole = await handle.stream({ offset: '-1', live: false })
    expect(await whole.text()).toBe('día 🎉\r\n\r\nevent: control\ndata: {}\n')
  })

  test.each(['long-poll', 'sse'] as const)('%s follows a stream from its start to its end', async (live) => {
    const path = freshPath(live)
    const handle = await create(server(), path, JSON_TYPE)
    for (let n = 0; n < 20; n += 1) await handle.append(JSON.stringify({ n }))

    const follower = new Follower(await stream<{ n: number }>({ ...reach(server(), path), offset: '-1', live }))
    await follower.has(20)
    for (let n = 20; n < 60; n += 1) {
      await handle.append(JSON.stringify({ n }))
      if (n % 10 === 0) await follower.has(n + 1)
    }
    const { finalOffset } = await handle.close({ body: '{"n":60}' })

    await follower.ended()
    expect(follower.items.map((item) => item.n)).toEqual(Array.from({ length: 61 }, (_, n) => n))
    expect(follower.last).toMatchObject({ streamClosed: true, upToDate: true })
    expect(follower.response.offset).toBe(finalOffset)
  })

  test.each(['long-poll', 'sse'] as const)('%s goes on after the server ended its answer', async (live) => {
    const path = freshPath(`turns-${live}`)
    const handle = await create(server(), path, JSON_TYPE)
    let requests = 0
    const counting: typeof fetch = (...call) => {
      requests += 1
      return fetch(...call)
    }
    const follower = new Follower(
      await stream<number>({ ...reach(server(), path), offset: 'now', live, fetch: counting }),
    )
    for (let turn = 0; turn < 3; turn += 1) {
      const before = requests
      await until(`the client comes again (turn ${turn})`, () => requests > before)
      await handle.append(String(turn))
      await follower.has(turn + 1)
    }
    follower.stop()
    expect(follower.items).toEqual([0, 1, 2])
  })

  test.each(['long-poll', 'sse'] as const)('%s takes up where another reader stopped', async (live) => {
    const path = freshPath(`resume-${live}`)
    const handle = await create(server(), path, JSON_TYPE)
    await Promise.all([0, 1, 2].map((n) => handle.append(String(n))))
    const first = new Follower(await stream<number>({ ...reach(server(), path), offset: '-1', live }))
    await first.has(3)
    await until('the first reader is up to date', () => first.last?.upToDate)
    const offset = first.last?.offset ?? 'none'
    first.stop()

    for (const n of [3, 4, 5]) await handle.append(String(n))
    const second = new Follower(await stream<number>({ ...reach(server(), path), offset, live }))
    await second.has(3)
    await handle.append('6')
    await second.has(4)
    second.stop()
    expect([...first.items, ...second.items]).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect(await everything(handle, offset)).toEqual([3, 4, 5, 6])
  })

  test('bytes over SSE come in base64 and are decoded to what was written', async () => {
    const path = freshPath('sse-bytes')
    const handle = await create(server(), path, BYTES_TYPE)
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    await handle.append(all)
    const encodings: (string | null)[] = []
    const watching: typeof fetch = async (...call) => {
      const answer = await fetch(...call)
      if (answer.headers.get('content-type') === 'text/event-stream') {
        encodings.push(answer.headers.get('stream-sse-data-encoding'))
      }
      return answer
    }
    const response = await stream({ ...reach(server(), path), offset: '-1', live: 'sse', fetch: watching })
    const received: number[] = []
    let closed = false
    response.subscribeBytes((chunk) => {
      received.push(...chunk.data)
      closed = chunk.streamClosed
    })
    await until('the SSE answer began', () => encodings.length > 0)
    await handle.append(all)
    await handle.append(Uint8Array.of(13, 10, 0))
    await handle.close()
    await until('the reader saw the end of the stream', () => closed)
    expect(received).toEqual([...all, ...all, 13, 10, 0])
    expect(new Set(encodings)).toEqual(new Set(['base64']))
  })

  test('text over SSE keeps line ends and forges no event', async () => {
    const path = freshPath('sse-text')
    const handle = await create(server(), path, 'text/plain')
    const text = 'one\ntwo\n\nevent: control\ndata: {"streamNextOffset":"0","streamClosed":true}\n\nlast'
    const response = await stream({ ...reach(server(), path), offset: '-1', live: 'sse' })
    let received = ''
    let closed = false
    response.subscribeText((chunk) => {
      received += chunk.text
      closed = chunk.streamClosed
    })
    await handle.append(text)
    await until('the text arrived', () => received.length >= text.length)
    await handle.append('!')
    await handle.close()
    await until('the reader saw the end of the stream', () => closed)
    expect(received).toBe(`${text}!`)
  })

  test('a closed stream is read to its end in every mode without waiting', async () => {
    const path = freshPath('closed')
    await create(server(), path, JSON_TYPE, { body: '[1,2]', closed: true })
    for (const live of [false, 'long-poll', 'sse'] as const) {
      const response = await stream<number>({ ...reach(server(), path), offset: '-1', live })
      const items: number[] = []
      for await (const item of response.jsonStream()) items.push(item)
      expect(items, String(live)).toEqual([1, 2])
      expect(response.streamClosed, String(live)).toBe(true)
    }
  })

  test('a stream of several pages is read to its end', async () => {
    const handle = await create(server(), freshPath('pages'), JSON_TYPE)
    // More than two of the server's pages of 1 MiB.
    const filler = 'x'.repeat(50_000)
    for (let n = 0; n < 50; n += 1) await handle.append(JSON.stringify({ n, filler }))
    const written = Array.from({ length: 50 }, (_, n) => ({ n, filler }))
    expect(await everything(handle)).toEqual(written)
    expect(await (await handle.stream({ offset: '-1', live: true })).json()).toEqual(written)
    const first = await handle.stream({ offset: '-1', live: false })
    expect(first.upToDate).toBe(false)
  })
})

function statusOf(error: unknown): number | undefined {
  return error instanceof DurableStreamError || error instanceof FetchError ? error.status : undefined
}
