// Whatever the network does, what is promised of sending holds: faults drawn by chance, checked against what the server holds.
import type { DeadLetter, FetchLike } from 'durable-sessions';
import { DurableStreamsClient } from 'durable-sessions';
import { TestServer } from 'durable-sessions/testing';
import { expect, it } from 'vitest';

import { Log } from './harness.js';
import { random } from './random.js';

const FAULTS = ['none', 'none', 'lost', 'lost', 'refused', '503', '429', '401', '404', 'gap', 'stale', 'cut', 'slow'] as const;

it.each(Array.from({ length: 60 }, (_, seed) => seed))('once, in order, settled, and honest about the rest: seed %i', async (seed) => {
  const next = random(seed);
  const server = new TestServer();
  server.createSession('s');
  // Some servers take small batches only; what is refused for its content is refused each time.
  const messagesMax = seed % 3 === 0 ? 2 : Infinity;
  const fetch: FetchLike = async (url, init) =>
    (JSON.parse(String(init.body)) as unknown[]).length > messagesMax ? new Response(null, { status: 413 }) : server.fetch(url, init);
  const client = new DurableStreamsClient({
    ...server.options,
    fetch,
    logger: new Log(),
    silenceMs: 3000,
    reconnect: { initialDelay: 100, maxDelay: 1000, maxAttempts: 3, jitter: false },
    sending: { eventsMax: 40 },
  });
  const session = client.session('s');
  const letters: DeadLetter[] = [];
  session.onDeadLetter((letter) => letters.push(letter));
  const acknowledged: string[] = [];
  const rejected: string[] = [];
  let sent = 0;
  const settling: Promise<void>[] = [];

  for (let step = 0; step < 60; step += 1) {
    const count = next(4);
    const ids = Array.from({ length: count }, () => `e${(sent += 1)}`);
    const events = ids.map((id) => ({ type: 'chunk', data: { text: id }, id, ...(next(20) === 0 && { timestamp: 'no time' as never }) }) as const);
    if (count > 0) {
      settling.push(
        (next(2) === 0 ? session.sendAll(events) : Promise.all(events.map((event) => session.send(event)))).then(
          () => void acknowledged.push(...ids),
          () => void rejected.push(...ids),
        ),
      );
    }
    switch (FAULTS[next(FAULTS.length)]) {
      case 'lost':
        server.loseNextAnswer();
        break;
      case 'refused':
        server.refuseNext();
        break;
      case '503':
        server.failNext(503, next(2) === 0 ? {} : { 'retry-after': '1' });
        break;
      case '429':
        server.failNext(429);
        break;
      case '401':
        server.failNext(401);
        break;
      case '404':
        server.failNext(404);
        break;
      case 'gap':
        server.failNext(409, { 'producer-expected-seq': '0' });
        break;
      case 'stale':
        server.failNext(403, { 'producer-epoch': String(next(5)) });
        break;
      case 'cut':
        server.cut();
        await server.advance(next(1000));
        server.restore();
        break;
      case 'slow':
        server.delayMs = next(5000);
        break;
      default:
        server.delayMs = 0;
    }
    await server.advance(next(800));
  }
  server.delayMs = 0;
  await server.advance(600_000);
  await session.flush();
  await Promise.all(settling);

  const held = server.events('s').map(({ id }) => id);
  const inDoubt = new Set(letters.filter((letter) => letter.inDoubt).map(({ event }) => event.id));
  // Each at most once.
  expect(new Set(held).size).toBe(held.length);
  // What was acknowledged is there; what was given up is not, but for what is in doubt.
  const letterIds = new Set(letters.map(({ event }) => event.id));
  expect(acknowledged.filter((id) => !held.includes(id))).toEqual([]);
  expect(held.filter((id) => letterIds.has(id) && !inDoubt.has(id))).toEqual([]);
  // In the order of sending.
  const order = held.map((id) => Number(id.slice(1)));
  expect(order).toEqual([...order].sort((a, b) => a - b));
  // Nothing is left over, and nothing goes on.
  expect(acknowledged.length + rejected.length).toBe(sent);
  expect(session.outbox.getSnapshot().filter(({ state }) => state !== 'failed')).toEqual([]);
  expect(server.clock.pending).toBe(0);
}, 30_000);
