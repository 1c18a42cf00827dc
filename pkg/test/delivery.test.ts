import { DurableStreamsError } from 'durable-sessions';
import type { Logger, SessionRecord } from 'durable-sessions';
import { describe, expect, it } from 'vitest';

import { FakeServer, chunk, control, data, until } from './fake.js';
import { subscribe } from './harness.js';

const first = (records: readonly SessionRecord[]): SessionRecord => records[0] as SessionRecord;

describe('callbacks of a class', () => {
  it('are called on their object, for agents too, inherited ones included', async () => {
    class Base {
      readonly seen: string[] = [];
      #count = 0;
      onError({ code }: DurableStreamsError): void {
        this.seen.push(`${code} ${(this.#count += 1)}`);
      }
      onConnectionStateChange(state: string): void {
        this.seen.push(`${state} ${(this.#count += 1)}`);
      }
    }
    class Handler extends Base {
      onStep({ id }: { id: string }): void {
        this.seen.push(id);
      }
    }
    const server = new FakeServer({ body: data(chunk(1), 'null') + control(2) });
    const { client } = subscribe(server);
    const handler = new Handler();
    client.subscribeToAgent('a', handler);
    const agent = new FakeServer({ body: data(chunk(1), 'null') + control(2) });
    const own = subscribe(agent).client;
    const other = new Handler();
    const subscription = own.subscribeToAgent('a', other);
    await until(() => subscription.getLastOffset() >= 0 && other.seen.length > 0);
    own.close();
    client.close();
    expect(other.seen[0]).toBe('connecting 1');
  });
});

describe('an event with half a character in a key', () => {
  it('is refused, and those around it are not', async () => {
    const server = new FakeServer({ body: data(chunk(1), chunk(2, { 'x\ud800y': 1 }), chunk(3)) + control(3) });
    const { recorder, subscription } = subscribe(server);
    await until(() => subscription.getLastCursor() === 'c3');
    expect(recorder.ids()).toEqual(['e1', 'e3']);
    expect(recorder.errors.map(({ code, offset, path }) => [code, offset, path])).toEqual([['INVALID_EVENT', 2, '$.data["x\\ud800y"]']]);
    subscription.unsubscribe();
  });
});

