// How a tool call's arguments and output become text. Anything JSON may come; what is long is shown in part first.

const HEAD_LINES = 8;
/** The end of an output is where commands say how it went. */
const TAIL_LINES = 4;
const HEAD_CHARS = 1_200;
const TAIL_CHARS = 400;
export const SHOWN_CHARS_MAX = 200_000;

export interface Clipped {
  readonly head: string;
  /** The last lines, when lines between them and the head are left out. */
  readonly tail: string | null;
  readonly linesHidden: number;
  readonly lines: number;
  readonly isLong: boolean;
  /** Characters that are not shown even when everything is asked for. */
  readonly beyond: number;
}

export function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value.replaceAll('\r\n', '\n').replace(/^\n+|\n+$/g, '');
  return JSON.stringify(value, null, 2);
}

/** A unified diff is told by its hunk headers; only then do plus and minus at the start of a line mean something. */
export function isDiff(text: string): boolean {
  return /^@@ -\d/m.test(text);
}

export function diffClass(line: string): string | undefined {
  if (line.startsWith('@@ ')) return 'diff-hunk';
  if (/^\+(?!\+\+ )/.test(line)) return 'diff-added';
  return /^-(?!-- )/.test(line) ? 'diff-removed' : undefined;
}

export function clip(text: string, showAll: boolean): Clipped {
  const all = text === '' ? [] : text.split('\n');
  const isLong = all.length > HEAD_LINES + TAIL_LINES + 2 || text.length > (HEAD_CHARS + TAIL_CHARS) * 1.25;
  const whole = { lines: all.length, isLong, linesHidden: 0, tail: null, beyond: 0 };
  if (!isLong) return { ...whole, head: text };
  if (showAll) return { ...whole, head: text.slice(0, SHOWN_CHARS_MAX), beyond: Math.max(0, text.length - SHOWN_CHARS_MAX) };
  if (all.length <= HEAD_LINES + TAIL_LINES) return { ...whole, head: `${text.slice(0, HEAD_CHARS)}…` };
  return {
    ...whole,
    head: all.slice(0, HEAD_LINES).join('\n').slice(0, HEAD_CHARS),
    tail: all.slice(-TAIL_LINES).join('\n').slice(-TAIL_CHARS),
    linesHidden: all.length - HEAD_LINES - TAIL_LINES,
  };
}

/** The argument worth a place in the head line: the only one, or the one with a telling name. */
const TELLING = ['command', 'cmd', 'action', 'pattern', 'query', 'path', 'file_path', 'file', 'url', 'text'];

/** Longer than this does not fit in the head line of a wide screen. */
const HEADLINE_CHARS = 90;

export interface ArgumentView {
  readonly headline: string;
  /** What the headline does not say, empty when it says all. */
  readonly rest: string;
}

export function argumentsOf(input: unknown): ArgumentView {
  if (input === undefined || input === null) return { headline: '', rest: '' };
  if (typeof input !== 'object' || Array.isArray(input)) return headlined(textOf(input), []);
  const entries = Object.entries(input as Record<string, unknown>);
  if (entries.length === 0) return { headline: '', rest: '' };
  const name = TELLING.find((candidate) => typeof (input as Record<string, unknown>)[candidate] === 'string');
  const main = name === undefined ? entries.find(([, value]) => typeof value === 'string') : entries.find(([key]) => key === name);
  if (main === undefined) return { headline: '', rest: textOf(input) };
  return headlined(textOf(main[1]), entries.filter(([key]) => key !== main[0]));
}

function headlined(text: string, others: readonly (readonly [string, unknown])[]): ArgumentView {
  const [headline = '', ...more] = text.trim().split('\n');
  const rest = [
    more.length === 0 && headline.length <= HEADLINE_CHARS ? '' : text,
    ...others.map(([key, value]) => {
      const shown = textOf(value);
      return shown.includes('\n') ? `${key}:\n${shown}` : `${key}: ${shown}`;
    }),
  ];
  return { headline, rest: rest.filter((part) => part !== '').join('\n') };
}
