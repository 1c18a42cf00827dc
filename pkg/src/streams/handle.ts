// A stream to create, write, look at and end. Must not know how it is read.
import { isPassing, pause, retryAfterMs } from '../backoff.js';
import { DurableStreamsError, inWords } from '../errors.js';
import type { Unit } from '../producer.js';
import { createProducer } from '../producer.js';
import type { Answer } from '../request.js';
import { refusal, request } from '../request.js';
import type { ClientSettings } from '../settings.js';
import { randomId } from '../settings.js';
import { openReader } from './reader.js';
import type { Content, CreateOptions, ProducerOptions, StreamHandle, StreamHead, StreamProducer, Written } from './types.js';

const JSON_TYPE = 'application/json';
const MESSAGES_MAX = 10_000;
const BYTES_MAX = 16 * 1024 * 1024;

interface Sending extends Unit {
  readonly content: string | Uint8Array;
  resolve(written: Written): void;
  reject(reason: DurableStreamsError): void;
}

export function openHandle(settings: ClientSettings, url: string, contentTypeKnown: string | null): StreamHandle {
  let contentType = contentTypeKnown;

  const ask = async (method: string, headers: Record<string, string>, body?: BodyInit): Promise<Answer> => {
    try {
      return await request(settings, url, method, headers, body === undefined ? {} : { body });
    } catch (cause) {
      throw new DurableStreamsError('CONNECTION_LOST', `no answer: ${inWords(cause)}`, { cause });
    }
  };
  /** For what may be carried out twice. */
  const insist = async (method: string, headers: Record<string, string>, body?: BodyInit): Promise<Answer> => {
    const { reconnect } = settings;
    for (let attempt = 1; ; attempt += 1) {
      const isLast = !reconnect.enabled || attempt >= reconnect.maxAttempts;
      let afterMs = 0;
      try {
        const answer = await ask(method, headers, body);
        if (isLast || !isPassing(answer.status)) {
          return answer;
        }
        afterMs = retryAfterMs(answer.headers);
      } catch (error) {
        if (isLast) {
          throw error;
        }
      }
      await pause(settings.clock, reconnect, attempt, afterMs);
    }
  };
  const written = (answer: Answer): Written => {
    if (answer.status >= 300) {
      throw refusal(answer);
    }
    return { offset: answer.headers.get('stream-next-offset') };
  };
  const head = async (): Promise<StreamHead | null> => {
    const answer = await insist('HEAD', {});
    if (answer.status === 404) {
      return null;
    }
    const { offset } = written(answer);
    const { headers } = answer;
    const ttl = headers.get('stream-ttl');
    contentType = headers.get('content-type') ?? contentType;
    return { contentType, offset: offset ?? '', closed: headers.get('stream-closed')?.toLowerCase() === 'true', ttlSeconds: ttl === null ? null : Number(ttl), expiresAt: headers.get('stream-expires-at') };
  };
  /** Asks once, where neither the options nor `create` said it. */
  const typeOf = async (): Promise<string> => {
    if (contentType === null && (await head()) === null) {
      throw new DurableStreamsError('STREAM_NOT_FOUND', 'there is no such stream', { status: 404 });
    }
    return contentType ?? 'application/octet-stream';
  };
  const append = async (content: Content | undefined, seq?: string, close?: boolean): Promise<Written> => {
    const type = await typeOf();
    const body = content === undefined ? undefined : encoded(content, type);
    const own = { ...(body !== undefined && { 'Content-Type': type }), ...(seq !== undefined && { 'Stream-Seq': seq }), ...(close === true && { 'Stream-Closed': 'true' }) };
    return written(await ask('POST', own, body === undefined ? undefined : framed([body], type)));
  };

  return {
    url,
    create: async ({ contentType: asked, ttlSeconds, expiresAt, closed, content }: CreateOptions = {}) => {
      const type = asked ?? contentType ?? JSON_TYPE;
      const headers = {
        'Content-Type': type,
        ...(ttlSeconds !== undefined && { 'Stream-TTL': String(ttlSeconds) }),
        ...(expiresAt !== undefined && { 'Stream-Expires-At': expiresAt }),
        ...(closed === true && { 'Stream-Closed': 'true' }),
      };
      const answer = await insist('PUT', headers, content === undefined ? undefined : framed([encoded(content, type)], type));
      const result = { ...written(answer), created: answer.status === 201 };
      contentType = answer.headers.get('content-type') ?? type;
      return result;
    },
    append: (content, { seq, close } = {}) => append(content, seq, close),
    close: async () => written(await insist('POST', { 'Stream-Closed': 'true' })),
    delete: async () => {
      const answer = await insist('DELETE', {});
      // Gone is gone, also when the answer to an earlier attempt was lost.
      if (answer.status !== 404) {
        written(answer);
      }
    },
    head,
    read: (options) => openReader(settings, url, options),
    producer: (options) => openProducer(settings, url, typeOf, options),
  };
}

function openProducer(settings: ClientSettings, url: string, typeOf: () => Promise<string>, { id, epoch = 0, messagesMax = MESSAGES_MAX, bytesMax = BYTES_MAX }: ProducerOptions = {}): StreamProducer {
  let type = '';
  let messages = 0;
  let bytes = 0;
  let admission: Promise<unknown> = Promise.resolve();
  const producer = createProducer<Sending>({
    ...settings,
    url,
    get contentType() {
      return type;
    },
    id: id ?? randomId(),
    epoch,
    body: (batch) => framed(batch.map(({ content }) => content), type),
    trying: () => undefined,
    settled: (all, offset, reason) => {
      for (const sending of all) {
        messages -= 1;
        bytes -= sending.bytes;
        if (reason === null) {
          sending.resolve({ offset });
        } else {
          sending.reject(reason);
        }
      }
    },
  });
  return {
    append: (content) => {
      const settled = new Promise<Written>((resolve, reject) => {
        // Made a text now, so that later changes do not matter; bytes are the caller's to leave alone.
        const own = content instanceof Uint8Array || typeof content === 'string' ? null : JSON.stringify(content);
        const size = own?.length ?? (content as string | Uint8Array).length;
        if (messages + 1 > messagesMax || bytes + size > bytesMax) {
          throw new DurableStreamsError('OUTBOX_FULL', `more than ${messagesMax} messages or ${bytesMax} characters would wait`);
        }
        messages += 1;
        bytes += size;
        admission = admission
          .then(async () => {
            type ||= await typeOf();
            producer.push({ content: own !== null && isJson(type) ? own : encoded(content, type), bytes: size, resolve, reject });
          })
          .catch((error: DurableStreamsError) => {
            messages -= 1;
            bytes -= size;
            reject(error);
          });
      });
      settled.catch(() => undefined);
      return settled;
    },
    flush: async () => {
      await admission;
      await producer.flush();
    },
  };
}

function isJson(type: string): boolean {
  return /^application\/json\b/i.test(type);
}

/** One message of a JSON stream, or a piece of another. */
function encoded(content: Content, type: string): string | Uint8Array {
  if (isJson(type)) {
    return JSON.stringify(content);
  }
  if (typeof content !== 'string' && !(content instanceof Uint8Array)) {
    throw new DurableStreamsError('INVALID_OPTIONS', `a stream of ${type} takes texts and bytes`);
  }
  return content;
}

/** A body: an array of messages, or the pieces one after the other. */
function framed(pieces: readonly (string | Uint8Array)[], type: string): BodyInit {
  return isJson(type) ? `[${pieces.join()}]` : pieces.length === 1 ? (pieces[0] as BodyInit) : new Blob(pieces as BlobPart[]);
}
