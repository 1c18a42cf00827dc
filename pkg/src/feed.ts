// One network connection and the subscribers it serves. Owns the driver; knows no other feed.
import type { BatchSink, RecordContext } from './batch.js';
import { BatchReader, KIND_UNKNOWN, readBatch, unknownRecord } from './batch.js';
import type { CustomRecord } from './custom-types.js';
import type { DriverEvents } from './driver.js';
import { CLOSED, CONNECTED, CONNECTING, DISCONNECTED, Driver, ERROR, LOST, OFFLINE, ONLINE, OPEN, PAUSE, RECONNECT, RECONNECTED, RETRYING, START, STATE, STATES, TRANSPORT } from './driver.js';
import { DurableStreamsError, inWords } from './errors.js';
import { EVENT_KINDS } from './generated/records.js';
import { load } from './init.js';
import type { Subscriber } from './subscriber.js';
import type { ConnectionInfo, ConnectionState, SessionRecord, StatusCallbacks, SubscribeFrom, SubscriptionStats } from './types.js';
import type { Rejected } from './rejection.js';
import type { StreamSettings } from './settings.js';
import type { Notice } from './wasm/durable_sessions.js';
import { causeText, errorCode, errorText } from './wording.js';

/** The states in which a request is under way or will be. */
const ACTIVE = /^(re)?connect/;

export class Feed implements BatchSink, DriverEvents {
  state: ConnectionState = 'disconnected';
  /** Runs after every batch, when all its callbacks have returned. */
  onBatchEnd: (() => void) | null = null;

  /** Replaced, never changed, so that whoever is calling its members is not disturbed. */
  #audience: readonly Subscriber[] = [];
  readonly #settings: StreamSettings;
  #context: RecordContext;
  #info: ConnectionInfo;
  #driver: Driver | null = null;
  #reader: BatchReader | null = null;
  #disposed = false;
  #paused = false;
  #pauseTimer: unknown;
  /** How far it had come when the instance failed: twice at the same place is once too often. */
  #panickedAt = -1;
  #recovering = false;
  #lastErrorCode: string = 'CONNECTION_LOST';
  #place: SubscribeFrom | null;
  readonly #stats = { bytes: 0, events: 0, rejected: 0, batches: 0, connections: 0, upToDate: false };

  constructor(settings: StreamSettings, from: SubscribeFrom | null) {
    this.#settings = settings;
    this.#place = from;
    this.#context = { sessionId: settings.sessionId, offset: from?.offset ?? 0, cursor: from?.cursor ?? null, schemas: settings.schemas };
    this.#info = { attempt: 0, maxAttempts: settings.reconnect.maxAttempts, nextDelayMs: null, cause: null, transport: settings.transport === 'long-poll' ? 'long-poll' : 'sse' };
  }

  get subscribers(): readonly Subscriber[] {
    return this.#audience;
  }

