// The ways to get events out of a body: ours, eventsource-parser + zod 4, eventsource-parser + JSON.parse alone.
// Each reads the same body and calls `onEvent` once per event, and answers with how many it delivered.
import { createParser } from 'eventsource-parser';
import * as z from 'zod';

const id = z.string().min(1).max(256);
const text = z.string();
const count = z.int().nonnegative();
const usage = z.record(z.string(), z.unknown());
const meta = z
  .object({
    schemaVersion: z.literal(1),
    eventId: id,
    blockId: id.optional(),
    partType: z.enum(['chunk_start', 'chunk_delta', 'chunk_end', 'tool_start', 'tool_result', 'tool_error', 'system', 'lifecycle', 'diff']).optional(),
    durability: z.enum(['transient', 'durable']).optional(),
    sequence: count.optional(),
    createdAt: count.optional(),
  })
  .optional();

const event = (type, data) => z.object({ id, type: z.literal(type), timestamp: count, data: z.object(data), meta });

// The catalogue's core as one would write it by hand for this corpus; fewer types than ours knows, which favours zod.
const schema = z.discriminatedUnion('type', [
  event('chunk', { text, agentId: id.optional(), turn: count.optional(), messageId: id.optional() }),
  event('tool:start', { id, tool: text, input: z.unknown().optional() }),
  event('tool:result', { id, tool: text, input: z.unknown().optional(), output: z.unknown().optional(), isError: z.boolean().optional(), duration: z.number().optional() }),
  event('presence:joined', { userId: id, displayName: text.optional(), avatarUrl: text.optional(), cursor: z.object({ x: z.number(), y: z.number() }).optional(), activeFile: text.optional() }),
  event('terminal:input', { data: text, source: z.enum(['user', 'agent', 'system']).optional() }),
  event('terminal:output', { data: text, source: z.enum(['user', 'agent', 'system']).optional() }),
  event('state:update', {
    agentId: id.optional(),
    status: z.enum(['idle', 'starting', 'running', 'paused', 'error', 'completed']),
    taskId: id.optional(),
    turn: count.optional(),
    progress: z.number().optional(),
    currentTool: text.optional(),
    message: text.optional(),
    error: text.optional(),
  }),
  event('agent:turn', { agentId: id, turn: count, maxTurns: count.optional(), remaining: count.optional(), usage: usage.optional() }),
]);

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

async function validate(body, deliver) {
  let delivered = 0;
  let cursor = null;
  await readFrames(body, (frame) => {
    if (frame.event === 'control') {
      cursor = JSON.parse(frame.data).streamNextOffset;
      return;
    }
    for (const candidate of JSON.parse(frame.data)) {
      const result = schema.safeParse(candidate);
      if (result.success) {
        delivered += 1;
        deliver(result.data, delivered, cursor);
      }
    }
  });
  return delivered;
}

/** eventsource-parser + JSON.parse + zod 4, delivering the events as they are: what the targets are held against. */
export function zodStack(body, total, onEvent) {
  return validate(body, onEvent);
}

/** The same, making the channel records that ours delivers. */
export function zodRecordsStack(body, total, onEvent) {
  return validate(body, (event, offset, cursor) => onEvent(record(event, offset, cursor)));
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
