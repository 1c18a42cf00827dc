import { describe, expect, it } from 'vitest';

import { countersOf, Looks } from './counters';
import { Exposition } from './exposition';

const text = (lines: Record<string, number>) => Object.entries(lines).map(([name, value]) => `durable_sessions_${name} ${value}`).join('\n');
const look = (atMs: number, lines: Record<string, number>) => ({ atMs, metrics: Exposition.parse(text(lines)) });

describe('metrics in the text format', () => {
  const bucket = (le: string, count: number) => [`t_bucket{le="${le}"}`, count] as const;
  const before = Exposition.parse(`# TYPE x\n${text(Object.fromEntries([bucket('0.1', 10), bucket('0.2', 10), bucket('+Inf', 10)]))}`);
  const now = Exposition.parse(
    `${text({ ...Object.fromEntries([bucket('0.1', 10), bucket('0.2', 110), bucket('+Inf', 110)]), 'errors_total{code="A"}': 2, 'errors_total{code="B"}': 3, ready: 1 })}\nother 7\ndurable_sessions_broken{ x\ndurable_sessions_nan no`,
  );

  it('are found by name and label, and what is no such line is left out', () => {
    expect([now.sum('errors_total'), now.sum('ready'), now.sum('nothing'), now.sum('nan')]).toEqual([5, 1, 0, 0]);
    expect(now.by('errors_total', 'code')).toEqual([['A', 2], ['B', 3]]);
  });

  it('give quantiles of what came in between', () => {
    expect(now.quantile(before, 't', 0.5)).toBeCloseTo(0.15);
    expect(now.quantile(now, 't', 0.5)).toBeNull();
    expect(now.quantile(before, 'missing', 0.5)).toBeNull();
    const beyond = Exposition.parse(text(Object.fromEntries([bucket('0.1', 0), bucket('+Inf', 4)])));
    expect(beyond.quantile(Exposition.parse(''), 't', 0.5)).toBe(0.1);
  });
});

describe('counters', () => {
  it('become rates, and gauges stay', () => {
    const made = countersOf(look(1_000, { appends_total: 100 }), look(3_000, { appends_total: 300, streams: 7, store_queue_operations: 3, store_queue_operations_max: 10, 'errors_total{code="A"}': 0, 'errors_total{code="B"}': 2 }));
    expect(made.appendsPerSecond).toBe(100);
    expect(made.streams).toBe(7);
    expect(made.queue).toEqual({ now: 3, max: 10 });
    expect(made.errors).toEqual([['B', 2]]);
    expect(made.appendSeconds).toEqual({ p50: null, p99: null });
  });

  it('are not negative when the server was started in between', () => {
    expect(countersOf(look(0, { appends_total: 500 }), look(1_000, { appends_total: 5 })).appendsPerSecond).toBe(0);
  });

  it('need two looks, and keep a bounded number', () => {
    const looks = new Looks();
    looks.add(look(0, { appends_total: 0 }));
    expect(looks.counters).toBeNull();
    for (let i = 1; i <= 200; i += 1) looks.add(look(i * 1_000, { appends_total: i * 2 }));
    expect(looks.counters?.appendsPerSecond).toBe(2);
    expect(looks.appendRates).toHaveLength(60);
  });

  it('have the percentiles of a minute, and begin anew with a server that does', () => {
    const looks = new Looks();
    const at = (second: number, syncs: number, requests: number) =>
      looks.add(look(second * 1_000, { requests_total: requests, 'fsync_duration_seconds_bucket{le="0.1"}': syncs, 'fsync_duration_seconds_bucket{le="+Inf"}': syncs }));
    at(0, 0, 1);
    at(2, 4, 2);
    at(60, 4, 3);
    expect(looks.counters?.fsyncSeconds.p50).toBeCloseTo(0.05);
    at(70, 4, 4);
    expect(looks.counters?.fsyncSeconds.p50).toBeNull();
    at(72, 1, 1);
    at(74, 2, 2);
    expect(looks.counters?.fsyncSeconds.p99).toBeCloseTo(0.099);
  });
});
