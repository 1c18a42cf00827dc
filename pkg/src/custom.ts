// Event types of an application's own, checked by validators that speak Standard Schema. Must not know subscribers.
import { DurableStreamsError, inWords } from './errors.js';
import { TYPES } from './generated/records.js';
import type { CustomRecord, DefinedEvents, EventCheck, EventSchemas, StandardSchema } from './custom-types.js';

const EXCERPT_CHARS_MAX = 80;

/**
 * Event types of an application's own, each with a Standard Schema for its `data`, which has to answer synchronously.
 * Throws INVALID_OPTIONS when a schema is none, or its type is the catalogue's to define.
 */
export function defineEvents<E extends EventSchemas>(schemas: E): DefinedEvents<E> {
  const checks = new Map<string, EventCheck>();
  for (const [type, schema] of Object.entries(schemas)) {
    if (TYPES.includes(type) || typeof schema?.['~standard']?.validate !== 'function') {
      throw new DurableStreamsError('INVALID_OPTIONS', `events: ${type} needs a Standard Schema, and must not be in the catalogue`);
    }
    checks.set(type, (record) => refine(record, schema));
  }
  return Object.assign(checks, { schemas });
}

/** Puts what the schema makes of the payload in its place; what is wrong with it otherwise. */
function refine(record: CustomRecord, schema: StandardSchema): DurableStreamsError | null {
  const { type, offset, data } = record;
  const refused = (reason: string, message: string, details: object) =>
    new DurableStreamsError('INVALID_EVENT', `a ${type} event was refused: ${message}`, { reason, eventType: type, path: '$.data', offset, ...details });
  let result;
  try {
    result = schema['~standard'].validate(data);
    if (!(result instanceof Promise) && !('value' in result) && !Array.isArray(result.issues)) {
      throw new TypeError('its answer has neither a value nor issues');
    }
  } catch (cause) {
    return refused('schema_threw', `its schema threw: ${inWords(cause)}`, { cause });
  }
  if (result instanceof Promise) {
    // Waiting would hold up the events behind it, or let them overtake.
    result.catch(() => undefined);
    return refused('schema_is_async', 'its schema is asynchronous, and events are delivered as they come', {});
  }
  const { issues } = result;
  if (issues === undefined) {
    record.data = result.value;
    return null;
  }
  const [issue] = issues;
  const expected = issue?.message ?? 'another value';
  let path = '$.data';
  let at: unknown = data;
  for (const step of issue?.path ?? []) {
    const key = typeof step === 'object' ? step.key : step;
    path += typeof key !== 'number' && /^[\w$]+$/.test(String(key)) ? `.${String(key)}` : `[${JSON.stringify(key)}]`;
    at = (at as Record<PropertyKey, unknown> | null | undefined)?.[key];
  }
  const came = JSON.stringify(at)?.slice(0, EXCERPT_CHARS_MAX) ?? null;
  return refused('schema', `${expected}, at ${path}`, { path, expected, came, cause: issues });
}
