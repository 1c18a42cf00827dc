// The ways to get events out of a body: ours, eventsource-parser with a validator or with JSON.parse alone, and the
// protocol's own client with zod. Each reads the same body and calls `onEvent` once per event, and answers with how many
// it delivered.
import { stream } from '@durable-streams/client';
import { createParser } from 'eventsource-parser';

import { VALIDATORS } from './validators.mjs';

async function readFrames(body, onFrame) {
  const decoder = new TextDecoder();
  const parser = createParser({ onEvent: onFrame });
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    parser.feed(decoder.decode(value, { stream: true }));
  }
}

const CHANNELS = {
  chunk: 'chunks',
  'tool:start': 'toolCalls',
  'tool:result': 'toolCalls',
  'presence:joined': 'presence',
  'terminal:input': 'terminal',
  'terminal:output': 'terminal',
  'state:update': 'agentState',
  'agent:turn': 'agent',
};

// The channel record that a hand-written client makes of an event, and that ours delivers.
function record(event, offset, cursor) {
  const data = { ...event.data, sessionId: 'bench', timestamp: event.timestamp };
  if (event.type === 'tool:start') {
    data.status = 'running';
  } else if (event.type === 'tool:result') {
    data.status = event.data.isError === true ? 'error' : 'complete';
  }
  return { channel: CHANNELS[event.type], type: event.type, id: event.id, data, offset, cursor, meta: event.meta };
}

async function validate(body, validator, deliver) {
  let delivered = 0;
  let cursor = null;
  await readFrames(body, (frame) => {
    if (frame.event === 'control') {
      cursor = JSON.parse(frame.data).streamNextOffset;
      return;
    }
    for (const candidate of JSON.parse(frame.data)) {
      const event = validator(candidate);
      if (event !== undefined) {
        delivered += 1;
        deliver(event, delivered, cursor);
      }
    }
  });
  return delivered;
}

/** eventsource-parser + JSON.parse + zod 4, delivering the events as they are: what the targets are held against. */
export function zodStack(body, total, onEvent) {
  return validate(body, VALIDATORS.zod, onEvent);
}

export function valibotStack(body, total, onEvent) {
  return validate(body, VALIDATORS.valibot, onEvent);
}

export function typeboxStack(body, total, onEvent) {
  return validate(body, VALIDATORS.typebox, onEvent);
}

/** The protocol's own client, which parses, and zod 4. */
export async function clientStack(body, total, onEvent) {
  const response = await stream({
    url: 'http://bench.invalid/v1/stream/bench',
    live: 'sse',
    json: true,
    fetch: async () => new Response(body, { status: 200, headers: { 'content-type': 'text/event-stream', 'stream-next-offset': '-1' } }),
    warnOnHttp: false,
  });
  return new Promise((resolve, reject) => {
    let delivered = 0;
    response.subscribeJson(({ items }) => {
      for (const candidate of items) {
        const event = VALIDATORS.zod(candidate);
        if (event === undefined) {
          reject(new Error('zod refuses an event of the corpus'));
          return;
        }
        delivered += 1;
        onEvent(event);
      }
      if (delivered === total) {
        response.cancel();
        resolve(delivered);
      }
    });
  });
}

/** The same, making the channel records that ours delivers. */
export function zodRecordsStack(body, total, onEvent) {
  return validate(body, VALIDATORS.zod, (event, offset, cursor) => onEvent(record(event, offset, cursor)));
}

/** eventsource-parser + JSON.parse: no validation, no records. The floor. */
export async function parseStack(body, total, onEvent) {
  let delivered = 0;
  await readFrames(body, (frame) => {
    const parsed = JSON.parse(frame.data);
    if (frame.event === 'control') {
      return;
    }
    for (const candidate of parsed) {
      delivered += 1;
      onEvent(candidate);
    }
  });
  return delivered;
}

/** Our package, whole: facade, driver, wasm. */
export function ourStack(DurableStreamsClient) {
  return (body, total, onEvent) =>
    new Promise((resolve, reject) => {
      let delivered = 0;
      const client = new DurableStreamsClient({
        url: 'http://bench.invalid',
        fetch: async () => new Response(body, { status: 200, headers: { 'content-type': 'text/event-stream' } }),
        silenceMs: 0,
      });
      const subscription = client.subscribeToSession('bench', {
        onEvent: (record) => {
          delivered += 1;
          onEvent(record);
          if (delivered === total) {
            subscription.unsubscribe();
            resolve(delivered);
          }
        },
        onError: reject,
      });
    });
}
