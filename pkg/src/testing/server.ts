// The server that a test talks to: what it holds, its clock, and a network that can be cut. Must not know the client.
import type { DurableStreamsOptions, FetchInit } from '../types.js';
import type { EventInput, SentEvent } from '../session-types.js';
import type { Refusal } from './answers.js';
import { refused } from './answers.js';
import { settle, TestClock } from './clock.js';
import { MemoryStream } from './memory-stream.js';
import { Routes, write } from './routes.js';

export interface TestServerOptions {
  /** Where the server pretends to be. Default `http://test.invalid`. */
  url?: string;
  /** Requests without it are refused with 401. Default: everybody is let in. */
  token?: string;
  /** Default 15000, as the server does. */
  pingMs?: number;
  /** How long an SSE answer lasts. Default 60000. */
  sseMaxAgeMs?: number;
  /** How long a long-poll waits. Default 30000. */
  longPollMs?: number;
  /** Bytes of one page of a read. Default 1 MiB. */
  pageBytesMax?: number;
}

/** A request as it arrived, and what it was answered; 0: nothing. */
export interface RecordedRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly body: string;
  status: number;
}


/** A Durable Streams server in memory, behind a `fetch`, in a time of its own. */
export class TestServer {
  readonly url: string;
  readonly clock = new TestClock();
  /** Everything that was asked, in order. */
  readonly requests: RecordedRequest[] = [];
  /** Milliseconds on the clock before a request arrives. */
  delayMs = 0;
  readonly #routes: Routes;
  readonly #failures: (Refusal | 'refused' | 'lost')[] = [];
  #isCut = false;
  readonly #underWay = new Set<(error: Error) => void>();
  #made = 0;

  constructor(options: TestServerOptions = {}) {
    this.url = (options.url ?? 'http://test.invalid').replace(/\/+$/, '');
    this.#routes = new Routes({
      clock: this.clock,
      pingMs: options.pingMs ?? 15_000,
      sseMaxAgeMs: options.sseMaxAgeMs ?? 60_000,
      longPollMs: options.longPollMs ?? 30_000,
      pageBytesMax: options.pageBytesMax ?? 1 << 20,
    });
    this.#routes.token = options.token ?? null;
  }

  /** For `new DurableStreamsClient(server.options)`. */
  get options(): Required<Pick<DurableStreamsOptions, 'url' | 'fetch' | 'clock'>> {
    return { url: this.url, fetch: this.fetch, clock: this.clock };
  }

  /** Changes what a request must bring; null lets everybody in. */
  set token(token: string | null) {
    this.#routes.token = token;
  }

  /** Creates `sessions/{id}`, as `POST /api/sessions` does. */
  createSession(id: string): void {
    this.createStream(`sessions/${id}`, 'application/json');
  }

  createStream(path: string, contentType: string): void {
    this.#routes.streams.set(path, new MemoryStream(contentType));
  }

  /** Appends to a session as somebody else would: ids and timestamps are filled in, payloads are not checked. `presence:cursor` is passed on, not stored. */
  append<T extends string>(sessionId: string, ...events: readonly EventInput<T>[]): void {
    const messages = events.map(({ id, type, timestamp, data, meta }) => {
      this.#made += 1;
      return JSON.stringify({ id: id ?? `server-${this.#made}`, type, timestamp: timestamp ?? this.clock.Date.now(), data, meta });
    });
    write(this.#stream(`sessions/${sessionId}`), messages);
  }

  /** Ends a session's stream. */
  closeSession(id: string): void {
    this.#stream(`sessions/${id}`).append([], true);
  }

  /** Forgets a session: requests for it are answered 404 from now on. */
  deleteSession(id: string): void {
    this.#routes.streams.delete(`sessions/${id}`);
  }

  /** Forgets the first `count` events, as retention does. */
  trim(sessionId: string, count: number): void {
    this.#stream(`sessions/${sessionId}`).first = count;
  }

  /** What a session holds. */
  events(sessionId: string): SentEvent[] {
    return this.#stream(`sessions/${sessionId}`).values() as SentEvent[];
  }

  /** Lets time pass, with all that is due in it. */
  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
  }

  /** Lets what is under way arrive, without time passing. */
  async settle(): Promise<void> {
    await settle();
  }

  /** Breaks what is under way and lets nothing through until `restore()`. */
  cut(): void {
    this.#isCut = true;
    for (const body of [...this.#routes.live]) {
      body.break();
    }
    for (const fail of [...this.#underWay]) {
      fail(new TypeError('network error'));
    }
  }

  restore(): void {
    this.#isCut = false;
  }

  /** Answers the next request with this instead of carrying it out. Calls add up; so do those of the next two. */
  failNext(status: number, headers: Record<string, string> = {}, code = 'TEST_FAILURE'): void {
    this.#failures.push({ status, headers, code, message: 'failNext() of the test' });
  }

  /** Refuses the connection of the next request. */
  refuseNext(): void {
    this.#failures.push('refused');
  }

  /** Carries out the next request and loses the answer. */
  loseNextAnswer(): void {
    this.#failures.push('lost');
  }

  /** What the client calls. */
  readonly fetch = async (input: string | URL | Request, init: Partial<FetchInit> | RequestInit = {}): Promise<Response> => {
    const request = new Request(input, init as RequestInit);
    const { signal } = init.signal == null ? request : { signal: init.signal };
    const body = new Uint8Array(await request.arrayBuffer());
    const recorded: RecordedRequest = { method: request.method, url: new URL(request.url), headers: request.headers, body: new TextDecoder().decode(body), status: 0 };
    this.requests.push(recorded);
    let fail!: (error: unknown) => void;
    let timer: number | undefined;
    const broken = new Promise<never>((_, reject) => {
      fail = reject;
    });
    broken.catch(() => undefined);
    const abort = () => fail(signal.reason);
    signal.addEventListener('abort', abort);
    this.#underWay.add(fail);
    try {
      signal.throwIfAborted();
      if (this.delayMs > 0) {
        await Promise.race([broken, new Promise<void>((resolve) => (timer = this.clock.setTimeout(resolve, this.delayMs)))]);
      }
      const failure = this.#failures.shift();
      if (this.#isCut || failure === 'refused') {
        throw new TypeError('failed to fetch');
      }
      if (typeof failure === 'object') {
        recorded.status = failure.status;
        return refused(failure, recorded.url.pathname.startsWith('/api/'));
      }
      const answer = await Promise.race([broken, this.#routes.answer({ url: recorded.url, method: request.method, headers: request.headers, body, signal })]);
      if (failure === 'lost') {
        void answer.body?.cancel();
        throw new TypeError('failed to fetch');
      }
      recorded.status = answer.status;
      return answer;
    } finally {
      this.clock.clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      this.#underWay.delete(fail);
    }
  };

  #stream(path: string): MemoryStream {
    const stream = this.#routes.streams.get(path);
    if (stream === undefined) {
      throw new Error(`the test server has no ${path}: create it first`);
    }
    return stream;
  }
}
