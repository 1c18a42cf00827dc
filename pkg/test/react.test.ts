// The React bindings in Chromium, with React 19 and StrictMode, on a server that counts its connections.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';

import type { Browser, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { PartName } from './react-page.js';
import { chunk, control, data, until } from './fake.js';

const pkg = new URL('..', import.meta.url).pathname;
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };
const HTML = (body = '') => `<!doctype html><meta charset="utf-8"><div id="root">${body}</div><script type="module" src="/main.js"></script>`;

/** Sessions whose events the test writes, and what was asked of them. */
class Sessions {
  readonly open = new Set<ServerResponse>();
  readonly requests: string[] = [];
  readonly posts: { path: string; body: unknown }[] = [];
  html = HTML();

  write(text: string): void {
    for (const response of this.open) response.write(text);
  }

  answer(request: IncomingMessage, response: ServerResponse, files: (path: string) => Buffer | null): void {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname === '/') {
      response.writeHead(200, { 'content-type': 'text/html' }).end(this.html);
    } else if (request.method === 'POST') {
      let body = '';
      request.on('data', (bytes: Buffer) => (body += bytes.toString()));
      request.on('end', () => {
        this.posts.push({ path: pathname, body: JSON.parse(body) });
        if (pathname.endsWith('/presence')) response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true,"data":{}}');
        else response.writeHead(204, { 'stream-next-offset': 'c' }).end();
      });
    } else if (pathname.startsWith('/v1/stream/')) {
      this.requests.push(pathname);
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      this.open.add(response);
      request.on('close', () => this.open.delete(response));
    } else {
      const file = files(pathname);
      if (file === null) response.writeHead(404).end();
      else response.writeHead(200, { 'content-type': TYPES[extname(pathname)] ?? 'application/octet-stream' }).end(file);
    }
  }
}

let sessions = new Sessions();
let browser: Browser;
let page: Page;
let dir = '';
let url = '';
const server = createServer((request, response) => {
  sessions.answer(request, response, (path) => {
    try {
      return readFileSync(join(dir, path));
    } catch {
      return null;
    }
  });
});

beforeAll(async () => {
  dir = mkdtempSync(join(pkg, 'node_modules', '.react-test-'));
  await build({
    root: pkg,
    configFile: false,
    logLevel: 'error',
    mode: 'development',
    // StrictMode does what it is for in React's development build only.
    define: { 'process.env.NODE_ENV': '"development"' },
    resolve: {
      alias: [
        { find: /^durable-sessions$/, replacement: join(pkg, 'dist/index.js') },
        { find: /^durable-sessions\/(store|react)$/, replacement: join(pkg, 'dist/$1/index.js') },
      ],
    },
    build: { outDir: dir, target: 'es2022', modulePreload: false, minify: false, assetsInlineLimit: 0, rollupOptions: { input: join(pkg, 'test/react-page.ts'), output: { entryFileNames: 'main.js' } } },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  browser = await chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: ['--no-sandbox', '--headless'] });
}, 120_000);

afterAll(async () => {
  await browser.close();
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

const problems: string[] = [];

beforeEach(async () => {
  sessions = new Sessions();
  problems.length = 0;
  page = await browser.newPage();
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('404')) problems.push(message.text());
  });
  return async () => {
    await page.close();
    expect(problems).toEqual([]);
  };
}, 60_000);

async function show(names: PartName[], me?: string): Promise<void> {
  if (page.url() === 'about:blank') {
    await page.goto(url);
    await page.waitForFunction('globalThis.page !== undefined');
  }
  await page.evaluate(([names, me]) => globalThis.page.show('s1', names, me), [names, me] as const);
}

const counted = () => page.evaluate(() => globalThis.page.counted());
const text = (selector: string) => page.locator(selector).first().textContent();
const shows = (selector: string, wanted: string) => page.waitForFunction(([s, w]) => document.querySelector(s as string)?.textContent === w, [selector, wanted]);

