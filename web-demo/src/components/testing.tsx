// A session for tests of components: what the client would deliver is written by hand, and frames come when told.

import type { ConnectionInfo, ConnectionLostInfo, ConnectionState, SessionCallbacks, SessionHandle, SessionRecord, Subscription } from 'durable-sessions';
import { DurableSessionsProvider, type ReactClient } from 'durable-sessions/react';
import type { ReactNode } from 'react';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';

type Fields = Record<string, unknown>;

const CHANNELS: Readonly<Record<string, string>> = { chunk: 'chunks', tool: 'toolCalls', presence: 'presence', terminal: 'terminal', approval: 'workflow', agent: 'agent', state: 'agentState' };

/** A record as the package delivers it. */
export function record(offset: number, type: string, data: Fields, timestamp = 1_000): SessionRecord {
  const [prefix = '', action] = type.split(':');
  const mapped = { ...(prefix === 'tool' ? { status: action === 'start' ? 'running' : data['isError'] === true ? 'error' : 'complete' } : prefix === 'presence' ? { action } : { type }), ...data };
  return { channel: CHANNELS[prefix] ?? 'unknown', type, id: `e${offset}`, offset, cursor: `c${offset}`, data: { sessionId: 's', timestamp, ...mapped } } as unknown as SessionRecord;
}

export class FakeSession {
  readonly sent: unknown[] = [];
  outbox: readonly { id: string; event: never; state: 'pending' | 'failed'; cause: { message: string } | null }[] = [];
  readonly moved: string[] = [];
  #callbacks: SessionCallbacks = {};
  #frames: (() => void)[] = [];

  readonly client: ReactClient = {
    subscribeToSession: (_id, callbacks) => {
      this.#callbacks = callbacks;
      return { unsubscribe: () => undefined, reconnect: () => this.moved.push('reconnect'), getPlace: () => null } as unknown as Subscription;
    },
    session: () =>
      ({
        outbox: { subscribe: () => () => undefined, getSnapshot: () => this.outbox, retry: () => Promise.resolve([]), discard: () => undefined },
        send: (event: unknown) => {
          this.sent.push(event);
          return Promise.resolve({ id: 'x', cursor: null });
        },
        presence: { join: () => Promise.resolve({}), leave: () => Promise.resolve(), cursor: () => undefined },
      }) as unknown as SessionHandle,
  };

  deliver(...records: SessionRecord[]): void {
    for (const each of records) this.#callbacks.onEvent?.(each);
  }

  move(state: ConnectionState, info: Partial<ConnectionInfo> = {}): void {
    this.#callbacks.onConnectionStateChange?.(state, { attempt: 0, maxAttempts: 10, nextDelayMs: null, cause: null, transport: 'sse', ...info });
  }

  lose(info: Partial<ConnectionLostInfo>): void {
    this.#callbacks.onConnectionLost?.({ code: 'CONNECTION_LOST', attempts: 1, cause: 'no connection', cursor: null, ...info });
  }

  /** Renders below a provider, lets `happen` happen, and gives what is shown then. */
  show(node: ReactNode, happen: (session: this) => void = () => undefined, look: (place: HTMLElement) => void = () => undefined): HTMLElement {
    const place = document.createElement('div');
    document.body.append(place);
    const root = createRoot(place);
    const scheduler = { schedule: (task: () => void) => (this.#frames.push(task), () => undefined), now: () => Date.now() };
    flushSync(() => root.render(<DurableSessionsProvider client={this.client} storeOptions={{ scheduler }}>{node}</DurableSessionsProvider>));
    const frame = () => flushSync(() => this.#frames.splice(0).forEach((task) => task()));
    happen(this);
    frame();
    look(place);
    frame();
    const made = place.cloneNode(true) as HTMLElement;
    root.unmount();
    place.remove();
    return made;
  }
}
