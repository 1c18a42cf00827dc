// The session store: what it makes of events, how often it tells, what it shares, what it lets go of.
import { DurableStreamsError } from 'durable-sessions';
import type { SessionRecord } from 'durable-sessions';
import type { SessionSnapshot, SessionStore, SessionStoreOptions, TimelineItem } from 'durable-sessions/store';
import { createSessionStore } from 'durable-sessions/store';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';

import { chunk, FakeClient, ManualFrames, record, settle } from './store-fake.js';

function open(options: SessionStoreOptions = {}) {
  const client = new FakeClient();
  const frames = new ManualFrames();
  const store = createSessionStore(client, 's1', { scheduler: frames, lingerMs: 0, ...options });
  const heard = vi.fn();
  const leave = store.subscribe(heard);
  const shown = (...records: SessionRecord[]): SessionSnapshot => {
    client.append(...records);
    frames.frame();
    return store.getSnapshot();
  };
  return { client, frames, store, heard, leave, shown };
}

const texts = (snapshot: SessionSnapshot) => snapshot.messages.map(({ text }) => text);
const kinds = (snapshot: SessionSnapshot) => snapshot.items.map(({ kind }) => kind);

describe('messages', () => {
  it('are rebuilt from their chunks, whatever comes between them', () => {
    const { shown } = open();
    const snapshot = shown(chunk(1, { messageId: 'a' }), record(2, 'tool:start', { id: 't', tool: 'bash' }), chunk(3, { messageId: 'b' }), chunk(4, { messageId: 'a' }));
    expect(texts(snapshot)).toEqual(['t1 t4 ', 't3 ']);
    expect(snapshot.messages[0]).toMatchObject({ messageId: 'a', chunks: 2, offset: 1, lastOffset: 4, timestamp: 1001 });
  });

  it('are kept apart by agent and turn, and go on below a tool call', () => {
    const { shown } = open();
    const snapshot = shown(chunk(1, { turn: 1 }), chunk(2, { turn: 2 }), chunk(3, { turn: 2, agentId: 'x' }), chunk(4, { turn: 2 }), record(5, 'tool:start', { id: 't', tool: 'bash' }), chunk(6, { turn: 2 }));
    expect(texts(snapshot)).toEqual(['t1 ', 't2 t4 ', 't3 ', 't6 ']);
    expect(kinds(snapshot)).toEqual(['message', 'message', 'message', 'tool', 'message']);
  });

  it('do not confuse a message id with a turn', () => {
    expect(texts(open().shown(chunk(1, { messageId: '1' }), chunk(2, { turn: 1 })))).toEqual(['t1 ', 't2 ']);
  });

  it('of a container agent are shown once, though it repeats them whole', () => {
    const token = (offset: number, delta: string) => record(offset, 'container-agent:token', { delta, taskId: 't' });
    const message = (offset: number, role: string, content: string) => record(offset, 'container-agent:message', { role, content, taskId: 't' });
    const snapshot = open().shown(token(1, 'do'), token(2, 'ne'), message(3, 'assistant', 'done'), message(4, 'user', 'thanks'));
    expect(snapshot.messages).toMatchObject([{ text: 'done', role: 'assistant' }, { text: 'thanks', role: 'user' }]);
  });
});

describe('tool calls', () => {
  it('pair start and result by id', () => {
    const { toolCalls } = open().shown(
      record(1, 'tool:start', { id: 'a', tool: 'bash', input: { command: 'ls' } }),
      record(2, 'tool:start', { id: 'b', tool: 'read' }),
      record(3, 'agent:tool_progress', { agentId: 'x', toolUseId: 'a', toolName: 'bash', elapsedSeconds: 4 }),
      record(4, 'tool:result', { id: 'b', tool: 'read', output: 'B', isError: true, duration: 7 }),
    );
    expect(toolCalls).toMatchObject([
      { callId: 'a', status: 'running', input: { command: 'ls' }, elapsedSeconds: 4, startedAt: 1001, endedAt: null, durationMs: null },
      { callId: 'b', status: 'error', output: 'B', durationMs: 7, startedAt: 1002, endedAt: 1004 },
    ]);
  });

  it('take a start that comes after its result', () => {
    const { toolCalls } = open().shown(record(1, 'tool:result', { id: 'a', tool: 'bash', output: 'A' }), record(2, 'tool:start', { id: 'a', tool: 'bash', input: 'I' }));
    expect(toolCalls).toMatchObject([{ status: 'complete', input: 'I', output: 'A', startedAt: 1002, endedAt: 1001 }]);
  });
});

