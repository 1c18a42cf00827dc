// Shares one connection among the subscribers of a stream. A late subscriber reads what it missed on a connection of
// its own and joins the shared one as soon as it has caught up: nothing twice, nothing missing, no history in memory.
import { Feed } from './feed.js';
import type { StreamSettings } from './settings.js';
import type { Subscriber } from './subscriber.js';
import { createSubscriber } from './subscriber.js';
import type { SessionCallbacks, SubscribeFrom, Subscription } from './types.js';

export interface SharedStream {
  /** `onEvent` in the place of that of the callbacks. */
  subscribe(callbacks: SessionCallbacks, from: SubscribeFrom | null, onEvent?: SessionCallbacks['onEvent']): Subscription;
  close(): void;
}

export function shareStream(settings: StreamSettings, onEmpty: () => void): SharedStream {
  let primary: Feed | undefined;
  const catchingUp = new Set<Feed>();

  const remove = (subscriber: Subscriber) => {
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
    catchingUp.delete(feed);
    if (feed === primary) {
      [primary] = catchingUp;
      if (primary) {
        catchingUp.delete(primary);
        primary.onBatchEnd = null;
      } else {
        onEmpty();
      }
    }
  };
  const joinWhenCaughtUp = (feed: Feed) => {
    catchingUp.add(feed);
    feed.onBatchEnd = () => {
      // Not to one that is behind itself: its subscribers would wait with it.
      if (primary?.state === 'connected' && primary.stats.upToDate && feed.offset >= primary.offset) {
        const { subscribers, offset } = feed;
        catchingUp.delete(feed);
        feed.dispose();
        for (const subscriber of subscribers) {
          subscriber.after = Math.max(subscriber.after, offset);
          primary.add(subscriber);
          if (subscriber.state !== primary.state) {
            primary.greet(subscriber);
          }
        }
      }
    };
  };

  return {
    subscribe: (callbacks, from, onEvent) => {
      const subscriber = createSubscriber(callbacks, settings.logger, from?.offset ?? 0, onEvent);
      const joins = from === null && primary?.untouched && primary.offset === 0;
      const feed = joins ? (primary as Feed) : new Feed(settings, from);
      feed.add(subscriber);
      if (!primary) {
        primary = feed;
      } else if (!joins) {
        joinWhenCaughtUp(feed);
      }
      // A call of its own, so that subscribing returns before the first callback.
      queueMicrotask(() => {
        primary?.revive();
        if (!joins && feed.subscribers.length > 0) {
          feed.start();
        } else if (subscriber.active && subscriber.state === 'disconnected') {
          feed.greet(subscriber);
        }
      });
      const unsubscribe = () => remove(subscriber);
      return {
        isActive: () => subscriber.active,
        unsubscribe,
        reconnect: () => subscriber.feed?.reconnect(),
        getState: () => subscriber.state,
        getLastOffset: () => subscriber.reached().offset,
        getLastCursor: () => subscriber.reached().cursor,
        getPlace: () => subscriber.reached().place,
        getStats: () => subscriber.reached().stats,
        [Symbol.dispose]: unsubscribe,
      };
    },
    close: () => {
      for (const feed of [...catchingUp, primary]) {
        feed?.subscribers.forEach(remove);
      }
    },
  };
}
