// Takes the README's pictures of a running page:
//   node scripts/screenshots.mjs http://127.0.0.1:4437 TOKEN [--session ID] [--out ../docs/images]
// The session has to be open (not closed), since one of the pictures shows a lost connection. Without --session the
// page opens the newest one.

import { mkdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const PICTURE_BYTES_MAX = 300_000;
const WIDE = { width: 1440, height: 900 };
const NARROW = { width: 390, height: 844 };

const [url, token, ...rest] = process.argv.slice(2);
const option = (name) => (rest.includes(name) ? rest[rest.indexOf(name) + 1] : undefined);
if (url === undefined || token === undefined) {
  console.error('usage: node scripts/screenshots.mjs URL TOKEN [--session ID] [--out DIRECTORY]');
  process.exit(2);
}
const out = resolve(option('--out') ?? fileURLToPath(new URL('../../docs/images', import.meta.url)));
const session = option('--session');
const fragment = new URLSearchParams({ token, ...(session === undefined ? {} : { session }) });

const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

async function picture(name, { viewport, scheme, query = '', deviceScaleFactor = 1, act = async () => undefined }) {
  const context = await browser.newContext({ viewport, colorScheme: scheme, deviceScaleFactor, reducedMotion: 'reduce' });
  const page = await context.newPage();
  await page.goto(`${url.replace(/\/$/, '')}/${query}#${fragment}`);
  await page.locator('[data-testid=connection-state][data-state=connected]').waitFor();
  // The tool rows are what a reader wants to see; a session without any is still worth a picture.
  await page.locator('[data-testid^=row-]').first().waitFor();
  await caughtUp(page);
  await act(page);
  const path = join(out, `${name}.png`);
  await page.screenshot({ path });
  await context.close();
  const { size } = await stat(path);
  console.log(`${path} ${Math.round(size / 1000)} kB`);
  if (size > PICTURE_BYTES_MAX) throw new Error(`${path} is larger than ${PICTURE_BYTES_MAX} bytes`);
}

/** The count of events stands still for one look: what is stored has been read. */
async function caughtUp(page) {
  const read = () => page.locator('[data-testid=last-offset]').textContent();
  for (let before = null, now = await read(); before !== now; now = await read()) {
    before = now;
    await page.waitForTimeout(250);
  }
}

async function loseConnection(page) {
  await page.locator('[data-testid=cut]').click();
  await page.locator('[data-testid=connection-lost]').waitFor({ timeout: 30_000 });
}

await mkdir(out, { recursive: true });
try {
  await picture('wide', { viewport: WIDE, scheme: 'light' });
  await picture('dark', { viewport: WIDE, scheme: 'dark' });
  await picture('narrow', { viewport: NARROW, scheme: 'light', deviceScaleFactor: 2 });
  await picture('lost', { viewport: WIDE, scheme: 'light', query: '?maxAttempts=2&initialDelay=50', act: loseConnection });
} finally {
  await browser.close();
}