describe('who is there and what they do', () => {
  it('removes who left or timed out, and keeps a name that a cursor leaves out', () => {
    const { shown } = open();
    const at = (offset: number, action: string, userId: string, data = {}) => record(offset, `presence:${action}`, { userId, ...data });
    const snapshot = shown(at(1, 'joined', 'ada', { displayName: 'Ada' }), at(2, 'joined', 'bob'), at(3, 'joined', 'cy'), at(4, 'left', 'bob'), at(5, 'timeout', 'cy'), at(6, 'cursor', 'ada', { cursor: { x: 1, y: 2 } }));
    expect(snapshot.presence).toMatchObject([{ userId: 'ada', displayName: 'Ada', cursor: { x: 1, y: 2 } }]);
    expect(snapshot.items.map((item) => item.kind === 'event' && item.record.type)).not.toContain('presence:cursor');
  });

  it('is not brought back by a cursor that comes behind the word that its user left', () => {
    const { client, frames, store, shown } = open();
    shown(record(1, 'presence:joined', { userId: 'ada' }), record(2, 'presence:left', { userId: 'ada' }));
    client.deliver(record(2, 'presence:cursor', { userId: 'ada', cursor: { x: 3, y: 4 } }));
    frames.frame();
    expect(store.getSnapshot().presence).toEqual([]);
    expect(shown(record(3, 'presence:joined', { userId: 'ada' })).presence).toMatchObject([{ userId: 'ada' }]);
  });

  it('moves a cursor that was never stored and has no offset of its own', () => {
    const { client, frames, store, shown } = open();
    shown(record(1, 'presence:joined', { userId: 'ada' }));
    client.deliver(record(1, 'presence:cursor', { userId: 'ada', cursor: { x: 3, y: 4 } }));
    frames.frame();
    expect(store.getSnapshot()).toMatchObject({ presence: [{ cursor: { x: 3, y: 4 } }], eventCount: 1, lastOffset: 1 });
  });

  it('gives each agent the latest word about each field', () => {
    const { agents, activeAgentId } = open().shown(
      record(1, 'agent:started', { agentId: 'a', runId: 'r', maxTurns: 9, model: 'm' }),
      record(2, 'agent:turn', { agentId: 'a', turn: 3 }),
      record(3, 'state:update', { agentId: 'a', status: 'running', progress: 0.3, currentTool: 'bash' }),
      record(4, 'state:update', { status: 'paused' }),
      record(5, 'topology:agent_spawned', { agentId: 'b', name: 'B', role: 'helper', parentId: 'a' }),
    );
    expect(agents).toMatchObject([
      { agentId: 'a', status: 'paused', turn: 3, maxTurns: 9, model: 'm', progress: 0.3, currentTool: null, updatedAt: 1004 },
      { agentId: 'b', name: 'B', parentId: 'a', status: 'starting' },
    ]);
    expect(activeAgentId).toBe('b');
  });

  it('shows workflow, terminal and types of an application’s own', () => {
    const snapshot = open().shown(record(1, 'approval:requested', { taskId: 't', payload: {} }), record(2, 'terminal:output', { data: 'x\n', source: 'agent' }), record(3, 'my:own', { level: 3 }));
    expect(snapshot.workflow).toMatchObject([{ key: 'e:e1', record: { type: 'approval:requested' }, echo: null }]);
    expect(snapshot.terminal).toMatchObject([{ direction: 'output', source: 'agent', text: 'x\n' }]);
    expect(snapshot.items).toMatchObject([{ kind: 'event' }, { kind: 'event', record: { type: 'my:own', data: { level: 3 } } }]);
  });
});

