// One session that is open on the page: its feed, its store, and what the buttons do to it.

import { type Feed, openFeed } from './feed';
import type { Network } from './network';
import { Observer } from './observed';
import type { PageOptions } from './page-options';
import { SessionStore } from '../store/session-store';

export interface OpenSession {
  readonly id: string;
  readonly store: SessionStore;
  reconnect(): void;
  stop(): void;
}

export function openSession(id: string, token: string | null, network: Network, page: PageOptions): OpenSession {
  const store = new SessionStore();
  const observer = page.observe ? new Observer(id) : null;
  network.resetBytes();
  let feed: Feed | null = null;
  feed = openFeed(
    { url: page.url, token, session: id, network, reconnect: page.reconnect },
    {
      event: (event) => store.event(event),
      record: (record) => observer?.record(record, feed?.cursor() ?? null),
      rejected: (rejection) => store.rejected(rejection),
      error: (error) => observer?.error(error),
      fault: (fault) => store.fault(fault),
      moved: (word, detail) => {
        observer?.moved(word);
        store.moved(word, detail);
      },
      lost: (reason) => store.lost(reason),
      closed: () => store.note('The stream is closed: every event has been delivered'),
    },
  );
  const opened = feed;
  return { id, store, reconnect: () => opened.reconnect(), stop: () => opened.stop() };
}
