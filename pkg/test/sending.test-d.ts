// The types of sending, presence, testing and plain streams, as an application meets them.
import type { DeadLetter, EventInput, DurableStreamsError, OutboxEntry, PresenceLease, Sent, SessionHandle } from 'durable-sessions';
import { DurableStreamsClient, presenceOf } from 'durable-sessions';
import type { Batch, StreamHead } from 'durable-sessions/streams';
import { durableStream, stream } from 'durable-sessions/streams';
import { TestServer } from 'durable-sessions/testing';
import { expectTypeOf, it } from 'vitest';

it('types events by their type', () => {
  const session = new DurableStreamsClient({ sending: { eventsMax: 5 } }).session('s');
  expectTypeOf(session).toEqualTypeOf<SessionHandle>();
  expectTypeOf(session.send({ type: 'chunk', data: { text: 'x' } })).toEqualTypeOf<Promise<Sent>>();
  // @ts-expect-error no such field
  void session.send({ type: 'chunk', data: { txt: 'x' } });
  // @ts-expect-error of another type
  void session.send({ type: 'chunk', data: { text: 5 } });
  // @ts-expect-error a field is missing
  void session.send({ type: 'terminal:input', data: {} });
  // @ts-expect-error no status of an agent
  void session.send({ type: 'state:update', data: { status: 'asleep' } });
  void session.send({ type: 'mine:own', data: { anything: [1] }, id: 'x', timestamp: 1 });
  expectTypeOf(session.sendAll([{ type: 'chunk', data: { text: 'x' } }, { type: 'agent:turn', data: { agentId: 'a', turn: 1 } }, { type: 'mine', data: 5 }])).toEqualTypeOf<Promise<readonly Sent[]>>();
  // @ts-expect-error one of them is wrong
  void session.sendAll([{ type: 'chunk', data: { text: 'x' } }, { type: 'agent:turn', data: { turn: 'x' } }]);
  const batch: EventInput[] = [{ type: 'mine', data: 5 }];
  void session.sendAll(batch);
  session.onDeadLetter((letter) => {
    expectTypeOf(letter).toEqualTypeOf<DeadLetter>();
    expectTypeOf(letter.reason).toEqualTypeOf<DurableStreamsError>();
  });
  expectTypeOf(session.outbox.getSnapshot()).toEqualTypeOf<readonly OutboxEntry[]>();
  expectTypeOf<OutboxEntry['state']>().toEqualTypeOf<'pending' | 'sending' | 'sent' | 'failed'>();
  expectTypeOf(presenceOf(session).join({ userId: 'u' })).toEqualTypeOf<Promise<PresenceLease>>();
  // @ts-expect-error a place has two coordinates
  presenceOf(session).cursor({ x: 1 });
});

it('types plain streams', () => {
  const reader = stream<{ n: number }>({ url: 'x', live: 'sse', offset: '-1', token: () => 'x', headers: { a: 'b' } });
  expectTypeOf(reader.items()).toEqualTypeOf<AsyncGenerator<{ n: number }, void, undefined>>();
  expectTypeOf(reader.json()).toEqualTypeOf<Promise<{ n: number }[]>>();
  void reader.subscribeJson((batch) => expectTypeOf(batch).toEqualTypeOf<Batch<{ n: number }[]>>());
  void reader.subscribeBytes(async ({ content }) => expectTypeOf(content).toEqualTypeOf<Uint8Array>());
  expectTypeOf(stream({ url: 'x' }).json()).toEqualTypeOf<Promise<unknown[]>>();
  // @ts-expect-error no such mode
  stream({ url: 'x', live: 'poll' });
  // @ts-expect-error a stream has a url
  stream({});
  expectTypeOf(durableStream({ url: 'x' }).head()).toEqualTypeOf<Promise<StreamHead | null>>();
});

it('types the test server', () => {
  const server = new TestServer({ token: 'x' });
  new DurableStreamsClient(server.options);
  server.append('s', { type: 'chunk', data: { text: 'x' } });
  // @ts-expect-error no such field
  server.append('s', { type: 'chunk', data: { txt: 'x' } });
  // `fetch` fits, and so does a clock made of the global functions.
  new DurableStreamsClient({ fetch, clock: globalThis });
});
