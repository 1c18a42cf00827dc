// Event types of an application's own: validated in order, typed, and refused with where and why.
import { type } from 'arktype';
import type { CustomRecord, DurableStreamsError, SessionCallbacks, SessionRecord, StandardSchema } from 'durable-sessions';
import { DurableStreamsClient, defineEvents } from 'durable-sessions';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';

import type { WireEvent } from './fake.js';
import { FakeServer, chunk, control, data, until } from './fake.js';
import { Log } from './harness.js';

const deploy = (n: number, payload: unknown): WireEvent => ({ id: `d${n}`, type: 'x-my:deploy', timestamp: 1000 + n, data: payload });

const VENDORS = {
  zod: z.object({ version: z.string(), steps: z.array(z.object({ name: z.string() })) }),
  valibot: v.object({ version: v.string(), steps: v.array(v.object({ name: v.string() })) }),
  arktype: type({ version: 'string', steps: type({ name: 'string' }).array() }),
};

interface Seen {
  custom: CustomRecord[];
  all: (SessionRecord | CustomRecord)[];
  unknown: SessionRecord[];
  errors: DurableStreamsError[];
  closed: boolean;
  log: Log;
}

async function read(schema: StandardSchema, events: readonly WireEvent[], callbacks: SessionCallbacks<{ 'x-my:deploy': StandardSchema }> = {}): Promise<Seen> {
  const server = new FakeServer({ body: data(...events) + control(events.length, { streamClosed: true }) });
  const log = new Log();
  const client = new DurableStreamsClient({ url: 'http://fake.test', fetch: server.fetch, logger: log, events: defineEvents({ 'x-my:deploy': schema }) });
  const seen: Seen = { custom: [], all: [], unknown: [], errors: [], closed: false, log };
  client.subscribeToSession('s1', {
    on: { 'x-my:deploy': (record) => seen.custom.push(record) },
    onEvent: (record) => seen.all.push(record),
    onUnknownEvent: (record) => seen.unknown.push(record),
    onError: (error) => seen.errors.push(error),
    onClosed: () => {
      seen.closed = true;
    },
    ...callbacks,
  });
  await until(() => seen.closed);
  return seen;
}

describe.each(Object.entries(VENDORS))('a schema of %s', (_, schema) => {
  const good = { version: '1.2', steps: [{ name: 'build' }, { name: 'push' }] };

  it('gives the record to the callback of its type, in its place among the others', async () => {
    const seen = await read(schema, [chunk(1), deploy(2, good), chunk(3)]);
    expect(seen.custom).toEqual([{ channel: 'custom', type: 'x-my:deploy', id: 'd2', data: good, sessionId: 's1', timestamp: 1002, offset: 2, cursor: null, meta: undefined }]);
    expect(seen.all.map(({ id }) => id)).toEqual(['e1', 'd2', 'e3']);
    expect(seen.unknown).toEqual([]);
    expect(seen.errors).toEqual([]);
  });

  it('reports what it refuses, with path, type and offset, and the stream goes on', async () => {
    const seen = await read(schema, [chunk(1), deploy(2, { version: '1.2', steps: [{ name: 'build' }, { name: 7 }] }), deploy(3, good)]);
    expect(seen.errors).toMatchObject([{ code: 'INVALID_EVENT', reason: 'schema', eventType: 'x-my:deploy', path: '$.data.steps[1].name', offset: 2, came: '7' }]);
    const [error] = seen.errors;
    expect(error?.message).toMatch(/^a x-my:deploy event was refused: .*string.*, at \$\.data\.steps\[1\]\.name$/i);
    expect(error?.cause).toHaveLength(1);
    expect(seen.log.warnings).toEqual([`durable-sessions: ${error?.message}`]);
    expect(seen.all.map(({ id }) => id)).toEqual(['e1', 'd3']);
    expect(seen.custom.map(({ offset }) => offset)).toEqual([3]);
  });
});