describe('snapshots', () => {
  it('are made once per frame, however many events come', () => {
    const { client, frames, store, heard } = open();
    const before = store.getSnapshot();
    client.append(...Array.from({ length: 20_000 }, (_, i) => chunk(i + 1, { text: 'x', messageId: 'm' })));
    expect([frames.waiting, store.getSnapshot()]).toEqual([1, before]);
    frames.frame();
    expect(heard).toHaveBeenCalledTimes(1);
    expect(store.getSnapshot()).toMatchObject({ eventCount: 20_000, lastOffset: 20_000, messages: [{ text: 'x'.repeat(20_000), chunks: 20_000 }] });
  });

  it('share what did not change', () => {
    const { shown } = open();
    const before = shown(chunk(1, { messageId: 'a' }), chunk(2, { messageId: 'b' }), record(3, 'tool:start', { id: 't', tool: 'x' }), record(4, 'terminal:output', { data: 'x' }), record(5, 'presence:joined', { userId: 'u' }), record(6, 'agent:started', { agentId: 'a', runId: 'r' }));
    const after = shown(chunk(7, { messageId: 'b' }));
    expect(after.items.map((item, i) => item === before.items[i])).toEqual([true, false, true, true, true]);
    for (const name of ['toolCalls', 'workflow', 'terminal', 'presence', 'agents', 'gaps', 'connection', 'rejected'] as const) expect(after[name], name).toBe(before[name]);
    expect(after.messages).not.toBe(before.messages);
    expect(before.messages[1]).toMatchObject({ text: 't2 ' });
  });

  it('are the same object while nothing happens', () => {
    const { store, shown, heard } = open();
    const snapshot = shown(chunk(1));
    store.flush();
    store.flush();
    expect(store.getSnapshot()).toBe(snapshot);
    expect(heard).toHaveBeenCalledTimes(1);
  });

  it('do not depend on how the events were split into frames', () => {
    fc.assert(
      fc.property(stream(), fc.array(fc.nat(6), { maxLength: 40 }), ({ events, limits }, sizes) => {
        const whole = open(limits);
        const split = open(limits);
        whole.client.append(...events);
        whole.frames.frame();
        let at = 0;
        for (const size of sizes) {
          split.shown(...events.slice(at, (at += size)));
        }
        split.shown(...events.slice(at));
        expect(split.store.getSnapshot()).toEqual(whole.store.getSnapshot());
      }),
      { numRuns: 200 },
    );
  });

  it('have keys that are unique in their list, also when ids are not', () => {
    const { items } = open().shown(record(1, 'my:own', {}, { id: 'same' }), record(2, 'my:own', {}, { id: 'same' }));
    expect(new Set(items.map(({ key }) => key)).size).toBe(2);
  });
});

/** Any stream of the kinds of events that depend on each other, and limits that some of them exceed. */
function stream() {
  const name = fc.constantFrom('a', 'b');
  const event = fc.oneof(
    fc.record({ type: fc.constant('chunk'), data: fc.record({ text: fc.string({ maxLength: 8 }), turn: fc.option(fc.nat(2), { nil: undefined }), messageId: fc.option(name, { nil: undefined }) }) }),
    fc.record({ type: fc.constantFrom('tool:start', 'tool:result'), data: fc.record({ id: name, tool: name, output: fc.string({ maxLength: 20 }) }) }),
    fc.record({ type: fc.constantFrom('presence:joined', 'presence:left', 'presence:cursor'), data: fc.record({ userId: name }) }),
    fc.record({ type: fc.constantFrom('terminal:input', 'terminal:output'), data: fc.record({ data: fc.string({ maxLength: 20 }) }) }),
    fc.record({ type: fc.constant('agent:turn'), data: fc.record({ agentId: name, turn: fc.nat(5) }) }),
    fc.record({ type: fc.constant('state:update'), data: fc.record({ agentId: name, status: fc.constantFrom('running', 'paused') }) }),
  );
  return fc.record({
    events: fc.array(event, { maxLength: 60 }).map((list) => list.map(({ type, data }, i) => record(i + 1, type, data as Record<string, unknown>))),
    limits: fc.record({ entriesMax: fc.constantFrom(8, 16, 1_000), bytesMax: fc.constantFrom(4_000, 1_000_000) }),
  });
}

