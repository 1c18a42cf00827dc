// One store per session and client, however many components look at it, and one presence. Must not know React.

import { presenceOf } from '../presence.js';
import type { SessionHandle, SessionPresence, PresenceIdentity } from '../session-types.js';
import type { SessionClient, SessionSnapshot, SessionStore, SessionStoreOptions, StoreSubscription } from '../store/index.js';
import { createSessionStore, emptySnapshot } from '../store/index.js';
import type { SubscribeOptions } from '../types.js';

/** The part of the client that the bindings need; `DurableStreamsClient` fits. */
export interface ReactClient extends SessionClient {
  session(sessionId: string): SessionHandle;
}

/** The same with any event types of its own: what takes callbacks of whatever types takes those of none. */
export interface AnyReactClient {
  subscribeToSession(sessionId: string, callbacks: never, options?: SubscribeOptions): StoreSubscription;
  session(sessionId: string): Omit<SessionHandle, 'subscribe'>;
}

export type StoreOptions = Omit<SessionStoreOptions, 'onIdle' | 'from' | 'outbox'>;

/** A session as a component holds it. Making one has no effect, so that it may be made while rendering, or on a server. */
export interface SessionLink {
  subscribe(listener: () => void): () => void;
  getSnapshot(): SessionSnapshot;
  getServerSnapshot(): SessionSnapshot;
  /** The store, made if there is none: for effects and handlers of events. */
  store(): SessionStore;
  handle(): SessionHandle;
  /** Joins, until the function it returns is called as often as this was. */
  join(identity: PresenceIdentity, onError: (error: unknown) => void): () => void;
}

/** React's StrictMode ends an effect and begins it again at once; that is neither a leave nor a new connection. */
const LEAVE_AFTER_MS = 100;

export class Registry {
  readonly #client: ReactClient;
  readonly #options: StoreOptions;
  readonly #stores = new Map<string, SessionStore>();
  readonly #joined = new Map<string, { count: number; as: string; presence: SessionPresence | null; timer: ReturnType<typeof setTimeout> | undefined }>();

  constructor(client: ReactClient, options: StoreOptions) {
    this.#client = client;
    this.#options = options;
  }

  link(sessionId: string): SessionLink {
    const empty = emptySnapshot(sessionId);
    const store = () => this.#store(sessionId);
    return {
      subscribe: (listener) => store().subscribe(listener),
      getSnapshot: () => this.#stores.get(sessionId)?.getSnapshot() ?? empty,
      getServerSnapshot: () => empty,
      store,
      handle: () => this.#client.session(sessionId),
      join: (identity, onError) => this.#join(sessionId, identity, onError),
    };
  }

  #store(sessionId: string): SessionStore {
    let store = this.#stores.get(sessionId);
    if (store === undefined) {
      const made = createSessionStore(this.#client, sessionId, { ...this.#options, onIdle: () => this.#stores.get(sessionId) === made && this.#stores.delete(sessionId) });
      this.#stores.set(sessionId, (store = made));
    }
    return store;
  }

  #join(sessionId: string, identity: PresenceIdentity, onError: (error: unknown) => void): () => void {
    const seat = this.#joined.get(sessionId) ?? { count: 0, as: '', presence: null, timer: undefined };
    this.#joined.set(sessionId, seat);
    clearTimeout(seat.timer);
    const presence = presenceOf(this.#client.session(sessionId));
    const as = JSON.stringify(identity);
    // There already, unless as somebody else, or the client was closed meanwhile.
    if (seat.as !== as || seat.presence !== presence) {
      // As somebody else, not as two; a new name is no leaving.
      const isOther = seat.as !== '' && (JSON.parse(seat.as) as PresenceIdentity).userId !== identity.userId;
      const left = isOther ? presence.leave().catch(onError) : Promise.resolve();
      const isStill = () => this.#joined.get(sessionId) === seat && seat.as === as;
      left
        .then(() => (isStill() ? presence.join(identity) : undefined))
        .catch((error: unknown) => {
          // Whoever comes next tries again.
          if (isStill()) seat.as = '';
          onError(error);
        });
    }
    seat.as = as;
    seat.presence = presence;
    seat.count += 1;
    return () => {
      seat.count -= 1;
      if (seat.count > 0) return;
      seat.timer = setTimeout(() => {
        this.#joined.delete(sessionId);
        presence.leave().catch(onError);
      }, LEAVE_AFTER_MS);
    };
  }
}
