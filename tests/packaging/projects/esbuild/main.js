// esbuild follows no `new URL(…, import.meta.url)`: the page takes the slim entry and says where the wasm is.
import { DurableStreamsClient, init } from 'durable-sessions/slim';
import wasm from 'durable-sessions/wasm';
import { inServiceWorker, page } from './page.js';

await init(new URL(wasm, import.meta.url));
page(DurableStreamsClient, async (start, places, here) => {
  start('worker', () => new Worker('./dist/worker.js'));
  if (places.includes('service worker')) {
    await inServiceWorker('./dist/service-worker.js', { scope: './dist/' }, { ...here, place: 'service worker' });
  }
});
