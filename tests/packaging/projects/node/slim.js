import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { DurableStreamsClient, init } from 'durable-sessions/slim';
import { watch } from './watch.js';

const [site, run] = process.argv.slice(2);
await init(readFile(fileURLToPath(import.meta.resolve('durable-sessions/wasm'))));
await watch(DurableStreamsClient, { site, run, place: 'slim' });
