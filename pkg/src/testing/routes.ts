// The routes: what a request is answered. Must not know the network that it came by.
import { offsetText, pageBody, readHeaders, refused } from './answers.js';
import type { LiveBody, LiveSettings } from './live.js';
import { longPoll, sse } from './live.js';
import type { Appended, ProducerClaim } from './memory-stream.js';
import { MemoryStream } from './memory-stream.js';
import type { PresenceWord } from './presence.js';
import { PresenceTable } from './presence.js';

const STREAM_PATH = /^\/v1\/stream\/(.+)$/;
const SESSION_PATH = /^sessions\/([^/]*)$/;
const PRESENCE_PATH = /^\/api\/sessions\/([^/]+)\/presence$/;
const SESSION_ID = /^[A-Za-z0-9_-]{1,100}$/;
const OFFSET = /^\d{20}$/;

export interface Received {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

export class Routes {
  readonly streams = new Map<string, MemoryStream>();
  /** SSE answers that are under way. */
  readonly live = new Set<LiveBody>();
  /** Requests without this bearer token are refused; null: everybody is let in. */
  token: string | null = null;
  readonly #settings: LiveSettings;
  readonly #presence = new Map<string, PresenceTable>();
  #made = 0;

  constructor(settings: LiveSettings) {
    this.#settings = settings;
  }

  async answer(request: Received): Promise<Response> {
    const { pathname } = request.url;
    const isApi = pathname.startsWith('/api/');
    if (this.token !== null && request.headers.get('authorization') !== `Bearer ${this.token}`) {
      return refused({ status: 401, code: 'UNAUTHORIZED', message: 'a valid token is needed' }, isApi);
    }
    const presence = PRESENCE_PATH.exec(pathname)?.[1];
    if (presence !== undefined) {
      return this.#presenceOf(presence, request);
    }
    const path = STREAM_PATH.exec(pathname)?.[1];
    if (path === undefined) {
      return refused({ status: 404, code: 'NOT_FOUND', message: 'no such route' }, isApi);
    }
    const session = SESSION_PATH.exec(path)?.[1];
    if (session !== undefined && !SESSION_ID.test(session)) {
      return refused({ status: 400, code: 'INVALID_SESSION_ID', message: 'no session id' });
    }
    if (request.method === 'PUT') {
      return this.#create(path, session !== undefined, request);
    }
    const stream = this.streams.get(path);
    if (stream === undefined) {
      return refused(session === undefined ? { status: 404, code: 'STREAM_NOT_FOUND', message: 'the stream does not exist' } : { status: 404, code: 'SESSION_NOT_FOUND', message: 'the session does not exist' });
    }
    switch (request.method) {
      case 'POST':
        return this.#append(stream, session !== undefined, request);
      case 'GET':
        return this.#read(stream, request);
      case 'HEAD':
        return new Response(null, { headers: { 'content-type': stream.contentType, 'stream-next-offset': offsetText(stream.tail), 'cache-control': 'no-store', ...(stream.closed && { 'stream-closed': 'true' }) } });
      case 'DELETE':
        this.streams.delete(path);
        return new Response(null, { status: 204 });
      default:
        return refused({ status: 405, code: 'METHOD_NOT_ALLOWED', message: 'this route does not know the method' });
    }
  }

  #create(path: string, isSession: boolean, { headers, body, url }: Received): Response {
    const contentType = headers.get('content-type') ?? (isSession ? 'application/json' : 'application/octet-stream');
    const closed = isTrue(headers.get('stream-closed'));
    const known = this.streams.get(path);
    const answer = (stream: MemoryStream, status: number) =>
      new Response(null, { status, headers: { location: url.href, 'content-type': stream.contentType, 'stream-next-offset': offsetText(stream.tail), ...(stream.closed && { 'stream-closed': 'true' }) } });
    if (known !== undefined) {
      return known.contentType === contentType && known.closed === closed ? answer(known, 200) : refused({ status: 409, code: 'STREAM_EXISTS', message: 'the stream exists with other settings' });
    }
    const stream = new MemoryStream(contentType);
    const content = parsed(stream, body, isSession, true);
    if (content instanceof Response) {
      return content;
    }
    stream.append(content, closed);
    this.streams.set(path, stream);
    return answer(stream, 201);
  }

