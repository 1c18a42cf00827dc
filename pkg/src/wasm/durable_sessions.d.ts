// What the facade asks of the driver (crates/client-wasm). `scripts/build.mjs` compares it with what wasm-bindgen generated.

/** One network connection: opens, reads, reconnects and resumes by itself. */
export class Connection {
  /**
   * `url` has no query; without `cursor` reading begins at the start of the stream. `numbers` are, in this order:
   * enabled, initialDelay, maxDelay, backoffMultiplier, maxAttempts, jitter, silenceMs (0 for never), frameBytesMax,
   * seed of the jitter, offset of the cursor.
   */
  constructor(url: string, cursor: string | null | undefined, numbers: Float64Array, hooks: ConnectionHooks);
  /** Opens the first request. */
  start(): void;
  /** Starts anew from the cursor with a fresh count of attempts. */
  reconnect(): void;
  /** A timer has run down or a promise has settled; for `hooks.wake` only. */
  woken(code: number, turn: number, value: unknown): void;
  /** Tells what the environment believes about the network. */
  online(online: boolean): void;
  /** Aborts the request and clears the timers. Final. */
  close(): void;
  /** Releases what the connection holds in wasm memory; `close()` first. */
  free(): void;
}

/**
 * What the driver tells besides batches, never on the path of an event: kind ('state', 'retry', 'opening', 'error',
 * 'lost', 'reconnected', 'disconnected', 'closed'), state or error code, code of the cause, attempts, delay in
 * milliseconds or messages missing (-1: unknown), HTTP status or 0, detail.
 */
export type Notice = [kind: string, word: string, cause: string, attempt: number, number: number, status: number, detail: string];

export interface ConnectionHooks {
  /** Headers of the next request; `refresh` after a 401. */
  headers(refresh: boolean): Promise<Record<string, string>>;
  /** Sends the request. */
  fetch(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response>;
  /** The items of one network chunk: the address of eight words that say where they are, valid during the call. */
  batch(parts: number, bytes: number): void;
  notice(notice: Notice): void;
  /** Calls `connection.woken` as long as there is a connection. */
  readonly wake: (code: number, turn: number, value: unknown) => void;
}

export interface InitOutput {
  readonly memory: WebAssembly.Memory;
}

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export default function init(options: { module_or_path: InitInput | Promise<InitInput> }): Promise<InitOutput>;
