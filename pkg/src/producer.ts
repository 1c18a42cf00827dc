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
  attempts: number;
  /** A request for it had no clear answer: it may be stored. */
  inDoubt: boolean;
}

export interface ProducerSettings<U extends Unit> {
  readonly url: string;
  readonly contentType: string;
  readonly reconnect: ReconnectConfig;
  readonly request: RequestSettings;
  /** Names the producer. Nobody else may have it. */
  readonly id: string;
  /** Of an id that is used again: one more than the last time. Default 0. */
  readonly epoch?: number;
  body(batch: readonly U[]): BodyInit;
  /** A request leaves for these, or (with a cause) had no success and will be repeated. */
  trying(batch: readonly U[], cause: DurableStreamsError | null): void;
  /** The end of these: stored, or (with a reason) given up. */
  settled(units: readonly U[], cursor: string | null, reason: DurableStreamsError | null): void;
}

export interface Producer<U extends Unit> {
  push(unit: U): void;
  /** Resolves when nothing is under way. */
  flush(): Promise<void>;
}

export function createProducer<U extends Unit>(settings: ProducerSettings<U>): Producer<U> {
  const { reconnect, id, url } = settings;
  const queue: U[] = [];
  let epoch = settings.epoch ?? 0;
  let seq = 0;
  let running: Promise<void> | null = null;

  // Late requests of the old epoch are refused by the server from now on, so that what they carried cannot come twice.
  const renew = (atLeast = epoch) => {
    epoch = atLeast + 1;
    seq = 0;
  };

  const run = async () => {
    let most = Infinity;
    while (queue.length > 0) {
      let count = 0;
      for (let bytes = 0; count < Math.min(most, queue.length); count += 1) {
        bytes += (queue[count] as U).bytes;
        if (count > 0 && bytes > BATCH_BYTES_MAX) {
          break;
        }
      }
      most = await deliver(queue.slice(0, count), most);
    }
    running = null;
  };

  /** Sends until the batch is settled or has to be made smaller; returns how many units the next one may have. */
  const deliver = async (batch: readonly U[], most: number): Promise<number> => {
    const body = settings.body(batch);
    for (let attempt = 1; ; attempt += 1) {
      for (const unit of batch) {
        unit.attempts += 1;
      }
      settings.trying(batch, null);
      let error: DurableStreamsError;
      let status = 0;
      let afterMs = 0;
      let doubt = true;
      try {
        const answer = await request(settings.request, url, 'POST', { 'Content-Type': settings.contentType, 'Producer-Id': id, 'Producer-Epoch': `${epoch}`, 'Producer-Seq': `${seq}` }, { body });
        const { headers } = answer;
        ({ status } = answer);
        if (status >= 200 && status < 300) {
          seq += 1;
          queue.splice(0, batch.length);
          settings.settled(batch, headers.get('stream-next-offset'), null);
          return Infinity;
        }
        error = refusal(answer);
        doubt = status === 408 || status >= 500;
        const current = headers.get('producer-epoch');
        if (status === 409 && headers.get('producer-expected-seq') !== null) {
          // The server has forgotten batches that it acknowledged, or this producer. What is under way it has not.
          renew();
          status = 0;
        } else if (status === 403 && current !== null) {
          renew(Number(current));
          // Repeated under another number it could come twice.
          status = batch.some(({ inDoubt }) => inDoubt) ? status : 0;
        }
        afterMs = retryAfterMs(headers);
      } catch (cause) {
        error = new DurableStreamsError('CONNECTION_LOST', `no answer: ${inWords(cause)}`, { cause });
      }
      if (doubt) {
        for (const unit of batch) {
          unit.inDoubt = true;
        }
      }
      if ((status === 0 || isPassing(status)) && reconnect.enabled && attempt < reconnect.maxAttempts) {
        settings.trying(batch, error);
        await pause(settings.request.clock, reconnect, attempt, afterMs);
        continue;
      }
      if (batch.some(({ inDoubt }) => inDoubt)) {
        renew();
      }
      const isContent = status === 400 || status === 413 || status === 422;
      if (isContent && batch.length > 1) {
        // One of them is at fault: halved until it is alone.
        return batch.length >> 1;
      }
      // What comes after it would meet the same refusal, or overtake it.
      settings.settled(queue.splice(0, isContent ? 1 : Infinity), null, error);
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
      while (running !== null) {
        await running;
      }
    },
  };
}
