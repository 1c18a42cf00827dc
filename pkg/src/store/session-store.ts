// One session as a user interface sees it: a snapshot that changes at most once per frame, fed by one subscription of
// the client. Composes the parts; must not know any framework.

import type { CustomRecord, NoEvents } from '../custom-types.js';
import type { DurableStreamsError } from '../errors.js';
import { inWords } from '../errors.js';
import type { ConnectionInfo, ConnectionState, SessionCallbacks, SessionRecord, StatusCallbacks, SubscribeFrom } from '../types.js';
import { Agents } from './agents.js';
import type { OutboxSource } from './echoes.js';
import { Echoes } from './echoes.js';
import { envelopeOf, isCustom } from './entries.js';
import type { HistorySource, SessionClient, StoreSubscription } from './history.js';
import { Marks, subscriptionHistory } from './history.js';
import { Presence } from './presence.js';
import type { FrameScheduler } from './scheduler.js';
import { frameScheduler } from './scheduler.js';
import { composed, emptySnapshot } from './snapshot.js';
import type { ConnectionView, GapItem, SessionSnapshot } from './types.js';
import { Window } from './window.js';

const ENTRIES_MAX = 10_000;
const BYTES_MAX = 32 * 1024 * 1024;
const PAGE_EVENTS = 1_000;
const LINGER_MS = 1_000;
const REJECTED_MAX = 100;

export interface SessionStoreOptions {
  /** Most entries that are held: events, with adjacent chunks of one text counted once. Default 10,000. */
  readonly entriesMax?: number;
  /** About how many bytes of events are held. Default 32 MiB. */
  readonly bytesMax?: number;
  /** How many events one `loadEarlier()` reads. Default 1,000. */
  readonly pageEvents?: number;
  /** How long the connection is kept after the last listener has left. Default 1,000 ms. */
  readonly lingerMs?: number;
  /** Begin just after this place; what stands before it can be loaded with `loadEarlier()`. */
  readonly from?: SubscribeFrom | null;
  /** What was sent is shown ahead of its arrival. Default: the outbox of `client.session(sessionId)`; null for none. */
  readonly outbox?: OutboxSource | null;
  /** Where history is read. Default: a short subscription of the client. */
  readonly history?: HistorySource;
  /** When snapshots are made. Default: animation frames, timers where there are none. */
  readonly scheduler?: FrameScheduler;
  /** Called when the connection has been let go because nobody listens. */
  readonly onIdle?: () => void;
}

/** What `listen` hears. */
export type SessionListener<E = NoEvents> = Pick<SessionCallbacks<E>, 'onEvent' | keyof StatusCallbacks>;

/** Fits `useSyncExternalStore` and its like: `subscribe` and `getSnapshot` need no `this`. */
export interface SessionStore<E = NoEvents> {
  readonly sessionId: string;
  /** Calls `listener` after each new snapshot. The first listener opens the connection, the last to leave closes it. */
  readonly subscribe: (listener: () => void) => () => void;
  /** The latest snapshot; the same object until the next one. */
  readonly getSnapshot: () => SessionSnapshot<E>;
  /** Hears everything that the subscription hears from now on, at once. Keeps the connection open like `subscribe`. */
  listen(listener: SessionListener<E>): () => void;
  /** Reads a page of events before the ones held. Resolves with how many events came; rejects when reading failed. */
  loadEarlier(): Promise<number>;
  /** Gives up what `loadEarlier` brought beyond the limits: for when the user is back at the end. */
  trim(): void;
  /** Tries again to read the gaps that were given up. */
  repairGaps(): void;
  /** Connects anew, after 'lost' for example. */
  reconnect(): void;
  /** Makes the pending snapshot now. */
  flush(): void;
  /** A place at or shortly before the last event seen, to go on from elsewhere; null before the server named one. */
  getPlace(): SubscribeFrom | null;
  /** Closes the connection and forgets the listeners; what is held stays readable. */
  close(): void;
}

/** A store for one session. Nothing is requested before the first listener comes. */
export function createSessionStore<E = NoEvents>(client: SessionClient<E>, sessionId: string, options: SessionStoreOptions = {}): SessionStore<E> {
  // Inside, records of the application's own types pass for others: what is theirs alone is read by `envelopeOf`.
  return new Store(client as unknown as SessionClient, sessionId, options) as SessionStore<unknown> as SessionStore<E>;
}

