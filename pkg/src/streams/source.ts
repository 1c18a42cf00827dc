// The requests of a reader: pages, long-polls, SSE; repeated where that may help. Must not know what the content is for.
import { isPassing, pause, retryAfterMs } from '../backoff.js';
import { DurableStreamsError, inWords } from '../errors.js';
import { refusal } from '../request.js';
import type { ClientSettings } from '../settings.js';
import { sseDecoder } from './sse.js';
import type { Live } from './types.js';

const FRAME_CHARS_MAX = 16 * 1024 * 1024;
/** Statuses with which a server says that it has no SSE for this stream. */
const NO_SSE = [400, 405, 406, 415, 501];

/** Where reading stands; the reader shows it. */
export interface Place {
  offset: string;
  cursor: string | null;
  contentType: string | null;
  upToDate: boolean;
  closed: boolean;
}

/** What one answer, or one SSE event with its control event, brought. */
export interface Piece {
  readonly content: string | Uint8Array;
  readonly offset: string;
  readonly upToDate: boolean;
  readonly closed: boolean;
}

class Refused extends Error {
  constructor(
    readonly status: number,
    readonly reason: DurableStreamsError,
    readonly afterMs: number,
  ) {
    super(reason.message);
  }
}

/** An event stream that lasted longer was no failure. */
const SHORT_MS = 1_000;

interface Control {
  streamNextOffset: string;
  streamCursor?: string;
  upToDate?: boolean;
  streamClosed?: boolean;
}

/** Ends at the tail (`live` false) or with the stream; throws DurableStreamsError when it gives up, and the signal's reason. */
export async function* pieces(settings: ClientSettings, url: string, place: Place, live: Live, signal: AbortSignal, frameCharsMax = FRAME_CHARS_MAX): AsyncGenerator<Piece, void, undefined> {
  const { reconnect } = settings;
  const { clock } = settings;
  const at = absolute(url);
  let mode: Live = live === true ? false : live;
  let attempt = 0;
  let refresh = false;
  // Since when an event stream has been open.
  const pace = { since: Infinity };
  const lasted = () => clock.Date.now() - pace.since >= SHORT_MS;
  while (!place.closed) {
    let failure: { cause: unknown; status: number; afterMs: number; reason: DurableStreamsError };
    pace.since = Infinity;
    try {
      const before = place.offset;
      for await (const piece of mode === 'sse' ? events(settings, at, place, signal, frameCharsMax, pace) : page(settings, at, place, mode === 'long-poll', signal)) {
        if (mode !== 'sse' || place.offset !== before) {
          attempt = 0;
        }
        refresh = false;
        yield piece;
      }
      // One that brings nothing and ends at once would be asked for again and again.
      if (mode === 'sse' && !place.closed && place.offset === before && !lasted()) {
        throw new Error('the stream ended before anything new arrived');
      }
      if (mode === false && (place.upToDate || place.closed || place.offset === before)) {
        if (live === false) {
          return;
        }
        mode = 'sse';
      }
      continue;
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof DurableStreamsError) {
        throw cause;
      }
      const { status, afterMs, reason } = cause instanceof Refused ? cause : { status: 0, afterMs: 0, reason: new DurableStreamsError('CONNECTION_LOST', `reading failed: ${inWords(cause)}`, { cause }) };
      failure = { cause, status, afterMs, reason };
    }
    if (failure.status === 401 && !refresh) {
      refresh = true;
      continue;
    }
    if (live === true && mode === 'sse' && NO_SSE.includes(failure.status)) {
      mode = 'long-poll';
      continue;
    }
    attempt = lasted() ? 1 : attempt + 1;
    if ((failure.status !== 0 && !isPassing(failure.status)) || !reconnect.enabled || attempt >= reconnect.maxAttempts) {
      throw failure.reason;
    }
    await pause(clock, reconnect, attempt, failure.afterMs, signal);
    signal.throwIfAborted();
  }
}

/** One GET whose answer is read whole. */
async function* page(settings: ClientSettings, url: URL, place: Place, isLongPoll: boolean, signal: AbortSignal): AsyncGenerator<Piece, void, undefined> {
  const { response, heard, done } = await get(settings, url, place, isLongPoll ? 'long-poll' : null, signal, isLongPoll ? 3 : 1);
  try {
    const { headers, status } = response;
    const content = status === 204 ? '' : new Uint8Array(await heard(response.arrayBuffer()));
    place.contentType = headers.get('content-type') ?? place.contentType;
    const offset = headers.get('stream-next-offset');
    if (offset === null) {
      throw new DurableStreamsError('INVALID_CONTROL', 'the answer has no Stream-Next-Offset: this is no Durable Streams server', { status });
    }
    place.cursor = headers.get('stream-cursor') ?? place.cursor;
    yield moved(place, content, offset, isTrue(headers, 'stream-up-to-date'), isTrue(headers, 'stream-closed'));
  } finally {
    done();
  }
}

