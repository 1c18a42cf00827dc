import { describe, expect, it } from 'vitest';

import { duration } from '../app/format';
import { blocksOf } from './RichText';
import { barsPath } from './Sparkline';
import { argumentsOf, clip, diffClass, isDiff, textOf } from './tool-text';
import { boundary, offsetsOf } from './virtual-offsets';

describe('arguments of a tool', () => {
  it('puts the telling one into the head line, the others below', () => {
    expect(argumentsOf({ timeout: 5, command: 'ls' })).toEqual({ headline: 'ls', rest: 'timeout: 5' });
    expect(argumentsOf({ action: 'edit 1:1\nfoo\nend' })).toEqual({ headline: 'edit 1:1', rest: 'edit 1:1\nfoo\nend' });
    expect(argumentsOf('plain')).toEqual({ headline: 'plain', rest: '' });
    expect(argumentsOf(undefined)).toEqual({ headline: '', rest: '' });
    expect(argumentsOf({ a: [1] }).rest).toContain('"a"');
  });
});

describe('long output', () => {
  it('keeps its beginning and its end, and is shown whole when asked', () => {
    const lines = Array.from({ length: 40 }, (_, i) => `line ${i}`);
    const clipped = clip(lines.join('\n'), false);
    expect(clipped.head.split('\n')).toEqual(lines.slice(0, 8));
    expect(clipped.tail?.split('\n')).toEqual(lines.slice(-4));
    expect(clipped).toMatchObject({ lines: 40, linesHidden: 28, isLong: true });
    expect(clip(lines.join('\n'), true)).toMatchObject({ head: lines.join('\n'), tail: null, isLong: true, beyond: 0 });
    expect(clip('short', false)).toMatchObject({ head: 'short', isLong: false });
  });

  it('is bounded in characters too', () => {
    expect(clip('x'.repeat(9_000), false).head.length).toBeLessThan(1_300);
    expect(clip('x\n'.repeat(150_000), true)).toMatchObject({ beyond: 100_000 });
  });

  it('reads any JSON', () => {
    expect(textOf('a\r\nb\r\n')).toBe('a\nb');
    expect(textOf({ a: 1 })).toBe('{\n  "a": 1\n}');
    expect(textOf(null)).toBe('');
  });
});

describe('diffs', () => {
  it('are told from lists and flags', () => {
    expect(isDiff('- a\n+ b\n--flag')).toBe(false);
    expect(isDiff('--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-old\n+new')).toBe(true);
    expect(['--- a/x', '+++ b/x', '@@ -1 +1 @@', '-old', '+new', ' same'].map(diffClass)).toEqual([undefined, undefined, 'diff-hunk', 'diff-removed', 'diff-added', undefined]);
  });
});

describe('prose', () => {
  it('finds paragraphs, lists and fences, also one that is still open', () => {
    expect(blocksOf('a\nb\n\n- x\n1. y\n```rust\nlet a;\n\n```\nend\n```\nhalf').map(({ kind, text }) => [kind, text])).toEqual([
      ['text', 'a\nb'],
      ['item', '- x'],
      ['item', '1. y'],
      ['code', 'let a;\n'],
      ['text', 'end'],
      ['code', 'half'],
    ]);
  });
});

describe('durations', () => {
  it('never show sixty of anything', () => {
    expect([0, 4.4, 999.7, 1_000, 9_960, 59_700, 359_600, 3_599_700, 7_199_999].map(duration)).toEqual([
      '< 1 ms', '4 ms', '1.0 s', '1.0 s', '10 s', '1 min 0 s', '6 min 0 s', '1 h 0 min', '2 h 0 min',
    ]);
  });
});

describe('sparkline', () => {
  it('draws a bar per busy second, the smallest still visible', () => {
    expect(barsPath([0, 0, 0])).toBe('');
    const bars = barsPath([0, 1, 1_000]).split('M').filter((part) => part !== '');
    expect(bars).toHaveLength(2);
    expect(bars[0]).toContain('v-1.50');
  });
});

describe('virtual list', () => {
  it('finds the rows of a window', () => {
    const offsets = offsetsOf([10, 20, 30, 40], (height) => height);
    expect([...offsets]).toEqual([0, 10, 30, 60, 100]);
    expect(boundary(offsets, -5)).toBe(0);
    expect(boundary(offsets, 0)).toBe(1);
    expect(boundary(offsets, 35)).toBe(3);
    expect(boundary(offsets, 1_000)).toBe(4);
    expect(boundary(offsetsOf([], () => 0), 0)).toBe(0);
  });
});
