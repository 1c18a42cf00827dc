// Which long texts are shown in full. It lives outside the rows because a row that scrolls away is unmounted.

import { useCallback, useSyncExternalStore } from 'react';

const EXPANDED_MAX = 1_000;
const expanded = new Set<string>();
const listeners = new Set<() => void>();

export function useExpanded(key: string): [boolean, () => void] {
  const isExpanded = useSyncExternalStore(subscribe, () => expanded.has(key));
  const toggle = useCallback(() => {
    if (!expanded.delete(key)) {
      if (expanded.size >= EXPANDED_MAX) expanded.clear();
      expanded.add(key);
    }
    for (const listener of listeners) listener();
  }, [key]);
  return [isExpanded, toggle];
}

/** Another session uses the same row keys for other rows. */
export function forgetExpanded(): void {
  expanded.clear();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
