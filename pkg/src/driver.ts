// Carries out what the machine in wasm decides: requests, their bodies, timers. Decides nothing itself, and must not
// know events or subscribers.
import type { StreamSettings } from './settings.js';
import type { ConnectionHooks, Notice } from './wasm/durable_sessions.js';
import { Connection } from './wasm/durable_sessions.js';

// Longer pieces are cut: one huge chunk does not double the memory, and a text that an application keeps, which an
// engine may have cut out of the text of its batch, keeps no more than this alive.
const PIECE_BYTES_MAX = 64 * 1024;
// A longer delay would make `setTimeout` fire at once.
const DELAY_MS_MAX = 2 ** 31 - 1;

/** Hears what came of it. */
export interface DriverEvents {
  batch(parts: number, bytes: number): void;
  notice(notice: Notice): void;
}

export class Driver {
  readonly #settings: StreamSettings;
  readonly #connection: Connection;
  /** The request that may still report. A new number disowns the one before. */
  #turn = 0;
  #abort: AbortController | null = null;
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  readonly #timers: Record<string, unknown> = {};

  /** `offset` messages stand before `cursor`, which is empty at the start. Throws if it is none. */
  constructor(settings: StreamSettings, cursor: string, offset: number, events: DriverEvents) {
    this.#settings = settings;
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
          // Before the request leaves, so that whoever hears of it may still prevent it.
          const turn = this.#turn;
          try {
            events.notice(notice);
          } finally {
            if (kind === 'open' && turn === this.#turn) {
              void this.#request(detail, number === 1);
            }
          }
        }
      },
    };
    this.#connection = new Connection(cursor, offset, enabled, initialDelay, maxDelay, backoffMultiplier, maxAttempts, jitter, silenceMs, frameBytesMax, seed, hooks);
  }

  start(): void {
    this.#connection.start();
  }

  reconnect(): void {
    this.#connection.reconnect();
  }

  online(online: boolean): void {
    this.#connection.online(online);
  }

  /** Lets go of everything; what is still under way is ignored when it reports. Final. */
  dispose(): void {
    this.#connection.close();
    this.#drop();
    this.#setTimer('retry', -1);
    this.#setTimer('silence', -1);
    // This may run inside a call of the connection's own, which must return first.
    queueMicrotask(() => {
      this.#connection.free();
    });
  }

  #setTimer(timer: string, afterMs: number): void {
    const { clock } = this.#settings;
    clock.clearTimeout(this.#timers[timer] as never);
    if (afterMs >= 0) {
      this.#timers[timer] = clock.setTimeout(() => {
        this.#connection.timer(timer === 'silence');
      }, Math.min(afterMs, DELAY_MS_MAX));
    }
  }

  #drop(): void {
    this.#turn += 1;
    const abort = this.#abort;
    const reader = this.#reader;
    this.#abort = this.#reader = null;
    abort?.abort();
    // A body that does not listen to the signal.
    letGo(reader);
  }

  async #request(query: string, refresh: boolean): Promise<void> {
    this.#drop();
    const turn = this.#turn;
    const stale = () => turn !== this.#turn;
    const { url, fetch, headers } = this.#settings;
    let isToken = true;
    try {
      const fields = await headers(refresh);
      if (stale()) {
        return;
      }
      isToken = false;
      const { signal } = (this.#abort = new AbortController());
      const response = await fetch(`${url}?${query}`, { method: 'GET', headers: { ...fields, Accept: 'text/event-stream' }, signal, cache: 'no-store' });
      // Not `instanceof`: an application's own fetch may have a Response of its own.
      const { status, headers: own } = (response as Partial<Response> | null | undefined) ?? {};
      if (typeof status !== 'number' || typeof own?.get !== 'function') {
        throw new TypeError('fetch answered with something that is no Response');
      }
      if (!stale()) {
        this.#connection.answered(response);
      }
      if (stale()) {
        // A fetch that does not listen to its signal still has to be let go.
        letGo(response.body);
        return;
      }
      const reader = (this.#reader = response.body?.getReader() ?? null);
      for (;;) {
        const chunk: unknown = (await reader?.read())?.value;
        if (stale()) {
          return;
        }
        if (chunk === undefined) {
          break;
        }
        if (!(chunk instanceof Uint8Array)) {
          throw new TypeError('the body holds something else than bytes');
        }
        for (let from = 0; from < chunk.length; from += PIECE_BYTES_MAX) {
          this.#connection.receive(chunk.length > PIECE_BYTES_MAX ? chunk.subarray(from, from + PIECE_BYTES_MAX) : chunk);
          if (stale()) {
            return;
          }
        }
      }
      this.#drop();
      this.#connection.ended();
    } catch (error) {
      if (!stale()) {
        this.#drop();
        this.#connection.failed(isToken, error instanceof Error ? error.message : typeof error === 'string' ? error : 'no reason given');
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
