import { DurableStreamsClient } from 'durable-sessions';
import { watch } from './watch.js';

onmessage = ({ data }) => watch(DurableStreamsClient, data);
