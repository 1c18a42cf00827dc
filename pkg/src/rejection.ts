// Says of what the parser refused where and what it was: the parser only tells the place. Must not decide anything.

/** A message that failed validation, or a frame that is no JSON. */
export interface Rejected {
  code: string;
  /** A word for the rule that was broken. */
  reason: string;
  eventType: string | null;
  path: string | null;
  expected: string;
  came: string;
  offset: number;
  /** Not one of the stream's messages: the offset is that of the last one. */
  uncounted: boolean;
  /** The message, when it is JSON. */
  message: unknown;
}

const EXCERPT_CHARS_MAX = 64;
const PATH_CHARS_MAX = 256;

// A string (perhaps without its end), a mark, or anything else up to the next of these. Flag s: a string may hold any
// character here, also one that JSON forbids.
const TOKENS = /"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^\s"{}[\],:]+/gs;

/** `before` and `behind` are the text around the place; for a message they are all of it. */
export function explain(code: string, reason: string, expected: string, before: string, behind: string): Pick<Rejected, 'eventType' | 'path' | 'came' | 'message'> {
  if (code === 'INVALID_EVENT') {
    const event: unknown = JSON.parse(before + behind);
    const type: unknown = (event as { type?: unknown } | null)?.type;
    const missing = reason === 'missing_field';
    return {
      eventType: typeof type === 'string' ? shortened(type, PATH_CHARS_MAX) : null,
      path: pathOf(before, behind) + (missing ? expected.replace('field ', '.') : ''),
      came: missing ? '' : excerpt(behind),
      message: event,
    };
  }
  // A frame that is JSON has nothing wrong at a place.
  const isJson = code !== 'INVALID_JSON';
  return { eventType: null, path: isJson ? null : '$', came: isJson ? behind : excerpt(behind), message: undefined };
}

/** The JSON path of the place between two parts of a JSON text; a key stands for its field. */
function pathOf(before: string, behind: string): string {
  const levels: { key: string | null; index: number }[] = [];
  let behindMark = '';
  for (const { 0: token, index } of (before + behind).matchAll(TOKENS)) {
    // A string that begins at the place belongs to it, and one that it is in is read to its end: either may be a key.
    if (index >= before.length + Number(token.startsWith('"'))) {
      break;
    }
    const level = levels.at(-1);
    if (token === '{' || token === '[') {
      levels.push({ key: token === '{' ? '' : null, index: 0 });
    } else if (token === '}' || token === ']') {
      levels.pop();
    } else if (level !== undefined && token === ',') {
      level.index += 1;
    } else if (level !== undefined && level.key !== null && token.startsWith('"') && behindMark !== ':') {
      level.key = token;
    }
    behindMark = token;
  }
  return shortened(`$${levels.map(({ key, index }) => (key === null ? `[${index}]` : step(key))).join('')}`, PATH_CHARS_MAX);
}

function step(key: string): string {
  // Before the first key of an object, the place is the object.
  if (key === '') {
    return '';
  }
  const name = JSON.parse(key) as string;
  return /^[\w$]+$/.test(name) ? `.${name}` : `[${key}]`;
}

/** The value that a text begins with, as far as it is one. */
function valueAt(text: string): string {
  let depth = 0;
  let end = 0;
  for (const { 0: token, index } of text.matchAll(TOKENS)) {
    end = index + token.length;
    depth += '[{'.includes(token) ? 1 : ']}'.includes(token) ? -1 : 0;
    if (depth <= 0 || end > EXCERPT_CHARS_MAX) {
      break;
    }
  }
  return text.slice(0, end);
}

function excerpt(text: string): string {
  return shortened(text.startsWith('\\') ? text.slice(0, 6) : valueAt(text), EXCERPT_CHARS_MAX);
}

// Cut between characters, not inside one.
function shortened(text: string, charsMax: number): string {
  return text.length > charsMax ? `${text.slice(0, charsMax).replace(/[\ud800-\udbff]$/, '')}…` : text;
}