describe('delivery', () => {
  it('is the same however the body is cut', async () => {
    const body = `: ping\n\n${data(chunk(1, { text: 'hé 😀 "q" \\' }), { id: 'e2', type: 'own:thing', timestamp: 5, data: { a: [1] } })}${control(2)}${data(chunk(3))}${control(3, { streamClosed: true })}`;
    const length = new TextEncoder().encode(body).length;
    const expected = ['t: hé 😀 "q" \\', 'own:thing', 't: t3 '];
    for (let place = 1; place < length; place += 1) {
      const server = new FakeServer({ body, pieces: [place] });
      const { recorder, subscription } = subscribe(server);
      await until(() => recorder.calls.includes('onClosed'), `the end, cut at ${place}`);
      expect(recorder.records.map((record) => (record.channel === 'chunks' ? `t: ${record.data.text}` : record.type))).toEqual(expected);
      expect([recorder.errors, subscription.getLastOffset(), subscription.getLastCursor()]).toEqual([[], 3, 'c3']);
      subscription.unsubscribe();
    }
  });

  it('routes each channel to its callback and every record to onEvent', async () => {
    const at = { timestamp: 7 };
    const events = [
      chunk(1),
      { id: 'e2', type: 'tool:start', ...at, data: { id: 'k', tool: 'ls', input: { path: '.' } } },
      { id: 'e3', type: 'tool:result', ...at, data: { id: 'k', tool: 'ls', output: ['a'], isError: true, duration: 3 } },
      { id: 'e4', type: 'presence:joined', ...at, data: { userId: 'u', cursor: { x: 1, y: 2.5 } } },
      { id: 'e5', type: 'terminal:output', ...at, data: { data: 'x', source: 'agent' } },
      { id: 'e6', type: 'approval:requested', ...at, data: { payload: { a: 1 } } },
      { id: 'e7', type: 'state:update', ...at, data: { status: 'running' } },
      { id: 'e8', type: 'agent:turn', ...at, data: { agentId: 'a', turn: 2 } },
      { id: 'e9', type: 'container-agent:token', ...at, data: { taskId: 't', sessionId: 's1', delta: 'x' } },
      { id: 'e10', type: 'topology:agent_completed', ...at, data: { agentId: 'a', status: 'failed' } },
      { id: 'e11', type: 'app:own', ...at, data: { any: 'thing' } },
    ];
    const server = new FakeServer({ body: data(...events) + control(events.length) });
    const typed: string[] = [];
    const note = (name: string) => (record: { id: string }) => {
      typed.push(`${name} ${record.id}`);
    };
    const { recorder, subscription } = subscribe(server, {}, {
      onChunk: note('chunk'),
      onToolCall: note('tool'),
      onPresence: note('presence'),
      onTerminal: note('terminal'),
      onWorkflow: note('workflow'),
      onAgentState: note('state'),
      onAgentEvent: note('agent'),
      onContainerAgent: note('container'),
      onTopology: note('topology'),
      onUnknownEvent: note('unknown'),
    });
    await until(() => recorder.records.length === events.length);
    expect(typed).toEqual(['chunk e1', 'tool e2', 'tool e3', 'presence e4', 'terminal e5', 'workflow e6', 'state e7', 'agent e8', 'container e9', 'topology e10', 'unknown e11']);
    expect(recorder.records.map(({ type }) => type)).toEqual(events.map(({ type }) => type));
    expect(recorder.records.map(({ offset }) => offset)).toEqual(events.map((_, i) => i + 1));
    const stamp = { sessionId: 's1', timestamp: 7 };
    expect(JSON.parse(JSON.stringify(recorder.records.map(({ data: payload }) => payload).slice(1)))).toEqual([
      { id: 'k', tool: 'ls', input: { path: '.' }, status: 'running', ...stamp },
      { id: 'k', tool: 'ls', output: ['a'], isError: true, duration: 3, status: 'error', ...stamp },
      { userId: 'u', cursor: { x: 1, y: 2.5 }, action: 'joined', ...stamp },
      { data: 'x', source: 'agent', type: 'output', ...stamp },
      { payload: { a: 1 }, type: 'approval:requested', ...stamp },
      { status: 'running', ...stamp },
      { agentId: 'a', turn: 2, type: 'agent:turn', ...stamp },
      { taskId: 't', delta: 'x', type: 'container-agent:token', ...stamp },
      { agentId: 'a', status: 'failed', type: 'topology:agent_completed', ...stamp },
      { any: 'thing', type: 'app:own', ...stamp },
    ]);
    subscription.unsubscribe();
  });

  it('gives a record its own cursor where one follows, and the last one otherwise', async () => {
    const server = new FakeServer({ body: data(chunk(1), chunk(2)) + control(2) + data(chunk(3)) });
    const { recorder, subscription } = subscribe(server);
    await until(() => recorder.records.length === 3);
    expect(recorder.records.map(({ cursor }) => cursor)).toEqual([null, 'c2', 'c2']);
    server.send(control(3));
    await until(() => subscription.getLastCursor() === 'c3');
    subscription.unsubscribe();
  });

  it('resolves aliases, keeps unknown fields and meta', async () => {
    const meta = { schemaVersion: 1, eventId: 'e1', durability: 'durable' };
    const payload = { delta: 'x', accumulated: 'dropped', zoom: 2, ['__proto__']: { polluted: true }, timestamp: 'kept out' };
    const server = new FakeServer({ body: data({ ...chunk(1), data: payload, meta }) });
    const { recorder, subscription } = subscribe(server);
    await until(() => recorder.records.length === 1);
    const record = first(recorder.records);
    expect(record.data).toMatchObject({ text: 'x', zoom: 2, timestamp: 1001, sessionId: 's1' });
    expect('accumulated' in record.data).toBe(false);
    expect((record.data as { polluted?: boolean }).polluted).toBeUndefined();
    expect(record.meta).toEqual(meta);
    subscription.unsubscribe();
  });

  it('reports bad events and bad frames, and goes on', async () => {
    const bad = { id: 'e2', type: 'chunk', timestamp: 5, data: { text: 7 } };
    const server = new FakeServer({ body: `${data(chunk(1), bad, chunk(3))}${control(3)}event: data\ndata: [{"id":\n\n${data(chunk(4))}${control(4)}` });
    const { recorder, log, subscription } = subscribe(server);
    await until(() => recorder.records.length === 3);
    expect(recorder.ids()).toEqual(['e1', 'e3', 'e4']);
    expect(recorder.errors.every((error) => error instanceof DurableStreamsError && error instanceof Error)).toBe(true);
    expect(recorder.errors.map(({ code, reason, eventType, path, offset, came }) => ({ code, reason, eventType, path, offset, came }))).toEqual([
      { code: 'INVALID_EVENT', reason: 'wrong_type', eventType: 'chunk', path: '$.data.text', offset: 2, came: '7' },
      expect.objectContaining({ code: 'INVALID_JSON', eventType: null, offset: 3 }),
    ]);
    expect(recorder.errors[0]?.message).toContain('$.data.text');
    expect(log.warnings).toHaveLength(2);
    expect(subscription.getState()).toBe('connected');
    expect(subscription.getStats()).toMatchObject({ events: 3, rejected: 2, connections: 1 });
    subscription.unsubscribe();
  });

  it('survives callbacks that throw: the rest of the batch arrives and onError hears of it', async () => {
    const server = new FakeServer({ body: data(chunk(1), chunk(2), chunk(3)) });
    const { recorder, subscription } = subscribe(server, {}, {
      onChunk: (record) => {
        if (record.id === 'e2') {
          throw new Error('mine');
        }
      },
    });
    await until(() => recorder.records.length === 3);
    expect(recorder.errors.map(({ code, eventType, offset, cause }) => [code, eventType, offset, (cause as Error).message])).toEqual([['CALLBACK_FAILED', 'chunk', 2, 'mine']]);
    subscription.unsubscribe();
  });

  it('loses nothing to what cannot be put into words, nor to a logger that fails', async () => {
    const server = new FakeServer({ body: data(chunk(1), { id: 'bad' }, chunk(2), chunk(3)) + control(4), end: 'error' }, { body: data(chunk(5)) + control(5) });
    const unspeakable = Object.create(null) as Error;
    const fail = (): never => {
      throw unspeakable;
    };
    const logger = { error: fail } as unknown as Logger;
    const { recorder, subscription } = subscribe(server, { logger }, { onChunk: fail, onConnectionStateChange: fail, onDisconnect: fail });
    await until(() => recorder.records.length === 4);
    expect(recorder.records.map(({ id, offset, data: { timestamp } }) => [id, offset, timestamp])).toEqual([
      ['e1', 1, 1001],
      ['e2', 3, 1002],
      ['e3', 4, 1003],
      ['e5', 5, 1005],
    ]);
    expect(recorder.errors.filter(({ code }) => code === 'CALLBACK_FAILED').length).toBeGreaterThan(4);
    subscription.unsubscribe();
  });

  it('takes calls from inside callbacks', async () => {
    const server = new FakeServer({ body: data(chunk(1), chunk(2), chunk(3)) + control(3) });
    const seen: string[] = [];
    const { subscription } = subscribe(server, {}, {
      onChunk: (record) => {
        seen.push(`${record.id} ${subscription.getLastOffset()}`);
        if (record.id === 'e2') {
          subscription.unsubscribe();
        }
      },
    });
    await until(() => seen.length === 2);
    await until(() => server.aborted === 1);
    expect(seen).toEqual(['e1 1', 'e2 2']);
    expect([subscription.getState(), subscription.getLastOffset()]).toEqual(['disconnected', 2]);
  });

  it('reads agents', async () => {
    const server = new FakeServer({
      body: data({ id: 'e1', type: 'state:update', timestamp: 1, data: { status: 'idle' } }, { id: 'e2', type: 'agent:turn', timestamp: 1, data: { agentId: 'a/b', turn: 1 } }),
    });
    const { client } = subscribe(new FakeServer());
    const own = new (client.constructor as typeof import('durable-sessions').DurableStreamsClient)({ url: 'http://fake.test/base/', fetch: server.fetch });
    const seen: string[] = [];
    const subscription = own.subscribeToAgent('a/b', { onState: ({ id }) => seen.push(`state ${id}`), onStep: ({ id }) => seen.push(`step ${id}`) });
    await until(() => seen.length === 2);
    expect(seen).toEqual(['state e1', 'step e2']);
    expect(server.requests[0]?.url.pathname).toBe('/base/v1/stream/agents/a%2Fb');
    subscription.unsubscribe();
  });
});
