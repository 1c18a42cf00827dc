// The same commands against our server and against the reference server: they have to write the same.
import { describe, expect, test } from 'vitest'
import { freshPath } from './harness/client.ts'
import { Command, type Target, type Which, cursorIn, ok, run, withTarget } from './harness/cli.ts'

const EVERY_BYTE = Uint8Array.from({ length: 256 + 6 }, (_, n) => (n < 256 ? n : [13, 10, 10, 13, 123, 93][n - 256]!))

describe.each<Which>(['durable-sessions', '@durable-streams/server'])('the command line against %s', (which) => {
  const target = withTarget(which)

  test('a stream is created, written, read, followed, closed and deleted', async () => {
    const stream = ['--stream', freshPath('cli')]
    await ok(target(), ['create', ...stream])
    await ok(target(), ['create', ...stream])
    await ok(target(), ['append', ...stream, '--data', '{"n": 0}'])
    await ok(target(), ['append', ...stream], '{"n":1}\n\n[2,"zwölf"]\n')
    const read = await run(target(), ['read', ...stream])
    // A line is a message, also when it is an array.
    expect(lines(read.stdout).map(json)).toEqual([{ n: 0 }, { n: 1 }, [2, 'zwölf']])

    const follower = new Command(target(), ['tail', ...stream, '--json'])
    await follower.wrote(read.stdout.length)
    const late = new Command(target(), ['tail', ...stream, '--json', '--from', cursorIn(read.stderr)])
    await ok(target(), ['append', ...stream, '--data', '"last"'])
    await late.wrote('"last"\n'.length)
    await ok(target(), ['close', ...stream])
    const [whole, rest] = [await follower.ended(), await late.ended()]
    expect([whole.code, rest.code]).toEqual([0, 0])
    expect(lines(whole.stdout)).toEqual([...lines(read.stdout), '"last"'])
    expect(rest.stdout.toString()).toBe('"last"\n')

    const closed = await run(target(), ['append', ...stream, '--data', '1'])
    expect([closed.code, closed.stderr]).toEqual([1, expect.stringContaining('closed')])
    expect((await run(target(), ['read', ...stream])).stderr).toContain('the stream is closed')
    await ok(target(), ['delete', ...stream])
    expect((await run(target(), ['read', ...stream])).code).toBe(1)
    expect((await run(target(), ['delete', ...stream])).code).toBe(1)
  })

  test('a session is only a stream, wherever it is', async () => {
    const session = ['--session', freshPath('s').replace('/', '-')]
    await ok(target(), ['create', ...session])
    await ok(target(), ['append', ...session, '--type', 'chunk', '--data', '{"text":"Hello"}'])
    const follower = new Command(target(), ['tail', ...session])
    await follower.wrote('Hello'.length)
    await ok(target(), ['close', ...session])
    expect((await follower.ended()).stdout.toString()).toBe('Hello\n')
  })

  test.each(['application/octet-stream', 'text/plain'])('%s comes back byte for byte', async (type) => {
    const stream = ['--stream', freshPath('bytes')]
    const bytes = type === 'text/plain' ? new TextEncoder().encode('día 🎉\r\n\r\nevent: control\ndata: {}\n') : EVERY_BYTE
    await ok(target(), ['append', ...stream, '--create', '--content-type', type], bytes)
    const follower = new Command(target(), ['tail', ...stream])
    const polling = new Command(target(), ['tail', ...stream, '--live', 'long-poll'])
    await follower.wrote(bytes.length)
    await ok(target(), ['append', ...stream, '--data', '[!'])
    await ok(target(), ['close', ...stream])
    const expected = Buffer.concat([bytes, Buffer.from('[!')])
    expect(await ok(target(), ['read', ...stream])).toEqual(expected)
    expect((await follower.ended()).stdout).toEqual(expected)
    expect((await polling.ended()).stdout).toEqual(expected)
  })

  test.each(['auto', 'sse', 'long-poll'])('%s follows from before the first message to the end', async (live) => {
    const stream = ['--stream', freshPath(live)]
    await ok(target(), ['create', ...stream])
    const follower = new Command(target(), ['tail', ...stream, '--json', '--live', live])
    for (let n = 0; n < 5; n += 1) await ok(target(), ['append', ...stream, '--data', String(n)])
    await follower.wrote(10)
    await ok(target(), ['close', ...stream])
    const ended = await follower.ended()
    expect([ended.code, ended.stdout.toString()]).toEqual([0, '0\n1\n2\n3\n4\n'])
  })

  test('a stream is forked at its end, at a cursor, and between cursors', async () => {
    const source = freshPath('source')
    await ok(target(), ['append', '--stream', source, '--create', '--data', '0'])
    const at = cursorIn((await run(target(), ['read', '--stream', source])).stderr)
    await ok(target(), ['append', '--stream', source], '1\n2\n3\n')
    const fork = async (...more: string[]) => {
      const path = freshPath('fork')
      const arguments_ = ['fork', '--stream', path, '--source', source, ...more]
      await ok(target(), arguments_)
      await ok(target(), arguments_)
      await ok(target(), ['append', '--stream', path, '--data', '"own"'])
      return lines(await ok(target(), ['read', '--stream', path]))
    }
    expect(await fork()).toEqual(['0', '1', '2', '3', '"own"'])
    expect(await fork('--offset', at)).toEqual(['0', '"own"'])
    expect(await fork('--offset', at, '--sub-offset', '1')).toEqual(['0', '1', '"own"'])
    expect(lines(await ok(target(), ['read', '--stream', source]))).toEqual(['0', '1', '2', '3'])
    const unknown = await run(target(), ['fork', '--stream', freshPath('fork'), '--source', freshPath('nobody')])
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('nobody')])
  })

  test('lines by the thousand arrive once and in order', async () => {
    const stream = ['--stream', freshPath('many')]
    const numbers = Array.from({ length: 5_000 }, (_, n) => String(n))
    await ok(target(), ['append', ...stream, '--create'], `${numbers.join('\n')}\n`)
    expect(lines(await ok(target(), ['read', ...stream]))).toEqual(numbers)
  })
})

