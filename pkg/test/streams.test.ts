// Plain streams on the server of `durable-sessions/testing`: reading in every mode, with faults; writing.
import { DurableStreamsError, durableStream, stream } from 'durable-sessions/streams';
import type { Batch } from 'durable-sessions/streams';
import { TestServer } from 'durable-sessions/testing';
import { describe, expect, it } from 'vitest';

const RECONNECT = { initialDelay: 1000, maxDelay: 4000, maxAttempts: 3, jitter: false };
const MODES = [false, 'sse', 'long-poll', true] as const;
const LIVE = ['sse', 'long-poll', true] as const;

function setup(contentType = 'application/json', options: ConstructorParameters<typeof TestServer>[0] = {}) {
  const server = new TestServer(options);
  server.createStream('x', contentType);
  const access = { ...server.options, url: `${server.url}/v1/stream/x`, reconnect: RECONNECT };
  return { server, access, handle: durableStream(access) };
}

/** Lets time pass until it is settled. */
async function passing<T>(server: TestServer, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const end = () => {
    isSettled = true;
  };
  promise.then(end, end);
  for (let n = 0; n < 200 && !isSettled; n += 1) {
    await server.advance(500);
  }
  expect(isSettled).toBe(true);
  return promise;
}

const gets = (server: TestServer) => server.requests.filter(({ method }) => method === 'GET');

