// One application's callbacks on a stream. A callback that throws is reported and never reaches the delivery loop.
import type { CustomRecord } from './custom-types.js';
import { DurableStreamsError, inWords } from './errors.js';
import type { Feed } from './feed.js';
import type { CHANNELS } from './generated/records.js';
import { CHANNEL_INDEX_OF_KIND } from './generated/records.js';
import type { ConnectionState, Logger, SessionCallbacks, SessionRecord, StatusCallbacks } from './types.js';

type RecordCallback = ((record: never) => void) | undefined;
type Told<N extends keyof StatusCallbacks> = Parameters<NonNullable<StatusCallbacks[N]>>;
/** How far a subscriber has come. */
type Reached = Pick<Feed, 'offset' | 'cursor' | 'place' | 'stats'>;

interface CallbackOf {
  chunks: 'onChunk';
  toolCalls: 'onToolCall';
  presence: 'onPresence';
  terminal: 'onTerminal';
  workflow: 'onWorkflow';
  agentState: 'onAgentState';
  agent: 'onAgentEvent';
  containerAgent: 'onContainerAgent';
  topology: 'onTopology';
  unknown: 'onUnknownEvent';
}
type CallbacksOf<Channels extends readonly (keyof CallbackOf)[]> = { readonly [I in keyof Channels]: CallbackOf[Channels[I]] };
/** In the order of CHANNELS, which their type checks. */
const CALLBACKS: CallbacksOf<typeof CHANNELS> = [
  'onChunk',
  'onToolCall',
  'onPresence',
  'onTerminal',
  'onWorkflow',
  'onAgentState',
  'onAgentEvent',
  'onContainerAgent',
  'onTopology',
  'onUnknownEvent',
];

export interface Subscriber {
  /** Until it is ended. */
  active: boolean;
  /** Records up to this offset have been delivered by an earlier connection. */
  after: number;
  feed: Feed | null;
  state: ConnectionState;
  reached(): Reached;
  end(): void;
  record(record: SessionRecord | CustomRecord, kind: number, uncounted: boolean): void;
  /** Calls one of the callbacks that get no records. */
  tell<N extends keyof StatusCallbacks>(name: N, ...told: Told<N>): void;
}

export function createSubscriber(callbacks: SessionCallbacks, logger: Logger, after: number, onEvent = callbacks.onEvent): Subscriber {
  // Looked up once, since this is asked for every record. Beyond the schema's kinds are the unknown ones.
  const byChannel = CALLBACKS.map((name) => callbacks[name] as RecordCallback);
  const unknown = callbacks.onUnknownEvent as RecordCallback;
  let last: Reached;

  const callbackOf = (kind: number, { channel, type }: SessionRecord | CustomRecord): RecordCallback => {
    const index = CHANNEL_INDEX_OF_KIND[kind];
    if (index !== undefined) {
      return byChannel[index];
    }
    // A type may be called like anything that every object inherits.
    const { on } = callbacks as { on?: Record<string, RecordCallback> };
    return channel !== 'custom' ? unknown : on && Object.hasOwn(on, type) ? on[type] : undefined;
  };
  const deliver = (callback: RecordCallback, record: SessionRecord | CustomRecord) => {
    if (callback && self.active) {
      try {
        callback.call(callbacks, record as never);
      } catch (cause) {
        const { type: eventType, offset } = record;
        self.tell('onError', new DurableStreamsError('CALLBACK_FAILED', `a callback for ${eventType} threw: ${inWords(cause)}`, { eventType, offset, cause }));
      }
    }
  };
  const self: Subscriber = {
    active: true,
    after,
    feed: null,
    state: 'disconnected',
    reached: () => {
      // What it was at its end, after that.
      const { offset, cursor, place, stats } = self.feed ?? last;
      return { offset: Math.max(offset, self.after), cursor, place, stats };
    },
    end: () => {
      last = self.reached();
      self.feed = null;
      self.active = false;
      self.state = 'disconnected';
    },
    record: (record, kind, uncounted) => {
      if (record.offset > self.after || uncounted) {
        // Before the callbacks: whatever becomes of the connection meanwhile, it is not delivered again.
        self.after = Math.max(self.after, record.offset);
        deliver(callbackOf(kind, record), record);
        deliver(onEvent as RecordCallback, record);
      }
    },
    tell: (name, ...told) => {
      if (self.active) {
        try {
          (callbacks as Record<string, ((...told: unknown[]) => void) | undefined>)[name]?.(...told);
        } catch (cause) {
          if (name === 'onError') {
            logger.error('durable-sessions: onError threw', cause);
          } else {
            self.tell('onError', new DurableStreamsError('CALLBACK_FAILED', `${name} threw: ${inWords(cause)}`, { cause }));
          }
        }
      }
    },
  };
  return self;
}
