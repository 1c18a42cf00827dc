// For applications whose users reach the session API and not the raw protocol: reads of a session's stream, put into
// requests of `/api/sessions/{id}`, and what those answer into the frames of the protocol. So the client's validation,
// tokens and retries stay what they are. Must not know what is in an event.

import type { FetchInit, FetchLike } from '../types.js';
import { subscriptionHistory } from './history.js';
import type { HistorySource, SessionClient } from './history.js';

const READ = /^(.*)\/v1\/stream(\/sessions\/[^/?]+)\?(.*)$/;
/** A place of ours: where history is read from and up to. It sorts as the cursor that it begins with. */
const RANGE = /^(\d{20})-(\d+)$/;
const PAGE_EVENTS = 1_000;
/** A frame that has not ended after so many characters does not; the client takes none of 16 MiB. */
const PENDING_CHARS_MAX = 32 << 20;

/**
 * A `fetch` for the client that reads sessions by the session API alone: live by `/api/sessions/{id}/stream`, and what
 * `sessionApiHistory` asks for by `/api/sessions/{id}/events`. Everything else goes on to `fetch` as it is, sending by
 * the protocol included. Long-poll is of the protocol: give the client `transport: 'sse'`.
 */
export function sessionApiFetch(fetch: FetchLike = (url, init) => globalThis.fetch(url, init)): FetchLike {
  return async (url, init) => {
    const [, base = '', session = '', search = ''] = READ.exec(url) ?? [];
    const query = new URLSearchParams(search);
    if (session === '' || init.method !== 'GET' || query.get('live') !== 'sse') return fetch(url, init);
    const api = `${base}/api${session}`;
    const range = RANGE.exec(query.get('offset') ?? '');
    return range === null ? follow(fetch, api, init, query) : readRange(fetch, api, init, Number(range[1]), Number(range[2]));
  };
}

/**
 * Reads history by `/api/sessions/{id}/events`, at any place without a remembered cursor. The client must have
 * `sessionApiFetch` as its `fetch`.
 */
export function sessionApiHistory(client: SessionClient, sessionId: string): HistorySource {
  const source = subscriptionHistory(client, sessionId);
  return {
    read: (request, sink) => source.read({ ...request, from: { cursor: `${cursorOf(request.after)}-${request.upTo}`, offset: request.after } }, sink),
  };
}

/** Cursors of sessions are counts of events. */
const cursorOf = (events: number): string => String(events).padStart(20, '0');

interface Page {
  readonly events: readonly unknown[];
  readonly nextCursor: string;
}

async function readRange(fetch: FetchLike, api: string, init: FetchInit, after: number, upTo: number): Promise<Response> {
  const ask = (from: number) => fetch(`${api}/events?from=${from}&to=${upTo}&limit=${PAGE_EVENTS}`, init);
  const first = await ask(after);
  if (!first.ok) return first.status === 410 ? trimmed(((await first.json()) as { error: { details: { firstCursor: string } } }).error.details.firstCursor) : first;
  let next: Response | null = first;
  return eventStream(async () => {
    if (next === null) return null;
    // The client asks again from the last place that it was told, and hears then what is the matter.
    if (!next.ok) throw new TypeError(`HTTP status ${next.status}`);
    const { events, nextCursor } = ((await next.json()) as { data: Page }).data;
    const at = Number(nextCursor);
    // Who asked leaves with the last event; the end is for whom that does not come.
    const isLast = at >= upTo || events.length === 0;
    next = isLast ? null : await ask(at);
    return frames(events.map((event) => JSON.stringify(event)), nextCursor, { streamClosed: isLast });
  });
}

async function follow(fetch: FetchLike, api: string, init: FetchInit, query: URLSearchParams): Promise<Response> {
  const own = new URLSearchParams();
  for (const name of ['offset', 'ephemeral']) {
    const value = query.get(name);
    if (value !== null) own.set(name, value);
  }
  const answer = await fetch(`${api}/stream?${own}`, init);
  if (answer.status !== 200 || answer.body === null || !/^text\/event-stream/i.test(answer.headers.get('content-type') ?? '')) return answer;
  const reader = answer.body.getReader();
  const translate = translator();
  const pull = async () => {
    const { done, value } = await reader.read();
    return done ? null : translate(value);
  };
  // The first frame says whether something is missing; comments may come before it.
  let first = '';
  while (translate.started === null) {
    const text = await pull();
    if (text === null) throw new TypeError('the answer ended before its first frame');
    first += text;
  }
  if (translate.started.missed > 0) {
    await reader.cancel();
    return trimmed(translate.started.cursor);
  }
  return eventStream(
    () => {
      const text = first;
      first = '';
      return text === '' ? pull() : Promise.resolve(text);
    },
    (reason) => reader.cancel(reason),
  );
}