describe('a registered event type', () => {
  it('delivers what its schema makes of the payload', async () => {
    const schema = z.object({ at: z.string() }).transform(({ at }) => new Date(at));
    const seen = await read(schema, [deploy(1, { at: '2026-01-02T03:04:05Z' })]);
    expect(seen.custom[0]?.data).toEqual(new Date('2026-01-02T03:04:05Z'));
  });

  it('gives its schema the payload as it came, whatever its fields are called', async () => {
    const schema = z.strictObject({ type: z.literal('blue'), sessionId: z.number(), timestamp: z.null() });
    const payload = { type: 'blue', sessionId: 4, timestamp: null };
    const seen = await read(schema, [deploy(1, payload)]);
    expect(seen.errors).toEqual([]);
    expect(seen.custom).toMatchObject([{ type: 'x-my:deploy', sessionId: 's1', timestamp: 1001, data: payload }]);
  });

  it.each([['text', z.string()], [[1, 2], z.array(z.number())], [null, z.null()]])('may have a payload that is no object: %j', async (payload, schema) => {
    expect((await read(schema, [deploy(1, payload)])).custom).toMatchObject([{ data: payload }]);
  });

  it('keeps the meta of its event', async () => {
    const meta = { schemaVersion: 1, eventId: 'm1' };
    expect((await read(z.unknown(), [{ ...deploy(1, 1), meta }])).custom).toMatchObject([{ meta }]);
  });

  it('names places like the rest of the package does, also what is missing', async () => {
    const seen = await read(z.record(z.string(), z.object({ 'a-b': z.array(z.number()) })), [deploy(1, { x: { 'a-b': [1, 'two'] } }), deploy(2, { y: {} })]);
    expect(seen.errors.map(({ path, came }) => [path, came])).toEqual([
      ['$.data.x["a-b"][1]', '"two"'],
      ['$.data.y["a-b"]', null],
    ]);
  });

  it('refuses a schema that answers later: it could not keep the order', async () => {
    const seen = await read(z.object({}).refine(async () => false), [deploy(1, {}), chunk(2)]);
    expect(seen.errors).toMatchObject([{ code: 'INVALID_EVENT', reason: 'schema_is_async', path: '$.data', offset: 1 }]);
    expect(seen.errors[0]?.message).toContain('asynchronous');
    expect(seen.all.map(({ id }) => id)).toEqual(['e2']);
  });

  it('survives a schema that throws', async () => {
    const thrown = new Error('no');
    const schema: StandardSchema = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => {
          throw thrown;
        },
      },
    };
    const seen = await read(schema, [deploy(1, {}), chunk(2)]);
    expect(seen.errors).toMatchObject([{ code: 'INVALID_EVENT', reason: 'schema_threw', cause: thrown }]);
    expect(seen.all).toHaveLength(1);
  });

  it('survives a callback that throws', async () => {
    const seen = await read(z.unknown(), [deploy(1, 1), chunk(2)], {
      on: {
        'x-my:deploy': () => {
          throw new Error('no');
        },
      },
    });
    expect(seen.errors).toMatchObject([{ code: 'CALLBACK_FAILED', eventType: 'x-my:deploy', offset: 1 }]);
    expect(seen.all).toHaveLength(2);
  });

  it('without a callback of its own still reaches onEvent', async () => {
    const seen = await read(z.unknown(), [deploy(1, 1)], { on: {} });
    expect(seen.all).toMatchObject([{ channel: 'custom', data: 1 }]);
  });

  it('leaves others unknown, whatever they are called', async () => {
    const seen = await read(z.unknown(), [{ ...deploy(1, {}), type: 'constructor' }, { ...deploy(2, {}), type: 'x-my:other' }]);
    expect(seen.unknown.map(({ type: name }) => name)).toEqual(['constructor', 'x-my:other']);
    expect(seen.custom).toEqual([]);
  });

  it('reaches onStep and its callback on the stream of an agent', async () => {
    const server = new FakeServer({ body: data(deploy(1, 'x')) + control(1, { streamClosed: true }) });
    const client = new DurableStreamsClient({ fetch: server.fetch, url: 'http://fake.test', events: defineEvents({ 'x-my:deploy': z.string() }) });
    const seen: unknown[] = [];
    let closed = false;
    client.subscribeToAgent('a1', {
      on: { 'x-my:deploy': ({ data: text }) => seen.push(text.toUpperCase()) },
      onStep: ({ channel }) => seen.push(channel),
      onClosed: () => {
        closed = true;
      },
    });
    await until(() => closed);
    expect(seen).toEqual(['X', 'custom']);
  });
});

describe('defineEvents', () => {
  it.each([
    ['chunk', z.string()],
    ['x-my:deploy', {}],
    ['x-my:deploy', undefined],
  ])('refuses %s with %s', (name, schema) => {
    expect(() => defineEvents({ [name]: schema as StandardSchema })).toThrow(expect.objectContaining({ code: 'INVALID_OPTIONS', message: `events: ${name} needs a Standard Schema, and must not be in the catalogue` }) as Error);
  });
});
