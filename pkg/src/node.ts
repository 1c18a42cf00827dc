// Entry for Node: fetch() reads no file: URLs there, so the bytes come from the file system.
import { readFile } from 'node:fs/promises';

import { setWasmSource } from './wasm-source.js';

setWasmSource(() => readFile(new URL('./wasm/durable_sessions_bg.wasm', import.meta.url)).then((bytes) => new Uint8Array(bytes)));

export * from './public.js';
