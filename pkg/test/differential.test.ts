// Our verdicts against zod's, on generated events: they are the same, but for what docs/validation.md lists.
import { readFileSync } from 'node:fs';

import { DurableStreamsClient, init } from 'durable-sessions';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';

import { GOOD_EVENTS, damagedEvent, zodAccepts } from './catalogue.js';
import { FakeServer, control, until } from './fake.js';

const MINUTES = 60_000;

/** Whether each message, given as text, arrived as a record. */
async function ours(messages: readonly string[]): Promise<boolean[]> {
  const server = new FakeServer({ body: `event: data\ndata: [${messages.join()}]\n\n${control(messages.length, { streamClosed: true })}`, pieces: 1 << 20 });
  const client = new DurableStreamsClient({ url: 'http://fake.test', fetch: server.fetch, logger: { error() {}, warn() {} } });
  const verdicts: boolean[] = [];
  let over = false;
  client.subscribeToSession('s1', {
    onEvent: () => verdicts.push(true),
    onError: ({ code }) => verdicts.push(code !== 'INVALID_EVENT'),
    onClosed: () => {
      over = true;
    },
  });
  await until(() => over);
  return verdicts;
}

beforeAll(() => init());

describe('generated events', () => {
  it('cover the catalogue', () => {
    expect(GOOD_EVENTS.size).toBeGreaterThan(40);
  });

  it.each([...GOOD_EVENTS])('of type %s that are good are accepted by both', async (_, good) => {
    await fc.assert(
      fc.asyncProperty(fc.array(good, { minLength: 1, maxLength: 10 }), async (events) => {
        const texts = events.map((event) => JSON.stringify(event));
        expect(texts.filter((text) => !zodAccepts(JSON.parse(text)))).toEqual([]);
        expect(await ours(texts)).toEqual(texts.map(() => true));
      }),
      { numRuns: 5 },
    );
  }, 2 * MINUTES);

  it('that are damaged get the same verdict from both', async () => {
    const count = { accepted: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(damagedEvent, { minLength: 1, maxLength: 20 }), async (events) => {
        const texts = events.map((event) => JSON.stringify(event));
        const theirs = texts.map((text) => zodAccepts(JSON.parse(text)));
        const verdicts = await ours(texts);
        expect(texts.filter((_, i) => verdicts[i] !== theirs[i]).map((text, i) => ({ text, ours: verdicts[i] }))).toEqual([]);
        for (const accepted of theirs) {
          count[accepted ? 'accepted' : 'refused'] += 1;
        }
      }),
      { numRuns: 150 },
    );
    // A comparison in which one side never says no, or never yes, compares nothing.
    expect(Math.min(count.accepted, count.refused)).toBeGreaterThan(200);
  }, 2 * MINUTES);
});

const chunk = (data: string, more = '') => `{"id":"e1","type":"chunk","timestamp":1,"data":${data}${more}}`;
const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

/** Name in docs/validation.md, message, our verdict, zod's. */
const DIFFERENCES: [name: string, message: string, ours: boolean, zod: boolean][] = [
  ['a known field twice', chunk('{"text":"a","text":"b"}'), false, true],
  ['half of a surrogate pair', chunk('{"text":"\\ud800"}'), false, true],
  ['an integer written with a fraction', chunk('{"text":"a","turn":1.0}'), false, true],
  ['an integer written with an exponent', chunk('{"text":"a","turn":1e2}'), false, true],
  ['nesting deeper than 64', chunk(`{"text":"a","more":${deep(64)}}`), false, true],
  ['a number of 1e308 or more', chunk('{"text":"a","more":1e308}'), false, true],
];

describe('the intended differences', () => {
  const page = readFileSync(new URL('../../docs/validation.md', import.meta.url), 'utf8');

  it.each(DIFFERENCES)('%s', async (name, message, mine, theirs) => {
    expect(await ours([message])).toEqual([mine]);
    expect(zodAccepts(JSON.parse(message))).toBe(theirs);
    expect(page).toContain(`| ${name} |`);
  });

  it('are all that the page lists', () => {
    const rows = [...page.matchAll(/^\| ([^|]+) \| (?:refused|accepted) \|/gm)].map(([, name]) => name);
    expect(rows).toEqual(DIFFERENCES.map(([name]) => name));
  });

  it('end where the limits do', async () => {
    const within = [chunk('{"text":"\\ud83d\\ude00"}'), chunk('{"text":"a","turn":100}'), chunk(`{"text":"a","more":${deep(62)}}`), chunk('{"text":"a","more":9e307}')];
    expect(await ours(within)).toEqual(within.map(() => true));
    expect(within.map((text) => zodAccepts(JSON.parse(text)))).toEqual(within.map(() => true));
  });

  it('do not lose unknown fields, which a plain z.object would', async () => {
    const server = new FakeServer({ body: `event: data\ndata: [${chunk('{"text":"a","later":{"x":1}}')}]\n\n${control(1, { streamClosed: true })}` });
    const records: object[] = [];
    new DurableStreamsClient({ url: 'http://fake.test', fetch: server.fetch }).subscribeToSession('s1', { onChunk: (record) => records.push(record.data) });
    await until(() => records.length === 1);
    expect(records).toMatchObject([{ text: 'a', later: { x: 1 } }]);
    expect(zodAccepts(JSON.parse(chunk('{"text":"a"}', ',"later":1')))).toBe(true);
  });
});
