// One application's callbacks on a stream. A callback that throws is reported and never reaches the delivery loop.
import type { CustomCallbacks, CustomRecord, EventSchemas } from './custom-types.js';
import { DurableStreamsError, inWords } from './errors.js';
import type { Feed } from './feed.js';
import { CHANNEL_INDEX_OF_KIND, CHANNELS } from './generated/records.js';
import type { Channel } from './generated/types.js';
import type { ConnectionInfo, ConnectionLostInfo, ConnectionState, Logger, SessionCallbacks, SessionRecord } from './types.js';

type RecordCallback = ((record: never) => void) | undefined;

const UNKNOWN_CHANNEL_INDEX = CHANNELS.indexOf('unknown');

function callbackOf(callbacks: SessionCallbacks, channel: Channel): RecordCallback {
  switch (channel) {
    case 'chunks':
      return callbacks.onChunk;
    case 'toolCalls':
      return callbacks.onToolCall;
    case 'presence':
      return callbacks.onPresence;
    case 'terminal':
      return callbacks.onTerminal;
    case 'workflow':
      return callbacks.onWorkflow;
    case 'agentState':
      return callbacks.onAgentState;
    case 'agent':
      return callbacks.onAgentEvent;
    case 'containerAgent':
      return callbacks.onContainerAgent;
    case 'topology':
      return callbacks.onTopology;
    case 'unknown':
      return callbacks.onUnknownEvent;
  }
}

export class Subscriber {
  active = true;
  /** Records up to this offset have been delivered by an earlier connection. */
  after: number;
  feed: Feed | null = null;
  #last: Pick<Feed, 'offset' | 'cursor' | 'stats'> | null = null;
  state: ConnectionState = 'disconnected';
  readonly #callbacks: SessionCallbacks;
  readonly #logger: Logger;
  /** Indexed like CHANNELS; looked up once, since this is asked for every record. */
  readonly #byChannel: RecordCallback[];

  constructor(callbacks: SessionCallbacks, logger: Logger, after: number) {
    this.#callbacks = callbacks;
    this.#logger = logger;
    this.after = after;
    this.#byChannel = CHANNELS.map((channel) => callbackOf(callbacks, channel));
  }

  /** How far it has come; what it was at its end, after that. */
  get place(): Pick<Feed, 'offset' | 'cursor' | 'stats'> {
    const { offset, cursor, stats } = (this.feed ?? this.#last) as Feed;
    return { offset: Math.max(offset, this.after), cursor, stats };
  }

  end(): void {
    this.#last = this.place;
    this.feed = null;
    this.active = false;
    this.state = 'disconnected';
  }

  record(record: SessionRecord | CustomRecord, kind: number, uncounted: boolean): void {
    if (!this.active || (record.offset <= this.after && !uncounted)) {
      return;
    }
    const index = CHANNEL_INDEX_OF_KIND[kind];
    const typed = index === undefined && record.channel === 'custom' ? this.#custom(record.type) : this.#byChannel[index ?? UNKNOWN_CHANNEL_INDEX];
    if (typed !== undefined) {
      try {
        typed.call(this.#callbacks, record as never);
      } catch (error) {
        this.#callbackFailed(error, record);
      }
    }
    if (this.#callbacks.onEvent !== undefined && this.active) {
      try {
        this.#callbacks.onEvent(record as SessionRecord);
      } catch (error) {
        this.#callbackFailed(error, record);
      }
    }
  }

  error(error: DurableStreamsError): void {
    if (!this.active || this.#callbacks.onError === undefined) {
      return;
    }
    try {
      this.#callbacks.onError(error);
    } catch (thrown) {
      this.#logger.error('durable-sessions: onError threw', thrown);
    }
  }

  stateChanged(state: ConnectionState, info: ConnectionInfo): void {
    this.state = state;
    this.#call('onConnectionStateChange', (callbacks) => callbacks.onConnectionStateChange?.(state, info));
  }

  lost(info: ConnectionLostInfo): void {
    this.#call('onConnectionLost', (callbacks) => callbacks.onConnectionLost?.(info));
  }

  reconnected(): void {
    this.#call('onReconnect', (callbacks) => callbacks.onReconnect?.());
  }

  disconnected(): void {
    this.#call('onDisconnect', (callbacks) => callbacks.onDisconnect?.());
  }

  closed(): void {
    this.#call('onClosed', (callbacks) => callbacks.onClosed?.());
  }

  #custom(type: string): RecordCallback {
    // The client's types have made sure that these are callbacks of registered types.
    const on = this.#callbacks.on as CustomCallbacks<EventSchemas> | undefined;
    // A type may be called like anything that every object inherits.
    return on !== undefined && Object.hasOwn(on, type) ? on[type] : undefined;
  }

  #call(name: string, run: (callbacks: SessionCallbacks) => void): void {
    if (!this.active) {
      return;
    }
    try {
      run(this.#callbacks);
    } catch (error) {
      this.error(new DurableStreamsError('CALLBACK_FAILED', `${name} threw: ${inWords(error)}`, { cause: error }));
    }
  }

  #callbackFailed(error: unknown, record: SessionRecord | CustomRecord): void {
    this.error(
      new DurableStreamsError('CALLBACK_FAILED', `a callback for ${record.type} threw: ${inWords(error)}`, {
        eventType: record.type,
        offset: record.offset,
        cause: error,
      }),
    );
  }
}
