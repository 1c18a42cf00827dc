import { DurableStreamsClient } from 'durable-sessions';
import { describe, expect, it } from 'vitest';

import { FakeServer, chunk, control, data, quiet, until } from './fake.js';
import { FAST, Recorder, subscribe } from './harness.js';

describe('connection', () => {
  it('asks for the stream with token and headers', async () => {
    const server = new FakeServer({ body: control(0) });
    const { subscription } = subscribe(server, { token: 'secret', headers: { 'x-own': '1' } });
    expect(subscription.getState()).toBe('disconnected');
    await until(() => subscription.getState() === 'connected');
    const [request] = server.requests;
    expect(request?.url.href).toBe('http://fake.test/v1/stream/sessions/s1?ephemeral=true&live=sse&offset=-1');
    expect(request?.headers).toEqual({ Accept: 'text/event-stream', Authorization: 'Bearer secret', 'x-own': '1' });
    subscription.unsubscribe();
  });

  it('rotates silently: no callback, no attempt, from the cursor', async () => {
    const server = new FakeServer({ body: data(chunk(1)) + control(1), end: 'close' }, { body: data(chunk(2)) + control(2) });
    const { recorder, subscription } = subscribe(server);
    await until(() => recorder.records.length === 2);
    expect(recorder.calls).toEqual(['connecting', 'connected']);
    expect(server.offsets()).toEqual(['-1', 'c1']);
    expect(recorder.errors).toEqual([]);
    subscription.unsubscribe();
  });

  it('resumes after a cut inside a batch: nothing twice, nothing missing', async () => {
    const whole = data(chunk(1), chunk(2)) + control(2);
    const server = new FakeServer(
      { body: whole + data(chunk(3)) + data(chunk(4), chunk(5)).slice(0, -40), end: 'error' },
      { body: data(chunk(3), chunk(4), chunk(5)) + control(5) },
    );
    const { recorder, subscription } = subscribe(server);
    await until(() => recorder.records.length >= 5);
    expect(recorder.ids()).toEqual(['e1', 'e2', 'e3', 'e4', 'e5']);
    expect(recorder.records.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5]);
    expect(recorder.calls).toEqual(['connecting', 'connected', 'disconnect', 'reconnecting', 'connected', 'reconnect']);
    expect(server.offsets()).toEqual(['-1', 'c2']);
    subscription.unsubscribe();
  });

  it('gives up at the cap on every failing path, says why, asks no more, and reconnect() resumes', async () => {
    const useful = { body: data(chunk(1)) + control(1), end: 'error' } as const;
    const paths = {
      refused: 'refused',
      'HTTP error': { status: 500 },
      'dropped before it was useful': { body: '', end: 'close' },
      'dropped mid-frame': { body: 'event: data\ndata: [{"id"', end: 'close' },
      'reset mid-frame': { body: 'event: data\ndata: [', end: 'error' },
      'no event stream': { body: '<html>', headers: { 'content-type': 'text/html' }, end: 'close' },
    } as const;
    for (const [name, failing] of Object.entries(paths)) {
      const server = new FakeServer(useful, failing, failing, failing, { body: data(chunk(2)) + control(2) });
      const { recorder, log, subscription } = subscribe(server, { transport: 'sse' });
      await until(() => recorder.lost.length === 1, name);
      expect(recorder.calls.at(-1), name).toBe('lost');
      expect(recorder.errors.map(({ code }) => code), name).toEqual(['CONNECTION_LOST']);
      expect(recorder.errors[0]?.message, name).toMatch(/3 attempts.*last cause: .+; the last cursor: c1/);
      expect(recorder.lost[0], name).toMatchObject({ code: 'CONNECTION_LOST', attempts: 3, cursor: 'c1' });
      expect(log.errors, name).toEqual([`durable-sessions: ${recorder.errors[0]?.message}`]);
      await quiet(server);
      expect(server.requests.length, name).toBe(4);
      expect(subscription.getState(), name).toBe('lost');

      subscription.reconnect();
      await until(() => recorder.records.length === 2, name);
      expect(recorder.ids(), name).toEqual(['e1', 'e2']);
      expect(server.offsets().at(-1), name).toBe('c1');
      expect(recorder.calls.at(-1), name).toBe('reconnect');
      subscription.unsubscribe();
    }
  });

  it('gives up on silence', async () => {
    const server = new FakeServer({ body: control(0) }, { body: '' }, { body: '' }, { body: '' });
    const { recorder, subscription } = subscribe(server, { silenceMs: 30, transport: 'sse' });
    await until(() => recorder.lost.length === 1);
    expect(recorder.lost[0]?.cause).toContain('silent');
    await quiet(server);
    expect([server.requests.length, server.aborted]).toEqual([4, 4]);
    subscription.unsubscribe();
  });

  it('tells attempts, delays and causes', async () => {
    const server = new FakeServer({ status: 503 }, { status: 503, headers: { 'retry-after': '0' } }, { body: control(0) });
    const { recorder, subscription } = subscribe(server);
    await until(() => subscription.getState() === 'connected');
    expect(recorder.infos.filter(({ nextDelayMs }) => nextDelayMs !== null)).toEqual([
      { attempt: 1, maxAttempts: 3, nextDelayMs: 1, cause: 'HTTP status 503', transport: 'sse' },
      { attempt: 2, maxAttempts: 3, nextDelayMs: 1, cause: 'HTTP status 503', transport: 'sse' },
    ]);
    expect(recorder.infos.at(-1)).toEqual({ attempt: 0, maxAttempts: 3, nextDelayMs: null, cause: null, transport: 'sse' });
    expect(subscription.getStats()).toMatchObject({ connections: 3, attempt: 0 });
    subscription.unsubscribe();
  });

  it('takes 400, 403, 404 and 410 as final', async () => {
    const codes = { 400: 'BAD_REQUEST', 403: 'FORBIDDEN', 404: 'SESSION_NOT_FOUND', 410: 'GONE' };
    for (const [status, code] of Object.entries(codes)) {
      const server = new FakeServer({ status: Number(status) }, { status: Number(status) });
      const { recorder, subscription } = subscribe(server);
      await until(() => recorder.lost.length === 1, status);
      await quiet(server);
      // It may be SSE that a server calls a bad request, so that is asked once more by a poll.
      expect(server.requests.length, status).toBe(status === '400' ? 2 : 1);
      expect(recorder.errors.map((error) => [error.code, error.status])).toEqual([[code, Number(status)]]);
      expect([subscription.getState(), recorder.lost[0]?.code]).toEqual(['lost', code]);
      subscription.unsubscribe();
    }
  });

  it('asks for a fresh token after a 401, once', async () => {
    let asked = 0;
    const token = (): Promise<string> => Promise.resolve(`token-${(asked += 1)}`);
    const server = new FakeServer({ status: 401 }, { body: control(0) });
    const { subscription } = subscribe(server, { token });
    await until(() => subscription.getState() === 'connected');
    expect(server.requests.map(({ headers }) => headers['Authorization'])).toEqual(['Bearer token-1', 'Bearer token-2']);
    subscription.unsubscribe();

    const stubborn = new FakeServer({ status: 401 }, { status: 401 });
    const second = subscribe(stubborn, { token });
    await until(() => second.recorder.lost.length === 1);
    await quiet(stubborn);
    expect(stubborn.requests.length).toBe(2);
    expect(second.recorder.errors.map(({ code }) => code)).toEqual(['UNAUTHORIZED']);
  });

  it('counts a failing token provider as a failed attempt', async () => {
    const server = new FakeServer();
    const { recorder } = subscribe(server, {
      token: () => {
        throw new Error('no session');
      },
    });
    await until(() => recorder.lost.length === 1);
    expect([server.requests.length, recorder.lost[0]?.cause]).toEqual([0, 'the token provider failed: no session']);
  });

  it('says how much history was trimmed and goes on there', async () => {
    const server = new FakeServer(
      { body: data(chunk(1)) + control(1), end: 'close' },
      { status: 410, headers: { 'stream-first-offset': 'c5', 'stream-message-count': '5' } },
      { body: data(chunk(6)) + control(6) },
    );
    const { recorder, subscription } = subscribe(server);
    await until(() => recorder.records.length === 2);
    expect(recorder.errors.map(({ code, message }) => [code, message])).toEqual([['HISTORY_TRIMMED', '4 messages before c5 no longer exist; reading goes on there']]);
    expect(recorder.records.map(({ id, offset }) => [id, offset])).toEqual([['e1', 1], ['e6', 6]]);
    subscription.unsubscribe();
  });

  it('ends in closed when the stream does', async () => {
    const server = new FakeServer({ body: data(chunk(1)) + control(1, { streamClosed: true }) });
    const { recorder, subscription } = subscribe(server);
    await until(() => recorder.calls.includes('onClosed'));
    expect(recorder.calls).toEqual(['connecting', 'connected', 'closed', 'onClosed']);
    await quiet(server);
    expect([server.requests.length, recorder.ids(), subscription.getState()]).toEqual([1, ['e1'], 'closed']);
  });

  it('goes to disconnected when reconnecting is switched off', async () => {
    const server = new FakeServer({ status: 500 });
    const { recorder } = subscribe(server, { reconnect: { enabled: false } });
    await until(() => recorder.errors.length === 1);
    await quiet(server);
    expect([server.requests.length, recorder.errors[0]?.code, recorder.calls.at(-1)]).toEqual([1, 'DISCONNECTED', 'disconnected']);
  });

  it('aborts on unsubscribe and calls nothing afterwards', async () => {
    const server = new FakeServer({ body: data(chunk(1)) + control(1) });
    const { recorder, subscription } = subscribe(server);
    await until(() => subscription.getLastCursor() === 'c1');
    subscription.unsubscribe();
    subscription.unsubscribe();
    subscription.reconnect();
    const calls = [...recorder.calls];
    await quiet(server);
    expect([server.requests.length, server.aborted, recorder.calls, subscription.getState()]).toEqual([1, 1, calls, 'disconnected']);
    expect([subscription.getLastOffset(), subscription.getLastCursor()]).toEqual([1, 'c1']);
  });

  it('never asks when unsubscribed at once', async () => {
    const server = new FakeServer();
    subscribe(server).subscription.unsubscribe();
    await quiet(server);
    expect(server.requests.length).toBe(0);
  });

  it('begins after a given place', async () => {
    const server = new FakeServer({ body: data(chunk(8)) + control(8) });
    const client = new DurableStreamsClient({ url: 'http://fake.test', fetch: server.fetch, reconnect: FAST });
    const recorder = new Recorder();
    const subscription = client.subscribeToSession('s1', recorder.callbacks, { from: { cursor: 'c7', offset: 7 } });
    await until(() => recorder.records.length === 1);
    expect([server.offsets(), recorder.records[0]?.offset]).toEqual([['c7'], 8]);
    subscription.unsubscribe();
  });

  it('refuses ids that are none', () => {
    const client = new DurableStreamsClient({ url: 'http://fake.test' });
    for (const id of ['', 'a b', 'a/b', 'x'.repeat(101)]) {
      expect(() => client.subscribeToSession(id, {})).toThrow(expect.objectContaining({ code: 'INVALID_SESSION_ID' }));
    }
    expect(() => client.subscribeToAgent('', {})).toThrow(expect.objectContaining({ code: 'INVALID_AGENT_ID' }));
  });
});
