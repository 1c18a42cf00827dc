// The wasm instance fails: what of it is seen, and what is not.
import type { FetchLike } from 'durable-sessions';
import { describe, expect, it, vi } from 'vitest';

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
    const gone = new FakeServer({ status: 404 }, { body: control(0) });
    const lost = subscribe(gone);
    await until(() => lost.subscription.getState() === 'lost');
    const server = new FakeServer({ body: '' }, { body: data(chunk(1)) + control(1) });
    const { recorder, subscription } = subscribe(server, { fetch: lying(server, 0) });
    await until(() => recorder.records.length === 1 && bystander.recorder.records.length === 3);
    expect(bystander.recorder.ids()).toEqual(['e1', 'e2', 'e3']);
    expect([bystander.recorder.errors, bystander.recorder.lost]).toEqual([[], []]);
    expect([recorder.errors.map(({ code }) => code), recorder.lost]).toEqual([['CLIENT_PANICKED'], []]);
    // What was lost before stays lost, until it is wanted again.
    await quiet(gone);
    expect([gone.requests.length, lost.subscription.getState()]).toEqual([1, 'lost']);
    lost.subscription.reconnect();
    await until(() => lost.subscription.getState() === 'connected');
    lost.subscription.unsubscribe();
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

  it('in the middle of a record loses it for no other subscriber, nor what stands before the next place', async () => {
    // The server names no counts, so that what is numbered wrongly stays so.
    const rest = { body: data(chunk(3), chunk(4)) + control(4) + data(chunk(5)) + control(5, { streamClosed: true }) };
    const server = new FakeServer({ body: data(chunk(1), chunk(2)) + control(2), end: 'close' }, rest, rest, { body: data(chunk(5)) + control(5, { streamClosed: true }) });
    const doomed = subscribe(new FakeServer({ body: control(0) }, { body: control(0) }));
    await until(() => doomed.subscription.getState() === 'connected');
    let trapped = false;
    const { client, recorder } = subscribe(server, {}, {
      onChunk: ({ id }) => {
        // The last one before a place.
        if (id === 'e4' && !trapped) {
          trapped = true;
          vi.spyOn(Date, 'now').mockImplementationOnce(() => {
            throw new Error('no time');
          });
          doomed.subscription.reconnect();
        }
      },
    });
    const second = new Recorder();
    client.subscribeToSession('s1', second.callbacks);
    await until(() => recorder.calls.includes('onClosed') && second.calls.includes('onClosed'));
    const all = [1, 2, 3, 4, 5].map((n) => [`e${n}`, n]);
    expect(recorder.records.map(({ id, offset }) => [id, offset])).toEqual(all);
    expect(second.records.map(({ id, offset }) => [id, offset])).toEqual(all);
    expect([recorder.errors, second.errors]).toEqual([[], []]);
    doomed.subscription.unsubscribe();
  });

  it('of another connection, in the middle of a batch, neither doubles nor loses the rest of it', async () => {
    const rest = { body: data(chunk(3), chunk(4), chunk(5), chunk(6)) + control(6, { streamClosed: true }) };
    const server = new FakeServer({ body: data(chunk(1), chunk(2)) + control(2), end: 'close' }, rest, rest);
    const broken = new FakeServer({ body: control(0) }, { body: control(0) });
    const doomed = subscribe(broken);
    await until(() => doomed.subscription.getState() === 'connected');
    const { recorder, subscription } = subscribe(server, {}, {
      onChunk: ({ id }) => {
        if (id === 'e4' && server.requests.length === 2) {
          // A call into the module from inside a call of its own, which throws out of it.
          vi.spyOn(Date, 'now').mockImplementationOnce(() => {
            throw new Error('no time');
          });
          doomed.subscription.reconnect();
        }
      },
    });
    await until(() => recorder.calls.includes('onClosed'));
    expect(recorder.records.map(({ id, offset }) => [id, offset])).toEqual([1, 2, 3, 4, 5, 6].map((n) => [`e${n}`, n]));
    expect([recorder.errors, server.offsets()]).toEqual([[], ['-1', 'c2', 'c2']]);
    expect(doomed.recorder.errors.map(({ code }) => code)).toEqual(['CLIENT_PANICKED']);
    await until(() => doomed.subscription.getState() === 'connected');
    subscription.unsubscribe();
    doomed.subscription.unsubscribe();
  });
});
