// By which live mode of the protocol a stream is read: SSE, or polls where SSE does not get through (PROTOCOL.md 5.6 to
// 5.8). What a poll brings is put into the frames that SSE would have brought, so that the machine in wasm knows one way;
// the rules are those of crates/client-core/src/live. Must not know requests, timers or events.
import type { TransportOption, Transport as Way } from './types.js';

const SSE_AGAIN_MS = 300_000;
/** So long an SSE answer may bring nothing. Servers send a control event at once. */
export const STALL_MS = 8_000;
/** A poll is silent while it waits; servers choose for how long, usually 30 s. */
export const POLL_SILENCE_MS = 90_000;

export class Transport {
  readonly #option: TransportOption;
  readonly #tell: (way: Way, reason: string) => void;
  /** SSE does not work; whether polls do is not known before one has worked. */
  #polls: 'no' | 'tried' | 'work' = 'no';
  #sseAgainAt = Infinity;
  #upToDate = false;
  #told: Way;
  #reason = '';

  constructor(option: TransportOption, tell: (way: Way, reason: string) => void) {
    this.#option = option;
    this.#tell = tell;
    this.#told = option === 'long-poll' ? option : 'sse';
    this.startOver();
  }

  get polling(): boolean {
    return this.#polls !== 'no';
  }

  get mayFallBack(): boolean {
    return this.#option === 'auto' && !this.polling;
  }

  startOver(): void {
    this.#polls = this.#option === 'long-poll' ? 'work' : 'no';
  }

  fallBack(reason: string): void {
    this.#reason = reason;
    this.#polls = 'tried';
    this.#sseAgainAt = Date.now() + SSE_AGAIN_MS;
  }

  /** A poll that fails before one has worked was no better than SSE: an outage must not leave a client polling. */
  failed(): void {
    if (this.#polls === 'tried') {
      this.#polls = 'no';
    }
  }

  /** The query for the next request, from that for SSE. */
  query(query: string, ephemeral: boolean, connected: boolean): string {
    if (Date.now() >= this.#sseAgainAt) {
      this.#sseAgainAt = Infinity;
      this.startOver();
    }
    const live = 'live=sse&';
    if (!this.polling) {
      return ephemeral ? query.replace(live, `ephemeral=true&${live}`) : query;
    }
    // Answered at once, where a poll could wait, until it is known that this is the tail.
    return query.replace(live, connected && this.#upToDate ? 'live=long-poll&' : '');
  }

  /** Something has come by this way. */
  works(): void {
    const way = this.polling ? 'long-poll' : 'sse';
    if (way !== this.#told) {
      this.#told = way;
      this.#tell(way, this.#reason);
    }
  }

  /** The answer to a poll as that to a request for SSE which ends soon. What is none stays what it is. */
  async asEventStream(answer: Response): Promise<Response> {
    const { status, headers } = answer;
    const streamNextOffset = headers.get('stream-next-offset');
    if ((status !== 200 && status !== 204) || streamNextOffset === null) {
      // What concerns the stream or the caller would be the same by SSE.
      if (status !== 401 && status !== 410) {
        this.failed();
      }
      return answer;
    }
    const body = await answer.text();
    const isSet = (name: string) => headers.get(name) === 'true';
    this.#polls = 'work';
    this.#upToDate = isSet('stream-up-to-date');
    const control = { streamNextOffset, streamCursor: headers.get('stream-cursor'), upToDate: this.#upToDate, streamClosed: isSet('stream-closed') };
    const data = body === '' ? '' : `event: data\ndata: ${body.replace(/\r\n?|\n/g, '\ndata: ')}\n\n`;
    return new Response(`${data}event: control\ndata: ${JSON.stringify(control)}\n\n`, {
      headers: { 'content-type': 'text/event-stream', 'stream-message-count': headers.get('stream-message-count') ?? '' },
    });
  }
}

/** Why this answer to a request for SSE means that a poll is to be tried; other refusals would be the same for one. */
export async function objection(answer: Response): Promise<string | null> {
  const { status, headers } = answer;
  if (status === 200 || status === 204) {
    const type = headers.get('content-type') ?? 'nothing';
    return /^\s*text\/event-stream/i.test(type) ? null : `the server answered with ${type} instead of an event stream`;
  }
  if (/405|406|415|501/.test(`${status}`)) {
    return `the server refuses SSE with status ${status}`;
  }
  return /429|503/.test(`${status}`) && /"fallback":\s*"long-poll"/.test(await answer.text()) ? 'the server has no room for another live connection' : null;
}
