import { DurableStreamsError } from 'durable-sessions';
import { describe, expect, it } from 'vitest';

import { record } from '../components/testing';
import { BoundedList } from './bounded';
import { Monitor } from './monitor';
import { noteFor } from './notes';
import { Rate, RATE_SECONDS } from './rate';

describe('rate', () => {
  it('counts per second, oldest first, and forgets after a minute', () => {
    const rate = new Rate();
    rate.add(1_000_000);
    rate.add(1_000_999, 2);
    rate.add(1_002_000, 5);
    const series = rate.series(1_003_500);
    expect(series).toHaveLength(RATE_SECONDS);
    expect(series.slice(-4)).toEqual([3, 0, 5, 0]);
    expect(rate.series(1_003_500 + RATE_SECONDS * 1_000).every((count) => count === 0)).toBe(true);
  });

  it('survives a clock that jumps back', () => {
    const rate = new Rate();
    rate.add(100_000, 4);
    rate.add(99_000, 1);
    expect(rate.series(100_000).slice(-2)).toEqual([1, 4]);
  });
});

describe('bounded list', () => {
  it('keeps positions valid while old items leave', () => {
    const gone: number[] = [];
    const list = new BoundedList<number>(8, (item) => gone.push(item));
    const positions = Array.from({ length: 30 }, (_, i) => list.push(i));
    const { items, dropped } = list.snapshot();
    expect([...gone, ...items]).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(dropped).toBe(gone.length);
    expect(list.at(positions[29] ?? -1)).toBe(29);
    expect(list.at(0)).toBeUndefined();
    list.replace(0, 99);
    expect(list.snapshot().items).not.toContain(99);
  });
});

describe('monitor', () => {
  function made() {
    const tasks: (() => void)[] = [];
    const monitor = new Monitor({ schedule: (task) => (tasks.push(task), () => undefined), now: () => 5_000 });
    return { monitor, tasks, frame: () => tasks.splice(0).forEach((task) => task()) };
  }

  it('logs states once, attempts with their causes, and failures of requests', () => {
    const { monitor, frame } = made();
    const info = { attempt: 0, maxAttempts: 10, nextDelayMs: null, cause: null, transport: 'sse' as const };
    monitor.moved('connected', info);
    monitor.moved('connected', info);
    monitor.moved('reconnecting', { ...info, attempt: 2, nextDelayMs: 1_500, cause: 'refused' });
    monitor.error(new DurableStreamsError('CONNECTION_LOST', 'gave up'));
    frame();
    expect(monitor.getSnapshot().log.items.map(({ text }) => text)).toEqual(['connected', 'reconnecting', 'attempt 2 in 1.5 s: refused', 'CONNECTION_LOST: gave up']);
  });

  it('knows how old events are on arrival, and tells once per frame', () => {
    const { monitor, tasks, frame } = made();
    const heard: number[] = [];
    monitor.subscribe(() => heard.push(1));
    monitor.event(record(1, 'chunk', { text: 'x' }, 1_000));
    monitor.event(record(2, 'chunk', { text: 'x' }, 4_000));
    expect(tasks).toHaveLength(1);
    frame();
    expect([heard.length, monitor.getSnapshot().lagMs]).toEqual([1, 1_000]);
  });
});

describe('notes', () => {
  it('show a type that the page does not know with its payload', () => {
    expect(noteFor(record(1, 'my:own', { level: 3 }))).toMatchObject({ title: 'my:own', detail: '{"level":3}' });
  });
});
