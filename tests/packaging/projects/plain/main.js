// What is installed, as it is: without an import map, which a policy would have to allow, modules are named by path.
import { DurableStreamsClient } from './node_modules/durable-sessions/dist/index.js';
import { inServiceWorker, page } from './page.js';

page(DurableStreamsClient, async (start, places, here) => {
  start('worker', () => new Worker('./worker.js', { type: 'module' }));
  if (places.includes('service worker')) {
    await inServiceWorker('./service-worker.js', { type: 'module' }, { ...here, place: 'service worker' });
  }
});
