// Sending and presence in Chromium, with its own network, its own timers and its own way to end a page.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { Readable } from 'node:stream';

import { TestServer } from 'durable-sessions/testing';
import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { until } from './fake.js';

const MINUTE = 60_000;
const dist = new URL('../dist', import.meta.url).pathname;
const TYPES: Record<string, string> = { '.js': 'text/javascript', '.wasm': 'application/wasm' };
const PAGE = `<!doctype html><script type="module">
  import { DurableStreamsClient, presenceOf } from '/dist/index.js';
  const client = new DurableStreamsClient({ reconnect: { initialDelay: 600000, maxDelay: 600000, jitter: false } });
  globalThis.session = client.session('s');
  globalThis.presence = presenceOf(session);
  globalThis.seen = [];
  session.subscribe({ onChunk: ({ data }) => seen.push(data.text) });
</script>`;

const server = new TestServer();
const http = createServer((request, response) => {
  void (async () => {
    const path = request.url ?? '/';
    if (path === '/') {
      response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    } else if (path.startsWith('/dist/')) {
      response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'text/plain' }).end(readFileSync(join(dist, path.slice('/dist/'.length))));
    } else if (/^\/(v1|api)\//.test(path)) {
      const body = await Readable.toWeb(request).getReader().read();
      const abort = new AbortController();
      response.once('close', () => abort.abort());
      const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)] as [string, string]);
      const answer = await server.fetch(`${server.url}${path}`, { method: request.method ?? 'GET', headers: Object.fromEntries(headers), signal: abort.signal, ...(body.done ? {} : { body: body.value as Uint8Array<ArrayBuffer> }) });
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      response.flushHeaders();
      for await (const chunk of answer.body ?? []) {
        response.write(chunk);
      }
      response.end();
    } else {
      response.writeHead(404).end();
    }
  })().catch(() => response.destroy());
});
let browser: Browser;
let url = '';

beforeAll(async () => {
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  browser = await chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: ['--no-sandbox', '--headless'] });
}, 2 * MINUTE);

afterAll(async () => {
  await browser.close();
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
});

it('sends, waits for the network, and leaves with the page', async () => {
  server.createSession('s');
  const page = await (await browser.newContext()).newPage();
  await page.goto(url);
  await page.waitForFunction('globalThis.session');
  await page.evaluate('session.send({ type: "chunk", data: { text: "one" } })');
  await page.waitForFunction('seen.length === 1 && session.outbox.getSnapshot().length === 0');

  // The next attempt would be in ten minutes; the browser says earlier that the network is back.
  await page.context().setOffline(true);
  await page.evaluate('void session.send({ type: "chunk", data: { text: "two" } })');
  await page.waitForFunction('session.outbox.getSnapshot()[0]?.cause?.code === "CONNECTION_LOST"');
  await page.context().setOffline(false);
  await until(() => server.events('s').length === 2);
  expect(server.events('s').map(({ data }) => data)).toEqual([{ text: 'one' }, { text: 'two' }]);

  expect(await page.evaluate('presence.join({ userId: "ada" }).then(({ userId }) => userId)')).toBe('ada');
  await page.evaluate('presence.cursor({ x: 1, y: 2 })');
  await until(() => server.requests.some(({ body }) => body.includes('"update"')));
  await page.goto('about:blank');
  await until(() => server.events('s').some(({ type }) => type === 'presence:left'));
}, MINUTE);
