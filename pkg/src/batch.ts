// Reads one delivery of the driver: two texts that strings are cut from, the open JSON values, the long ones unread, and words that say what
// is where (crates/client-wasm/src/batch). Must not know: callbacks, connections. Everything is copied out before the
// first item is handed on, since callbacks may re-enter the driver.
import type { CustomRecord, EventCheck } from './custom-types.js';
import { EVENT_KINDS, construct } from './generated/records.js';
import type { Rejected } from './rejection.js';
import type { Payloads } from './payloads.js';
import { payloads, withPayloads } from './payloads.js';
import { explain } from './rejection.js';
import type { SessionRecord } from './types.js';

// Kinds above the schema's events; crates/client-wasm/src/batch/word.rs has the same numbers.
export const KIND_UNKNOWN = 255;
const KIND_REJECTED = 254;
const KIND_CONTROL = 253;
const KIND_MASK = 0xff;
const FLAG_META = 1 << 8;
const FLAG_EXTRAS = 1 << 9;
const FLAG_UNCOUNTED = 1 << 10;
const FLAG_UP_TO_DATE = 1 << 8;
const FLAG_CLOSED = 1 << 9;
const FLAG_COUNT = 1 << 10;
/** In place of a field that has no value. */
const ABSENT = -(2 ** 31);
const LATE = 0;

// Safari's TextDecoder fails for good after 2 GB, so fresh ones are taken well before.
const DECODER_BYTES_MAX = 2 ** 30;

/** What every record of a connection takes from it. */
export interface RecordContext {
  sessionId: string;
  offset: number;
  cursor: string | null;
  /** Of the application's own event types. */
  readonly schemas: ReadonlyMap<string, EventCheck>;
}

/** Receives the items of a batch in order. */
export interface BatchSink {
  /** `uncounted`: told in passing, at the offset of the last one that counts. */
  record(record: SessionRecord | CustomRecord, kind: number, uncounted: boolean): void;
  rejected(rejected: Rejected): void;
  control(upToDate: boolean, closed: boolean): void;
}

/** Copies batches out of wasm memory, and takes their values one by one. The names are short: they are in every constructor. */
export class BatchReader {
  /** Of the last event of the batch; the driver tells differences. */
  timestamp = 0;
  readonly #memory: WebAssembly.Memory;
  #utf8 = decoder('utf-8');
  #utf16 = decoder('utf-16le');
  #decoded = 0;
  #bytes: Uint8Array;
  #words: Int32Array;
  #ascii = '';
  #asciiAt = 0;
  #wide = '';
  #wideAt = 0;
  #open: readonly unknown[] = [];
  #openAt = 0;
  #late!: Payloads;
  #lateAt = 0;
  /** A value of the record that is being made is not read yet. */
  late = false;
  /** Used again by the next batch: batches do not nest. */
  #items = new Int32Array(64);
  #itemAt = 0;
  #end = 0;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#words = new Int32Array(memory.buffer);
  }

  /** Takes the batch whose parts the ten words at `address` name; false if it has no items. */
  load(address: number): boolean {
    // Growing the memory detaches the old buffer.
    if (this.#bytes.buffer !== this.#memory.buffer) {
      this.#bytes = new Uint8Array(this.#memory.buffer);
      this.#words = new Int32Array(this.#memory.buffer);
    }
    const words = this.#words;
    const at = address >>> 2;
    const from = (words[at + 8] as number) >>> 2;
    const count = words[at + 9] as number;
    this.#end = count;
    if (count === 0) {
      return false;
    }
    if (this.#decoded > DECODER_BYTES_MAX) {
      this.#utf8 = decoder('utf-8');
      this.#utf16 = decoder('utf-16le');
      this.#decoded = 0;
    }
    this.#ascii = this.#text(this.#utf8, at);
    this.#wide = this.#text(this.#utf16, at + 2);
    const open = this.#text(this.#utf8, at + 4);
    this.#open = open === '' ? [] : (JSON.parse(open) as unknown[]);
    if (words[at + 7] !== 0) {
      this.#late = payloads(this.#part(at + 6).slice());
    }
    this.#asciiAt = this.#wideAt = this.#openAt = this.#lateAt = this.#itemAt = this.timestamp = 0;
    if (this.#items.length < count) {
      this.#items = new Int32Array(count * 2);
    }
    const items = this.#items;
    for (let i = 0; i < count; i += 1) {
      items[i] = words[from + i] as number;
    }
    return true;
  }

  /** There is no other item: the rest will come another way. */
  stop(): void {
    this.#end = 0;
  }

  /** Whether there is another item. */
  get more(): boolean {
    return this.#itemAt < this.#end;
  }

  /** The kind of the item that comes next, or one that there is not. */
  get nextKind(): number {
    return this.#itemAt < this.#end ? (this.#items[this.#itemAt] as number) & KIND_MASK : -1;
  }

  /** The next word. */
  w(): number {
    return this.#items[this.#itemAt++] as number;
  }

  /** The next string. */
  s(): string | undefined {
    const length = this.#items[this.#itemAt++] as number;
    if (length >= 0) {
      const from = this.#asciiAt;
      return this.#ascii.substring(from, (this.#asciiAt = from + length));
    }
    if (length === ABSENT) {
      return undefined;
    }
    const from = this.#wideAt;
    return this.#wide.substring(from, (this.#wideAt = from + ~length));
  }

  /** The next number. */
  n(): number | undefined {
    const number = this.#items[this.#itemAt++] as number;
    return number >= 0 ? number : number === ABSENT ? undefined : (this.open() as number);
  }

  /** The next boolean. */
  b(): boolean | undefined {
    const word = this.w();
    return word === ABSENT ? undefined : word === 1;
  }

  /** The next value of another kind. */
  o(): unknown {
    const word = this.w();
    if (word === LATE) {
      this.late = true;
      return this.#late(this.#lateAt++);
    }
    return word === ABSENT ? undefined : this.open();
  }

  /** The next timestamp. */
  t(): number {
    const difference = this.w();
    return (this.timestamp = difference >= 0 ? this.timestamp + difference : this.w() * 2 ** 32 + (this.w() >>> 0));
  }

  /** The next open value, which no word announces. */
  open(): unknown {
    return this.#open[this.#openAt++];
  }

  #text(decoder: TextDecoder, at: number): string {
    const length = this.#words[at + 1] as number;
    this.#decoded += length;
    return length === 0 ? '' : decoder.decode(this.#part(at));
  }

  #part(at: number): Uint8Array {
    const from = (this.#words[at] as number) >>> 0;
    return this.#bytes.subarray(from, from + (this.#words[at + 1] as number));
  }
}

