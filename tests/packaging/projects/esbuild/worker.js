import { DurableStreamsClient } from 'durable-sessions/inline';
import { watch } from './watch.js';

onmessage = ({ data }) => watch(DurableStreamsClient, data);
