import { DurableStreamsClient, init } from 'durable-sessions/inline';
import { watch } from './watch.js';

const [site, run] = process.argv.slice(2);
await init();
await watch(DurableStreamsClient, { site, run, place: 'inline' });
