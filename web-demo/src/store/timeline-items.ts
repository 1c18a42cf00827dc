// The rows of the timeline. Every one is immutable: a change makes a new object under the same key, so a row that did
// not change is not rendered again.

interface Row {
  readonly key: string;
  readonly timestamp: number;
}

export interface MessageRow extends Row {
  readonly kind: 'message';
  readonly agent: string | null;
  readonly turn: number | null;
  readonly role: 'assistant' | 'user' | 'system';
  readonly text: string;
  readonly chunks: number;
}

export interface ToolRow extends Row {
  readonly kind: 'tool';
  readonly callId: string;
  readonly tool: string;
  readonly status: 'pending' | 'running' | 'complete' | 'error';
  readonly input: unknown;
  readonly output: unknown;
  readonly durationMs: number | null;
  /** True where the producer gave no duration and the two timestamps had to do. */
  readonly durationIsMeasured: boolean;
  /** An extra field of producers that run commands. */
  readonly exitCode: number | null;
  readonly elapsedSeconds: number | null;
  readonly startedAt: number | null;
}

export type Tone = 'plain' | 'good' | 'warn' | 'bad';

export interface NoteRow extends Row {
  readonly kind: 'note';
  readonly type: string;
  readonly title: string;
  readonly detail: string | null;
  readonly tone: Tone;
}

/** A heading between turns. */
export interface TurnRow extends Row {
  readonly kind: 'turn';
  readonly agent: string | null;
  readonly turn: number;
  readonly maxTurns: number | null;
}

export type TimelineRow = MessageRow | ToolRow | NoteRow | TurnRow;
