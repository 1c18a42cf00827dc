// A server of its own for the pictures: memory store, a token for this run, and the repository's recording in it,
// once complete and once cut off in the middle of its last tool call, so that something is running in the picture, with
// somebody else on the page and a decision to make.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const inRepository = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

export async function startOwnServer(recording = inRepository('tests/recordings/example-agent.jsonl')) {
  const target = process.env['CARGO_TARGET_DIR'] ?? inRepository('target');
  const binary = process.env['DURABLE_SESSIONS_BIN'] ?? join(target, 'release/durable-sessions');
  for (const [path, how] of [[binary, 'cargo build --release --bin durable-sessions'], [recording, 'or name one with --recording'], [inRepository('web-demo/dist'), 'npm run build']]) {
    if (!existsSync(path)) throw new Error(`${path} is missing (${how})`);
  }
  const token = randomUUID();
  const env = { ...process.env, DURABLE_SESSIONS_TOKEN: token };
  const server = spawn(binary, ['serve', '--listen', '127.0.0.1:0', '--store', 'memory', '--web-root', inRepository('web-demo/dist')], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const folder = await mkdtemp(join(tmpdir(), 'durable-sessions-pictures-'));
  const stop = async () => {
    server.kill();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const url = await addressOf(server);
    const run = (args) => finished(spawn(binary, [...args, '--url', url], { env, stdio: ['ignore', 'ignore', 'inherit'] }), args[0]);
    const partial = join(folder, 'running.jsonl');
    await writeFile(partial, await untilTheLastTool(recording));
    await run(['replay', recording, '--session', 'earlier-run', '--speed', '100000']);
    await run(['close', '--session', 'earlier-run']);
    await run(['replay', partial, '--session', 'example-agent', '--speed', '100000']);
    const session = 'example-agent';
    const append = (type, data) => run(['append', '--session', session, '--type', type, '--data', JSON.stringify(data)]);
    await append('presence:joined', { userId: 'ada', displayName: 'Ada' });
    await append('presence:joined', { userId: 'grace', displayName: 'Grace' });
    await append('approval:requested', { taskId: 'report', payload: { approvalId: 'a1', title: 'Publish the report to the team' } });
    // What an idempotent producer sends without its predecessor is refused when its turn comes: a dead letter.
    const letter = JSON.stringify({ id: 'late', type: 'terminal:input', timestamp: Date.now(), data: { data: 'make report\n' } });
    await fetch(`${url}/v1/stream/sessions/${session}?durability=queued`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'producer-id': 'night-run', 'producer-epoch': '0', 'producer-seq': '1' },
      body: letter,
    });
    const point = () => append('presence:cursor', { userId: 'ada', cursor: { x: 0.7, y: 0.24 } });
    return { url, token, session, point, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Moved in time so that its last event is of now: the pictures show a run that goes on, not the age of a recording. */
async function untilTheLastTool(recording) {
  const [header, ...events] = (await readFile(recording, 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line));
  const start = events.findLastIndex(({ type }) => type === 'tool:start');
  const result = events.findLastIndex(({ type }) => type === 'tool:result');
  const shown = start >= 0 && result > start ? events.slice(0, start + Math.ceil((result - start) * 0.6)) : events;
  const shift = Date.now() - (shown.at(-1)?.timestamp ?? 0);
  const moved = shown.map((event) => ({ ...event, timestamp: event.timestamp + shift }));
  return [header, ...moved].map((line) => `${JSON.stringify(line)}\n`).join('');
}

function addressOf(server) {
  return new Promise((resolve, reject) => {
    let said = '';
    server.stdout.on('data', (bytes) => {
      said += bytes;
      const found = /http:\/\/[\d.:]+/.exec(said);
      if (found !== null) resolve(found[0]);
    });
    server.on('error', reject);
    server.on('exit', (code) => reject(new Error(`the server ended with ${code} before it listened`)));
  });
}

function finished(child, name) {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${name} ended with ${code}`))));
  });
}
