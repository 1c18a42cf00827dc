// One request whose answer is short: what is sent, and presence. Must not know what is in it.
import { DurableStreamsError } from './errors.js';
import type { Clock, FetchInit, FetchLike } from './types.js';

export interface RequestSettings {
  readonly fetch: FetchLike;
  readonly clock: Clock;
  /** No answer for so long counts as none; 0: never. */
  readonly silenceMs: number;
  /** The application's headers and the token; asked again after a 401. */
  headers(): Promise<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** Throws what `fetch` and the token provider throw, and after `silenceMs`; any status is an answer. */
export async function request({ fetch, clock, silenceMs, headers }: RequestSettings, url: string, method: string, own: Record<string, string>, init: Partial<FetchInit> = {}): Promise<Answer> {
  for (let refresh = false; ; refresh = true) {
    const abort = new AbortController();
    const { signal } = abort;
    let timer: unknown;
    const exchange = async (): Promise<Answer> => {
      const fields = { ...(await headers()), ...own };
      // It took too long to find out who asks.
      signal.throwIfAborted();
      const response = await fetch(url, { method, headers: fields, signal, cache: 'no-store', ...init });
      return { status: response.status, headers: response.headers, body: await response.text() };
    };
    const answer = await new Promise<Answer>((resolve, reject) => {
      if (silenceMs > 0) {
        // Rejects by itself: an application's own fetch may not listen to its signal.
        timer = clock.setTimeout(() => {
          reject(new Error(`no answer within ${silenceMs} ms`));
          abort.abort();
        }, silenceMs);
      }
      exchange().then(resolve, reject);
    }).finally(() => {
      clock.clearTimeout(timer as never);
    });
    if (answer.status !== 401 || refresh) {
      return answer;
    }
  }
}

/** The error in an answer that is a refusal: the server's own code and words, where it has some. */
export function refusal({ status, body }: Answer): DurableStreamsError {
  let error: { code?: unknown; message?: unknown; details?: object } | undefined;
  try {
    error = (JSON.parse(body) as { error?: typeof error } | null)?.error;
  } catch {
    // Another server's words, or a proxy's.
  }
  return new DurableStreamsError(String(error?.code ?? `HTTP_${status}`), `the server refused: ${String(error?.message ?? status)}`, { ...error?.details, status });
}
