// Sending to the server of `durable-sessions/testing`: what arrives, once and in order, and what is said of the rest.
import type { DeadLetter, DurableStreamsOptions, OutboxEntry, SessionHandle } from 'durable-sessions';
import { DurableStreamsClient, defineEvents, init, presenceOf } from 'durable-sessions';
import { TestServer } from 'durable-sessions/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';

import { Log } from './harness.js';

const RECONNECT = { initialDelay: 1000, maxDelay: 8000, backoffMultiplier: 2, maxAttempts: 4, jitter: false };

interface Setup {
  server: TestServer;
  client: DurableStreamsClient;
  session: SessionHandle;
  letters: DeadLetter[];
  log: Log;
}

function setup(options: DurableStreamsOptions = {}): Setup {
  const server = new TestServer();
  server.createSession('s');
  const log = new Log();
  const client = new DurableStreamsClient({ ...server.options, reconnect: RECONNECT, logger: log, ...options });
  const session = client.session('s');
  const letters: DeadLetter[] = [];
  session.onDeadLetter((letter) => letters.push(letter));
  return { server, client, session, letters, log };
}

const text = (text: string) => ({ type: 'chunk', data: { text } }) as const;
const texts = (server: TestServer) => server.events('s').map(({ data }) => (data as { text: string }).text);
const states = (session: SessionHandle) => session.outbox.getSnapshot().map(({ state, attempts }) => `${state} ${attempts}`);
const posts = (server: TestServer) => server.requests.filter(({ method }) => method === 'POST');
const codeOf = (promise: Promise<unknown>) => promise.then(() => 'fulfilled', (error: { code: string }) => error.code);

beforeAll(() => init());

