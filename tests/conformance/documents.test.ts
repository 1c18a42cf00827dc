// The documents that the server hands out: valid by the rules of their formats, and true of what it sends.
import { Validator } from '@seriousme/openapi-schema-validator'
import specs from '@asyncapi/specs'
import { Ajv, type ValidateFunction } from 'ajv'
import { describe, expect, test } from 'vitest'
import { withServer } from './harness/world.ts'

const server = withServer({ engine: 'memory', access: 'token', longPollTimeoutMs: 200 })

type Json = Record<string, unknown>

async function document(name: string): Promise<Json> {
  const answer = await fetch(`${server().url}/api/${name}`, { headers: server().headers })
  expect(answer.status).toBe(200)
  return (await answer.json()) as Json
}

/** Whatever `$ref` says leads to something in the same document. */
function dangling(value: unknown, root: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, member]) => {
    if (name !== '$ref' || typeof member !== 'string') return dangling(member, root)
    let found: unknown = root
    for (const part of member.replace(/^#\//, '').split('/')) {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
      found = typeof found === 'object' && found !== null ? (found as Json)[key] : undefined
    }
    return found === undefined ? [member] : []
  })
}

describe('OpenAPI', () => {
  test('is valid, and every reference leads somewhere', async () => {
    const openapi = await document('openapi.json')
    const validator = new Validator()
    const { valid, errors } = await validator.validate(structuredClone(openapi))
    expect(valid, JSON.stringify(errors, null, 2)).toBe(true)
    expect(validator.version).toBe('3.1')
    expect(dangling(openapi, openapi)).toEqual([])
  })

  test('a mistake would be seen', async () => {
    const openapi = await document('openapi.json')
    const paths = openapi.paths as Record<string, Json>
    const wrong = { ...openapi, paths: { ...paths, '/api/sessions': { get: { responses: 7 } } } }
    expect((await new Validator().validate(wrong)).valid).toBe(false)
    expect(dangling({ $ref: '#/components/schemas/None' }, openapi)).toHaveLength(1)
  })
})

describe('AsyncAPI', () => {
  /** By the schema of the format itself. */
  function format(): ValidateFunction {
    const schema: object = specs.schemasWithoutId['3.0.0']
    return new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile(schema)
  }

  test('is valid, and every reference leads somewhere', async () => {
    const asyncapi = await document('asyncapi.json')
    const isValid = format()
    expect(isValid(asyncapi), JSON.stringify(isValid.errors, null, 2)).toBe(true)
    expect(dangling(asyncapi, asyncapi)).toEqual([])
  })

  test('a mistake would be seen', async () => {
    const asyncapi = await document('asyncapi.json')
    expect(format()({ ...asyncapi, operations: { wrong: { action: 'shout' } } })).toBe(false)
  })

  /** A message of the document, as a check of payloads. */
  function message(asyncapi: Json, name: string): ValidateFunction {
    const ajv = new Ajv({ strict: false, validateFormats: false })
    ajv.addSchema(asyncapi, 'asyncapi.json')
    return ajv.compile({ $ref: `asyncapi.json#/components/messages/${name}/payload` })
  }

  test('describes what an EventSource is sent', async () => {
    const asyncapi = await document('asyncapi.json')
    const { url, headers } = server()
    const json = { ...headers, 'content-type': 'application/json' }
    const send = async (method: string, path: string, body: unknown) =>
      expect((await fetch(url + path, { method, headers: json, body: JSON.stringify(body) })).ok).toBe(true)
    await send('POST', '/api/sessions', { id: 'documented', projectId: 'p' })
    await send('POST', '/api/streams?sessionId=documented', [
      { type: 'chunk', data: { text: 'x' } },
      { type: 'tool:start', data: { id: '1', tool: 'bash' } },
      { type: 'my:own', data: { anything: [1] } },
      { type: 'presence:joined', data: { userId: 'ada' } },
    ])
    await send('POST', '/api/sessions/documented/close', {})
    const answer = await fetch(`${url}/api/sessions/documented/stream`, { headers })
    // The session is closed, so the answer ends.
    const frames = (await answer.text())
      .split('\n')
      .filter((line) => line.startsWith('data:'))
      .map((line) => JSON.parse(line.slice(5)) as { type: string; data?: Json })
    const names = ['Connected', 'ChunkEvent', 'ToolStartEvent', 'UnknownEvent', 'PresenceJoinedEvent', 'Closed']
    expect(frames.map((frame) => frame.type)).toEqual([
      'connected', 'chunk', 'tool:start', 'my:own', 'presence:joined', 'closed',
    ])
    const eventSource = (asyncapi.channels as Record<string, { messages: Json }>).eventSource
    for (const [index, name] of names.entries()) {
      expect(eventSource?.messages).toHaveProperty(name)
      const isValid = message(asyncapi, name)
      expect(isValid(frames[index]), `${name}: ${JSON.stringify(isValid.errors)}`).toBe(true)
      // Each describes its own and no other.
      expect(isValid(frames[(index + 1) % frames.length]), name).toBe(false)
    }
  })

  test('describes what a reader of the stream is sent', async () => {
    const asyncapi = await document('asyncapi.json')
    const { url, headers } = server()
    const json = { ...headers, 'content-type': 'application/json', 'stream-closed': 'true' }
    const event = { id: '1', type: 'chunk', timestamp: 1, data: { text: 'x' } }
    const path = `${url}/v1/stream/sessions/streamed`
    expect((await fetch(path, { method: 'PUT', headers: json, body: JSON.stringify(event) })).status).toBe(201)
    const answer = await fetch(`${path}?offset=-1&live=sse`, { headers })
    const frames = (await answer.text()).trim().split('\n\n')
    const isValid = { data: message(asyncapi, 'Batch'), control: message(asyncapi, 'Control') }
    const seen = frames.map((frame) => {
      const name = /^event: ?(\w+)$/m.exec(frame)?.[1] as 'data' | 'control'
      const data = frame.split('\n').filter((line) => line.startsWith('data:'))
      const payload: unknown = JSON.parse(data.map((line) => line.slice(5)).join('\n'))
      expect(isValid[name](payload), `${frame}: ${JSON.stringify(isValid[name].errors)}`).toBe(true)
      return name
    })
    expect(seen).toEqual(['data', 'control'])
  })
})