  #append(stream: MemoryStream, isSession: boolean, { headers, body }: Received): Response {
    const close = isTrue(headers.get('stream-closed'));
    const producer = claim(headers);
    if (producer instanceof Response) {
      return producer;
    }
    const end = { 'stream-closed': 'true', 'stream-next-offset': offsetText(stream.tail) };
    if (body.length > 0 && !stream.closed && essence(headers.get('content-type')) !== essence(stream.contentType)) {
      return refused({ status: 409, code: 'CONTENT_TYPE_MISMATCH', message: `the stream holds ${stream.contentType}` });
    }
    const content = body.length === 0 && close ? [] : parsed(stream, body, isSession, false);
    if (content instanceof Response) {
      return stream.closed ? refused({ status: 409, code: closedCode(isSession), message: 'the stream is closed', headers: end }) : content;
    }
    const appended = isSession ? write(stream, content as readonly string[], close, producer) : stream.append(content, close, producer);
    return appendAnswer(stream, appended, producer, content.length > 0, isSession);
  }

  async #read(stream: MemoryStream, { url, signal }: Received): Promise<Response> {
    const asked = url.searchParams.get('offset');
    const live = url.searchParams.get('live');
    if (live !== null && (asked === null || !['sse', 'long-poll'].includes(live))) {
      return refused({ status: 400, code: 'INVALID_PARAMETER', message: 'live is sse or long-poll, with an offset' });
    }
    if (asked !== null && asked !== '-1' && asked !== 'now' && !OFFSET.test(asked)) {
      return refused({ status: 400, code: 'INVALID_OFFSET', message: 'no offset of this server' });
    }
    const isNow = asked === 'now';
    const from = isNow ? stream.tail : asked === null || asked === '-1' ? stream.first : Number(asked);
    if (from < stream.first) {
      return refused({ status: 410, code: 'HISTORY_TRIMMED', message: 'what stood there is gone', headers: { 'stream-first-offset': offsetText(stream.first), ...(stream.isJson && { 'stream-message-count': String(stream.first) }) } });
    }
    if (from > stream.tail) {
      return refused({ status: 400, code: 'INVALID_OFFSET', message: 'beyond the end of the stream' });
    }
    if (live === 'sse') {
      // It may be over before it is there to be kept.
      const kept: { body?: LiveBody; isOver?: true } = {};
      kept.body = sse(stream, from, url.searchParams.get('ephemeral') === 'true', signal, this.#settings, () => {
        kept.isOver = true;
        this.live.delete(kept.body as LiveBody);
      });
      if (kept.isOver !== true) {
        this.live.add(kept.body);
      }
      return kept.body.response;
    }
    if (live === 'long-poll') {
      return longPoll(stream, from, signal, this.#settings);
    }
    const page = stream.read(from, this.#settings.pageBytesMax);
    return new Response(pageBody(stream, page), { headers: { 'content-type': stream.contentType, ...readHeaders(stream, from, page.next) } });
  }

  #presenceOf(session: string, { method, body }: Received): Response {
    const stream = this.streams.get(`sessions/${session}`);
    if (stream === undefined) {
      return refused({ status: 404, code: 'SESSION_NOT_FOUND', message: 'the session does not exist' }, true);
    }
    const table =
      this.#presence.get(session) ??
      new PresenceTable(this.#settings.clock, (type, data) => {
        this.#made += 1;
        write(stream, [JSON.stringify({ id: `presence-${this.#made}`, type, timestamp: this.#settings.clock.Date.now(), data })]);
      });
    this.#presence.set(session, table);
    const ok = (data: unknown) => new Response(JSON.stringify({ ok: true, data }), { headers: { 'content-type': 'application/json' } });
    if (method === 'GET') {
      return ok({ presence: table.list() });
    }
    const word = json(body) as Partial<PresenceWord> | undefined;
    if (typeof word?.userId !== 'string' || typeof word.connectionId !== 'string' || !['join', 'update', 'leave', 'heartbeat'].includes(String(word.action))) {
      return refused({ status: 400, code: word === undefined ? 'INVALID_JSON' : 'INVALID_REQUEST', message: 'action, userId and connectionId are needed' }, true);
    }
    if (stream.closed && word.action !== 'leave') {
      return refused({ status: 409, code: 'SESSION_CLOSED', message: 'the stream is closed' }, true);
    }
    const { userId, connectionId } = word;
    return ok({ userId, connectionId, expiresAt: table.hear(word as PresenceWord) });
  }
}

/** To a session. Cursors are passed on and not stored. */
export function write(stream: MemoryStream, messages: readonly string[], close = false, producer: ProducerClaim | null = null): Appended {
  const isCursor = (message: string) => (JSON.parse(message) as { type?: unknown }).type === 'presence:cursor';
  const appended = stream.append(messages.filter((message) => !isCursor(message)), close, producer);
  if (appended.outcome === 'stored') {
    messages.filter(isCursor).forEach((message) => stream.pass(message));
  }
  return appended;
}

const closedCode = (isSession: boolean): string => (isSession ? 'SESSION_CLOSED' : 'STREAM_CLOSED');
const isTrue = (value: string | null): boolean => value?.toLowerCase() === 'true';
const essence = (contentType: string | null): string => (contentType?.split(';')[0] ?? '').trim().toLowerCase();

function json(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}

/** What a body holds, or why it is refused. */
function parsed(stream: MemoryStream, body: Uint8Array, isSession: boolean, mayBeEmpty: boolean): readonly string[] | Uint8Array | Response {
  if (body.length === 0) {
    return mayBeEmpty ? [] : refused({ status: 400, code: 'EMPTY_APPEND', message: 'an append needs a body' });
  }
  if (!stream.isJson) {
    return body;
  }
  const value = json(body);
  if (value === undefined) {
    return refused({ status: 400, code: 'INVALID_JSON', message: 'the body is no JSON' });
  }
  const messages: unknown[] = Array.isArray(value) ? value : [value];
  if (messages.length === 0 && !mayBeEmpty) {
    return refused({ status: 400, code: 'EMPTY_APPEND', message: 'an append needs a message' });
  }
  for (const [index, message] of messages.entries()) {
    const wrong = isSession ? fault(message) : null;
    if (wrong !== null) {
      return refused({ status: 400, code: 'INVALID_EVENT', message: `${wrong.path}: expected ${wrong.expected}`, details: { index, ...wrong } });
    }
  }
  return messages.map((message) => JSON.stringify(message));
}

/** The envelope only: payloads are checked by the server, whose tables this module does not have. */
function fault(message: unknown): { path: string; expected: string } | null {
  const { id, type, timestamp, data } = (message ?? {}) as Record<string, unknown>;
  return typeof message !== 'object' || message === null || Array.isArray(message)
    ? { path: '$', expected: 'an event (an object)' }
    : typeof type !== 'string'
      ? { path: '$.type', expected: 'a string' }
      : typeof id !== 'string' || id === ''
        ? { path: '$.id', expected: 'an id' }
        : typeof timestamp !== 'number'
          ? { path: '$.timestamp', expected: 'Unix milliseconds' }
          : data === undefined
            ? { path: '$.data', expected: 'the payload' }
            : null;
}

function claim(headers: Headers): ProducerClaim | null | Response {
  const [id, epoch, seq] = ['producer-id', 'producer-epoch', 'producer-seq'].map((name) => headers.get(name));
  if (id == null && epoch == null && seq == null) {
    return null;
  }
  if (id == null || id === '' || !/^\d+$/.test(epoch ?? '') || !/^\d+$/.test(seq ?? '')) {
    return refused({ status: 400, code: 'INVALID_PRODUCER', message: 'Producer-Id, Producer-Epoch and Producer-Seq belong together' });
  }
  return { id, epoch: Number(epoch), seq: Number(seq) };
}

function appendAnswer(stream: MemoryStream, appended: Appended, producer: ProducerClaim | null, hasContent: boolean, isSession: boolean): Response {
  const tail = { 'stream-next-offset': offsetText(stream.tail), ...(stream.closed && { 'stream-closed': 'true' }) };
  switch (appended.outcome) {
    case 'stored':
    case 'duplicate': {
      const own: Record<string, string> = producer === null ? {} : { 'producer-epoch': String(producer.epoch), 'producer-seq': String(producer.seq) };
      const isNew = appended.outcome === 'stored' && producer !== null && hasContent;
      return new Response(null, { status: isNew ? 200 : 204, headers: { ...tail, ...own } });
    }
    case 'closed':
      return refused({ status: 409, code: closedCode(isSession), message: 'the stream is closed', headers: tail });
    case 'stale':
      return refused({ status: 403, code: 'STALE_EPOCH', message: 'the producer’s epoch is stale', headers: { 'producer-epoch': String(appended.epoch) } });
    case 'gap':
      return refused({ status: 409, code: 'SEQUENCE_GAP', message: 'producer sequence gap', headers: { 'producer-expected-seq': String(appended.expected), 'producer-received-seq': String(producer?.seq) } });
    case 'newEpochNotAtZero':
      return refused({ status: 400, code: 'INVALID_PRODUCER', message: 'a new epoch starts at 0' });
  }
}
