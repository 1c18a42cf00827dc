// The catalogue as zod schemas and as generators of events, both made from the JSON Schema document. Knows the keywords
// that the document uses and fails on any other; must not know what any event means.
import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import * as z from 'zod';

type Schema = Readonly<Record<string, unknown>>;

const document = JSON.parse(readFileSync(new URL('../src/generated/events.schema.json', import.meta.url), 'utf8')) as { $defs: Record<string, Schema>; oneOf: { $ref: string }[] };

function resolved(schema: Schema): Schema {
  return typeof schema['$ref'] === 'string' ? (document.$defs[schema['$ref'].replace('#/$defs/', '')] as Schema) : schema;
}

const properties = (schema: Schema) => Object.entries((schema['properties'] ?? {}) as Record<string, Schema>);
const requiredOf = (schema: Schema) => new Set((schema['required'] ?? []) as string[]);
/** Groups of names for one field, of which one may be there: `[names, whether one must]`. */
function aliases(schema: Schema): { names: string[]; must: boolean }[] {
  return ((schema['allOf'] ?? []) as Schema[]).map((rule) => {
    const options = rule['oneOf'] as Schema[];
    const names = options.flatMap((option) => (option['required'] ?? []) as string[]);
    return { names, must: names.length === options.length };
  });
}

const KNOWN = new Set(['$ref', 'description', 'deprecated', 'type', 'properties', 'required', 'allOf', 'const', 'enum', 'minimum', 'maximum', 'minLength', 'maxLength', 'pattern', 'items', 'anyOf']);

/** What one would write by hand with zod for this schema. */
export function zodOf(given: Schema): z.ZodType {
  const schema = resolved(given);
  const strange = Object.keys(schema).find((keyword) => !KNOWN.has(keyword));
  if (strange !== undefined) {
    throw new Error(`the document uses ${strange}, which this test does not know`);
  }
  if ('const' in schema) {
    return z.literal(schema['const'] as string | number);
  }
  if ('enum' in schema) {
    return z.enum(schema['enum'] as [string, ...string[]]);
  }
  if ('anyOf' in schema) {
    return z.union((schema['anyOf'] as Schema[]).map(zodOf));
  }
  switch (schema['type']) {
    case undefined:
      return z.unknown();
    case 'null':
      return z.null();
    case 'boolean':
      return z.boolean();
    case 'number':
      return z.number();
    case 'integer':
      return z.int().min(schema['minimum'] as number).max(schema['maximum'] as number);
    case 'array':
      return z.array(zodOf(schema['items'] as Schema));
    case 'string': {
      let text = z.string();
      text = typeof schema['minLength'] === 'number' ? text.min(schema['minLength']) : text;
      text = typeof schema['maxLength'] === 'number' ? text.max(schema['maxLength']) : text;
      return typeof schema['pattern'] === 'string' ? text.regex(new RegExp(schema['pattern'])) : text;
    }
    case 'object':
      return zodObject(schema);
    default:
      throw new Error(`the document has a type ${String(schema['type'])}`);
  }
}

function zodObject(schema: Schema): z.ZodType {
  const required = requiredOf(schema);
  const shape = properties(schema).map(([name, value]) => [name, required.has(name) ? zodOf(value) : zodOf(value).optional()] as const);
  const groups = aliases(schema);
  const object = z.looseObject(Object.fromEntries(shape));
  return groups.length === 0
    ? object
    : object.refine((value) => groups.every(({ names, must }) => {
        const there = names.filter((name) => name in value).length;
        return there === 1 || (there === 0 && !must);
      }));
}

const EVENT_TYPES = document.oneOf.map((event) => resolved(event)).filter((event) => 'const' in typeSchema(event));

function typeSchema(event: Schema): Schema {
  return resolved((event['properties'] as Record<string, Schema>)['type'] as Schema);
}

/** By event type. */
export const ZOD_EVENTS: ReadonlyMap<string, z.ZodType> = new Map(EVENT_TYPES.map((event) => [typeSchema(event)['const'] as string, zodOf(event)]));

const id = zodOf({ $ref: '#/$defs/Id' });
/** The envelope of any other event. */
const ZOD_UNKNOWN = z.looseObject({ id, type: id, timestamp: zodOf(((EVENT_TYPES[0] as Schema)['properties'] as Record<string, Schema>)['timestamp'] as Schema), data: z.unknown(), meta: zodOf({ $ref: '#/$defs/Meta' }).optional() }).refine((event) => 'data' in event);

/** zod's verdict on a parsed message. */
export function zodAccepts(message: unknown): boolean {
  const type = typeof message === 'object' && message !== null ? (message as { type?: unknown }).type : undefined;
  const schema = (typeof type === 'string' ? ZOD_EVENTS.get(type) : undefined) ?? ZOD_UNKNOWN;
  return schema.safeParse(message).success;
}

