// What is published works where it is installed: the packed tarball in Node, and bundled by Vite in a page and a worker.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';

import { chromium } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { chunk, control, data } from './fake.js';
import { pack } from './packed.js';
import { serve } from './server.js';

const run = promisify(execFile);
const pkg = new URL('..', import.meta.url).pathname;
const MINUTES = 60_000;
const SESSION = data(chunk(1), { id: 'e2', type: 'tool:start', timestamp: 1, data: { id: 'k', tool: 'ls' } }) + control(2, { streamClosed: true });
let dir = '';
let packed: string[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'durable-sessions-pack-'));
  const { filename, files } = await pack(dir);
  packed = files;
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${filename}`], { cwd: dir });
}, 2 * MINUTES);

afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe('the packed tarball', () => {
  it('holds what is needed and nothing of the workshop', () => {
    expect(packed).toEqual(expect.arrayContaining(['package.json', 'README.md', 'dist/index.js', 'dist/index.d.ts', 'dist/node.js', 'dist/store/index.js', 'dist/react/index.js', 'dist/wasm/durable_sessions_bg.wasm']));
    expect(packed.filter((path) => !/^(package\.json|README\.md|LICENSE-|dist\/)/.test(path))).toEqual([]);
  });

  it('says no machine’s paths in the wasm', () => {
    const wasm = readFileSync(join(pkg, 'dist/wasm/durable_sessions_bg.wasm'), 'latin1');
    expect(/\/(root|home|work)\/|\.cargo\/registry/.exec(wasm)?.[0]).toBeUndefined();
  });

  it('runs the quick start of the README in Node', async () => {
    const code = /```js quick-start\n([\s\S]*?)```/.exec(readFileSync(join(pkg, 'README.md'), 'utf8'))?.[1] ?? '';
    expect(code).toContain('subscribeToSession');
    const server = await serve(SESSION);
    try {
      writeFileSync(join(dir, 'quick-start.js'), code.replace('http://127.0.0.1:4437', server.url));
      const { stdout, stderr } = await run(process.execPath, ['quick-start.js'], { cwd: dir, timeout: MINUTES });
      expect(stdout).toBe('t1 \n[running] ls\n\nthe session is closed\n');
      expect(stderr.match(/^\w+/gm)).toEqual(['connecting', 'connected', 'closed']);
    } finally {
      await server.close();
    }
  }, 2 * MINUTES);

  it('has its other entries', async () => {
    const code = `
      import { DurableStreamsClient } from 'durable-sessions';
      import { durableStream } from 'durable-sessions/streams';
      import { TestServer } from 'durable-sessions/testing';
      const server = new TestServer();
      server.createSession('s');
      const { id } = await new DurableStreamsClient(server.options).session('s').send({ type: 'chunk', data: { text: 'x' }, id: 'e1' });
      const [event] = await durableStream({ ...server.options, url: server.url + '/v1/stream/sessions/s' }).read().json();
      console.log(id, event.data.text);
    `;
    writeFileSync(join(dir, 'entries.js'), code);
    const { stdout } = await run(process.execPath, ['entries.js'], { cwd: dir, timeout: MINUTES });
    expect(stdout).toBe('e1 x\n');
  }, 2 * MINUTES);

  it('works bundled by Vite, in a page and in a worker, under a strict policy', async () => {
    const app = join(dir, 'app');
    mkdirSync(app);
    writeFileSync(join(app, 'index.html'), '<!doctype html><script type="module" src="/main.js"></script>');
    writeFileSync(
      join(app, 'read.js'),
      `import { DurableStreamsClient } from 'durable-sessions';
       export const read = (url) => new Promise((resolve, reject) => {
         const ids = [];
         new DurableStreamsClient({ url }).subscribeToSession('s', { onEvent: (record) => ids.push(record.id), onClosed: () => resolve(ids), onConnectionLost: reject });
       });`,
    );
    writeFileSync(
      join(app, 'main.js'),
      `import { read } from './read.js';
       const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
       const answer = new Promise((resolve, reject) => { worker.onmessage = ({ data }) => resolve(data); worker.onerror = reject; });
       worker.postMessage(location.origin);
       globalThis.result = Promise.all([read(location.origin), answer]);`,
    );
    writeFileSync(join(app, 'worker.js'), `import { read } from './read.js'; onmessage = async ({ data }) => postMessage(await read(data));`);
    await build({ root: app, configFile: false, logLevel: 'error', build: { target: 'es2022', modulePreload: false }, worker: { format: 'es' } });
    const assets = readdirSync(join(app, 'dist/assets'));
    expect(assets.filter((name) => name.endsWith('.wasm'))).toHaveLength(1);

    const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };
    const server = await serve(SESSION, (path) => {
      const file = join(app, 'dist', path === '/' ? 'index.html' : path);
      return existsSync(file) ? { type: types[extname(file)] ?? 'application/octet-stream', body: readFileSync(file) } : null;
    });
    const browser = await chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: ['--no-sandbox', '--headless'] });
    try {
      const page = await browser.newPage();
      await page.goto(server.url);
      await page.waitForFunction('globalThis.result !== undefined');
      expect(await page.evaluate('globalThis.result')).toEqual([
        ['e1', 'e2'],
        ['e1', 'e2'],
      ]);
    } finally {
      await browser.close();
      await server.close();
    }
  }, 2 * MINUTES);

  it('recovers from a wasm file that did not load', async () => {
    const code = `
      import { DurableStreamsClient, init } from 'durable-sessions';
      const failed = await init(new Uint8Array([1, 2, 3])).then(() => 'loaded', (error) => error.name);
      const states = [];
      const client = new DurableStreamsClient({ url: 'http://127.0.0.1:9', fetch: async () => new Response(${JSON.stringify(SESSION)}, { headers: { 'content-type': 'text/event-stream' } }), logger: { error() {}, warn() {} } });
      client.subscribeToSession('s', { onConnectionStateChange: (state) => states.push(state), onClosed: () => console.log(failed, states.join()) });
    `;
    writeFileSync(join(dir, 'load.js'), code);
    const { stdout } = await run(process.execPath, ['load.js'], { cwd: dir, timeout: MINUTES });
    expect(stdout).toBe('CompileError connecting,connected,closed\n');
  }, 2 * MINUTES);
});
