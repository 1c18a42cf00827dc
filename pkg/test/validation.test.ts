// What becomes of events that break the schema.
import type { DurableStreamsOptions } from 'durable-sessions';
import { describe, expect, it } from 'vitest';

import { FakeServer, chunk, control, data, ephemeral, until } from './fake.js';
import { subscribe } from './harness.js';

const long = 'x'.repeat(500);
const wrong = [
  { id: 'w1', type: 'chunk', timestamp: 5, data: { text: 7, more: { deep: [1] } }, meta: { eventId: 'm' } },
  { id: 'w2', type: 'state:update', timestamp: 5, data: { status: long } },
  { type: 'tool:start', timestamp: 'now', data: [1] },
  { id: 'w4' },
  'text',
  null,
];

async function read(validation: NonNullable<DurableStreamsOptions['validation']>) {
  const server = new FakeServer({ body: data(chunk(1), ...wrong, chunk(8)) + control(8) + ephemeral({ id: 'w9', type: 'presence:cursor', timestamp: 1, data: {} }) + data(chunk(9)) });
  const typed: string[] = [];
  const { recorder, subscription, log } = subscribe(server, { validation }, {
    onChunk: ({ id }) => typed.push(`chunk ${id}`),
    onAgentState: ({ id }) => typed.push(`state ${id}`),
    onToolCall: ({ id }) => typed.push(`tool ${id}`),
    onPresence: ({ id }) => typed.push(`presence ${id}`),
    onUnknownEvent: ({ id, type }) => typed.push(`unknown ${id} ${type}`),
  });
  await until(() => recorder.ids().includes('e9'));
  const stats = subscription.getStats();
  subscription.unsubscribe();
  return { recorder, typed, stats, log };
}

describe('validation', () => {
  it('strict: says what, where and an excerpt, and delivers nothing of it', async () => {
    const { recorder, typed, stats } = await read('strict');
    expect(typed).toEqual(['chunk e1', 'chunk e8', 'chunk e9']);
    expect(recorder.errors.map(({ code, severity, eventType, path, offset, reason }) => [code, severity, eventType, path, offset, reason])).toEqual([
      ['INVALID_EVENT', 'error', 'chunk', '$.data.text', 2, 'wrong_type'],
      ['INVALID_EVENT', 'error', 'state:update', '$.data.status', 3, expect.any(String)],
      ['INVALID_EVENT', 'error', 'tool:start', expect.any(String), 4, expect.any(String)],
      ['INVALID_EVENT', 'error', null, '$.type', 5, 'missing_field'],
      ['INVALID_EVENT', 'error', null, '$', 6, 'wrong_type'],
      ['INVALID_EVENT', 'error', null, '$', 7, 'wrong_type'],
      ['INVALID_EVENT', 'error', 'presence:cursor', '$.data.userId', 8, 'missing_field'],
    ]);
    expect(recorder.errors[0]?.came).toBe('7');
    expect(recorder.errors[1]?.came).toMatch(/^"x{20,99}…$/);
    expect(recorder.errors[1]?.message.length).toBeLessThan(300);
    expect(stats).toMatchObject({ events: 3, rejected: 7 });
  });

  it('lenient: delivers what has a type, as unknown, with a warning', async () => {
    const { recorder, typed, stats, log } = await read('lenient');
    expect(typed).toEqual(['chunk e1', 'unknown w1 chunk', 'unknown w2 state:update', 'unknown  tool:start', 'chunk e8', 'unknown w9 presence:cursor', 'chunk e9']);
    expect(recorder.errors.map(({ severity, path, offset }) => [severity, path, offset]).filter(([severity]) => severity === 'warning')).toEqual([
      ['warning', '$.data.text', 2],
      ['warning', '$.data.status', 3],
      ['warning', expect.any(String), 4],
      ['warning', '$.data.userId', 8],
    ]);
    expect(recorder.errors.filter(({ severity }) => severity === 'error').map(({ offset }) => offset)).toEqual([5, 6, 7]);
    expect([log.errors, log.warnings.length]).toEqual([[], 7]);
    expect(recorder.records.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 8, 8, 9]);
    expect(recorder.records[1]).toEqual({
      channel: 'unknown',
      type: 'chunk',
      id: 'w1',
      data: { text: 7, more: { deep: [1] }, type: 'chunk', sessionId: 's1', timestamp: 5 },
      offset: 2,
      cursor: null,
      meta: { eventId: 'm' },
    });
    expect(recorder.records[3]).toMatchObject({ id: '', data: { data: [1], timestamp: 0 } });
    expect(stats).toMatchObject({ events: 6, rejected: 7 });
  });

  it('off: the same without the warnings', async () => {
    const { recorder, typed, log } = await read('off');
    expect(typed).toEqual(['chunk e1', 'unknown w1 chunk', 'unknown w2 state:update', 'unknown  tool:start', 'chunk e8', 'unknown w9 presence:cursor', 'chunk e9']);
    expect(recorder.errors.map(({ severity, offset }) => [severity, offset])).toEqual([['error', 5], ['error', 6], ['error', 7]]);
    expect(log.warnings).toHaveLength(3);
  });

  it('reports a broken frame even where nothing was read before it', async () => {
    const server = new FakeServer({ body: `event: data\ndata: {\n\n${data(chunk(1))}` });
    const { recorder, subscription } = subscribe(server);
    await until(() => recorder.records.length === 1);
    expect(recorder.errors.map(({ code, offset }) => [code, offset])).toEqual([['INVALID_JSON', 0]]);
    subscription.unsubscribe();
  });
});
