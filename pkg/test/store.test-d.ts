// The types of the store and of the React bindings, as an application meets them.
import type { ConnectionState, Sent, ToolCallRecord } from 'durable-sessions';
import { DurableStreamsClient } from 'durable-sessions';
import { useConnection, usePresence, useSession, useSessionActions, useSessionEvents } from 'durable-sessions/react';
import type { HistorySource, MessageItem, SessionSnapshot, TimelineItem, UserView } from 'durable-sessions/store';
import { createSessionStore } from 'durable-sessions/store';
import { expectTypeOf, it } from 'vitest';

it('types snapshots and what can be done with a store', () => {
  const store = createSessionStore(new DurableStreamsClient(), 's', { entriesMax: 10, from: { cursor: 'c', offset: 1 } });
  expectTypeOf(store.getSnapshot()).toEqualTypeOf<SessionSnapshot>();
  expectTypeOf(store.loadEarlier()).toEqualTypeOf<Promise<number>>();
  expectTypeOf(store.getSnapshot().items).toEqualTypeOf<readonly TimelineItem[]>();
  for (const item of store.getSnapshot().items) {
    if (item.kind === 'tool') expectTypeOf(item.durationMs).toEqualTypeOf<number | null>();
    if (item.kind === 'gap') expectTypeOf(item.state).toEqualTypeOf<'waiting' | 'reading' | 'open' | 'gone'>();
    // @ts-expect-error only messages have a text
    void item.text;
  }
  // @ts-expect-error a snapshot is not to be changed
  store.getSnapshot().lastOffset = 3;
  // @ts-expect-error no such option
  createSessionStore(new DurableStreamsClient(), 's', { max: 1 });
  const history: HistorySource = { read: async ({ after, upTo, signal }, sink) => void [after, upTo, signal.aborted, sink.gone(1)] };
  createSessionStore(new DurableStreamsClient(), 's', { history, outbox: null });
});

it('types hooks by what they select', () => {
  const component = () => {
    expectTypeOf(useSession('s')).toEqualTypeOf<SessionSnapshot>();
    expectTypeOf(useSession('s', (snapshot) => snapshot.messages)).toEqualTypeOf<readonly MessageItem[]>();
    expectTypeOf(useSession('s', (snapshot) => snapshot.items.length, (a, b) => a === b)).toEqualTypeOf<number>();
    expectTypeOf(usePresence('s', { userId: 'u' }).users).toEqualTypeOf<readonly UserView[]>();
    expectTypeOf(useConnection('s').state).toEqualTypeOf<ConnectionState>();
    useSessionEvents('s', 'toolCalls', (record) => expectTypeOf(record).toEqualTypeOf<ToolCallRecord>());
    useSessionEvents('s', ({ type }) => expectTypeOf(type).toExtend<string>());
    // @ts-expect-error no such channel
    useSessionEvents('s', 'tools', () => undefined);
    const { send } = useSessionActions('s');
    expectTypeOf(send({ type: 'terminal:input', data: { data: 'x' } })).toEqualTypeOf<Promise<Sent>>();
    // @ts-expect-error its payload has a text
    void send({ type: 'chunk', data: { txt: 'x' } });
  };
  expectTypeOf(component).returns.toEqualTypeOf<void>();
});
