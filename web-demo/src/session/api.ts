// The two requests the page makes beside the stream: the list of sessions, and an append that the server must refuse.

import { ask } from './envelope';
import { type Fields, isFields, listField, numberField, textField } from './fields';
import { authorization } from './headers';
import type { Network } from './network';

export interface SessionRow {
  readonly id: string;
  readonly status: string;
  readonly title: string | null;
  readonly agentId: string | null;
  readonly createdAtMs: number | null;
  readonly updatedAtMs: number | null;
  readonly eventCount: number | null;
}

export interface Refusal {
  readonly status: number;
  readonly statusText: string;
  readonly body: string;
  readonly sent: string;
}

export interface SessionPage {
  /** Newest first. */
  readonly rows: readonly SessionRow[];
  readonly hasMore: boolean;
}

const PAGE_SIZE = 1_000;

export async function listSessions(network: Network, base: string, token: string | null): Promise<SessionPage> {
  const data = await ask({ network, base, token }, `/api/sessions?limit=${PAGE_SIZE}`);
  const rows = Array.isArray(data) ? data : listField(data, 'sessions');
  return {
    rows: rows.filter(isFields).map(toRow).filter((row) => row.id !== '').sort((a, b) => latest(b) - latest(a)),
    hasMore: isFields(data) && textField(data, 'nextCursor') !== null,
  };
}

function latest(row: SessionRow): number {
  return row.updatedAtMs ?? row.createdAtMs ?? 0;
}

function toRow(fields: Fields): SessionRow {
  return {
    id: textField(fields, 'id') ?? textField(fields, 'sessionId') ?? '',
    status: textField(fields, 'status') ?? 'idle',
    title: textField(fields, 'title'),
    agentId: textField(fields, 'agentId'),
    createdAtMs: timeField(fields, 'createdAt'),
    updatedAtMs: timeField(fields, 'updatedAt') ?? timeField(fields, 'lastEventAt'),
    eventCount: numberField(fields, 'eventCount') ?? numberField(fields, 'offset') ?? numberField(fields, 'messageCount'),
  };
}

function timeField(fields: Fields, name: string): number | null {
  const number = numberField(fields, name);
  if (number !== null) return number;
  const text = textField(fields, name);
  const parsed = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(parsed) ? null : parsed;
}

/** Each breaks one rule of the schema, so that the server's answer names a different path. */
export const BAD_EVENTS = {
  'a number where text belongs': { type: 'chunk', data: { text: 42 } },
  'a status outside the enum': { type: 'state:update', data: { status: 'daydreaming' } },
  'a tool call without its id': { type: 'tool:start', data: { tool: 'bash' } },
  'a negative turn': { type: 'agent:turn', data: { agentId: 'demo', turn: -1 } },
} as const;

export type BadEventName = keyof typeof BAD_EVENTS;

export async function postBadEvent(
  network: Network,
  base: string,
  token: string | null,
  session: string,
  name: BadEventName,
): Promise<Refusal> {
  const event = { id: `bad-${crypto.randomUUID()}`, timestamp: Date.now(), ...BAD_EVENTS[name] };
  const sent = JSON.stringify(event, null, 2);
  const response = await network.fetch(`${base}/v1/stream/sessions/${encodeURIComponent(session)}`, {
    method: 'POST',
    headers: { ...authorization(token), 'content-type': 'application/json' },
    body: sent,
  });
  return { status: response.status, statusText: response.statusText, body: await response.text(), sent };
}
