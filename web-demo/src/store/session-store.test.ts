import { describe, expect, it, vi } from 'vitest';

import { type Scheduler, SessionStore } from './session-store';
import { event } from './testing';

function manual(): Scheduler & { frame: () => void; waiting: () => number } {
  let tasks: (() => void)[] = [];
  return {
    schedule: (task) => tasks.push(task),
    now: () => 5_000,
    frame: () => {
      const due = tasks;
      tasks = [];
      for (const task of due) task();
    },
    waiting: () => tasks.length,
  };
}

describe('session store', () => {
  it('tells subscribers once per frame, however many events came', () => {
    const scheduler = manual();
    const store = new SessionStore(scheduler);
    const heard = vi.fn();
    store.subscribe(heard);
    const before = store.snapshot();
    for (let i = 0; i < 20_000; i += 1) store.event(event('chunk', { text: 'x', messageId: 'm' }));
    expect(scheduler.waiting()).toBe(1);
    expect(store.snapshot()).toBe(before);
    scheduler.frame();
    expect(heard).toHaveBeenCalledTimes(1);
    expect(store.snapshot().counters).toMatchObject({ events: 20_000, lagMs: 4_000 });
    expect(store.snapshot().timeline.items).toMatchObject([{ text: 'x'.repeat(20_000) }]);
  });

  it('keeps the identity of slices that did not change', () => {
    const scheduler = manual();
    const store = new SessionStore(scheduler);
    store.event(event('terminal:output', { data: 'x\n' }));
    store.event(event('chunk', { text: 'x' }));
    scheduler.frame();
    const before = store.snapshot();
    store.event(event('chunk', { text: 'y' }));
    scheduler.frame();
    const after = store.snapshot();
    expect(after.terminal).toBe(before.terminal);
    expect(after.agents).toBe(before.agents);
    expect(after.presence).toBe(before.presence);
    expect(after.connection).toBe(before.connection);
    expect(after.timeline).not.toBe(before.timeline);
  });

  it('keeps rejections apart from events', () => {
    const scheduler = manual();
    const store = new SessionStore(scheduler);
    store.rejected({ code: 'INVALID_EVENT', message: 'm', eventType: 'chunk', path: '$.timestamp', expected: 'an integer', came: 'nothing', offset: 3 });
    scheduler.frame();
    expect(store.snapshot().counters).toMatchObject({ events: 0, rejected: 1 });
    expect(store.snapshot().rejections.items).toMatchObject([{ path: '$.timestamp', at: 5_000 }]);
  });
});
