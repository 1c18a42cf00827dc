// The window of the stream that is held: records in order of their offsets, adjacent chunks of one text as one entry.
// Must not know what is made of them.

import type { CustomRecord } from '../custom-types.js';
import type { SessionRecord } from '../types.js';

export interface Entry {
  /** The record; of a run of chunks, the first one. */
  readonly record: SessionRecord;
  /** The text of a run of chunks so far; null for every other event. */
  text: string | null;
  readonly first: number;
  last: number;
  count: number;
  bytes: number;
}

/** A run of chunks ends here, so that dropping the oldest entry never takes a whole long message at once. */
const RUN_CHARS_MAX = 16 * 1024;
const RECORD_BYTES = 200;
const WEIGH_DEPTH_MAX = 64;

/** A record of an application's own type has these beside its payload, which may be anything. */
export function envelopeOf(record: SessionRecord): { readonly timestamp: number; readonly sessionId: string } {
  return isCustom(record) ? (record as unknown as CustomRecord) : record.data;
}

export function isCustom({ channel }: SessionRecord): boolean {
  return (channel as string) === 'custom';
}

/** The text that a record adds to a message, null if it adds none. */
export function chunkText(record: SessionRecord): string | null {
  if (record.type === 'chunk') return (record.data as { text: string }).text;
  if (record.type === 'container-agent:token') return (record.data as { delta: string }).delta;
  return null;
}

export function entryOf(record: SessionRecord): Entry {
  const text = chunkText(record);
  const bytes = RECORD_BYTES + (text === null ? weigh(record.data, 0) : text.length * 2);
  return { record, text, first: record.offset, last: record.offset, count: 1, bytes };
}

/** About how many bytes a value holds, to within what bounding memory needs. */
function weigh(value: unknown, depth: number): number {
  if (typeof value === 'string') return value.length * 2 + 16;
  if (typeof value !== 'object' || value === null || depth > WEIGH_DEPTH_MAX) return 8;
  let bytes = 32;
  for (const member of Object.values(value)) bytes += 8 + weigh(member, depth + 1);
  return bytes;
}

/** Adds `next` to the run that `entry` is, if it goes on with it. */
function extend(entry: Entry | undefined, next: Entry): boolean {
  if (entry === undefined || entry.text === null || next.text === null) return false;
  if (entry.last + 1 !== next.first || entry.text.length >= RUN_CHARS_MAX || entry.record.type !== next.record.type) return false;
  const a = entry.record.data as unknown as Record<string, unknown>;
  const b = next.record.data as unknown as Record<string, unknown>;
  if (a['agentId'] !== b['agentId'] || a['turn'] !== b['turn'] || a['messageId'] !== b['messageId'] || a['taskId'] !== b['taskId']) return false;
  entry.text += next.text;
  entry.last = next.last;
  entry.count += next.count;
  entry.bytes += next.text.length * 2;
  return true;
}

export class Entries {
  #entries: Entry[] = [];
  #bytes = 0;

  get length(): number {
    return this.#entries.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  [Symbol.iterator](): IterableIterator<Entry> {
    return this.#entries[Symbol.iterator]();
  }

  append(next: Entry): void {
    const before = this.#entries.at(-1);
    if (extend(before, next)) {
      this.#bytes += (next.text ?? '').length * 2;
    } else {
      this.#entries.push(next);
      this.#bytes += next.bytes;
    }
  }

  /** Puts records between what is held already; records that are held are left out. They have to be in order. */
  insert(records: readonly SessionRecord[]): void {
    const merged = new Entries();
    const mine = this.#entries;
    let at = 0;
    for (const record of records) {
      for (let held = mine[at]; held !== undefined && held.last < record.offset; held = mine[at]) {
        merged.#take(held);
        at += 1;
      }
      const next = mine[at];
      if (next === undefined || next.first > record.offset) merged.append(entryOf(record));
    }
    for (; at < mine.length; at += 1) merged.#take(mine[at] as Entry);
    this.#entries = merged.#entries;
    this.#bytes = merged.#bytes;
  }

  /** Drops the oldest entries until there are at most so many; returns the offset of the last event dropped, or null. */
  trim(entriesMax: number, bytesMax: number): number | null {
    let drop = 0;
    let bytes = this.#bytes;
    // The newest entry stays whatever it weighs: a view that shows nothing helps nobody.
    while (drop < this.#entries.length - 1 && (this.#entries.length - drop > entriesMax || bytes > bytesMax)) {
      bytes -= (this.#entries[drop] as Entry).bytes;
      drop += 1;
    }
    if (drop === 0) return null;
    const dropped = this.#entries.splice(0, drop);
    this.#bytes = bytes;
    return (dropped.at(-1) as Entry).last;
  }

  #take(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
  }
}
