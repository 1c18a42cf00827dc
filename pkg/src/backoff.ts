// When to try again. Must not know what is tried.
import type { Clock, ReconnectConfig } from './types.js';

/** A status after which the same request may succeed. */
export function isPassing(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501);
}

// As the machine that reads has it.
const RETRY_AFTER_MS_MAX = 3_600_000;

/** Milliseconds that the server asks to wait; dates are not understood. */
export function retryAfterMs(headers: Headers): number {
  return Math.min(Number(headers.get('retry-after')) * 1000 || 0, RETRY_AFTER_MS_MAX);
}

/** The wait after `attempt` failed ones, at least `leastMs`; `signal` ends it, and the network's return if the server asked for no wait. */
export function pause(clock: Clock, { initialDelay, backoffMultiplier, maxDelay, jitter }: ReconnectConfig, attempt: number, leastMs: number, signal?: AbortSignal): Promise<void> {
  const target = globalThis as Partial<Pick<typeof globalThis, 'addEventListener' | 'removeEventListener'>>;
  const delayMs = Math.min(initialDelay * backoffMultiplier ** (attempt - 1), maxDelay) * (jitter ? Math.random() : 1);
  return new Promise((resolve) => {
    const end = () => {
      clock.clearTimeout(timer as never);
      target.removeEventListener?.('online', end);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.setTimeout(end, Math.max(delayMs, leastMs));
    if (leastMs === 0) {
      target.addEventListener?.('online', end);
    }
    signal?.addEventListener('abort', end);
  });
}
