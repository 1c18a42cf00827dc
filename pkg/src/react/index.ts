'use client';
// Entry `durable-sessions/react`: hooks for React 18 and later. Must not load wasm: the client is given.
export { DurableSessionsProvider } from './context.js';
export type { DurableSessionsProviderProps } from './context.js';
export { useConnection, usePresence, useSession, useSessionActions, useSessionEvents, useSessionListener } from './hooks.js';
export type { Connection, Presence, SessionActions } from './hooks.js';
export type { AnyReactClient, ReactClient, StoreOptions } from './registry.js';
