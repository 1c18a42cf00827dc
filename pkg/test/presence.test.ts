// Presence against the server of `durable-sessions/testing`.
import type { DurableStreamsOptions } from 'durable-sessions';
import { DurableStreamsClient, presenceOf } from 'durable-sessions';
import { TestServer } from 'durable-sessions/testing';
import { describe, expect, it } from 'vitest';

import { Log } from './harness.js';

function setup(options: DurableStreamsOptions = {}) {
  const server = new TestServer();
  server.createSession('s');
  const client = new DurableStreamsClient({ ...server.options, logger: new Log(), ...options });
  return { server, presence: presenceOf(client.session('s')) };
}

const said = (server: TestServer) => server.requests.filter(({ method }) => method === 'POST').map(({ body }) => JSON.parse(body) as Record<string, unknown>);
const actions = (server: TestServer) => said(server).map(({ action }) => action);
const types = (server: TestServer) => server.events('s').map(({ type }) => type);

describe('presence', () => {
  it('joins, is listed, and leaves', async () => {
    const { server, presence } = setup();
    const lease = await presence.join({ userId: 'ada', displayName: 'Ada' });
    expect(lease).toEqual({ userId: 'ada', connectionId: expect.any(String), expiresAt: server.clock.Date.now() + 60_000 });
    expect(await presence.list()).toEqual([
      { userId: 'ada', displayName: 'Ada', cursor: null, activeFile: null, joinedAt: server.clock.Date.now(), lastSeenAt: server.clock.Date.now(), connections: 1 },
    ]);
    await presence.leave();
    await presence.leave();
    expect([await presence.list(), actions(server), types(server)]).toEqual([[], ['join', 'leave'], ['presence:joined', 'presence:left']]);
    expect(server.clock.pending).toBe(0);
  });

  it('stays by heartbeats, and is gone without them', async () => {
    const { server, presence } = setup();
    await presence.join({ userId: 'ada' });
    await server.advance(150_000);
    expect(types(server)).toEqual(['presence:joined']);
    expect(actions(server)).toEqual(['join', ...Array<string>(7).fill('heartbeat')]);
    server.cut();
    await server.advance(100_000);
    expect(types(server)).toEqual(['presence:joined', 'presence:timeout']);
    // The next heartbeat joins again.
    server.restore();
    await server.advance(20_000);
    expect(types(server).at(-1)).toBe('presence:joined');
    await presence.leave();
  });

  it('says the newest cursor, at most once per 50 ms', async () => {
    const { server, presence } = setup();
    presence.cursor({ x: 0, y: 0 });
    await presence.join({ userId: 'ada' });
    for (let x = 1; x <= 20; x += 1) {
      presence.cursor({ x, y: x }, x === 20 ? 'main.rs' : undefined);
      await server.advance(10);
    }
    await server.advance(50);
    const updates = said(server).filter(({ action }) => action === 'update');
    expect(updates.map(({ cursor }) => (cursor as { x: number }).x)).toEqual([5, 10, 15, 20]);
    expect(updates.at(-1)).toMatchObject({ userId: 'ada', cursor: { x: 20, y: 20 }, activeFile: 'main.rs' });
    expect((await presence.list())[0]).toMatchObject({ cursor: { x: 20, y: 20 }, activeFile: 'main.rs' });
    await presence.leave();
  });

  it('has one update under way, however slow the server is', async () => {
    const { server, presence } = setup();
    await presence.join({ userId: 'ada' });
    server.delayMs = 1000;
    for (let x = 1; x <= 100; x += 1) {
      presence.cursor({ x, y: 0 });
      await server.advance(10);
    }
    await server.advance(2000);
    const updates = said(server).filter(({ action }) => action === 'update');
    expect(updates.map(({ cursor }) => (cursor as { x: number }).x)).toEqual([5, 100]);
    server.delayMs = 0;
    await presence.leave();
  });

  it('passes cursors on to who asked for them, and stores none', async () => {
    const { server, presence } = setup();
    await presence.join({ userId: 'ada' });
    const follow = async (query: string) => {
      const response = await server.fetch(`${server.url}/v1/stream/sessions/s?offset=now&live=sse${query}`);
      const reader = response.body?.getReader();
      let text = '';
      void (async () => {
        for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
          text += new TextDecoder().decode(part.value);
        }
      })();
      return () => text.split('\n\n').filter((frame) => frame.startsWith('event: ephemeral\n'));
    };
    const [with_, without] = [await follow('&ephemeral=true'), await follow('')];
    presence.cursor({ x: 1, y: 2 });
    await server.advance(50);
    const [frame] = with_();
    expect(JSON.parse(frame?.slice(frame.indexOf('{')) ?? '')).toMatchObject({ type: 'presence:cursor', data: { userId: 'ada', cursor: { x: 1, y: 2 } } });
    server.append('s', { type: 'presence:cursor', data: { userId: 'eve' } });
    await server.settle();
    expect([with_().length, without().length, types(server)]).toEqual([2, 0, ['presence:joined']]);
    await presence.leave();
  });

  it('stops when it is refused', async () => {
    const { server, presence } = setup();
    server.failNext(403, {}, 'PRESENCE_IDENTITY_MISMATCH');
    await expect(presence.join({ userId: 'eve' })).rejects.toMatchObject({ code: 'PRESENCE_IDENTITY_MISMATCH', status: 403 });
    await presence.join({ userId: 'ada' });
    server.deleteSession('s');
    await server.advance(20_000);
    const asked = server.requests.length;
    await server.advance(200_000);
    expect([server.requests.length, server.clock.pending]).toEqual([asked, 0]);
  });

  it('does not come again with a fresh token when the user has left meanwhile', async () => {
    const tokens: ((token: string) => void)[] = [];
    const { server, presence } = setup({ token: () => new Promise((resolve) => void tokens.push(resolve)) });
    server.token = 'good';
    const joined = presence.join({ userId: 'ada' }).then(
      () => 'joined',
      (error: Error) => error.message,
    );
    await server.settle();
    tokens.shift()?.('old');
    await server.settle();
    // Refused, and asked for another one; the user leaves before it comes.
    const left = presence.leave();
    await server.settle();
    tokens.pop()?.('good');
    await server.settle();
    await left;
    tokens.forEach((give) => give('good'));
    await server.settle();
    expect([await joined, types(server).includes('presence:joined')]).toEqual(['left, or joined anew, meanwhile', false]);
  });

  it('leaves when the page goes, and comes back with it', async () => {
    const target = new EventTarget();
    Object.assign(globalThis, { addEventListener: target.addEventListener.bind(target), removeEventListener: target.removeEventListener.bind(target) });
    try {
      const { server, presence } = setup();
      await presence.join({ userId: 'ada' });
      target.dispatchEvent(new Event('pagehide'));
      await server.settle();
      expect(types(server)).toEqual(['presence:joined', 'presence:left']);
      target.dispatchEvent(new Event('pageshow'));
      await server.settle();
      expect(types(server).at(-1)).toBe('presence:joined');
      await presence.leave();
      target.dispatchEvent(new Event('pagehide'));
      target.dispatchEvent(new Event('pageshow'));
      await server.settle();
      expect(actions(server)).toEqual(['join', 'leave', 'heartbeat', 'leave']);
    } finally {
      Object.assign(globalThis, { addEventListener: undefined, removeEventListener: undefined });
    }
  });
});
