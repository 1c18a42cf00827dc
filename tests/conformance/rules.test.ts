// Rules of the protocol that the public suite leaves alone, asked of the server over plain HTTP.
// The table in docs/protocol-conformance.md names these tests.
import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { freshPath } from './harness/client.ts'
import { binary } from './harness/paths.ts'
import type { Engine } from './harness/server.ts'
import { withServer } from './harness/world.ts'

const JSON_TYPE = { 'Content-Type': 'application/json' }
const TEXT_TYPE = { 'Content-Type': 'text/plain' }
const CLOSE = { 'Stream-Closed': 'true' }
/** Longer than a test may last: an answer that has to come at once and waits instead fails its test. */
const LONG_POLL_TIMEOUT_MS = 600_000

describe.each<Engine>(['memory', 'embedded'])('on the %s engine', (engine) => {
  const server = withServer({ engine, access: 'token', longPollTimeoutMs: LONG_POLL_TIMEOUT_MS })

  function send(method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Response> {
    return fetch(server().stream(path), {
      method,
      headers: { ...server().headers, ...headers },
      ...(body === undefined ? {} : { body }),
    })
  }

  /** Creates a stream of JSON and says its path. */
  async function json(body?: string, headers: Record<string, string> = {}): Promise<string> {
    const path = freshPath('rules')
    expect((await send('PUT', path, { ...JSON_TYPE, ...headers }, body)).status).toBe(201)
    return path
  }

  async function fork(source: string, headers: Record<string, string> = {}): Promise<string> {
    const path = freshPath('fork')
    const answer = await send('PUT', path, { 'Stream-Forked-From': `/v1/stream/${source}`, ...headers })
    expect(answer.status).toBe(201)
    return path
  }

  const tailOf = async (path: string) => header(await send('HEAD', path), 'stream-next-offset')

  test('Stream-Closed counts only when it says true', async () => {
    const path = await json()
    for (const value of ['false', 'yes', '1', '', 'truth']) {
      const answer = await send('POST', path, { ...JSON_TYPE, 'Stream-Closed': value }, '1')
      expect([answer.status, header(answer, 'stream-closed')], value).toEqual([204, null])
      // Without it an empty body is an error, not a closure.
      expect((await send('POST', path, { 'Stream-Closed': value })).status, value).toBe(400)
    }
    expect(header(await send('HEAD', path), 'stream-closed')).toBeNull()
    const closed = await send('POST', path, { 'Stream-Closed': 'TRUE' })
    expect([closed.status, header(closed, 'stream-closed')]).toEqual([204, 'true'])
  })

  test('creating again compares whether the stream is closed', async () => {
    const open = await json()
    expect((await send('PUT', open, JSON_TYPE)).status).toBe(200)
    expect((await send('PUT', open, { ...JSON_TYPE, ...CLOSE })).status).toBe(409)
    expect((await send('POST', open, CLOSE)).status).toBe(204)
    expect((await send('PUT', open, JSON_TYPE)).status).toBe(409)
    const again = await send('PUT', open, { ...JSON_TYPE, ...CLOSE })
    expect([again.status, header(again, 'stream-closed')]).toEqual([200, 'true'])
  })

  test('of several conflicts the closure is told first, then the type, then the sequence', async () => {
    const path = await json()
    await send('POST', path, { ...JSON_TYPE, 'Stream-Seq': 'b' }, '1')
    const typed = await send('POST', path, { ...TEXT_TYPE, 'Stream-Seq': 'a' }, 'x')
    expect([typed.status, await code(typed)]).toEqual([409, 'CONTENT_TYPE_MISMATCH'])
    await send('POST', path, CLOSE)
    const tail = await tailOf(path)
    for (const [headers, body] of [
      [{ ...TEXT_TYPE, 'Stream-Seq': 'a' }, 'x'],
      [{ ...JSON_TYPE, 'Stream-Seq': 'a' }, '1'],
      [JSON_TYPE, '{'],
      [{ ...JSON_TYPE, ...CLOSE }, '1'],
    ] as [Record<string, string>, string][]) {
      const answer = await send('POST', path, headers, body)
      expect([answer.status, header(answer, 'stream-closed')], body).toEqual([409, 'true'])
      expect(header(answer, 'stream-next-offset'), body).toBe(tail)
    }
  })

  test('producer numbers are integers that JavaScript can hold', async () => {
    const path = await json()
    const claim = (epoch: string, seq: string) => ({
      ...JSON_TYPE,
      'Producer-Id': 'p',
      'Producer-Epoch': epoch,
      'Producer-Seq': seq,
    })
    for (const bad of ['9007199254740992', '18446744073709551616', '-1', '1e3', '0x1', '']) {
      expect((await send('POST', path, claim(bad, '0'), '1')).status, `epoch ${bad}`).toBe(400)
      expect((await send('POST', path, claim('0', bad), '1')).status, `seq ${bad}`).toBe(400)
    }
    const most = await send('POST', path, claim('9007199254740991', '0'), '1')
    expect([most.status, header(most, 'producer-epoch')]).toEqual([200, '9007199254740991'])
  })

  test('appends of one producer that arrive together are judged one after another', async () => {
    const path = await json()
    const post = (seq: number) =>
      send('POST', path, { ...JSON_TYPE, 'Producer-Id': 'p', 'Producer-Epoch': '0', 'Producer-Seq': String(seq) }, String(seq))
    // Each is sent until it is in; whatever the order of arrival, each is stored once.
    const seqs = Array.from({ length: 20 }, (_, seq) => seq)
    const fresh = await Promise.all(
      [...seqs, ...seqs].map(async (seq) => {
        for (;;) {
          const answer = await post(seq)
          if (answer.status !== 409) return answer.status
          expect(header(answer, 'producer-received-seq')).toBe(String(seq))
          expect(Number(header(answer, 'producer-expected-seq'))).toBeLessThan(seq)
        }
      }),
    )
    expect(fresh.filter((status) => status === 200)).toHaveLength(20)
    expect(fresh.filter((status) => status === 204)).toHaveLength(20)
    expect(await (await send('GET', path)).json()).toEqual(seqs)
  })

  test('JSON comes back byte by byte as it was written', async () => {
    const path = await json()
    const messages = ['{"a":1.0e5, "a":  12345678901234567890}', '"\\u00e9\\/é"', '-0.0', '{ }']
    await send('POST', path, JSON_TYPE, `[ ${messages.join(' ,\n')} ]`)
    expect(await (await send('GET', path)).text()).toBe(`[${messages.join(',')}]`)
  })

  test('a reader that waits hears of the closure at once, with what was appended last', async () => {
    for (const [body, status] of [['', 204], ['2', 200]] as const) {
      const path = await json('1')
      const waiting = send('GET', `${path}?offset=${await tailOf(path)}&live=long-poll`)
      await send('POST', path, { ...JSON_TYPE, ...CLOSE }, body)
      let answer = await waiting
      expect(answer.status).toBe(status)
      if (header(answer, 'stream-closed') === null) {
        answer = await send('GET', `${path}?offset=${header(answer, 'stream-next-offset')}&live=long-poll`)
      }
      expect([header(answer, 'stream-closed'), header(answer, 'stream-up-to-date')]).toEqual(['true', 'true'])
      expect(header(answer, 'stream-next-offset')).toBe(await tailOf(path))
    }
  })

  test('offset=now on a closed stream answers at once in every mode', async () => {
    const path = await json('[1,2]', CLOSE)
    const tail = await tailOf(path)
    const catchUp = await send('GET', `${path}?offset=now`)
    expect([catchUp.status, await catchUp.text()]).toEqual([200, '[]'])
    const longPoll = await send('GET', `${path}?offset=now&live=long-poll`)
    expect([longPoll.status, await longPoll.text()]).toEqual([204, ''])
    for (const answer of [catchUp, longPoll]) {
      expect(header(answer, 'stream-closed')).toBe('true')
      expect(header(answer, 'stream-up-to-date')).toBe('true')
      expect(header(answer, 'stream-next-offset')).toBe(tail)
    }
    const sse = await (await send('GET', `${path}?offset=now&live=sse`)).text()
    expect(controls(sse)).toEqual([expect.objectContaining({ streamNextOffset: tail, streamClosed: true, upToDate: true })])
    expect(sse).not.toContain('event: data')
  })

  test('an entity tag changes with the closure, also where there is no data', async () => {
    const path = await json('1')
    for (const query of ['?offset=-1', `?offset=${await tailOf(path)}`]) {
      const tag = header(await send('GET', path + query), 'etag') ?? ''
      expect(tag).not.toBe('')
      expect((await send('GET', path + query, { 'If-None-Match': tag })).status).toBe(304)
    }
    const tags = await Promise.all(
      ['?offset=-1', `?offset=${await tailOf(path)}`].map(async (query) => header(await send('GET', path + query), 'etag') ?? ''),
    )
    await send('POST', path, CLOSE)
    for (const [index, query] of ['?offset=-1', `?offset=${await tailOf(path)}`].entries()) {
      const answer = await send('GET', path + query, { 'If-None-Match': tags[index] ?? '' })
      expect([answer.status, header(answer, 'stream-closed')], query).toEqual([200, 'true'])
    }
  })

  test('a deleted stream with forks is gone for everybody but its forks', async () => {
    const source = await json('[1,2]')
    const branch = await fork(source)
    expect((await send('DELETE', source)).status).toBe(204)
    for (const [method, headers, body] of [
      ['HEAD', {}, undefined],
      ['GET', {}, undefined],
      ['POST', JSON_TYPE, '3'],
      ['POST', CLOSE, undefined],
      ['DELETE', {}, undefined],
    ] as const) {
      expect((await send(method, source, headers, body)).status, method).toBe(410)
    }
    for (const live of ['long-poll', 'sse']) {
      expect((await send('GET', `${source}?offset=-1&live=${live}`)).status, live).toBe(410)
    }
    expect((await send('PUT', source, JSON_TYPE)).status).toBe(409)
    expect(await (await send('GET', branch)).json()).toEqual([1, 2])
  })

  test('a fork takes over neither the writer sequence nor the producers of its source', async () => {
    const source = await json()
    const claim = { ...JSON_TYPE, 'Producer-Id': 'p', 'Producer-Epoch': '3', 'Producer-Seq': '0', 'Stream-Seq': 'z' }
    expect((await send('POST', source, claim, '1')).status).toBe(200)
    const branch = await fork(source)
    expect((await send('POST', branch, { ...JSON_TYPE, 'Stream-Seq': 'a' }, '2')).status).toBe(204)
    const fresh = { ...JSON_TYPE, 'Producer-Id': 'p', 'Producer-Epoch': '0', 'Producer-Seq': '0' }
    expect((await send('POST', branch, fresh, '3')).status).toBe(200)
    expect(await (await send('GET', branch)).json()).toEqual([1, 2, 3])
    expect((await send('POST', source, fresh, '4')).status).toBe(403)
  })

  test('SSE on a fork never carries what its source got later', async () => {
    const source = await json('[1,2]')
    const branch = await fork(source)
    const reading = send('GET', `${branch}?offset=-1&live=sse`).then((answer) => answer.text())
    await send('POST', source, JSON_TYPE, '"later"')
    await send('POST', branch, { ...JSON_TYPE, ...CLOSE }, '3')
    const sse = await reading
    expect(datas(sse).flatMap((data) => JSON.parse(data) as unknown[])).toEqual([1, 2, 3])
    expect(controls(sse).at(-1)).toMatchObject({ streamClosed: true })
    // Every data event is followed by where it ends.
    expect(sse.match(/^event: ?(data|control)/gm)?.join().replaceAll(' ', '')).toMatch(
      /^event:data,event:control(,event:data,event:control|,event:control)*$/,
    )
  })

  test('offsets are short, plain, ordered tokens and never a reserved word', async () => {
    const path = await json()
    const seen: string[] = [(await tailOf(path)) ?? '']
    for (let n = 0; n < 12; n += 1) {
      const answer = await send('POST', path, JSON_TYPE, `[${n},${n}]`)
      seen.push(header(answer, 'stream-next-offset') ?? '')
    }
    expect(seen).toEqual([...new Set(seen)].sort())
    for (const offset of seen) expect(offset).toMatch(/^[0-9]{20}$/)
    // Each is a place to read from.
    for (const [index, offset] of seen.entries()) {
      const rest = (await (await send('GET', `${path}?offset=${offset}`)).json()) as unknown[]
      expect(rest).toHaveLength(2 * (12 - index))
    }
  })

  test('a body of unknown length is appended whole', async () => {
    const path = freshPath('chunked')
    await send('PUT', path, TEXT_TYPE)
    const pieces = ['one ', 'two ', 'three']
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const piece = pieces.shift()
        if (piece === undefined) controller.close()
        else controller.enqueue(new TextEncoder().encode(piece))
      },
    })
    const init = { method: 'POST', headers: { ...server().headers, ...TEXT_TYPE }, body, duplex: 'half' }
    expect((await fetch(server().stream(path), init as RequestInit)).status).toBe(204)
    expect(await (await send('GET', path)).text()).toBe('one two three')
  })

  test('every answer carries the headers that protect browsers', async () => {
    const path = await json('1')
    const tag = header(await send('GET', path), 'etag') ?? ''
    const answers: [string, Response][] = [
      ['PUT 201', await send('PUT', freshPath('rules'), JSON_TYPE)],
      ['PUT 200', await send('PUT', path, JSON_TYPE)],
      ['PUT 409', await send('PUT', path, TEXT_TYPE)],
      ['POST 204', await send('POST', path, JSON_TYPE, '2')],
      ['POST 400', await send('POST', path, JSON_TYPE, '{')],
      ['GET 200', await send('GET', path)],
      ['GET 304', await send('GET', `${path}?offset=-1`, { 'If-None-Match': header(await send('GET', path), 'etag') ?? tag })],
      ['GET 404', await send('GET', freshPath('rules'))],
      ['GET 400', await send('GET', `${path}?offset=,`)],
      ['HEAD 200', await send('HEAD', path)],
      ['GET 401', await fetch(server().stream(path))],
      ['DELETE 204', await send('DELETE', path)],
    ]
    for (const [what, answer] of answers) {
      expect(`${what.split(' ')[0]} ${answer.status}`, what).toBe(what)
      expect(header(answer, 'x-content-type-options'), what).toBe('nosniff')
      expect(header(answer, 'cross-origin-resource-policy'), what).toMatch(/^(cross-origin|same-site|same-origin)$/)
    }
  })
})

test('the default port is 4437', () => {
  const help = spawnSync(binary, ['serve', '--help'], { encoding: 'utf8' })
  expect(help.stdout).toContain('[default: 127.0.0.1:4437]')
})

function header(answer: Response, name: string): string | null {
  return answer.headers.get(name)
}

async function code(answer: Response): Promise<unknown> {
  return ((await answer.json()) as { error?: { code?: unknown } }).error?.code
}

/** The payloads of the SSE events of one name. */
function payloads(sse: string, name: string): string[] {
  return sse
    .split('\n\n')
    .map((frame) => frame.split('\n'))
    .filter((lines) => lines.some((line) => line.replace(' ', '') === `event:${name}`))
    .map((lines) =>
      lines
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice('data:'.length).replace(/^ /, ''))
        .join('\n'),
    )
}

const datas = (sse: string) => payloads(sse, 'data')
const controls = (sse: string) => payloads(sse, 'control').map((text) => JSON.parse(text) as unknown)
