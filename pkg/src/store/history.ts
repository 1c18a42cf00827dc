// Reading again what the stream has stored: pages before the window, and gaps in it. Must not know what is done with it.

import { DurableStreamsError } from '../errors.js';
import type { CustomRecord, NoEvents } from '../custom-types.js';
import type { OutboxSource } from './echoes.js';
import type { SessionCallbacks, SessionRecord, SubscribeFrom, SubscribeOptions, Subscription } from '../types.js';

/** A subscription; who stands in for a client need not say whether it has ended. */
export type StoreSubscription = Omit<Subscription, 'isActive'> & Partial<Pick<Subscription, 'isActive'>>;

/** The part of the client that a store needs; `E` as the client has it. */
export interface SessionClient<E = NoEvents> {
  subscribeToSession(sessionId: string, callbacks: SessionCallbacks<E>, options?: SubscribeOptions): StoreSubscription;
  session?(sessionId: string): { readonly outbox: OutboxSource };
}

/** Asks for the events with `after < offset <= upTo`. */
export interface HistoryRequest {
  readonly after: number;
  readonly upTo: number;
  /** The nearest place at or before `after` whose cursor is known; null when none is. */
  readonly from: SubscribeFrom | null;
  readonly signal: AbortSignal;
}

/** Takes what was read, in the order of the stream. Events outside of what was asked for are ignored. */
export interface HistorySink {
  record(record: SessionRecord | CustomRecord): void;
  /** There is an event at this offset, but it does not pass validation. */
  rejected(offset: number): void;
  /** Events up to this offset no longer exist. */
  gone(upTo: number): void;
}

/**
 * Where a store reads history. Resolves when all that there is between `after` and `upTo` has been handed over, rejects
 * when it could not be read. A source that can read from an offset alone need not look at `from`.
 */
export interface HistorySource {
  read(request: HistoryRequest, sink: HistorySink): Promise<void>;
}

/**
 * Reads with a short subscription of the client's own: catch-up reads of the protocol, with the same validation, tokens
 * and retries as live events, ended as soon as the last event asked for has arrived.
 */
export function subscriptionHistory<E = NoEvents>(client: SessionClient<E>, sessionId: string): HistorySource {
  return {
    read: ({ after, upTo, from, signal }, sink) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason as Error);
          return;
        }
        let trimmed = from === null;
        const end = (settle: () => void) => {
          signal.removeEventListener('abort', abort);
          clearTimeout(timer);
          subscription.unsubscribe();
          settle();
        };
        const abort = () => {
          end(() => {
            reject(signal.reason as Error);
          });
        };
        const seen = (offset: number) => {
          // What comes first after a trim, or at the start, is the first that the server still has.
          if (trimmed && offset > 1) sink.gone(offset - 1);
          trimmed = false;
          if (offset >= upTo) end(resolve);
        };
        // After a trim there may be nothing left to be read: no event says so, only that the tail is reached.
        const atTail = () => {
          timer = setTimeout(() => {
            if (!trimmed || subscription.isActive?.() === false) return;
            if (!subscription.getStats().upToDate) return atTail();
            sink.gone(upTo);
            end(resolve);
          }, TAIL_POLL_MS);
        };
        let timer: ReturnType<typeof setTimeout> | undefined;
        const subscription = client.subscribeToSession(
          sessionId,
          {
            onEvent: (record) => {
              if (record.offset > after && record.offset <= upTo) sink.record(record);
              seen(record.offset);
            },
            onError: (error) => {
              const { code, offset } = error;
              // With reconnecting off this is the end of it.
              if (code === 'DISCONNECTED') {
                end(() => {
                  reject(error);
                });
              }
              if (code === 'HISTORY_TRIMMED') {
                trimmed = true;
                atTail();
              }
              if (code === 'MESSAGES_MISSING' && offset !== null) {
                // The last of those that are missing, where nothing came before them.
                if (trimmed) sink.gone(offset);
                trimmed = false;
                if (offset >= upTo) end(resolve);
              }
              if (code !== 'INVALID_EVENT' || offset === null) return;
              if (offset > after && offset <= upTo) sink.rejected(offset);
              seen(offset);
            },
            onConnectionLost: ({ cause, code }) => {
              end(() => {
                reject(new DurableStreamsError(code, cause));
              });
            },
            // Final: the stream has ended before the last event asked for.
            onClosed: () => {
              end(resolve);
            },
          },
          { from },
        );
        signal.addEventListener('abort', abort);
      }),
  };
}

/** How often a read that found its beginning trimmed looks whether that was all there is. */
const TAIL_POLL_MS = 250;

const MARKS_MAX = 512;
const SPACING_EVENTS = 100;

/** Cursors of places gone by, so that reading backwards need not begin at the start. Bounded: when full, every other one leaves. */
export class Marks {
  #marks: SubscribeFrom[] = [];
  #spacing = SPACING_EVENTS;

  /** `isWanted` puts it down however near it is to the one before. */
  note(place: SubscribeFrom | null, isWanted = false): void {
    const last = this.#marks.at(-1);
    if (place === null || (last !== undefined && place.offset < last.offset + (isWanted ? 1 : this.#spacing))) return;
    this.#marks.push(place);
    if (this.#marks.length > MARKS_MAX) {
      this.#marks = this.#marks.filter((_, index) => index % 2 === 0);
      this.#spacing *= 2;
    }
  }

  /** The nearest place at or before `offset`. */
  before(offset: number): SubscribeFrom | null {
    let found: SubscribeFrom | null = null;
    for (const mark of this.#marks) {
      if (mark.offset > offset) break;
      found = mark;
    }
    return found;
  }
}