/** One SSE answer, to its end. */
async function* events(settings: ClientSettings, url: URL, place: Place, signal: AbortSignal, frameCharsMax: number, pace: { since: number }): AsyncGenerator<Piece, void, undefined> {
  const { response, heard, done } = await get(settings, url, place, 'sse', signal, 1);
  pace.since = settings.clock.Date.now();
  const reader = response.body?.getReader();
  try {
    if (!/^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '')) {
      throw new Refused(415, new DurableStreamsError('INVALID_CONTROL', 'the server did not answer with an event stream'), 0);
    }
    const isBase64 = response.headers.get('stream-sse-data-encoding') === 'base64';
    const decode = sseDecoder(frameCharsMax);
    // Handed on with the control event after it: before that nobody knows where to go on.
    let held: (string | Uint8Array)[] = [];
    for (;;) {
      const chunk = reader && (await heard(reader.read()));
      if (chunk?.value === undefined) {
        break;
      }
      for (const { event, data } of decode(chunk.value)) {
        if (event === 'data') {
          held.push(isBase64 ? bytesOf(data) : data);
        } else if (event === 'control') {
          const { streamNextOffset, streamCursor, upToDate, streamClosed } = control(data);
          place.cursor = streamCursor ?? place.cursor;
          const content = held;
          held = [];
          for (const one of content.slice(0, -1)) {
            yield { content: one, offset: place.offset, upToDate: false, closed: false };
          }
          yield moved(place, content.at(-1) ?? '', streamNextOffset, upToDate === true || streamClosed === true, streamClosed === true);
          if (streamClosed === true) {
            return;
          }
        }
      }
    }
  } finally {
    done();
    void reader?.cancel().catch(() => undefined);
  }
}

interface Got {
  response: Response;
  /** Waits, but not for longer than silence is taken for. */
  heard<T>(wait: Promise<T>): Promise<T>;
  done(): void;
}

async function get(settings: ClientSettings, url: URL, place: Place, live: string | null, signal: AbortSignal, patience: number): Promise<Got> {
  const { clock, fetch } = settings;
  const silenceMs = settings.silenceMs * patience;
  const target = new URL(url);
  target.searchParams.set('offset', place.offset);
  if (live !== null) {
    target.searchParams.set('live', live);
    if (place.cursor !== null) {
      target.searchParams.set('cursor', place.cursor);
    }
  }
  const abort = new AbortController();
  let fail: (reason: unknown) => void = () => undefined;
  const stop = () => {
    abort.abort(signal.reason);
    fail(signal.reason);
  };
  const done = () => {
    signal.removeEventListener('abort', stop);
    abort.abort();
  };
  const heard = <T>(wait: Promise<T>) => {
    let timer: unknown;
    return new Promise<T>((resolve, reject) => {
      fail = reject;
      if (silenceMs > 0) {
        timer = clock.setTimeout(() => {
          reject(new Error(`the server was silent for ${silenceMs} ms`));
        }, silenceMs);
      }
      wait.then(resolve, reject);
    }).finally(() => {
      clock.clearTimeout(timer as never);
    });
  };
  signal.throwIfAborted();
  signal.addEventListener('abort', stop);
  try {
    const headers = await heard(settings.headers());
    const response = await heard(fetch(target.href, { method: 'GET', headers: { ...headers, ...(live === 'sse' && { Accept: 'text/event-stream' }) }, signal: abort.signal, cache: 'no-store' }));
    if (response.status !== 200 && response.status !== 204) {
      const body = await heard(response.text());
      throw new Refused(response.status, refusal({ status: response.status, headers: response.headers, body }), retryAfterMs(response.headers));
    }
    return { response, heard, done };
  } catch (error) {
    done();
    throw error;
  }
}

function absolute(url: string): URL {
  try {
    return new URL(url, (globalThis as Partial<Pick<typeof globalThis, 'location'>>).location?.href);
  } catch (cause) {
    throw new DurableStreamsError('INVALID_OPTIONS', `no URL: ${url}`, { cause });
  }
}

function moved(place: Place, content: string | Uint8Array, offset: string, upToDate: boolean, closed: boolean): Piece {
  place.upToDate = upToDate || closed;
  place.closed = closed;
  place.offset = offset;
  return { content, offset, upToDate: place.upToDate, closed };
}

function control(data: string): Control {
  let parsed: Partial<Control> | null = null;
  try {
    parsed = JSON.parse(data) as Partial<Control> | null;
  } catch {
    // Said below.
  }
  if (typeof parsed?.streamNextOffset !== 'string') {
    throw new DurableStreamsError('INVALID_CONTROL', 'a control event without streamNextOffset');
  }
  return parsed as Control;
}

function isTrue(headers: Headers, name: string): boolean {
  return headers.get(name)?.toLowerCase() === 'true';
}

function bytesOf(base64: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64.replace(/[\n\r]/g, '')), (char) => char.charCodeAt(0));
  } catch (cause) {
    throw new DurableStreamsError('INVALID_CONTROL', 'an SSE event holds no base64', { cause });
  }
}
