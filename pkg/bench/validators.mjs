// The validators that ours is measured against, each with the catalogue's core as one would write it by hand for the
// bench's corpus; fewer types than ours knows, which favours them.
import Type from 'typebox';
import { Compile } from 'typebox/compile';
import * as v from 'valibot';
import * as z from 'zod';

const PART_TYPES = ['chunk_start', 'chunk_delta', 'chunk_end', 'tool_start', 'tool_result', 'tool_error', 'system', 'lifecycle', 'diff'];
const DURABILITIES = ['transient', 'durable'];
const SOURCES = ['user', 'agent', 'system'];
const AGENT_STATUSES = ['idle', 'starting', 'running', 'paused', 'error', 'completed'];

// Event types, in the words of whichever library: its kinds of values, and `maybe` for what may be absent.
function catalogue({ id, text, count, number, boolean, any, object, choice, record, maybe }) {
  const terminal = { data: text, source: maybe(choice(SOURCES)) };
  return {
    chunk: { text, agentId: maybe(id), turn: maybe(count), messageId: maybe(id) },
    'tool:start': { id, tool: text, input: maybe(any) },
    'tool:result': { id, tool: text, input: maybe(any), output: maybe(any), isError: maybe(boolean), duration: maybe(number) },
    'presence:joined': { userId: id, displayName: maybe(text), avatarUrl: maybe(text), cursor: maybe(object({ x: number, y: number })), activeFile: maybe(text) },
    'terminal:input': terminal,
    'terminal:output': terminal,
    'state:update': { agentId: maybe(id), status: choice(AGENT_STATUSES), taskId: maybe(id), turn: maybe(count), progress: maybe(number), currentTool: maybe(text), message: maybe(text), error: maybe(text) },
    'agent:turn': { agentId: id, turn: count, maxTurns: maybe(count), remaining: maybe(count), usage: maybe(record) },
  };
}

// `literal` and `object` make the envelope of each.
function events(words) {
  const { id, count, object, literal, choice, maybe } = words;
  const meta = maybe(object({ schemaVersion: literal(1), eventId: id, blockId: maybe(id), partType: maybe(choice(PART_TYPES)), durability: maybe(choice(DURABILITIES)), sequence: maybe(count), createdAt: maybe(count) }));
  return Object.entries(catalogue(words)).map(([type, data]) => [type, object({ id, type: literal(type), timestamp: count, data: object(data), meta })]);
}

const zodEvent = z.discriminatedUnion(
  'type',
  events({
    id: z.string().min(1).max(256),
    text: z.string(),
    count: z.int().nonnegative(),
    number: z.number(),
    boolean: z.boolean(),
    any: z.unknown(),
    record: z.record(z.string(), z.unknown()),
    object: (shape) => z.object(shape),
    literal: (value) => z.literal(value),
    choice: (values) => z.enum(values),
    maybe: (schema) => schema.optional(),
  }).map(([, event]) => event),
);

const valibotEvent = v.variant(
  'type',
  events({
    id: v.pipe(v.string(), v.minLength(1), v.maxLength(256)),
    text: v.string(),
    count: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
    number: v.number(),
    boolean: v.boolean(),
    any: v.unknown(),
    record: v.record(v.string(), v.unknown()),
    object: (shape) => v.object(shape),
    literal: (value) => v.literal(value),
    choice: (values) => v.picklist(values),
    maybe: (schema) => v.optional(schema),
  }).map(([, event]) => event),
);

// A union that is compiled tries its members one after the other; choosing by type is what one would do.
const typeboxEvents = new Map(
  events({
    id: Type.String({ minLength: 1, maxLength: 256 }),
    text: Type.String(),
    count: Type.Integer({ minimum: 0 }),
    number: Type.Number(),
    boolean: Type.Boolean(),
    any: Type.Unknown(),
    record: Type.Record(Type.String(), Type.Unknown()),
    object: (shape) => Type.Object(shape),
    literal: (value) => Type.Literal(value),
    choice: (values) => Type.Union(values.map((value) => Type.Literal(value))),
    maybe: (schema) => Type.Optional(schema),
  }).map(([type, event]) => [type, Compile(event)]),
);

/** The event, or undefined when it is none. zod and valibot make a new object, typebox only looks. */
export const VALIDATORS = {
  zod: (candidate) => zodEvent.safeParse(candidate).data,
  valibot: (candidate) => {
    const { success, output } = v.safeParse(valibotEvent, candidate);
    return success ? output : undefined;
  },
  typebox: (candidate) => (typeboxEvents.get(candidate.type)?.Check(candidate) === true ? candidate : undefined),
};
