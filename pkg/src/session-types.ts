/// <reference lib="esnext.disposable" preserve="true" />
// The public vocabulary of sending and presence. Must not know how a request is made.
import type { NoEvents } from './custom-types.js';
import type { DurableStreamsError } from './errors.js';
import type { PresenceSeat } from './presence.js';
import type { CursorPosition, Meta, WireEvent } from './generated/types.js';
import type { SessionCallbacks, SubscribeOptions, Subscription } from './types.js';

/** The payload of an event type; an application's own types carry anything. */
export type EventData<T extends string> = T extends WireEvent['type'] ? Extract<WireEvent, { type: T }>['data'] : unknown;

/** An event to send: a type of the catalogue with its payload, or a type of the application's own. */
export interface EventInput<T extends string = string> {
  type: T;
  data: EventData<T>;
  /** Unique within the session, 1 to 256 characters. Default: a random one. */
  id?: string;
  /** Unix milliseconds. Default: now. */
  timestamp?: number;
  meta?: Meta;
}

/** An event as it is sent: `id` and `timestamp` are there. */
export type SentEvent = EventInput & { id: string; timestamp: number };

/** What the server has acknowledged. */
export interface Sent {
  id: string;
  /** Reading from here goes on after the batch that the event was in; null when the server did not say. */
  cursor: string | null;
}

/** An event that is on its way, or was given up. */
export interface OutboxEntry {
  readonly id: string;
  readonly event: SentEvent;
  /**
   * 'pending': waits for its turn. 'sending': in the request that is under way, or waits to be tried again. 'sent': the
   * server has it, and the client's subscription of this session has not delivered it yet. 'failed': given up, a dead letter.
   */
  readonly state: 'pending' | 'sending' | 'sent' | 'failed';
  /** Requests made for it. */
  readonly attempts: number;
  /** Why the last of them failed. */
  readonly cause: DurableStreamsError | null;
}

/** An event that was given up. */
export interface DeadLetter {
  readonly event: SentEvent;
  readonly reason: DurableStreamsError;
  readonly attempts: number;
  /** A request for it had no answer, so that the server may have stored it nevertheless. */
  readonly inDoubt: boolean;
}

/** What was sent and is not in the stream yet, for screens that show it at once. Fits React's `useSyncExternalStore`. */
export interface Outbox {
  /** Calls `listener` after every change; returns how to stop that. */
  subscribe(listener: () => void): () => void;
  /** In the order of sending; the same array until something changes. An entry goes when its event is in the stream. */
  getSnapshot(): readonly OutboxEntry[];
  /** Sends a dead letter again, at the end, with what was in its `sendAll`. Resolves with nothing if it is none. */
  retry(id: string): Promise<readonly Sent[]>;
  /** Forgets a dead letter and what was in its `sendAll`. */
  discard(id: string): void;
}

export interface PresenceIdentity {
  /** Must be the caller, where the server knows who that is. */
  userId: string;
  displayName?: string;
  avatarUrl?: string;
}

/** What the server says to a join: without a heartbeat the user is gone at `expiresAt`, in Unix milliseconds. */
export interface PresenceLease {
  userId: string;
  connectionId: string;
  expiresAt: number;
}

/** Somebody who is there, with all their connections. */
export interface PresentUser extends PresenceIdentity {
  cursor?: CursorPosition | null;
  activeFile?: string | null;
  /** Unix milliseconds. */
  joinedAt: number;
  /** Unix milliseconds. */
  lastSeenAt: number;
  connections: number;
}

export interface SessionPresence {
  /** Says who is there, and again by heartbeats every 20 s until `leave()` or a refusal. Leaves by itself on `pagehide`. */
  join(identity: PresenceIdentity): Promise<PresenceLease>;
  /** Says where the user points; at most one request per `cursorMs`, with the newest place. Nothing before `join`. */
  cursor(position: CursorPosition, activeFile?: string): void;
  leave(): Promise<void>;
  /** Who is there now. */
  list(): Promise<readonly PresentUser[]>;
}

export interface SessionHandle<E = NoEvents> {
  readonly id: string;
  /** @internal */
  readonly presenceSeat?: PresenceSeat;
  readonly outbox: Outbox;
  /**
   * Appends an event, after all that was sent before, once. Resolves when the server has stored it; rejects when it was
   * refused or given up, which is also told to `onDeadLetter` and the log, so that the promise may be left alone.
   */
  send<T extends string>(event: EventInput<T>): Promise<Sent>;
  /** Appends events as one: all of them are stored next to each other, or none. */
  sendAll<T extends readonly string[]>(events: readonly [...{ [I in keyof T]: EventInput<T[I]> }]): Promise<readonly Sent[]>;
  /** Resolves when everything that was sent is settled. */
  flush(): Promise<void>;
  /** Calls `listener` for every event that is given up; returns how to stop that. */
  onDeadLetter(listener: (letter: DeadLetter) => void): () => void;
  /** `client.subscribeToSession`. */
  subscribe(callbacks: SessionCallbacks<E>, options?: SubscribeOptions): Subscription;
  /** Takes nothing more to send, leaves, and resolves when what was sent is settled. Subscriptions go on. */
  close(): Promise<void>;
  [Symbol.dispose]?(): void;
}

/** Bounds of sending, per session. */
export interface SendingConfig {
  /** Events in the outbox. Default 1000; beyond, sent and failed ones make room, then `send` rejects with OUTBOX_FULL. */
  eventsMax: number;
  /** Characters of their JSON. Default 4194304. */
  bytesMax: number;
  /** Milliseconds between two presence updates. Default 50. */
  cursorMs: number;
}
