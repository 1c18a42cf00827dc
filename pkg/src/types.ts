/// <reference lib="esnext.disposable" preserve="true" />
// The public vocabulary of the package: options, states, callbacks, the subscription handle.
// Must not know: wasm, the batch layout, fetch bodies.

import type { CustomCallbacks, CustomRecords, DefinedEvents, EventSchemas, NoEvents } from './custom-types.js';
import type { DurableStreamsError } from './errors.js';
import type { SendingConfig } from './session-types.js';
import type {
  AgentRecord,
  AgentStateRecord,
  ChannelRecord,
  ChunksRecord,
  ContainerAgentRecord,
  PresenceRecord,
  TerminalRecord,
  ToolCallsRecord,
  TopologyRecord,
  UnknownRecord,
  WorkflowRecord,
} from './generated/types.js';

/** A piece of streaming text. */
export type ChunkRecord = ChunksRecord;
/** The start or the result of a tool call. */
export type ToolCallRecord = ToolCallsRecord;
/** A record of any channel, told apart by `channel`. */
export type SessionRecord = ChannelRecord;

/** How reconnecting goes about it. Delay before attempt n: `min(initialDelay * backoffMultiplier^(n-1), maxDelay)`. */
export interface ReconnectConfig {
  /** Reconnect at all. Default true; when false the first failure ends in 'disconnected'. */
  enabled: boolean;
  /** Milliseconds before the first attempt. Default 1000. */
  initialDelay: number;
  /** Upper bound of the delay in milliseconds. Default 30000. */
  maxDelay: number;
  /** Default 2. */
  backoffMultiplier: number;
  /** Consecutive failed attempts before the connection counts as lost. Default 10. */
  maxAttempts: number;
  /** Full jitter: the delay is drawn from 0 to the computed one. Default true. */
  jitter: boolean;
}

/** 'lost' is final until `reconnect()` or another subscription to the same stream, 'closed' for good: the stream itself has ended. */
export type ConnectionState = 'disconnected' | 'connecting' | 'connected' | 'reconnecting' | 'lost' | 'closed';

/** How a stream is read: as it comes, or by one request after another where something on the way holds it back. */
export type Transport = 'sse' | 'long-poll';
/** 'auto' begins with SSE. */
export type TransportOption = Transport | 'auto';

/** What is going on behind a state, for a user interface. */
export interface ConnectionInfo {
  /** Consecutive attempts that have failed; 0 while connected. */
  attempt: number;
  /** The configured `maxAttempts`. */
  maxAttempts: number;
  /** Milliseconds until the next attempt, when one is scheduled. */
  nextDelayMs: number | null;
  /** Why the connection is in this state, when something failed. */
  cause: string | null;
  transport: Transport;
}

/** Why a connection was given up. */
export interface ConnectionLostInfo {
  /** Stable code of the last cause. */
  code: string;
  /** Attempts that were made. */
  attempts: number;
  /** The last cause in words. */
  cause: string;
  /** Where `reconnect()` will resume, null for the beginning. */
  cursor: string | null;
}

/** Counters of one network connection, shared by its subscribers. */
export interface SubscriptionStats {
  /** Bytes of response bodies read. */
  bytes: number;
  /** Valid events, unknown types included. */
  events: number;
  /** Events and frames that failed validation. */
  rejected: number;
  /** Deliveries from wasm: one per network chunk, or per 64 KiB of one. */
  batches: number;
  /** Connections opened, rotations included. */
  connections: number;
  /** Consecutive attempts that have failed. */
  attempt: number;
  /** Milliseconds the running reconnect delay was set to, null when none is running. */
  nextDelayMs: number | null;
  /** True once the server said that nothing newer is stored. */
  upToDate: boolean;
}

/** A bearer token, or what yields one: called before every request, and once more after a 401. Cache in it, no longer than the token lives. */
export type TokenSource = string | (() => string | Promise<string>);

/** Where log lines go; `console` fits. */
export interface Logger {
  error(message: string, details?: unknown): void;
  warn(message: string, details?: unknown): void;
}

/** The part of `fetch` that the client calls. */
export type FetchLike = (url: string, init: FetchInit) => Promise<Response>;
export interface FetchInit {
  method: string;
  headers: Record<string, string>;
  signal: AbortSignal;
  cache: 'no-store';
  /** Of what is sent: JSON. */
  body?: BodyInit;
  /** The request may outlive the page. */
  keepalive?: boolean;
}

/** Time, as the client needs it; `globalThis` fits, and so does the clock of `durable-sessions/testing`. */
export interface Clock {
  setTimeout(run: () => void, afterMs: number): unknown;
  clearTimeout(timer: never): void;
  Date: { now(): number };
}

