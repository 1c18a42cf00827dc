// Events for tests of the store.

import type { Fields, SessionEvent } from '../session/events';

let offset = 0;

export function event(type: string, data: Fields, timestamp = 1_000): SessionEvent {
  offset += 1;
  return { type, data, timestamp, offset, id: `e${offset}` };
}
