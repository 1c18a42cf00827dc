// The store with the client it is made for, on the server of `durable-sessions/testing`: beginnings, ends, and what is gone.
import type { DurableStreamsOptions } from 'durable-sessions';
import { DurableStreamsClient, defineEvents, init } from 'durable-sessions';
import type { SessionStoreOptions } from 'durable-sessions/store';
import { createSessionStore, subscriptionHistory } from 'durable-sessions/store';
import { TestServer } from 'durable-sessions/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';

import { Log } from './harness.js';

beforeAll(() => init());

function open(events: number, options: DurableStreamsOptions = {}, storeOptions: SessionStoreOptions = {}) {
  const server = new TestServer();
  server.createSession('s');
  const append = (count: number) => {
    for (let i = 0; i < count; i += 1) {
      const n = server.events('s').length + 1;
      server.append('s', { type: 'chunk', data: { text: `${n} `, messageId: `m${n}` }, id: `e${n}` });
    }
  };
  append(events);
  const client = new DurableStreamsClient({ ...server.options, logger: new Log(), reconnect: { jitter: false }, ...options });
  const store = createSessionStore(client, 's', { lingerMs: 0, ...storeOptions });
  const texts = () => {
    store.flush();
    return store.getSnapshot().messages.map(({ text }) => text.trim());
  };
  return { server, client, store, texts, append };
}

/** The end of the stream as it is now. */
async function placeOf(client: DurableStreamsClient, server: TestServer) {
  const subscription = client.subscribeToSession('s', {});
  await server.settle();
  const place = subscription.getPlace();
  subscription.unsubscribe();
  expect(place).not.toBeNull();
  return place;
}

describe('a store', () => {
  it('starts anew for whoever listens after its client was closed', async () => {
    const { server, client, store, texts, append } = open(1);
    const leave = store.subscribe(() => undefined);
    await server.settle();
    client.close();
    // As React's StrictMode does it: the last listener leaves, and another comes before the connection is let go.
    leave();
    store.subscribe(() => undefined);
    append(1);
    await server.settle();
    expect([texts(), store.getSnapshot().connection.state]).toEqual([['1', '2'], 'connected']);
    store.close();
  });

  it('tells all but those who have left meanwhile, also when one of them throws', async () => {
    const { server, client, store, append } = open(0);
    const told: string[] = [];
    const leaves: (() => void)[] = [];
    const failure = new Error('mine');
    store.subscribe(() => {
      told.push('first');
      leaves.forEach((leave) => leave());
      throw failure;
    });
    leaves.push(store.subscribe(() => told.push('second')));
    store.subscribe(() => told.push('third'));
    append(1);
    await server.settle();
    told.length = 0;
    append(1);
    await server.settle();
    leaves.push(store.subscribe(() => told.push('fourth')));
    expect(() => {
      store.flush();
    }).toThrow(failure);
    expect(told).toEqual(['first', 'third']);
    client.close();
  });

  it('shows no echo of what the stream brings as no item', async () => {
    const { server, client, store } = open(0);
    store.subscribe(() => undefined);
    await server.settle();
    void client.session('s').send({ type: 'state:update', data: { agentId: 'a', status: 'running' } });
    store.flush();
    expect([client.session('s').outbox.getSnapshot().length, store.getSnapshot().items]).toEqual([1, []]);
    client.close();
    await server.settle();
  });

  it('does not wait for history that is all gone', async () => {
    const { server, client, append } = open(10);
    const from = await placeOf(client, server);
    append(10);
    const later = createSessionStore(client, 's', { from: await placeOf(client, server), pageEvents: 5 });
    later.subscribe(() => undefined);
    // A place to read from, which is then trimmed away with all that there was.
    const history = subscriptionHistory(client, 's');
    await server.settle();
    server.trim('s', 20);
    const gone: number[] = [];
    const read = history.read({ after: 10, upTo: 20, from, signal: new AbortController().signal }, { record: () => undefined, rejected: () => undefined, gone: (upTo) => gone.push(upTo) });
    await server.settle();
    await read;
    expect(gone).toEqual([20]);
    const loaded = later.loadEarlier();
    await server.settle();
    expect(await loaded).toBe(0);
    later.flush();
    expect(later.getSnapshot()).toMatchObject({ truncated: false, earlier: 'none' });
    later.close();
  });

  it('says that history cannot be read where nothing is tried again', async () => {
    const { server, client } = open(20, { reconnect: { enabled: false } });
    const later = createSessionStore(client, 's', { from: await placeOf(client, server) });
    later.subscribe(() => undefined);
    await server.settle();
    server.refuseNext();
    const loaded = later.loadEarlier().then(
      () => 'loaded',
      (error: { code: string }) => error.code,
    );
    await server.settle();
    expect(await loaded).toBe('DISCONNECTED');
    later.flush();
    expect(later.getSnapshot().earlier).toBe('failed');
    client.close();
  });

  it('is told of all that is gone, to the last one', async () => {
    const { server, client } = open(30);
    server.trim('s', 10);
    const gone: number[] = [];
    const seen: number[] = [];
    const read = subscriptionHistory(client, 's').read(
      { after: 0, upTo: 12, from: null, signal: new AbortController().signal },
      { record: ({ offset }) => seen.push(offset), rejected: () => undefined, gone: (upTo) => gone.push(upTo) },
    );
    await server.settle();
    await read;
    expect([gone, seen]).toEqual([[10], [11, 12]]);
  });
});

describe('event types of the client’s own', () => {
  it('are items with what their schema made, whatever that is', async () => {
    const server = new TestServer();
    server.createSession('s1');
    const events = defineEvents({ 'x-my:count': z.number(), 'x-my:none': z.any().transform(() => null), 'agent:x-mine': z.object({ agentId: z.string() }) });
    const client = new DurableStreamsClient({ ...server.options, events });
    const store = createSessionStore(client, 's1');
    const heard: string[] = [];
    store.listen({ onEvent: ({ type }) => heard.push(type) });
    server.append('s1', { type: 'x-my:count', data: 7, timestamp: 11 }, { type: 'x-my:none', data: {}, timestamp: 12 }, { type: 'agent:x-mine', data: { agentId: 'a' }, timestamp: 13 });
    await server.settle();
    store.flush();
    const { items, agents, rejected } = store.getSnapshot();
    expect(items).toMatchObject([
      { kind: 'event', timestamp: 11, record: { channel: 'custom', type: 'x-my:count', data: 7 } },
      { kind: 'event', timestamp: 12, record: { channel: 'custom', type: 'x-my:none', data: null } },
      { kind: 'event', timestamp: 13, record: { channel: 'custom', type: 'agent:x-mine', data: { agentId: 'a' } } },
    ]);
    expect([agents, rejected.count, heard]).toEqual([[], 0, ['x-my:count', 'x-my:none', 'agent:x-mine']]);
    client.close();
  });

  it('replace their echo', async () => {
    const server = new TestServer();
    server.createSession('s1');
    const client = new DurableStreamsClient({ ...server.options, events: defineEvents({ 'x-my:count': z.number() }) });
    const store = createSessionStore(client, 's1');
    store.subscribe(() => undefined);
    await server.settle();
    const sent = client.session('s1').send({ type: 'x-my:count', data: 7 });
    store.flush();
    expect(store.getSnapshot().items).toMatchObject([{ echo: { state: 'pending' } }]);
    await server.settle();
    await sent;
    store.flush();
    expect(store.getSnapshot().items).toMatchObject([{ echo: null, record: { channel: 'custom', data: 7 } }]);
    client.close();
  });
});
