// The wasm instance fails: what of it is seen, and what is not.
import type { FetchLike } from 'durable-sessions';
import { describe, expect, it } from 'vitest';

import { FakeServer, chunk, control, data, quiet, until } from './fake.js';
import { Recorder, subscribe } from './harness.js';

/** A piece that cannot be copied, since it is never as long as it was: the module has no answer to that but a panic. */
class Liar extends Uint8Array {
  #more = 0;
  override get length(): number {
    return super.length + (this.#more += 1);
  }
}

/** Its pieces are those of `server`, but the first one of each request in `lies` is such a piece. */
function lying(server: FakeServer, ...lies: number[]): FetchLike {
  return async (url, init) => {
    const number = server.requests.length;
    const response = await server.fetch(url, init);
    if (!lies.includes(number)) {
      return response;
    }
    const body = new ReadableStream({
      start: (controller) => {
        controller.enqueue(new Liar(8));
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  };
}

describe('a panic', () => {
  it('is told once; the client goes on in a fresh instance, from where it was', async () => {
    const server = new FakeServer({ body: data(chunk(1)) + control(1) + data(chunk(2)), end: 'close' }, { body: '' }, { body: data(chunk(2), chunk(3)) + control(3) });
    const { recorder, log, subscription } = subscribe(server, { fetch: lying(server, 1) });
    await until(() => recorder.records.length === 3);
    expect(recorder.records.map(({ id, offset }) => [id, offset])).toEqual([['e1', 1], ['e2', 2], ['e3', 3]]);
    expect(recorder.errors.map(({ code, offset, cause }) => [code, offset, cause instanceof WebAssembly.RuntimeError])).toEqual([['CLIENT_PANICKED', 2, true]]);
    expect(log.errors).toHaveLength(1);
    expect(server.offsets()).toEqual(['-1', 'c1', 'c1']);
    expect(recorder.calls).toEqual(['connecting', 'connected', 'disconnect', 'reconnecting', 'connected', 'reconnect']);
    expect([subscription.getLastOffset(), subscription.getLastCursor()]).toEqual([3, 'c3']);
    // Each one is let go.
    expect(server.requests.slice(0, 2).every(({ signal }) => signal.aborted)).toBe(true);
    subscription.unsubscribe();
  });

  it('takes the connections of others along without a word of error', async () => {
    const other = new FakeServer({ body: data(chunk(1)) + control(1) + data(chunk(2)) }, { body: data(chunk(2), chunk(3)) + control(3) });
    const bystander = subscribe(other);
    await until(() => bystander.recorder.records.length === 2);
    const server = new FakeServer({ body: '' }, { body: data(chunk(1)) + control(1) });
    const { recorder, subscription } = subscribe(server, { fetch: lying(server, 0) });
    await until(() => recorder.records.length === 1 && bystander.recorder.records.length === 3);
    expect(bystander.recorder.ids()).toEqual(['e1', 'e2', 'e3']);
    expect([bystander.recorder.errors, bystander.recorder.lost]).toEqual([[], []]);
    expect([recorder.errors.map(({ code }) => code), recorder.lost]).toEqual([['CLIENT_PANICKED'], []]);
    subscription.unsubscribe();
    bystander.subscription.unsubscribe();
  });

  it('ends in lost when it comes again at the same place, and reconnect() begins anew', async () => {
    const first = { body: data(chunk(1)) + control(1), end: 'close' } as const;
    const server = new FakeServer(first, { body: '' }, { body: '' }, { body: data(chunk(2)) + control(2) });
    const { recorder, subscription } = subscribe(server, { fetch: lying(server, 1, 2) });
    await until(() => recorder.lost.length === 1);
    await quiet(server);
    expect([server.requests.length, subscription.getState()]).toEqual([3, 'lost']);
    expect(recorder.errors.map(({ code }) => code)).toEqual(['CLIENT_PANICKED', 'CLIENT_PANICKED']);
    expect(recorder.lost[0]).toMatchObject({ code: 'CLIENT_PANICKED', cursor: 'c1', cause: expect.stringContaining('after event 1') as string });
    subscription.reconnect();
    await until(() => recorder.records.length === 2);
    expect(server.offsets()).toEqual(['-1', 'c1', 'c1', 'c1']);
    expect(recorder.ids()).toEqual(['e1', 'e2']);
    subscription.unsubscribe();
  });

  it('inside a callback, from a call of its own, disturbs nothing else', async () => {
    const server = new FakeServer({ body: data(chunk(1)) + control(1) });
    const broken = new FakeServer({ body: '' });
    const second = new Recorder();
    const { recorder, subscription, client } = subscribe(server, {}, {
      onChunk: () => {
        // A subscription that ends while its instance fails.
        const doomed = subscribe(broken, { fetch: lying(broken, 0) }, { onError: () => doomed.subscription.unsubscribe() });
      },
    });
    await until(() => recorder.calls.includes('reconnecting'));
    const late = client.subscribeToSession('s2', second.callbacks);
    await until(() => server.requests.length >= 2);
    expect(recorder.errors).toEqual([]);
    late.unsubscribe();
    subscription.unsubscribe();
  });
});
