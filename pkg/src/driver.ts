// Carries out what the machine in wasm decides: requests, their bodies, timers. Decides nothing itself but by which of
// the protocol's modes a request reads, and must not know events or subscribers.
import { discard } from './init.js';
import type { StreamSettings } from './settings.js';
import { asEventStream, objection } from './transport.js';
import type { ConnectionState } from './types.js';
import type { ConnectionHooks, Notice } from './wasm/durable_sessions.js';
import { Connection } from './wasm/durable_sessions.js';

// Longer pieces are cut: one huge chunk does not double the memory, and a text that an application keeps, which an
// engine may have cut out of the text of its batch, keeps no more than this alive.
const PIECE_BYTES_MAX = 64 * 1024;
// Timers run in steps of this at most, so that waking from sleep is noticed soon, whatever is waited for.
const TICK_MS = 15_000;
/** A timer that is so late was asleep, or is throttled in a hidden page. */
const LATE_MS = 5_000;
/** So long SSE may bring nothing before a poll is tried, or half of what counts as silence. Servers send a control event at once. */
const STALL_MS = 8_000;
const SSE_AGAIN_MS = 300_000;
/** A poll is silent while it waits, which is the server's choice, usually 30 s. */
const POLL_SILENCE_TIMES = 3;

// What `Connection.signal` takes; crates/client-wasm/src/driver/connection.rs has the same numbers.
export const START = 0;
export const RECONNECT = 1;
export const ONLINE = 2;
export const OFFLINE = 3;
const ENDED = 4;
// 5: the time until the next attempt is over.
const SILENCE = 6;
const WOKE = 7;
export const PAUSE = 8;
const CLOSE = 9;

// Kinds of notices, as crates/client-wasm/src/driver/notice.rs has them.
export const OPEN = 0;
const ABORT = 1;
const TIMER = 2;
export const STATE = 3;
export const RETRYING = 4;
export const ERROR = 5;
export const LOST = 6;
export const RECONNECTED = 7;
export const DISCONNECTED = 8;
export const CLOSED = 9;
/** The driver's own: from here on it reads by SSE (0) or long-poll; the text says why. */
export const TRANSPORT = 10;

/** The states by the numbers that notices have. */
export const STATES: readonly ConnectionState[] = ['disconnected', 'connecting', 'connected', 'reconnecting', 'lost', 'closed'];
export const CONNECTING = 1;
export const CONNECTED = 2;

/** A timer beside those of the machine, which have the numbers of their signals. */
const STALL = 0;

// Whether polls take the place of SSE; as long as none has worked, they are no better.
const SSE = 0;
const POLL_TRIED = 1;
const POLLS = 2;

/** Hears what came of it. */
export interface DriverEvents {
  batch(parts: number, bytes: number): void;
  /** What the machine tells, and `TRANSPORT`. */
  notice(notice: Notice): void;
  /** The wasm instance is gone, and this driver with it; by a call of its own, if it was that. */
  trapped(own: boolean, thrown: unknown): void;
}

/** All that use the instance. */
const drivers = new Set<Driver>();

export class Driver {
  readonly #settings: StreamSettings;
  readonly #connection: Connection;
  readonly #events: DriverEvents;
  #mode: number;
  #sseAgainAt = Infinity;
  /** Whether it was last read by polls, and why not by SSE. */
  #way: boolean;
  #reason = '';
  #isAtTail = false;
  /** Must not be called any more. */
  #gone = false;
  /** The request that may still report. A new number disowns the one before. */
  #turn = 0;
  #abort: AbortController | null = null;
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  readonly #timers: Record<number, unknown> = {};

