// The time, for what changes with time alone: countdowns and running clocks.

import { useEffect, useState } from 'react';

/** The time, refreshed every `periodMs` while `active`. */
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