describe('reading', () => {
  it.each(MODES)('reads a closed stream to its end, live: %s', async (live) => {
    const { handle, access } = setup();
    await handle.append({ n: 1 });
    await handle.append('two', { close: true });
    const reader = stream({ ...access, live });
    expect(await reader.json()).toEqual([{ n: 1 }, 'two']);
    expect([reader.closed, reader.upToDate, reader.offset]).toEqual([true, true, '00000000000000000002']);
  });

  it.each(LIVE)('goes on with what comes, live: %s', async (live) => {
    const { server, access, handle } = setup();
    await handle.append(0);
    const items: number[] = [];
    const reader = stream<number>({ ...access, live });
    const reading = (async () => {
      for await (const item of reader.items()) {
        items.push(item);
      }
    })();
    for (let n = 1; n < 5; n += 1) {
      await server.settle();
      expect(items.length).toBe(n);
      await handle.append(n);
      // Rotations of SSE, time-outs of long-polls.
      await server.advance(n * 20_000);
    }
    await handle.close();
    await passing(server, reading);
    expect([items, reader.closed]).toEqual([[0, 1, 2, 3, 4], true]);
    expect(server.clock.pending).toBe(0);
  });

  it('reads what is there page by page, and no further', async () => {
    const { server, access, handle } = setup('application/json', { pageBytesMax: 30 });
    const written = Array.from({ length: 20 }, (_, n) => `message ${n}`);
    for (const one of written) {
      await handle.append(one);
    }
    expect(await stream(access).json()).toEqual(written);
    expect(gets(server).length).toBeGreaterThan(5);
    const rest = stream({ ...access, offset: '00000000000000000018' });
    expect([await rest.json(), rest.offset, rest.closed]).toEqual([written.slice(18), '00000000000000000020', false]);
    expect(await stream({ ...access, offset: 'now' }).json()).toEqual([]);
  });

  it.each(MODES)('keeps bytes as they are, live: %s', async (live) => {
    const { access, handle } = setup('application/octet-stream', { pageBytesMax: 100 });
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    await handle.append(all);
    await handle.append(all, { close: true });
    expect([...(await stream({ ...access, live }).bytes())]).toEqual([...all, ...all]);
  });

  it.each(MODES)('keeps text whole, however it is cut, live: %s', async (live) => {
    const { access, handle } = setup('text/plain', { pageBytesMax: 7 });
    const text = 'día 🎉\n\nevent: control\ndata: {}\n\n  世界\n';
    for (const byte of new TextEncoder().encode(text)) {
      await handle.append(Uint8Array.of(byte));
    }
    await handle.close();
    expect(await stream({ ...access, live }).text()).toBe(text);
  });

  it.each(LIVE)('comes through faults: nothing twice, nothing missing, live: %s', async (live) => {
    const { server, access, handle } = setup();
    const items: number[] = [];
    const reading = stream<number>({ ...access, live }).subscribeJson(({ content }) => {
      items.push(...content);
    });
    for (let n = 0; n < 12; n += 1) {
      await handle.append(n);
      await server.settle();
      if (n % 3 === 0) {
        server.cut();
        await server.settle();
        server.restore();
        // What comes next is the reader's.
        server.failNext(503, { 'retry-after': '2' });
        await server.advance(5000);
      }
      await server.advance(2000);
    }
    await handle.close();
    await passing(server, reading);
    expect(items).toEqual(Array.from({ length: 12 }, (_, n) => n));
  });

  it.each(MODES)('gives up after as many attempts as configured, live: %s', async (live) => {
    const { server, access } = setup();
    server.cut();
    await expect(passing(server, stream({ ...access, live }).json())).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    expect(gets(server).length).toBe(3);
  });

  it('gives up at once on a refusal, and asks for the token again after a 401', async () => {
    const { server, access } = setup();
    await expect(stream({ ...access, url: `${server.url}/v1/stream/none` }).text()).rejects.toMatchObject({ code: 'STREAM_NOT_FOUND', status: 404 });
    server.token = 'b';
    const tokens = ['a', 'b'];
    expect(await stream({ ...access, token: () => tokens.shift() ?? 'none' }).json()).toEqual([]);
    await expect(stream({ ...access, token: 'a' }).json()).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
  });

  it('takes silence for a failure', async () => {
    const { server, access } = setup('application/json', { pingMs: 1e9, sseMaxAgeMs: 1e9 });
    const reader = stream({ ...access, live: 'sse', silenceMs: 5000 });
    const reading = reader.json().catch((error: unknown) => error);
    await server.advance(10_000);
    expect(gets(server).length).toBe(2);
    reader.cancel();
    expect(await reading).toEqual([]);
  });

  it('falls back to long-polls where SSE is refused', async () => {
    const { server, access, handle } = setup();
    await handle.append(1);
    const items: unknown[] = [];
    const reading = stream({ ...access, live: true }).subscribeJson(({ content }) => {
      items.push(...content);
      if (items.length === 1) {
        server.failNext(406);
      }
    });
    await server.settle();
    await handle.append(2, { close: true });
    await passing(server, reading);
    expect([items, gets(server).at(-1)?.url.searchParams.get('live')]).toEqual([[1, 2], 'long-poll']);
  });

  it('asks for nothing that nobody waits for', async () => {
    const { server, access, handle } = setup('application/json', { pageBytesMax: 8 });
    for (let n = 0; n < 10; n += 1) {
      await handle.append(`item ${n}`);
    }
    let go: () => void = () => undefined;
    const batches: Batch<unknown[]>[] = [];
    const reading = stream(access).subscribeJson((batch) => {
      batches.push(batch);
      return batches.length === 2 ? new Promise<void>((resolve) => (go = resolve)) : undefined;
    });
    await server.settle();
    expect([batches.length, gets(server).length]).toEqual([2, 2]);
    go();
    await reading;
    expect(batches.flatMap(({ content }) => content).length).toBe(10);

    const asked = gets(server).length;
    const items = stream(access).jsonStream().getReader();
    await server.settle();
    expect(gets(server).length).toBe(asked);
    expect(await items.read()).toEqual({ done: false, value: 'item 0' });
    await items.cancel();
    await server.settle();
    expect(gets(server).length).toBe(asked + 1);
  });

  it('streams texts and bytes', async () => {
    const { access, handle } = setup('text/plain');
    await handle.append('one ');
    await handle.append('two', { close: true });
    const drained = async <T>(source: ReadableStream<T>) => {
      const all: T[] = [];
      const reader = source.getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        all.push(part.value);
      }
      return all;
    };
    expect((await drained(stream(access).textStream())).join('')).toBe('one two');
    expect(new TextDecoder().decode((await drained(stream(access).byteStream()))[0])).toBe('one two');
  });

  it.each(LIVE)('ends by its signal, by cancel() and by leaving the loop, live: %s', async (live) => {
    const { server, access, handle } = setup();
    await handle.append(1);
    const abort = new AbortController();
    const aborted = stream({ ...access, live, signal: abort.signal }).json();
    const cancelled = stream({ ...access, live });
    const all = cancelled.json();
    await server.settle();
    abort.abort(new Error('enough'));
    cancelled.cancel();
    await expect(aborted).rejects.toThrow('enough');
    expect(await all).toEqual([1]);
    for await (const item of stream({ ...access, live }).items()) {
      expect(item).toBe(1);
      break;
    }
    await server.settle();
    const asked = server.requests.length;
    await server.advance(100_000);
    expect([server.requests.length, server.clock.pending]).toEqual([asked, 0]);
    await expect(stream({ ...access, signal: AbortSignal.abort(new Error('before')) }).json()).rejects.toThrow('before');
  });

  it('says what is no JSON, no stream, and no second reading', async () => {
    const { server, access, handle } = setup('text/plain');
    await handle.append('hello');
    await expect(stream(access).json()).rejects.toMatchObject({ code: 'INVALID_JSON' });
    await expect(stream({ ...access, fetch: () => Promise.resolve(new Response('<html>')) }).text()).rejects.toMatchObject({ code: 'INVALID_CONTROL' });
    await expect(stream({ ...access, url: '/relative' }).text()).rejects.toMatchObject({ code: 'INVALID_OPTIONS' });
    const reader = stream(access);
    await reader.text();
    await expect(reader.text()).rejects.toBeInstanceOf(DurableStreamsError);
    expect(server.clock.pending).toBe(0);
  });
});

