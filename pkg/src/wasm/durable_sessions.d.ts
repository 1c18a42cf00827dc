// What the facade asks of the driver (crates/client-wasm). `scripts/build.mjs` compares it with what wasm-bindgen generated.

/** Decides when to open a request, to read on, to reconnect and to give up; `src/driver.ts` does it. */
export class Connection {
  private constructor();
  /**
   * `offset` messages stand before `cursor`, which is empty at the start of the stream; `silenceMs` 0 means never. Undefined if the
   * cursor is malformed.
   */
  static open(
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
  ): Connection | undefined;
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
 * What the machine wants, never on the path of an event, in numbers that `src/driver.ts` names: kind, word, cause, attempts,
 * a number, HTTP status or 0; what the network, the token provider or the server said, or where to read from; the echo of a
 * request. What they mean of which kind is in `crates/client-wasm/src/driver/notice.rs`.
 */
export type Notice = [numbers: [kind: number, word: number, cause: number, attempt: number, number: number, status: number], text: string, echo: string];

export interface ConnectionHooks {
  /** The items of one piece of a body: the address of ten words that say where they are, valid during the call. */
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
