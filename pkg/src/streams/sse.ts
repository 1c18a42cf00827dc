// Server-sent events out of bytes that come in any pieces. Must not know what the events mean.
import { DurableStreamsError } from '../errors.js';

export interface SseEvent {
  event: string;
  data: string;
}

/** Returns how to feed it: each call gives the events that are complete now. An event at the end without its blank line is none. */
export function sseDecoder(frameCharsMax: number): (bytes: Uint8Array) => SseEvent[] {
  const decoder = new TextDecoder();
  let rest = '';
  let event = '';
  let lines: string[] = [];
  let size = 0;
  let endedInCr = false;
  return (bytes) => {
    const events: SseEvent[] = [];
    let text = decoder.decode(bytes, { stream: true });
    if (endedInCr && text !== '') {
      // The second half of a line end that was cut in two.
      endedInCr = false;
      text = text.startsWith('\n') ? text.slice(1) : text;
    }
    const ended = (rest + text).split(/\r\n|\r|\n/);
    endedInCr ||= text.endsWith('\r');
    rest = ended.pop() as string;
    for (const line of ended) {
      if (line === '') {
        if (lines.length > 0) {
          events.push({ event: event || 'message', data: lines.join('\n') });
        }
        event = '';
        lines = [];
        size = 0;
        continue;
      }
      const [, name = line, value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
      size += line.length;
      if (name === 'data') {
        lines.push(value);
      } else if (name === 'event') {
        event = value;
      }
    }
    if (size + rest.length > frameCharsMax) {
      throw new DurableStreamsError('FRAME_TOO_LARGE', `an SSE event has more than ${frameCharsMax} characters`);
    }
    return events;
  };
}