describe('writing', () => {
  it('creates, describes, ends and deletes', async () => {
    const { access } = setup();
    const handle = durableStream({ ...access, url: `${access.url}/new` });
    expect(await handle.head()).toBeNull();
    expect(await handle.create({ contentType: 'text/plain', content: 'a' })).toEqual({ created: true, offset: '00000000000000000001' });
    expect(await handle.create({ contentType: 'text/plain' })).toMatchObject({ created: false });
    await expect(handle.create({ contentType: 'application/json' })).rejects.toMatchObject({ code: 'STREAM_EXISTS', status: 409 });
    await handle.append('b');
    await expect(handle.append({ no: 'text' })).rejects.toMatchObject({ code: 'INVALID_OPTIONS' });
    expect(await handle.head()).toEqual({ contentType: 'text/plain', offset: '00000000000000000002', closed: false, ttlSeconds: null, expiresAt: null });
    expect(await handle.close()).toEqual(await handle.close());
    await expect(handle.append('c')).rejects.toMatchObject({ code: 'STREAM_CLOSED' });
    expect(await handle.read().text()).toBe('ab');
    await handle.delete();
    await handle.delete();
    expect(await handle.head()).toBeNull();
  });

  it('repeats what may be repeated, and nothing else', async () => {
    const { server, access, handle } = setup();
    server.refuseNext();
    server.failNext(503);
    expect(await passing(server, handle.head())).toMatchObject({ contentType: 'application/json' });
    server.loseNextAnswer();
    await expect(handle.append(1)).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    expect(await stream(access).json()).toEqual([1]);
  });

  it('produces once and in order through lost answers', async () => {
    const { server, access, handle } = setup();
    const producer = handle.producer({ id: 'p', epoch: 3 });
    server.loseNextAnswer();
    server.loseNextAnswer();
    const all = Array.from({ length: 50 }, (_, n) => producer.append({ n }));
    await passing(server, producer.flush());
    await Promise.all(all);
    expect(await stream(access).json()).toEqual(Array.from({ length: 50 }, (_, n) => ({ n })));
    expect(server.requests.find(({ method }) => method === 'POST')?.headers.get('producer-epoch')).toBe('3');
  });

  it('bounds what waits, and refuses what does not fit the stream', async () => {
    const { server, handle } = setup('text/plain');
    const producer = handle.producer({ messagesMax: 2, bytesMax: 100 });
    const one = producer.append('a');
    const two = producer.append('b');
    await expect(producer.append('c')).rejects.toMatchObject({ code: 'OUTBOX_FULL' });
    await Promise.all([one, two]);
    await expect(producer.append('x'.repeat(101))).rejects.toMatchObject({ code: 'OUTBOX_FULL' });
    await expect(producer.append({ a: 1 })).rejects.toMatchObject({ code: 'INVALID_OPTIONS' });
    await producer.append('d');
    server.deleteSession('none');
    expect(await handle.read().text()).toBe('abd');
  });
});
