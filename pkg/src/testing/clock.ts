// Time that stands still until a test moves it. Must not know what waits for it.
import type { Clock } from '../types.js';

// Turns of the event loop between two timers: a request, its answer and what reads it take a few each.
const TURNS = 12;
// Taken now, so that a test's fake timers do not stop them.
const { setTimeout: realTimeout } = globalThis;
const immediate = (globalThis as { setImmediate?: (run: () => void) => unknown }).setImmediate;

/** A `Clock` whose timers run when `advance` says so. */
export class TestClock implements Clock {
  #now: number;
  #made = 0;
  readonly #timers = new Map<number, { at: number; run: () => void }>();

  /** `now`: Unix milliseconds. */
  constructor(now = 1_700_000_000_000) {
    this.#now = now;
  }

  readonly Date = { now: (): number => this.#now };

  readonly setTimeout = (run: () => void, afterMs: number): number => {
    this.#made += 1;
    this.#timers.set(this.#made, { at: this.#now + Math.max(0, afterMs), run });
    return this.#made;
  };

  readonly clearTimeout = (timer: number | undefined): void => {
    this.#timers.delete(timer ?? 0);
  };

  /** Timers that have not run. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets time pass: every timer that is due runs at its time, and what it sets off is waited for. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const [next] = [...this.#timers].filter(([, { at }]) => at <= end).sort(([a, { at }], [b, { at: other }]) => at - other || a - b);
      if (next === undefined) {
        break;
      }
      this.#timers.delete(next[0]);
      this.#now = Math.max(this.#now, next[1].at);
      next[1].run();
      await settle();
    }
    this.#now = end;
  }
}

/** Lets what is under way arrive. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) {
    await new Promise<void>((resolve) => {
      if (immediate === undefined) {
        realTimeout(resolve, 0);
      } else {
        immediate(resolve);
      }
    });
  }
}
