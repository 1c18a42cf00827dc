import { DurableStreamsClient } from './node_modules/durable-sessions/dist/index.js';
import { watch } from './watch.js';

onmessage = ({ data }) => watch(DurableStreamsClient, data);
