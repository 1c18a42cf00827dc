// What a store asks for while its connection is lost: nothing.
import { createSessionStore } from 'durable-sessions/store';
import { expect, it } from 'vitest';

import { chunk, FakeClient, ManualFrames, settle } from './store-fake.js';

it('leaves a gap alone until the connection is back', async () => {
  const client = new FakeClient();
  const store = createSessionStore(client, 's1', { scheduler: new ManualFrames() });
  store.subscribe(() => undefined);
  client.stored = [1, 2, 3].map((offset) => chunk(offset));
  client.move('lost');
  client.deliver(chunk(1), chunk(3));
  await settle();
  expect(client.reads).toEqual([]);
  client.move('connected');
  await settle();
  expect(client.reads.length).toBe(1);
  store.close();
});
