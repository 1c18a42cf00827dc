// What is held of a session: the window of entries, the gaps in it, and the items made of both. Decides what leaves.
// Must not know connections or frames.

import type { SessionRecord } from '../types.js';
import { Entries, entryOf } from './entries.js';
import { Gaps, uncovered } from './gaps.js';
import { reconcile, Timeline } from './timeline.js';
import type { GapItem } from './types.js';

export interface WindowLimits {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

export class Window {
  readonly gaps = new Gaps();
  timeline = new Timeline();
  /** Every event behind this offset is held, stands in a gap, or failed validation. */
  start: number;
  /** Nothing up to this offset exists any more. */
  gone = 0;
  readonly #limits: WindowLimits;
  readonly #entries = new Entries();
  /** What `loadEarlier` may hold beyond the limits, as much again at most. */
  #extraEntries = 0;
  #extraBytes = 0;

  constructor(limits: WindowLimits, start: number) {
    this.#limits = limits;
    this.start = start;
  }

  /** How many events stand before the window and still exist. */
  get before(): number {
    return Math.max(0, this.start - this.gone);
  }

  get isFull(): boolean {
    return this.#extraEntries >= this.#limits.entriesMax || this.#extraBytes >= this.#limits.bytesMax;
  }

  /** The next record of the stream. True when an item came or changed. */
  append(record: SessionRecord): boolean {
    if (!isHeld(record)) return false;
    const entry = entryOf(record);
    this.#entries.append(entry);
    const changed = this.timeline.apply(entry);
    const entriesMax = this.#limits.entriesMax + this.#extraEntries;
    const bytesMax = this.#limits.bytesMax + this.#extraBytes;
    // An eighth of slack, so that items are made again once in a while and not for every event.
    if (this.#entries.length > entriesMax + entriesMax / 8 || this.#entries.bytes > bytesMax + bytesMax / 8) {
      this.#drop(entriesMax, bytesMax);
      return true;
    }
    return changed;
  }

  missing(after: number, before: number, cause: string, timestamp: number, gone: boolean): void {
    this.timeline.gap(this.gaps.found(after, before, cause, timestamp, gone ? 'gone' : 'waiting'));
  }

  /** Records that were read from history to fill `gap`. */
  fill(gap: GapItem, records: readonly SessionRecord[], covered: readonly number[], gone: number): void {
    this.gaps.settled(gap, covered, gone);
    this.#entries.insert(records.filter((record) => record.offset > this.start && isHeld(record)));
    this.gaps.trim(this.start);
    this.fold();
  }

  /** Records that were read from history, directly before the window: every event behind `after` that exists. */
  prepend(after: number, records: readonly SessionRecord[], covered: readonly number[], gone: number): void {
    const { length, bytes } = this.#entries;
    this.#entries.insert(records.filter(isHeld));
    this.#extraEntries += this.#entries.length - length;
    this.#extraBytes += this.#entries.bytes - bytes;
    this.gone = Math.max(this.gone, gone);
    const from = Math.max(after, this.gone);
    for (const [a, b] of uncovered(from, this.start + 1, covered, this.gone)) {
      this.gaps.found(a, b, 'MESSAGES_MISSING', records[0]?.data.timestamp ?? 0, 'open');
    }
    this.start = Math.min(this.start, from);
    this.fold();
  }

  /** Gives up what `loadEarlier` brought beyond the limits. */
  trim(): void {
    this.#extraEntries = this.#extraBytes = 0;
    this.#drop(this.#limits.entriesMax, this.#limits.bytesMax);
  }

  /** Makes the items again; those that come out the same keep their identity. */
  fold(): void {
    const made = new Timeline();
    const gaps = [...this.gaps];
    let at = 0;
    for (const entry of this.#entries) {
      for (let gap = gaps[at]; gap !== undefined && gap.before <= entry.first; gap = gaps[at]) {
        made.gap(gap);
        at += 1;
      }
      made.apply(entry);
    }
    for (; at < gaps.length; at += 1) made.gap(gaps[at] as GapItem);
    reconcile(this.timeline.items, made.items);
    reconcile(this.timeline.terminal, made.terminal);
    this.timeline = made;
  }

  #drop(entriesMax: number, bytesMax: number): void {
    const last = this.#entries.trim(entriesMax, bytesMax);
    if (last === null) return;
    this.start = Math.max(this.start, last);
    this.gaps.trim(this.start);
    this.fold();
  }
}

/** Where somebody pointed is of no use later, and comes many times a second. */
function isHeld({ type }: SessionRecord): boolean {
  return type !== 'presence:cursor';
}