describe('send', () => {
  it('appends with id and timestamp, and says where reading goes on', async () => {
    const { server, session } = setup({ token: 'secret', headers: { 'x-own': '1' } });
    const sent = await session.send({ type: 'terminal:input', data: { data: 'ls\n' } });
    const [event] = server.events('s');
    expect(event).toEqual({ id: sent.id, type: 'terminal:input', timestamp: server.clock.Date.now(), data: { data: 'ls\n' } });
    expect(sent).toEqual({ id: expect.stringMatching(/^[\w-]{8,64}$/), cursor: '00000000000000000001' });
    const headers = Object.fromEntries(posts(server)[0]?.headers ?? []);
    expect(headers).toMatchObject({ authorization: 'Bearer secret', 'x-own': '1', 'content-type': 'application/json', 'producer-epoch': '0', 'producer-seq': '0' });
    await session.send({ type: 'mine', data: null, id: 'own', timestamp: 7, meta: { schemaVersion: 1, eventId: 'own' } });
    expect(server.events('s')[1]).toEqual({ id: 'own', type: 'mine', timestamp: 7, data: null, meta: { schemaVersion: 1, eventId: 'own' } });
    expect(session.outbox.getSnapshot()).toEqual([]);
  });

  it('keeps the order: one batch under way, what queued up in the next', async () => {
    const { server, session } = setup();
    server.delayMs = 10;
    const all = [session.send(text('a')), session.send(text('b'))];
    await server.settle();
    all.push(...['c', 'd', 'e'].map((word) => session.send(text(word))));
    expect(states(session)).toEqual(['sending 1', 'sending 1', 'pending 0', 'pending 0', 'pending 0']);
    await server.advance(20);
    await Promise.all(all);
    expect(texts(server)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(posts(server).map(({ body, headers }) => [(JSON.parse(body) as unknown[]).length, headers.get('producer-seq')])).toEqual([
      [2, '0'],
      [3, '1'],
    ]);
  });

  it('is stored once, though its answers are lost', async () => {
    const { server, session } = setup();
    server.loseNextAnswer();
    server.refuseNext();
    const sent = session.send(text('once'));
    await server.settle();
    const later = session.send(text('later'));
    expect(session.outbox.getSnapshot()[0]).toMatchObject({ state: 'sending', attempts: 1, cause: { code: 'CONNECTION_LOST' } });
    await server.advance(3000);
    await Promise.all([sent, later]);
    expect(texts(server)).toEqual(['once', 'later']);
    expect(posts(server).map(({ headers, status }) => [headers.get('producer-seq'), status])).toEqual([['0', 0], ['0', 0], ['0', 204], ['1', 200]]);
  });

  it('waits as configured between attempts, and as long as the server asks', async () => {
    const { server, session } = setup();
    server.failNext(503);
    server.failNext(429, { 'retry-after': '5' });
    const sent = session.send(text('x'));
    const counts: number[] = [];
    for (const ms of [999, 1, 4999, 1]) {
      await server.advance(ms);
      counts.push(posts(server).length);
    }
    expect(counts).toEqual([1, 2, 2, 3]);
    await sent;
    // An hour at most, whatever is asked for.
    server.failNext(503, { 'retry-after': '999999999' });
    void session.send(text('y'));
    await server.advance(3_599_999);
    expect(texts(server)).toEqual(['x']);
    await server.advance(1);
    expect(texts(server)).toEqual(['x', 'y']);
  });

  it('draws the delay when jitter is on', async () => {
    const { server, session } = setup({ reconnect: { ...RECONNECT, jitter: true } });
    server.failNext(503);
    void session.send(text('x'));
    await server.settle();
    expect(server.clock.pending).toBe(1);
    await server.advance(1000);
    expect(texts(server)).toEqual(['x']);
  });

  it('goes on at once when the network is back', async () => {
    const target = new EventTarget();
    Object.assign(globalThis, { addEventListener: target.addEventListener.bind(target), removeEventListener: target.removeEventListener.bind(target) });
    try {
      const { server, session } = setup();
      server.refuseNext();
      const sent = session.send(text('x'));
      await server.settle();
      expect(posts(server).length).toBe(1);
      target.dispatchEvent(new Event('online'));
      await sent;
      expect(server.clock.pending).toBe(0);
      // A server that asks to wait is not asked before, whatever the network does.
      server.failNext(429, { 'retry-after': '7' });
      void session.send(text('y'));
      await server.settle();
      target.dispatchEvent(new Event('online'));
      await server.advance(6_999);
      expect(texts(server)).toEqual(['x']);
      await server.advance(1);
      expect(texts(server)).toEqual(['x', 'y']);
    } finally {
      Object.assign(globalThis, { addEventListener: undefined, removeEventListener: undefined });
    }
  });

  it('waits for a token no longer than for an answer', async () => {
    const { session, server, letters } = setup({ silenceMs: 5000, token: () => new Promise(() => undefined), reconnect: { ...RECONNECT, maxAttempts: 1 } });
    const sent = codeOf(session.send(text('x')));
    await server.advance(5000);
    expect([await sent, letters.length, server.requests.length]).toEqual(['CONNECTION_LOST', 1, 0]);
    await session.close();
  });

  it('sends what is sent by those who hear that something was given up', async () => {
    const { session, server, letters } = setup({ reconnect: { ...RECONNECT, maxAttempts: 1 } });
    session.onDeadLetter(({ event }) => void session.outbox.retry(event.id));
    server.refuseNext();
    await codeOf(session.send(text('x')));
    await server.settle();
    expect([texts(server), letters.length, session.outbox.getSnapshot()]).toEqual([['x'], 1, []]);
  });

  it('forgets what its own schema refuses when it comes back', async () => {
    const { server, client, session } = setup({ events: defineEvents({ 'x-my:count': z.number() }) as never });
    client.subscribeToSession('s', {});
    await server.settle();
    await session.send({ type: 'x-my:count', data: 'seven' });
    await server.settle();
    expect([server.events('s').length, session.outbox.getSnapshot()]).toEqual([1, []]);
  });

  it('does not discard what was sent again', async () => {
    const { server, session } = setup();
    server.failNext(403);
    await codeOf(session.sendAll([{ ...text('x'), id: 'x' }, { ...text('y'), id: 'y' }]));
    server.delayMs = 1000;
    const again = session.send({ ...text('x'), id: 'x' });
    session.outbox.discard('y');
    expect(session.outbox.getSnapshot().map(({ id }) => id)).toEqual(['x']);
    await server.advance(1000);
    await again;
    expect(texts(server)).toEqual(['x']);
  });

  it('leaves nothing in the outbox of a session that was closed', async () => {
    const { server, client, session } = setup();
    client.subscribeToSession('s', {});
    await server.settle();
    void session.send(text('x'));
    const closed = session.close();
    await server.settle();
    await closed;
    expect([texts(server), session.outbox.getSnapshot()]).toEqual([['x'], []]);
  });

  it('counts a server that does not answer as none', async () => {
    const { server, session } = setup({ silenceMs: 5000 });
    server.delayMs = 60_000;
    void session.send(text('x'));
    await server.advance(5000);
    expect(session.outbox.getSnapshot()[0]?.cause?.message).toBe('no answer: Error: no answer within 5000 ms');
    server.delayMs = 0;
    await server.advance(1000);
    expect(texts(server)).toEqual(['x']);
  });

  it('asks for the token again after a 401, once an attempt', async () => {
    let asked = 0;
    const { server, session, letters } = setup({ token: () => `token-${(asked += 1)}` });
    server.token = 'token-2';
    await session.send(text('x'));
    expect(await codeOf(session.send(text('y')))).toBe('UNAUTHORIZED');
    expect([asked, posts(server).length, letters.length]).toEqual([4, 4, 1]);
  });
});

describe('giving up', () => {
  it('makes dead letters of everything when the attempts are used up, and goes on afterwards', async () => {
    const { server, session, letters, log } = setup();
    server.cut();
    const first = session.send(text('first'));
    await server.settle();
    const second = session.send(text('second'));
    const results = Promise.all([codeOf(first), codeOf(second)]);
    await server.advance(60_000);
    expect(await results).toEqual(['CONNECTION_LOST', 'CONNECTION_LOST']);
    expect(posts(server).length).toBe(RECONNECT.maxAttempts);
    expect(letters.map(({ event, reason, attempts, inDoubt }) => [event.data, reason.code, attempts, inDoubt])).toEqual([
      [{ text: 'first' }, 'CONNECTION_LOST', 4, true],
      [{ text: 'second' }, 'CONNECTION_LOST', 0, false],
    ]);
    expect(log.errors.length).toBe(2);
    expect(states(session)).toEqual(['failed 4', 'failed 0']);

    server.restore();
    await session.send(text('third'));
    // Another epoch: whatever of the first is still on its way is refused.
    expect(posts(server).at(-1)?.headers.get('producer-epoch')).toBe('1');
    const [one, two] = session.outbox.getSnapshot() as [OutboxEntry, OutboxEntry];
    session.outbox.discard(one.id);
    expect(await session.outbox.retry(two.id)).toEqual([{ id: two.id, cursor: '00000000000000000002' }]);
    expect(await session.outbox.retry(two.id)).toEqual([]);
    expect([texts(server), states(session)]).toEqual([['third', 'second'], []]);
  });

  it('does not try again when reconnecting is switched off', async () => {
    const { server, session } = setup({ reconnect: { enabled: false } });
    server.failNext(503);
    expect(await codeOf(session.send(text('x')))).toBe('TEST_FAILURE');
    expect(posts(server).length).toBe(1);
  });

  it('finds the event at fault in a batch, and sends the others', async () => {
    const { server, session, letters } = setup();
    const all = ['a', 'b', 'bad', 'c', 'd'].map((word) => codeOf(session.send({ ...text(word), ...(word === 'bad' && { id: '' }) })));
    expect(await Promise.all(all)).toEqual(['fulfilled', 'fulfilled', 'INVALID_EVENT', 'fulfilled', 'fulfilled']);
    expect(texts(server)).toEqual(['a', 'b', 'c', 'd']);
    expect(letters.map(({ reason }) => [reason.path, reason.status])).toEqual([['$.id', 400]]);
  });

  it('keeps what is sent as one together', async () => {
    const { server, session, letters } = setup();
    const [one, two] = [session.sendAll([text('a'), { ...text('bad'), id: '' }]), session.sendAll([text('b'), text('c')])].map(codeOf);
    expect([await one, await two]).toEqual(['INVALID_EVENT', 'fulfilled']);
    expect([texts(server), letters.length, states(session)]).toEqual([['b', 'c'], 2, ['failed 2', 'failed 2']]);
    expect(await session.sendAll([])).toEqual([]);
    session.outbox.discard(session.outbox.getSnapshot()[0]?.id ?? '');
    expect(states(session)).toEqual([]);
  });

  it('takes a refusal of everybody as final for all that waits', async () => {
    for (const [status, code] of [[403, 'FORBIDDEN'], [404, 'SESSION_NOT_FOUND'], [410, 'GONE'], [501, 'NOT_IMPLEMENTED']] as const) {
      const { server, session } = setup();
      server.failNext(status, {}, code);
      const first = codeOf(session.send(text('a')));
      await server.settle();
      expect([await first, posts(server).length], code).toEqual([code, 1]);
      await session.send(text('b'));
      expect(posts(server).map(({ headers }) => headers.get('producer-seq')), code).toEqual(['0', status === 501 ? '0' : '0']);
    }
    const { server, session } = setup();
    server.closeSession('s');
    expect(await codeOf(session.send(text('a')))).toBe('SESSION_CLOSED');
  });

  it('takes another epoch when the server has forgotten the producer', async () => {
    const { server, session } = setup();
    await session.send(text('a'));
    server.deleteSession('s');
    server.createSession('s');
    const sent = session.send(text('b'));
    await server.advance(1000);
    await sent;
    expect(posts(server).map(({ headers, status }) => [headers.get('producer-epoch'), headers.get('producer-seq'), status])).toEqual([['0', '0', 200], ['0', '1', 409], ['1', '0', 200]]);
  });

  it('does not believe a gap when the event may be there already', async () => {
    const { server, session, letters } = setup();
    await session.send(text('a'));
    server.loseNextAnswer();
    server.failNext(409, { 'producer-expected-seq': '0' }, 'SEQUENCE_GAP');
    const sent = codeOf(session.send(text('b')));
    await server.advance(1000);
    expect([await sent, letters[0]?.inDoubt, texts(server)]).toEqual(['SEQUENCE_GAP', true, ['a', 'b']]);
  });

  it('takes the epoch after a stale one, unless the event may be there already', async () => {
    const { server, session } = setup();
    server.failNext(403, { 'producer-epoch': '4' }, 'STALE_EPOCH');
    const sent = session.send(text('a'));
    await server.advance(1000);
    await sent;
    expect(posts(server)[1]?.headers.get('producer-epoch')).toBe('5');
    server.refuseNext();
    server.failNext(403, { 'producer-epoch': '7' }, 'STALE_EPOCH');
    const doubtful = codeOf(session.send(text('b')));
    await server.advance(1000);
    expect(await doubtful).toBe('STALE_EPOCH');
    await session.send(text('c'));
    expect(texts(server)).toEqual(['a', 'c']);
  });

  it('needs nobody to take care of the promise', async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', listen);
    const { server, session } = setup();
    server.failNext(404);
    void session.send(text('a'));
    void session.sendAll([text('b')]);
    await session.flush();
    await server.settle();
    process.off('unhandledRejection', listen);
    expect(unhandled).toEqual([]);
  });
});

