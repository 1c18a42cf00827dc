// The entry that brings no wasm: it says so, and works once it has been given some. A file of its own, which
// imports no other entry: they share their modules.
import { readFile } from 'node:fs/promises';

import type { DurableStreamsError } from 'durable-sessions/slim';
import { DurableStreamsClient, init } from 'durable-sessions/slim';
import { expect, it } from 'vitest';

import { FakeServer, chunk, control, data, until } from './fake.js';

it('says what is missing, and goes on with reconnect() when it is there', async () => {
  const server = new FakeServer({ body: data(chunk(1)) + control(1, { streamClosed: true }) });
  const errors: DurableStreamsError[] = [];
  const ids: string[] = [];
  const client = new DurableStreamsClient({ url: 'http://fake.test', fetch: server.fetch, logger: { error() {}, warn() {} } });
  const subscription = client.subscribeToSession('s1', { onChunk: ({ id }) => ids.push(id), onError: (error) => errors.push(error) });
  await until(() => subscription.getState() === 'lost');
  expect(errors).toMatchObject([{ code: 'WASM_LOAD_FAILED', message: expect.stringContaining('call init(wasm)') as string }]);
  expect(server.requests).toEqual([]);

  await init(readFile(new URL('../dist/wasm/durable_sessions_bg.wasm', import.meta.url)));
  subscription.reconnect();
  await until(() => subscription.getState() === 'closed');
  expect(ids).toEqual(['e1']);
});
