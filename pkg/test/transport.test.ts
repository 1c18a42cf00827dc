// Long-poll where SSE does not get through, through the package and in virtual time.
import { init } from 'durable-sessions';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { Answer } from './fake.js';
import { FakeServer, chunk, control, data, page } from './fake.js';
import { subscribe } from './harness.js';

const SLOW = { reconnect: { jitter: false, maxAttempts: 4 } };
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const lives = (server: FakeServer) => server.requests.map(({ url }) => url.searchParams.get('live'));

beforeEach(async () => {
  await init();
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe('long-poll', () => {
  it('takes the place of SSE wherever that is blocked, and says so once', async () => {
    const blocked: Record<string, Answer> = {
      'nothing arrived for 8000 ms': 'silent',
      'nothing arrived': { body: '' },
      'text/html': { body: '<html>', headers: { 'content-type': 'text/html' } },
      'nothing instead': { status: 204 },
      'status 400': { status: 400 },
      'status 406': { status: 406 },
      'status 429': { body: '{"error":{"details":{"fallback": "long-poll"}}}', headers: { 'x-status': '429' }, end: 'close' },
    };
    for (const [why, answer] of Object.entries(blocked)) {
      const server = new FakeServer(answer, page([chunk(1), chunk(2)], 2), page([], 2), page([chunk(3)], 3), 'silent');
      const { recorder, log, subscription } = subscribe(server, SLOW);
      await pass(8_100);
      expect(recorder.ids(), why).toEqual(['e1', 'e2', 'e3']);
      expect(recorder.records.map(({ offset, cursor }) => [offset, cursor]), why).toEqual([[1, null], [2, 'c2'], [3, 'c3']]);
      expect(lives(server), why).toEqual(['sse', null, 'long-poll', 'long-poll', 'long-poll']);
      expect(server.offsets(), why).toEqual(['-1', '-1', 'c2', 'c2', 'c3']);
      expect(server.requests.map(({ headers }) => headers['Accept']), why).toEqual(['text/event-stream', ...Array<string>(4).fill('application/json')]);
      expect(log.warnings, why).toEqual([expect.stringContaining(why)]);
      expect(recorder.calls, why).toEqual(['connecting', 'connected']);
      expect([recorder.infos.at(-1)?.transport, recorder.errors, recorder.infos.some(({ attempt }) => attempt > 0)], why).toEqual(['long-poll', [], false]);
      subscription.unsubscribe();
      expect(vi.getTimerCount(), why).toBe(0);
    }
  });

  it('waits for a poll longer than for SSE, and takes its silence for a failure in the end', async () => {
    const server = new FakeServer({ status: 406 }, page([chunk(1)], 1), 'silent', page([chunk(2)], 2), 'silent');
    const { recorder, subscription } = subscribe(server, SLOW);
    await pass(134_000);
    expect(server.requests.length).toBe(3);
    await pass(3_000);
    expect(recorder.ids()).toEqual(['e1', 'e2']);
    // After a failure the state is asked for without waiting.
    expect(lives(server)).toEqual(['sse', null, 'long-poll', null, 'long-poll']);
    subscription.unsubscribe();
  });

  it('is tried before silence would count', async () => {
    const server = new FakeServer('silent', page([chunk(1)], 1), 'silent');
    const { recorder, subscription } = subscribe(server, { ...SLOW, silenceMs: 6_000 });
    await pass(3_100);
    expect([recorder.ids(), recorder.infos.some(({ attempt }) => attempt > 0)]).toEqual([['e1'], false]);
    subscription.unsubscribe();
  });

  it('resumes inside a page by count, and ends when the stream does', async () => {
    const server = new FakeServer(
      { body: data(chunk(1)) + control(1) + data(chunk(2)), end: 'error' },
      { status: 501 },
      page([chunk(2), chunk(3)], 3, { 'stream-up-to-date': 'false' }),
      page([chunk(4)], 4, { 'stream-closed': 'true' }),
    );
    const { recorder, subscription } = subscribe(server, SLOW);
    await pass(2_000);
    expect(recorder.ids()).toEqual(['e1', 'e2', 'e3', 'e4']);
    // Not the tail yet, so the next page is asked for without waiting.
    expect(lives(server)).toEqual(['sse', 'sse', null, null]);
    expect([subscription.getState(), recorder.calls.at(-1)]).toEqual(['closed', 'onClosed']);
  });

  it('numbers from where the server says', async () => {
    const server = new FakeServer({ status: 406 }, page([chunk(8)], 8, { 'stream-message-count': '7' }), 'silent');
    const { recorder, subscription } = subscribe(server, SLOW);
    await pass(10);
    expect(recorder.records.map(({ offset }) => offset)).toEqual([8]);
    subscription.unsubscribe();
  });

  it('tries SSE again on reconnect() and after five minutes', async () => {
    const fresh = () => new FakeServer({ status: 406 }, page([chunk(1)], 1), 'silent', { body: data(chunk(2)) + control(2) });
    const server = fresh();
    const { recorder, log, subscription } = subscribe(server, SLOW);
    await pass(10);
    subscription.reconnect();
    await pass(10);
    expect(lives(server)).toEqual(['sse', null, 'long-poll', 'sse']);
    expect([recorder.ids(), recorder.infos.at(-1)?.transport, log.warnings.length]).toEqual([['e1', 'e2'], 'sse', 1]);
    subscription.unsubscribe();

    const polls = Array.from({ length: 12 }, () => page([], 1));
    let answered = 0;
    const later = new FakeServer({ status: 406 }, page([chunk(1)], 1), ...polls, { status: 406 }, page([], 1), 'silent');
    const slowly: typeof later.fetch = async (url, init) => {
      answered += 1;
      if (url.includes('long-poll')) {
        await new Promise((resolve) => setTimeout(resolve, 30_000));
      }
      return later.fetch(url, init);
    };
    const second = subscribe(later, { ...SLOW, fetch: slowly });
    await pass(290_000);
    expect(lives(later).filter((live) => live === 'sse').length).toBe(1);
    await pass(45_000);
    expect(lives(later).filter((live) => live === 'sse').length).toBe(2);
    expect([second.log.warnings.length, answered > 10]).toEqual([1, true]);
    second.subscription.unsubscribe();
  });

  it('is no better than SSE in an outage: what counts is the failure, and SSE comes back', async () => {
    const portal: Answer = { body: '<html>', headers: { 'content-type': 'text/html' }, end: 'close' };
    const server = new FakeServer(portal, portal, 'silent', 'refused', { body: data(chunk(1)) + control(1) });
    const { recorder, log, subscription } = subscribe(server, SLOW);
    await pass(1_000 + 8_000 + 2_100);
    expect(lives(server)).toEqual(['sse', null, 'sse', null, 'sse']);
    expect([recorder.ids(), log.warnings]).toEqual([['e1'], []]);
    expect(recorder.infos.filter(({ nextDelayMs }) => nextDelayMs !== null).map(({ attempt, cause, transport }) => [attempt, cause, transport])).toEqual([
      [1, 'the server did not answer with an event stream: text/html', 'sse'],
      [2, 'no connection: connection refused', 'sse'],
    ]);
    subscription.unsubscribe();
  });

  it('hears refusals by poll as by SSE', async () => {
    const server = new FakeServer({ status: 406 }, { status: 401 }, { status: 404 });
    const { recorder } = subscribe(server, SLOW);
    await pass(10);
    expect([recorder.errors.map(({ code }) => code), server.requests.length]).toEqual([['SESSION_NOT_FOUND'], 3]);
  });

  it('is all there is where that is wanted, or never', async () => {
    const polling = new FakeServer(page([chunk(1)], 1), 'silent');
    const only = subscribe(polling, { ...SLOW, transport: 'long-poll' });
    await pass(600_000);
    expect(new Set(lives(polling))).toEqual(new Set([null, 'long-poll']));
    expect([only.recorder.infos[0]?.transport, only.log.warnings]).toEqual(['long-poll', []]);
    only.subscription.unsubscribe();

    const streaming = new FakeServer({ status: 406 }, 'silent', 'silent');
    const never = subscribe(streaming, { ...SLOW, transport: 'sse' });
    await pass(120_000);
    expect(new Set(lives(streaming))).toEqual(new Set(['sse']));
    never.subscription.unsubscribe();
  });

  it('asks a server that answers every poll at once ever more slowly', async () => {
    const server = new FakeServer({ status: 406 }, ...Array.from({ length: 500 }, () => page([], 0)));
    const { subscription } = subscribe(server, SLOW);
    await pass(10_000);
    expect(server.requests.length).toBeLessThan(20);
    subscription.unsubscribe();
  });
});