  /** `offset` messages stand before `cursor`, which is empty at the start. Throws if it is none. */
  constructor(settings: StreamSettings, cursor: string, offset: number, events: DriverEvents) {
    this.#settings = settings;
    this.#events = events;
    this.#mode = settings.transport === 'long-poll' ? POLLS : SSE;
    this.#way = this.#mode !== SSE;
    const { enabled, initialDelay, maxDelay, backoffMultiplier, maxAttempts, jitter } = settings.reconnect;
    const seed = Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
    const { silenceMs, frameBytesMax } = settings;
    const hooks: ConnectionHooks = {
      now: () => settings.clock.Date.now(),
      batch: (parts, bytes) => {
        if (!this.#gone) {
          try {
            events.batch(parts, bytes);
          } catch (thrown) {
            // Callbacks throw nothing up to here. The rest of the batch is read again by a fresh instance, or given up aloud.
            this.#failed(thrown);
          }
        }
      },
      notice: (notice) => {
        const [[kind, word, , , number], text, echo] = notice;
        // An instance that has failed may still be at work further up the stack.
        if (this.#gone) {
          return;
        }
        if (kind === TIMER) {
          this.#setTimer(word, word === SILENCE && this.#mode !== SSE ? number * POLL_SILENCE_TIMES : number);
        } else if (kind === ABORT) {
          this.#drop();
        } else {
          // Before the request leaves, so that whoever hears of it may still prevent it.
          const turn = this.#turn;
          try {
            events.notice(notice);
          } finally {
            // Where the state is not known, what is there is asked for, without waiting for more.
            this.#isAtTail &&= kind !== STATE || word === CONNECTED;
            if (kind === OPEN && turn === this.#turn) {
              void this.#request(text, echo);
            }
          }
        }
      },
    };
    const connection = Connection.open(cursor, offset, enabled, initialDelay, maxDelay, backoffMultiplier, maxAttempts, jitter, silenceMs, frameBytesMax, seed, hooks);
    if (connection === undefined) {
      throw new TypeError('malformed cursor');
    }
    this.#connection = connection;
    drivers.add(this);
  }

