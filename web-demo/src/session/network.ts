// The page's only way out: a `fetch` that can be cut, that counts the bytes of streams, and that can damage one event
// on its way in. It is handed to the client as its `fetch` option, so what the buttons do is what a bad network does.

/** The part of a top-level event that gets hit: one bit of the key, so exactly one event of a frame becomes invalid. */
const TARGET = /"timestamp":\s*\d{10,}/;

export class NetworkCutError extends TypeError {
  constructor() {
    super('cut by the button on this page');
    this.name = 'NetworkCutError';
  }
}

type Listener = () => void;

export class Network {
  #cut = false;
  #damagePending = 0;
  #bytes = 0;
  readonly #open = new Set<AbortController>();
  readonly #listeners = new Set<Listener>();
  readonly #outside: typeof globalThis.fetch;

  constructor(outside: typeof globalThis.fetch = globalThis.fetch.bind(globalThis)) {
    this.#outside = outside;
  }

  get isCut(): boolean {
    return this.#cut;
  }

  /** Bytes of stream bodies that came in since the last reset. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Events still to be damaged: a request waits for the next event that passes. */
  get damagePending(): number {
    return this.#damagePending;
  }

  resetBytes(): void {
    this.#bytes = 0;
  }

  cut(): void {
    this.#cut = true;
    for (const request of [...this.#open]) request.abort(new NetworkCutError());
    this.#changed();
  }

  restore(): void {
    this.#cut = false;
    this.#changed();
  }

  damageNextEvent(): void {
    this.#damagePending += 1;
    this.#changed();
  }

  subscribe = (listener: Listener): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    if (this.#cut) throw new NetworkCutError();
    const request = new AbortController();
    this.#open.add(request);
    const callerSignal = init?.signal ?? null;
    const signal = callerSignal === null ? request.signal : AbortSignal.any([callerSignal, request.signal]);
    try {
      const response = await this.#outside(input, { ...init, signal });
      const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
      if (response.body === null || !isStream) {
        this.#open.delete(request);
        return response;
      }
      return new Response(this.#through(response.body, request), {
        status: response.status,
        statusText: response.statusText,
        headers: response.headers,
      });
    } catch (error) {
      this.#open.delete(request);
      throw error;
    }
  };

  #through(body: ReadableStream<Uint8Array>, request: AbortController): ReadableStream<Uint8Array<ArrayBufferLike>> {
    const reader = body.getReader();
    const finished = () => this.#open.delete(request);
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read();
          if (done) {
            finished();
            controller.close();
            return;
          }
          this.#bytes += value.byteLength;
          controller.enqueue(this.#damagePending > 0 ? this.#damage(value) : value);
        } catch (error) {
          finished();
          controller.error(error);
        }
      },
      cancel: (reason) => {
        finished();
        return reader.cancel(reason);
      },
    });
  }

  #damage(bytes: Uint8Array): Uint8Array {
    // latin1 keeps byte positions and string positions the same.
    const hit = TARGET.exec(new TextDecoder('latin1').decode(bytes));
    if (hit === null) return bytes;
    const damaged = bytes.slice();
    const at = hit.index + 1;
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    this.#damagePending -= 1;
    this.#changed();
    return damaged;
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
