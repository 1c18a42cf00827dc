// The only module that imports the package. It subscribes to one session and hands everything on in the page's words.

import {
  type ConnectionInfo,
  type ConnectionLostInfo,
  DurableStreamsClient,
  type DurableStreamsError,
  init,
  type SessionRecord,
  type Subscription,
} from 'durable-sessions';

import type { ConnectionDetail, ConnectionWord, Fault, Fields, Rejection, SessionEvent } from './events';
import type { Network } from './network';

export interface FeedOptions {
  readonly url: string;
  readonly token: string | null;
  readonly session: string;
  readonly network: Network;
  readonly reconnect: Readonly<Partial<{ initialDelay: number; maxDelay: number; maxAttempts: number }>>;
}

export interface FeedListener {
  event(event: SessionEvent): void;
  /** The record as the package delivered it, before translation. */
  record(record: unknown): void;
  rejected(rejection: Rejection): void;
  error(error: unknown): void;
  fault(fault: Fault): void;
  moved(word: ConnectionWord, detail: ConnectionDetail | null): void;
  lost(reason: string): void;
  closed(): void;
}

export interface Feed {
  reconnect(): void;
  cursor(): string | null;
  stop(): void;
}

const REJECTION_CODES: ReadonlySet<string> = new Set(['INVALID_EVENT', 'INVALID_JSON']);

/** Starts loading the WebAssembly module, so that it is there when the first session is opened. */
export function preload(): void {
  // A failure is reported by the subscription that needs the module, with a place to show it.
  init().catch(() => undefined);
}

export function openFeed(options: FeedOptions, listener: FeedListener): Feed {
  const client = new DurableStreamsClient({
    url: options.url,
    fetch: options.network.fetch,
    reconnect: options.reconnect,
    ...(options.token === null ? {} : { token: options.token }),
  });
  // No cursor is given: the page keeps no copy of the session, so after a reload it reads the stream from its start
  // and rebuilds the same view. Nothing can be missing or shown twice. Within one page life the client resumes from
  // its cursor after every cut.
  const subscription: Subscription = client.subscribeToSession(options.session, {
    onEvent: (record) => {
      listener.record(record);
      listener.event(toEvent(record));
    },
    onError: (error) => {
      listener.error(error);
      if (REJECTION_CODES.has(error.code)) listener.rejected(toRejection(error));
      else listener.fault({ code: error.code, message: error.message });
    },
    onConnectionStateChange: (state, info) => listener.moved(state, toDetail(info)),
    onConnectionLost: (lost) => listener.lost(lostReason(lost)),
    onClosed: () => listener.closed(),
  });
  return {
    reconnect: () => subscription.reconnect(),
    cursor: () => subscription.getLastCursor(),
    stop: () => subscription.unsubscribe(),
  };
}

function toEvent(record: SessionRecord): SessionEvent {
  return {
    type: record.type,
    data: record.data as unknown as Fields,
    timestamp: record.data.timestamp,
    offset: record.offset,
    id: record.id,
  };
}

function toRejection(error: DurableStreamsError): Rejection {
  return {
    code: error.code,
    message: error.message,
    eventType: error.eventType,
    path: error.path,
    expected: error.expected,
    came: error.came === '' ? 'nothing' : error.came,
    offset: error.offset,
  };
}

const FATAL: Readonly<Record<string, string>> = {
  SESSION_NOT_FOUND: 'There is no such session on this server.',
  UNAUTHORIZED: 'The server refused the access token.',
  FORBIDDEN: 'This token gives no right to read the session.',
};

function lostReason({ cause, code, attempts }: ConnectionLostInfo): string {
  const fatal = FATAL[code];
  if (fatal !== undefined) return fatal;
  const ended = /[.!?]$/.test(cause) ? cause : `${cause}.`;
  const gaveUp = attempts > 1 ? `Gave up after ${attempts} attempts` : 'Gave up at once';
  // The general code says no more than the sentence does.
  return code === 'CONNECTION_LOST' ? `${ended} ${gaveUp}.` : `${ended} ${gaveUp} (${code}).`;
}

function toDetail(info: ConnectionInfo): ConnectionDetail {
  return { attempt: info.attempt, maxAttempts: info.maxAttempts, nextDelayMs: info.nextDelayMs, cause: info.cause };
}
