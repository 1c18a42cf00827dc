// Entry for those who bring the wasm themselves: nothing is located, `init(wasm)` has to come before subscribing.
export * from './public.js';
