import { DurableStreamsClient } from 'durable-sessions/inline';
import { watch } from './watch.js';

addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('message', (event) => event.waitUntil(watch(DurableStreamsClient, event.data)));
