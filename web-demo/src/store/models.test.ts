import { describe, expect, it } from 'vitest';

import { Agents } from './agents';
import { BoundedList } from './bounded';
import { Connection } from './connection';
import { Presence } from './presence';
import { Rate, RATE_SECONDS } from './rate';
import { event } from './testing';

describe('presence', () => {
  it('removes who left or timed out, and only them', () => {
    const presence = new Presence();
    for (const userId of ['ada', 'bob', 'cy']) presence.apply(event('presence:joined', { userId, displayName: userId.toUpperCase() }));
    presence.apply(event('presence:left', { userId: 'bob' }));
    presence.apply(event('presence:timeout', { userId: 'cy' }));
    presence.apply(event('presence:left', { userId: 'nobody' }));
    expect(presence.snapshot().map((user) => user.displayName)).toEqual(['ADA']);
  });

  it('keeps a name that a later cursor event leaves out', () => {
    const presence = new Presence();
    presence.apply(event('presence:joined', { userId: 'ada', displayName: 'Ada' }));
    presence.apply(event('presence:cursor', { userId: 'ada', cursor: { x: 1, y: 2 } }));
    expect(presence.snapshot()).toMatchObject([{ displayName: 'Ada', hasCursor: true }]);
  });

  it('shares its snapshot until something changes', () => {
    const presence = new Presence();
    presence.apply(event('presence:joined', { userId: 'ada' }));
    const before = presence.snapshot();
    presence.apply(event('chunk', { text: 'x' }));
    expect(presence.snapshot()).toBe(before);
  });
});

describe('agents', () => {
  it('keeps what an event leaves out', () => {
    const agents = new Agents();
    agents.apply(event('agent:started', { agentId: 'a', runId: 'r', maxTurns: 9, model: 'm' }));
    agents.apply(event('agent:turn', { agentId: 'a', turn: 3 }));
    agents.apply(event('state:update', { agentId: 'a', status: 'running', progress: 0.3, currentTool: 'bash' }));
    agents.apply(event('state:update', { agentId: 'a', status: 'running' }));
    expect(agents.snapshot().agents).toMatchObject([{ status: 'running', turn: 3, maxTurns: 9, model: 'm', progress: 0.3, currentTool: null }]);
  });

  it('gives a state without an agent to the one that spoke last', () => {
    const agents = new Agents();
    agents.apply(event('agent:started', { agentId: 'a', runId: 'r' }));
    agents.apply(event('state:update', { status: 'paused' }));
    expect(agents.snapshot().agents).toMatchObject([{ id: 'a', status: 'paused' }]);
  });
});

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

describe('connection', () => {
  const waiting = { attempt: 2, maxAttempts: 10, nextDelayMs: 1_500, cause: 'refused' };

  it('says when the next attempt leaves, and counts what was resumed', () => {
    const connection = new Connection();
    connection.moved('connecting', null, 0);
    connection.moved('connected', { attempt: 0, maxAttempts: 10, nextDelayMs: null, cause: null }, 10);
    expect(connection.snapshot().reconnects).toBe(0);
    connection.moved('reconnecting', waiting, 1_000);
    expect(connection.snapshot()).toMatchObject({ word: 'reconnecting', attempt: 2, nextAttemptAt: 2_500, cause: 'refused' });
    connection.moved('connected', { attempt: 0, maxAttempts: 10, nextDelayMs: null, cause: null }, 3_000);
    expect(connection.snapshot()).toMatchObject({ reconnects: 1, attempt: 0, nextAttemptAt: null, cause: null });
  });

  it('keeps the reason of a loss, whichever of state and reason comes first', () => {
    for (const order of ['state', 'reason']) {
      const connection = new Connection();
      if (order === 'reason') connection.lost('gave up');
      connection.moved('lost', { ...waiting, nextDelayMs: null }, 5);
      if (order === 'state') connection.lost('gave up');
      expect(connection.snapshot().lostReason).toBe('gave up');
    }
  });
});
