// Carries out what the machine in wasm decides: requests, their bodies, timers. Decides nothing itself but by which of
// the protocol's modes a request reads, and must not know events or subscribers.
import { discard } from './init.js';
import type { StreamSettings } from './settings.js';
import { POLL_SILENCE_MS, STALL_MS, Transport, objection } from './transport.js';
import type { Transport as Way } from './types.js';
import type { ConnectionHooks, Notice } from './wasm/durable_sessions.js';
import { Connection } from './wasm/durable_sessions.js';

// Longer pieces are cut: one huge chunk does not double the memory, and a text that an application keeps, which an
// engine may have cut out of the text of its batch, keeps no more than this alive.
const PIECE_BYTES_MAX = 64 * 1024;
// Timers run in steps of this at most, so that waking from sleep is noticed soon, whatever is waited for.
const TICK_MS = 15_000;
/** A timer that is so late was asleep, or is throttled in a hidden page. */
const LATE_MS = 5_000;

// What `Connection.signal` takes; crates/client-wasm/src/driver/connection.rs has the same numbers.
export const START = 0;
export const RECONNECT = 1;
export const ONLINE = 2;
export const OFFLINE = 3;
const ENDED = 4;
const RETRY = 5;
const SILENCE = 6;
const WOKE = 7;
export const PAUSE = 8;
const CLOSE = 9;

/** Hears what came of it. */
export interface DriverEvents {
  batch(parts: number, bytes: number): void;
  notice(notice: Notice): void;
  /** From here on the stream is read in another way. */
  transport(way: Way, reason: string): void;
  /** The wasm instance is gone, and this driver with it; by a call of its own, if that was its fault. */
  trapped(own: boolean, thrown: unknown): void;
}

/** All that use the instance. */
const drivers = new Set<Driver>();

export class Driver {
  readonly #settings: StreamSettings;
  readonly #connection: Connection;
  readonly #events: DriverEvents;
  readonly #transport: Transport;
  #connected = false;
  /** Must not be called any more. */
  #gone = false;
  /** The request that may still report. A new number disowns the one before. */
  #turn = 0;
  #abort: AbortController | null = null;
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  readonly #timers: Record<string, ReturnType<typeof setTimeout> | undefined> = {};

