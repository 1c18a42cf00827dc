// What docs/reconnection.md promises, through the package: failures, pauses, sleep. Time is virtual.
import { init } from 'durable-sessions';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { Answer } from './fake.js';
import { FakeServer, chunk, control, data, ephemeral } from './fake.js';
import type { Subscribed } from './harness.js';
import { subscribe } from './harness.js';

const HOUR_MS = 3_600_000;
const hello = (n: number): Answer => ({ body: data(chunk(n)) + control(n) });
const SLOW = { reconnect: { jitter: false, maxAttempts: 4 } };

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const states = ({ recorder }: Subscribed) => recorder.calls;

/** The machine sleeps: the clock goes on, timers do not. */
async function sleep(ms: number): Promise<void> {
  vi.setSystemTime(Date.now() + ms);
  await pass(15_000);
}

beforeEach(async () => {
  await init();
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('failures', () => {
  it('waits longer from attempt to attempt, whatever a fetch is rejected with', async () => {
    // Refused, unknown host and bad certificate are one to a page: fetch rejects.
    const server = new FakeServer('refused', 'refused', 'refused', hello(1));
    const { subscription, recorder } = subscribe(server, SLOW);
    for (const [ms, requests] of [[0, 1], [999, 1], [1, 2], [1999, 2], [1, 3], [3999, 3], [1, 4]] as const) {
      await pass(ms);
      expect(server.requests.length).toBe(requests);
    }
    expect(recorder.infos.find(({ attempt }) => attempt === 3)).toMatchObject({ nextDelayMs: 4000, cause: 'no connection: connection refused' });
    expect(subscription.getState()).toBe('connected');
    subscription.unsubscribe();
  });

  it('does what Retry-After says, in seconds or as a date', async () => {
    const date = new Date(Date.now() + 91_000).toUTCString();
    const server = new FakeServer({ status: 429, headers: { 'retry-after': '60' } }, { status: 503, headers: { 'retry-after': date } }, hello(1));
    const { subscription } = subscribe(server, SLOW);
    await pass(59_999);
    expect(server.requests.length).toBe(1);
    await pass(1);
    expect(server.requests.length).toBe(2);
    await pass(29_000);
    expect(server.requests.length).toBe(2);
    await pass(3_000);
    expect([server.requests.length, subscription.getState()]).toEqual([3, 'connected']);
    subscription.unsubscribe();
  });

  it('comes back after a server restart: dropped, refused while it starts, and on from the cursor', async () => {
    const server = new FakeServer({ body: data(chunk(1)) + control(1) + data(chunk(2)), end: 'error' }, 'refused', { status: 502 }, { body: data(chunk(2), chunk(3)) + control(3) });
    const subscribed = subscribe(server, SLOW);
    await pass(10_000);
    expect(subscribed.recorder.ids()).toEqual(['e1', 'e2', 'e3']);
    expect(server.offsets()).toEqual(['-1', 'c1', 'c1', 'c1']);
    expect(states(subscribed)).toEqual(['connecting', 'connected', 'disconnect', 'reconnecting', 'connected', 'reconnect']);
    subscribed.subscription.unsubscribe();
  });

  it('takes silence for a failure after the configured time, and a ping for life', async () => {
    const server = new FakeServer(hello(1), hello(2));
    const subscribed = subscribe(server, { ...SLOW, silenceMs: 20_000 });
    await pass(19_000);
    server.send(': ping\n\n');
    await pass(19_000);
    expect(server.requests.length).toBe(1);
    await pass(1_500);
    expect([server.requests.length, server.aborted, states(subscribed).at(-1)]).toEqual([1, 1, 'reconnecting']);
    expect(subscribed.recorder.infos.at(-1)?.cause).toBe('the server fell silent');
    await pass(1_000);
    expect(subscribed.subscription.getState()).toBe('connected');
    subscribed.subscription.unsubscribe();
  });

  it('asks for the token before every request', async () => {
    let asked = 0;
    const server = new FakeServer({ ...(hello(1) as object), end: 'close' } as Answer, { status: 500 }, { status: 401 }, hello(2));
    const { subscription } = subscribe(server, { ...SLOW, token: async () => `t${(asked += 1)}` });
    await pass(5_000);
    expect(server.requests.map(({ headers }) => headers['Authorization'])).toEqual(['Bearer t1', 'Bearer t2', 'Bearer t3', 'Bearer t4']);
    subscription.unsubscribe();
  });

  it('starts anew on reconnect(), from wherever it is', async () => {
    const opening = new FakeServer('silent', hello(1));
    const waiting = new FakeServer('refused', hello(1));
    const connected = new FakeServer(hello(1), hello(2));
    const lost = new FakeServer({ status: 404 }, hello(1));
    for (const server of [opening, waiting, connected, lost]) {
      const { subscription } = subscribe(server, SLOW);
      await pass(10);
      subscription.reconnect();
      await pass(10);
      expect([server.requests.length, subscription.getState()]).toEqual([2, 'connected']);
      subscription.unsubscribe();
    }
  });

  it('leaves nothing behind when unsubscribed, in whatever state', async () => {
    const cases: Record<string, Answer[]> = {
      connecting: ['silent'],
      reconnecting: ['refused'],
      connected: [hello(1)],
      lost: [{ status: 404 }],
      closed: [{ body: control(0, { streamClosed: true }) }],
    };
    for (const [state, answers] of Object.entries(cases)) {
      const server = new FakeServer(...answers);
      const { subscription, recorder } = subscribe(server, SLOW);
      await pass(10);
      expect(subscription.getState()).toBe(state);
      const calls = recorder.infos.length;
      subscription.unsubscribe();
      await pass(HOUR_MS);
      expect([server.requests.length, vi.getTimerCount(), recorder.infos.length, subscription.getState()], state).toEqual([1, 0, calls, 'disconnected']);
      expect(server.requests.every(({ signal }) => signal.aborted || ['reconnecting', 'lost'].includes(state)), state).toBe(true);
    }
    subscribe(new FakeServer('silent')).subscription.unsubscribe();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('sleep', () => {
  it('reconnects at once on waking up, and counts no failure', async () => {
    const server = new FakeServer(hello(1), { body: data(chunk(2)) + control(2) });
    const subscribed = subscribe(server, SLOW);
    await pass(5_000);
    await sleep(HOUR_MS);
    expect([server.requests.length, server.aborted, server.offsets()[1]]).toEqual([2, 1, 'c1']);
    expect(subscribed.recorder.ids()).toEqual(['e1', 'e2']);
    expect(states(subscribed)).toEqual(['connecting', 'connected']);
    expect(subscribed.recorder.infos.every(({ attempt }) => attempt === 0)).toBe(true);
    subscribed.subscription.unsubscribe();
  });

  it('keeps a connection that has been heard in the meantime, as in a throttled page', async () => {
    const server = new FakeServer(hello(1));
    const { subscription } = subscribe(server, SLOW);
    await pass(5_000);
    vi.setSystemTime(Date.now() + 60_000);
    server.send(': ping\n\n');
    await pass(45_000 - 1);
    expect(server.requests.length).toBe(1);
    subscription.unsubscribe();
  });

  it('does not wait for the rest of a delay', async () => {
    const server = new FakeServer('refused', 'refused', 'refused', 'refused', hello(1));
    const { subscription } = subscribe(server, { reconnect: { jitter: false, initialDelay: 30_000 } });
    await pass(90_000);
    expect(server.requests.length).toBe(4);
    await sleep(HOUR_MS);
    expect([server.requests.length, subscription.getState()]).toEqual([5, 'connected']);
    subscription.unsubscribe();
  });

  it('survives a clock that is set back', async () => {
    const server = new FakeServer(hello(1), hello(2));
    const { subscription } = subscribe(server, SLOW);
    await pass(5_000);
    vi.setSystemTime(Date.now() - HOUR_MS);
    await pass(100_000);
    expect([server.requests.length, subscription.getState()]).toEqual([2, 'connected']);
    subscription.unsubscribe();
  });
});

/** What a page has and Node has not. */
function page(): { fire(type: string): void; hide(hidden: boolean): void; listeners(): number } {
  const listeners = new Map<string, Set<(event: { type: string }) => void>>();
  const of = (type: string) => listeners.get(type) ?? listeners.set(type, new Set()).get(type)!;
  const target = {
    hidden: false,
    addEventListener: (type: string, listener: () => void) => void of(type).add(listener),
    removeEventListener: (type: string, listener: () => void) => void of(type).delete(listener),
  };
  vi.stubGlobal('document', target);
  vi.stubGlobal('addEventListener', target.addEventListener);
  vi.stubGlobal('removeEventListener', target.removeEventListener);
  const fire = (type: string) => of(type).forEach((listener) => listener({ type }));
  return {
    fire,
    hide: (hidden) => {
      target.hidden = hidden;
      fire('visibilitychange');
    },
    listeners: () => [...listeners.values()].reduce((sum, set) => sum + set.size, 0),
  };
}

describe('the page', () => {
  it('tries again at once when the network is back', async () => {
    const { fire, listeners } = page();
    const server = new FakeServer('refused', hello(1));
    const { subscription } = subscribe(server, { reconnect: { initialDelay: 30_000, jitter: false } });
    await pass(10);
    fire('offline');
    fire('online');
    await pass(10);
    expect([server.requests.length, subscription.getState()]).toEqual([2, 'connected']);
    subscription.unsubscribe();
    expect(listeners()).toBe(0);
  });

  it('has 20 seconds to be heard after the network was gone', async () => {
    const { fire } = page();
    const server = new FakeServer(hello(1), hello(2));
    const { subscription } = subscribe(server, SLOW);
    await pass(10);
    fire('offline');
    await pass(10);
    fire('online');
    await pass(19_900);
    expect(server.requests.length).toBe(1);
    await pass(1_200);
    expect(server.requests.length).toBe(2);
    subscription.unsubscribe();
  });

  it('lets go while it is hidden, if it is to, and goes on from the cursor', async () => {
    const { hide } = page();
    const server = new FakeServer({ body: data(chunk(1)) + control(1) + data(chunk(2)) }, { body: data(chunk(2), chunk(3)) + control(3) });
    const subscribed = subscribe(server, { ...SLOW, hidden: { pauseAfterMs: 60_000 } });
    await pass(10);
    hide(true);
    await pass(30_000);
    hide(false);
    hide(true);
    server.send(': ping\n\n');
    await pass(30_000);
    server.send(': ping\n\n');
    await pass(29_999);
    expect(server.aborted).toBe(0);
    await pass(1);
    expect([server.aborted, subscribed.subscription.getState()]).toEqual([1, 'disconnected']);
    expect(subscribed.recorder.infos.at(-1)?.cause).toBe('paused while the page is hidden');
    await pass(HOUR_MS);
    expect([server.requests.length, vi.getTimerCount()]).toEqual([1, 0]);
    hide(false);
    await pass(10);
    expect(server.offsets()).toEqual(['-1', 'c1']);
    expect(subscribed.recorder.ids()).toEqual(['e1', 'e2', 'e3']);
    expect(states(subscribed)).toEqual(['connecting', 'connected', 'disconnect', 'disconnected', 'reconnecting', 'connected', 'reconnect']);
    expect(subscribed.recorder.infos.every(({ attempt }) => attempt === 0)).toBe(true);
    subscribed.subscription.unsubscribe();
  });

  it('keeps its connections otherwise', async () => {
    const { hide } = page();
    const server = new FakeServer(hello(1));
    const { subscription } = subscribe(server, { ...SLOW, silenceMs: 0 });
    await pass(10);
    hide(true);
    await pass(HOUR_MS);
    hide(false);
    await pass(10);
    expect([server.requests.length, server.aborted]).toEqual([1, 0]);
    subscription.unsubscribe();
  });
});

describe('ephemeral events', () => {
  const cursor = (user: string) => ({ id: `p-${user}`, type: 'presence:cursor', timestamp: 1, data: { userId: user } });

  it('are delivered between the others and disturb neither offsets nor the resume', async () => {
    const server = new FakeServer(
      { body: ephemeral(cursor('a')) + data(chunk(1)) + control(1) + data(chunk(2)) + ephemeral(cursor('b')) + data(chunk(3)) + ephemeral({ ...cursor('c'), data: {} }), end: 'error' },
      { body: ephemeral(cursor('d')) + data(chunk(2), chunk(3), chunk(4)) + control(4) },
    );
    const { recorder, subscription } = subscribe(server, SLOW);
    await pass(1_000);
    expect(recorder.records.map(({ id, offset, cursor: at }) => [id, offset, at])).toEqual([
      ['p-a', 0, null],
      ['e1', 1, 'c1'],
      ['e2', 2, 'c1'],
      ['p-b', 2, 'c1'],
      ['e3', 3, 'c1'],
      ['p-d', 3, 'c1'],
      ['e4', 4, 'c4'],
    ]);
    expect(recorder.errors.map(({ code, eventType, path, offset }) => [code, eventType, path, offset])).toEqual([['INVALID_EVENT', 'presence:cursor', '$.data.userId', 3]]);
    expect([subscription.getLastOffset(), subscription.getStats().events]).toEqual([4, 4]);
    subscription.unsubscribe();
  });

  it('prove that a connection is good, and are not asked for where they are not wanted', async () => {
    const server = new FakeServer({ body: ephemeral(cursor('a')) });
    const { subscription } = subscribe(server, { ephemeral: false });
    await pass(10);
    expect(subscription.getState()).toBe('connected');
    expect(server.requests[0]?.url.search).toBe('?live=sse&offset=-1');
    subscription.unsubscribe();
  });
});
