// The client: one shared stream per session or agent, and the module-level default client.
import type { EventSchemas, NoEvents } from './custom-types.js';
import type { ClientSettings } from './settings.js';
import { agentPath, clientSettings, sessionPath } from './settings.js';
import { SharedStream } from './stream.js';
import type { AgentStateRecord } from './generated/types.js';
import type { AgentCallbacks, DurableStreamsOptions, SessionCallbacks, SessionRecord, SubscribeOptions, Subscription } from './types.js';

export class DurableStreamsClient<E extends EventSchemas = NoEvents> {
  readonly #settings: ClientSettings;
  readonly #streams = new Map<string, SharedStream>();

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

  #stream(path: string, sessionId: string): SharedStream {
    let stream = this.#streams.get(path);
    if (stream === undefined) {
      stream = new SharedStream(this.#settings.stream(path, sessionId), () => this.#streams.delete(path));
      this.#streams.set(path, stream);
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