class Store implements SessionStore {
  readonly sessionId: string;
  readonly #client: SessionClient;
  readonly #options: SessionStoreOptions;
  readonly #scheduler: FrameScheduler;
  readonly #history: HistorySource;
  readonly #window: Window;
  readonly #agents = new Agents();
  readonly #presence = new Presence();
  readonly #echoes = new Echoes();
  readonly #marks = new Marks();
  readonly #listeners = new Set<() => void>();
  readonly #hearers = new Set<{ readonly of: SessionListener }>();
  #subscription: StoreSubscription | null = null;
  #unfollow: (() => void) | null = null;
  #linger: ReturnType<typeof setTimeout> | null = null;
  #cancelFlush: (() => void) | null = null;
  /** Ends what is read from history. */
  #abort = new AbortController();
  #isRepairing = false;
  #loading: Promise<number> | null = null;
  #loadFailed = false;
  #lastOffset: number;
  #place: SubscribeFrom | null;
  /** Set by HISTORY_TRIMMED until the next event shows how far. */
  #trimmed = false;
  /** Offset of an event that was refused: a client that is not strict may deliver it nevertheless. */
  #refused: number | null = null;
  #timestamp = 0;
  #eventCount = 0;
  #closed = false;
  #connection: ConnectionView = { state: 'disconnected', info: null, nextAttemptAt: null, lost: null, reconnects: 0 };
  #rejected: SessionSnapshot['rejected'] = { count: 0, recent: [] };
  #itemsChanged = false;
  #snapshot: SessionSnapshot;

  constructor(client: SessionClient, sessionId: string, options: SessionStoreOptions) {
    const { from, entriesMax = ENTRIES_MAX, bytesMax = BYTES_MAX } = options;
    this.sessionId = sessionId;
    this.#client = client;
    this.#options = options;
    this.#scheduler = options.scheduler ?? frameScheduler;
    this.#history = options.history ?? subscriptionHistory(client, sessionId);
    this.#place = from ?? null;
    this.#lastOffset = from?.offset ?? 0;
    this.#marks.note(this.#place);
    this.#window = new Window({ entriesMax, bytesMax }, this.#lastOffset);
    // The start is where nobody had to jump from: what the server no longer has there is no gap.
    this.#trimmed = from == null;
    this.#snapshot = { ...emptySnapshot(sessionId), ...this.#earlier() };
  }

  readonly getSnapshot = (): SessionSnapshot => this.#snapshot;

  readonly subscribe = (listener: () => void): (() => void) => this.#join(this.#listeners, () => listener());

  listen(listener: SessionListener): () => void {
    return this.#join(this.#hearers, { of: listener });
  }

  getPlace(): SubscribeFrom | null {
    return this.#place;
  }

  reconnect(): void {
    this.#subscription?.reconnect();
  }

  trim(): void {
    this.#window.trim();
    this.#itemsHaveChanged();
  }

