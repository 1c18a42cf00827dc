// Callbacks of event types of an application's own have the types that its schemas say.
import { type } from 'arktype';
import type { CustomRecord, SessionRecord } from 'durable-sessions';
import { DurableStreamsClient, defineEvents } from 'durable-sessions';
import { DurableSessionsProvider, useSession, useSessionEvents, useSessionListener } from 'durable-sessions/react';
import type { SessionSnapshot, TimelineItem } from 'durable-sessions/store';
import { createSessionStore } from 'durable-sessions/store';
import { createElement } from 'react';
import * as v from 'valibot';
import { expectTypeOf, it } from 'vitest';
import * as z from 'zod';

const events = defineEvents({
  'x-my:zod': z.object({ at: z.string().transform((text) => new Date(text)), note: z.string().optional() }),
  'x-my:valibot': v.object({ count: v.number() }),
  'x-my:arktype': type({ 'name?': 'string', state: "'on' | 'off'" }),
});

it('infers the data of each record', () => {
  const client = new DurableStreamsClient({ url: 'x', events });
  client.subscribeToSession('s', {
    on: {
      'x-my:zod': (record) => {
        expectTypeOf(record).toEqualTypeOf<CustomRecord<'x-my:zod', { at: Date; note?: string | undefined }>>();
      },
      'x-my:valibot': ({ data }) => {
        expectTypeOf(data).toEqualTypeOf<{ count: number }>();
        // @ts-expect-error there is no such field
        void data.sum;
      },
      'x-my:arktype': ({ data, type: name }) => {
        expectTypeOf(data).toEqualTypeOf<{ name?: string; state: 'on' | 'off' }>();
        expectTypeOf(name).toEqualTypeOf<'x-my:arktype'>();
      },
      // @ts-expect-error nobody registered this type
      'x-my:other': () => undefined,
    },
    onEvent: (record) => {
      if (record.channel === 'custom' && record.type === 'x-my:valibot') {
        expectTypeOf(record.data.count).toEqualTypeOf<number>();
      } else if (record.channel === 'chunks') {
        expectTypeOf(record.data.text).toEqualTypeOf<string>();
      }
    },
  });
  client.subscribeToAgent('a', { on: { 'x-my:valibot': ({ data }) => expectTypeOf(data.count).toEqualTypeOf<number>() } });
});

it('goes through the store and the React bindings', () => {
  const client = new DurableStreamsClient({ url: 'x', events });
  const store = createSessionStore(client, 's');
  for (const item of store.getSnapshot().items) {
    if (item.kind === 'event' && item.record.channel === 'custom' && item.record.type === 'x-my:valibot') {
      expectTypeOf(item.record.data).toEqualTypeOf<{ count: number }>();
    }
  }
  store.listen({ onEvent: (record) => record.channel === 'custom' && record.type === 'x-my:valibot' && expectTypeOf(record.data.count).toEqualTypeOf<number>() });
  createElement(DurableSessionsProvider, { client });
  const component = () => {
    const items = useSession('s', (snapshot: SessionSnapshot<typeof events.schemas>) => snapshot.items);
    expectTypeOf(items).toEqualTypeOf<readonly TimelineItem<typeof events.schemas>[]>();
    useSessionEvents('s', 'custom', (record) => expectTypeOf(record).toEqualTypeOf<CustomRecord>());
    useSessionEvents('s', (record: SessionRecord | CustomRecord<'x-my:valibot', { count: number }>) => void record);
    useSessionListener<typeof events.schemas>('s', { onEvent: ({ id }) => expectTypeOf(id).toExtend<string>() });
  };
  expectTypeOf(component).returns.toEqualTypeOf<void>();
});

it('changes nothing for a client that registers none', () => {
  const client = new DurableStreamsClient({ url: 'x' });
  expectTypeOf(client).toEqualTypeOf<DurableStreamsClient>();
  client.subscribeToSession('s', {
    onEvent: (record) => expectTypeOf(record).toEqualTypeOf<SessionRecord>(),
    // @ts-expect-error nobody registered this type
    on: { 'x-my:zod': () => undefined },
  });
  // @ts-expect-error that is no Standard Schema
  defineEvents({ 'x-my:zod': (value: unknown) => value });
  // @ts-expect-error schemas alone are not checked
  new DurableStreamsClient({ events: events.schemas });
});
