import { configure, getDurableStreamsClient, init, subscribeToSession } from 'durable-sessions';
import { describe, expect, it } from 'vitest';

import { FakeServer, chunk, control, data, until } from './fake.js';
import { FAST, Recorder, subscribe } from './harness.js';

describe('sharing', () => {
  it('opens one connection for subscribers of the same session', async () => {
    const server = new FakeServer({ body: data(chunk(1), chunk(2)) + control(2) });
    const { client, recorder, subscription } = subscribe(server);
    const second = new Recorder();
    const other = client.subscribeToSession('s1', second.callbacks);
    await until(() => recorder.records.length === 2 && second.records.length === 2);
    expect(server.requests.length).toBe(1);
    expect(second.calls).toEqual(['connecting', 'connected']);
    subscription.unsubscribe();
    expect(server.aborted).toBe(0);
    server.send(data(chunk(3)) + control(3));
    await until(() => second.records.length === 3);
    expect(recorder.records.length).toBe(2);
    other.unsubscribe();
    await until(() => server.aborted === 1);
  });

  it('tries again for whoever subscribes to what was lost', async () => {
    const server = new FakeServer({ status: 404 }, { body: data(chunk(1)) + control(1) });
    const { client, recorder, subscription } = subscribe(server);
    await until(() => recorder.lost.length === 1);
    const second = new Recorder();
    const other = client.subscribeToSession('s1', second.callbacks);
    await until(() => recorder.records.length === 1 && second.records.length === 1);
    expect([server.requests.length, subscription.getState(), other.getState()]).toEqual([2, 'connected', 'connected']);
    client.close();
  });

  it('tries again for whoever subscribes to what has ended without reconnecting', async () => {
    const server = new FakeServer('refused', { body: data(chunk(1)) + control(1) });
    const { client, recorder, subscription } = subscribe(server, { reconnect: { ...FAST, enabled: false } });
    await until(() => recorder.errors.length === 1);
    const second = new Recorder();
    client.subscribeToSession('s1', second.callbacks);
    await until(() => second.records.length === 1 && subscription.getState() === 'connected');
    expect([recorder.ids(), server.requests.length]).toEqual([['e1'], 2]);
    client.close();
  });

  it('has one connection again when what was lost after events is subscribed to', async () => {
    const history = data(chunk(1)) + control(1, { upToDate: true });
    const server = new FakeServer({ body: history, end: 'close' }, { status: 404 }, { body: control(1, { upToDate: true }) }, { body: history });
    const { client, recorder, subscription } = subscribe(server);
    await until(() => recorder.lost.length === 1);
    const second = new Recorder();
    const other = client.subscribeToSession('s1', second.callbacks);
    await until(() => second.records.length === 1 && subscription.getState() === 'connected');
    await until(() => server.requests.slice(2).filter(({ signal }) => !signal.aborted).length === 1, 'the second connection to be let go');
    expect([recorder.ids(), second.ids(), other.getState()]).toEqual([['e1'], ['e1'], 'connected']);
    client.close();
  });

  it('lets a late subscriber catch up on a connection of its own and join', async () => {
    const history = data(chunk(1), chunk(2)) + control(2, { upToDate: true });
    const server = new FakeServer({ body: history }, { body: history });
    const { client, recorder, subscription } = subscribe(server);
    await until(() => recorder.records.length === 2);
    const late = new Recorder();
    const other = client.subscribeToSession('s1', late.callbacks);
    await until(() => late.records.length === 2);
    await until(() => server.aborted === 1, 'the second connection to be let go');
    expect(server.offsets()).toEqual(['-1', '-1']);
    expect([other.getState(), other.getLastOffset(), other.getLastCursor()]).toEqual(['connected', 2, 'c2']);
    server.requests.length = 1;
    expect(subscription.getState()).toBe('connected');
    other.unsubscribe();
    subscription.unsubscribe();
  });

  it('leaves a subscriber that is further on a connection of its own until the shared one has caught up', async () => {
    const server = new FakeServer({ body: data(chunk(1)) + control(1) }, { body: data(chunk(8)) + control(8, { upToDate: true }) });
    const { client, recorder } = subscribe(server);
    await until(() => recorder.records.length === 1);
    const ahead = new Recorder();
    const other = client.subscribeToSession('s1', ahead.callbacks, { from: { cursor: 'c7', offset: 7 } });
    await until(() => ahead.records.length === 1);
    // The first one reads history still.
    expect([server.aborted, other.getLastOffset()]).toEqual([0, 8]);
    server.send(data(chunk(9)) + control(9, { upToDate: true }));
    await until(() => ahead.records.length === 2);
    expect(ahead.ids()).toEqual(['e8', 'e9']);
    client.close();
  });

  it('does not go back behind what a subscriber has for something that is told in passing', async () => {
    const history = data(...[1, 2, 3].map((n) => chunk(n))) + control(3, { upToDate: true });
    const server = new FakeServer({ body: data(chunk(1)) + control(1, { upToDate: true }) }, { body: history });
    const { client, recorder } = subscribe(server);
    await until(() => recorder.records.length === 1);
    const late = new Recorder();
    client.subscribeToSession('s1', late.callbacks);
    await until(() => server.aborted === 1, 'the second connection to be let go');
    // The first connection is behind: it hears of a cursor, of a frame that is none, and then of what the late one has already.
    server.send(`event: ephemeral\ndata: ${JSON.stringify({ id: 'p', type: 'presence:cursor', timestamp: 1, data: { userId: 'u' } })}\n\nevent: data\ndata: {\n\n${data(chunk(2), chunk(3), chunk(4))}${control(4, { upToDate: true })}`, 0);
    await until(() => late.ids().includes('e4'));
    expect(late.ids().filter((id) => id !== 'p')).toEqual(['e1', 'e2', 'e3', 'e4']);
    expect(recorder.ids().filter((id) => id !== 'p')).toEqual(['e1', 'e2', 'e3', 'e4']);
    client.close();
  });

  it('hands the connection on when the first subscriber leaves during catch-up', async () => {
    const server = new FakeServer({ body: data(chunk(1), chunk(2)) + control(2) }, { body: data(chunk(1)) + control(1) });
    const { client, recorder, subscription } = subscribe(server);
    await until(() => recorder.records.length === 2);
    const late = new Recorder();
    const other = client.subscribeToSession('s1', late.callbacks);
    await until(() => late.records.length === 1);
    subscription.unsubscribe();
    server.send(data(chunk(2), chunk(3)) + control(3));
    await until(() => late.records.length === 3);
    expect(late.ids()).toEqual(['e1', 'e2', 'e3']);
    other.unsubscribe();
    await until(() => server.aborted === 2);
  });

  it('keeps sessions apart', async () => {
    const server = new FakeServer({ body: control(0) }, { body: control(0) });
    const { client, subscription } = subscribe(server);
    const other = client.subscribeToSession('s2', {});
    await until(() => server.requests.length === 2);
    expect(server.requests.map(({ url }) => url.pathname)).toEqual(['/v1/stream/sessions/s1', '/v1/stream/sessions/s2']);
    subscription.unsubscribe();
    other.unsubscribe();
  });

  it('has a default client', async () => {
    const server = new FakeServer({ body: data(chunk(1)) });
    configure({ url: 'http://fake.test', fetch: server.fetch, reconnect: FAST });
    expect(getDurableStreamsClient()).toBe(getDurableStreamsClient());
    const recorder = new Recorder();
    const subscription = subscribeToSession('s1', recorder.callbacks);
    await until(() => recorder.records.length === 1);
    subscription.unsubscribe();
  });

  it('initialises once, whoever asks', async () => {
    expect(init()).toBeInstanceOf(Promise);
    await Promise.all([init(), init(new URL('http://never.fetched/'))]);
  });
});

