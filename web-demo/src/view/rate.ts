// Events per second over the last minute, in a ring of one bucket per second. It takes the time as an argument.

export const RATE_SECONDS = 60;

export class Rate {
  readonly #buckets = new Array<number>(RATE_SECONDS).fill(0);
  #second: number | null = null;

  add(nowMs: number, count = 1): void {
    this.#advance(Math.floor(nowMs / 1000));
    const index = Math.floor(nowMs / 1000) % RATE_SECONDS;
    this.#buckets[index] = (this.#buckets[index] ?? 0) + count;
  }

  /** Oldest first; the last value is the second that is still running. */
  series(nowMs: number): readonly number[] {
    const second = Math.floor(nowMs / 1000);
    this.#advance(second);
    const start = second + 1;
    return Array.from({ length: RATE_SECONDS }, (_, i) => this.#buckets[(start + i) % RATE_SECONDS] ?? 0);
  }

  #advance(second: number): void {
    if (this.#second === null) this.#second = second;
    // A clock that jumps back (it was set, or the laptop slept) must not wipe or double anything.
    if (second <= this.#second) return;
    const passed = Math.min(second - this.#second, RATE_SECONDS);
    for (let i = 0; i < passed; i += 1) this.#buckets[(second - i) % RATE_SECONDS] = 0;
    this.#second = second;
  }
}
