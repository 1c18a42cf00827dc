// The session API in the place of the protocol, frame by frame: what the adapter makes of answers that no healthy server
// of ours gives on demand.
import { DurableStreamsClient, type FetchLike } from 'durable-sessions';
import { createSessionStore, sessionApiFetch, sessionApiHistory } from 'durable-sessions/store';
import { describe, expect, it } from 'vitest';

import { until } from './fake.js';
import { FAST, Log } from './harness.js';

const cursor = (n: number) => String(n).padStart(20, '0');
const event = (n: number) => JSON.stringify({ id: `e${n}`, type: 'chunk', timestamp: n, data: { text: `t${n} `, messageId: `m${n}` } });
const frame = (n: number, text = event(n)) => `id: ${cursor(n)}\ndata: ${text}\n\n`;
const connected = (at: number, more: object = {}) => `retry: 1000\n\nid: ${cursor(at)}\ndata: ${JSON.stringify({ cursor: cursor(at), offset: at, sessionId: 's1', timestamp: 1, type: 'connected', ...more })}\n\n`;
const closed = (at: number) => `id: ${cursor(at)}\ndata: ${JSON.stringify({ cursor: cursor(at), offset: at, type: 'closed' })}\n\n`;

/** An answer that comes in pieces of so many bytes, and goes on. */
function live(text: string, pieceBytes = text.length): Response {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.length) return new Promise(() => undefined);
      controller.enqueue(bytes.slice(at, (at += pieceBytes)));
      return undefined;
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

const page = (from: number, to: number, hasMore = false) =>
  Response.json({ ok: true, data: { events: Array.from({ length: to - from }, (_, i) => JSON.parse(event(from + i + 1)) as unknown), prevCursor: cursor(from), nextCursor: cursor(to), offset: from, hasMore } });

/** A store on a server that answers by what is asked of it, and what was asked. */
function storeOn(answer: (path: string, nth: number, headers: Record<string, string>) => Response) {
  const asked: string[] = [];
  const fetch: FetchLike = (url, init) => {
    asked.push(url.replace('http://fake.test', ''));
    return Promise.resolve(answer(asked.at(-1) ?? '', asked.length, init.headers));
  };
  const client = new DurableStreamsClient({ url: 'http://fake.test', fetch: sessionApiFetch(fetch), reconnect: FAST, transport: 'sse', logger: new Log(), token: () => `token ${asked.length}` });
  const store = createSessionStore(client, 's1', { history: sessionApiHistory(client, 's1') });
  store.subscribe(() => undefined);
  const offsets = () => {
    store.flush();
    return store.getSnapshot().items.map(({ kind, offset }) => [kind, offset]);
  };
  return { store, client, asked, offsets };
}

const messages = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => ['message', from + i]);

describe('live', () => {
  it.each([1, 7, 4_096])('is the same in pieces of %i bytes', async (pieceBytes) => {
    const text = `${connected(0)}: ping\n\n${frame(1)}${frame(2, event(2).replace('t2 ', 'Grüße 世界 🎉 '))}event: ephemeral\ndata: {"id":"x","type":"presence:cursor","timestamp":1,"data":{"userId":"u","cursor":{"x":1,"y":2}}}\n\n${frame(3)}${closed(3)}`;
    const { store, offsets } = storeOn(() => live(text, pieceBytes));
    await until(() => store.getSnapshot().connection.state === 'closed');
    expect(offsets()).toEqual(messages(1, 3));
    expect(store.getSnapshot().messages[1]?.text).toBe('Grüße 世界 🎉 ');
    expect(store.getSnapshot().presence).toMatchObject([{ userId: 'u', cursor: { x: 1, y: 2 } }]);
    store.close();
  });

  it('goes on behind the last event after a cut, and an event may be called as what the server says', async () => {
    const named = JSON.stringify({ type: 'closed', id: 'e2', timestamp: 2, data: {} });
    const { store, asked, offsets } = storeOn((_, nth) => (nth === 1 ? new Response(connected(0) + frame(1) + frame(2, named), { headers: { 'content-type': 'text/event-stream' } }) : live(connected(2) + frame(3))));
    await until(() => store.getSnapshot().lastOffset === 3);
    expect(offsets()).toEqual([['message', 1], ['event', 2], ['message', 3]]);
    expect(asked).toEqual(['/api/sessions/s1/stream?offset=-1&ephemeral=true', `/api/sessions/s1/stream?offset=${cursor(2)}&ephemeral=true`]);
    store.close();
  });

  it('knows where something is missing, and reads that from history', async () => {
    const { store, asked, offsets } = storeOn((path) => (path.includes('/events?') ? page(2, 4) : live(connected(0) + frame(1) + frame(2) + frame(5) + frame(6))));
    await until(() => offsets().length === 6, offsets);
    expect(offsets()).toEqual(messages(1, 6));
    expect(asked[1]).toBe('/api/sessions/s1/events?from=2&to=4&limit=1000');
    store.close();
  });

  it('is told what was given up before it began', async () => {
    const { store, offsets } = storeOn((path) => live(connected(100, path.includes('offset=-1') ? { missed: 100 } : {}) + frame(101)));
    const codes: string[] = [];
    store.listen({ onError: ({ code }) => codes.push(code) });
    await until(() => store.getSnapshot().lastOffset === 101);
    expect(offsets().at(-1)).toEqual(['message', 101]);
    expect(codes).toEqual(['HISTORY_TRIMMED']);
    store.close();
  });
});

