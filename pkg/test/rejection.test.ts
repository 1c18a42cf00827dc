// What a rejection says is what the parser itself says where it has words (crates/schema/src/parser/excerpt.rs).
import { describe, expect, it } from 'vitest';

import { explain } from '../src/rejection.js';
import refused from './generated/rejections.json' with { type: 'json' };

describe('a rejection', () => {
  it.each(refused.map((one) => ({ ...one, text: one.before + one.behind })))('of $text says what the parser says', ({ code, reason, expected, before, behind, eventType, path, came }) => {
    expect(explain(code, reason, expected, before, behind)).toMatchObject({ eventType, path, came });
  });

  it('is found wherever the place is, and throws at none', () => {
    const text = '{"a b":[{},[],{"c":[1,null,"x"]}],"d":{},"type":"t"}';
    for (const { index } of text.matchAll(/"[^"]*"|[{}[\],:]|[^\s"{}[\],:]+/g)) {
      const { path, eventType } = explain('INVALID_EVENT', 'wrong_type', 'a string', text.slice(0, index), text.slice(index));
      expect(path).toMatch(/^\$/);
      expect(eventType).toBe('t');
    }
  });

  it('inside of a key is of that key', () => {
    const half = '"x\\ud800y"';
    const text = `{"data":{"a":[],${half}:1},"type":"chunk"}`;
    const at = text.indexOf('\\ud800');
    expect(explain('INVALID_EVENT', 'lone_surrogate', 'a character', text.slice(0, at), text.slice(at))).toMatchObject({ path: `$.data[${half}]`, came: '\\ud800', eventType: 'chunk' });
    const quoted = '{"a\\"\\ud800":1}';
    expect(explain('INVALID_EVENT', 'lone_surrogate', 'a character', quoted.slice(0, 5), quoted.slice(5)).path).toBe('$["a\\"\\ud800"]');
  });

  it('of a frame that is JSON shows what came as it is', () => {
    expect(explain('FRAME_TOO_LARGE', 'too_large', 'a frame within frameBytesMax', '', '1024')).toMatchObject({ eventType: null, path: null, came: '1024' });
  });

  it('is short, and cut between characters', () => {
    const behind = `${'😀'.repeat(100)} and more`;
    const { came } = explain('INVALID_JSON', 'syntax', 'a JSON value', '', `x${behind}`);
    expect(came).toBe(`x${'😀'.repeat(31)}…`);
    const deep = `{"id":"e","data":{${'"long_name":{'.repeat(40)}"x":`;
    expect(explain('INVALID_EVENT', 'number_range', 'a number', deep, `1e999${'}'.repeat(42)}`).path?.length).toBe(257);
  });
});
