// A session to write to: the outbox in front of the producer. Must not know requests or connections.
import { DurableStreamsError } from './errors.js';
import type { PresenceSeat } from './presence.js';
import type { Unit } from './producer.js';
import { createProducer } from './producer.js';
import type { ClientSettings } from './settings.js';
import { randomId, sessionPath } from './settings.js';
import type { DeadLetter, EventInput, OutboxEntry, Sent, SentEvent, SessionHandle } from './session-types.js';

// Never stored, so the stream does not show it.
const CURSOR = 'presence:cursor';

/** What one `send` or `sendAll` brought. */
interface Sending extends Unit {
  readonly events: readonly SentEvent[];
  readonly text: string;
  attempts: number;
  resolve(sent: readonly Sent[]): void;
  reject(reason: DurableStreamsError): void;
}

/** Its event's place in the outbox. */
interface Held {
  entry: OutboxEntry;
  readonly sending: Sending;
  readonly bytes: number;
}

/** What the client tells and is asked. */
export interface SessionSeat {
  readonly session: SessionHandle;
  /** A subscription has delivered this event. */
  seen(id: string): void;
  /** The last subscription has ended. */
  unfollowed(): void;
}

const ignore = () => undefined;

export function openSession(id: string, settings: ClientSettings, subscribe: SessionHandle['subscribe'], isFollowed: () => boolean, onClose: () => void): SessionSeat {
  const path = sessionPath(id);
  const { baseUrl, logger, clock } = settings;
  const { eventsMax, bytesMax, cursorMs } = settings.sending;
  const own = randomId();
  // In the order of sending, by the event's id.
  const outbox = new Map<string, Held>();
  const listeners = new Set<() => void>();
  const letterListeners = new Set<(letter: DeadLetter) => void>();
  let snapshot: readonly OutboxEntry[] | null = null;
  let bytesHeld = 0;
  let made = 0;
  let isClosed = false;

  const tell = <A extends unknown[]>(audience: Set<(...args: A) => void>, ...args: A) => {
    for (const listener of audience) {
      try {
        listener(...args);
      } catch (error) {
        logger.error('durable-sessions: a listener threw', error);
      }
    }
  };
  const listen = <L>(audience: Set<L>, listener: L) => {
    audience.add(listener);
    return () => void audience.delete(listener);
  };
  const changed = () => {
    snapshot = null;
    tell(listeners);
  };
  const drop = (id: string) => {
    bytesHeld -= outbox.get(id)?.bytes ?? 0;
    return outbox.delete(id);
  };
  /** Returns the events that the stream has not shown; the others have left. */
  const mark = (sending: Sending, state: OutboxEntry['state'], cause: DurableStreamsError | null) =>
    sending.events.filter((event) => {
      const { id } = event;
      const held = outbox.get(id);
      if (held?.sending !== sending) {
        return false;
      }
      held.entry = { id, event, state, attempts: sending.attempts, cause };
      return true;
    });
  const unfollowed = () => {
    for (const { entry } of outbox.values()) {
      if (entry.state === 'sent') {
        drop(entry.id);
      }
    }
    changed();
  };

  const producer = createProducer<Sending>({
    ...settings,
    url: `${baseUrl}/v1/stream/${path}`,
    contentType: 'application/json',
    id: own,
    body: (batch) => `[${batch.map(({ text }) => text).join()}]`,
    trying: (batch, cause) => {
      for (const sending of batch) {
        sending.attempts += cause === null ? 1 : 0;
        mark(sending, 'sending', cause);
      }
      changed();
    },
    settled: (all, cursor, reason, inDoubt) => {
      for (const sending of all) {
        const { events, attempts } = sending;
        const unseen = mark(sending, reason === null ? 'sent' : 'failed', reason);
        // Stored, whatever its request met, is what the stream has shown.
        if (reason === null || unseen.length === 0) {
          for (const { id, type } of unseen) {
            if (type === CURSOR) {
              drop(id);
            }
          }
          sending.resolve(events.map(({ id }) => ({ id, cursor })));
          continue;
        }
        sending.reject(reason);
        logger.error(`durable-sessions: gave up sending: ${reason.message}`, { code: reason.code, events: unseen.length, attempts });
        for (const event of unseen) {
          tell(letterListeners, { event, reason, attempts, inDoubt });
        }
      }
      if (isFollowed()) {
        changed();
      } else {
        unfollowed();
      }
    },
  });

  /** Throws what `send` rejects with. */
  const admit = (events: readonly SentEvent[], resolve: Sending['resolve'], reject: Sending['reject']) => {
    const texts = events.map((event) => JSON.stringify(event));
    const text = texts.join();
    const bytes = text.length;
    const ids = new Set<string>();
    const done = [...outbox.values()].filter(({ entry: { state } }) => state === 'sent' || state === 'failed');
    const isFull = (count = 0, held = 0) => outbox.size - count + events.length > eventsMax || bytesHeld - held + bytes > bytesMax;
    if (isClosed) {
      throw new DurableStreamsError('SESSION_HANDLE_CLOSED', 'close() was called on this session');
    }
    for (const { id } of events) {
      if (ids.has(id) || (outbox.get(id)?.entry.state ?? 'failed') !== 'failed') {
        throw new DurableStreamsError('DUPLICATE_ID', `an event ${id} is on its way already`);
      }
      ids.add(id);
    }
    if (isFull(done.length, done.reduce((sum, held) => sum + held.bytes, 0))) {
      throw new DurableStreamsError('OUTBOX_FULL', `more than ${eventsMax} events or ${bytesMax} characters would wait`);
    }
    // Only now: what is refused must not cost what was given up before.
    ids.forEach(drop);
    for (const { entry } of done) {
      if (isFull()) {
        drop(entry.id);
      }
    }
    if (events.length === 0) {
      resolve([]);
      return;
    }
    const sending: Sending = { events, text, bytes, attempts: 0, resolve, reject };
    events.forEach(({ id }, i) => {
      const { length } = texts[i] as string;
      bytesHeld += length;
      outbox.set(id, { sending, bytes: length } as Held);
    });
    mark(sending, 'pending', null);
    producer.push(sending);
    changed();
  };
  const post = <T = readonly Sent[]>(events: readonly EventInput[], pick?: (sent: readonly Sent[]) => T): Promise<T> => {
    const sent = new Promise<readonly Sent[]>((resolve, reject) => {
      admit(
        events.map(({ id = `${own}-${(made += 1)}`, type, timestamp = clock.Date.now(), data, meta }) => ({ id, type, timestamp, data, ...(meta && { meta }) })),
        resolve,
        reject,
      );
    }).then(pick) as Promise<T>;
    // May be left alone: whoever listens for dead letters hears of it there.
    sent.catch(ignore);
    return sent;
  };
  const dead = (id: string) => {
    const held = outbox.get(id);
    return held?.entry.state === 'failed' ? held.sending.events : [];
  };
  const presenceSeat: PresenceSeat = { settings, url: `${baseUrl}/api/${path}/presence`, connectionId: own, cursorMs };
  const close = async () => {
    isClosed = true;
    onClose();
    await presenceSeat.presence?.leave().catch(ignore);
    await producer.flush();
    // Nobody tells this outbox any more what the stream shows.
    unfollowed();
  };

  return {
    session: {
      id,
      presenceSeat,
      outbox: {
        subscribe: (listener) => listen(listeners, listener),
        getSnapshot: () => (snapshot ??= Array.from(outbox.values(), ({ entry }) => entry)),
        retry: (id) => post(dead(id)),
        discard: (id) => {
          const sending = outbox.get(id)?.sending;
          for (const event of dead(id)) {
            // One of them may have been sent again.
            if (outbox.get(event.id)?.sending === sending) {
              drop(event.id);
            }
          }
          changed();
        },
      },
      send: (event) => post([event as unknown as EventInput], ([sent]) => sent as Sent),
      sendAll: (events) => post(events as EventInput[]),
      flush: producer.flush,
      onDeadLetter: (listener) => listen(letterListeners, listener),
      subscribe,
      close,
      [Symbol.dispose]: () => void close(),
    },
    seen: (id) => {
      if (drop(id)) {
        changed();
      }
    },
    unfollowed,
  };
}