describe('history', () => {
  const late = (text: string) => (path: string) => (path.includes('/events?') ? null : live(text));

  it('goes page by page, and what the server no longer has is said to be gone', async () => {
    const stream = late(connected(0) + frame(1) + frame(10));
    const { store, asked, offsets } = storeOn((path) => stream(path) ?? (path.includes('from=1&') ? page(1, 4, true) : page(4, 9)));
    await until(() => offsets().length === 10, offsets);
    expect(asked.slice(1)).toEqual(['/api/sessions/s1/events?from=1&to=9&limit=1000', '/api/sessions/s1/events?from=4&to=9&limit=1000']);
    store.close();

    const trimmed = () => Response.json({ ok: false, error: { code: 'HISTORY_TRIMMED', message: 'gone', details: { firstCursor: cursor(6), missed: 6 } } }, { status: 410 });
    const gone = storeOn((path) => (path.includes('/events?') ? trimmed() : path.includes(`offset=${cursor(6)}`) ? live(connected(6) + [7, 8, 9, 10].map((n) => frame(n)).join('')) : live(connected(0) + frame(1) + frame(10))));
    await until(() => gone.offsets().length === 6, () => [gone.offsets(), gone.asked]);
    expect(gone.offsets()).toEqual([['message', 1], ['gap', 1], ...messages(7, 10)]);
    expect(gone.store.getSnapshot().gaps).toMatchObject([{ after: 1, before: 7, state: 'gone' }]);
    gone.store.close();
  });

  it('asks for the token once more after a 401, and says why it was refused', async () => {
    const stream = late(connected(0) + frame(1) + frame(4));
    const { store, asked } = storeOn((path) => stream(path) ?? Response.json({ ok: false, error: { code: 'FORBIDDEN', message: 'not yours' } }, { status: asked.length === 2 ? 401 : 403 }));
    await until(() => store.getSnapshot().gaps[0]?.state === 'open', () => [store.getSnapshot().gaps, asked]);
    expect(store.getSnapshot().gaps[0]?.failure).toMatch(/403/);
    expect(asked.filter((path) => path.includes('/events?'))).toHaveLength(2);
    store.close();
  });
});

it('leaves everything else alone', async () => {
  const asked: [string, string][] = [];
  const fetch = sessionApiFetch((url, { method }) => (asked.push([method, url]), Promise.resolve(new Response())));
  const init = { headers: {}, signal: new AbortController().signal, cache: 'no-store' as const };
  const all: [string, string][] = [
    ['POST', 'http://a/v1/stream/sessions/s1'],
    ['GET', 'http://a/v1/stream/agents/a1?offset=-1&live=sse'],
    ['GET', 'http://a/v1/stream/sessions/s1?offset=-1&live=long-poll'],
    ['POST', 'http://a/api/sessions/s1/presence'],
  ];
  for (const [method, url] of all) await fetch(url, { ...init, method });
  expect(asked).toEqual(all);
});
