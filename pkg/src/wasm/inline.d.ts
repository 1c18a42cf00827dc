// The wasm module as text; `scripts/build.mjs` writes the module beside it.
export const wasmInBase64: string;
