import { describe, expect, it } from 'vitest';

import { blocksOf } from './RichText';
import { barsPath } from './Sparkline';
import { argumentsOf, clip, diffClass, isDiff, PREVIEW_LINES, textOf } from './tool-text';
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
  it('is clipped by lines and by characters, and shown whole when asked', () => {
    const lines = Array.from({ length: 40 }, (_, i) => `line ${i}`).join('\n');
    expect(clip(lines, false).text.split('\n')).toHaveLength(PREVIEW_LINES);
    expect(clip(lines, true)).toMatchObject({ text: lines, lines: 40, isClipped: true });
    expect(clip('x'.repeat(9_000), false).text.length).toBeLessThan(2_000);
    expect(clip('short', false)).toMatchObject({ isClipped: false });
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
