// The public client's IdempotentProducer against our server: exactly once through lost answers, fencing, closing.
import { DurableStream, IdempotentProducer, type IdempotentProducerOptions, StaleEpochError } from '@durable-streams/client'
import { describe, expect, test } from 'vitest'
import { create, everything, freshPath, losingAnswers, reach, repeating } from './harness/client.ts'
import type { Engine } from './harness/server.ts'
import { withServer } from './harness/world.ts'

const JSON_TYPE = 'application/json'
const BYTES_TYPE = 'application/octet-stream'

describe.each<Engine>(['memory', 'embedded'])('IdempotentProducer on the %s engine', (engine) => {
  const server = withServer({ engine, access: 'token', longPollTimeoutMs: 500 })

  /** A producer whose errors are kept: after `flush` there must be none, or those the test wants. */
  function produce(handle: DurableStream, id: string, options: IdempotentProducerOptions = {}) {
    const errors: Error[] = []
    const producer = new IdempotentProducer(handle, id, { onError: (error) => errors.push(error), ...options })
    return { producer, errors }
  }

  test('many small batches in flight together arrive once and in order', async () => {
    const handle = await create(server(), freshPath('pipelined'), JSON_TYPE)
    const { producer, errors } = produce(handle, 'writer', { maxBatchBytes: 64, maxInFlight: 5 })
    const numbers = Array.from({ length: 1_000 }, (_, n) => ({ n }))
    for (const item of numbers) producer.append(JSON.stringify(item))
    await producer.flush()
    expect(errors).toEqual([])
    expect(await everything(handle)).toEqual(numbers)
    const head = await handle.head()
    expect(head.exists && head.offset).toBe(producer.lastSuccessfulOffset)
  })

  test('answers that are lost are asked for again and nothing is stored twice', async () => {
    const handle = await create(server(), freshPath('lost'), JSON_TYPE)
    const lossy = losingAnswers((request) => request % 2 === 1)
    const { producer, errors } = produce(handle, 'writer', { maxBatchBytes: 64, maxInFlight: 3, fetch: repeating(lossy) })
    const numbers = Array.from({ length: 60 }, (_, n) => ({ n }))
    for (const item of numbers) producer.append(JSON.stringify(item))
    await producer.flush()
    expect(lossy.lost).toBeGreaterThan(3)
    expect(errors).toEqual([])
    expect(await everything(handle)).toEqual(numbers)
  })

  test('a producer with a higher epoch fences off the one before', async () => {
    const handle = await create(server(), freshPath('fenced'), JSON_TYPE)
    const first = produce(handle, 'writer')
    first.producer.append('"first"')
    await first.producer.flush()
    const second = produce(handle, 'writer', { epoch: 1 })
    second.producer.append('"second"')
    await second.producer.flush()
    first.producer.append('"zombie"')
    await first.producer.flush().catch(() => undefined)
    expect(first.errors).toHaveLength(1)
    expect(first.errors[0]).toBeInstanceOf(StaleEpochError)
    expect((first.errors[0] as StaleEpochError).currentEpoch).toBe(1)
    expect(second.errors).toEqual([])
    expect(await everything(handle)).toEqual(['first', 'second'])
  })

  test('a producer that knows no epoch claims the next one', async () => {
    const handle = await create(server(), freshPath('claimed'), JSON_TYPE)
    const before = produce(handle, 'writer', { epoch: 5 })
    before.producer.append('1')
    await before.producer.flush()
    const after = produce(handle, 'writer', { autoClaim: true })
    after.producer.append('2')
    after.producer.append('3')
    await after.producer.flush()
    expect(after.errors).toEqual([])
    expect(after.producer.epoch).toBe(6)
    expect(await everything(handle)).toEqual([1, 2, 3])
  })

  test('closing with a last message is repeated safely when its answer is lost', async () => {
    const path = freshPath('closing')
    const handle = await create(server(), path, JSON_TYPE)
    const lossy = losingAnswers((request) => request === 2)
    const { producer, errors } = produce(handle, 'writer', { fetch: lossy })
    producer.append('1')
    await producer.flush()
    await expect(producer.close('"end"')).rejects.toThrow('the answer was lost')
    const result = await producer.close()
    expect(lossy.lost).toBe(1)
    expect(errors).toEqual([])
    expect(await handle.head()).toMatchObject({ streamClosed: true, offset: result.finalOffset })
    expect(await everything(handle)).toEqual([1, 'end'])
    const reader = await new DurableStream(reach(server(), path)).stream({ offset: '-1', live: 'sse' })
    expect(await reader.json()).toEqual([1, 'end'])
    expect(reader.streamClosed).toBe(true)
  })

  test('bytes of a pipe become a closed stream of the same bytes', async () => {
    const handle = await create(server(), freshPath('piped'), BYTES_TYPE)
    const source = Uint8Array.from({ length: 100_000 }, (_, index) => (index * 31) % 256)
    await new Blob([source]).stream().pipeTo(handle.writable({ maxBatchBytes: 4_096 }))
    const whole = await handle.stream({ offset: '-1', live: false })
    expect(whole.streamClosed).toBe(true)
    expect(Buffer.compare(Buffer.from(await whole.body()), Buffer.from(source))).toBe(0)
  })
})
