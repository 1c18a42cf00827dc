// What the page shows about a stream beside its session: rate, lag, and a log of what happened to the connection. Fed
// with what the package's listener hears; React hears of it at most once per animation frame.

import type { ConnectionInfo, ConnectionState, DeadLetter, DurableStreamsError, SessionRecord } from 'durable-sessions';
import { type FrameScheduler, frameScheduler } from 'durable-sessions/store';

import { BoundedList, type BoundedSnapshot } from './bounded';
import { Rate } from './rate';

const LOG_MAX = 200;
const REJECTIONS_MAX = 500;
/** As many as the outbox holds. */
const DOUBTS_MAX = 1_000;

export type LogTone = 'plain' | 'good' | 'warn' | 'bad';

export interface LogEntry {
  readonly key: number;
  readonly at: number;
  readonly tone: LogTone;
  readonly text: string;
}

export interface Rejection {
  readonly key: number;
  readonly at: number;
  readonly error: DurableStreamsError;
}

export interface MonitorSnapshot {
  readonly log: BoundedSnapshot<LogEntry>;
  readonly rejections: BoundedSnapshot<Rejection>;
  /** How old the last event was when it arrived; null before the first. */
  readonly lagMs: number | null;
  /** Ids of events that were given up although the server may have stored them. */
  readonly inDoubt: ReadonlySet<string>;
}

const TONES: Readonly<Record<ConnectionState, LogTone>> = {
  disconnected: 'plain',
  connecting: 'plain',
  connected: 'good',
  reconnecting: 'warn',
  lost: 'bad',
  closed: 'plain',
};

const REJECTION_CODES: ReadonlySet<string> = new Set(['INVALID_EVENT', 'INVALID_JSON']);

export class Monitor {
  readonly #scheduler: FrameScheduler;
  readonly #listeners = new Set<() => void>();
  readonly #log = new BoundedList<LogEntry>(LOG_MAX);
  readonly #rejections = new BoundedList<Rejection>(REJECTIONS_MAX);
  readonly #rate = new Rate();
  #keys = 0;
  #inDoubt: ReadonlySet<string> = new Set();
  #lagMs: number | null = null;
  #state: ConnectionState | null = null;
  #scheduled = false;
  #snapshot: MonitorSnapshot;

  constructor(scheduler: FrameScheduler = frameScheduler) {
    this.#scheduler = scheduler;
    this.#snapshot = this.#compose();
  }

  event(record: SessionRecord): void {
    const now = this.#scheduler.now();
    this.#rate.add(now);
    this.#lagMs = Math.max(0, now - record.data.timestamp);
    this.#changed();
  }

  error(error: DurableStreamsError): void {
    if (REJECTION_CODES.has(error.code)) {
      this.#keys += 1;
      this.#rejections.push({ key: this.#keys, at: this.#scheduler.now(), error });
      this.#changed();
    } else {
      this.note(`${error.code}: ${error.message}`, 'bad');
    }
  }

  moved(state: ConnectionState, info: ConnectionInfo): void {
    if (state !== this.#state) this.note(state, TONES[state]);
    this.#state = state;
    if (info.nextDelayMs !== null) {
      this.note(`attempt ${info.attempt} in ${(info.nextDelayMs / 1000).toFixed(1)} s${info.cause === null ? '' : `: ${info.cause}`}`, 'warn');
    }
  }

  gaveUp({ event, reason, attempts, inDoubt }: DeadLetter): void {
    const kept = [...this.#inDoubt].filter((id) => id !== event.id).slice(1 - DOUBTS_MAX);
    this.#inDoubt = new Set(inDoubt ? [...kept, event.id] : kept);
    this.note(`not sent: ${event.type}, ${reason.code} after ${attempts === 1 ? '1 attempt' : `${attempts} attempts`}${inDoubt ? '; it may be stored all the same' : ''}`, 'bad');
  }

  note(text: string, tone: LogTone = 'plain'): void {
    this.#keys += 1;
    this.#log.push({ key: this.#keys, at: this.#scheduler.now(), tone, text });
    this.#changed();
  }

  /** Not part of the snapshot: it changes with time alone. */
  rateSeries(): readonly number[] {
    return this.#rate.series(this.#scheduler.now());
  }

  getSnapshot = (): MonitorSnapshot => this.#snapshot;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #changed(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#scheduler.schedule(() => {
      this.#scheduled = false;
      this.#snapshot = this.#compose();
      for (const listener of this.#listeners) listener();
    });
  }

  #compose(): MonitorSnapshot {
    return { log: this.#log.snapshot(), rejections: this.#rejections.snapshot(), lagMs: this.#lagMs, inDoubt: this.#inDoubt };
  }
}
