import { beforeEach, describe, expect, it, vi } from 'vitest';

import { listSessions } from './api';
import { keepToken, takeFragment } from './credentials';
import { Visitor } from './identity';
import { Network } from './network';
import { Observer } from './observed';
import { readPageOptions } from './page-options';

beforeEach(() => sessionStorage.clear());

describe('credentials', () => {
  it('move from the fragment to the tab, and leave the address bar', () => {
    const replaceState = vi.fn();
    const taken = takeFragment({ hash: '#token=t%2B1&session=s', pathname: '/demo/', search: '?e2e=1' }, { replaceState }, sessionStorage);
    expect(taken).toEqual({ token: 't+1', session: 's' });
    expect(replaceState).toHaveBeenCalledWith(null, '', '/demo/?e2e=1');
    expect(takeFragment({ hash: '', pathname: '/', search: '' }, { replaceState }, sessionStorage)).toEqual(taken);
    expect(replaceState).toHaveBeenCalledTimes(1);
  });

  it('drop the session of another token', () => {
    const take = (hash: string) => takeFragment({ hash, pathname: '/', search: '' }, { replaceState: vi.fn() }, sessionStorage);
    take('#token=a&session=s');
    expect(take('#token=a').session).toBe('s');
    expect(take('#token=b').session).toBeNull();
  });

  it('are forgotten when asked', () => {
    keepToken('x', sessionStorage);
    keepToken(null, sessionStorage);
    expect(takeFragment({ hash: '', pathname: '/', search: '' }, { replaceState: vi.fn() }, sessionStorage).token).toBeNull();
  });
});

describe('page options', () => {
  it('observe only when asked, and take sane reconnect settings only', () => {
    expect(readPageOptions({ origin: 'http://x', search: '' })).toEqual({ url: 'http://x', observe: false, join: true, reconnect: {} });
    expect(readPageOptions({ origin: 'http://x', search: '?e2e=1&maxAttempts=3&initialDelay=-5&maxDelay=x' })).toMatchObject({ observe: true, join: false, reconnect: { maxAttempts: 3 } });
    expect(readPageOptions({ origin: 'http://x', search: '?e2e=1&presence=1' }).join).toBe(true);
    expect(readPageOptions({ origin: 'http://x', search: '?presence=0' }).join).toBe(false);
  });
});

describe('a visitor', () => {
  it('keeps id and name for as long as the tab lives', () => {
    const visitor = new Visitor(sessionStorage, () => 0.5);
    const heard = vi.fn();
    visitor.subscribe(heard);
    visitor.rename('  Ada ');
    visitor.rename(' ');
    expect([visitor.getSnapshot(), heard.mock.calls.length]).toEqual([{ userId: visitor.getSnapshot().userId, displayName: 'Ada' }, 1]);
    expect(new Visitor(sessionStorage, () => 0.7).getSnapshot()).toEqual(visitor.getSnapshot());
  });
});

describe('observer', () => {
  it('exposes what the callbacks got', () => {
    const observer = new Observer('s');
    const record = { offset: 1 };
    observer.record(record, 'c1');
    observer.error(Object.assign(new Error('bad'), { code: 'INVALID_EVENT', path: '$.timestamp' }));
    observer.moved('connected');
    expect(window.__durableSessions?.events[0]).toBe(record);
    expect(window.__durableSessions).toMatchObject({ session: 's', cursor: 'c1', state: 'connected', errors: [{ code: 'INVALID_EVENT', message: 'bad', path: '$.timestamp' }] });
  });
});

describe('list of sessions', () => {
  const answering = (status: number, body: unknown) => new Network(async () => Response.json(body, { status }));

  it('is newest first', async () => {
    const rows = [{ id: 'old', status: 'closed', createdAt: 1, updatedAt: 5 }, { id: 'new', status: 'active', createdAt: 2, updatedAt: 9, eventCount: 3 }];
    const page = await listSessions(answering(200, { ok: true, data: { sessions: rows, nextCursor: null } }), '', 't');
    expect(page.rows.map((row) => row.id)).toEqual(['new', 'old']);
    expect(page.rows[0]).toMatchObject({ eventCount: 3, title: null });
  });

  it('fails with the server\'s code', async () => {
    const refused = listSessions(answering(401, { ok: false, error: { code: 'UNAUTHORIZED', message: 'no' } }), '', null);
    await expect(refused).rejects.toMatchObject({ status: 401, code: 'UNAUTHORIZED', message: 'no' });
  });
});
