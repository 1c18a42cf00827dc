// The one error class of the package. Must not know where an error came from.

/** Stable codes; a newer server or driver may add some. */
export type DurableStreamsErrorCode =
  | 'INVALID_JSON'
  | 'INVALID_EVENT'
  | 'INVALID_CONTROL'
  | 'FRAME_TOO_LARGE'
  | 'MESSAGES_MISSING'
  | 'CONNECTION_LOST'
  | 'DISCONNECTED'
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'SESSION_NOT_FOUND'
  | 'STREAM_NOT_FOUND'
  | 'BAD_REQUEST'
  | 'HISTORY_TRIMMED'
  | 'GONE'
  | 'SESSION_CLOSED'
  | 'STALE_EPOCH'
  | 'OUTBOX_FULL'
  | 'DUPLICATE_ID'
  | 'SESSION_HANDLE_CLOSED'
  | 'CALLBACK_FAILED'
  | 'INVALID_SESSION_ID'
  | 'INVALID_AGENT_ID'
  | 'INVALID_OPTIONS'
  | 'WASM_LOAD_FAILED'
  | 'CLIENT_PANICKED'
  | (string & {});

export interface ErrorDetails {
  reason?: string | null;
  eventType?: string | null;
  path?: string | null;
  expected?: string | null;
  came?: string | null;
  offset?: number | null;
  status?: number | null;
  cause?: unknown;
  severity?: 'error' | 'warning';
}

export class DurableStreamsError extends Error {
  override readonly name = 'DurableStreamsError';
  declare readonly code: DurableStreamsErrorCode;
  /** 'warning': the event was delivered all the same, see `validation`. */
  declare readonly severity: 'error' | 'warning';
  /** The rule that an event broke: 'wrong_type', 'missing_field', 'number_range' and so on. */
  declare readonly reason: string | null;
  /** Type of the event that was refused, when it could be read. */
  declare readonly eventType: string | null;
  /** JSON path of what was wrong, `$.data.text`. */
  declare readonly path: string | null;
  /** What the schema asks for at that path. */
  declare readonly expected: string | null;
  /** What stood there, shortened. */
  declare readonly came: string | null;
  /** Offset of the event, or of the last one before the error. */
  declare readonly offset: number | null;
  /** HTTP status, when a response caused it. */
  declare readonly status: number | null;

  constructor(code: DurableStreamsErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    const own = Object.assign(this as Record<string, unknown>, { code, severity: details.severity ?? 'error' });
    for (const name of ['reason', 'eventType', 'path', 'expected', 'came', 'offset', 'status'] as const) {
      own[name] = details[name] ?? null;
    }
  }
}

/** Whatever was thrown: some of it cannot be made a text. */
export function inWords(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return 'something that is no text';
  }
}
