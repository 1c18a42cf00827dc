// A scripted server behind the client's `fetch` option. Must not know the client.

const encoder = new TextEncoder();

/** How one request is answered. */
export type Answer =
  | { status: number; headers?: Record<string, string> }
  | { body: string; pieces?: number | readonly number[]; end?: 'close' | 'open' | 'error'; headers?: Record<string, string> }
  | 'refused'
  | 'silent';

export interface Request {
  url: URL;
  headers: Record<string, string>;
  signal: AbortSignal;
}

/** Pieces of `bytes`: of one size, or cut at given places. */
export function cut(bytes: Uint8Array<ArrayBuffer>, pieces: number | readonly number[]): Uint8Array<ArrayBuffer>[] {
  const out: Uint8Array<ArrayBuffer>[] = [];
  const places = typeof pieces === 'number' ? Array.from({ length: Math.ceil(bytes.length / pieces) }, (_, i) => (i + 1) * pieces) : [...pieces, bytes.length];
  let from = 0;
  for (const place of places) {
    out.push(bytes.slice(from, place));
    from = place;
  }
  return out.filter((piece) => piece.length > 0);
}

export class FakeServer {
  readonly requests: Request[] = [];
  readonly #answers: Answer[];
  readonly #live: ReadableStreamDefaultController<Uint8Array>[] = [];

  constructor(...answers: Answer[]) {
    this.#answers = answers;
  }

  readonly fetch = async (url: string, init: { headers: Record<string, string>; signal: AbortSignal }): Promise<Response> => {
    const answer = this.#answers[this.requests.length] ?? 'refused';
    this.requests.push({ url: new URL(url), headers: init.headers, signal: init.signal });
    if (answer === 'refused') {
      throw new TypeError('connection refused');
    }
    if (answer === 'silent') {
      return new Promise((_, reject) => init.signal.addEventListener('abort', () => reject(init.signal.reason as Error)));
    }
    if ('status' in answer) {
      return new Response(null, { status: answer.status, headers: answer.headers ?? {} });
    }
    const { body, pieces = 4096, end = 'open', headers = {} } = answer;
    const queue = cut(encoder.encode(body), pieces);
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#live.push(controller);
        init.signal.addEventListener('abort', () => {
          try {
            controller.error(init.signal.reason);
          } catch {
            // Closed already.
          }
        });
      },
      pull: (controller) => {
        const piece = queue.shift();
        if (piece !== undefined) {
          controller.enqueue(piece);
        } else if (end === 'close') {
          controller.close();
        } else if (end === 'error') {
          controller.error(new TypeError('connection reset'));
        }
      },
    });
    const { 'x-status': status = '200', ...rest } = { 'content-type': 'text/event-stream', ...headers } as Record<string, string>;
    return new Response(stream, { status: Number(status), headers: rest });
  };

  /** Sends more on the newest connection. */
  send(text: string, connection = -1): void {
    this.#live.at(connection)?.enqueue(encoder.encode(text));
  }

  /** Ends the newest connection cleanly. */
  close(): void {
    this.#live.at(-1)?.close();
  }

  get aborted(): number {
    return this.requests.filter(({ signal }) => signal.aborted).length;
  }

  offsets(): (string | null)[] {
    return this.requests.map(({ url }) => url.searchParams.get('offset'));
  }
}

export interface WireEvent {
  id: string;
  type: string;
  timestamp: number;
  data: unknown;
  meta?: unknown;
  [more: string]: unknown;
}

export function chunk(n: number, data: Record<string, unknown> = {}): WireEvent {
  return { id: `e${n}`, type: 'chunk', timestamp: 1000 + n, data: { text: `t${n} `, ...data } };
}

/** What is told in passing. */
export const ephemeral = (event: unknown): string => `event: ephemeral\ndata: ${JSON.stringify(event)}\n\n`;

/** The answer to a poll. */
export function page(events: readonly unknown[], count: number, headers: Record<string, string> = {}): Answer {
  const all = { 'content-type': 'application/json', 'stream-next-offset': `c${count}`, 'stream-up-to-date': 'true', ...headers };
  return events.length === 0 ? { status: 204, headers: all } : { body: JSON.stringify(events, null, 1), end: 'close', headers: all };
}

export const data = (...events: readonly unknown[]): string => `event: data\ndata: ${JSON.stringify(events)}\n\n`;

export function control(count: number, more: Record<string, unknown> = {}): string {
  return `event: control\ndata: ${JSON.stringify({ streamNextOffset: `c${count}`, streamMessageCount: count, ...more })}\n\n`;
}

/** Waits for a condition, with a deadline far beyond what any of it takes. */
export async function until(condition: () => boolean, what: string | (() => unknown) = 'the condition'): Promise<void> {
  for (const deadline = Date.now() + 15_000; !condition(); ) {
    if (Date.now() > deadline) {
      throw new Error(`waited in vain for ${typeof what === 'string' ? what : JSON.stringify(what())}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Lets the event loop turn until the server has heard nothing new for a while. */
export async function quiet(server: FakeServer): Promise<void> {
  let seen = -1;
  while (seen !== server.requests.length) {
    seen = server.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
}