  add(subscriber: Subscriber): void {
    subscriber.feed = this;
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

  /** Says to one subscriber how the connection stands. */
  greet(subscriber: Subscriber): void {
    if (subscriber.active) {
      subscriber.state = this.state;
      subscriber.tell('onConnectionStateChange', this.state, this.#info);
    }
  }

  get stats(): SubscriptionStats {
    return { ...this.#stats, attempt: this.#info.attempt, nextDelayMs: this.#info.nextDelayMs };
  }

  /** Nothing has been delivered yet, so that a new subscriber misses nothing. */
  get untouched(): boolean {
    return this.#stats.batches === 0;
  }

  start(): void {
    if (!ACTIVE.test(this.state)) {
      this.state = 'connecting';
      this.#inform({ attempt: 0, cause: null });
      this.#load();
    }
  }

  reconnect(): void {
    if (this.#disposed) {
      return;
    }
    if (this.#driver !== null) {
      this.#driver.signal(RECONNECT);
    } else if (!ACTIVE.test(this.state) && this.state !== 'closed') {
      this.start();
    }
  }

  /** Whoever comes anew wants it tried anew: what was given up, but not what is paused. */
  revive(): void {
    if (this.state === 'lost' || (this.state === 'disconnected' && this.#driver && !this.#paused)) {
      this.reconnect();
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
    this.#watch(false);
    this.state = 'disconnected';
  }

  record(record: SessionRecord | CustomRecord, kind: number, uncounted: boolean): void {
    const refused = kind < EVENT_KINDS ? null : this.#context.schemas.get(record.type)?.(record as CustomRecord);
    if (refused) {
      this.#refuse(refused, uncounted);
    } else {
      this.#stats.events += uncounted ? 0 : 1;
      const audience = this.#audience;
      for (let i = 0; i < audience.length; i += 1) {
        (audience[i] as Subscriber).record(record, kind, uncounted);
      }
    }
    // The server has it, whatever becomes of it here.
    this.#settings.seen(record.id);
  }

  rejected(rejected: Rejected): void {
    const { validation } = this.#settings;
    const { uncounted } = rejected;
    // Typed callbacks promise what the schema does, so it goes where nothing is promised.
    const event = rejected.message as { id?: unknown; type?: unknown; timestamp?: unknown; data?: unknown; meta?: unknown } | null | undefined;
    const type = validation === 'strict' ? null : event?.type;
    const passes = typeof type === 'string';
    if (!passes || validation !== 'off') {
      this.#refuse(rejectionError(rejected, passes ? 'warning' : 'error'), uncounted);
    }
    if (passes) {
      const { id, timestamp, data, meta } = event ?? {};
      const record = unknownRecord(this.#context, typeof id === 'string' ? id : '', type, typeof timestamp === 'number' ? timestamp : 0, data, meta);
      this.record(record, KIND_UNKNOWN, uncounted);
    }
  }

  #refuse(error: DurableStreamsError, uncounted: boolean): void {
    this.#stats.rejected += 1;
    this.#settings.logger.warn(`durable-sessions: ${error.message}`, { code: error.code, path: error.path, offset: error.offset });
    for (const subscriber of this.#audience) {
      const offset = error.offset as number;
      if (uncounted || offset > subscriber.after) {
        // What is delivered in spite of its error is still to come.
        subscriber.after = error.severity === 'warning' ? subscriber.after : Math.max(subscriber.after, offset);
        subscriber.tell('onError', error);
      }
    }
  }

  control(upToDate: boolean): void {
    // The instance failed in the callback of the record before: that place belongs to what is read again.
    if (this.#driver === null) {
      return;
    }
    this.#stats.upToDate = upToDate;
    const { cursor, offset } = this.#context;
    // Nowhere else do the two belong together: a record's cursor is that of its batch, or of the one before.
    this.#place = cursor === null ? null : { cursor, offset };
  }

  // Browsers and workers say when the network comes and goes, pages when they are hidden; Node says nothing.
  #watch(watch: boolean): void {
    const { document } = globalThis as Partial<typeof globalThis>;
    const change = watch ? 'addEventListener' : 'removeEventListener';
    const target = globalThis as Partial<Pick<typeof globalThis, typeof change>>;
    target[change]?.('online', this.#changed);
    target[change]?.('offline', this.#changed);
    document?.[change]('visibilitychange', this.#changed);
    this.#settings.clock.clearTimeout(this.#pauseTimer as never);
    if (watch) {
      this.#looked();
    }
  }

  readonly #changed = ({ type }: Event): void => {
    if (type === 'visibilitychange') {
      this.#looked();
    } else {
      this.#driver?.signal(type === 'online' ? ONLINE : OFFLINE);
    }
  };

  #looked(): void {
    const { pauseAfterMs, clock } = this.#settings;
    clock.clearTimeout(this.#pauseTimer as never);
    if ((globalThis as Partial<typeof globalThis>).document?.hidden !== true) {
      if (this.#paused) {
        this.#paused = false;
        if (this.#driver === null) {
          this.#load();
        } else {
          this.#driver.signal(START);
        }
      }
    } else if (pauseAfterMs !== null) {
      this.#pauseTimer = clock.setTimeout(() => {
        if (ACTIVE.test(this.state)) {
          this.#paused = true;
          this.#driver?.signal(PAUSE);
          this.#inform({ cause: 'paused while the page is hidden' });
        }
      }, pauseAfterMs);
    }
  }

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
    const from = this.#place;
    this.#reader = new BatchReader(memory);
    try {
      this.#driver = new Driver(settings, from?.cursor ?? '', from?.offset ?? 0, this);
      this.#watch(true);
      this.#driver.signal(START);
    } catch (error) {
      this.#fail(new DurableStreamsError('INVALID_OPTIONS', `the connection could not be set up: ${String(error)}`, { cause: error }));
    }
  }

  // A panic ends the instance for every connection that uses it. Each goes on in a fresh one from its cursor, and what
  // was delivered behind that is not delivered again.
  trapped(own: boolean, thrown: unknown): void {
    const { offset } = this;
    this.#driver = null;
    if (this.#disposed) {
      return;
    }
    this.#context = { ...this.#context, offset: this.#place?.offset ?? 0, cursor: this.#place?.cursor ?? null };
    this.#reader?.stop();
    if (own) {
      const error = new DurableStreamsError('CLIENT_PANICKED', `the wasm module failed after event ${offset}: ${inWords(thrown)}`, { offset, cause: thrown });
      if (offset <= this.#panickedAt) {
        this.#fail(error);
        return;
      }
      this.#panickedAt = offset;
      this.#error(error);
    }
    if (this.state === 'connected') {
      this.#recovering = true;
      this.#tell('onDisconnect');
      this.state = 'reconnecting';
      this.#inform({ cause: 'the wasm module failed' });
    }
    if (ACTIVE.test(this.state)) {
      this.#load();
    }
  }

  batch(parts: number, bytes: number): void {
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

  notice([[kind, word, causeNumber, attempt, number, status], detail]: Notice): void {
    if (this.#disposed) {
      return;
    }
    const cause = causeText(causeNumber, status, detail);
    const code = errorCode(word, status);
    const state = STATES[word] as ConnectionState;
    switch (kind) {
      case STATE:
        if (state === this.state || (word === CONNECTING && this.#recovering && this.state === 'reconnecting')) {
          break;
        }
        this.state = state;
        if (word === CONNECTED || word === CONNECTING) {
          this.#inform({ attempt: 0, nextDelayMs: null, cause: null });
          if (this.#recovering) {
            this.#recovering = false;
            this.#tell('onReconnect');
          }
        } else {
          this.#inform({ nextDelayMs: null });
        }
        break;
      case RETRYING:
        this.#inform({ attempt, nextDelayMs: number, cause });
        break;
      case OPEN:
        this.#stats.connections += 1;
        if (this.#info.nextDelayMs !== null) {
          this.#inform({ attempt, nextDelayMs: null });
        }
        break;
      case ERROR:
        this.#error(
          new DurableStreamsError(code, errorText(code, cause, attempt, number, detail, this.cursor), {
            status: status === 0 ? null : status,
            offset: this.offset,
          }),
        );
        break;
      case LOST:
        this.#lost(attempt, cause);
        break;
      case RECONNECTED:
        this.#tell('onReconnect');
        break;
      case DISCONNECTED:
        this.#tell('onDisconnect');
        break;
      case TRANSPORT:
        if (word > 0) {
          this.#settings.logger.warn(`durable-sessions: reading by long-poll: ${detail}`);
        }
        this.#inform({ transport: word > 0 ? 'long-poll' : 'sse' });
        break;
      case CLOSED:
        this.#tell('onClosed');
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
    this.#recovering = false;
    const info = { code: this.#lastErrorCode, attempts, cause, cursor: this.cursor };
    this.#tell('onConnectionLost', info);
  }

  #error(error: DurableStreamsError): void {
    this.#lastErrorCode = error.code;
    this.#settings.logger.error(`durable-sessions: ${error.message}`, { code: error.code, offset: error.offset });
    this.#tell('onError', error);
  }

  #inform(change: Partial<ConnectionInfo>): void {
    this.#info = { ...this.#info, ...change };
    this.#audience.forEach(this.greet, this);
  }

  #tell<N extends keyof StatusCallbacks>(name: N, ...told: Parameters<NonNullable<StatusCallbacks[N]>>): void {
    for (const subscriber of this.#audience) {
      subscriber.tell(name, ...told);
    }
  }
}

function rejectionError(rejected: Rejected, severity: 'error' | 'warning'): DurableStreamsError {
  const { code, eventType, path, expected, came } = rejected;
  const what = eventType === null ? (code === 'INVALID_EVENT' ? 'a message' : 'a frame') : `a ${eventType} event`;
  const where = path === null ? '' : ` at ${path}`;
  const message = `${what} was refused${where}: expected ${expected}, came ${came === '' ? 'nothing' : came}`;
  return new DurableStreamsError(code, message, { ...rejected, severity });
}
