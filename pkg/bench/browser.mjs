// Runs the suite in headless Chromium: bundled with Vite, served from memory, driven by playwright-core.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';
import { build } from 'vite';

const here = dirname(fileURLToPath(import.meta.url));
const pkg = resolve(here, '..');
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };

async function bundle(dir) {
  writeFileSync(join(dir, 'index.html'), '<!doctype html><script type="module" src="./main.js"></script>');
  writeFileSync(
    join(dir, 'main.js'),
    `import { DurableStreamsClient, init } from ${JSON.stringify(join(pkg, 'dist/index.js'))};
     import { runSuite } from ${JSON.stringify(join(here, 'suite.mjs'))};
     globalThis.runBench = async (quick) => { await init(); return runSuite({ DurableStreamsClient, quick, cpu: globalThis.threadTime, heap: globalThis.heapBytes }); };`,
  );
  await build({ root: dir, configFile: false, logLevel: 'error', build: { outDir: 'out', target: 'es2022', assetsInlineLimit: 0, modulePreload: false } });
  return join(dir, 'out');
}

function serve(root) {
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    const file = join(root, path === '/' ? 'index.html' : path);
    if (!file.startsWith(root) || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    // Isolated, so that the page's clock has its full resolution.
    response.writeHead(200, {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
    });
    response.end(readFileSync(file));
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server)));
}

/** The suite's result and the browser's version. */
export async function runInChromium({ quick, executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium' }) {
  const dir = mkdtempSync(join(pkg, 'node_modules', '.bench-'));
  let server;
  let browser;
  try {
    server = await serve(await bundle(dir));
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--headless'] });
    const page = await browser.newPage();
    // The main thread's CPU time, which a busy machine disturbs less than the clock on the wall.
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
    await page.exposeFunction('threadTime', async () => {
      const { metrics } = await devtools.send('Performance.getMetrics');
      return metrics.find(({ name }) => name === 'TaskDuration').value * 1000;
    });
    await page.exposeFunction('heapBytes', async () => {
      await devtools.send('HeapProfiler.collectGarbage');
      const { metrics } = await devtools.send('Performance.getMetrics');
      return metrics.find(({ name }) => name === 'JSHeapUsedSize').value;
    });
    const failures = [];
    page.on('pageerror', (error) => failures.push(error));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.waitForFunction('globalThis.runBench !== undefined');
    const result = await page.evaluate((q) => globalThis.runBench(q), quick);
    if (failures.length > 0) {
      throw failures[0];
    }
    return { version: browser.version(), result };
  } finally {
    await browser?.close();
    server?.close();
    rmSync(dir, { recursive: true, force: true });
  }
}