describe('a window of the stream', () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => chunk(i + 1, { messageId: `m${i + 1}` }));

  it('is bounded, and says what it no longer holds', () => {
    const { shown } = open({ entriesMax: 80 });
    const snapshot = shown(...many(1_000));
    expect(snapshot.items.length).toBeGreaterThanOrEqual(80);
    expect(snapshot.items.length).toBeLessThanOrEqual(90);
    expect(snapshot).toMatchObject({ truncated: true, truncatedCount: 1_000 - snapshot.items.length, earlier: 'available', lastOffset: 1_000 });
    expect(snapshot.items[0]).toMatchObject({ offset: snapshot.truncatedCount + 1 });
  });

  it('is bounded in bytes, and cuts a long message at its front', () => {
    const { shown } = open({ bytesMax: 400_000 });
    const text = 'x'.repeat(1_000);
    const snapshot = shown(...Array.from({ length: 2_000 }, (_, i) => chunk(i + 1, { text, messageId: 'm' })));
    const length = (snapshot.messages[0] as { text: string }).text.length;
    expect(length).toBeLessThanOrEqual(225_000);
    expect(length).toBeGreaterThan(150_000);
    expect(snapshot.truncatedCount).toBe(2_000 - length / 1_000);
  });

  it('always shows what a store would that had begun where the window does', () => {
    fc.assert(
      fc.property(stream(), ({ events, limits }) => {
        const bounded = open(limits).shown(...events);
        const start = bounded.truncatedCount;
        const fresh = open(start === 0 ? {} : { from: { cursor: `c${start}`, offset: start } }).shown(...events.slice(start));
        expect({ items: bounded.items, terminal: bounded.terminal }).toEqual({ items: fresh.items, terminal: fresh.terminal });
        expect(bounded).toMatchObject({ truncated: start > 0, earlier: start > 0 ? 'available' : 'none', lastOffset: events.length });
        // What does not grow with the stream is never forgotten.
        const all = open().shown(...events);
        expect([bounded.presence, bounded.agents]).toEqual([all.presence, all.agents]);
      }),
      { numRuns: 200 },
    );
  });

  it('loads earlier pages from the nearest cursor it remembers, until everything is there', async () => {
    const { client, frames, store, shown } = open({ entriesMax: 1_000, pageEvents: 400 });
    const before = shown(...many(2_000));
    const dropped = before.truncatedCount;
    expect(dropped).toBeGreaterThan(800);
    const first = store.loadEarlier();
    frames.frame();
    expect(store.getSnapshot().earlier).toBe('loading');
    expect(await first).toBe(400);
    frames.frame();
    const after = store.getSnapshot();
    expect(after).toMatchObject({ truncatedCount: dropped - 400, earlier: 'available' });
    // Some place shortly before the page, not the start.
    expect(client.reads).toEqual([{ cursor: expect.stringMatching(/^c\d+$/) as string, offset: expect.any(Number) as number }]);
    expect(client.reads[0]?.offset).toBeGreaterThanOrEqual(dropped - 500);
    // The rows that were there already keep their identity.
    const [known] = before.items;
    expect(after.items[400]).toBe(known);
    expect([await store.loadEarlier(), await store.loadEarlier(), await store.loadEarlier()]).toEqual([400, dropped - 800, 0]);
    frames.frame();
    expect(store.getSnapshot()).toMatchObject({ truncated: false, truncatedCount: 0, earlier: 'none' });
    expect(texts(store.getSnapshot())).toEqual(many(2_000).map(({ data }) => (data as { text: string }).text));
  });

  it('comes back to its bounds when told, and tells when it can hold no more', async () => {
    const { frames, store, shown } = open({ entriesMax: 100, pageEvents: 80 });
    shown(...many(1_000));
    expect([await store.loadEarlier(), await store.loadEarlier(), await store.loadEarlier()]).toEqual([80, 80, 0]);
    frames.frame();
    expect(store.getSnapshot()).toMatchObject({ earlier: 'full' });
    store.trim();
    frames.frame();
    expect(store.getSnapshot()).toMatchObject({ earlier: 'available', truncatedCount: 900 });
  });

  it('says that loading failed, and loads at the next try', async () => {
    const { client, frames, store, shown } = open({ entriesMax: 80 });
    shown(...many(200));
    client.failures.push('no connection');
    await expect(store.loadEarlier()).rejects.toThrow('no connection');
    frames.frame();
    expect(store.getSnapshot().earlier).toBe('failed');
    await store.loadEarlier();
    frames.frame();
    expect(store.getSnapshot()).toMatchObject({ truncatedCount: 0, earlier: 'none' });
  });

  it('does not promise what the server has trimmed', async () => {
    const { client, frames, store, shown } = open({ entriesMax: 80 });
    shown(...many(200));
    client.trimmed = 50;
    await store.loadEarlier();
    frames.frame();
    expect(store.getSnapshot()).toMatchObject({ truncated: false, truncatedCount: 0, earlier: 'none', gaps: [] });
    expect(store.getSnapshot().items[0]).toMatchObject({ offset: 51 });
  });

  it('begins where the server’s history begins, without a gap', () => {
    expect(open().shown(chunk(51), chunk(52))).toMatchObject({ truncated: false, gaps: [], lastOffset: 52, eventCount: 2 });
  });

  it('shows everything again after any number of pages', async () => {
    await fc.assert(
      fc.asyncProperty(stream(), fc.integer({ min: 1, max: 9 }), async ({ events, limits }, pageEvents) => {
        const { frames, store, shown } = open({ ...limits, pageEvents });
        shown(...events);
        while ((await store.loadEarlier()) > 0);
        frames.frame();
        const loaded = store.getSnapshot();
        if (loaded.earlier === 'full') return;
        const all = open().shown(...events);
        expect(loaded).toMatchObject({ items: all.items, terminal: all.terminal, presence: all.presence, agents: all.agents, truncatedCount: 0 });
      }),
      { numRuns: 150 },
    );
  });
});

