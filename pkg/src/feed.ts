// One network connection and the subscribers it serves. Owns the driver; knows no other feed.
import type { BatchSink, Rejected } from './batch.js';
import { BatchReader, readBatch } from './batch.js';
import { Driver } from './driver.js';
import { DurableStreamsError } from './errors.js';
import { load } from './init.js';
import type { Subscriber } from './subscriber.js';
import type { ConnectionInfo, ConnectionState, SessionRecord, SubscribeFrom, SubscriptionStats } from './types.js';
import type { StreamSettings } from './settings.js';
import type { Notice } from './wasm/durable_sessions.js';
import { causeText, errorText } from './wording.js';

export class Feed implements BatchSink {
  state: ConnectionState = 'disconnected';
  /** Runs after every batch, when all its callbacks have returned. */
  onBatchEnd: (() => void) | null = null;

  /** Replaced, never changed, so that whoever is calling its members is not disturbed. */
  #audience: readonly Subscriber[] = [];
  readonly #settings: StreamSettings;
  readonly #from: SubscribeFrom | null;
  readonly #context: { sessionId: string; offset: number; cursor: string | null };
  #info: ConnectionInfo;
  #driver: Driver | null = null;
  #reader: BatchReader | null = null;
  #disposed = false;
  #lastErrorCode: string = 'CONNECTION_LOST';
  #place: SubscribeFrom | null;
  readonly #stats = { bytes: 0, events: 0, rejected: 0, batches: 0, connections: 0, upToDate: false };

  constructor(settings: StreamSettings, from: SubscribeFrom | null) {
    this.#settings = settings;
    this.#from = from;
    this.#place = from;
    this.#context = { sessionId: settings.sessionId, offset: from?.offset ?? 0, cursor: from?.cursor ?? null };
    this.#info = { attempt: 0, maxAttempts: settings.reconnect.maxAttempts, nextDelayMs: null, cause: null };
  }

  get subscribers(): readonly Subscriber[] {
    return this.#audience;
  }

  add(subscriber: Subscriber): void {
    this.#audience = [...this.#audience, subscriber];
  }

  remove(subscriber: Subscriber): void {
    this.#audience = this.#audience.filter((other) => other !== subscriber);
  }

  get offset(): number {
    return this.#context.offset;
  }

  get cursor(): string | null {
    return this.#context.cursor;
  }

  get place(): SubscribeFrom | null {
    return this.#place;
  }

  get info(): ConnectionInfo {
    return this.#info;
  }

  get stats(): SubscriptionStats {
    return { ...this.#stats, attempt: this.#info.attempt, nextDelayMs: this.#info.nextDelayMs };
  }

  /** Nothing has been delivered yet, so that a new subscriber misses nothing. */
  get untouched(): boolean {
    return this.#stats.batches === 0;
  }

  start(): void {
    this.state = 'connecting';
    this.#inform({ attempt: 0, cause: null });
    this.#load();
  }

  reconnect(): void {
    if (this.#disposed) {
      return;
    }
    if (this.#driver !== null) {
      this.#driver.reconnect();
    } else if (this.state === 'lost') {
      this.start();
    }
  }

  /** Ends the connection; nothing is called afterwards. */
  dispose(): void {
    if (this.#disposed) {
      return;
    }
    this.#disposed = true;
    this.onBatchEnd = null;
    this.#audience = [];
    this.#driver?.dispose();
    this.#driver = null;
    this.#watchNetwork(false);
    this.state = 'disconnected';
  }

  record(record: SessionRecord, kind: number): void {
    this.#stats.events += 1;
    const audience = this.#audience;
    for (let i = 0; i < audience.length; i += 1) {
      (audience[i] as Subscriber).record(record, kind);
    }
    this.#settings.seen?.(record.id);
  }

  rejected(rejected: Rejected): void {
    this.#stats.rejected += 1;
    const error = rejectionError(rejected);
    this.#settings.logger.warn(`durable-sessions: ${error.message}`, { code: error.code, path: error.path, offset: error.offset });
    for (const subscriber of this.#audience) {
      if (rejected.offset > subscriber.after) {
        subscriber.error(error);
      }
    }
  }

  control(upToDate: boolean): void {
    this.#stats.upToDate = upToDate;
    const { cursor, offset } = this.#context;
    // Nowhere else do the two belong together: a record's cursor is that of its batch, or of the one before.
    this.#place = cursor === null ? null : { cursor, offset };
  }

  // Browsers and workers say when the network comes and goes; Node does not.
  #watchNetwork(watch: boolean): void {
    const target = globalThis as Partial<Pick<typeof globalThis, 'addEventListener' | 'removeEventListener'>>;
    const change = watch ? target.addEventListener : target.removeEventListener;
    for (const type of ['online', 'offline'] as const) {
      change?.call(globalThis, type, this.#networkChanged);
    }
  }

  readonly #networkChanged = (event: Event): void => {
    this.#driver?.online(event.type === 'online');
  };

