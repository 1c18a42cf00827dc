// The session store on the real client: history on the wire, and frames as the surroundings give them.
import { DurableStreamsClient } from 'durable-sessions';
import { createSessionStore, frameScheduler } from 'durable-sessions/store';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { chunk, control, data, FakeServer, until } from './fake.js';
import { FAST, Log } from './harness.js';

const quietly = (server: FakeServer) => new DurableStreamsClient({ url: 'http://fake.test', fetch: server.fetch, reconnect: FAST, logger: new Log() });
/** Ten events to a batch, each with an answer that names where it ends. */
const batches = (from: number, to: number) => {
  let text = '';
  for (let at = from; at <= to; at += 10) {
    text += data(...Array.from({ length: 10 }, (_, i) => chunk(at + i, { messageId: `m${at + i}` }))) + control(at + 9);
  }
  return text;
};

describe('history on the wire', () => {
  it('is read from a cursor shortly before the page, with the client’s validation, and not further than asked', async () => {
    const server = new FakeServer({ body: batches(1, 1_000) }, { body: batches(711, 1_000) });
    const store = createSessionStore(quietly(server), 's1', { entriesMax: 160, pageEvents: 120 });
    const leave = store.subscribe(() => undefined);
    await until(() => store.getSnapshot().lastOffset === 1_000);
    const { truncatedCount } = store.getSnapshot();
    expect(truncatedCount).toBeGreaterThanOrEqual(820);
    expect(await store.loadEarlier()).toBe(120);
    store.flush();
    const { items } = store.getSnapshot();
    expect(items[0]).toMatchObject({ kind: 'message', offset: truncatedCount - 119, text: `t${truncatedCount - 119} ` });
    expect(items.map(({ offset }) => offset)).toEqual(Array.from({ length: items.length }, (_, i) => truncatedCount - 119 + i));
    expect(server.offsets()).toEqual(['-1', 'c710']);
    await until(() => server.aborted === 1);
    leave();
    store.close();
    await until(() => server.aborted === 2);
  });

  it('repairs what a broken frame took away', async () => {
    const broken = `event: data\ndata: [{"id":\n\n`;
    const server = new FakeServer({ body: data(chunk(1)) + control(1) + broken + control(3) + data(chunk(4)) + control(4) }, { body: data(chunk(2), chunk(3)) + control(3) });
    const store = createSessionStore(quietly(server), 's1');
    store.subscribe(() => undefined);
    await until(() => store.getSnapshot().lastOffset === 4 && store.getSnapshot().gaps.length === 0, () => [store.getSnapshot(), server.offsets()]);
    expect(store.getSnapshot()).toMatchObject({ messages: [{ text: 't1 t2 t3 t4 ', chunks: 4 }], rejected: { count: 1 } });
    expect(server.offsets()).toEqual(['-1', 'c1']);
    store.close();
  });

  it('that is refused leaves the gap and says why', async () => {
    const server = new FakeServer({ body: data(chunk(1)) + control(1) + control(3) + data(chunk(4)) + control(4) }, { status: 403 });
    const store = createSessionStore(quietly(server), 's1');
    store.subscribe(() => undefined);
    await until(() => store.getSnapshot().gaps[0]?.state === 'open');
    expect(store.getSnapshot().gaps).toMatchObject([{ after: 1, before: 4, failure: expect.stringContaining('403') as string }]);
    store.close();
  });
});

describe('frames', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  function screen(visibilityState: 'visible' | 'hidden') {
    vi.useFakeTimers();
    const frames: (() => void)[] = [];
    vi.stubGlobal('document', { visibilityState });
    vi.stubGlobal('requestAnimationFrame', (task: () => void) => frames.push(task));
    vi.stubGlobal('cancelAnimationFrame', (frame: number) => (frames[frame - 1] = () => undefined));
    return frames;
  }

  it('are the display’s while the page is seen', () => {
    const frames = screen('visible');
    const task = vi.fn();
    frameScheduler.schedule(task);
    vi.advanceTimersByTime(100);
    expect(task).not.toHaveBeenCalled();
    frames[0]?.();
    vi.advanceTimersByTime(10_000);
    expect(task).toHaveBeenCalledTimes(1);
  });

  it('do not wait for a display that has gone to sleep', () => {
    const frames = screen('visible');
    const task = vi.fn();
    frameScheduler.schedule(task);
    vi.advanceTimersByTime(300);
    for (const frame of frames) frame();
    expect(task).toHaveBeenCalledTimes(1);
  });

  it('are a timer’s in a hidden tab and where there is no display, and can be taken back', () => {
    const frames = screen('hidden');
    const task = vi.fn();
    frameScheduler.schedule(task);
    expect(frames).toEqual([]);
    vi.advanceTimersByTime(20);
    vi.unstubAllGlobals();
    frameScheduler.schedule(task);
    vi.advanceTimersByTime(20);
    frameScheduler.schedule(task)();
    screen('visible');
    frameScheduler.schedule(task)();
    vi.advanceTimersByTime(1_000);
    expect(task).toHaveBeenCalledTimes(2);
  });
});