describe('a gap', () => {
  const events = [1, 2, 3, 4, 5, 6].map((n) => chunk(n, { messageId: `m${n}` }));
  const [e1, e2, , , e5, e6] = events as [SessionRecord, SessionRecord, SessionRecord, SessionRecord, SessionRecord, SessionRecord];
  const missing = (offset: number) => new DurableStreamsError('MESSAGES_MISSING', 'missing', { offset });

  it('is shown, read from history, and gone', async () => {
    const { client, frames, store } = open();
    client.stored = events;
    client.deliver(e1, e2, e5);
    frames.frame();
    expect(store.getSnapshot().gaps).toMatchObject([{ after: 2, before: 5, missing: 2, state: 'reading', cause: 'OFFSET_JUMP' }]);
    expect(kinds(store.getSnapshot())).toEqual(['message', 'message', 'gap', 'message']);
    const shown = store.getSnapshot().items[0];
    await settle();
    client.deliver(e6);
    frames.frame();
    expect(texts(store.getSnapshot())).toEqual(['t1 ', 't2 ', 't3 ', 't4 ', 't5 ', 't6 ']);
    expect(store.getSnapshot()).toMatchObject({ gaps: [], eventCount: 4 });
    expect(store.getSnapshot().items[0]).toBe(shown);
    expect(client.reads).toEqual([{ cursor: 'c1', offset: 1 }]);
  });

  it('is seen at once when the server counts more than it sent', async () => {
    const { client, frames, store } = open();
    client.stored = events;
    client.deliver(e1, e2);
    client.fail(missing(4));
    frames.frame();
    expect(store.getSnapshot()).toMatchObject({ gaps: [{ after: 2, before: 5, cause: 'MESSAGES_MISSING' }], lastOffset: 4 });
    await settle();
    client.deliver(e5, e6);
    frames.frame();
    expect(texts(store.getSnapshot())).toHaveLength(6);
  });

  it('stays when history has not got it either, and is not asked for again by itself', async () => {
    const { client, frames, store } = open();
    client.stored = [e1, e2, e5, e6];
    client.deliver(e1, e2, e5);
    await settle();
    client.move('reconnecting');
    client.move('connected');
    await settle();
    frames.frame();
    expect(store.getSnapshot().gaps).toMatchObject([{ state: 'open', failure: 'the history does not have these events either' }]);
    expect(client.reads).toHaveLength(1);
    client.stored = events;
    store.repairGaps();
    await settle();
    frames.frame();
    expect(store.getSnapshot().gaps).toEqual([]);
  });

  it('is tried again when the connection is back, three times at most', async () => {
    const { client, frames, store } = open();
    client.stored = events;
    client.failures.push('a', 'b', 'c', 'd');
    client.deliver(e1, e5);
    for (let i = 0; i < 5; i += 1) {
      await settle();
      client.move('reconnecting');
      client.move('connected');
    }
    frames.frame();
    expect(store.getSnapshot().gaps).toMatchObject([{ state: 'open', failure: 'c' }]);
    expect(client.reads).toHaveLength(3);
  });

  it('that the server trimmed is gone for good', async () => {
    const { client, frames, store } = open();
    client.stored = events;
    client.deliver(e1, e2);
    client.fail(new DurableStreamsError('HISTORY_TRIMMED', 'trimmed', { offset: 2 }));
    client.deliver(e5);
    await settle();
    frames.frame();
    expect(store.getSnapshot().gaps).toMatchObject([{ after: 2, before: 5, state: 'gone', cause: 'HISTORY_TRIMMED' }]);
    expect(client.reads).toEqual([]);
  });

  it('is narrowed to what is missing, and splits', async () => {
    const { client, frames, store } = open();
    const all = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => chunk(n, { messageId: `m${n}` }));
    client.stored = all.filter(({ offset }) => offset !== 3 && offset !== 7);
    client.deliver(all[0] as SessionRecord, all[8] as SessionRecord);
    await settle();
    frames.frame();
    expect(store.getSnapshot().gaps.map(({ after, before }) => [after, before])).toEqual([[2, 4], [6, 8]]);
    expect(kinds(store.getSnapshot()).join(' ')).toBe('message message gap message message message gap message message');
  });

  it('is none where an event failed validation', () => {
    const { client, frames, store } = open();
    client.deliver(e1);
    client.fail(new DurableStreamsError('INVALID_EVENT', 'no', { offset: 2, path: '$.data.text' }));
    client.deliver(chunk(3));
    frames.frame();
    expect(store.getSnapshot()).toMatchObject({ gaps: [], rejected: { count: 1, recent: [{ path: '$.data.text' }] }, eventCount: 2 });
  });

  it('is none where such an event is delivered nevertheless, whichever is told first', () => {
    const { client, frames, store } = open();
    const refused = new DurableStreamsError('INVALID_EVENT', 'no', { offset: 2 });
    client.deliver(e1);
    client.fail(refused);
    client.deliver(record(2, 'my:own', {}), record(3, 'my:own', {}));
    client.fail(new DurableStreamsError('INVALID_EVENT', 'no', { offset: 3 }));
    client.deliver(record(4, 'my:own', {}));
    frames.frame();
    expect(store.getSnapshot().items.map(({ offset }) => offset)).toEqual([1, 2, 3, 4]);
    expect(store.getSnapshot()).toMatchObject({ gaps: [], rejected: { count: 2 }, lastOffset: 4 });
  });

  it('leaves with what stands around it', () => {
    const { client, frames, store } = open({ entriesMax: 16, history: { read: () => new Promise(() => undefined) } });
    client.deliver(e1, e5, ...Array.from({ length: 50 }, (_, i) => chunk(i + 6, { messageId: `x${i}` })));
    frames.frame();
    expect(store.getSnapshot().gaps).toEqual([]);
  });

  it('repaired late does not bring back who has left, nor old states', async () => {
    const { client, frames, store } = open();
    const joined = record(2, 'presence:joined', { userId: 'ada' });
    const running = record(3, 'agent:started', { agentId: 'a', runId: 'r', model: 'm' });
    const later = [record(4, 'presence:left', { userId: 'ada' }), record(5, 'agent:completed', { agentId: 'a', runId: 'r', turnCount: 2 })];
    client.stored = [e1, joined, running, ...later];
    client.deliver(e1, ...later);
    await settle();
    frames.frame();
    expect(store.getSnapshot()).toMatchObject({ gaps: [], presence: [], agents: [{ status: 'completed', model: 'm' }], activeAgentId: 'a' });
  });

  it('anywhere is repaired to what the stream is', async () => {
    await fc.assert(
      fc.asyncProperty(stream(), fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }), async ({ events }, lost) => {
        const { client, frames, store } = open();
        client.stored = events;
        client.deliver(...events.filter(({ offset }) => offset === 1 || offset === events.length || lost[offset - 1] === false));
        await settle();
        frames.frame();
        const all = open().shown(...events);
        const { items, terminal, agents, gaps } = store.getSnapshot();
        expect({ items, terminal, agents, gaps }).toEqual({ items: all.items, terminal: all.terminal, agents: all.agents, gaps: [] });
        expect(store.getSnapshot().presence.map(({ userId }) => userId).sort()).toEqual(all.presence.map(({ userId }) => userId).sort());
      }),
      { numRuns: 150 },
    );
  });
});

