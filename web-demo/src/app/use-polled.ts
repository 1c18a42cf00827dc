// What is asked for again and again while the tab is visible. What it said last stays.

import { useCallback, useEffect, useRef, useState } from 'react';

import { ApiError } from '../session/envelope';

export interface Polled<T> {
  /** Null until the first answer. */
  readonly value: T | null;
  /** Of the latest request; null when it succeeded. */
  readonly error: string | null;
  /** The server said that this is not for the caller: nothing is asked again until `refresh`. */
  readonly forbidden: boolean;
  readonly refreshing: boolean;
  readonly refresh: () => void;
}

/** Asks at once, every `periodMs`, and whenever `ask` is another function: keep it by `useCallback`. */
export function usePolled<T>(ask: () => Promise<T>, periodMs: number, onUnauthorized: (message: string) => void): Polled<T> {
  const [value, setValue] = useState<T | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [forbidden, setForbidden] = useState(false);
  const [refreshing, setRefreshing] = useState(false);
  const refused = useRef(false);
  const inFlight = useRef<object | null>(null);
  const latest = useRef(onUnauthorized);
  latest.current = onUnauthorized;

  const refresh = useCallback(() => {
    // Whoever asks by hand has changed something: what is under way may be older than that.
    const mine = {};
    inFlight.current = mine;
    setRefreshing(true);
    // An answer to an earlier question, or to a page that has gone, says nothing any more.
    const isCurrent = () => inFlight.current === mine;
    ask()
      .then(
        (next) => {
          if (!isCurrent()) return;
          refused.current = false;
          setForbidden(false);
          setError(null);
          setValue(next);
        },
        (failure: unknown) => {
          if (!isCurrent()) return;
          const message = failure instanceof Error ? failure.message : String(failure);
          refused.current = failure instanceof ApiError && failure.status === 403;
          setForbidden(refused.current);
          setError(message);
          if (failure instanceof ApiError && failure.status === 401) latest.current(message);
        },
      )
      .finally(() => {
        if (!isCurrent()) return;
        inFlight.current = null;
        setRefreshing(false);
      });
  }, [ask]);

  useEffect(() => {
    refresh();
    const again = () => {
      if (document.visibilityState === 'visible' && !refused.current && inFlight.current === null) refresh();
    };
    const timer = setInterval(again, periodMs);
    document.addEventListener('visibilitychange', again);
    return () => {
      inFlight.current = null;
      clearInterval(timer);
      document.removeEventListener('visibilitychange', again);
    };
  }, [refresh, periodMs]);

  return { value, error, forbidden, refreshing, refresh };
}
