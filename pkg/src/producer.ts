// An idempotent producer: batches in order, one under way, each repeated under its number until the server has it or it
// is given up (Durable Streams protocol, section 5.2.1). Must not know what is in them.
import { isPassing, pause, retryAfterMs } from './backoff.js';
import { DurableStreamsError, inWords } from './errors.js';
import type { RequestSettings } from './request.js';
import { refusal, request } from './request.js';
import type { ReconnectConfig } from './types.js';

const BATCH_BYTES_MAX = 1 << 19;

/** What stands and falls together: it is in one batch, and that batch is stored or refused as a whole. */
export interface Unit {
  readonly bytes: number;
}

export interface ProducerSettings<U extends Unit> extends RequestSettings {
  readonly url: string;
  readonly contentType: string;
  readonly reconnect: ReconnectConfig;
  /** Names the producer. Nobody else may have it. */
  readonly id: string;
  /** Of an id that is used again: one more than the last time. Default 0. */
  readonly epoch?: number;
  body(batch: readonly U[]): BodyInit;
  /** A request leaves for these, or (with a cause) had no success and will be repeated. */
  trying(batch: readonly U[], cause: DurableStreamsError | null): void;
  /** The end of these: stored, or (with a reason) given up, in doubt if a request with the first of them had no clear answer. */
  settled(units: readonly U[], cursor: string | null, reason: DurableStreamsError | null, inDoubt: boolean): void;
}

export interface Producer<U extends Unit> {
  push(unit: U): void;
  /** Resolves when nothing is under way. */
  flush(): Promise<void>;
}

export function createProducer<U extends Unit>(settings: ProducerSettings<U>): Producer<U> {
  const { reconnect, settled, trying } = settings;
  const queue: U[] = [];
  let epoch = settings.epoch ?? 0;
  let seq = 0;
  let running: Promise<void> | null = null;

  // Late requests of the old epoch are refused by the server from now on, so that what they carried cannot come twice.
  const renew = (last = epoch) => {
    epoch = last + 1;
    seq = 0;
  };

  const run = async () => {
    let most = Infinity;
    while (queue.length > 0) {
      let bytes = 0;
      const end = queue.findIndex((unit, i) => (bytes += unit.bytes) > BATCH_BYTES_MAX && i > 0);
      most = await deliver(queue.slice(0, Math.min(most, end < 0 ? queue.length : end)), most);
    }
    running = null;
  };

  /** Sends until the batch is settled or has to be made smaller; returns how many units the next one may have. */
  const deliver = async (batch: readonly U[], most: number): Promise<number> => {
    const body = settings.body(batch);
    let inDoubt = false;
    for (let attempt = 1; ; attempt += 1) {
      trying(batch, null);
      let error: DurableStreamsError;
      let status = 0;
      let afterMs = 0;
      try {
        const answer = await request(
          settings,
          settings.url,
          'POST',
          { 'Content-Type': settings.contentType, 'Producer-Id': settings.id, 'Producer-Epoch': `${epoch}`, 'Producer-Seq': `${seq}` },
          { body },
        );
        const { headers } = answer;
        ({ status } = answer);
        if (status < 300) {
          seq += 1;
          queue.splice(0, batch.length);
          settled(batch, headers.get('stream-next-offset'), null, false);
          return Infinity;
        }
        error = refusal(answer);
        afterMs = retryAfterMs(headers);
        const current = headers.get('producer-epoch');
        if ((status === 409 && headers.get('producer-expected-seq')) || (status === 403 && current)) {
          // The server has forgotten this producer, or batches of it that it acknowledged; or it knows a later epoch.
          renew(Math.max(epoch, +(current ?? 0)));
          // Under another number the batch could come twice, if it is there already.
          status = inDoubt ? status : 0;
        }
        inDoubt ||= status === 408 || status >= 500;
      } catch (cause) {
        error = new DurableStreamsError('CONNECTION_LOST', `no answer: ${inWords(cause)}`, { cause });
        inDoubt = true;
      }
      if ((status === 0 || isPassing(status)) && reconnect.enabled && attempt < reconnect.maxAttempts) {
        trying(batch, error);
        await pause(settings.clock, reconnect, attempt, afterMs);
        continue;
      }
      if (inDoubt) {
        renew();
      }
      const isContent = status === 400 || status === 413 || status === 422;
      if (isContent && batch.length > 1) {
        // One of them is at fault: halved until it is alone.
        return batch.length >> 1;
      }
      const given = queue.splice(0, batch.length);
      // What waits would meet the same refusal, or overtake. Taken out first: what is sent by those who hear of it is not meant.
      const rest = isContent ? [] : queue.splice(0);
      settled(given, null, error, inDoubt);
      settled(rest, null, error, false);
      return most;
    }
  };

  return {
    push: (unit) => {
      queue.push(unit);
      // What is sent in one go leaves in one batch.
      running ??= Promise.resolve().then(run);
    },
    flush: async () => {
      while (running) {
        await running;
      }
    },
  };
}
