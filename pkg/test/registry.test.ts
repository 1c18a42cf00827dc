// Who is present for the components of a page, when they change their mind faster than the server answers.
import type { SessionHandle } from 'durable-sessions';
import { DurableStreamsClient, init } from 'durable-sessions';
import { TestServer } from 'durable-sessions/testing';
import { beforeAll, describe, expect, it } from 'vitest';

import { Log } from './harness.js';

interface Link {
  join(identity: { userId: string }, onError: (error: unknown) => void): () => void;
}
interface Made {
  link(id: string): Link;
}
const { Registry } = (await import(new URL('../dist/react/registry.js', import.meta.url).href)) as { Registry: new (client: { session(id: string): SessionHandle }, options: object) => Made };

beforeAll(() => init());

function open() {
  const server = new TestServer();
  server.createSession('s');
  const client = new DurableStreamsClient({ ...server.options, logger: new Log() });
  const link = new Registry(client, {}).link('s');
  const errors: unknown[] = [];
  const join = (userId: string) => link.join({ userId }, (error) => errors.push(error));
  const who = async () => {
    const answer = await server.fetch('http://x/api/sessions/s/presence', { method: 'GET', headers: {}, signal: new AbortController().signal, cache: 'no-store' });
    return ((await answer.json()) as { data: { presence: { userId: string }[] } }).data.presence.map(({ userId }) => userId);
  };
  return { server, client, join, who, errors };
}

describe('presence of a page', () => {
  it('is the last of several that come while the one before leaves', async () => {
    const { server, join, who } = open();
    const a = join('a');
    await server.settle();
    server.delayMs = 1000;
    a();
    const b = join('b');
    b();
    join('c');
    await server.advance(5000);
    server.delayMs = 0;
    await server.settle();
    expect(await who()).toEqual(['c']);
  });

  it('is none when the last component goes while the one before leaves', async () => {
    const { server, join, who } = open();
    const a = join('a');
    await server.settle();
    server.delayMs = 1000;
    a();
    join('b')();
    // The components' own timer is that of the machine.
    await new Promise((resolve) => setTimeout(resolve, 150));
    await server.advance(5000);
    server.delayMs = 0;
    await server.settle();
    expect(await who()).toEqual([]);
  });

  it('is tried again by the next one after it failed, and after the client was closed', async () => {
    const { server, client, join, who, errors } = open();
    server.failNext(503);
    const first = join('a');
    await server.settle();
    expect(errors.length).toBe(1);
    join('a');
    await server.settle();
    expect(await who()).toEqual(['a']);
    client.close();
    await server.settle();
    expect(await who()).toEqual([]);
    first();
    join('a');
    await server.settle();
    expect(await who()).toEqual(['a']);
  });
});