/** Any JSON value that a text can hold exactly. */
const anyJson = fc.jsonValue({ depthSize: 'small', maxDepth: 4, noUnicodeString: false, stringUnit: 'grapheme' }).filter((value) => isOurs(value));

// What the two are meant to see differently stands in a table of its own.
function isOurs(value: unknown): boolean {
  if (typeof value === 'number') {
    return Math.abs(value) < 1e308 && !Object.is(value, -0);
  }
  return typeof value !== 'object' || value === null || Object.values(value).every(isOurs);
}

function valueOf(given: Schema): fc.Arbitrary<unknown> {
  const schema = resolved(given);
  if ('const' in schema) {
    return fc.constant(schema['const']);
  }
  if ('enum' in schema) {
    return fc.constantFrom(...(schema['enum'] as string[]));
  }
  if ('anyOf' in schema) {
    return fc.oneof(...(schema['anyOf'] as Schema[]).map(valueOf));
  }
  switch (schema['type']) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true, max: 1e300, min: -1e300 }).map((number) => number + 0);
    case 'integer':
      return fc.oneof(fc.nat(), fc.maxSafeNat());
    case 'array':
      return fc.array(valueOf(schema['items'] as Schema), { maxLength: 4 });
    case 'string':
      return typeof schema['pattern'] === 'string' ? fc.stringMatching(/^[A-Za-z0-9_-]{1,100}$/) : fc.string({ unit: 'grapheme' });
    case 'object':
      return objectOf(schema);
    default:
      return anyJson;
  }
}

function objectOf(schema: Schema): fc.Arbitrary<object> {
  const required = [...requiredOf(schema)];
  const groups = aliases(schema);
  const grouped = new Set(groups.flatMap(({ names }) => names));
  const plain = properties(schema).filter(([name]) => !grouped.has(name));
  const byName = new Map(properties(schema));
  const own = fc.record(Object.fromEntries(plain.map(([name, value]) => [name, valueOf(value)])), { requiredKeys: required.filter((name) => !grouped.has(name)) });
  const chosen = groups.map(({ names, must }) => {
    const one = fc.constantFrom(...names).chain((name) => valueOf(byName.get(name) as Schema).map((value) => ({ [name]: value })));
    return must ? one : fc.option(one, { nil: {} });
  });
  return fc.tuple(own, ...chosen).map((parts) => Object.assign({}, ...parts) as object);
}

/** By event type: events as the document wants them. */
export const GOOD_EVENTS: ReadonlyMap<string, fc.Arbitrary<object>> = new Map(EVENT_TYPES.map((event) => [typeSchema(event)['const'] as string, objectOf(event)]));
export const goodEvent: fc.Arbitrary<object> = fc.constantFrom(...GOOD_EVENTS.values()).chain((events) => events);

/** What replaces a value, or is added: of every kind, and on both sides of every limit. */
const odd = fc.oneof(
  anyJson,
  fc.constantFrom<unknown>(null, true, '', 'x'.repeat(256), 'x'.repeat(257), '😀'.repeat(256), '😀'.repeat(257), 'a\u0000b', 'a\u0085b', -1, 1.5, 2 ** 53 - 1, 2 ** 53, 1e21, [], {}, 'running', 'chunk', 1, 2, 'toString', '__proto__'),
);

/** A message with one place damaged: replaced, removed, renamed or added to. It may still be good. */
export const damagedEvent: fc.Arbitrary<unknown> = fc.tuple(goodEvent, fc.nat(), fc.constantFrom('replace', 'remove', 'add'), odd, fc.constantFrom('x-more', 'delta', 'toolId', 'data', 'status', 'meta', 'cursor')).map(([event, which, how, value, name]) => {
  const copy = structuredClone(event) as Record<string, unknown>;
  const places: { holder: Record<string, unknown>; key: string }[] = [];
  const walk = (holder: Record<string, unknown>) => {
    for (const key of Object.keys(holder)) {
      places.push({ holder, key });
      if (typeof holder[key] === 'object' && holder[key] !== null) {
        walk(holder[key] as Record<string, unknown>);
      }
    }
  };
  walk(copy);
  const { holder, key } = places[which % places.length] as (typeof places)[number];
  const set = (at: string) => Object.defineProperty(holder, at, { value, enumerable: true, configurable: true, writable: true });
  if (how === 'replace') {
    set(key);
  } else if (how === 'remove' && !Array.isArray(holder)) {
    delete holder[key];
  } else if (!Array.isArray(holder)) {
    set(name);
  }
  return copy;
});
