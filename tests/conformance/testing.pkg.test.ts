// `durable-sessions/testing` pretends to be the server: the same questions, the same answers, from both.
import { DurableStreamsClient } from 'durable-sessions'
import { TestServer } from 'durable-sessions/testing'
import { describe, expect, test } from 'vitest'
import { freshPath } from './harness/client.ts'
import { until } from '../harness/condition.ts'
import { withServer } from './harness/world.ts'

const JSON_TYPE = { 'Content-Type': 'application/json' }
const TEXT_TYPE = { 'Content-Type': 'text/plain' }
const BYTES_TYPE = { 'Content-Type': 'application/octet-stream' }
const CLOSE = { 'Stream-Closed': 'true' }
const LONG_POLL_MS = 500
const TOKEN = 'a-token-for-tests'

interface World {
  url: string
  token: string
  fetch: typeof fetch
  /** Lets so much time pass as a long-poll waits. */
  pass(): Promise<void>
}

/** What of an answer a client looks at. */
interface Shape {
  status: number
  headers: Record<string, string>
  body: unknown
}

const LOOKED_AT = ['content-type', 'location', 'retry-after', 'stream-next-offset', 'stream-up-to-date', 'stream-closed', 'producer-epoch', 'producer-seq', 'producer-expected-seq', 'producer-received-seq', 'stream-sse-data-encoding']

