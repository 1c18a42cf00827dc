// The public types, as an application meets them.
import type {
  AgentStatus,
  ConnectionInfo,
  ConnectionState,
  DurableStreamsErrorCode,
  ReconnectConfig,
  SessionRecord,
  SessionStatus,
  SessionWithPresence,
  SubscribeFrom,
  ToolStatus,
  WireEvent,
} from 'durable-sessions';
import { DurableStreamsClient, DurableStreamsError, init, subscribeToAgent, subscribeToSession } from 'durable-sessions';
import { expectTypeOf, it } from 'vitest';

it('types callbacks by channel', () => {
  const subscription = subscribeToSession('s', {
    onChunk: (record) => {
      expectTypeOf(record.channel).toEqualTypeOf<'chunks'>();
      expectTypeOf(record.data.text).toEqualTypeOf<string>();
      expectTypeOf(record.data.turn).toEqualTypeOf<number | undefined>();
      expectTypeOf(record.data.sessionId).toEqualTypeOf<string>();
      expectTypeOf(record.cursor).toEqualTypeOf<string | null>();
      // @ts-expect-error there is no such field
      void record.data.txt;
    },
    onToolCall: ({ data }) => {
      expectTypeOf(data.status).toExtend<ToolStatus>();
      expectTypeOf(data.output).toEqualTypeOf<unknown>();
    },
    onAgentState: ({ data }) => {
      expectTypeOf(data.status).toEqualTypeOf<AgentStatus>();
    },
    onAgentEvent: (record) => {
      if (record.type === 'agent:turn') {
        expectTypeOf(record.data.turn).toEqualTypeOf<number>();
      }
    },
    onEvent: (record) => {
      expectTypeOf(record).toEqualTypeOf<SessionRecord>();
      if (record.channel === 'terminal') {
        expectTypeOf(record.data.data).toEqualTypeOf<string>();
      }
    },
    onError: (error) => {
      expectTypeOf(error).toEqualTypeOf<DurableStreamsError>();
      expectTypeOf(error.code).toEqualTypeOf<DurableStreamsErrorCode>();
      expectTypeOf(error.path).toEqualTypeOf<string | null>();
    },
    onConnectionStateChange: (state, info) => {
      expectTypeOf(state).toEqualTypeOf<ConnectionState>();
      expectTypeOf(info).toEqualTypeOf<ConnectionInfo>();
    },
  });
  expectTypeOf(subscription.getLastOffset()).toEqualTypeOf<number>();
  expectTypeOf(subscription.getLastCursor()).toEqualTypeOf<string | null>();
  expectTypeOf(subscription.getPlace()).toEqualTypeOf<SubscribeFrom | null>();
  // @ts-expect-error no such callback
  subscribeToSession('s', { onChunks: () => undefined });
  // @ts-expect-error a session id is a string
  subscribeToSession(5, {});
});

it('types options and the rest', () => {
  new DurableStreamsClient({ url: 'x', reconnect: { maxAttempts: 3 }, token: async () => 'x', headers: { a: 'b' }, fetch });
  new DurableStreamsClient({ transport: 'long-poll', ephemeral: false, validation: 'lenient', hidden: { pauseAfterMs: 60_000 } }).close();
  // @ts-expect-error no such mode
  new DurableStreamsClient({ validation: 'loose' });
  expectTypeOf<DurableStreamsError['severity']>().toEqualTypeOf<'error' | 'warning'>();
  expectTypeOf<ConnectionInfo['transport']>().toEqualTypeOf<'sse' | 'long-poll'>();
  // @ts-expect-error no such option
  new DurableStreamsClient({ uri: 'x' });
  expectTypeOf<keyof ReconnectConfig>().toEqualTypeOf<'enabled' | 'initialDelay' | 'maxDelay' | 'backoffMultiplier' | 'maxAttempts' | 'jitter'>();
  expectTypeOf<SessionWithPresence['status']>().toEqualTypeOf<SessionStatus>();
  expectTypeOf<Extract<WireEvent, { type: 'chunk' }>['data']['text']>().toEqualTypeOf<string>();
  expectTypeOf(init).returns.toEqualTypeOf<Promise<void>>();
  subscribeToAgent('a', { onState: ({ channel }) => expectTypeOf(channel).toEqualTypeOf<'agentState'>(), onStep: ({ channel }) => expectTypeOf(channel).not.toEqualTypeOf<'agentState'>() });
});
