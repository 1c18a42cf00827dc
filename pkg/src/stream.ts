// Shares one connection among the subscribers of a stream. A late subscriber reads what it missed on a connection of
// its own and joins the shared one as soon as it has caught up: nothing twice, nothing missing, no history in memory.
import { Feed } from './feed.js';
import { Subscriber } from './subscriber.js';
import type { StreamSettings } from './settings.js';
import type { SessionCallbacks, SubscribeFrom, Subscription } from './types.js';

export class SharedStream {
  readonly settings: StreamSettings;
  readonly #onEmpty: () => void;
  #primary: Feed | null = null;
  readonly #catchingUp = new Set<Feed>();

  constructor(settings: StreamSettings, onEmpty: () => void) {
    this.settings = settings;
    this.#onEmpty = onEmpty;
  }

  subscribe(callbacks: SessionCallbacks, from: SubscribeFrom | null): Subscription {
    const subscriber = new Subscriber(callbacks, this.settings.logger, from?.offset ?? 0);
    const primary = this.#primary;
    let feed: Feed;
    if (primary !== null && from === null && primary.untouched && primary.offset === 0) {
      feed = primary;
      feed.add(subscriber);
      // A call of its own, so that subscribing returns before the first callback.
      queueMicrotask(() => {
        if (subscriber.active && subscriber.state === 'disconnected') {
          subscriber.stateChanged(feed.state, feed.info);
        }
      });
    } else {
      feed = new Feed(this.settings, from);
      feed.add(subscriber);
      if (primary === null) {
        this.#primary = feed;
      } else {
        this.#catchUp(feed);
      }
      queueMicrotask(() => {
        if (feed.subscribers.length > 0) {
          feed.start();
        }
      });
    }
    return new Handle(this, subscriber);
  }

  close(): void {
    for (const feed of [...this.#catchingUp, this.#primary]) {
      for (const subscriber of feed?.subscribers ?? []) {
        this.remove(subscriber);
      }
    }
  }

  remove(subscriber: Subscriber): void {
    const { feed } = subscriber;
    if (feed === null) {
      return;
    }
    subscriber.end();
    feed.remove(subscriber);
    if (feed.subscribers.length > 0) {
      return;
    }
    feed.dispose();
    this.#catchingUp.delete(feed);
    if (feed === this.#primary) {
      const [next] = this.#catchingUp;
      this.#primary = next ?? null;
      if (next === undefined) {
        this.#onEmpty();
      } else {
        this.#catchingUp.delete(next);
        next.onBatchEnd = null;
      }
    }
  }

  #catchUp(feed: Feed): void {
    this.#catchingUp.add(feed);
    feed.onBatchEnd = () => {
      const primary = this.#primary;
      if (primary === null || primary.state !== 'connected' || feed.offset < primary.offset) {
        return;
      }
      const after = feed.offset;
      const { subscribers } = feed;
      this.#catchingUp.delete(feed);
      feed.dispose();
      for (const subscriber of subscribers) {
        subscriber.after = after;
        primary.add(subscriber);
        if (subscriber.state !== primary.state) {
          subscriber.stateChanged(primary.state, primary.info);
        }
      }
    };
  }
}

class Handle implements Subscription {
  readonly #stream: SharedStream;
  readonly #subscriber: Subscriber;
  #last: SubscribeFrom | null = null;

  constructor(stream: SharedStream, subscriber: Subscriber) {
    this.#stream = stream;
    this.#subscriber = subscriber;
  }

  unsubscribe(): void {
    this.#last = this.getPlace();
    this.#stream.remove(this.#subscriber);
  }

  reconnect(): void {
    this.#subscriber.feed?.reconnect();
  }

  getState() {
    return this.#subscriber.state;
  }

  getLastOffset(): number {
    return this.#subscriber.place.offset;
  }

  getLastCursor(): string | null {
    return this.#subscriber.place.cursor;
  }

  getPlace(): SubscribeFrom | null {
    return this.#subscriber.feed?.place ?? this.#last;
  }

  getStats() {
    return this.#subscriber.place.stats;
  }

  [Symbol.dispose](): void {
    this.unsubscribe();
  }
}
