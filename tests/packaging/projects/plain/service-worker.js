import { DurableStreamsClient } from './node_modules/durable-sessions/dist/index.js';
import { watch } from './watch.js';

addEventListener('message', (event) => event.waitUntil(watch(DurableStreamsClient, event.data)));