describe('what was sent', () => {
  function outbox() {
    let entries: { id: string; event: { id: string; type: string; data: object; timestamp: number }; state: 'pending' | 'sending' | 'sent' | 'failed'; cause: Error | null }[] = [];
    const listeners = new Set<() => void>();
    const set = (...next: typeof entries) => {
      entries = next;
      for (const listener of listeners) listener();
    };
    const entry = (id: string, type: string, data: object, state: 'pending' | 'sent' | 'failed' = 'pending', cause: Error | null = null) => ({ id, event: { id, type, data, timestamp: 9 }, state, cause });
    return { source: { subscribe: (listener: () => void) => (listeners.add(listener), () => void listeners.delete(listener)), getSnapshot: () => entries }, set, entry, listeners };
  }

  it('is shown at the end until it arrives, under the same key', () => {
    const { source, set, entry } = outbox();
    const { frames, store, shown } = open({ outbox: source });
    shown(chunk(1));
    set(entry('x1', 'approval:approved', { payload: {} }), entry('x2', 'terminal:input', { data: 'ls' }));
    frames.frame();
    const [echo] = store.getSnapshot().workflow;
    expect(echo).toMatchObject({ key: 'e:x1', offset: Infinity, echo: { state: 'pending' }, record: { type: 'approval:approved' } });
    expect(store.getSnapshot().terminal).toMatchObject([{ key: 'e:x2', direction: 'input', text: 'ls', echo: { state: 'pending' } }]);
    // The stream is first, then the outbox learns of it.
    const snapshot = shown(record(2, 'approval:approved', { payload: {} }, { id: 'x1' }), chunk(3));
    expect(snapshot.workflow).toMatchObject([{ key: 'e:x1', offset: 2, echo: null }]);
    expect(snapshot.terminal).toHaveLength(1);
    set(entry('x2', 'terminal:input', { data: 'ls' }, 'sent'));
    frames.frame();
    expect(store.getSnapshot().terminal).toMatchObject([{ echo: { state: 'sent' } }]);
  });

  it('is marked when it was given up, and keeps its identity while nothing changes', () => {
    const { source, set, entry } = outbox();
    const { frames, store } = open({ outbox: source });
    set(entry('x1', 'my:own', {}), entry('x2', 'my:own', {}, 'failed', new Error('refused')));
    frames.frame();
    const before = store.getSnapshot().items;
    expect(before).toMatchObject([{ echo: { state: 'pending', reason: null } }, { echo: { state: 'failed', reason: 'refused' } }]);
    set(entry('x1', 'my:own', {}), entry('x2', 'my:own', {}));
    frames.frame();
    expect(store.getSnapshot().items[0]).toBe(before[0]);
    expect(store.getSnapshot().items[1]).not.toBe(before[1]);
  });

  it('is followed only while somebody listens', async () => {
    const { source, listeners } = outbox();
    const { leave } = open({ outbox: source });
    expect(listeners.size).toBe(1);
    leave();
    await settle();
    await settle();
    expect(listeners.size).toBe(0);
  });
});

