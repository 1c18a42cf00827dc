// The state of one session view, outside React. Events change models at once and cheaply; subscribers hear of it at
// most once per animation frame, and slices that did not change keep their identity.

import type { ConnectionDetail, ConnectionWord, Fault, Rejection, SessionEvent } from '../session/events';
import { Agents, type AgentsSnapshot } from './agents';
import { BoundedList, type BoundedSnapshot } from './bounded';
import { Connection, type ConnectionSnapshot } from './connection';
import { Presence, type PresentUser } from './presence';
import { Rate } from './rate';
import { Terminal, type TerminalLine } from './terminal';
import { Timeline } from './timeline';
import type { TimelineRow } from './timeline-items';

export const REJECTIONS_MAX = 500;

export interface RejectedRow extends Rejection {
  readonly key: number;
  readonly at: number;
}

export interface Counters {
  readonly events: number;
  readonly rejected: number;
  readonly lastOffset: number;
  readonly lastType: string | null;
  /** How old the last event was when it arrived; null before the first. */
  readonly lagMs: number | null;
}

export interface Snapshot {
  readonly timeline: BoundedSnapshot<TimelineRow>;
  readonly terminal: BoundedSnapshot<TerminalLine>;
  readonly agents: AgentsSnapshot;
  readonly presence: readonly PresentUser[];
  readonly rejections: BoundedSnapshot<RejectedRow>;
  readonly connection: ConnectionSnapshot;
  readonly counters: Counters;
}

export interface Scheduler {
  /** Runs the task once, soon: on the next animation frame in a browser. */
  schedule(task: () => void): void;
  now(): number;
}

export const browserScheduler: Scheduler = {
  // A hidden tab gets no frames: the models stay bounded meanwhile, and the first frame afterwards shows all of it.
  schedule: (task) => void requestAnimationFrame(task),
  now: () => Date.now(),
};

export class SessionStore {
  readonly #scheduler: Scheduler;
  readonly #listeners = new Set<() => void>();
  readonly #timeline = new Timeline();
  readonly #terminal = new Terminal();
  readonly #agents = new Agents();
  readonly #presence = new Presence();
  readonly #rejections = new BoundedList<RejectedRow>(REJECTIONS_MAX);
  readonly #connection = new Connection();
  readonly #rate = new Rate();
  #counters: Counters = { events: 0, rejected: 0, lastOffset: 0, lastType: null, lagMs: null };
  #scheduled = false;
  #snapshot: Snapshot;

  constructor(scheduler: Scheduler = browserScheduler) {
    this.#scheduler = scheduler;
    this.#snapshot = this.#compose();
  }

  event(event: SessionEvent): void {
    const now = this.#scheduler.now();
    this.#timeline.apply(event);
    this.#terminal.apply(event);
    this.#agents.apply(event);
    this.#presence.apply(event);
    this.#rate.add(now);
    this.#counters = {
      ...this.#counters,
      events: this.#counters.events + 1,
      lastOffset: event.offset,
      lastType: event.type,
      lagMs: Math.max(0, now - event.timestamp),
    };
    this.#changed();
  }

  rejected(rejection: Rejection): void {
    const rejected = this.#counters.rejected + 1;
    this.#rejections.push({ ...rejection, key: rejected, at: this.#scheduler.now() });
    this.#counters = { ...this.#counters, rejected };
    this.#changed();
  }

  moved(word: ConnectionWord, detail: ConnectionDetail | null): void {
    this.#connection.moved(word, detail, this.#scheduler.now());
    this.#changed();
  }

  lost(reason: string): void {
    this.#connection.lost(reason);
    this.#changed();
  }

  fault(fault: Fault): void {
    this.#connection.fault(fault, this.#scheduler.now());
    this.#changed();
  }

  note(text: string): void {
    this.#connection.note(text, 'plain', this.#scheduler.now());
    this.#changed();
  }

  /** Not part of the snapshot: it changes with time alone. */
  rateSeries(): readonly number[] {
    return this.#rate.series(this.#scheduler.now());
  }

  snapshot = (): Snapshot => this.#snapshot;

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

  #compose(): Snapshot {
    return {
      timeline: this.#timeline.snapshot(),
      terminal: this.#terminal.snapshot(),
      agents: this.#agents.snapshot(),
      presence: this.#presence.snapshot(),
      rejections: this.#rejections.snapshot(),
      connection: this.#connection.snapshot(),
      counters: this.#counters,
    };
  }
}
