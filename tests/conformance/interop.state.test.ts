// The public state protocol over our streams: one stream materialised, live, through a token.
import { stream } from '@durable-streams/client'
import { type ChangeEvent, createStateSchema, isChangeEvent, MaterializedState, type StateEvent } from '@durable-streams/state'
import { createStreamDB } from '@durable-streams/state/db'
import { describe, expect, test } from 'vitest'
import { create, freshPath, reach } from './harness/client.ts'
import { until } from '../harness/condition.ts'
import type { Engine } from './harness/server.ts'
import { withServer } from './harness/world.ts'

interface Task {
  id: string
  title: string
  done: boolean
}

/** A Standard Schema, written by hand. */
const task = {
  '~standard': {
    version: 1 as const,
    vendor: 'durable-sessions-tests',
    validate: (value: unknown) =>
      isTask(value) ? { value } : { issues: [{ message: 'a task has id, title and done' }] },
    types: undefined as unknown as { input: Task; output: Task },
  },
}

const schema = createStateSchema({ tasks: { schema: task, type: 'task', primaryKey: 'id' } })

const changes: ChangeEvent<Task>[] = [
  schema.tasks.insert({ value: { id: 'a', title: 'read the protocol', done: false } }),
  schema.tasks.insert({ value: { id: 'b', title: 'write a server', done: false } }),
  schema.tasks.update({ value: { id: 'a', title: 'read the protocol', done: true } }),
  schema.tasks.insert({ value: { id: 'c', title: 'sleep', done: false } }),
  schema.tasks.delete({ key: 'c' }),
] as ChangeEvent<Task>[]

const expected = [
  { id: 'a', title: 'read the protocol', done: true },
  { id: 'b', title: 'write a server', done: false },
]

describe.each<Engine>(['memory', 'embedded'])('@durable-streams/state on the %s engine', (engine) => {
  const server = withServer({ engine, access: 'token', longPollTimeoutMs: 500 })

  test('a stream is materialised event by event', async () => {
    const path = freshPath('state')
    const handle = await create(server(), path, 'application/json')
    for (const change of changes) await handle.append(JSON.stringify(change))
    await handle.close()
    const state = new MaterializedState()
    const reader = await stream<StateEvent<Task>>({ ...reach(server(), path), offset: '-1', live: 'sse' })
    for await (const event of reader.jsonStream()) if (isChangeEvent(event)) state.apply(event)
    expect([...state.getType('task').values()]).toEqual(expected)
  })

  test.each(['long-poll', 'sse'] as const)('a database on a stream is loaded and kept up to date by %s', async (live) => {
    const path = freshPath(`db-${live}`)
    const handle = await create(server(), path, 'application/json')
    for (const change of changes) await handle.append(JSON.stringify(change))
    const database = createStreamDB({
      streamOptions: { ...reach(server(), path), contentType: 'application/json' },
      live,
      state: schema,
    })
    try {
      await database.preload()
      const tasks = () => [...database.collections.tasks.values()].map(({ id, title, done }) => ({ id, title, done }))
      expect(tasks().sort(byId)).toEqual(expected)

      await handle.append(JSON.stringify(schema.tasks.insert({ value: { id: 'd', title: 'celebrate', done: false } })))
      await until('the new task arrived', () => tasks().length === 3)
      await handle.append(JSON.stringify(schema.tasks.delete({ key: 'b' })))
      await until('the deletion arrived', () => tasks().length === 2)
      expect(tasks().sort(byId)).toEqual([expected[0], { id: 'd', title: 'celebrate', done: false }])
    } finally {
      database.close()
    }
  })
})

function byId(one: Task, other: Task): number {
  return one.id < other.id ? -1 : 1
}

function isTask(value: unknown): value is Task {
  return typeof value === 'object' && value !== null && 'id' in value && 'title' in value && 'done' in value
}