  /** `offset` messages stand before `cursor`, which is empty at the start. Throws if it is none. */
  constructor(settings: StreamSettings, cursor: string, offset: number, events: DriverEvents) {
    this.#settings = settings;
    this.#events = events;
    this.#transport = new Transport(settings.transport, (way, reason) => {
      events.transport(way, reason);
    });
    const { enabled, initialDelay, maxDelay, backoffMultiplier, maxAttempts, jitter } = settings.reconnect;
    const seed = Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
    const { silenceMs, frameBytesMax } = settings;
    const hooks: ConnectionHooks = {
      batch: (parts, bytes) => {
        events.batch(parts, bytes);
      },
      notice: (notice) => {
        const [kind, word, , , number, , detail] = notice;
        if (kind === 'timer') {
          this.#setTimer(word, number);
        } else if (kind === 'abort') {
          this.#drop();
        } else {
          if (kind === 'state') {
            this.#connected = word === 'connected';
          }
          // Before the request leaves, so that whoever hears of it may still prevent it.
          const turn = this.#turn;
          try {
            events.notice(notice);
          } finally {
            if (kind === 'open' && turn === this.#turn) {
              void this.#request(detail);
            }
          }
        }
      },
    };
    this.#connection = new Connection(cursor, offset, enabled, initialDelay, maxDelay, backoffMultiplier, maxAttempts, jitter, silenceMs, frameBytesMax, seed, hooks);
    drivers.add(this);
  }

  /** One of the signals above. */
  signal(what: number): void {
    if (what === RECONNECT) {
      this.#transport.startOver();
    }
    this.#call(() => {
      this.#connection.signal(what);
    });
  }

  /** Lets go of everything; what is still under way is ignored when it reports. Final. */
  dispose(): void {
    this.signal(CLOSE);
    this.#drop();
    this.#stopTimers();
    // This may run inside a call of the connection's own, which must return first.
    queueMicrotask(() => {
      this.#call(() => {
        this.#connection.free();
      });
      this.#gone = true;
      drivers.delete(this);
    });
  }

  #call(run: () => void): void {
    if (this.#gone) {
      return;
    }
    try {
      run();
    } catch (thrown) {
      // Hooks throw nothing into the machine, so the instance has failed, and nobody knows what its memory holds.
      const all = [...drivers];
      discard();
      for (const driver of all) {
        driver.#abandon();
      }
      for (const driver of all) {
        driver.#events.trapped(driver === this, thrown);
      }
    }
  }

  #abandon(): void {
    this.#gone = true;
    drivers.delete(this);
    this.#drop();
    this.#stopTimers();
    // Or a collected handle would be freed in the next instance.
    this.#connection.__destroy_into_raw();
  }

  #setTimer(timer: string, afterMs: number): void {
    clearTimeout(this.#timers[timer]);
    if (timer === 'silence' && this.#transport.polling && afterMs >= 0) {
      afterMs = Math.max(afterMs, POLL_SILENCE_MS);
    }
    this.#run(timer, afterMs, () => {
      this.signal(timer === 'silence' ? SILENCE : RETRY);
    });
  }

  #run(timer: string, afterMs: number, due: () => void): void {
    if (afterMs < 0) {
      return;
    }
    const tickMs = Math.min(afterMs, TICK_MS);
    const at = Date.now() + tickMs;
    this.#timers[timer] = setTimeout(() => {
      if (Date.now() - at > LATE_MS) {
        this.signal(WOKE);
      } else if (afterMs > tickMs) {
        this.#run(timer, afterMs - tickMs, due);
      } else {
        due();
      }
    }, tickMs);
  }

  #stopTimers(): void {
    Object.values(this.#timers).forEach(clearTimeout);
  }

  #drop(): void {
    this.#turn += 1;
    clearTimeout(this.#timers['stall']);
    const abort = this.#abort;
    const reader = this.#reader;
    this.#abort = this.#reader = null;
    abort?.abort();
    // A body that does not listen to the signal.
    letGo(reader);
  }

  /** Asks by a poll for what was asked for by SSE. The machine does not see the difference. */
  #fallBack(query: string, reason: string): void {
    this.#transport.fallBack(reason);
    this.#setTimer('silence', POLL_SILENCE_MS);
    void this.#request(query);
  }

  async #request(query: string): Promise<void> {
    this.#drop();
    const turn = this.#turn;
    const stale = () => turn !== this.#turn;
    const { url, fetch, headers, ephemeral } = this.#settings;
    const transport = this.#transport;
    const asked = transport.query(query, ephemeral, this.#connected);
    const { polling } = transport;
    /** Not told before a byte has come: until then a poll can ask for the same. */
    let held: Response | null = null;
    const tellHead = () => {
      const head = held;
      held = null;
      clearTimeout(this.#timers['stall']);
      if (head !== null) {
        this.#call(() => {
          this.#connection.answered(head);
        });
      }
    };
    const watch = () => {
      clearTimeout(this.#timers['stall']);
      if (transport.mayFallBack) {
        this.#run('stall', STALL_MS, () => {
          this.#fallBack(query, `nothing arrived for ${STALL_MS} ms; something on the way holds the events back`);
        });
      }
    };
    let isToken = true;
    try {
      const fields = await headers();
      if (stale()) {
        return;
      }
      isToken = false;
      const { signal } = (this.#abort = new AbortController());
      watch();
      fields['Accept'] = polling ? 'application/json' : 'text/event-stream';
      let response = await fetch(`${url}?${asked}`, { method: 'GET', headers: fields, signal, cache: 'no-store' });
      // Not `instanceof`: an application's own fetch may have a Response of its own.
      const { status, headers: own } = (response as Partial<Response> | null | undefined) ?? {};
      if (typeof status !== 'number' || typeof own?.get !== 'function') {
        throw new TypeError('fetch answered with something that is no Response');
      }
      if (!stale()) {
        if (polling) {
          response = await transport.asEventStream(response);
        } else if (transport.mayFallBack) {
          const reason = await objection(response);
          if (reason !== null && !stale()) {
            letGo(response.body);
            this.#fallBack(query, reason);
            return;
          }
        }
      }
      if (stale()) {
        // A fetch that does not listen to its signal still has to be let go.
        letGo(response.body);
        return;
      }
      held = response;
      const reader = (this.#reader = response.bodyUsed ? null : (response.body?.getReader() ?? null));
      if (response.status === 200) {
        watch();
      } else {
        tellHead();
      }
      for (;;) {
        if (stale()) {
          return;
        }
        const chunk: unknown = (await reader?.read())?.value;
        if (stale()) {
          return;
        }
        tellHead();
        if (stale()) {
          return;
        }
        if (chunk === undefined) {
          break;
        }
        if (!(chunk instanceof Uint8Array)) {
          throw new TypeError('the body holds something else than bytes');
        }
        transport.works();
        for (let from = 0; from < chunk.length; from += PIECE_BYTES_MAX) {
          this.#call(() => {
            this.#connection.receive(chunk.length > PIECE_BYTES_MAX ? chunk.subarray(from, from + PIECE_BYTES_MAX) : chunk);
          });
          if (stale()) {
            return;
          }
        }
      }
      this.#drop();
      this.signal(ENDED);
    } catch (error) {
      if (!stale()) {
        tellHead();
        transport.failed();
      }
      if (!stale()) {
        this.#drop();
        const words = error instanceof Error ? error.message : typeof error === 'string' ? error : 'no reason given';
        this.#call(() => {
          this.#connection.failed(isToken, words);
        });
      }
    }
  }
}

/** What was let go of has nothing to say any more, whatever it does instead of cancelling. */
function letGo(body: { cancel(): Promise<void> } | null | undefined): void {
  Promise.resolve()
    .then(() => body?.cancel())
    .catch(() => undefined);
}
