// What answers look like: headers of the protocol, bodies of refusals, SSE frames. Must not know why they are given.
import type { MemoryStream, Page } from './memory-stream.js';

/** Offsets are opaque to clients; here they are counts of messages or bytes. */
export const offsetText = (offset: number): string => String(offset).padStart(20, '0');

/** The same whatever is asked: nothing is cached. */
const CURSOR = '1';

export interface Refusal {
  status: number;
  code: string;
  message: string;
  headers?: Record<string, string>;
  details?: Record<string, unknown>;
}

export function refused({ status, code, message, headers = {}, details }: Refusal, isApi = false): Response {
  const error = { code, message, ...(details && { details }) };
  return new Response(JSON.stringify(isApi ? { ok: false, error } : { error }), { status, headers: { 'content-type': 'application/json', ...headers } });
}

/** Headers of a read that ended at `next`. */
export function readHeaders(stream: MemoryStream, from: number, next: number): Record<string, string> {
  const isAtTail = next === stream.tail;
  return {
    'stream-next-offset': offsetText(next),
    'cache-control': 'no-store',
    ...(stream.isJson && { 'stream-message-count': `${from}` }),
    ...(isAtTail && { 'stream-up-to-date': 'true' }),
    ...(isAtTail && stream.closed && { 'stream-closed': 'true' }),
    ...(!(isAtTail && stream.closed) && { 'stream-cursor': CURSOR }),
  };
}

export function pageBody(stream: MemoryStream, page: Page): BodyInit {
  return stream.isJson ? `[${page.messages.join()}]` : page.bytes;
}

/** Text goes over SSE as it is; everything else in base64. */
export function isText(contentType: string): boolean {
  return /^(text\/|application\/json\b)/i.test(contentType);
}

/** `text` in `data:` lines of one SSE event. */
export function frame(event: string, text: string): string {
  return `event: ${event}\n${text
    .split(/\r\n|\r|\n/)
    .map((line) => `data:${line.startsWith(' ') ? ' ' : ''}${line}\n`)
    .join('')}\n`;
}

function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

/** What of `bytes` is whole characters: an event's text cannot end inside one. */
function whole(page: Page, start: number): Page {
  const { bytes } = page;
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] as number;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      const end = bytes.length - (length > back ? back : 0);
      return { messages: [], bytes: bytes.slice(0, end), next: start + end };
    }
    if (byte < 0x80) {
      break;
    }
  }
  return page;
}

export class SseWriter {
  readonly #stream: MemoryStream;

  constructor(stream: MemoryStream) {
    this.#stream = stream;
  }

  /** What of the stream after `from` can be written now. */
  page(from: number, bytesMax: number): Page {
    const page = this.#stream.read(from, bytesMax);
    return this.#stream.isJson || !isText(this.#stream.contentType) || (this.#stream.closed && page.next === this.#stream.tail) ? page : whole(page, from);
  }

  /** The frames of a page: what it holds, if anything, and the control event. */
  frames(page: Page): string {
    const stream = this.#stream;
    const isAtTail = page.next === stream.tail;
    const isEnd = isAtTail && stream.closed;
    let frames = '';
    if (stream.isJson) {
      frames = page.messages.length === 0 ? '' : frame('data', `[${page.messages.join()}]`);
    } else if (page.bytes.length > 0) {
      frames = frame('data', isText(stream.contentType) ? new TextDecoder('utf-8', { ignoreBOM: true }).decode(page.bytes) : base64(page.bytes));
    }
    return (
      frames +
      frame(
        'control',
        JSON.stringify({
          streamNextOffset: offsetText(page.next),
          ...(isEnd ? null : { streamCursor: CURSOR }),
          ...(isAtTail && { upToDate: true }),
          ...(isEnd && { streamClosed: true }),
          ...(stream.isJson && { streamMessageCount: page.next }),
        }),
      )
    );
  }
}