  repairGaps(): void {
    if (this.#window.gaps.reopen()) this.#refold();
    this.#readGaps();
  }

  loadEarlier(): Promise<number> {
    this.#loading ??= this.#loadPage().finally(() => {
      this.#loading = null;
      this.#changed();
      this.#readGaps();
    });
    // May be left alone: the snapshot says that it failed.
    this.#loading.catch(() => undefined);
    this.#changed();
    return this.#loading;
  }

  flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = null;
    const { timeline, gaps } = this.#window;
    const lists = this.#itemsChanged ? { timeline, echoes: this.#echoes, gaps: [...gaps] } : null;
    this.#itemsChanged = false;
    const next = composed(this.#snapshot, lists, {
      presence: this.#presence.snapshot(),
      agents: this.#agents.snapshot(),
      activeAgentId: this.#agents.activeId,
      connection: this.#connection,
      rejected: this.#rejected,
      eventCount: this.#eventCount,
      lastOffset: this.#lastOffset,
      closed: this.#closed,
      ...this.#earlier(),
    });
    if (next === this.#snapshot) return;
    this.#snapshot = next;
    this.#each(this.#listeners, (listener) => listener());
  }

  close(): void {
    this.#listeners.clear();
    this.#hearers.clear();
    this.#stop();
  }

  #join<T>(set: Set<T>, member: T): () => void {
    set.add(member);
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#linger = null;
    this.#start();
    return () => {
      if (!set.delete(member) || this.#listeners.size + this.#hearers.size > 0) return;
      this.#linger = setTimeout(() => {
        this.#stop();
      }, this.#options.lingerMs ?? LINGER_MS);
    };
  }

  #start(): void {
    // The client may have been closed meanwhile, and says nothing of that.
    if (this.#subscription?.isActive?.() === false) this.#letGo();
    if (this.#subscription !== null) return;
    this.#abort = new AbortController();
    this.#follow();
    this.#subscription = this.#client.subscribeToSession(
      this.sessionId,
      {
        onEvent: (record) => {
          if (this.#record(record)) this.#tell((hearer) => hearer.onEvent?.(record));
        },
        onError: (error) => {
          this.#error(error);
          this.#tell((hearer) => hearer.onError?.(error));
        },
        onConnectionStateChange: (state, info) => {
          this.#moved(state, info);
          this.#tell((hearer) => hearer.onConnectionStateChange?.(state, info));
        },
        onConnectionLost: (info) => {
          this.#connection = { ...this.#connection, lost: info };
          this.#changed();
          this.#tell((hearer) => hearer.onConnectionLost?.(info));
        },
        onReconnect: () => {
          this.#tell((hearer) => hearer.onReconnect?.());
        },
        onDisconnect: () => {
          this.#tell((hearer) => hearer.onDisconnect?.());
        },
        onClosed: () => {
          this.#closed = true;
          this.#changed();
          this.#tell((hearer) => hearer.onClosed?.());
        },
      },
      { from: this.#place },
    );
  }

  #follow(): void {
    const outbox = this.#options.outbox === undefined ? this.#client.session?.(this.sessionId).outbox : this.#options.outbox;
    if (outbox == null) return;
    const update = () => {
      this.#echoes.update(this.sessionId, outbox.getSnapshot());
      this.#itemsHaveChanged();
    };
    this.#unfollow = outbox.subscribe(update);
    // Also when it is empty: what it held before may have been discarded.
    update();
  }

  #stop(): void {
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#linger = null;
    this.#abort.abort(new Error('nobody listens any more'));
    if (this.#subscription === null) return;
    this.#letGo();
    this.#connection = { ...this.#connection, state: 'disconnected', nextAttemptAt: null };
    this.flush();
    this.#options.onIdle?.();
  }

  #letGo(): void {
    this.#unfollow?.();
    this.#unfollow = null;
    this.#place = this.#subscription?.getPlace() ?? this.#place;
    this.#subscription?.unsubscribe();
    this.#subscription = null;
  }

  /** Whether it is new. */
  #record(record: SessionRecord): boolean {
    const { offset } = record;
    if (offset <= this.#lastOffset && offset !== this.#refused) {
      // Cursors may be passed on without being stored: they have no offset of their own.
      if (record.type !== 'presence:cursor') return false;
      this.#apply(record);
      this.#changed();
      return true;
    }
    this.#refused = null;
    this.#upTo(offset - 1, 'OFFSET_JUMP');
    this.#lastOffset = offset;
    this.#place = this.#subscription?.getPlace() ?? this.#place;
    this.#marks.note(this.#place);
    this.#timestamp = envelopeOf(record).timestamp;
    this.#eventCount += 1;
    this.#apply(record);
    const echoed = this.#echoes.arrived(record);
    if (this.#window.append(record) || echoed) this.#itemsChanged = true;
    this.#changed();
    return true;
  }

  #apply(record: SessionRecord): void {
    if (record.channel === 'presence') this.#presence.apply(record);
    else if (!isCustom(record)) this.#agents.apply(record);
  }

  /** Everything up to `offset` should have been seen by now: what was not is missing. */
  #upTo(offset: number, cause: string): void {
    const last = this.#lastOffset;
    const trimmed = this.#trimmed;
    this.#trimmed = false;
    if (offset <= last) return;
    this.#itemsChanged = true;
    if (trimmed && last === this.#window.start) {
      this.#window.gone = this.#window.start = offset;
    } else {
      this.#window.missing(last, offset + 1, trimmed ? 'HISTORY_TRIMMED' : cause, this.#timestamp, trimmed);
      this.#readGaps();
    }
    this.#lastOffset = offset;
  }

  #error(error: DurableStreamsError): void {
    const { code, offset } = error;
    // Something may be missing from here on: this is where to look for it.
    this.#marks.note(this.#subscription?.getPlace() ?? null, code !== 'INVALID_EVENT');
    if (code === 'HISTORY_TRIMMED') this.#trimmed = true;
    if (code === 'MESSAGES_MISSING' && offset !== null) this.#upTo(offset, code);
    if (code === 'INVALID_EVENT' && offset !== null && offset > this.#lastOffset) {
      this.#upTo(offset - 1, 'OFFSET_JUMP');
      this.#lastOffset = this.#refused = offset;
    }
    if (code.startsWith('INVALID_') || code === 'FRAME_TOO_LARGE') {
      const { count, recent } = this.#rejected;
      this.#rejected = { count: count + 1, recent: [...recent.slice(1 - REJECTED_MAX), error] };
    }
    this.#changed();
  }

  #moved(state: ConnectionState, info: ConnectionInfo): void {
    const before = this.#connection;
    this.#connection = {
      state,
      info,
      nextAttemptAt: info.nextDelayMs === null ? null : this.#scheduler.now() + info.nextDelayMs,
      lost: state === 'lost' ? before.lost : null,
      reconnects: before.reconnects + (state === 'connected' && before.state === 'reconnecting' ? 1 : 0),
    };
    if (state === 'connected' && before.state !== 'connected' && this.#window.gaps.connected()) this.#refold();
    this.#readGaps();
    this.#changed();
  }

  /** Reads one gap after the other, and none while a page is being read. */
  #readGaps(): void {
    // What is lost is left alone until somebody has it tried anew.
    if (this.#isRepairing || this.#loading !== null || this.#subscription === null || this.#connection.state === 'lost') return;
    const gap = this.#window.gaps.begin();
    if (gap === null) return;
    this.#isRepairing = true;
    this.#refold();
    // In a call of its own: the connection is in the middle of a delivery.
    void Promise.resolve()
      .then(() => this.#repair(gap, this.#abort.signal))
      .then(() => {
        this.#isRepairing = false;
        this.#readGaps();
      });
  }

  async #repair(gap: GapItem, signal: AbortSignal): Promise<void> {
    const page = new Page();
    try {
      await this.#history.read({ after: gap.after, upTo: gap.before - 1, from: this.#marks.before(gap.after), signal }, page);
      for (const record of page.records) {
        this.#apply(record);
        this.#echoes.arrived(record);
      }
      this.#window.fill(gap, page.records, page.covered, page.goneUpTo);
      this.#itemsHaveChanged();
    } catch (error) {
      this.#window.gaps.failed(gap, error instanceof Error ? error.message : inWords(error));
      this.#refold();
    }
  }

  async #loadPage(): Promise<number> {
    this.#loadFailed = false;
    const { start, gone, before, isFull } = this.#window;
    if (before === 0 || isFull) return 0;
    const after = Math.max(gone, start - (this.#options.pageEvents ?? PAGE_EVENTS));
    const page = new Page();
    const { signal } = this.#abort;
    try {
      await this.#history.read({ after, upTo: start, from: this.#marks.before(after), signal }, page);
    } catch (error) {
      this.#loadFailed = true;
      throw error;
    }
    // Live events pushed the window on meanwhile: the page no longer fits to it.
    if (this.#window.start !== start) return 0;
    for (const record of page.records) this.#apply(record);
    this.#window.prepend(after, page.records, page.covered, page.goneUpTo);
    this.#itemsHaveChanged();
    return page.records.length;
  }

  #earlier(): Pick<SessionSnapshot, 'truncated' | 'truncatedCount' | 'earlier'> {
    const { before, isFull } = this.#window;
    const can = isFull ? 'full' : this.#loadFailed ? 'failed' : 'available';
    return { truncated: before > 0, truncatedCount: before, earlier: this.#loading !== null ? 'loading' : before === 0 ? 'none' : can };
  }

  #tell(run: (hearer: SessionListener) => void): void {
    this.#each(this.#hearers, (hearer) => {
      run(hearer.of);
    });
  }

  #each<T>(members: ReadonlySet<T>, run: (member: T) => void): void {
    let failure: { error: unknown } | null = null;
    for (const member of [...members]) {
      try {
        // One may have left because of what another was told.
        if (members.has(member)) run(member);
      } catch (error) {
        failure = { error };
      }
    }
    // Somebody above reports it; the others have been told before.
    if (failure !== null) throw failure.error;
  }

  #refold(): void {
    this.#window.fold();
    this.#itemsHaveChanged();
  }

  #itemsHaveChanged(): void {
    this.#itemsChanged = true;
    this.#changed();
  }

  #changed(): void {
    this.#cancelFlush ??= this.#scheduler.schedule(() => {
      this.flush();
    });
  }
}

/** Collects what a history read hands over. */
class Page {
  readonly records: SessionRecord[] = [];
  readonly covered: number[] = [];
  goneUpTo = 0;

  record(record: SessionRecord | CustomRecord): void {
    this.records.push(record as SessionRecord);
    this.covered.push(record.offset);
  }

  rejected(offset: number): void {
    this.covered.push(offset);
  }

  gone(upTo: number): void {
    this.goneUpTo = Math.max(this.goneUpTo, upTo);
  }
}