describe('the connection', () => {
  it('opens with the first listener, closes after the last, and goes on where it was', async () => {
    const idle = vi.fn();
    const { client, store, leave, shown, frames } = open({ onIdle: idle });
    const also = store.listen({});
    leave();
    await settle();
    expect([client.live.size, client.opened]).toEqual([1, 1]);
    shown(chunk(1));
    also();
    store.subscribe(() => undefined)();
    await settle();
    await settle();
    expect([client.live.size, client.opened, idle.mock.calls.length]).toEqual([0, 1, 1]);
    expect(store.getSnapshot().connection.state).toBe('disconnected');
    store.subscribe(() => undefined);
    client.deliver(chunk(1), chunk(2));
    frames.frame();
    expect(store.getSnapshot()).toMatchObject({ eventCount: 2, lastOffset: 2, gaps: [] });
  });

  it('tells nothing twice to those who listen, when it goes on', async () => {
    const { client, store, leave } = open();
    const heard: string[] = [];
    const stop = store.listen({ onEvent: ({ id }) => heard.push(id) });
    client.deliver(chunk(1), chunk(2));
    stop();
    leave();
    await settle();
    await settle();
    store.listen({ onEvent: ({ id }) => heard.push(id) });
    client.deliver(chunk(1), chunk(2), chunk(3));
    expect(heard).toEqual(['e1', 'e2', 'e3']);
  });

  it('calls what its listeners have inherited', () => {
    class Base {
      heard: string[] = [];
      onEvent({ id }: { id: string }): void {
        this.heard.push(id);
      }
    }
    class Mine extends Base {}
    const { client, store } = open();
    const mine = new Mine();
    store.listen(mine);
    client.append(chunk(1));
    expect(mine.heard).toEqual(['e1']);
  });

  it('is described with attempts, countdown and the reason of a loss', () => {
    const { client, frames, store } = open();
    client.move('connected');
    client.move('reconnecting', { attempt: 3, nextDelayMs: 4_000, cause: 'refused' });
    frames.frame();
    expect(store.getSnapshot().connection).toMatchObject({ state: 'reconnecting', info: { attempt: 3, cause: 'refused' }, nextAttemptAt: 9_000, lost: null });
    client.move('connected');
    frames.frame();
    expect(store.getSnapshot().connection).toMatchObject({ state: 'connected', nextAttemptAt: null, reconnects: 1 });
  });

  it('is heard by everybody, also when one of them throws', () => {
    const { client, store } = open();
    const heard: string[] = [];
    store.listen({
      onEvent: () => {
        throw new Error('mine');
      },
    });
    store.listen({ onEvent: ({ id }) => heard.push(id) });
    expect(() => client.append(chunk(1))).toThrow('mine');
    expect(heard).toEqual(['e1']);
  });

  it('closes for good when told', () => {
    const { client, store, heard, frames } = open();
    (store satisfies SessionStore).close();
    expect(client.live.size).toBe(0);
    frames.frame();
    expect(heard).not.toHaveBeenCalled();
    expect(store.getSnapshot().items satisfies readonly TimelineItem[]).toEqual([]);
  });
});
