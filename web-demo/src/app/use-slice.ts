// Reading the external store from React: a component renders again only when its own slice changed identity.

import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';

import type { SessionStore, Snapshot } from '../store/session-store';

export function useSlice<T>(store: SessionStore, select: (snapshot: Snapshot) => T): T {
  const read = useCallback(() => select(store.snapshot()), [store, select]);
  return useSyncExternalStore(store.subscribe, read);
}

/** The time, refreshed every `periodMs` while `active`: for countdowns and running clocks only. */
export function useNow(periodMs: number, active = true): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!active) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), periodMs);
    return () => clearInterval(timer);
  }, [periodMs, active]);
  return now;
}
