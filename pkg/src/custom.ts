// Event types of an application's own, checked by validators that speak Standard Schema. Must not know subscribers.
import { DurableStreamsError, inWords } from './errors.js';
import { TYPES } from './generated/records.js';
import type { CustomRecord, EventSchemas, StandardIssue, StandardSchema } from './custom-types.js';

const EXCERPT_CHARS_MAX = 80;

/** By event type. Throws when a schema is none, or its type is the catalogue's to define. */
export function schemasByType(events: EventSchemas = {}): ReadonlyMap<string, StandardSchema> {
  const schemas = new Map(Object.entries(events));
  for (const [type, schema] of schemas) {
    if (TYPES.includes(type) || typeof schema?.['~standard']?.validate !== 'function') {
      throw new DurableStreamsError('INVALID_OPTIONS', `events: ${type} is ${TYPES.includes(type) ? 'in the catalogue already' : 'given no Standard Schema'}`);
    }
  }
  return schemas;
}

/** Puts what the schema makes of the payload in its place; what is wrong with it otherwise. */
export function refine(record: CustomRecord<string, unknown>, schema: StandardSchema): DurableStreamsError | null {
  const { type, offset, data } = record;
  const refused = (reason: string, message: string, details: object) =>
    new DurableStreamsError('INVALID_EVENT', `a ${type} event was refused: ${message}`, { reason, eventType: type, path: '$.data', offset, ...details });
  let result;
  try {
    result = schema['~standard'].validate(data);
  } catch (cause) {
    return refused('schema_threw', `its schema threw: ${inWords(cause)}`, { cause });
  }
  if (result instanceof Promise) {
    // Waiting would hold up the events behind it, or let them overtake.
    result.catch(() => undefined);
    return refused('schema_is_async', 'its schema validates asynchronously, and events are delivered in order, as they come', {});
  }
  const { issues } = result;
  if (issues === undefined) {
    record.data = result.value;
    return null;
  }
  const [issue] = issues;
  const message = issue?.message ?? 'its schema does not say why';
  const { path, came } = place(data, issue);
  return refused('schema', `${message}, at ${path}`, { path, expected: message, came, cause: issues });
}

/** Where an issue is, and what stands there. */
function place(data: unknown, issue: StandardIssue | undefined): { path: string; came: string } {
  let path = '$.data';
  let at: unknown = data;
  for (const step of issue?.path ?? []) {
    const key = typeof step === 'object' ? step.key : step;
    path += typeof key === 'number' ? `[${key}]` : /^[\w$]+$/.test(String(key)) ? `.${String(key)}` : `[${JSON.stringify(String(key))}]`;
    at = (at as Record<PropertyKey, unknown> | null | undefined)?.[key];
  }
  return { path, came: (JSON.stringify(at) ?? 'nothing').slice(0, EXCERPT_CHARS_MAX) };
}