describe('the command line against @durable-streams/server alone', () => {
  const target = withTarget('@durable-streams/server')

  test('there is no list, and that is said', async () => {
    const ended = await run(target(), ['ls'])
    expect([ended.code, ended.stdout.toString()]).toEqual([1, ''])
    expect(ended.stderr).toContain('no list of sessions')
  })

  test('answers that are cut off and refusals cost nothing and double nothing', async () => {
    const path = freshPath('faults')
    const reference = theReference(target())
    const at = `/v1/stream/${path}`
    await ok(target(), ['create', '--stream', path])
    reference.injectFault(at, { dropConnection: true, method: 'POST', count: 2 })
    reference.injectFault(at, { status: 503, retryAfter: 0, method: 'POST', count: 3 })
    const numbers = Array.from({ length: 500 }, (_, n) => String(n))
    await ok(target(), ['append', '--stream', path], `${numbers.join('\n')}\n`)
    reference.clearInjectedFaults()
    reference.injectFault(at, { dropConnection: true, method: 'GET', count: 2 })
    expect(lines(await ok(target(), ['read', '--stream', path]))).toEqual(numbers)
  })

  test('where SSE is refused the stream is polled, and that is said', async () => {
    const path = freshPath('polled')
    await ok(target(), ['append', '--stream', path, '--create', '--data', '1'])
    await ok(target(), ['close', '--stream', path])
    theReference(target()).injectFault(`/v1/stream/${path}`, { status: 406, method: 'GET', count: 1 })
    const ended = await run(target(), ['tail', '--stream', path, '--json'])
    expect([ended.code, ended.stdout.toString()]).toEqual([0, '1\n'])
    expect(ended.stderr).toContain('polling instead')
  })

  test('its streams are found below whatever root it is given', async () => {
    const path = freshPath('root')
    await ok(target(), ['append', '--stream', path, '--create', '--data', '1', '--stream-root', '/'])
    expect((await ok(target(), ['read', '--stream', path, '--stream-root', '/'])).toString()).toBe('1\n')
    expect((await run(target(), ['read', '--stream', path])).code).toBe(1)
  })
})

function theReference(target: Target) {
  if (target.reference === undefined) throw new Error('this is not the reference server')
  return target.reference
}

function lines(output: Buffer): string[] {
  return output.toString().split('\n').slice(0, -1)
}

function json(text: string): unknown {
  return JSON.parse(text)
}
