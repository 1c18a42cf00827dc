// Entry for those who bring the wasm themselves: nothing is located, `init(wasm)` has to come before subscribing.
import { setWasmSource } from './wasm-source.js';

setWasmSource(() => {
  throw new Error('no wasm yet: call init(wasm)');
});

export * from './public.js';
