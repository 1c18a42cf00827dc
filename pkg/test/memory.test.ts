// Nothing is left behind: neither by events nor by subscriptions. In Node here, in Chromium on the bundled package.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';

import { chromium } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const MINUTES = 60_000;
const pkg = new URL('..', import.meta.url).pathname;
let dir = '';

/** What may be left of 100,000 events or 1,000 subscriptions: code that the engine made meanwhile, not data. */
const GROWTH_BYTES_MAX = 1_000_000;

// Runs in Node and in a page. `used` collects the garbage and says how much is left.
const SCRIPT = `
const EVENTS_PER_ANSWER = 2_000;
const body = (from, closed) => {
  const events = Array.from({ length: EVENTS_PER_ANSWER }, (_, i) => ({ id: 'e' + (from + i), type: 'chunk', timestamp: 5, data: { text: 'text ' + (from + i), agentId: 'agent', extra: i } }));
  const count = from + EVENTS_PER_ANSWER;
  return 'event: data\\ndata: ' + JSON.stringify(events) + '\\n\\nevent: control\\ndata: ' + JSON.stringify({ streamNextOffset: 'c' + count, streamMessageCount: count, streamClosed: closed }) + '\\n\\n';
};
const logger = { error() {}, warn() {} };
const stream = { headers: { 'content-type': 'text/event-stream' } };

async function events(DurableStreamsClient, count) {
  // Each answer ends, so that rotations are among it.
  const fetch = async (url) => {
    const at = Number(/offset=c(\\d+)/.exec(url)?.[1] ?? 0);
    return new Response(body(at, at + EVENTS_PER_ANSWER >= count), stream);
  };
  let seen = 0;
  const client = new DurableStreamsClient({ url: 'http://fake.test', fetch, logger });
  await new Promise((resolve, reject) => client.subscribeToSession('s', { onChunk: () => { seen += 1; }, onError: reject, onClosed: resolve }));
  client.close();
  if (seen !== count) throw new Error('saw ' + seen);
}

async function cycles(DurableStreamsClient, count) {
  const client = new DurableStreamsClient({ url: 'http://fake.test', logger, fetch: async (url, { signal }) => new Response(new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('event: data\\ndata: [{"id":"e1","type":"chunk","timestamp":5,"data":{"text":"x"}}]\\n\\nevent: control\\ndata: {"streamNextOffset":"c1"}\\n\\n'));
      signal.addEventListener('abort', () => { try { controller.error(signal.reason); } catch {} });
    },
  }), stream) });
  for (let i = 0; i < count; i += 1) {
    const subscriptions = [];
    await Promise.all(['a', 'a', 'b'].map((session) => new Promise((resolve) => subscriptions.push(client.subscribeToSession(session, { onChunk: resolve })))));
    subscriptions.forEach((subscription) => subscription.unsubscribe());
  }
  client.close();
}

export async function growth(DurableStreamsClient, used) {
  // Once before, for all that is made only once.
  await events(DurableStreamsClient, 20_000);
  await cycles(DurableStreamsClient, 100);
  const before = await used();
  await events(DurableStreamsClient, 100_000);
  const events_bytes = (await used()) - before;
  await cycles(DurableStreamsClient, 1_000);
  return { events: events_bytes, cycles: (await used()) - before - events_bytes };
}
`;

beforeAll(() => {
  dir = mkdtempSync(join(pkg, 'node_modules', '.memory-'));
  writeFileSync(join(dir, 'growth.js'), SCRIPT);
});

afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe('memory', () => {
  it('stays flat in Node', async () => {
    writeFileSync(
      join(dir, 'node.mjs'),
      `import { DurableStreamsClient } from ${JSON.stringify(join(pkg, 'dist/node.js'))};
       import { growth } from './growth.js';
       const used = async () => {
         for (let i = 0; i < 5; i += 1) {
           gc();
           await new Promise((resolve) => setTimeout(resolve, 10));
         }
         const { heapUsed, arrayBuffers } = process.memoryUsage();
         return heapUsed + arrayBuffers;
       };
       const grown = await growth(DurableStreamsClient, used);
       // Timers, sockets or listeners that are left would keep the process alive.
       console.log(JSON.stringify({ ...grown, left: process.getActiveResourcesInfo().filter((name) => !/TTY|Pipe|FSReq/.test(name)) }));`,
    );
    const { stdout } = await run(process.execPath, ['--expose-gc', 'node.mjs'], { cwd: dir, timeout: 2 * MINUTES });
    const grown = JSON.parse(stdout) as { events: number; cycles: number; left: string[] };
    console.log(`heap growth in Node: ${grown.events} bytes over 100,000 events, ${grown.cycles} over 1,000 cycles`);
    expect(grown.events).toBeLessThan(GROWTH_BYTES_MAX);
    expect(grown.cycles).toBeLessThan(GROWTH_BYTES_MAX);
    expect(grown.left).toEqual([]);
  }, 2 * MINUTES);

  it('stays flat in Chromium', async () => {
    const app = join(dir, 'app');
    mkdirSync(app);
    writeFileSync(join(app, 'index.html'), '<!doctype html><script type="module" src="/main.js"></script>');
    writeFileSync(
      join(app, 'main.js'),
      `import { DurableStreamsClient } from ${JSON.stringify(join(pkg, 'dist/index.js'))};
       import { growth } from '../growth.js';
       globalThis.growth = () => growth(DurableStreamsClient, globalThis.used);`,
    );
    await build({ root: app, configFile: false, logLevel: 'error', build: { target: 'es2022', modulePreload: false } });
    const files = new Map(readdirSync(join(app, 'dist'), { recursive: true, withFileTypes: true }).filter((file) => file.isFile()).map((file) => [join(file.parentPath, file.name).slice(join(app, 'dist').length), readFileSync(join(file.parentPath, file.name))]));
    const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };
    const server = createServer((request, response) => {
      const path = request.url === '/' ? '/index.html' : (request.url ?? '');
      response.writeHead(files.has(path) ? 200 : 404, { 'content-type': types[extname(path)] ?? 'text/plain' }).end(files.get(path));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const browser = await chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: ['--no-sandbox', '--headless'] });
    try {
      const page = await browser.newPage();
      const devtools = await page.context().newCDPSession(page);
      await page.exposeFunction('used', async () => {
        for (let i = 0; i < 3; i += 1) {
          await devtools.send('HeapProfiler.collectGarbage');
        }
        return (await devtools.send('Runtime.getHeapUsage')).usedSize;
      });
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
      await page.waitForFunction('globalThis.growth !== undefined');
      const grown = (await page.evaluate('globalThis.growth()')) as { events: number; cycles: number };
      console.log(`heap growth in Chromium: ${grown.events} bytes over 100,000 events, ${grown.cycles} over 1,000 cycles`);
      expect(grown.events).toBeLessThan(GROWTH_BYTES_MAX);
      expect(grown.cycles).toBeLessThan(GROWTH_BYTES_MAX);
    } finally {
      await browser.close();
      server.close();
    }
  }, 2 * MINUTES);
});
