// Where the reader is: at a session, or at the page for administrators (`#server` in the address, so that the browser's
// Back leads out of it).

import { useSyncExternalStore } from 'react';

export type Place = 'session' | 'server';

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener('popstate', listener);
  window.addEventListener('hashchange', listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('popstate', listener);
    window.removeEventListener('hashchange', listener);
  };
}

const read = (): Place => (window.location.hash === '#server' ? 'server' : 'session');

export function goTo(place: Place): void {
  if (read() === place) return;
  window.history.pushState(null, '', place === 'server' ? '#server' : window.location.pathname + window.location.search);
  for (const listener of listeners) listener();
}

export const usePlace = (): Place => useSyncExternalStore(subscribe, read);