interface Translator {
  (bytes: Uint8Array): string;
  /** What the first frame says. */
  started: { readonly cursor: string; readonly missed: number } | null;
}

/** Frames for an `EventSource`, in any split, as those of the protocol: all whole events of a piece as one batch. */
function translator(): Translator {
  const decoder = new TextDecoder();
  let pending = '';
  /** How many events stand before the next one. */
  let at = -1;
  const translate: Translator = (bytes) => {
    pending += decoder.decode(bytes, { stream: true });
    const whole = pending.split('\n\n');
    pending = whole.pop() ?? '';
    if (pending.length > PENDING_CHARS_MAX) throw new TypeError('a frame does not end');
    let out = '';
    let batch: string[] = [];
    let cursor = '';
    const flush = (upToDate: boolean) => {
      if (batch.length > 0) out += frames(batch, cursor, { upToDate });
      batch = [];
    };
    for (const block of whole) {
      const { id, event, data } = fieldsOf(block);
      const said = event === undefined ? own(data) : null;
      if (data === undefined) {
        out += `${block}\n\n`;
      } else if (event !== undefined) {
        flush(false);
        out += `event: ${event}\ndata: ${data}\n\n`;
      } else if (said?.type === 'connected') {
        translate.started = { cursor: said.cursor ?? '', missed: said.missed ?? 0 };
        at = Number(said.cursor);
        out += frames([], said.cursor ?? '', {});
      } else if (said?.type === 'closed') {
        flush(false);
        out += frames([], said.cursor ?? id ?? cursor, { streamClosed: true });
      } else {
        if (id !== undefined && at >= 0 && Number(id) !== at + 1) {
          // Something was lost on the way: said where it is missing, or what follows would be counted wrongly.
          flush(false);
          out += frames([], cursorOf(Number(id) - 1), {});
        }
        batch.push(data);
        cursor = id ?? cursor;
        at = Number(cursor);
      }
    }
    // This route does not say where the tail is. What ends with a piece of the network is most likely there.
    flush(pending === '');
    return out;
  };
  translate.started = null;
  return translate;
}

function fieldsOf(block: string): Partial<Record<'id' | 'event' | 'data', string>> {
  const fields: Partial<Record<string, string>> = {};
  for (const line of block.split(/\r?\n/)) {
    const [, name, value] = /^(id|event|data): ?(.*)$/.exec(line) ?? [];
    if (name !== undefined) fields[name] = fields[name] === undefined ? value : `${fields[name]}\n${value}`;
  }
  return fields;
}

/** What the server says itself in the place of an event; events have an id. */
function own(data: string | undefined): { type?: string; cursor?: string; missed?: number } | null {
  if (data === undefined || !/^\{\s*"(type|sessionId|offset|cursor|timestamp|missed)"/.test(data)) return null;
  const said = JSON.parse(data) as { id?: unknown; type?: string };
  return said.id === undefined ? said : null;
}

interface Standing {
  readonly upToDate?: boolean;
  readonly streamClosed?: boolean;
}

/** With the count that the cursor is, so that a hole shows. */
function frames(events: readonly string[], streamNextOffset: string, standing: Standing): string {
  const control = { streamNextOffset, streamMessageCount: Number(streamNextOffset), ...standing };
  const data = events.length === 0 ? '' : `event: data\ndata: [${events.join(',').replace(/[\r\n]/g, ' ')}]\n\n`;
  return `${data}event: control\ndata: ${JSON.stringify(control)}\n\n`;
}

const trimmed = (first: string) => new Response(null, { status: 410, headers: { 'stream-first-offset': first, 'stream-message-count': String(Number(first)) } });

function eventStream(next: () => Promise<string | null>, cancel?: (reason: unknown) => Promise<void>): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const text = await next();
      if (text === null) controller.close();
      else controller.enqueue(encoder.encode(text));
    },
    ...(cancel !== undefined && { cancel }),
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}
