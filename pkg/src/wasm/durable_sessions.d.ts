// What the facade asks of the driver (crates/client-wasm). `scripts/build.mjs` compares it with what wasm-bindgen generated.

/** Decides when to open a request, to read on, to reconnect and to give up; `src/driver.ts` does it. */
export class Connection {
  /** `offset` messages stand before `cursor`, which is empty at the start of the stream; `silenceMs` 0 means never. */
  constructor(
    cursor: string,
    offset: number,
    enabled: boolean,
    initialDelay: number,
    maxDelay: number,
    backoffMultiplier: number,
    maxAttempts: number,
    jitter: boolean,
    silenceMs: number,
    frameBytesMax: number,
    seed: number,
    hooks: ConnectionHooks,
  );
  /** Something happened that needs no more words: one of the numbers in `src/driver.ts`. */
  signal(what: number): void;
  /** The request was answered. */
  answered(response: Response): void;
  /** A piece of the body has come. */
  receive(piece: Uint8Array): void;
  /** The request has failed, or before it the provider of the token. */
  failed(isToken: boolean, words: string): void;
  /** Releases what the connection holds in wasm memory; the signal to close first. */
  free(): void;
  /** Forgets the connection without a call. */
  __destroy_into_raw(): number;
}

/**
 * What the machine wants, never on the path of an event. To be done: 'open' (attempt; 1 if the last token was refused;
 * the query), 'abort', 'timer' ('retry' or 'silence'; in how many milliseconds, or -1 to cancel it). To be told:
 * 'state', 'retry', 'error', 'lost', 'reconnected', 'disconnected', 'closed', with state or error code, code of the
 * cause, attempts, delay in milliseconds or messages missing (-1: unknown), HTTP status or 0, detail.
 */
export type Notice = [kind: string, word: string, cause: string, attempt: number, number: number, status: number, detail: string];

export interface ConnectionHooks {
  /** The items of one piece of a body: the address of eight words that say where they are, valid during the call. */
  batch(parts: number, bytes: number): void;
  notice(notice: Notice): void;
  /** Unix milliseconds; must not throw. */
  now(): number;
}

export interface InitOutput {
  readonly memory: WebAssembly.Memory;
  /** For another instance. */
  readonly module: WebAssembly.Module;
}

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export default function init(options: { module_or_path: InitInput | Promise<InitInput> }): Promise<InitOutput>;
