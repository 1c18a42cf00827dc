// The page's client: one for a token. It is made here and handed to the package's React bindings; nothing else of the
// page talks to a stream.

import { DurableStreamsClient, init } from 'durable-sessions';

import type { Network } from './network';
import type { PageOptions } from './page-options';

/** Starts loading the WebAssembly module, so that it is there when the first session is opened. */
export function preload(): void {
  // A failure is reported by the subscription that needs the module, with a place to show it.
  init().catch(() => undefined);
}

export function makeClient(token: string | null, network: Network, page: PageOptions): DurableStreamsClient {
  return new DurableStreamsClient({
    url: page.url,
    fetch: network.fetch,
    reconnect: page.reconnect,
    ...(token === null ? {} : { token }),
  });
}
