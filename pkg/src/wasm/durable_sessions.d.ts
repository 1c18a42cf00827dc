// What the facade asks of the driver (crates/client-wasm). `scripts/build.mjs` compares it with what wasm-bindgen generated.

/** One network connection: opens, reads, reconnects and resumes by itself. */
export class Connection {
  constructor(options: ConnectionOptions, hooks: ConnectionHooks);
  /** Opens the first request. */
  start(): void;
  /** Starts anew from the cursor with a fresh count of attempts. */
  reconnect(): void;
  /** Tells what the environment believes about the network. */
  online(online: boolean): void;
  /** Aborts the request and clears the timers. Final. */
  close(): void;
  /** Releases what the connection holds in wasm memory; `close()` first. */
  free(): void;
}

export interface ConnectionOptions {
  url: string;
  reconnect: {
    enabled: boolean;
    initialDelay: number;
    maxDelay: number;
    backoffMultiplier: number;
    maxAttempts: number;
    jitter: boolean;
  };
  silenceMs: number;
  frameBytesMax: number;
  /** Seeds the jitter; any number from 0 to 2^53. */
  seed: number;
  cursor?: string | undefined;
  offset?: number | undefined;
}

/** Small control object of the driver; never on the path of an event. */
export type Notice =
  | { kind: 'state'; state: string }
  | { kind: 'retry'; attempt: number; delayMs: number; cause: string }
  | { kind: 'opening'; attempt: number }
  | { kind: 'error'; code: string; message: string; status?: number }
  | { kind: 'lost'; attempts: number; cause: string }
  | { kind: 'reconnected' }
  | { kind: 'disconnected' }
  | { kind: 'closed' };

export interface ConnectionHooks {
  /** Headers of the next request; `refresh` after a 401. */
  headers(refresh: boolean): Promise<Record<string, string>>;
  /** The application's own fetch, when it gave one. */
  fetch: ((url: string, init: object) => Promise<Response>) | undefined;
  /** The records of one network chunk: addresses in wasm memory, valid during the call. */
  batch(textPtr: number, textLength: number, itemsPtr: number, itemsLength: number, bytes: number): void;
  notice(notice: Notice): void;
}

export interface InitOutput {
  readonly memory: WebAssembly.Memory;
}

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export default function init(options: { module_or_path: InitInput | Promise<InitInput> }): Promise<InitOutput>;
