// The end-to-end tests' window into the page, and only with `?e2e=1` in the address: normal use keeps no copy of the
// events. `window.__durableSessions` holds, for the session that is open:
//   events   every record, exactly as the package's `onEvent` delivered it, in order of delivery
//   errors   every error of `onError`, as plain objects { code, message, eventType, path, expected, came, offset }
//   state    the latest connection state; `states` has them all
//   cursor   the cursor of the latest record
//   dropped  how many of the oldest events left the log because it was full (a test should find 0)
// It starts anew with every session and with every page load.

import type { ConnectionState } from 'durable-sessions';

export const OBSERVED_EVENTS_MAX = 500_000;
const OBSERVED_ERRORS_MAX = 10_000;

export interface ObservedError {
  readonly code: string;
  readonly message: string;
  readonly eventType: string | null;
  readonly path: string | null;
  readonly expected: string | null;
  readonly came: string | null;
  readonly offset: number | null;
}

export interface Observed {
  session: string;
  events: unknown[];
  errors: ObservedError[];
  state: ConnectionState;
  states: ConnectionState[];
  cursor: string | null;
  dropped: number;
}

declare global {
  interface Window {
    __durableSessions?: Observed;
  }
}

export class Observer {
  readonly #observed: Observed;

  constructor(session: string, target: Window = window) {
    this.#observed = { session, events: [], errors: [], state: 'disconnected', states: [], cursor: null, dropped: 0 };
    target.__durableSessions = this.#observed;
  }

  record(record: unknown, cursor: string | null): void {
    const { events } = this.#observed;
    events.push(record);
    this.#observed.cursor = cursor;
    if (events.length > OBSERVED_EVENTS_MAX) {
      this.#observed.dropped += events.splice(0, OBSERVED_EVENTS_MAX >> 3).length;
    }
  }

  error(error: unknown): void {
    if (this.#observed.errors.length >= OBSERVED_ERRORS_MAX) return;
    const from = (typeof error === 'object' && error !== null ? error : {}) as Partial<ObservedError>;
    this.#observed.errors.push({
      code: from.code ?? 'UNKNOWN',
      message: from.message ?? String(error),
      eventType: from.eventType ?? null,
      path: from.path ?? null,
      expected: from.expected ?? null,
      came: from.came ?? null,
      offset: from.offset ?? null,
    });
  }

  moved(state: ConnectionState): void {
    if (this.#observed.state !== state) this.#observed.states.push(state);
    this.#observed.state = state;
  }
}
