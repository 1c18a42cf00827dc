// Entry for where assets are hard (one-file bundles, classic workers, extensions): the wasm is text in the module.
import { setWasmSource } from './wasm-source.js';
import { wasmInBase64 } from './wasm/inline.js';

setWasmSource(() => Uint8Array.from(atob(wasmInBase64), (character) => character.charCodeAt(0)));

export * from './public.js';
