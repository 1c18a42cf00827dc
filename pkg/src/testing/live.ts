// Reads that wait: SSE and long-poll. Must not know routes.
import { SseWriter, frame, isText, pageBody, readHeaders } from './answers.js';
import type { TestClock } from './clock.js';
import type { MemoryStream } from './memory-stream.js';

export interface LiveSettings {
  readonly clock: TestClock;
  readonly pingMs: number;
  readonly sseMaxAgeMs: number;
  readonly longPollMs: number;
  readonly pageBytesMax: number;
}

/** The body of an SSE answer, and how to end it: cleanly, or as a broken connection. */
export interface LiveBody {
  readonly response: Response;
  break(): void;
}

const encoder = new TextEncoder();

export function sse(stream: MemoryStream, from: number, wantsEphemeral: boolean, signal: AbortSignal, settings: LiveSettings, onEnd: () => void): LiveBody {
  const { clock } = settings;
  const writer = new SseWriter(stream);
  let at = from;
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let unwait: () => void = () => undefined;
  let unlisten: () => void = () => undefined;
  let ping = 0;
  let isOver = false;

  const end = (finish: () => void) => {
    if (isOver) {
      return;
    }
    isOver = true;
    unwait();
    unlisten();
    clock.clearTimeout(ping);
    clock.clearTimeout(rotation);
    signal.removeEventListener('abort', abort);
    finish();
    onEnd();
  };
  const write = () => {
    for (let before = -1; before < at; ) {
      before = at;
      const page = writer.page(at, settings.pageBytesMax);
      at = page.next;
      controller.enqueue(encoder.encode(writer.frames(page)));
      if (at === stream.tail) {
        break;
      }
    }
    if (stream.closed) {
      end(() => controller.close());
    } else {
      unwait = stream.wait(write);
    }
  };
  const beat = () => {
    controller.enqueue(encoder.encode(': ping\n\n'));
    ping = clock.setTimeout(beat, settings.pingMs);
  };
  const abort = () => end(() => controller.error(signal.reason));
  const rotation = clock.setTimeout(() => end(() => controller.close()), settings.sseMaxAgeMs);
  const body = new ReadableStream<Uint8Array>({
    start: (own) => {
      controller = own;
    },
    cancel: () => end(() => undefined),
  });
  signal.addEventListener('abort', abort);
  ping = clock.setTimeout(beat, settings.pingMs);
  write();
  if (wantsEphemeral && !isOver) {
    unlisten = stream.listen((message) => controller.enqueue(encoder.encode(frame('ephemeral', message))));
  }
  return {
    response: new Response(body, {
      headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', ...(stream.isJson && { 'stream-message-count': `${from}` }), ...(!isText(stream.contentType) && { 'stream-sse-data-encoding': 'base64' }) },
    }),
    break: () => end(() => controller.error(new TypeError('network error'))),
  };
}

/** Waits for something after `from`, for the end, or for the time to be up. */
export async function longPoll(stream: MemoryStream, from: number, signal: AbortSignal, settings: LiveSettings): Promise<Response> {
  const { clock } = settings;
  if (from >= stream.tail && !stream.closed) {
    await new Promise<void>((resolve) => {
      const end = () => {
        unwait();
        clock.clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = clock.setTimeout(end, settings.longPollMs);
      const unwait = stream.wait(end);
      signal.addEventListener('abort', end);
    });
    signal.throwIfAborted();
  }
  const page = stream.read(from, settings.pageBytesMax);
  const headers = readHeaders(stream, from, page.next);
  return page.next === from ? new Response(null, { status: 204, headers }) : new Response(pageBody(stream, page), { headers: { 'content-type': stream.contentType, ...headers } });
}
