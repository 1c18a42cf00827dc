import type { ToolCallRecord } from 'durable-sessions';
import { describe, expect, it } from 'vitest';

import { FakeServer, control, data, until } from './fake.js';
import { subscribe } from './harness.js';

const OUTPUT = { lines: Array.from({ length: 20 }, (_, line) => ({ line, text: `第${line}行 "quoted" \u{1f600}`, more: [line, null, true] })) };
const INPUT = { path: 'a'.repeat(600) };

const result = (n: number, fields: object = {}): object => ({
  id: `e${n}`,
  type: 'tool:result',
  timestamp: 5,
  data: { id: `call-${n}`, tool: 'read', output: OUTPUT, isError: false, ...fields },
});

async function received(...events: object[]): Promise<ToolCallRecord['data'][]> {
  const server = new FakeServer({ body: data(...events) + control(events.length) });
  const { recorder, subscription } = subscribe(server);
  await until(() => subscription.getLastCursor() === `c${events.length}`);
  subscription.unsubscribe();
  return recorder.records.map((record) => record.data as ToolCallRecord['data']);
}

const isAccessor = (object: object, name: string): boolean => Object.getOwnPropertyDescriptor(object, name)?.get !== undefined;

describe('a long payload', () => {
  it('is parsed when it is looked at, once', async () => {
    const [call] = (await received(result(1))) as [ToolCallRecord['data']];
    expect(isAccessor(call, 'output')).toBe(true);
    expect(call.output).toEqual(OUTPUT);
    expect(call.output).toBe(call.output);
  });

  it('is a property like any other', async () => {
    const [call] = (await received(result(1, { input: INPUT }))) as [ToolCallRecord['data']];
    const plain = { id: 'call-1', tool: 'read', input: INPUT, output: OUTPUT, isError: false, duration: undefined, status: 'complete', sessionId: 's1', timestamp: 5 };
    expect(Object.keys(call)).toEqual(Object.keys(plain));
    expect(JSON.stringify(call)).toBe(JSON.stringify(plain));
    expect(structuredClone(call)).toEqual(plain);
    const copy = { ...call };
    expect(isAccessor(copy, 'output')).toBe(false);
    expect(copy).toStrictEqual(plain);
    expect(call).toStrictEqual(plain);
  });

  it('can be replaced and deleted', async () => {
    const [call, other] = (await received(result(1), result(2))) as [ToolCallRecord['data'], ToolCallRecord['data']];
    call.output = 'mine';
    expect(call.output).toBe('mine');
    delete other.output;
    expect('output' in other).toBe(false);
  });

  it('belongs to its own record, whatever else its batch brought', async () => {
    const calls = await received(...Array.from({ length: 50 }, (_, n) => result(n, { output: { ...OUTPUT, n }, input: n % 2 === 0 ? INPUT : n })));
    for (const [n, call] of [...calls.entries()].reverse()) {
      expect(call.output).toEqual({ ...OUTPUT, n });
      expect(call.input).toEqual(n % 2 === 0 ? INPUT : n);
    }
  });

  // As Vue's and Solid's do: whatever comes out of it is such a proxy again.
  const deep = <T extends object>(target: T): T =>
    new Proxy(target, {
      get: (object, name, proxy) => {
        const value: unknown = Reflect.get(object, name, proxy);
        return typeof value === 'object' && value !== null ? deep(value) : value;
      },
    });

  it('can be read and replaced through a proxy that wraps what it gives', async () => {
    const [call] = (await received(result(1))) as [ToolCallRecord['data']];
    const proxy = deep(call);
    expect(proxy.output).toEqual(OUTPUT);
    proxy.output = 'mine';
    expect(call.output).toBe('mine');
  });

  it('is a plain property if it is short', async () => {
    const [call] = (await received(result(1, { output: { ok: true } }))) as [ToolCallRecord['data']];
    expect(isAccessor(call, 'output')).toBe(false);
    expect(call.output).toEqual({ ok: true });
  });
});
