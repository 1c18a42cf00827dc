// The decoder of plain streams says what eventsource-parser says, however the bytes are cut.
import { createParser } from 'eventsource-parser';
import { describe, expect, it } from 'vitest';

import type { SseEvent } from '../src/streams/sse.js';
import { sseDecoder } from '../src/streams/sse.js';
import { cut } from './fake.js';
import { random } from './random.js';

const PARTS = ['data: x', 'data:y', 'data:  two', 'data', 'data:', 'event: control', 'event:data', ': ping', ':', 'id: 4', 'retry: 10', 'odd', 'data: día 🎉', 'data: a:b', ''];
const ENDS = ['\n', '\r\n', '\r'];

function expected(text: string): SseEvent[] {
  const events: SseEvent[] = [];
  const parser = createParser({ onEvent: ({ event, data }) => events.push({ event: event ?? 'message', data }) });
  parser.feed(text);
  return events;
}

describe('the SSE decoder', () => {
  it.each(Array.from({ length: 50 }, (_, seed) => seed))('agrees with eventsource-parser, seed %i', (seed) => {
    const next = random(seed);
    let text = '';
    for (let n = 0; n < 60; n += 1) {
      text += (PARTS[next(PARTS.length)] as string) + (ENDS[next(3)] as string);
    }
    const bytes = new TextEncoder().encode(`${text}\n\n`);
    for (const size of [1, 2, 3, 7, 4096]) {
      const decode = sseDecoder(1 << 20);
      expect(cut(bytes, size).flatMap((piece) => decode(piece))).toEqual(expected(`${text}\n\n`));
    }
  });

  it('refuses an event without an end', () => {
    for (const text of ['data: xxxxxxxxxx', 'data: x\n']) {
      const decode = sseDecoder(100);
      const feed = () => {
        for (let n = 0; n < 30; n += 1) {
          decode(new TextEncoder().encode(text));
        }
      };
      expect(feed).toThrow(expect.objectContaining({ code: 'FRAME_TOO_LARGE' }));
    }
  });
});
