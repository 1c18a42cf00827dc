import type { TerminalEntry } from 'durable-sessions/store';
import { describe, expect, it } from 'vitest';

import { AnsiReader, type Op, PLAIN } from './ansi';
import { linesOf, Terminal, TERMINAL_LINE_CHARS_MAX, TerminalReader } from './terminal';

const plain = (text: string) => linesOf(text).map((runs) => runs.map((run) => run.text).join(''));

describe('lines', () => {
  it('splits at LF and at CRLF', () => {
    expect(plain('a\nb\r\n\nc')).toEqual(['a', 'b', '', 'c']);
  });

  it('lets a carriage return overwrite, as progress bars do', () => {
    expect(plain('10%\r20%\r100%\n')).toEqual(['100%']);
    expect(plain('abcdef\rXY')).toEqual(['XYcdef']);
    expect(plain('abcdef\rXY\u001b[K')).toEqual(['XY']);
    expect(plain('abc\u001b[2Kdef')).toEqual(['def']);
    expect(plain('abc\b\bX')).toEqual(['aXc']);
  });

  it('swallows what is not text: titles, links, cursor movement, control characters', () => {
    expect(plain('\u001b]0;title\u0007a\u001b]8;;http://x\u001b\\b\u001b]8;;\u001b\\\u001b[10;5Hc\u001b(B\u0000d\u0007')).toEqual(['abcd']);
  });

  it('breaks a line that never ends', () => {
    const lines = plain('x'.repeat(TERMINAL_LINE_CHARS_MAX * 2 + 5));
    expect(lines.map((line) => line.length)).toEqual([TERMINAL_LINE_CHARS_MAX, TERMINAL_LINE_CHARS_MAX, 5]);
  });

  it('puts every input on a line of its own, and goes on with output that was not finished', () => {
    const terminal = new Terminal();
    terminal.apply({ direction: 'output', text: 'par' });
    terminal.apply({ direction: 'output', text: 'tial' });
    terminal.apply({ direction: 'input', text: 'ls\n' });
    terminal.apply({ direction: 'error', text: 'no\n' });
    expect(terminal.snapshot().items.map((line) => [line.source, line.runs.map((run) => run.text).join('')])).toEqual([
      ['output', 'partial'],
      ['input', 'ls'],
      ['error', 'no'],
    ]);
  });

  it('is bounded and counts what left', () => {
    const terminal = new Terminal(16);
    for (let i = 0; i < 100; i += 1) terminal.apply({ direction: 'output', text: `${i}\n` });
    const { items, dropped } = terminal.snapshot();
    expect(items.length).toBeLessThanOrEqual(18);
    expect(items.length + dropped).toBe(100);
    expect(items.at(-1)?.runs[0]?.text).toBe('99');
  });
});

describe('following a session', () => {
  const entry = (offset: number, text: string, echo: TerminalEntry['echo'] = null): TerminalEntry => ({ key: `e${offset}`, offset, timestamp: 0, direction: 'output', source: null, text, echo });
  const all = Array.from({ length: 12 }, (_, i) => entry(i + 1, i % 3 === 2 ? `${i}\n` : `${i} `));
  const shown = (reader: TerminalReader, entries: readonly TerminalEntry[]) => reader.lines(entries).items.map((line) => line.runs.map((run) => run.text).join(''));
  const whole = shown(new TerminalReader(), all);

  it('reads the same in any steps, and again when something came in between or before', () => {
    for (let at = 0; at <= all.length; at += 1) {
      const reader = new TerminalReader();
      shown(reader, all.slice(0, at));
      expect(shown(reader, all)).toEqual(whole);
      shown(reader, all.slice(at));
      expect(shown(reader, all)).toEqual(whole);
      shown(reader, [...all.slice(0, at), ...all.slice(at + 1)]);
      expect(shown(reader, all)).toEqual(whole);
    }
  });

  it('keeps the lines of what the store let go, and leaves out what was only sent', () => {
    const reader = new TerminalReader();
    shown(reader, all.slice(0, 8));
    expect(shown(reader, [...all.slice(6), entry(99, 'sent', { state: 'pending', reason: null })])).toEqual(whole);
  });
});

describe('colours', () => {
  const text = 'a\u001b[1;31mred\u001b[0m b\u001b[38;5;46mg\u001b[38;2;0;0;255mb\u001b[39;44mbg\u001b[7minv\u001b[m\u001b]0;t\u0007\u001b(Bend\n';
  const collect = (parts: string[]): Op[] => {
    const reader = new AnsiReader();
    const ops: Op[] = [];
    for (const part of parts) {
      reader.read(part, (op) => {
        const last = ops.at(-1);
        if (op.op === 'text' && last?.op === 'text' && JSON.stringify(last.style) === JSON.stringify(op.style)) ops[ops.length - 1] = { ...last, text: last.text + op.text };
        else ops.push(op);
      });
    }
    return ops;
  };

  it('reads the sixteen colours and brings the others down to them', () => {
    const styles = collect([text]).flatMap((op) => (op.op === 'text' ? [[op.text, op.style] as const] : []));
    expect(styles).toEqual([
      ['a', PLAIN],
      ['red', { ...PLAIN, bold: true, fg: 'red' }],
      [' b', PLAIN],
      ['g', { ...PLAIN, fg: 'bright-green' }],
      ['b', { ...PLAIN, fg: 'bright-blue' }],
      ['bg', { ...PLAIN, bg: 'blue' }],
      ['inv', { ...PLAIN, bg: 'blue', inverse: true }],
      ['end', PLAIN],
    ]);
  });

  it('reads the same in any two parts', () => {
    const whole = collect([text]);
    for (let at = 0; at <= text.length; at += 1) expect(collect([text.slice(0, at), text.slice(at)])).toEqual(whole);
  });
});
