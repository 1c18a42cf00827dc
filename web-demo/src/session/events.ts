// What the store is fed with. It knows neither the package nor the network: `feed.ts` translates what the package
// delivers, tests write these objects by hand.

export type Fields = Readonly<Record<string, unknown>>;

/** One validated session event, in the order of the stream. */
export interface SessionEvent {
  readonly type: string;
  readonly data: Fields;
  /** Unix milliseconds, as the producer wrote them. */
  readonly timestamp: number;
  /** Count of events up to and including this one. */
  readonly offset: number;
  readonly id: string | null;
}

/** An event that the client's validation refused. The stream goes on behind it. */
export interface Rejection {
  readonly code: string;
  readonly message: string;
  readonly eventType: string | null;
  readonly path: string | null;
  readonly expected: string | null;
  readonly came: string | null;
  readonly offset: number | null;
}

/** A failure of the connection or of a request, as opposed to one of a single event. */
export interface Fault {
  readonly code: string;
  readonly message: string;
}

export type ConnectionWord = 'disconnected' | 'connecting' | 'connected' | 'reconnecting' | 'lost' | 'closed';

export interface ConnectionDetail {
  readonly attempt: number;
  readonly maxAttempts: number | null;
  /** Until the next attempt leaves, measured from now; null when none is scheduled. */
  readonly nextDelayMs: number | null;
  readonly cause: string | null;
}

// Payload fields are read leniently: validation has happened in the package, and a field that an older producer left
// out must not take a row of the timeline down.

export function textField(fields: Fields, name: string): string | null {
  const value = fields[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

export function numberField(fields: Fields, name: string): number | null {
  const value = fields[name];
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

export function objectField(fields: Fields, name: string): Fields | null {
  const value = fields[name];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}
