// The page's part: itself first, and then its workers, for which an application's own policy lets their URLs through.
// The client comes in as an argument, since each project finds it in its own way.
import { watch } from './watch.js';

export async function page(DurableStreamsClient, startWorkers) {
  const parameters = new URLSearchParams(location.search);
  const here = { site: parameters.get('site') ?? location.origin, run: parameters.get('run') };
  const places = parameters.get('places').split(',');
  const tell = (event) => fetch(`${here.site}/report`, { method: 'POST', body: JSON.stringify({ ...here, place: 'page', what: 'failure', value: String(event.reason ?? event.message) }) }).catch(() => undefined);
  addEventListener('error', tell);
  addEventListener('unhandledrejection', tell);
  // Nothing of the package may have needed a policy so far, so there is none yet.
  const own = watch(DurableStreamsClient, { ...here, place: 'page' });
  await new Promise((resolve) => setTimeout(resolve));
  // It would let everything else of the page through as well, so it is there for workers alone.
  if (startWorkers !== undefined) globalThis.trustedTypes?.createPolicy('default', { createScriptURL: (url) => url });
  await startWorkers?.((place, worker) => {
    if (places.includes(place)) {
      const started = worker();
      started.postMessage({ ...here, place });
      started.onerror = (event) => tell({ message: `${place}: ${event.message}` });
    }
  }, places, here);
  await own;
}

/** Registers a service worker and sends it its task once it is there. */
export async function inServiceWorker(url, options, task) {
  const registration = await navigator.serviceWorker.register(url, options);
  const worker = registration.installing ?? registration.waiting ?? registration.active;
  await new Promise((resolve) => {
    const look = () => worker.state === 'activated' && resolve();
    worker.addEventListener('statechange', look);
    look();
  });
  worker.postMessage(task);
}
