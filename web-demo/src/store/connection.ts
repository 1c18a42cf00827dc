// What the page says about the connection, with a bounded log of what happened to it.

import type { ConnectionDetail, ConnectionWord, Fault } from '../session/events';
import { BoundedList, type BoundedSnapshot } from './bounded';

export const CONNECTION_LOG_MAX = 200;

export interface LogEntry {
  readonly key: number;
  readonly at: number;
  readonly tone: 'plain' | 'good' | 'warn' | 'bad';
  readonly text: string;
}

export interface ConnectionSnapshot {
  readonly word: ConnectionWord;
  readonly attempt: number;
  readonly maxAttempts: number | null;
  /** When the next attempt leaves, on the clock of `Date.now()`. */
  readonly nextAttemptAt: number | null;
  readonly cause: string | null;
  readonly lostReason: string | null;
  readonly reconnects: number;
  readonly log: BoundedSnapshot<LogEntry>;
}

const TONES: Readonly<Record<ConnectionWord, LogEntry['tone']>> = {
  disconnected: 'plain',
  connecting: 'plain',
  connected: 'good',
  reconnecting: 'warn',
  lost: 'bad',
  closed: 'plain',
};

export class Connection {
  #state: Omit<ConnectionSnapshot, 'log'> = {
    word: 'disconnected',
    attempt: 0,
    maxAttempts: null,
    nextAttemptAt: null,
    cause: null,
    lostReason: null,
    reconnects: 0,
  };
  readonly #log = new BoundedList<LogEntry>(CONNECTION_LOG_MAX);
  #entries = 0;
  #snapshot: ConnectionSnapshot | null = null;

  get word(): ConnectionWord {
    return this.#state.word;
  }

  snapshot(): ConnectionSnapshot {
    this.#snapshot ??= { ...this.#state, log: this.#log.snapshot() };
    return this.#snapshot;
  }

  moved(word: ConnectionWord, detail: ConnectionDetail | null, nowMs: number): void {
    const before = this.#state;
    const delay = detail?.nextDelayMs ?? null;
    this.#state = {
      ...before,
      word,
      attempt: detail?.attempt ?? 0,
      maxAttempts: detail?.maxAttempts ?? before.maxAttempts,
      nextAttemptAt: delay === null ? null : nowMs + delay,
      cause: detail?.cause ?? (word === 'connected' ? null : before.cause),
      lostReason: word === 'lost' ? before.lostReason : null,
      reconnects: before.reconnects + (word === 'connected' && before.word === 'reconnecting' ? 1 : 0),
    };
    this.#snapshot = null;
    if (word !== before.word) this.note(word, TONES[word], nowMs);
    if (delay !== null) {
      const cause = detail?.cause ?? null;
      this.note(`attempt ${this.#state.attempt} in ${(delay / 1000).toFixed(1)} s${cause === null ? '' : `: ${cause}`}`, 'warn', nowMs);
    }
  }

  lost(reason: string): void {
    this.#state = { ...this.#state, lostReason: reason };
    this.#snapshot = null;
  }

  fault(fault: Fault, nowMs: number): void {
    this.note(`${fault.code}: ${fault.message}`, 'bad', nowMs);
  }

  note(text: string, tone: LogEntry['tone'], nowMs: number): void {
    this.#entries += 1;
    this.#log.push({ key: this.#entries, at: nowMs, tone, text });
    this.#snapshot = null;
  }
}
