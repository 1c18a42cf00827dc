// What an application says of event types of its own, and what it gets: types only.
import type { DurableStreamsError } from './errors.js';
import type { EventId, Meta, SessionId } from './generated/types.js';

/** The part of Standard Schema v1 (https://standardschema.dev) that is used: zod, valibot, arktype and others have it. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}
export type StandardResult<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly StandardIssue[] };
export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** A schema for the `data` of each event type. */
export type EventSchemas = Readonly<Record<string, StandardSchema>>;
/** What is wrong with a record, whose `data` it replaces by what its schema makes of it. */
export type EventCheck = (record: CustomRecord) => DurableStreamsError | null;
/** What `defineEvents` makes: for the client's option `events`. */
export interface DefinedEvents<E extends EventSchemas = EventSchemas> extends ReadonlyMap<string, EventCheck> {
  readonly schemas: E;
}
/** No event types of one's own. */
export type NoEvents = Record<never, never>;
/** What a schema makes of a payload. */
export type SchemaOutput<S> = S extends { readonly '~standard': { readonly types?: infer T } } ? NonNullable<T> extends { readonly output: infer Output } ? Output : unknown : unknown;

/** An event of a type that the application has registered. `data` is what its schema made of the payload. */
export interface CustomRecord<T extends string = string, D = unknown> {
  channel: 'custom';
  type: T;
  id: EventId;
  data: D;
  sessionId: SessionId;
  /** Unix milliseconds. */
  timestamp: number;
  /** How many events stand up to and including this one, from the start of the stream. */
  offset: number;
  /** The last cursor known when the event arrived. */
  cursor: string | null;
  meta?: Meta;
}

/** Records of all registered types, told apart by `type`. */
export type CustomRecords<E> = { [T in keyof E & string]: CustomRecord<T, SchemaOutput<E[T]>> }[keyof E & string];
/** A callback for each registered type. */
export type CustomCallbacks<E> = [keyof E] extends [never] ? Record<string, never> : { [T in keyof E & string]?: (record: CustomRecord<T, SchemaOutput<E[T]>>) => void };