describe.each(['durable-sessions/testing', 'durable-sessions'])('%s', (which) => {
  const real = withServer({ engine: 'memory', access: 'token', longPollTimeoutMs: LONG_POLL_MS })
  const fake = new TestServer({ token: TOKEN, longPollMs: LONG_POLL_MS })
  const world = (): World =>
    which === 'durable-sessions'
      ? { url: real().url, token: real().token, fetch, pass: async () => {} }
      : { url: fake.url, token: TOKEN, fetch: fake.fetch, pass: () => fake.advance(LONG_POLL_MS) }

  function ask(method: string, path: string, headers: Record<string, string> = {}, body?: BodyInit, signal?: AbortSignal): Promise<Response> {
    const { url, token, fetch } = world()
    return fetch(`${url}/v1/stream/${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...headers },
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    })
  }

  async function shape(answer: Promise<Response>): Promise<Shape> {
    const { status, headers, ...response } = await answer.then(async (one) => ({ status: one.status, headers: one.headers, text: await one.text() }))
    const shown = LOOKED_AT.flatMap((name) => {
      const value = headers.get(name)
      return value === null ? [] : [[name, name === 'location' ? new URL(value).pathname : value]]
    })
    let body: unknown = response.text
    try {
      const parsed = JSON.parse(response.text) as { error?: { code: string; details?: { path?: string; index?: number } } }
      const { code, details } = parsed.error ?? {}
      body = code === undefined ? parsed : { code, ...(details?.path === undefined ? {} : { path: details.path, index: details.index }) }
    } catch {
      // Text, or nothing.
    }
    return { status, headers: Object.fromEntries(shown) as Record<string, string>, body }
  }

  const outcome = async (answer: Promise<Response>) => {
    const { status, body } = await shape(answer)
    return [status, (body as { code?: string }).code ?? null]
  }
  const producer = (id: string, epoch: number, seq: number) => ({ ...JSON_TYPE, 'Producer-Id': id, 'Producer-Epoch': `${epoch}`, 'Producer-Seq': `${seq}` })
  const nextOf = async (answer: Promise<Response>) => (await shape(answer)).headers['stream-next-offset'] ?? ''

  async function created(type: Record<string, string>, body?: string): Promise<string> {
    const path = freshPath('testing')
    expect((await ask('PUT', path, type, body)).status).toBe(201)
    return path
  }

  test('lets nobody in without the token', async () => {
    for (const [method, path] of [['GET', 'x'], ['PUT', 'sessions/x'], ['POST', 'x'], ['HEAD', 'x'], ['DELETE', 'x']] as const) {
      const answer = await ask(method, path, { Authorization: 'Bearer other' })
      expect([answer.status, method === 'HEAD' ? null : ((await answer.json()) as { error: { code: string } }).error.code]).toEqual([401, method === 'HEAD' ? null : 'UNAUTHORIZED'])
    }
  })

  test('creates, finds again, and tells what differs', async () => {
    const path = freshPath('create')
    const first = await shape(ask('PUT', path, JSON_TYPE, '[1,2]'))
    expect(first).toEqual({
      status: 201,
      headers: { 'content-type': 'application/json', location: `/v1/stream/${path}`, 'stream-next-offset': first.headers['stream-next-offset'] },
      body: '',
    })
    expect((await shape(ask('PUT', path, JSON_TYPE))).status).toBe(200)
    expect(await outcome(ask('PUT', path, TEXT_TYPE))).toEqual([409, 'STREAM_EXISTS'])
    expect(await outcome(ask('PUT', path, { ...JSON_TYPE, ...CLOSE }))).toEqual([409, 'STREAM_EXISTS'])
    expect((await shape(ask('HEAD', path))).headers).toEqual({ 'content-type': 'application/json', 'stream-next-offset': first.headers['stream-next-offset'] })
    expect((await shape(ask('PUT', freshPath('default')))).headers['content-type']).toBe('application/octet-stream')
    expect((await shape(ask('PUT', `sessions/${freshPath('s').replace('/', '-')}`))).headers['content-type']).toBe('application/json')
    expect(await outcome(ask('PUT', 'sessions/a%20b'))).toEqual([400, 'INVALID_SESSION_ID'])
    expect((await shape(ask('PUT', freshPath('empty'), JSON_TYPE, '[]'))).status).toBe(201)
    expect((await shape(ask('PUT', freshPath('closed'), { ...JSON_TYPE, ...CLOSE }, '[1]'))).headers['stream-closed']).toBe('true')
  })

  test('appends, and refuses what is none', async () => {
    const path = await created(JSON_TYPE)
    const appended = await shape(ask('POST', path, JSON_TYPE, '[{"n":1},[2]]'))
    expect(appended).toEqual({ status: 204, headers: { 'stream-next-offset': appended.headers['stream-next-offset'] }, body: '' })
    expect((await shape(ask('GET', path))).body).toEqual([{ n: 1 }, [2]])
    for (const body of ['{', '[]', '', undefined]) {
      expect(await outcome(ask('POST', path, JSON_TYPE, body)), body).toEqual([400, body === '{' ? 'INVALID_JSON' : 'EMPTY_APPEND'])
    }
    expect(await outcome(ask('POST', path, TEXT_TYPE, 'x'))).toEqual([409, 'CONTENT_TYPE_MISMATCH'])
    expect(await outcome(ask('POST', freshPath('none'), JSON_TYPE, '1'))).toEqual([404, 'STREAM_NOT_FOUND'])
    expect(await outcome(ask('POST', 'sessions/none', JSON_TYPE, '1'))).toEqual([404, 'SESSION_NOT_FOUND'])
    expect(await outcome(ask('PATCH', path))).toEqual([405, 'METHOD_NOT_ALLOWED'])
    expect(await outcome(ask('GET', `${path}?live=sse`))).toEqual([400, 'INVALID_PARAMETER'])
    expect(await outcome(ask('GET', `${path}?offset=-1&live=other`))).toEqual([400, 'INVALID_PARAMETER'])
    for (const offset of ['zz', '-2', '00000000000000000099']) {
      expect(await outcome(ask('GET', `${path}?offset=${offset}`)), offset).toEqual([400, 'INVALID_OFFSET'])
    }
  })

  test('refuses events whose envelope is wrong, by path and index', async () => {
    const path = `sessions/${freshPath('s').replace('/', '-')}`
    await ask('PUT', path)
    const good = { id: 'a', type: 'chunk', timestamp: 1, data: { text: 'x' } }
    const { id: _id, ...noId } = good
    const { data: _data, ...noData } = good
    for (const [bad, at] of [[1, '$'], [noId, '$.id'], [{ ...good, timestamp: 'now' }, '$.timestamp'], [noData, '$.data']] as const) {
      expect((await shape(ask('POST', path, JSON_TYPE, JSON.stringify([good, bad])))).body, JSON.stringify(bad)).toEqual({ code: 'INVALID_EVENT', path: at, index: 1 })
    }
    expect((await shape(ask('GET', path))).body).toEqual([])
    expect((await ask('POST', path, JSON_TYPE, JSON.stringify([good, { ...good, id: 'b', type: 'of:my-own', data: 5 }]))).status).toBe(204)
  })

  test('takes what a producer sends once and in order', async () => {
    const path = await created(JSON_TYPE)
    const say = (epoch: number, seq: number, n: number) => shape(ask('POST', path, producer('p', epoch, seq), `[${n}]`))
    const first = await say(0, 0, 1)
    expect([first.status, first.headers]).toEqual([200, { 'stream-next-offset': first.headers['stream-next-offset'], 'producer-epoch': '0', 'producer-seq': '0' }])
    const again = await say(0, 0, 1)
    expect([again.status, again.headers]).toEqual([204, first.headers])
    const gap = await say(0, 2, 3)
    expect([gap.status, gap.body, gap.headers['producer-expected-seq'], gap.headers['producer-received-seq']]).toEqual([409, { code: 'SEQUENCE_GAP' }, '1', '2'])
    expect((await say(0, 1, 2)).status).toBe(200)
    expect(await say(2, 1, 0)).toMatchObject({ status: 400, body: { code: 'INVALID_PRODUCER' } })
    expect((await say(2, 0, 4)).headers['producer-epoch']).toBe('2')
    expect(await say(1, 0, 9)).toMatchObject({ status: 403, body: { code: 'STALE_EPOCH' }, headers: { 'producer-epoch': '2' } })
    expect(await shape(ask('POST', path, producer('other', 0, 3), '[9]'))).toMatchObject({ status: 409, headers: { 'producer-expected-seq': '0' } })
    expect(await outcome(ask('POST', path, { ...JSON_TYPE, 'Producer-Id': 'p' }, '[9]'))).toEqual([400, 'INVALID_PRODUCER'])
    const closing = () => shape(ask('POST', path, { ...producer('p', 2, 1), ...CLOSE }, '[5]'))
    expect([(await closing()).status, (await closing()).status]).toEqual([200, 204])
    expect(await say(2, 2, 6)).toMatchObject({ status: 409, body: { code: 'STREAM_CLOSED' }, headers: { 'stream-closed': 'true' } })
    expect((await shape(ask('GET', path))).body).toEqual([1, 2, 4, 5])
  })

  test('reads from anywhere, and says where it stands', async () => {
    const path = await created(JSON_TYPE, '[1]')
    const one = await nextOf(ask('HEAD', path))
    const two = await nextOf(ask('POST', path, JSON_TYPE, '2'))
    const base = { 'content-type': 'application/json', 'stream-up-to-date': 'true' }
    expect(await shape(ask('GET', `${path}?offset=-1`))).toEqual({ status: 200, headers: { ...base, 'stream-next-offset': two }, body: [1, 2] })
    expect(await shape(ask('GET', `${path}?offset=${one}`))).toEqual({ status: 200, headers: { ...base, 'stream-next-offset': two }, body: [2] })
    expect(await shape(ask('GET', `${path}?offset=now`))).toEqual({ status: 200, headers: { ...base, 'stream-next-offset': two }, body: [] })
    const closed = await shape(ask('POST', path, CLOSE))
    expect(closed).toEqual({ status: 204, headers: { 'stream-closed': 'true', 'stream-next-offset': two }, body: '' })
    expect((await shape(ask('POST', path, CLOSE))).status).toBe(204)
    expect(await shape(ask('POST', path, JSON_TYPE, '3'))).toEqual({ status: 409, headers: { 'content-type': 'application/json', 'stream-closed': 'true', 'stream-next-offset': two }, body: { code: 'STREAM_CLOSED' } })
    expect(await shape(ask('GET', `${path}?offset=${two}`))).toEqual({ status: 200, headers: { ...base, 'stream-closed': 'true', 'stream-next-offset': two }, body: [] })
    expect((await shape(ask('DELETE', path))).status).toBe(204)
    expect(await outcome(ask('GET', path))).toEqual([404, 'STREAM_NOT_FOUND'])
    expect(await outcome(ask('DELETE', path))).toEqual([404, 'STREAM_NOT_FOUND'])
  })

  test('keeps a long-poll waiting: for data, for the end, for the time to be up', async () => {
    const path = await created(JSON_TYPE)
    const at = await nextOf(ask('HEAD', path))
    const poll = (offset: string) => shape(ask('GET', `${path}?offset=${offset}&live=long-poll`))
    const timedOut = poll(at)
    await world().pass()
    expect(await timedOut).toEqual({ status: 204, headers: { 'stream-next-offset': at, 'stream-up-to-date': 'true' }, body: '' })
    // From where the stream ends, so that it does not matter whether it waits already when the message comes.
    const waiting = poll(at)
    const next = await nextOf(ask('POST', path, JSON_TYPE, '1'))
    expect(await waiting).toEqual({ status: 200, headers: { 'content-type': 'application/json', 'stream-next-offset': next, 'stream-up-to-date': 'true' }, body: [1] })
    const ending = poll(next)
    await ask('POST', path, CLOSE)
    expect(await ending).toEqual({ status: 204, headers: { 'stream-next-offset': next, 'stream-up-to-date': 'true', 'stream-closed': 'true' }, body: '' })
  })

  test('streams server-sent events to the end', async () => {
    for (const [type, written, read] of [[JSON_TYPE, ['[1,{"a":2}]', '3'], '[1,{"a":2}]|[3]'], [TEXT_TYPE, ['día\n', '\n x'], 'día\n|\n x'], [BYTES_TYPE, ['\u0001\u0002', '\u0003'], 'AQI=|Aw==']] as const) {
      const path = await created(type)
      const response = await ask('GET', `${path}?offset=-1&live=sse`, { Accept: 'text/event-stream' })
      expect([response.headers.get('content-type'), response.headers.get('stream-sse-data-encoding')]).toEqual(['text/event-stream', type === BYTES_TYPE ? 'base64' : null])
      let frames = ''
      const reading = (async () => {
        const decoder = new TextDecoder()
        for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) frames += decoder.decode(chunk, { stream: true })
      })()
      const controls = () => frames.split('\n\n').filter((frame) => frame.startsWith('event: control'))
      await until('the first control event', () => controls().length === 1)
      for (const [n, one] of written.entries()) {
        await ask('POST', path, type, one)
        await until('its control event', () => controls().length === n + 2)
      }
      await ask('POST', path, CLOSE)
      await reading
      const data = frames
        .split('\n\n')
        .filter((frame) => frame.startsWith('event: data'))
        .map((frame) => frame.split('\n').slice(1).map((line) => line.replace(/^data: ?/, '')).join('\n'))
      expect(data.join('|')).toBe(read)
      const said = controls().map((frame) => JSON.parse(frame.slice(frame.indexOf('{'))) as Record<string, unknown>)
      expect(said.map(({ streamNextOffset, streamCursor, ...more }) => [typeof streamNextOffset, typeof streamCursor, more])).toEqual([
        ...[0, 2, 3].map((count) => ['string', 'string', { upToDate: true, ...(type === JSON_TYPE && { streamMessageCount: count }) }]),
        ['string', 'undefined', { upToDate: true, streamClosed: true, ...(type === JSON_TYPE && { streamMessageCount: 3 }) }],
      ])
    }
  })

  test('the client reads and writes a session', async () => {
    const id = freshPath('s').replace('/', '-')
    await ask('PUT', `sessions/${id}`)
    const { url, token, fetch } = world()
    const client = new DurableStreamsClient({ url, token, fetch: (target, init) => fetch(target, init), reconnect: { initialDelay: 10 }, logger: { error: () => {}, warn: () => {} } })
    const session = client.session(id)
    const seen: string[] = []
    let closed = false
    const subscription = session.subscribe({ onEvent: (record) => seen.push(record.id), onClosed: () => (closed = true) })
    const sent = await Promise.all(Array.from({ length: 20 }, (_, n) => session.send({ type: 'chunk', data: { text: `${n}` } })))
    await until('everything comes back', () => seen.length === 20)
    expect(seen).toEqual(sent.map(({ id }) => id))
    expect(session.outbox.getSnapshot()).toEqual([])
    await ask('POST', `sessions/${id}`, CLOSE)
    await until('the end', () => closed)
    await expect(session.send({ type: 'chunk', data: { text: 'late' } })).rejects.toMatchObject({ code: 'SESSION_CLOSED' })
    subscription.unsubscribe()
    await session.close()
  })
})
