// The client: one shared stream per session or agent, and the module-level default client.
import type { EventSchemas, NoEvents } from './custom-types.js';
import type { ClientSettings } from './settings.js';
import { agentPath, clientSettings, sessionPath } from './settings.js';
import { openSession } from './session.js';
import type { SessionSeat } from './session.js';
import type { SessionHandle } from './session-types.js';
import { SharedStream } from './stream.js';
import type { AgentStateRecord } from './generated/types.js';
import type { AgentCallbacks, DurableStreamsOptions, SessionCallbacks, SessionRecord, SubscribeOptions, Subscription } from './types.js';

export class DurableStreamsClient<E extends EventSchemas = NoEvents> {
  readonly #settings: ClientSettings;
  readonly #streams = new Map<string, SharedStream>();
  readonly #seats = new Map<string, SessionSeat>();

  constructor(options: DurableStreamsOptions<E> = {}) {
    this.#settings = clientSettings(options);
  }

  /** Reads `{url}/v1/stream/sessions/{sessionId}`. Returns at once; throws only when the session id is none. */
  subscribeToSession(sessionId: string, callbacks: SessionCallbacks<E>, options: SubscribeOptions = {}): Subscription {
    // Beyond this point nothing depends on which event types are registered.
    return this.#stream(sessionPath(sessionId), sessionId).subscribe(callbacks as unknown as SessionCallbacks, options.from ?? null);
  }

  /** Reads `{url}/v1/stream/agents/{agentId}`; the records' `sessionId` is the agent's id there. */
  subscribeToAgent(agentId: string, callbacks: AgentCallbacks<E>, options: SubscribeOptions = {}): Subscription {
    const { onState, onStep, ...status } = callbacks;
    return this.#stream(agentPath(agentId), agentId).subscribe(
      {
        ...(status as SessionCallbacks),
        onEvent: (record) => {
          if (record.channel === 'agentState') {
            onState?.(record);
          } else {
            onStep?.(record as Exclude<SessionRecord, AgentStateRecord>);
          }
        },
      },
      options.from ?? null,
    );
  }

  /** Ends every subscription and every session of this client. Whoever subscribes afterwards starts anew. */
  close(): void {
    for (const seat of this.#seats.values()) {
      void seat.session.close();
    }
    for (const stream of this.#streams.values()) {
      stream.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The session to write to: the same until it is closed. Asks for nothing; throws only when the session id is none. */
  session(sessionId: string): SessionHandle<E> {
    const path = sessionPath(sessionId);
    let seat = this.#seats.get(path);
    if (seat === undefined) {
      seat = openSession(
        sessionId,
        this.#settings,
        (callbacks, options) => this.subscribeToSession(sessionId, callbacks as unknown as SessionCallbacks<E>, options),
        () => this.#streams.has(path),
        () => {
          if (this.#seats.get(path) === seat) {
            this.#seats.delete(path);
            this.#join(path);
          }
        },
      );
      this.#seats.set(path, seat);
      this.#join(path);
    }
    return seat.session as unknown as SessionHandle<E>;
  }

  /** What the stream shows leaves the session's outbox. */
  #join(path: string): void {
    const stream = this.#streams.get(path);
    if (stream !== undefined) {
      stream.settings.seen = this.#seats.get(path)?.seen ?? null;
    }
  }

  #stream(path: string, sessionId: string): SharedStream {
    let stream = this.#streams.get(path);
    if (stream === undefined) {
      stream = new SharedStream(this.#settings.stream(path, sessionId), () => {
        this.#streams.delete(path);
        this.#seats.get(path)?.unfollowed();
      });
      this.#streams.set(path, stream);
      this.#join(path);
    }
    return stream;
  }
}

let shared: DurableStreamsClient | null = null;

/** The default client; `configure` decides how it is made. */
export function getDurableStreamsClient(): DurableStreamsClient {
  shared ??= new DurableStreamsClient();
  return shared;
}

/** Replaces the default client. Subscriptions of the old one go on. */
export function configure(options: DurableStreamsOptions): void {
  shared = new DurableStreamsClient(options);
}

export function subscribeToSession(sessionId: string, callbacks: SessionCallbacks, options?: SubscribeOptions): Subscription {
  return getDurableStreamsClient().subscribeToSession(sessionId, callbacks, options);
}

export function subscribeToAgent(agentId: string, callbacks: AgentCallbacks, options?: SubscribeOptions): Subscription {
  return getDurableStreamsClient().subscribeToAgent(agentId, callbacks, options);
}
