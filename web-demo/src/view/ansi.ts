// An incremental reader of terminal output: text with ANSI escapes in any split, out come runs of styled text. Colours
// become class names, never markup; whatever is not a colour or a line operation is swallowed.

export interface Style {
  readonly fg: string | null;
  readonly bg: string | null;
  readonly bold: boolean;
  readonly dim: boolean;
  readonly italic: boolean;
  readonly underline: boolean;
  readonly inverse: boolean;
}

export const PLAIN: Style = { fg: null, bg: null, bold: false, dim: false, italic: false, underline: false, inverse: false };

export type Op =
  | { readonly op: 'text'; readonly text: string; readonly style: Style }
  | { readonly op: 'newline' | 'return' | 'backspace' | 'eraseToEnd' | 'eraseLine' | 'clear' };

// An escape that has not ended after this many characters is not one.
const PENDING_CHARS_MAX = 4_096;
const CSI = /^\u001b\[([0-9;:?<=>]*)[ -/]*([@-~])/;
// Operating system commands (titles, hyperlinks) and other strings: to BEL or ST.
const STRING = /^\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)/;
const STRING_START = /^\u001b[\]PX^_][^\u0007\u001b]*\u001b?$/;
// Character sets and the like.
const CHARSET = /^\u001b[ -/]+[0-~]/;
const CSI_START = /^\u001b(?:\[[0-9;:?<=>]*[ -/]*|[ -/]*)$/;
const SPECIAL = /[\u0000-\u0008\u000a-\u001f\u007f]/;

export class AnsiReader {
  #pending = '';
  #style: Style = PLAIN;

  read(input: string, emit: (op: Op) => void): void {
    let rest = this.#pending + input;
    this.#pending = '';
    while (rest !== '') {
      const at = rest.search(SPECIAL);
      if (at !== 0) {
        emit({ op: 'text', text: at < 0 ? rest : rest.slice(0, at), style: this.#style });
        if (at < 0) return;
        rest = rest.slice(at);
      }
      const code = rest.charCodeAt(0);
      if (code !== 0x1b) {
        if (code === 0x0a) emit({ op: 'newline' });
        else if (code === 0x0d) emit({ op: 'return' });
        else if (code === 0x08) emit({ op: 'backspace' });
        rest = rest.slice(1);
        continue;
      }
      const taken = this.#escape(rest, emit);
      if (taken === 0) {
        this.#pending = rest;
        return;
      }
      rest = rest.slice(taken);
    }
  }

  /** Characters used up, 0 when the escape is not complete yet. */
  #escape(rest: string, emit: (op: Op) => void): number {
    const csi = CSI.exec(rest);
    if (csi !== null) {
      this.#control(csi[1] ?? '', csi[2] ?? '', emit);
      return csi[0].length;
    }
    const text = STRING.exec(rest);
    if (text !== null) return text[0].length;
    if (rest.length < PENDING_CHARS_MAX && (CSI_START.test(rest) || STRING_START.test(rest))) return 0;
    // ESC and one more character, or an escape that never ends.
    return CHARSET.exec(rest)?.[0].length ?? Math.min(2, rest.length);
  }

  #control(parameters: string, final: string, emit: (op: Op) => void): void {
    if (final === 'm') this.#style = applySgr(this.#style, parameters);
    else if (final === 'K') emit({ op: parameters === '2' ? 'eraseLine' : 'eraseToEnd' });
    else if (final === 'J' && (parameters === '2' || parameters === '3')) emit({ op: 'clear' });
  }
}

const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;

function applySgr(style: Style, parameters: string): Style {
  const codes = parameters === '' ? [0] : parameters.split(/[;:]/).map((part) => (part === '' ? 0 : Number(part)));
  let next: Style = style;
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i] ?? 0;
    if (code === 38 || code === 48) {
      const { colour, used } = extended(codes, i + 1);
      if (colour !== undefined) next = { ...next, [code === 38 ? 'fg' : 'bg']: colour };
      i += used;
    } else {
      next = simple(next, code);
    }
  }
  return next;
}

function simple(style: Style, code: number): Style {
  if (code === 0) return PLAIN;
  if (code === 1) return { ...style, bold: true };
  if (code === 2) return { ...style, dim: true };
  if (code === 3) return { ...style, italic: true };
  if (code === 4) return { ...style, underline: true };
  if (code === 7) return { ...style, inverse: true };
  if (code === 22) return { ...style, bold: false, dim: false };
  if (code === 23) return { ...style, italic: false };
  if (code === 24) return { ...style, underline: false };
  if (code === 27) return { ...style, inverse: false };
  if (code === 39) return { ...style, fg: null };
  if (code === 49) return { ...style, bg: null };
  if (code >= 30 && code <= 37) return { ...style, fg: NAMES[code - 30] ?? null };
  if (code >= 40 && code <= 47) return { ...style, bg: NAMES[code - 40] ?? null };
  if (code >= 90 && code <= 97) return { ...style, fg: `bright-${NAMES[code - 90] ?? 'white'}` };
  if (code >= 100 && code <= 107) return { ...style, bg: `bright-${NAMES[code - 100] ?? 'white'}` };
  return style;
}

function extended(codes: readonly number[], at: number): { colour: string | undefined; used: number } {
  if (codes[at] === 5) return { colour: palette(codes[at + 1] ?? 0), used: 2 };
  if (codes[at] === 2) return { colour: nearest(codes[at + 1] ?? 0, codes[at + 2] ?? 0, codes[at + 3] ?? 0), used: 4 };
  return { colour: undefined, used: 0 };
}

// The page's sixteen colours keep their contrast in both themes, which the palette of 256 would not: so the extended
// colours are brought down to the nearest of the sixteen.
function palette(index: number): string {
  if (index < 8) return NAMES[index] ?? 'white';
  if (index < 16) return `bright-${NAMES[index - 8] ?? 'white'}`;
  if (index >= 232) return index < 244 ? 'bright-black' : 'white';
  const cube = index - 16;
  const level = (step: number) => (step === 0 ? 0 : 55 + step * 40);
  return nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

function nearest(red: number, green: number, blue: number): string {
  const high = Math.max(red, green, blue);
  if (high < 48) return 'bright-black';
  const bit = (value: number) => (value > high * 0.6 ? 1 : 0);
  const name = NAMES[bit(red) | (bit(green) << 1) | (bit(blue) << 2)] ?? 'white';
  return high > 200 && name !== 'white' ? `bright-${name}` : name;
}
