// Takes the README's pictures:
//   node scripts/screenshots.mjs                          of a server of its own, with the repository's recording
//   node scripts/screenshots.mjs URL TOKEN [--session ID] of a running one; without --session, its newest session
// and with [--out ../docs/images] [--recording FILE]. The session has to be open (not closed), since one of the pictures
// shows a lost connection.

import { mkdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

import { startOwnServer } from './own-server.mjs';

const PICTURE_BYTES_MAX = 300_000;
const WIDE = { width: 1440, height: 900 };
const NARROW = { width: 390, height: 844 };

const args = process.argv.slice(2);
const option = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
const own = args[0] === undefined || args[0].startsWith('--') ? await startOwnServer(option('--recording')) : null;
const [url, token] = own === null ? args : [own.url, own.token];
const session = own === null ? option('--session') : own.session;
const out = resolve(option('--out') ?? fileURLToPath(new URL('../../docs/images', import.meta.url)));
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
  await page.locator('[data-testid^=row-]').first().waitFor();
  await own?.point();
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

/** The page for administrators, when rates are there. */
async function openServer(page) {
  await page.locator('[data-testid=server]').click();
  await page.locator('[data-testid=appends-rate]').waitFor();
  await page.locator('[data-testid=letter]').first().waitFor();
  await page.locator('[data-testid=stream]').first().waitFor();
}

await mkdir(out, { recursive: true });
try {
  await picture('wide', { viewport: WIDE, scheme: 'light' });
  await picture('dark', { viewport: WIDE, scheme: 'dark' });
  await picture('narrow', { viewport: NARROW, scheme: 'light', deviceScaleFactor: 2 });
  await picture('lost', { viewport: WIDE, scheme: 'light', query: '?maxAttempts=2&initialDelay=50', act: loseConnection });
  if (own !== null) await picture('server', { viewport: WIDE, scheme: 'light', act: openServer });
} finally {
  await browser.close();
  await own?.stop();
}
