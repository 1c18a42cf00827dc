// Puts causes and errors of the driver into words. Must not know what follows from them.

// By the numbers that notices have; crates/client-wasm/src/driver/notice.rs counts them.
const CAUSES = [
  '',
  'no connection',
  'the token provider failed',
  'HTTP status',
  'the server answered without content',
  'the server did not answer with an event stream',
  'the stream ended before anything arrived',
  'the stream was cut in the middle of a frame',
  'the stream broke',
  'the server fell silent',
  'the server keeps trimming what is asked for',
];
const REFUSALS: Readonly<Record<number, string>> = { 400: 'BAD_REQUEST', 401: 'UNAUTHORIZED', 403: 'FORBIDDEN', 404: 'SESSION_NOT_FOUND' };

export function causeText(cause: number, status: number, detail: string): string {
  const text = CAUSES[cause] as string;
  return status > 0 ? `${text} ${status}` : detail === '' ? text : `${text}: ${detail}`;
}

/** The stable code of an error of the driver. */
export function errorCode(word: number, status: number): string {
  return ['CONNECTION_LOST', REFUSALS[status] ?? 'GONE', 'DISCONNECTED', 'HISTORY_TRIMMED'][word] as string;
}

/** The message of an error that the driver reports; `cursor` is where reading stands. */
export function errorText(code: string, cause: string, attempts: number, missing: number, detail: string, cursor: string | null): string {
  switch (code) {
    case 'CONNECTION_LOST':
      return `gave up after ${attempts} attempts; the last cause: ${cause}; the last cursor: ${cursor ?? 'none'}`;
    case 'DISCONNECTED':
      return `the connection ended and reconnecting is switched off: ${cause}`;
    case 'HISTORY_TRIMMED':
      return `${missing < 0 ? '' : `${missing} `}messages before ${detail} no longer exist; reading goes on there`;
    default:
      return `the server refused the subscription: ${cause}`;
  }
}