  #load(): void {
    load().then(
      (memory) => {
        if (!this.#disposed && this.#driver === null) {
          this.#open(memory);
        }
      },
      (error: unknown) => {
        this.#fail(new DurableStreamsError('WASM_LOAD_FAILED', `the wasm module did not load: ${String(error)}`, { cause: error }));
      },
    );
  }

  #open(memory: WebAssembly.Memory): void {
    const settings = this.#settings;
    const from = this.#from;
    this.#reader = new BatchReader(memory);
    try {
      this.#driver = new Driver(settings, from?.cursor ?? '', from?.offset ?? 0, {
        batch: (parts, bytes) => {
          this.#batch(parts, bytes);
        },
        notice: (notice) => {
          this.#notice(notice);
        },
      });
      this.#watchNetwork(true);
      this.#driver.start();
    } catch (error) {
      this.#fail(new DurableStreamsError('INVALID_OPTIONS', `the connection could not be set up: ${String(error)}`, { cause: error }));
    }
  }

  #batch(parts: number, bytes: number): void {
    const reader = this.#reader;
    if (this.#disposed || reader === null) {
      return;
    }
    this.#stats.batches += 1;
    this.#stats.bytes += bytes;
    if (reader.load(parts)) {
      readBatch(reader, this.#context, this);
    }
    this.onBatchEnd?.();
  }

  #notice([kind, word, causeCode, attempt, number, status, detail]: Notice): void {
    if (this.#disposed) {
      return;
    }
    const cause = causeText(causeCode, status, detail);
    switch (kind) {
      case 'state':
        if (word === this.state) {
          break;
        }
        this.state = word as ConnectionState;
        if (word === 'connected' || word === 'connecting') {
          this.#inform({ attempt: 0, nextDelayMs: null, cause: null });
        } else {
          this.#inform({ nextDelayMs: null });
        }
        break;
      case 'retry':
        this.#inform({ attempt, nextDelayMs: number, cause });
        break;
      case 'open':
        this.#stats.connections += 1;
        if (this.#info.nextDelayMs !== null) {
          this.#inform({ attempt, nextDelayMs: null });
        }
        break;
      case 'error':
        this.#error(
          new DurableStreamsError(word, errorText(word, cause, attempt, number, detail, this.cursor), {
            status: status === 0 ? null : status,
            offset: this.offset,
          }),
        );
        break;
      case 'lost':
        this.#lost(attempt, cause);
        break;
      case 'reconnected':
        this.#each((subscriber) => subscriber.reconnected());
        break;
      case 'disconnected':
        this.#each((subscriber) => subscriber.disconnected());
        break;
      case 'closed':
        this.#each((subscriber) => subscriber.closed());
        break;
    }
  }

  #fail(error: DurableStreamsError): void {
    if (this.#disposed) {
      return;
    }
    this.#error(error);
    this.state = 'lost';
    this.#inform({ cause: error.message });
    this.#lost(0, error.message);
  }

  #lost(attempts: number, cause: string): void {
    const info = { code: this.#lastErrorCode, attempts, cause, cursor: this.cursor };
    this.#each((subscriber) => subscriber.lost(info));
  }

  #error(error: DurableStreamsError): void {
    this.#lastErrorCode = error.code;
    this.#settings.logger.error(`durable-sessions: ${error.message}`, { code: error.code, offset: error.offset });
    this.#each((subscriber) => subscriber.error(error));
  }

  #inform(change: Partial<ConnectionInfo>): void {
    const { state } = this;
    const info = (this.#info = { ...this.#info, ...change });
    this.#each((subscriber) => subscriber.stateChanged(state, info));
  }

  #each(run: (subscriber: Subscriber) => void): void {
    for (const subscriber of this.#audience) {
      run(subscriber);
    }
  }
}

function rejectionError(rejected: Rejected): DurableStreamsError {
  const { code, eventType, path, expected, came } = rejected;
  const what = eventType === null ? (code === 'INVALID_EVENT' ? 'a message' : 'a frame') : `a ${eventType} event`;
  const where = path === null ? '' : ` at ${path}`;
  const message = `${what} was refused${where}: expected ${expected}, came ${came === '' ? 'nothing' : came}`;
  return new DurableStreamsError(code, message, rejected);
}
