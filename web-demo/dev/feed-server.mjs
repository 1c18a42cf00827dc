// A stand-in for the server while the page is being worked on:
// `node dev/feed-server.mjs [FILE.traj] [--port 4437] [--speed 3] [--burst 20000] [--empty]`.
// It speaks just enough of the protocol (SSE reads with resume, GET /api/sessions, a 400 for bad appends) and serves
// web-demo/dist under the same content security policy. No storage, no validation, no security: development only.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

import { scriptedRun, trajectoryRun } from './runs.mjs';

const args = process.argv.slice(2);
const option = (name, fallback) => (args.includes(name) ? args[args.indexOf(name) + 1] : fallback);
const port = Number(option('--port', '4437'));
const speed = Number(option('--speed', '1'));
const file = args.find((arg) => arg.endsWith('.traj'));
const dist = option('--web-root', fileURLToPath(new URL('../dist/', import.meta.url)));
const TOKEN = 'dev';
const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'";
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.wasm': 'application/wasm' };

const sessions = new Map();

function session(id, title, status = 'active') {
  const made = { id, title, status, createdAt: Date.now(), updatedAt: Date.now(), events: [], waiting: new Set() };
  sessions.set(id, made);
  return made;
}

function append(target, event) {
  target.events.push(JSON.stringify({ id: `e${target.events.length + 1}`, timestamp: Date.now(), ...event }));
  target.updatedAt = Date.now();
  for (const wake of target.waiting) wake();
}

async function play(target, run) {
  for await (const { waitMs, event } of run) {
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs / speed));
    append(target, event);
  }
}

function readSse(request, response, target, offset) {
  let at = offset === '-1' ? 0 : Number(offset);
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'stream-message-count': String(at) });
  const send = () => {
    if (at < target.events.length) {
      const batch = target.events.slice(at, at + 200);
      at += batch.length;
      response.write(`event: data\n${batch.map((json, i) => `data: ${i === 0 ? '[' : ''}${json}${i === batch.length - 1 ? ']' : ','}`).join('\n')}\n\n`);
    }
    const upToDate = at === target.events.length;
    response.write(`event: control\ndata: ${JSON.stringify({ streamNextOffset: String(at).padStart(20, '0'), streamCursor: '1', streamMessageCount: at, ...(upToDate ? { upToDate } : {}) })}\n\n`);
    if (!upToDate) setImmediate(send);
  };
  const ping = setInterval(() => response.write(': ping\n\n'), 10_000);
  target.waiting.add(send);
  request.on('close', () => {
    target.waiting.delete(send);
    clearInterval(ping);
  });
  send();
}

const answer = (response, status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const refuse = (response, status, code, message, details) => answer(response, status, { ok: false, error: { code, message, details } });

const server = createServer(async (request, response) => {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const isApi = url.pathname.startsWith('/api/') || url.pathname.startsWith('/v1/');
  if (isApi && request.headers.authorization !== `Bearer ${TOKEN}`) return refuse(response, 401, 'UNAUTHORIZED', 'a bearer token is needed');
  if (url.pathname === '/api/sessions') {
    const rows = [...sessions.values()].map(({ id, title, status, createdAt, updatedAt, events }) => ({ id, title, status, createdAt, updatedAt, eventCount: events.length }));
    return answer(response, 200, { ok: true, data: { sessions: rows, nextCursor: null } });
  }
  const id = /^\/v1\/stream\/sessions\/([\w-]+)$/.exec(url.pathname)?.[1];
  if (id !== undefined) {
    const target = sessions.get(id);
    if (target === undefined) return refuse(response, 404, 'SESSION_NOT_FOUND', `no session ${id}`);
    if (request.method === 'POST') {
      request.resume();
      return refuse(response, 400, 'INVALID_EVENT', 'this stand-in refuses every append', { path: '$.data.text', expected: 'a string', came: '42' });
    }
    return readSse(request, response, target, url.searchParams.get('offset') ?? '-1');
  }
  const path = join(dist, normalize(url.pathname === '/' ? '/index.html' : url.pathname));
  const found = path.startsWith(dist) && (await stat(path).catch(() => null))?.isFile();
  if (!found) return refuse(response, 404, 'NOT_FOUND', 'no such file');
  response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', 'content-security-policy': POLICY });
  createReadStream(path).pipe(response);
});

server.listen(port, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${port}/#token=${TOKEN}`);
  if (args.includes('--empty')) return;
  session('earlier-run', 'An earlier run', 'closed');
  const live = session('live-run', file === undefined ? 'Scripted run' : 'Recorded run');
  const many = Number(option('--burst', '0'));
  for (let i = 0; i < many; i += 1) append(live, { type: 'chunk', data: { text: `word${i} `, agentId: 'agent', messageId: `m${Math.floor(i / 40)}`, turn: 1 } });
  play(live, file === undefined ? scriptedRun() : trajectoryRun(file)).catch((error) => console.error(error));
});
