// Reads one delivery of the driver: a JSON array of values and one word per item (crates/client-wasm/src/batch).
// Must not know: callbacks, connections. Everything is copied out before the first item is handed on, since
// callbacks may re-enter the driver.
import { EVENT_KINDS, construct } from './generated/records.js';
import type { SessionRecord } from './types.js';

// Kinds above the schema's events; crates/client-wasm/src/batch/word.rs has the same numbers.
const KIND_UNKNOWN = 255;
const KIND_REJECTED = 254;
const KIND_CONTROL = 253;
const KIND_POSITION = 252;
const KIND_MASK = 0xff;
const FLAG_META = 1 << 8;
const FLAG_EXTRAS = 1 << 9;
const FLAG_UP_TO_DATE = 1 << 8;
const FLAG_CLOSED = 1 << 9;
const FLAG_COUNT = 1 << 10;

// Safari's TextDecoder fails for good after 2 GB, so a fresh one is taken well before.
const DECODER_BYTES_MAX = 2 ** 30;

/** Cursor over the values of one batch; constructors take from it in schema order. */
export interface ValueReader {
  readonly values: readonly unknown[];
  at: number;
  /** Of the event before; values hold differences. */
  timestamp: number;
}

/** What every record of a connection takes from it. */
export interface RecordContext {
  sessionId: string;
  offset: number;
  cursor: string | null;
}

/** A message that failed validation, or a frame that is no JSON. */
export interface Rejected {
  code: string;
  /** A word for the rule that was broken. */
  reason: string;
  eventType: string | null;
  path: string | null;
  expected: string;
  came: string;
  offset: number;
}

/** Receives the items of a batch in order. */
export interface BatchSink {
  record(record: SessionRecord, kind: number): void;
  rejected(rejected: Rejected): void;
  control(upToDate: boolean, closed: boolean): void;
}

/** Copies batches out of wasm memory. */
export class BatchMemory {
  readonly #memory: WebAssembly.Memory;
  #decoder = new TextDecoder();
  #decoded = 0;
  #bytes: Uint8Array;
  #words: Uint32Array;
  #copy = new Uint32Array(64);

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#words = new Uint32Array(memory.buffer);
  }

  values(ptr: number, length: number): unknown[] {
    this.#refresh();
    this.#decoded += length;
    if (this.#decoded > DECODER_BYTES_MAX) {
      this.#decoder = new TextDecoder();
      this.#decoded = length;
    }
    return JSON.parse(this.#decoder.decode(this.#bytes.subarray(ptr, ptr + length))) as unknown[];
  }

  /** A copy of the words, in a buffer that the next call uses again: batches do not nest. */
  words(ptr: number, length: number): Uint32Array {
    this.#refresh();
    if (this.#copy.length < length) {
      this.#copy = new Uint32Array(length * 2);
    }
    const from = ptr >>> 2;
    const words = this.#words;
    const copy = this.#copy;
    for (let i = 0; i < length; i += 1) {
      copy[i] = words[from + i] as number;
    }
    return copy;
  }

  // Growing the memory detaches the old buffer.
  #refresh(): void {
    if (this.#bytes.buffer !== this.#memory.buffer) {
      this.#bytes = new Uint8Array(this.#memory.buffer);
      this.#words = new Uint32Array(this.#memory.buffer);
    }
  }
}

/** Hands every item of a batch to `sink`; `context` keeps offset and cursor from one batch to the next. */
export function readBatch(
  values: readonly unknown[],
  words: Uint32Array,
  count: number,
  context: RecordContext,
  sink: BatchSink,
): void {
  const reader: ValueReader = { values, at: 0, timestamp: 0 };
  for (let i = 0; i < count; i += 1) {
    const word = words[i] as number;
    const kind = word & KIND_MASK;
    if (kind < EVENT_KINDS || kind === KIND_UNKNOWN) {
      context.offset += 1;
      const record = kind === KIND_UNKNOWN ? unknownRecord(reader, context) : construct(kind, reader, word >>> 10, context);
      if ((word & FLAG_META) !== 0) {
        record.meta = reader.values[reader.at++] as NonNullable<SessionRecord['meta']>;
      }
      if ((word & FLAG_EXTRAS) !== 0) {
        keepExtras(record.data, reader.values[reader.at++] as object);
      }
      // The cursor that follows directly is this record's own; the one before it would repeat its batch.
      if (i + 1 < count && ((words[i + 1] as number) & KIND_MASK) === KIND_CONTROL) {
        record.cursor = context.cursor = reader.values[reader.at] as string;
      }
      sink.record(record, kind);
    } else if (kind === KIND_CONTROL) {
      context.cursor = reader.values[reader.at++] as string;
      if ((word & FLAG_COUNT) !== 0) {
        context.offset = reader.values[reader.at++] as number;
      }
      sink.control((word & FLAG_UP_TO_DATE) !== 0, (word & FLAG_CLOSED) !== 0);
    } else if (kind === KIND_POSITION) {
      context.offset = reader.values[reader.at++] as number;
    } else {
      sink.rejected(rejected(reader, context));
    }
  }
}

// Unknown fields of `data` are kept, but never take the place of what the schema names.
function keepExtras(data: object, extras: object): void {
  for (const [name, value] of Object.entries(extras)) {
    if (!Object.hasOwn(data, name)) {
      Object.defineProperty(data, name, { value, writable: true, enumerable: true, configurable: true });
    }
  }
}

function unknownRecord(reader: ValueReader, context: RecordContext): SessionRecord {
  const { values } = reader;
  const at = reader.at;
  reader.at = at + 4;
  const type = values[at + 1] as string;
  const data = values[at + 3];
  const own = { type, sessionId: context.sessionId, timestamp: (reader.timestamp += values[at + 2] as number) };
  return {
    channel: 'unknown',
    type,
    id: values[at] as string,
    // An unknown event may carry anything; only an object can take the envelope's values in.
    data: typeof data === 'object' && data !== null && !Array.isArray(data) ? { ...data, ...own } : { data, ...own },
    offset: context.offset,
    cursor: context.cursor,
    meta: undefined,
    // An absent meta is an own property here, which the public type does not promise.
  } as unknown as SessionRecord;
}

function rejected(reader: ValueReader, context: RecordContext): Rejected {
  const { values } = reader;
  const at = reader.at;
  reader.at = at + 7;
  context.offset = values[at + 6] as number;
  return {
    code: values[at] as string,
    reason: values[at + 1] as string,
    eventType: values[at + 2] as string | null,
    path: values[at + 3] as string | null,
    expected: values[at + 4] as string,
    came: values[at + 5] as string,
    offset: context.offset,
  };
}
