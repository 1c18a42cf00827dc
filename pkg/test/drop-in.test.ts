// Code written against the old hand-written client compiles and works, and what docs/migration.md says is so.
import { readFileSync } from 'node:fs';

import { afterAll, describe, expect, it } from 'vitest';

import { Application } from './compiled.js';
import { control, data } from './fake.js';
import { serve } from './server.js';

const MINUTES = 60_000;
const OLD_MODULE = './durable-streams-client.js';
const app = new Application();

afterAll(() => {
  app.dispose();
});

const event = (n: number, type: string, payload: unknown) => ({ id: `e${n}`, type, timestamp: n, data: payload });
const SESSION =
  data(
    event(1, 'presence:joined', { userId: 'u1', displayName: 'Ada' }),
    event(2, 'state:update', { agentId: 'agent-1', status: 'running' }),
    event(3, 'chunk', { text: 'Hello' }),
    event(4, 'tool:start', { id: 't1', tool: 'ls', input: { path: '.' } }),
    event(5, 'tool:result', { id: 't1', tool: 'ls', output: ['README.md'] }),
  ) +
  control(5) +
  data(
    event(6, 'terminal:output', { data: 'ok', source: 'agent' }),
    event(7, 'approval:requested', { taskId: 'task-1', payload: {} }),
    event(8, 'agent:turn', { agentId: 'agent-1', turn: 1, maxTurns: 5 }),
    event(9, 'chunk', { text: ' world' }),
  ) +
  control(9, { upToDate: true });

/** What an application changes. */
const migrated = (code: string) => code.replaceAll(OLD_MODULE, 'durable-sessions');

describe('an application of the old client', () => {
  it('compiles under strict and runs, with another import and one await', async () => {
    const old = readFileSync(new URL('./drop-in/session-panel.ts', import.meta.url), 'utf8');
    expect(old).toContain(OLD_MODULE);
    app.write('session-panel.ts', `import { init } from 'durable-sessions';\nawait init();\n${migrated(old)}`);
    expect(await app.compile('session-panel.ts')).toEqual([]);

    const server = await serve(SESSION);
    try {
      // The default client asks the page's own origin, which Node has none of.
      app.write('page.js', `const { fetch } = globalThis; globalThis.fetch = (url, init) => fetch(new URL(url, process.argv[2]), init);`);
      const answer: unknown = JSON.parse(await app.node('--import', './page.js', 'session-panel.js', server.url));
      expect(answer).toEqual({
        text: 'Hello world',
        tools: [{ id: 't1', name: 'ls', status: 'complete', output: ['README.md'] }],
        present: ['Ada'],
        terminal: ['output: ok'],
        approvals: ['task-1'],
        agentLog: ['turn 1 of 5'],
        agentStatus: 'running',
        banner: '',
        lastOffset: 9,
        agentStates: ['running'],
        agentSteps: expect.arrayContaining(['chunk', 'tool:start']) as unknown,
        title: 'function',
      });
    } finally {
      await server.close();
    }
  }, 2 * MINUTES);

  it('is told by the compiler what is not there', async () => {
    app.write('wrong.ts', `import { getDurableStreamsClient } from 'durable-sessions';\ngetDurableStreamsClient().subscribeToSession('s', { onChunk: (event) => event.data.txt });\n`);
    expect((await app.compile('wrong.ts')).join()).toMatch(/wrong\.ts\(2,\d+\): error TS\d+: Property 'txt' does not exist/);
  }, MINUTES);
});

describe('docs/migration.md', () => {
  const page = readFileSync(new URL('../../docs/migration.md', import.meta.url), 'utf8');
  const blocks = [...page.matchAll(/```ts (old|new)\n([\s\S]*?)```/g)].map(([, kind, code]) => ({ kind: kind as string, code: code as string }));

  it('has old and new side by side', () => {
    const kinds = blocks.map(({ kind }) => kind);
    expect(kinds.length).toBeGreaterThanOrEqual(10);
    expect(kinds).toEqual(kinds.map((_, i) => (i % 2 === 0 ? 'old' : 'new')));
  });

  it('shows code that compiles, the old with nothing but its import changed', async () => {
    const names = blocks.map(({ kind, code }, i) => {
      const name = `snippet-${i}-${kind}.ts`;
      // Snippets stand alone; what they leave out is what any page has.
      app.write(name, `${migrated(code)}\ndeclare function show(...values: unknown[]): void;\nexport {};\n`);
      return name;
    });
    expect(await app.compile(...names)).toEqual([]);
  }, MINUTES);
});
