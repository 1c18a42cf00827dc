// The list of sessions, kept fresh while the tab is visible.

import { useCallback, useEffect, useRef, useState } from 'react';

import { listSessions, type SessionPage, type SessionRow } from '../session/api';
import { ApiError } from '../session/envelope';
import type { Network } from '../session/network';

export const REFRESH_PERIOD_MS = 5_000;

export interface Sessions {
  /** Null until the first answer. */
  readonly rows: readonly SessionRow[] | null;
  readonly hasMore: boolean;
  readonly error: string | null;
  readonly refreshing: boolean;
  readonly refresh: () => void;
}

export function useSessions(network: Network, url: string, token: string | null, onUnauthorized: (message: string) => void): Sessions {
  const [page, setPage] = useState<SessionPage | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [refreshing, setRefreshing] = useState(false);
  const inFlight = useRef(false);

  const refresh = useCallback(() => {
    // One request at a time: a slow server must not collect a queue of them.
    if (inFlight.current) return;
    inFlight.current = true;
    setRefreshing(true);
    listSessions(network, url, token)
      .then((next) => {
        setPage((before) => (before !== null && JSON.stringify(before) === JSON.stringify(next) ? before : next));
        setError(null);
      })
      .catch((failure: unknown) => {
        if (failure instanceof ApiError && failure.status === 401) onUnauthorized(failure.message);
        setError(failure instanceof Error ? failure.message : String(failure));
      })
      .finally(() => {
        inFlight.current = false;
        setRefreshing(false);
      });
  }, [network, url, token, onUnauthorized]);

  useEffect(() => {
    refresh();
    const refreshVisible = () => {
      if (document.visibilityState === 'visible') refresh();
    };
    const timer = setInterval(refreshVisible, REFRESH_PERIOD_MS);
    document.addEventListener('visibilitychange', refreshVisible);
    let wasCut = network.isCut;
    const unsubscribe = network.subscribe(() => {
      if (wasCut && !network.isCut) refresh();
      wasCut = network.isCut;
    });
    return () => {
      unsubscribe();
      clearInterval(timer);
      document.removeEventListener('visibilitychange', refreshVisible);
    };
  }, [refresh, network]);

  return { rows: page?.rows ?? null, hasMore: page?.hasMore ?? false, error, refreshing, refresh };
}
