// What is missing in the middle, and what becomes of it. A state machine per gap; must not know how history is read.
//
//   state    | begin    | settled, all | settled, part    | failed | connected             | reopen
//   ---------|----------|--------------|------------------|--------|-----------------------|--------
//   (none)   |          |              |                  |        |                       |           found -> waiting, or gone
//   waiting  | reading  |              |                  |        | -                     | -
//   reading  |          | (none)       | open or gone [1] | open   | -                     | -
//   open     |          |              |                  |        | waiting, so often [2] | waiting
//   gone     |          |              |                  |        | -                     | -
//
//   [1] one gap for each stretch that history has not either: gone below what the server says it still has, open above
//   [2] after failures of reading only, ATTEMPTS_MAX times; what history does not have is not asked for again
//
// Invariants: gaps are ordered and do not overlap; at most one is being read; none ends at or below the window's start.

import type { GapItem, GapState } from './types.js';

const GAPS_MAX = 1_000;
const ATTEMPTS_MAX = 3;

export class Gaps {
  #gaps: readonly GapItem[] = [];
  /** How often reading a gap has failed, by key. */
  readonly #failures = new Map<string, number>();

  [Symbol.iterator](): Iterator<GapItem> {
    return this.#gaps[Symbol.iterator]();
  }

  found(after: number, before: number, cause: string, timestamp: number, state: GapState = 'waiting'): GapItem {
    const gap = made(after, before, cause, timestamp, state, null);
    this.#replace([...this.#gaps, gap]);
    return gap;
  }

  /** The gap to read next, newest first: it is the one that somebody looks at. Null while another is being read. */
  begin(): GapItem | null {
    if (this.#gaps.some(({ state }) => state === 'reading')) return null;
    const next = this.#gaps.filter(({ state }) => state === 'waiting').at(-1);
    return next === undefined ? null : this.#set(next, { state: 'reading' });
  }

  /** The gap has been read: `covered` are the offsets that were found, in order; nothing up to `gone` exists any more. */
  settled(gap: GapItem, covered: readonly number[], gone: number): void {
    const rest = uncovered(gap.after, gap.before, covered, gone).map(([after, before]) =>
      made(after, before, gap.cause, gap.timestamp, before - 1 <= gone ? 'gone' : 'open', before - 1 <= gone ? null : 'the history does not have these events either'),
    );
    this.#failures.delete(gap.key);
    this.#replace([...this.#gaps.filter(({ key }) => key !== gap.key), ...rest]);
  }

  failed(gap: GapItem, failure: string): void {
    this.#failures.set(gap.key, (this.#failures.get(gap.key) ?? 0) + 1);
    this.#set(gap, { state: 'open', failure });
  }

  /** The connection is there again. */
  connected(): boolean {
    return this.#reopen(({ key }) => (this.#failures.get(key) ?? ATTEMPTS_MAX) < ATTEMPTS_MAX);
  }

  /** Somebody asked. */
  reopen(): boolean {
    return this.#reopen(() => true);
  }

  /** The window begins behind `offset`. */
  trim(offset: number): void {
    if (this.#gaps.every(({ after }) => after >= offset)) return;
    const kept = this.#gaps
      .filter(({ before }) => before > offset + 1)
      .map((gap) => (gap.after >= offset || gap.state === 'reading' ? gap : made(offset, gap.before, gap.cause, gap.timestamp, gap.state, gap.failure)));
    this.#replace(kept);
  }

  #reopen(which: (gap: GapItem) => boolean): boolean {
    const open = this.#gaps.filter((gap) => gap.state === 'open' && which(gap));
    for (const gap of open) this.#set(gap, { state: 'waiting' });
    return open.length > 0;
  }

  #set(gap: GapItem, change: Partial<GapItem>): GapItem {
    const next = { ...gap, ...change };
    this.#gaps = this.#gaps.map((other) => (other.key === gap.key ? next : other));
    return next;
  }

  #replace(gaps: GapItem[]): void {
    this.#gaps = gaps.sort((a, b) => a.after - b.after).slice(-GAPS_MAX);
    if (this.#failures.size > 0) {
      const keys = new Set(this.#gaps.map(({ key }) => key));
      for (const key of this.#failures.keys()) if (!keys.has(key)) this.#failures.delete(key);
    }
  }
}

function made(after: number, before: number, cause: string, timestamp: number, state: GapState, failure: string | null): GapItem {
  return { kind: 'gap', key: `g:${after}`, offset: after, timestamp, after, before, missing: before - after - 1, state, cause, failure };
}

/** The stretches between `after` and `before`, both exclusive, that `covered` leaves out, cut where `gone` ends. */
export function uncovered(after: number, before: number, covered: readonly number[], gone: number): [after: number, before: number][] {
  const stretches: [number, number][] = [];
  let at = after;
  for (const offset of [...covered, before]) {
    if (offset > at + 1) {
      const cut = Math.min(Math.max(gone, at), offset - 1);
      if (cut > at) stretches.push([at, cut + 1]);
      if (offset > cut + 1) stretches.push([cut, offset]);
    }
    at = Math.max(at, offset);
  }
  return stretches;
}