export interface DurableStreamsOptions<E extends EventSchemas = NoEvents> {
  /** Base URL of the server, for example `https://example.org`; `/v1/stream/…` is appended. Default: the page's own origin. */
  url?: string;
  reconnect?: Partial<ReconnectConfig>;
  token?: TokenSource;
  /** Sent with every request. From a page of another origin the server has to permit them: ours permits only those that it knows itself. */
  headers?: Record<string, string>;
  /** Used instead of the global `fetch`. */
  fetch?: FetchLike;
  /** Default: `console`. */
  logger?: Logger;
  /** Silence for this long counts as a failed connection; 0 turns it off. Default 45000: three of the server's pings. */
  silenceMs?: number;
  /** Largest SSE frame that is accepted. Default 16 MiB. */
  frameBytesMax?: number;
  /**
   * Default 'auto': SSE, and long-poll where SSE does not get through; SSE is tried again by `reconnect()` and every five
   * minutes.
   */
  transport?: TransportOption;
  /** Also receive what is told in passing and not stored, such as cursors of others. Default true. */
  ephemeral?: boolean;
  /**
   * What happens to an event that breaks the schema. 'strict', the default: `onError` hears of it, and it is not delivered.
   * 'lenient': it is delivered to `onUnknownEvent` and `onEvent`, with a warning to `onError`. 'off': the same without one.
   */
  validation?: 'strict' | 'lenient' | 'off';
  /** Let go of connections while the page is hidden, after so many milliseconds. Default 'keep': never. */
  hidden?: 'keep' | { pauseAfterMs: number };
  sending?: Partial<SendingConfig>;
  /** Default: `globalThis`. */
  clock?: Clock;
  /** Event types of the application's own: what `defineEvents` made. */
  events?: DefinedEvents<E>;
}

/** A place in a stream: what `getPlace()` gave. A record's own cursor and offset are one only where the server counts its messages, as ours does. */
export interface SubscribeFrom {
  cursor: string;
  offset: number;
}

export interface SubscribeOptions {
  /** Begin just after this place instead of at the start, for example where an earlier page left off. */
  from?: SubscribeFrom | null;
}

type Callback<T> = (value: T) => void;

export interface StatusCallbacks {
  onError?: Callback<DurableStreamsError>;
  /** Connected again after a failure. Rotation is no failure. */
  onReconnect?: () => void;
  onDisconnect?: () => void;
  onConnectionStateChange?: (state: ConnectionState, info: ConnectionInfo) => void;
  onConnectionLost?: Callback<ConnectionLostInfo>;
  /** The stream has ended; every event has been delivered. */
  onClosed?: () => void;
}

export interface SessionCallbacks<E = NoEvents> extends StatusCallbacks {
  onChunk?: Callback<ChunkRecord>;
  onToolCall?: Callback<ToolCallRecord>;
  onPresence?: Callback<PresenceRecord>;
  onTerminal?: Callback<TerminalRecord>;
  onWorkflow?: Callback<WorkflowRecord>;
  onAgentState?: Callback<AgentStateRecord>;
  onAgentEvent?: Callback<AgentRecord>;
  onContainerAgent?: Callback<ContainerAgentRecord>;
  onTopology?: Callback<TopologyRecord>;
  /** Every record of every channel, after its typed callback; unknown types too. */
  onEvent?: Callback<SessionRecord | CustomRecords<E>>;
  /** By type: events that the client's option `events` names, as their schemas made them. */
  on?: CustomCallbacks<E>;
  /** An event type that this version does not know. */
  onUnknownEvent?: Callback<UnknownRecord>;
}

export interface AgentCallbacks<E = NoEvents> extends StatusCallbacks {
  onState?: Callback<AgentStateRecord>;
  /** Everything else on the agent's stream. */
  onStep?: Callback<Exclude<SessionRecord, AgentStateRecord> | CustomRecords<E>>;
  /** By type: events that the client's option `events` names, as their schemas made them. */
  on?: CustomCallbacks<E>;
}

export interface Subscription {
  /** Stops delivery at once; the last subscriber's unsubscribe aborts the request. */
  unsubscribe(): void;
  /** Starts anew from the cursor with a fresh count of attempts; after 'lost' this, or another subscription to the same stream, is the way on. */
  reconnect(): void;
  /** False once it has ended: by `unsubscribe()`, or by the client's `close()`. */
  isActive(): boolean;
  getState(): ConnectionState;
  /** Count of events from the start of the stream. */
  getLastOffset(): number;
  /** Resume point, null before the first one is known. */
  getLastCursor(): string | null;
  /** The last place at which the server named a cursor: `from` of another subscription. It may stand before the last record. */
  getPlace(): SubscribeFrom | null;
  getStats(): SubscriptionStats;
  [Symbol.dispose]?(): void;
}
