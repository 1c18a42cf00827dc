// Turns two looks at a server's metrics into what `durable-sessions top` shows. Must not know where they come from.

import { Exposition } from './exposition';

/** One look: when, and what was there. */
export interface Look {
  readonly atMs: number;
  readonly metrics: Exposition;
}

export interface Counters {
  readonly version: string;
  readonly streams: number;
  readonly appendsPerSecond: number;
  readonly appendBytesPerSecond: number;
  /** Seconds: the median and the 99th percentile of what came in the last minute; null when nothing came. */
  readonly appendSeconds: Percentiles;
  readonly commitSeconds: Percentiles;
  readonly fsyncSeconds: Percentiles;
  readonly queue: Level;
  readonly overloadedPerSecond: number;
  readonly appendRetriesPerSecond: number;
  readonly failedCommits: number;
  readonly subscribers: Level;
  readonly followedStreams: number;
  readonly lagging: number;
  readonly lagMax: number;
  readonly catchUpsPerSecond: number;
  readonly ringBytes: number;
  readonly unsent: Level;
  readonly evicted: readonly Labelled[];
  readonly queuedAppends: number;
  readonly queuedBytes: number;
  readonly queuedInPerSecond: number;
  readonly queuedOutPerSecond: number;
  readonly queuedRetriesPerSecond: number;
  readonly deadLettersKept: number;
  readonly requestsPerSecond: number;
  readonly connections: Level;
  readonly errors: readonly Labelled[];
  readonly rejectedEvents: readonly Labelled[];
  readonly authRefusals: readonly Labelled[];
}

export interface Percentiles {
  readonly p50: number | null;
  readonly p99: number | null;
}

/** What is used of a bound. */
export interface Level {
  readonly now: number;
  readonly max: number;
}

/** A count since the server's start, by its label. */
export type Labelled = readonly [label: string, count: number];

/** Rates are of the time since `before`, percentiles of that since `earlier`: single appends would be gone with the next look. */
export function countersOf(before: Look, now: Look, earlier: Look = before): Counters {
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1_000);
  const sum = (name: string) => now.metrics.sum(name);
  // A counter that is smaller than it was belongs to a server that was started in between.
  const rate = (name: string) => Math.max(0, sum(name) - before.metrics.sum(name)) / seconds;
  const level = (name: string): Level => ({ now: sum(name), max: sum(`${name}_max`) });
  const percentiles = (name: string): Percentiles => ({
    p50: now.metrics.quantile(earlier.metrics, name, 0.5),
    p99: now.metrics.quantile(earlier.metrics, name, 0.99),
  });
  const labelled = (name: string, label: string): readonly Labelled[] =>
    now.metrics.by(name, label).filter(([, count]) => count > 0).toSorted(([, a], [, b]) => b - a);
  return {
    version: now.metrics.by('build_info', 'version')[0]?.[0] ?? '?',
    streams: sum('streams'),
    appendsPerSecond: rate('appends_total'),
    appendBytesPerSecond: rate('append_bytes_total'),
    appendSeconds: percentiles('append_duration_seconds'),
    commitSeconds: percentiles('commit_duration_seconds'),
    fsyncSeconds: percentiles('fsync_duration_seconds'),
    queue: level('store_queue_operations'),
    overloadedPerSecond: rate('store_refused_overloaded_total'),
    appendRetriesPerSecond: rate('append_retries_total'),
    failedCommits: sum('store_failed_commits_total'),
    subscribers: level('sse_subscribers'),
    followedStreams: sum('sse_streams'),
    lagging: sum('sse_lagging_subscribers'),
    lagMax: sum('sse_lag_max'),
    catchUpsPerSecond: rate('sse_catch_ups_total'),
    ringBytes: sum('sse_ring_bytes'),
    unsent: level('sse_unsent_bytes'),
    evicted: labelled('sse_evictions_total', 'reason'),
    queuedAppends: sum('queued_appends'),
    queuedBytes: sum('queued_bytes'),
    queuedInPerSecond: rate('queued_accepted_total'),
    queuedOutPerSecond: rate('queued_delivered_total'),
    queuedRetriesPerSecond: rate('queued_retries_total'),
    deadLettersKept: sum('dead_letters_kept'),
    requestsPerSecond: rate('requests_total'),
    connections: level('connections'),
    errors: labelled('errors_total', 'code'),
    rejectedEvents: labelled('rejected_events_total', 'reason'),
    authRefusals: labelled('auth_refusals_total', 'code'),
  };
}

const RATES_KEPT = 60;
const MINUTE_MS = 60_000;
/** However often somebody looks. */
const LOOKS_MAX = 120;

/** The looks of the last minute, oldest first, and what is drawn over time. A server that started anew begins anew. */
export class Looks {
  #rates: number[] = [];
  #looks: Look[] = [];
  #counters: Counters | null = null;

  add(look: Look): void {
    const before = this.#looks.at(-1);
    if (before !== undefined && look.metrics.sum('requests_total') < before.metrics.sum('requests_total')) this.#looks = [];
    const last = this.#looks.at(-1);
    this.#looks = this.#looks.filter(({ atMs }) => look.atMs - atMs <= MINUTE_MS).slice(1 - LOOKS_MAX);
    if (last !== undefined) {
      this.#counters = countersOf(last, look, this.#looks[0]);
      this.#rates = [...this.#rates.slice(1 - RATES_KEPT), this.#counters.appendsPerSecond];
    }
    this.#looks.push(look);
  }

  /** Null until the second look: one alone says nothing about rates. */
  get counters(): Counters | null {
    return this.#counters;
  }

  /** Always as many, with zeros for what was before. */
  get appendRates(): readonly number[] {
    return [...new Array<number>(RATES_KEPT - this.#rates.length).fill(0), ...this.#rates];
  }
}
