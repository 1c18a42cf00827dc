// Hands the client to the hooks. Must not know what they do with it.

import type { ReactNode } from 'react';
import { createContext, createElement, useContext, useMemo } from 'react';

import type { AnyReactClient, ReactClient, SessionLink, StoreOptions } from './registry.js';
import { Registry } from './registry.js';

const Context = createContext<Registry | null>(null);

/** One per client for as long as the client lives, so that providers may come and go without a new connection. */
const registries = new WeakMap<ReactClient, Registry>();

export interface DurableSessionsProviderProps {
  readonly client: AnyReactClient;
  /** For the stores of this client; those of the first provider count. */
  readonly storeOptions?: StoreOptions;
  readonly children?: ReactNode;
}

/** Gives the hooks below it their client. It requests nothing by itself. */
export function DurableSessionsProvider({ client, storeOptions, children }: DurableSessionsProviderProps): ReactNode {
  // A context has one type: hooks are told of the client's own event types by what they are given.
  const plain = client as unknown as ReactClient;
  let registry = registries.get(plain);
  if (registry === undefined) registries.set(plain, (registry = new Registry(plain, storeOptions ?? {})));
  return createElement(Context.Provider, { value: registry }, children);
}

export function useLink(sessionId: string): SessionLink {
  const registry = useContext(Context);
  if (registry === null) throw new Error('durable-sessions/react: there is no <DurableSessionsProvider> above this component');
  return useMemo(() => registry.link(sessionId), [registry, sessionId]);
}