// A mark at the very beginning of a text belongs to its first string.
function decoder(label: string): TextDecoder {
  return new TextDecoder(label, { ignoreBOM: true });
}

/** Hands every item of the batch in `reader` to `sink`; `context` keeps offset and cursor from one batch to the next. */
export function readBatch(reader: BatchReader, context: RecordContext, sink: BatchSink): void {
  while (reader.more) {
    const word = reader.w();
    const kind = word & KIND_MASK;
    if (kind < EVENT_KINDS || kind === KIND_UNKNOWN) {
      const uncounted = (word & FLAG_UNCOUNTED) !== 0;
      if (!uncounted) {
        context.offset += 1;
      }
      const record = kind === KIND_UNKNOWN ? unknownRecord(context, reader.s() as string, reader.s() as string, reader.t(), reader.open()) : construct(kind, reader, context);
      if (reader.late) {
        reader.late = false;
        record.data = withPayloads(record.data as unknown as Record<string, unknown>) as typeof record.data;
      }
      if ((word & FLAG_META) !== 0) {
        record.meta = reader.open() as NonNullable<SessionRecord['meta']>;
      }
      if ((word & FLAG_EXTRAS) !== 0) {
        keepExtras(record.data as object, reader.open() as object);
      }
      if (reader.nextKind === KIND_CONTROL) {
        // The cursor that follows directly is this record's own; the one before it would repeat its batch.
        const control = reader.w();
        record.cursor = context.cursor = reader.s() as string;
        sink.record(record, kind, uncounted);
        settle(control, reader, context, sink);
      } else {
        sink.record(record, kind, uncounted);
      }
    } else if (kind === KIND_CONTROL) {
      context.cursor = reader.s() as string;
      settle(word, reader, context, sink);
    } else if (kind === KIND_REJECTED) {
      sink.rejected(rejected(reader, context, (word & FLAG_UNCOUNTED) !== 0));
    } else {
      context.offset = reader.n() as number;
    }
  }
}

function settle(control: number, reader: BatchReader, context: RecordContext, sink: BatchSink): void {
  if ((control & FLAG_COUNT) !== 0) {
    context.offset = reader.n() as number;
  }
  sink.control((control & FLAG_UP_TO_DATE) !== 0, (control & FLAG_CLOSED) !== 0);
}

// Unknown fields of `data` are kept, but never take the place of what the schema names.
function keepExtras(data: object, extras: object): void {
  for (const [name, value] of Object.entries(extras)) {
    if (!Object.hasOwn(data, name)) {
      Object.defineProperty(data, name, { value, writable: true, enumerable: true, configurable: true });
    }
  }
}

export function unknownRecord(context: RecordContext, id: string, type: string, timestamp: number, data: unknown, meta?: unknown): SessionRecord | CustomRecord {
  const own = { type, sessionId: context.sessionId, timestamp };
  if (context.schemas.has(type)) {
    // What its schema gets is the payload as it came.
    return { channel: 'custom', id, data, ...own, offset: context.offset, cursor: context.cursor, meta } as unknown as CustomRecord;
  }
  return {
    channel: 'unknown',
    type,
    id,
    // An unknown event may carry anything; only an object can take the envelope's values in.
    data: typeof data === 'object' && data !== null && !Array.isArray(data) ? { ...data, ...own } : { data, ...own },
    offset: context.offset,
    cursor: context.cursor,
    meta,
    // An absent meta is an own property here, which the public type does not promise.
  } as unknown as SessionRecord;
}

function rejected(reader: BatchReader, context: RecordContext, uncounted: boolean): Rejected {
  const [code, reason, expected, before, behind] = Array.from({ length: 5 }, () => reader.s() as string) as [string, string, string, string, string];
  return { ...explain(code, reason, expected, before, behind), code, reason, expected, uncounted, offset: (context.offset = reader.n() as number) };
}