describe('memory', () => {
  it('gives back what connections take', async () => {
    const { load } = (await import(new URL('../dist/init.js', import.meta.url).href)) as { load(): Promise<WebAssembly.Memory> };
    const memory = await load();
    const once = async (): Promise<void> => {
      const server = new FakeServer({ body: data(...Array.from({ length: 200 }, (_, i) => chunk(i, { text: 'x'.repeat(500) }))) + control(200), pieces: 1 << 20 });
      const { recorder, subscription } = subscribe(server);
      await until(() => recorder.records.length === 200);
      subscription.unsubscribe();
      await new Promise((resolve) => setTimeout(resolve, 0));
    };
    for (let i = 0; i < 20; i += 1) {
      await once();
    }
    const settled = memory.buffer.byteLength;
    for (let i = 0; i < 200; i += 1) {
      await once();
    }
    expect(memory.buffer.byteLength).toBe(settled);
  }, 60_000);
});

describe('the end of a client', () => {
  it('ends all its subscriptions, and whoever subscribes again starts anew', async () => {
    const server = new FakeServer({ body: data(chunk(1)) + control(1) }, { body: data(chunk(1)) + control(1) }, { body: control(0) }, { body: data(chunk(1)) + control(1) });
    const { client, recorder, subscription } = subscribe(server);
    await until(() => recorder.records.length === 1);
    const late = client.subscribeToSession('s1', {});
    const other = client.subscribeToSession('s2', {});
    await until(() => other.getState() === 'connected');
    client.close();
    expect([subscription, late, other].map((each) => each.getState())).toEqual(Array(3).fill('disconnected'));
    expect([subscription.getLastOffset(), subscription.getLastCursor()]).toEqual([1, 'c1']);
    await until(() => server.aborted === server.requests.length);
    const again = new Recorder();
    const requests = server.requests.length;
    client.subscribeToSession('s1', again.callbacks);
    await until(() => server.requests.length > requests);
    client[Symbol.dispose]();
    await until(() => server.aborted === server.requests.length);
  });
});
