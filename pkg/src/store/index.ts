// Entry `durable-sessions/store`: a framework-neutral store for one session. Must not load wasm: the client is given.
export { createSessionStore } from './session-store.js';
export type { SessionListener, SessionStore, SessionStoreOptions } from './session-store.js';
export { emptySnapshot } from './snapshot.js';
export { subscriptionHistory } from './history.js';
export type { HistoryRequest, HistorySink, HistorySource, SessionClient, StoreSubscription } from './history.js';
export { sessionApiFetch, sessionApiHistory } from './session-api.js';
export { frameScheduler } from './scheduler.js';
export type { FrameScheduler } from './scheduler.js';
export type { OutboxSource, SentEntry } from './echoes.js';
export type * from './types.js';