describe('the outbox', () => {
  it('is bounded by count and by size', async () => {
    const { server, session } = setup({ sending: { eventsMax: 3, bytesMax: 400 } });
    server.cut();
    const all = ['a', 'b', 'c'].map((word) => session.send(text(word)));
    expect(await codeOf(session.send(text('d')))).toBe('OUTBOX_FULL');
    await server.advance(60_000);
    // Dead letters make room, the oldest first.
    expect(states(session)).toEqual(['failed 4', 'failed 4', 'failed 4']);
    server.restore();
    await session.send(text('e'));
    expect([states(session), texts(server)]).toEqual([['failed 4', 'failed 4'], ['e']]);
    expect(await codeOf(session.send(text('x'.repeat(400))))).toBe('OUTBOX_FULL');
    await Promise.allSettled(all);
  });

  it('keeps what was given up when something else does not fit, or is on its way', async () => {
    const { server, session } = setup({ sending: { eventsMax: 3, bytesMax: 400 } });
    server.cut();
    void session.send({ ...text('a'), id: 'a' });
    await server.advance(60_000);
    expect(states(session)).toEqual(['failed 4']);
    expect(await codeOf(session.send(text('x'.repeat(500))))).toBe('OUTBOX_FULL');
    expect(states(session)).toEqual(['failed 4']);
    const waiting = session.send({ ...text('b'), id: 'b' });
    expect(await codeOf(session.sendAll([{ ...text('a'), id: 'a' }, { ...text('b'), id: 'b' }]))).toBe('DUPLICATE_ID');
    expect(await codeOf(session.sendAll([{ ...text('c'), id: 'c' }, { ...text('c'), id: 'c' }]))).toBe('DUPLICATE_ID');
    expect(session.outbox.getSnapshot().map(({ id, state }) => [id, state])).toEqual([['a', 'failed'], ['b', 'sending']]);
    server.restore();
    await server.advance(60_000);
    await waiting;
    expect(session.outbox.getSnapshot().map(({ id }) => id)).toEqual(['a']);
  });

  it('shows an event until the stream does', async () => {
    const { server, client, session } = setup();
    const seen: string[] = [];
    const subscription = client.subscribeToSession('s', { onEvent: ({ id }) => seen.push(id) });
    await server.settle();
    const changes: string[] = [];
    session.outbox.subscribe(() => changes.push(states(session).join()));
    server.delayMs = 100;
    const sent = session.send(text('a'));
    await server.advance(100);
    const { id } = await sent;
    expect(seen).toEqual([id]);
    expect(changes).toEqual(['pending 0', 'sending 1', '', '']);
    expect(session.outbox.getSnapshot()).toBe(session.outbox.getSnapshot());

    // The answer comes first: the reader is cut off.
    server.cut();
    await server.settle();
    server.restore();
    server.delayMs = 0;
    await session.send(text('b'));
    expect(states(session)).toEqual(['sent 1']);
    await server.advance(1000);
    expect([seen.length, states(session)]).toEqual([2, []]);

    server.cut();
    await server.settle();
    server.restore();
    await session.send(text('c'));
    expect(states(session)).toEqual(['sent 1']);
    subscription.unsubscribe();
    expect(states(session)).toEqual([]);
  });

  it('does not wait for what is never stored', async () => {
    const { server, session } = setup();
    session.subscribe({});
    await server.settle();
    await session.send({ type: 'presence:cursor', data: { userId: 'ada', cursor: { x: 1, y: 1 } } });
    expect([states(session), server.events('s')]).toEqual([[], []]);
  });

  it('takes what the stream shows for sent, whatever the requests met', async () => {
    const { server, session, letters } = setup();
    session.subscribe({});
    await server.settle();
    server.loseNextAnswer();
    for (let n = 1; n < RECONNECT.maxAttempts; n += 1) {
      server.refuseNext();
    }
    const sent = session.send(text('a'));
    await server.advance(60_000);
    expect(await sent).toEqual({ id: expect.any(String), cursor: null });
    expect([letters, states(session)]).toEqual([[], []]);
  });

  it('refuses an id that is on its way, and takes that of a dead letter', async () => {
    const { server, session } = setup();
    server.failNext(404);
    const first = codeOf(session.send({ ...text('a'), id: 'x' }));
    expect(await codeOf(session.send({ ...text('a'), id: 'x' }))).toBe('DUPLICATE_ID');
    await first;
    await session.send({ ...text('b'), id: 'x' });
    expect([texts(server), states(session)]).toEqual([['b'], []]);
  });

  it('survives listeners that throw', async () => {
    const { server, session, log } = setup();
    const stop = session.outbox.subscribe(() => {
      throw new Error('mine');
    });
    await session.send(text('a'));
    stop();
    const told = log.errors.length;
    await session.send(text('b'));
    expect([texts(server), told > 0, log.errors.length]).toEqual([['a', 'b'], true, told]);
  });
});

describe('a session', () => {
  it('is the same until it is closed, and settles what was sent before it', async () => {
    const { server, client, session } = setup();
    expect(client.session('s')).toBe(session);
    server.delayMs = 10;
    const sent = session.send(text('a'));
    const closed = session.close();
    expect(await codeOf(session.send(text('b')))).toBe('SESSION_HANDLE_CLOSED');
    await server.advance(10);
    await Promise.all([sent, closed]);
    const next = client.session('s');
    expect(next).not.toBe(session);
    await session.close();
    expect(client.session('s')).toBe(next);
    expect(() => client.session('a b')).toThrow(expect.objectContaining({ code: 'INVALID_SESSION_ID' }));
  });

  it('leaves no timer behind', async () => {
    const { server, session } = setup();
    await presenceOf(session).join({ userId: 'u' });
    await session.send(text('a'));
    session[Symbol.dispose]?.();
    await server.settle();
    expect(server.clock.pending).toBe(0);
  });
});
