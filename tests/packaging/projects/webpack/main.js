import { DurableStreamsClient } from 'durable-sessions';
import { page } from './page.js';

page(DurableStreamsClient, (start) => start('worker', () => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })));
