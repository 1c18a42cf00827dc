// Puts causes and errors of the driver into words. Must not know what follows from them.

const CAUSES: Readonly<Record<string, string>> = {
  NETWORK: 'no connection',
  TOKEN: 'the token provider failed',
  HTTP_STATUS: 'HTTP status',
  NO_CONTENT: 'the server answered without content',
  CONTENT_TYPE: 'the server did not answer with an event stream',
  ENDED_EARLY: 'the stream ended before anything arrived',
  CUT_MID_FRAME: 'the stream was cut in the middle of a frame',
  INTERRUPTED: 'the stream broke',
  SILENCE: 'the server fell silent',
  TRIMMED_AGAIN: 'the server keeps trimming what is asked for',
};

export function causeText(code: string, status: number, detail: string): string {
  const text = CAUSES[code] ?? code;
  return status > 0 ? `${text} ${status}` : detail === '' ? text : `${text}: ${detail}`;
}

/** The message of an error that the driver reports; `cursor` is where reading stands. */
export function errorText(code: string, cause: string, attempts: number, missing: number, detail: string, cursor: string | null): string {
  switch (code) {
    case 'CONNECTION_LOST':
      return `gave up after ${attempts} attempts; the last cause: ${cause}; ${cursor === null ? 'nothing was read yet' : `the last cursor: ${cursor}`}`;
    case 'DISCONNECTED':
      return `the connection ended and reconnecting is switched off: ${cause}`;
    case 'HISTORY_TRIMMED':
      return `${missing < 0 ? '' : `${missing} `}messages before ${detail} no longer exist; reading goes on there`;
    default:
      return `the server refused the subscription: ${cause}`;
  }
}
