// Remembers how this environment finds the wasm file; set by the entry files.
import type { InitInput } from './wasm/durable_sessions.js';

/** What `init` accepts: a URL, a response, the bytes, or a compiled module. */
export type WasmSource = InitInput | Promise<InitInput>;

let locate: () => WasmSource;

export function setWasmSource(find: () => WasmSource): void {
  locate = find;
}

export function wasmSource(): WasmSource {
  return locate();
}
