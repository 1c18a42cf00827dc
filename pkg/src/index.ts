// Entry for browsers, workers and bundlers: the wasm file is an asset beside this module.
import { setWasmSource } from './wasm-source.js';

setWasmSource(() => new URL('./wasm/durable_sessions_bg.wasm', import.meta.url));

export * from './public.js';