  /** One of the signals above. */
  signal(what: number): void {
    if (what === RECONNECT && this.#settings.transport === 'auto') {
      this.#sseAgainAt = 0;
    }
    this.#call(() => {
      this.#connection.signal(what);
    });
  }

  /** Lets go of everything; what is still under way is ignored when it reports. Final. */
  dispose(): void {
    this.signal(CLOSE);
    this.#release();
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
      this.#failed(thrown);
    }
  }

  #failed(thrown: unknown): void {
    const all = [...drivers];
    drivers.clear();
    discard();
    for (const driver of all) {
      driver.#gone = true;
      driver.#release();
      // Or a collected handle would be freed in the next instance.
      driver.#connection.__destroy_into_raw();
    }
    for (const driver of all) {
      driver.#events.trapped(driver === this, thrown);
    }
  }

  /** By default what is due is the signal of that number. */
  #setTimer(timer: number, afterMs: number, due = () => { this.signal(timer); }): void {
    const { clock } = this.#settings;
    clock.clearTimeout(this.#timers[timer] as never);
    if (afterMs >= 0) {
      const tickMs = Math.min(afterMs, TICK_MS);
      const at = clock.Date.now() + tickMs;
      this.#timers[timer] = clock.setTimeout(() => {
        if (clock.Date.now() - at > LATE_MS) {
          this.signal(WOKE);
        } else if (afterMs > tickMs) {
          this.#setTimer(timer, afterMs - tickMs, due);
        } else {
          due();
        }
      }, tickMs);
    }
  }

  #drop(): void {
    this.#turn += 1;
    this.#setTimer(STALL, -1);
    const abort = this.#abort;
    const reader = this.#reader;
    this.#abort = this.#reader = null;
    abort?.abort();
    // A body that does not listen to the signal.
    letGo(reader);
  }

  #release(): void {
    this.#drop();
    for (const timer of Object.values(this.#timers)) {
      this.#settings.clock.clearTimeout(timer as never);
    }
  }

  async #request(offset: string, echo: string): Promise<void> {
    this.#drop();
    const turn = this.#turn;
    const stale = () => turn !== this.#turn;
    const { url, fetch, headers, ephemeral, transport, clock, silenceMs } = this.#settings;
    if (clock.Date.now() >= this.#sseAgainAt) {
      this.#mode = SSE;
      this.#sseAgainAt = Infinity;
    }
    const polls = this.#mode !== SSE;
    const mayFallBack = !polls && transport === 'auto';
    this.#isAtTail &&= polls;
    const live = polls ? (this.#isAtTail ? 'live=long-poll&' : '') : `${ephemeral ? 'ephemeral=true&' : ''}live=sse&`;
    // Asks by a poll for what was asked for by SSE. The machine does not see the difference.
    const fallBack = (reason: string) => {
      this.#mode = POLL_TRIED;
      this.#sseAgainAt = clock.Date.now() + SSE_AGAIN_MS;
      this.#reason = reason;
      void this.#request(offset, echo);
    };
    const watch = () => {
      const stallMs = Math.min(silenceMs / 2 || STALL_MS, STALL_MS);
      this.#setTimer(STALL, mayFallBack ? stallMs : -1, () => {
        fallBack(`nothing arrived for ${stallMs} ms`);
      });
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
      fields['Accept'] = polls ? 'application/json' : 'text/event-stream';
      // Parameters in the order of their names, as caches like it.
      const cursor = echo && `cursor=${encodeURIComponent(echo)}&`;
      let response = await fetch(`${url}?${cursor}${live}offset=${encodeURIComponent(offset)}`, { method: 'GET', headers: fields, signal, cache: 'no-store' });
      // Not `instanceof`: an application's own fetch may have a Response of its own.
      const { status, headers: own } = (response as Partial<Response> | null | undefined) ?? {};
      if (typeof status !== 'number' || typeof own?.get !== 'function') {
        throw new TypeError('fetch answered with something that is no Response');
      }
      const reason = mayFallBack ? await objection(response) : '';
      if (polls) {
        const page = await asEventStream(response);
        if (stale()) {
          return;
        }
        if (page !== null) {
          this.#mode = POLLS;
          this.#isAtTail = own.get('stream-up-to-date') === 'true';
          response = page;
        } else if (this.#mode === POLL_TRIED && status !== 401 && status !== 410) {
          this.#mode = SSE;
        }
      }
      if (stale() || reason !== '') {
        // A fetch that does not listen to its signal still has to be let go.
        letGo(response.body);
        if (!stale()) {
          fallBack(reason);
        }
        return;
      }
      const reader = (this.#reader = response.bodyUsed ? null : (response.body?.getReader() ?? null));
      // Asked for without a function around it: each promise between a frame and its callback is time that one sees.
      let chunk: unknown;
      if (response.status === 200) {
        // Not told before a byte has come: until then a poll can ask for the same.
        watch();
        chunk = (await reader?.read())?.value;
        if (stale()) {
          return;
        }
        this.#setTimer(STALL, -1);
      }
      this.#call(() => {
        this.#connection.answered(response);
      });
      while (!stale() && chunk !== undefined) {
        if (!(chunk instanceof Uint8Array)) {
          throw new TypeError('the body holds something else than bytes');
        }
        if (polls !== this.#way) {
          this.#way = polls;
          this.#events.notice([[TRANSPORT, Number(polls), 0, 0, 0, 0], this.#reason, '']);
        }
        const bytes = chunk;
        for (let from = 0; from < bytes.length && !stale(); from += PIECE_BYTES_MAX) {
          this.#call(() => {
            this.#connection.receive(bytes.length > PIECE_BYTES_MAX ? bytes.subarray(from, from + PIECE_BYTES_MAX) : bytes);
          });
        }
        if (!stale()) {
          chunk = (await reader?.read())?.value;
        }
      }
      if (!stale()) {
        this.#drop();
        this.signal(ENDED);
      }
    } catch (error) {
      if (!stale()) {
        this.#drop();
        // An outage must not leave a client polling.
        this.#mode = this.#mode === POLL_TRIED ? SSE : this.#mode;
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
