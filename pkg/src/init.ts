// Loads the wasm module once, and makes another instance of it when one has failed. A failed load is forgotten, so that
// the next call tries again.
import initWasm from './wasm/durable_sessions.js';
import type { WasmSource } from './wasm-source.js';
import { wasmSource } from './wasm-source.js';

let loading: Promise<WebAssembly.Memory> | null = null;
let compiled: WebAssembly.Module | undefined;

/**
 * Loads and compiles the wasm module. Idempotent: further calls share the first load, whatever they pass.
 * Subscribing calls it, so calling it is only needed to pass a `wasm` of your own or to await the load.
 */
export async function init(wasm?: WasmSource): Promise<void> {
  await load(wasm);
}

/** The linear memory of the loaded module. */
export function load(wasm?: WasmSource): Promise<WebAssembly.Memory> {
  // Forgotten later than it is remembered, even when it fails at once.
  loading ??= start(wasm).catch((error: unknown) => {
    loading = null;
    throw error;
  });
  return loading;
}

/** The instance has failed: the next load makes a fresh one. */
export function discard(): void {
  loading = null;
}

async function start(wasm: WasmSource | undefined): Promise<WebAssembly.Memory> {
  const { memory, module } = await initWasm({ module_or_path: compiled ?? wasm ?? wasmSource() });
  compiled = module;
  return memory;
}
