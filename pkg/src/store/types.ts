// The public vocabulary of the session store: the snapshot and what stands in it. Must not know how any of it is made.
// Everything is immutable: what changes is replaced, what does not keeps its identity.

import type { CustomRecords, NoEvents } from '../custom-types.js';
import type { ConnectionInfo, ConnectionLostInfo, ConnectionState, SessionRecord } from '../types.js';
import type { DurableStreamsError } from '../errors.js';
import type { MessageRole, ToolStatus } from '../generated/types.js';

/** What every entry of a list has. */
export interface ItemBase {
  /** Unique in its list and stable while the item lives: fit for a list key of a user interface. */
  readonly key: string;
  /** Offset of its first event that is held. Echoes stand behind everything and have Infinity. */
  readonly offset: number;
  /** Unix milliseconds, as the producer wrote them in its first event. */
  readonly timestamp: number;
}

/** Text, rebuilt from its chunks: one per message id, or per agent, turn and stretch between two tool calls. */
export interface MessageItem extends ItemBase {
  readonly kind: 'message';
  readonly agentId: string | null;
  readonly turn: number | null;
  readonly messageId: string | null;
  readonly role: MessageRole;
  readonly text: string;
  /** How many events the text came in. */
  readonly chunks: number;
  readonly lastOffset: number;
}

/** A tool call: its start and its result, paired by id. */
export interface ToolCallItem extends ItemBase {
  readonly kind: 'tool';
  readonly callId: string;
  readonly tool: string;
  readonly status: ToolStatus;
  readonly input: unknown;
  readonly output: unknown;
  /** As the producer measured it; null when it did not, or when the call is still running. */
  readonly durationMs: number | null;
  /** Timestamp of the start, null when it is not held. */
  readonly startedAt: number | null;
  /** Timestamp of the result, null while there is none. */
  readonly endedAt: number | null;
  /** Of the latest progress report of a running call, in seconds. */
  readonly elapsedSeconds: number | null;
  /** The record that said the latest word, for fields of the producer's own. */
  readonly record: SessionRecord;
}

/** Any other event worth a line: workflow, lifecycle of agents, presence, types of an application's own. */
export interface EventItem<E = NoEvents> extends ItemBase {
  readonly kind: 'event';
  readonly record: SessionRecord | CustomRecords<E>;
  /** Set while the event has been sent and has not come back on the stream. */
  readonly echo: EchoState | null;
}

/** Events that were never seen, and what is being done about it. */
export interface GapItem extends ItemBase {
  readonly kind: 'gap';
  /** Offset of the last event before the gap. */
  readonly after: number;
  /** Offset of the first event behind it. */
  readonly before: number;
  /** How many events are missing: `before - after - 1`. */
  readonly missing: number;
  /** 'waiting' for its turn, 'reading' history, 'open': given up until `repairGaps()`; 'gone': the server no longer has the events. */
  readonly state: GapState;
  /** The code of the error that came with it, or OFFSET_JUMP. */
  readonly cause: string;
  /** Why the last attempt to read the missing events failed. */
  readonly failure: string | null;
}

export type GapState = 'waiting' | 'reading' | 'open' | 'gone';

export type TimelineItem<E = NoEvents> = MessageItem | ToolCallItem | EventItem<E> | GapItem;

/** One piece of terminal text, control sequences included. */
export interface TerminalEntry extends ItemBase {
  readonly direction: 'input' | 'output' | 'error';
  readonly source: 'user' | 'agent' | 'system' | null;
  readonly text: string;
  readonly echo: EchoState | null;
}

/** An event that this client has sent and that has not come back on the stream yet. */
export interface EchoState {
  /** 'sent': the server has it. 'failed': given up, a dead letter of the outbox. */
  readonly state: 'pending' | 'sent' | 'failed';
  /** Why it was given up. */
  readonly reason: string | null;
}

export interface UserView {
  readonly userId: string;
  readonly displayName: string | null;
  readonly avatarUrl: string | null;
  readonly cursor: { readonly x: number; readonly y: number } | null;
  readonly activeFile: string | null;
  /** Timestamp of the last event about this user. */
  readonly seenAt: number;
}

/** What is known about an agent: each field has the latest word about it. */
export interface AgentView {
  readonly agentId: string;
  readonly name: string | null;
  readonly role: string | null;
  readonly parentId: string | null;
  readonly status: string;
  readonly model: string | null;
  readonly runId: string | null;
  readonly taskId: string | null;
  readonly turn: number | null;
  readonly maxTurns: number | null;
  readonly progress: number | null;
  readonly currentTool: string | null;
  readonly message: string | null;
  readonly error: string | null;
  readonly plan: string | null;
  readonly usage: Readonly<Record<string, unknown>> | null;
  readonly costUsd: number | null;
  readonly durationMs: number | null;
  readonly startedAt: number | null;
  readonly updatedAt: number;
}

export interface ConnectionView {
  readonly state: ConnectionState;
  readonly info: ConnectionInfo | null;
  /** When the next attempt leaves, on the scheduler's clock; null when none is scheduled. */
  readonly nextAttemptAt: number | null;
  /** Set while the state is 'lost'. */
  readonly lost: ConnectionLostInfo | null;
  /** How often a connection was found again after a failure. */
  readonly reconnects: number;
}

export interface RejectedView {
  /** Events and frames that failed validation. */
  readonly count: number;
  /** The latest of their errors, oldest first; bounded. */
  readonly recent: readonly DurableStreamsError[];
}

/** Whether older events than the ones held can be had. */
export type EarlierState = 'none' | 'available' | 'loading' | 'failed' | 'full';

/** `E`: the schemas of the client's own event types, `typeof events.schemas`. */
export interface SessionSnapshot<E = NoEvents> {
  readonly sessionId: string;
  /** Everything but terminal text, in the order of the stream; echoes last. */
  readonly items: readonly TimelineItem<E>[];
  /** The messages among `items`. */
  readonly messages: readonly MessageItem[];
  /** The tool calls among `items`. */
  readonly toolCalls: readonly ToolCallItem[];
  /** The workflow events among `items`. */
  readonly workflow: readonly EventItem[];
  /** The gaps among `items`. */
  readonly gaps: readonly GapItem[];
  readonly terminal: readonly TerminalEntry[];
  /** Who is here, in the order they came. */
  readonly presence: readonly UserView[];
  /** In the order of their first event; bounded, the oldest leave. */
  readonly agents: readonly AgentView[];
  /** The agent that said something last. */
  readonly activeAgentId: string | null;
  readonly connection: ConnectionView;
  readonly rejected: RejectedView;
  /** Events seen on this subscription, repaired and reloaded ones not counted again. */
  readonly eventCount: number;
  /** Offset of the last event seen: how many stand in the stream up to there. */
  readonly lastOffset: number;
  /** True when events before the ones held exist. */
  readonly truncated: boolean;
  /** How many events stand before the first one held and can be loaded: `loadEarlier()`. */
  readonly truncatedCount: number;
  readonly earlier: EarlierState;
  /** True once the stream has ended and everything was delivered. */
  readonly closed: boolean;
}
