// The client: one shared stream per session or agent, and the module-level default client.
import type { EventSchemas, NoEvents } from './custom-types.js';
import type { ClientSettings } from './settings.js';
import { agentPath, clientSettings, sessionPath } from './settings.js';
import { openSession } from './session.js';
import type { SessionSeat } from './session.js';
import type { SessionHandle } from './session-types.js';
import type { SharedStream } from './stream.js';
import { shareStream } from './stream.js';
import type { AgentCallbacks, DurableStreamsOptions, SessionCallbacks, SessionRecord, SubscribeOptions, Subscription } from './types.js';

/** What there is of one path: a stream while somebody follows it, a session until it is closed. */
interface Place {
  stream?: SharedStream | undefined;
  seat?: SessionSeat | undefined;
}

export class DurableStreamsClient<E extends EventSchemas = NoEvents> {
  readonly #settings: ClientSettings;
  readonly #places = new Map<string, Place>();

  constructor(options: DurableStreamsOptions<E> = {}) {
    this.#settings = clientSettings(options);
  }

  /** Reads `{url}/v1/stream/sessions/{sessionId}`. Returns at once; throws only when the session id is none. */
  subscribeToSession(sessionId: string, callbacks: SessionCallbacks<E>, options?: SubscribeOptions): Subscription {
    // Beyond this point nothing depends on which event types are registered.
    return this.#subscribe(sessionPath(sessionId), sessionId, callbacks as unknown as SessionCallbacks, options);
  }

  /** Reads `{url}/v1/stream/agents/{agentId}`; the records' `sessionId` is the agent's id there. */
  subscribeToAgent(agentId: string, callbacks: AgentCallbacks<E>, options?: SubscribeOptions): Subscription {
    const onEvent = (record: SessionRecord) => {
      if (record.channel === 'agentState') {
        callbacks.onState?.(record);
      } else {
        callbacks.onStep?.(record);
      }
    };
    // No copy: the callbacks may be inherited, and may use their object.
    return this.#subscribe(agentPath(agentId), agentId, callbacks as SessionCallbacks, options, onEvent);
  }

  /** Ends every subscription and every session of this client. Whoever subscribes afterwards starts anew. */
  close(): void {
    for (const { stream, seat } of this.#places.values()) {
      void seat?.session.close();
      stream?.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The session to write to: the same until it is closed. Asks for nothing; throws only when the session id is none. */
  session(sessionId: string): SessionHandle<E> {
    const path = sessionPath(sessionId);
    const place = this.#place(path);
    const seat = (place.seat ??= openSession(
      sessionId,
      this.#settings,
      (callbacks, options) => this.subscribeToSession(sessionId, callbacks as unknown as SessionCallbacks<E>, options),
      () => place.stream !== undefined,
      () => {
        if (place.seat === seat) {
          place.seat = undefined;
          this.#tidy(path, place);
        }
      },
    ));
    return seat.session as unknown as SessionHandle<E>;
  }

  #subscribe(path: string, sessionId: string, callbacks: SessionCallbacks, { from }: SubscribeOptions = {}, onEvent?: SessionCallbacks['onEvent']): Subscription {
    const place = this.#place(path);
    place.stream ??= shareStream(
      // What the stream shows leaves the session's outbox.
      { ...this.#settings, url: `${this.#settings.baseUrl}/v1/stream/${path}`, sessionId, seen: (id) => place.seat?.seen(id) },
      () => {
        place.stream = undefined;
        this.#tidy(path, place);
        place.seat?.unfollowed();
      },
    );
    return place.stream.subscribe(callbacks, from ?? null, onEvent);
  }

  #place(path: string): Place {
    const place = this.#places.get(path) ?? {};
    this.#places.set(path, place);
    return place;
  }

  #tidy(path: string, place: Place): void {
    if (!place.stream && !place.seat) {
      this.#places.delete(path);
    }
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
