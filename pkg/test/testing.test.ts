// What `durable-sessions/testing` is for: a client's connection, told by a test what time it is and what the network does.
import type { DurableStreamsOptions } from 'durable-sessions';
import { DurableStreamsClient, init } from 'durable-sessions';
import { TestServer } from 'durable-sessions/testing';
import { beforeAll, describe, expect, it } from 'vitest';

import { Log, Recorder } from './harness.js';

function follow(options: DurableStreamsOptions = {}) {
  const server = new TestServer();
  server.createSession('s');
  server.append('s', { type: 'chunk', data: { text: 'one' }, id: 'e1' });
  const client = new DurableStreamsClient({ ...server.options, logger: new Log(), reconnect: { jitter: false }, ...options });
  const recorder = new Recorder();
  const subscription = client.subscribeToSession('s', recorder.callbacks);
  return { server, client, recorder, subscription };
}

beforeAll(() => init());

describe('the test server', () => {
  it('keeps a connection for as long as the test likes', async () => {
    const { server, recorder, subscription } = follow();
    await server.advance(600_000);
    server.append('s', { type: 'chunk', data: { text: 'two' }, id: 'e2' });
    await server.settle();
    expect([recorder.ids(), recorder.calls]).toEqual([['e1', 'e2'], ['connecting', 'connected']]);
    expect(server.requests.length).toBe(11);
    subscription.unsubscribe();
    await server.settle();
    expect(server.clock.pending).toBe(0);
  });

  it('shows every state of a broken network, to the end', async () => {
    const { server, recorder, subscription } = follow();
    await server.settle();
    server.cut();
    await server.advance(2_900);
    expect([subscription.getState(), recorder.infos.at(-1)]).toEqual(['reconnecting', expect.objectContaining({ attempt: 2, nextDelayMs: 2000 })]);
    await server.advance(3_600_000);
    expect([subscription.getState(), recorder.lost[0]?.attempts]).toEqual(['lost', 10]);
    server.restore();
    server.append('s', { type: 'chunk', data: { text: 'two' }, id: 'e2' });
    subscription.reconnect();
    await server.settle();
    expect([recorder.ids(), recorder.calls.at(-1)]).toEqual([['e1', 'e2'], 'reconnect']);
    subscription.unsubscribe();
  });

  it('trims, ends and forgets sessions', async () => {
    const { server, recorder } = follow();
    await server.settle();
    server.cut();
    for (const id of ['e2', 'e3', 'e4']) {
      server.append('s', { type: 'chunk', data: { text: id }, id });
    }
    server.trim('s', 3);
    server.restore();
    await server.advance(1000);
    expect([recorder.ids(), recorder.errors.map(({ code }) => code)]).toEqual([['e1', 'e4'], ['HISTORY_TRIMMED']]);
    server.closeSession('s');
    await server.settle();
    expect(recorder.calls.at(-1)).toBe('onClosed');

    const other = follow();
    await other.server.settle();
    other.server.deleteSession('s');
    other.server.cut();
    other.server.restore();
    await other.server.advance(1000);
    expect(other.recorder.errors.map(({ code }) => code)).toEqual(['SESSION_NOT_FOUND']);
  });

  it('numbers what is left of a trimmed session as the server does, and leaves no timer behind', async () => {
    for (const transport of ['sse', 'long-poll'] as const) {
      const server = new TestServer();
      server.createSession('s');
      for (const id of ['e1', 'e2', 'e3']) {
        server.append('s', { type: 'chunk', data: { text: id }, id });
      }
      server.trim('s', 2);
      const client = new DurableStreamsClient({ ...server.options, transport, logger: new Log() });
      const recorder = new Recorder();
      client.subscribeToSession('s', recorder.callbacks);
      await server.settle();
      server.append('s', { type: 'chunk', data: { text: 'e4' }, id: 'e4' });
      await server.settle();
      // What is gone is said, as the server's count says it.
      expect([recorder.records.map(({ id, offset }) => `${id} ${offset}`), recorder.errors.map(({ code }) => code)], transport).toEqual([['e3 3', 'e4 4'], ['MESSAGES_MISSING']]);
      client.close();
      await server.settle();
      expect(server.clock.pending, transport).toBe(0);
    }
  });

  it('is as slow as it is told to be, and as strict', async () => {
    const tokens = ['old', 'new'];
    const { server, recorder, subscription } = follow({ token: () => tokens.shift() ?? 'none' });
    server.token = 'new';
    server.delayMs = 2000;
    await server.advance(3999);
    expect(recorder.ids()).toEqual([]);
    await server.advance(1);
    expect(recorder.ids()).toEqual(['e1']);
    expect(server.requests.map(({ status }) => status)).toEqual([401, 200]);
    subscription.unsubscribe();
  });
});
