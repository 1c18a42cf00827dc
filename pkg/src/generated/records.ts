// Placeholder until the generator has run.
import type { RecordContext, ValueReader } from '../batch.js';
import type { Channel, SessionRecord } from './types.js';

export const EVENT_KINDS = 0;
export const CHANNELS: readonly Channel[] = [
  'chunks', 'toolCalls', 'presence', 'terminal', 'workflow', 'agentState', 'agent', 'containerAgent', 'topology', 'unknown',
];
export const CHANNEL_INDEX_OF_KIND: Uint8Array = new Uint8Array();
export function construct(kind: number, _reader: ValueReader, _absent: number, _context: RecordContext): SessionRecord {
  throw new RangeError(`no such kind: ${kind}`);
}
