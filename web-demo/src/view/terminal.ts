// The terminal pane: lines of styled runs, bounded both ways. Not a terminal emulator: carriage return, backspace,
// erase and clear work on the last line, which is what progress bars need; cursor addressing is ignored.

import type { TerminalEntry } from 'durable-sessions/store';

import { AnsiReader, type Op, type Style } from './ansi';
import { BoundedList, type BoundedSnapshot } from './bounded';

export const TERMINAL_LINES_MAX = 5_000;
export const TERMINAL_LINE_CHARS_MAX = 2_000;

export interface Run {
  readonly text: string;
  readonly style: Style;
}

export type Source = TerminalEntry['direction'];

export interface TerminalLine {
  readonly key: string;
  readonly source: Source;
  readonly runs: readonly Run[];
}

export class Terminal {
  readonly #lines: BoundedList<TerminalLine>;
  readonly #readers = { input: new AnsiReader(), output: new AnsiReader(), error: new AnsiReader() };
  #keys = 0;
  #open: { position: number; source: Source; runs: Run[]; column: number } | null = null;

  constructor(linesMax = TERMINAL_LINES_MAX) {
    this.#lines = new BoundedList(linesMax);
  }

  snapshot(): BoundedSnapshot<TerminalLine> {
    return this.#lines.snapshot();
  }

  apply({ direction: source, text }: Pick<TerminalEntry, 'direction' | 'text'>): void {
    if (text === '') return;
    // A prompt's input and another stream's text start on a line of their own.
    if (this.#open !== null && (this.#open.source !== source || source === 'input')) this.#seal();
    this.#readers[source].read(source === 'input' ? text.replace(/[\r\n]+$/, '') : text, (op) => this.#perform(op, source));
    if (source === 'input') this.#seal();
    else this.#keep();
  }

  #perform(op: Op, source: Source): void {
    if (op.op === 'newline') {
      this.#line(source);
      this.#seal();
      return;
    }
    const line = this.#line(source);
    switch (op.op) {
      case 'text':
        this.#write(line, op.text, op.style, source);
        break;
      case 'return':
        line.column = 0;
        break;
      case 'backspace':
        line.column = Math.max(0, line.column - 1);
        break;
      case 'eraseToEnd':
        line.runs = cutRuns(line.runs, 0, line.column);
        break;
      case 'eraseLine':
        line.runs = [];
        line.column = 0;
        break;
      case 'clear':
        // What was cleared is history worth scrolling back to: a clear only starts a new line.
        if (line.runs.length > 0) this.#seal();
        break;
    }
  }

  #write(start: { runs: Run[]; column: number }, text: string, style: Style, source: Source): void {
    let line = start;
    for (let at = 0; at < text.length; ) {
      const room = TERMINAL_LINE_CHARS_MAX - line.column;
      if (room <= 0) {
        this.#seal();
        line = this.#line(source);
        continue;
      }
      const part = text.slice(at, at + room);
      overwrite(line, part, style);
      at += part.length;
    }
  }

  #line(source: Source): { runs: Run[]; column: number } {
    if (this.#open === null) {
      this.#keys += 1;
      const position = this.#lines.push({ key: `l${this.#keys}`, source, runs: [] });
      this.#open = { position, source, runs: [], column: 0 };
    }
    return this.#open;
  }

  #keep(): void {
    if (this.#open === null) return;
    const line = this.#lines.at(this.#open.position);
    if (line !== undefined) this.#lines.replace(this.#open.position, { ...line, runs: this.#open.runs.slice() });
  }

  #seal(): void {
    this.#keep();
    this.#open = null;
  }
}

function overwrite(line: { runs: Run[]; column: number }, text: string, style: Style): void {
  const length = runsLength(line.runs);
  if (line.column === length) {
    const last = line.runs.at(-1);
    if (last !== undefined && last.style === style) line.runs[line.runs.length - 1] = { text: last.text + text, style };
    else line.runs.push({ text, style });
  } else {
    const before = cutRuns(line.runs, 0, line.column);
    const after = cutRuns(line.runs, line.column + text.length, length);
    line.runs = [...before, { text, style }, ...after];
  }
  line.column += text.length;
}

function runsLength(runs: readonly Run[]): number {
  let length = 0;
  for (const run of runs) length += run.text.length;
  return length;
}

function cutRuns(runs: readonly Run[], from: number, to: number): Run[] {
  const kept: Run[] = [];
  let at = 0;
  for (const run of runs) {
    const text = run.text.slice(Math.max(0, from - at), Math.max(0, to - at));
    if (text !== '') kept.push(text === run.text ? run : { text, style: run.style });
    at += run.text.length;
  }
  return kept;
}

/** A finished text, for outputs of tools that carry colours. */
export function linesOf(text: string): readonly (readonly Run[])[] {
  const terminal = new Terminal(Number.MAX_SAFE_INTEGER);
  terminal.apply({ direction: 'output', text });
  return terminal.snapshot().items.map((line) => line.runs);
}

/** Follows the terminal of a session: what is new is added, and only where something came in between is all read again. */
export class TerminalReader {
  #terminal = new Terminal();
  #read: readonly TerminalEntry[] = [];

  /** The lines of `entries`, without those that were only sent. */
  lines(entries: readonly TerminalEntry[]): BoundedSnapshot<TerminalLine> {
    const stored = entries.filter((entry) => entry.echo === null);
    const before = this.#read;
    this.#read = stored;
    const last = before.at(-1);
    const first = stored[0];
    let from = 0;
    if (last !== undefined && first !== undefined) {
      const dropped = before.indexOf(first);
      const goesOn = dropped >= 0 && stored[before.length - 1 - dropped] === last;
      if (goesOn) from = before.length - dropped;
    }
    if (from === 0 && before.length > 0) this.#terminal = new Terminal();
    for (const entry of stored.slice(from)) this.#terminal.apply(entry);
    return this.#terminal.snapshot();
  }
}