describe('React bindings', () => {
  it('open one connection for any number of components, in StrictMode too', async () => {
    await show(['Messages', 'Whole', 'Who', 'Status', 'Messages']);
    await until(() => sessions.open.size === 1);
    sessions.write(data({ ...chunk(1), data: { text: 'Hello', messageId: 'a' } }, { id: 'e2', type: 'presence:joined', timestamp: 1, data: { userId: 'ada' } }) + control(2));
    await shows('#offset', '2');
    expect([await text('.row'), await text('#who'), await text('#state')]).toEqual(['Hello', 'ada', 'connected']);
    // A component that comes later sees it at once, and asks for nothing.
    await show(['Messages', 'Whole', 'Who', 'Status', 'Messages', 'Messages']);
    await page.waitForFunction(() => document.querySelectorAll('.row').length === 3);
    expect(sessions.requests).toEqual(['/v1/stream/sessions/s1']);
  }, 60_000);

  it('render once per frame at most, however many tokens come, and only what changed', async () => {
    await show(['Messages', 'Whole', 'Who']);
    await until(() => sessions.open.size === 1);
    sessions.write(data({ ...chunk(1), data: { text: 'first', messageId: 'first' } }) + control(1));
    await shows('#offset', '1');
    const before = await counted();
    for (let i = 2; i <= 1_001; i += 1) {
      sessions.write(data({ ...chunk(i), data: { text: `${i} `, messageId: 'long' } }) + control(i));
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await shows('#offset', '1001');
    const after = await counted();
    const framesPassed = after.frames - before.frames;
    const renders = (name: string) => (after.renders[name] ?? 0) - (before.renders[name] ?? 0);
    expect(await page.locator('.row').last().textContent()).toBe(Array.from({ length: 1_000 }, (_, i) => `${i + 2} `).join(''));
    // StrictMode renders everything twice.
    expect(renders('messages') / 2).toBeLessThanOrEqual(framesPassed + 1);
    expect(renders('whole') / 2).toBeLessThanOrEqual(framesPassed + 1);
    expect(renders('row long') / 2).toBeLessThanOrEqual(framesPassed + 1);
    expect(framesPassed).toBeLessThan(500);
    expect([renders('row first'), renders('who')]).toEqual([0, 0]);
  }, 60_000);

  it('leave no connection behind, and go on when they come back', async () => {
    await show(['Messages', 'Status']);
    await until(() => sessions.open.size === 1);
    await page.evaluate(() => {
      globalThis.page.leave();
    });
    await until(() => sessions.open.size === 0, 'the connection to end');
    await show(['Whole']);
    await until(() => sessions.open.size === 1);
    expect(sessions.requests).toHaveLength(2);
  }, 60_000);

  it('hand events to effects, of all channels or one, without a connection of their own', async () => {
    await show(['Status']);
    await until(() => sessions.open.size === 1);
    sessions.write(data(chunk(1), { id: 'e2', type: 'tool:start', timestamp: 1, data: { id: 'k', tool: 'ls' } }) + control(2));
    await page.waitForFunction(() => globalThis.page.counted().events.length === 3);
    expect((await counted()).events).toEqual(['e1', 'ls running', 'e2']);
    expect(sessions.requests).toHaveLength(1);
  }, 60_000);

  it('send, and show what was sent until it comes back', async () => {
    await show(['Status', 'Approvals']);
    await until(() => sessions.open.size === 1);
    sessions.write(control(0));
    await shows('#state', 'connected');
    await page.locator('#state').click();
    await until(() => sessions.posts.length === 1);
    await shows('#approvals', 'approval:approved sent');
    sessions.write(data(...(sessions.posts[0]?.body as object[])) + control(1));
    await shows('#approvals', 'approval:approved here');
  }, 60_000);

  it('join once for as long as somebody shows it, and leave', async () => {
    await show(['Who', 'Who'], 'ada');
    await until(() => sessions.posts.length > 0);
    await page.evaluate(() => {
      globalThis.page.cursor(3, 4);
    });
    await until(() => sessions.posts.length > 1);
    await page.evaluate(() => {
      globalThis.page.leave();
    });
    await until(() => sessions.posts.length > 2);
    expect(sessions.posts).toMatchObject([
      { path: '/api/sessions/s1/presence', body: { action: 'join', userId: 'ada' } },
      { body: { action: 'update', cursor: { x: 3, y: 4 } } },
      { body: { action: 'leave' } },
    ]);
  }, 60_000);

  it('render on a server, and take over what it rendered without a word', async () => {
    const { renderToString } = await import('react-dom/server');
    const { createElement, StrictMode } = await import('react');
    const { DurableStreamsClient } = await import('durable-sessions');
    const { DurableSessionsProvider, useSession, useConnection } = await import('durable-sessions/react');
    const asked: string[] = [];
    const client = new DurableStreamsClient({ url: 'http://server.test', fetch: (url) => (asked.push(url), Promise.reject(new Error('no request'))) });
    // The same markup as the page's component, which cannot be imported here: it begins by looking at the page.
    const Whole = () => createElement('output', { id: 'offset' }, `${useSession('s1').lastOffset}${useConnection('s1').state === 'disconnected' ? '' : '!'}`);
    const html = renderToString(createElement(StrictMode, null, createElement(DurableSessionsProvider, { client }, createElement(Whole))));
    expect([html, asked]).toEqual(['<output id="offset">0</output>', []]);
    sessions.html = HTML(html);
    await page.goto(url);
    await page.waitForFunction('globalThis.page !== undefined');
    await page.evaluate(() => {
      globalThis.page.hydrate('s1', ['Whole']);
    });
    await until(() => sessions.open.size === 1);
    sessions.write(data(chunk(1)) + control(1));
    await shows('#offset', '1');
    expect((await counted()).problems).toEqual([]);
  }, 60_000);
});
