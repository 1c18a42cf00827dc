// The ways to consume one stream: whole, batch by batch, as a ReadableStream, by callbacks. Must not know requests.
import { DurableStreamsError, inWords } from '../errors.js';
import type { ClientSettings } from '../settings.js';
import type { Piece, Place } from './source.js';
import { pieces } from './source.js';
import type { Batch, ReadOptions, StreamReader } from './types.js';

export function openReader<T>(settings: ClientSettings, url: string, { offset = '-1', live = false, signal, frameCharsMax }: ReadOptions = {}): StreamReader<T> {
  const place: Place = { offset, cursor: null, contentType: null, upToDate: false, closed: false };
  const handedOn = { ...place };
  const abort = new AbortController();
  let isTaken = false;
  let isCancelled = false;

  /** One use; `convert` makes of each piece what the caller reads. */
  async function* batches<C>(convert: (piece: Piece) => C): AsyncGenerator<Batch<C>, void, undefined> {
    if (isTaken) {
      throw new DurableStreamsError('INVALID_OPTIONS', 'this reader was used already: each reads its stream once');
    }
    isTaken = true;
    const stop = () => abort.abort(signal?.reason);
    if (signal?.aborted === true) {
      stop();
    }
    signal?.addEventListener('abort', stop);
    try {
      for await (const piece of pieces(settings, url, place, live, abort.signal, frameCharsMax)) {
        const { offset, upToDate, closed } = piece;
        const batch = { content: convert(piece), offset, upToDate, closed };
        Object.assign(handedOn, { ...place, offset, upToDate, closed });
        yield batch;
      }
      Object.assign(handedOn, place);
    } catch (error) {
      if (!isCancelled) {
        throw error;
      }
    } finally {
      signal?.removeEventListener('abort', stop);
      abort.abort();
    }
  }

  const jsonBatches = () => batches(({ content }) => (content.length === 0 ? [] : messages<T>(content, place)));
  const textBatches = () => {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    return batches(({ content, closed }) => (typeof content === 'string' ? decoder.decode() + content : decoder.decode(content, { stream: !closed })));
  };
  const byteBatches = () => {
    const encoder = new TextEncoder();
    return batches(({ content }) => (typeof content === 'string' ? encoder.encode(content) : content));
  };
  async function* items(): AsyncGenerator<T, void, undefined> {
    for await (const { content } of jsonBatches()) {
      yield* content;
    }
  }
  const cancel = () => {
    isCancelled = true;
    abort.abort();
  };

  return {
    get offset() {
      return handedOn.offset;
    },
    get cursor() {
      return place.cursor;
    },
    get contentType() {
      return place.contentType;
    },
    get upToDate() {
      return handedOn.upToDate;
    },
    get closed() {
      return handedOn.closed;
    },
    json: async () => {
      const all: T[] = [];
      for await (const { content } of jsonBatches()) {
        for (const message of content) {
          all.push(message);
        }
      }
      return all;
    },
    text: async () => {
      let all = '';
      for await (const { content } of textBatches()) {
        all += content;
      }
      return all;
    },
    bytes: async () => {
      const all: Uint8Array[] = [];
      let length = 0;
      for await (const { content } of byteBatches()) {
        all.push(content);
        length += content.length;
      }
      const whole = new Uint8Array(length);
      let at = 0;
      for (const part of all) {
        whole.set(part, at);
        at += part.length;
      }
      return whole;
    },
    jsonBatches,
    textBatches,
    byteBatches,
    items,
    jsonStream: () => readable(items(), cancel),
    textStream: () => readable(contents(textBatches()), cancel),
    byteStream: () => readable(contents(byteBatches()), cancel),
    subscribeJson: (callback) => each(jsonBatches(), callback),
    subscribeText: (callback) => each(textBatches(), callback),
    subscribeBytes: (callback) => each(byteBatches(), callback),
    cancel,
  };
}

function messages<T>(content: string | Uint8Array, { contentType }: Place): T[] {
  let value: unknown;
  try {
    value = JSON.parse(typeof content === 'string' ? content : new TextDecoder().decode(content));
  } catch (cause) {
    throw new DurableStreamsError('INVALID_JSON', `no JSON came (${contentType ?? 'over SSE'}): ${inWords(cause)}`, { cause });
  }
  if (!Array.isArray(value)) {
    throw new DurableStreamsError('INVALID_JSON', 'a JSON stream is read as an array of its messages; something else came');
  }
  return value as T[];
}

async function* contents<C extends { readonly length: number }>(batches: AsyncIterable<Batch<C>>): AsyncGenerator<C, void, undefined> {
  for await (const { content } of batches) {
    if (content.length > 0) {
      yield content;
    }
  }
}

async function each<C>(batches: AsyncIterable<Batch<C>>, callback: (batch: Batch<C>) => unknown): Promise<void> {
  for await (const batch of batches) {
    await callback(batch);
  }
}

// `ReadableStream.from` is missing where many users are.
function readable<C>(source: AsyncGenerator<C, void, undefined>, cancel: () => void): ReadableStream<C> {
  return new ReadableStream<C>(
    {
      pull: async (controller) => {
        const { done, value } = await source.next();
        if (done === true) {
          controller.close();
        } else {
          controller.enqueue(value as C);
        }
      },
      cancel: async () => {
        cancel();
        await source.return();
      },
    },
    // Nothing is read ahead of who reads.
    { highWaterMark: 0 },
  );
}
