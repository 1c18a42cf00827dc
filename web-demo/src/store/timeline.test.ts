import { describe, expect, it } from 'vitest';

import { event } from './testing';
import { Timeline } from './timeline';
import type { MessageRow, TimelineRow, ToolRow } from './timeline-items';

function play(events: Parameters<Timeline['apply']>[0][], timeline = new Timeline()): readonly TimelineRow[] {
  for (const each of events) timeline.apply(each);
  return timeline.snapshot().items;
}

const chunk = (text: string, rest: Record<string, unknown> = {}) => event('chunk', { text, ...rest });
const texts = (rows: readonly TimelineRow[]) => rows.filter((row): row is MessageRow => row.kind === 'message').map((row) => row.text);
const tools = (rows: readonly TimelineRow[]) => rows.filter((row): row is ToolRow => row.kind === 'tool');

describe('text from chunks', () => {
  it('joins the deltas of a message, whatever comes between them', () => {
    const rows = play([
      chunk('Hel', { messageId: 'a' }),
      event('tool:start', { id: 't', tool: 'bash' }),
      chunk('other', { messageId: 'b' }),
      chunk('lo', { messageId: 'a' }),
    ]);
    expect(texts(rows)).toEqual(['Hello', 'other']);
  });

  it('keeps turns apart, and agents', () => {
    const rows = play([chunk('a', { turn: 1 }), chunk('b', { turn: 1 }), chunk('c', { turn: 2 }), chunk('d', { turn: 2, agentId: 'x' }), chunk('e', { turn: 2 })]);
    expect(texts(rows)).toEqual(['ab', 'ce', 'd']);
  });

  it('starts a new stretch of the turn below a tool call, losing nothing', () => {
    const rows = play([chunk('before ', { turn: 1 }), event('tool:start', { id: 't', tool: 'bash' }), chunk('after', { turn: 1 })]);
    expect(rows.map((row) => row.kind)).toEqual(['message', 'tool', 'message']);
    expect(texts(rows).join('')).toBe('before after');
  });

  it('does not confuse a message id with a turn', () => {
    expect(texts(play([chunk('a', { messageId: '1' }), chunk('b', { turn: 1 })]))).toEqual(['a', 'b']);
  });

  it('gives a changed row a new identity and leaves the others alone', () => {
    const timeline = new Timeline();
    const before = play([chunk('a', { messageId: 'a' }), chunk('b', { messageId: 'b' })], timeline);
    const after = play([chunk('!', { messageId: 'b' })], timeline);
    expect(after[0]).toBe(before[0]);
    expect(after[1]).not.toBe(before[1]);
    expect(before[1]).toMatchObject({ text: 'b' });
  });

  it('shows a container agent\'s finished message once', () => {
    const rows = play([
      event('container-agent:token', { delta: 'don', taskId: 't' }),
      event('container-agent:token', { delta: 'e', taskId: 't' }),
      event('container-agent:message', { role: 'assistant', content: 'done', taskId: 't' }),
    ]);
    expect(texts(rows)).toEqual(['done']);
  });
});

describe('tool calls', () => {
  it('pairs start and result by id', () => {
    const rows = play([
      event('tool:start', { id: 'a', tool: 'bash', input: { command: 'ls' } }, 1_000),
      event('tool:start', { id: 'b', tool: 'read', input: { path: 'x' } }, 1_100),
      event('tool:result', { id: 'b', tool: 'read', output: 'B', isError: true, duration: 7 }, 1_200),
      event('tool:result', { id: 'a', tool: 'bash', output: 'A' }, 1_500),
    ]);
    expect(tools(rows)).toMatchObject([
      { callId: 'a', status: 'complete', input: { command: 'ls' }, output: 'A', durationMs: 500, durationIsMeasured: true },
      { callId: 'b', status: 'error', output: 'B', durationMs: 7, durationIsMeasured: false },
    ]);
  });

  it('pairs a result that came before its start', () => {
    const rows = play([
      event('tool:result', { id: 'a', tool: 'bash', output: 'A' }, 1_500),
      event('tool:start', { id: 'a', tool: 'bash', input: { command: 'ls' } }, 1_200),
    ]);
    expect(tools(rows)).toMatchObject([{ status: 'complete', input: { command: 'ls' }, output: 'A', durationMs: 300, durationIsMeasured: true }]);
  });

  it('keeps running when its start is repeated', () => {
    const start = event('tool:start', { id: 'a', tool: 'bash', input: 1 }, 1_000);
    expect(tools(play([start, { ...start, timestamp: 2_000 }]))).toMatchObject([{ status: 'running', startedAt: 1_000, durationMs: null }]);
  });

  it('understands the aliases and the container agent\'s names', () => {
    const rows = play([
      event('container-agent:tool:start', { toolId: 'a', toolName: 'bash', input: {} }),
      event('container-agent:tool:result', { toolId: 'a', toolName: 'bash', result: 'R', isError: false, durationMs: 3 }),
    ]);
    expect(tools(rows)).toMatchObject([{ tool: 'bash', status: 'complete', output: 'R', durationMs: 3 }]);
  });
});

describe('everything else', () => {
  it('notes a type that it does not know, with its payload', () => {
    const [row] = play([event('my:own', { sessionId: 's', timestamp: 1, level: 3 })]);
    expect(row).toMatchObject({ kind: 'note', title: 'my:own', detail: '{"level":3}' });
  });

  it('leaves terminal, cursor and state events to other parts of the page', () => {
    expect(play([event('terminal:output', { data: 'x' }), event('presence:cursor', { userId: 'u' }), event('state:update', { status: 'running' })])).toEqual([]);
  });

  it('is bounded, says so, and pairs nothing with rows that are gone', () => {
    const timeline = new Timeline(10);
    timeline.apply(event('tool:start', { id: 'old', tool: 'bash' }));
    for (let i = 0; i < 100; i += 1) timeline.apply(chunk('x', { messageId: `m${i}` }));
    timeline.apply(event('tool:result', { id: 'old', tool: 'bash', output: 'late' }));
    timeline.apply(chunk('again', { messageId: 'm0' }));
    const { items, dropped } = timeline.snapshot();
    expect(items.length).toBeLessThanOrEqual(11);
    expect(items.length + dropped).toBe(103);
    expect(items.at(-1)).toMatchObject({ text: 'again' });
    expect(items.at(-2)).toMatchObject({ callId: 'old', status: 'complete', output: 'late' });
  });
});
