import type { ReactNode } from 'react';
import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { Api } from '../../session/envelope';
import { Network } from '../../session/network';
import { AdminPage } from './AdminPage';
import { DeadLettersPanel } from './DeadLettersPanel';
import { StreamsPanel } from './StreamsPanel';

type Answer = { status?: number; body: unknown };
type Server = (method: string, path: string) => Answer;

let root: Root | null = null;
let asked: string[] = [];

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  asked = [];
});
afterEach(async () => {
  await act(async () => root?.unmount());
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

function apiOf(server: Server): Api {
  const fetch = (url: RequestInfo | URL, init?: RequestInit) => {
    const path = String(url).replace('http://s', '');
    asked.push(`${init?.method ?? 'GET'} ${path}`);
    const { status = 200, body } = server(init?.method ?? 'GET', path);
    return Promise.resolve(new Response(typeof body === 'string' ? body : JSON.stringify(body), { status }));
  };
  return { network: new Network(fetch as typeof globalThis.fetch), base: 'http://s', token: 't' };
}

const ok = (data: unknown): Answer => ({ body: { ok: true, data } });
const refused = (status: number, code: string, message: string): Answer => ({ status, body: { ok: false, error: { code, message } } });
const nothing = () => undefined;

async function show(node: ReactNode): Promise<HTMLElement> {
  const place = document.createElement('div');
  document.body.append(place);
  root = createRoot(place);
  await act(async () => root?.render(node));
  return place;
}

const find = (place: HTMLElement, name: string) => place.querySelector<HTMLElement>(`[data-testid=${name}]`);
const text = (element: HTMLElement | null) => element?.textContent?.replace(/\s+/g, ' ') ?? '';
const click = (element: HTMLElement | null) => act(async () => element?.click());

const letter = {
  id: '00000000000000000017', path: 'sessions/gone', bytes: 120, attempts: 3, uncertain: true, contentType: 'application/json',
  reason: { code: 'SESSION_CLOSED', message: 'the session is closed' }, acceptedAtMs: 1_760_000_000_000, firstAttemptAtMs: 1_760_000_001_000, failedAtMs: 1_760_000_003_500,
};
const stream = {
  path: 'sessions/run', sessionId: 'run', title: '<b>Run</b>', status: 'active', closed: false, contentType: 'application/json', unit: 'messages',
  size: 40, end: 50, createdAt: 1, updatedAt: 2, subscribers: 3, lagging: 1, lag: 7,
};

describe('dead letters', () => {
  const panel = (server: Server) => show(<DeadLettersPanel api={apiOf(server)} isCut={false} onUnauthorized={nothing} />);

  it('come with reason, attempts, times and doubt', async () => {
    const place = await panel(() => ok({ deadLetters: [letter], nextCursor: null }));
    for (const part of ['sessions/gone', 'SESSION_CLOSED the session is closed', '3 attempts', 'after 2.5 s', 'may be there twice']) {
      expect(text(find(place, 'letter'))).toContain(part);
    }
  });

  it('are queued again one by one, which is said, and the focus has a place', async () => {
    let letters = [letter];
    const place = await panel((method) => {
      if (method === 'POST') letters = [];
      return method === 'POST' ? ok({ redriven: 1, more: false }) : ok({ deadLetters: letters, nextCursor: null });
    });
    await click(find(place, 'redrive'));
    expect(asked).toContain(`POST /api/dead-letters/${letter.id}/redrive`);
    expect(text(find(place, 'letters-outcome'))).toContain('1 dead letter queued again');
    expect(find(place, 'letter')).toBeNull();
    expect(text(find(place, 'letters-empty'))).toContain('None.');
    expect(document.activeElement?.id).toBe('letters-title');
  });

  it('are deleted only when asked twice', async () => {
    const place = await panel((method) => (method === 'DELETE' ? ok({ purged: 1, more: true }) : ok({ deadLetters: [letter], nextCursor: null })));
    await click(find(place, 'purge-all'));
    expect(asked.some((request) => request.startsWith('DELETE'))).toBe(false);
    await click(find(place, 'purge-for-good'));
    expect(asked).toContain('DELETE /api/dead-letters');
    expect(text(find(place, 'letters-outcome'))).toBe('1 dead letter deleted. There are more: do it again.');
  });

  it('say why nothing was done', async () => {
    const place = await panel((method) => (method === 'POST' ? refused(503, 'STREAM_UNAVAILABLE', 'too many appends are queued') : ok({ deadLetters: [letter], nextCursor: null })));
    await click(find(place, 'redrive'));
    expect(text(find(place, 'letters-outcome'))).toBe('Nothing was done: too many appends are queued');
    expect(find(place, 'letter')).not.toBeNull();
  });

  it('show their payload as text', async () => {
    const hostile = '<img src=x onerror=alert(1)>';
    const place = await panel((_, path) => (path.endsWith(letter.id) ? ok({ ...letter, messages: [{ data: hostile }] }) : ok({ deadLetters: [letter], nextCursor: null })));
    const details = place.querySelector('details') as HTMLDetailsElement;
    await act(async () => {
      details.open = true;
      details.dispatchEvent(new Event('toggle'));
    });
    expect(text(details)).toContain(hostile);
    expect(place.querySelector('img')).toBeNull();
  });
});

describe('streams', () => {
  const panel = (server: Server, onOpen: (id: string) => void = nothing) => show(<StreamsPanel api={apiOf(server)} isCut={false} onOpen={onOpen} onUnauthorized={nothing} />);

  it('come with size, subscribers and lag, and open their session', async () => {
    const opened: string[] = [];
    const log = { ...stream, path: 'logs/a', sessionId: undefined, title: undefined, status: undefined, closed: true, unit: 'bytes', size: 1_234, lag: null, lagging: 0, subscribers: 0 };
    const place = await panel(() => ok({ streams: [stream, log], nextCursor: null }), (id) => opened.push(id));
    const [run, other] = [...place.querySelectorAll<HTMLElement>('[data-testid=stream]')].map(text);
    expect(run).toMatch(/sessions\/run<b>Run<\/b>active40 events37 events1 behind/);
    expect(other).toMatch(/logs\/aclosed1.2 kB0–/);
    await click(place.querySelector('[data-path="sessions/run"] button'));
    expect(opened).toEqual(['run']);
  });

  it('go page by page, and begin anew when asked for others', async () => {
    const place = await panel((_, path) => ok({ streams: [stream], nextCursor: path.includes('cursor=') ? null : 'sessions/run' }));
    const buttons = () => [...place.querySelectorAll<HTMLButtonElement>('.admin-pages button')];
    await click(buttons()[1] ?? null);
    expect(asked.at(-1)).toBe('GET /api/admin/streams?limit=50&cursor=sessions%2Frun');
    expect(buttons().map(({ disabled }) => disabled)).toEqual([false, true]);
    await click(find(place, 'only-followed'));
    expect(asked.at(-1)).toBe('GET /api/admin/streams?limit=50&followed=true');
  });

  it('say that there are none, and what failed', async () => {
    const empty = await panel(() => ok({ streams: [], nextCursor: null }));
    expect(text(find(empty, 'streams-empty'))).toContain('No streams yet');
    await act(async () => root?.unmount());
    const failed = await panel(() => refused(503, 'STREAM_UNAVAILABLE', 'the store is down'));
    expect(text(failed.querySelector('[role=alert]'))).toBe('The streams could not be read: the store is down');
  });
});

describe('the page', () => {
  it('says that the server refuses it to others, and asks no further', async () => {
    const place = await show(
      <AdminPage
        api={apiOf((_, path) => (path === '/readyz' ? { body: { status: 'ready', appends: true, reasons: [] } } : refused(403, 'FORBIDDEN', 'this is for administrators')))}
        onOpen={nothing}
        onLeave={nothing}
        onUnauthorized={nothing}
      />,
    );
    expect(text(find(place, 'admin-forbidden'))).toContain('The server refused: this is for administrators');
    expect(find(place, 'admin-letters')).toBeNull();
  });

  it('says that it measures, and how ready the server is', async () => {
    const server: Server = (_, path) => {
      if (path === '/readyz') return { status: 503, body: { status: 'degraded', appends: false, reasons: ['storage-full'] } };
      if (path === '/metrics') return { body: 'durable_sessions_streams 3\n' };
      return ok({ streams: [], deadLetters: [], nextCursor: null });
    };
    const place = await show(<AdminPage api={apiOf(server)} onOpen={nothing} onLeave={nothing} onUnauthorized={nothing} />);
    expect(text(find(place, 'readiness'))).toBe('degraded: storage-full');
    expect(text(find(place, 'admin-counters'))).toContain('Measuring');
    expect(text(find(place, 'letters-empty'))).toContain('None.');
  });

  it('forgets a token that the server does not know', async () => {
    const said: string[] = [];
    const server: Server = (_, path) => (path === '/readyz' ? { body: { status: 'ready', appends: true, reasons: [] } } : refused(401, 'UNAUTHORIZED', 'who are you?'));
    await show(<AdminPage api={apiOf(server)} onOpen={nothing} onLeave={nothing} onUnauthorized={(message) => said.push(message)} />);
    expect(said).toContain('who are you?');
  });
});
