// What administrators of the whole server ask for: streams with their readers, dead letters, metrics, readiness.

import { type Api, ApiError, ask, refusal, request } from './envelope';
import { isFields, type Fields, listField, numberField, objectField, textField } from './fields';

const PAGE_ROWS = 50;

export interface StreamRow {
  readonly path: string;
  readonly sessionId: string | null;
  readonly title: string | null;
  /** Of a session; null for other streams. */
  readonly status: string | null;
  readonly closed: boolean;
  readonly unit: 'messages' | 'bytes';
  readonly size: number;
  readonly end: number;
  readonly updatedAtMs: number | null;
  readonly subscribers: number;
  readonly lagging: number;
  /** How far the slowest subscriber is behind the end; null without subscribers. */
  readonly lag: number | null;
}

export interface Page<Row> {
  readonly rows: readonly Row[];
  /** Where the next page begins; null on the last one. */
  readonly next: string | null;
}

export interface StreamsWanted {
  readonly prefix: string;
  readonly followed: boolean;
  readonly cursor: string | null;
}

export async function listStreams(api: Api, { prefix, followed, cursor }: StreamsWanted): Promise<Page<StreamRow>> {
  const query = new URLSearchParams({ limit: String(PAGE_ROWS) });
  if (prefix !== '') query.set('prefix', prefix);
  if (followed) query.set('followed', 'true');
  if (cursor !== null) query.set('cursor', cursor);
  return toPage(await ask(api, `/api/admin/streams?${query}`), 'streams', toStream);
}

function toStream(fields: Fields): StreamRow {
  return {
    path: textField(fields, 'path') ?? '',
    sessionId: textField(fields, 'sessionId'),
    title: textField(fields, 'title'),
    status: textField(fields, 'status'),
    closed: fields['closed'] === true,
    unit: fields['unit'] === 'bytes' ? 'bytes' : 'messages',
    size: numberField(fields, 'size') ?? 0,
    end: numberField(fields, 'end') ?? 0,
    updatedAtMs: numberField(fields, 'updatedAt'),
    subscribers: numberField(fields, 'subscribers') ?? 0,
    lagging: numberField(fields, 'lagging') ?? 0,
    lag: numberField(fields, 'lag'),
  };
}

/** A queued append that was given up. */
export interface DeadLetter {
  readonly id: string;
  readonly path: string;
  readonly bytes: number;
  readonly code: string;
  readonly message: string;
  readonly attempts: number;
  /** Nobody knows whether one attempt reached the stream. */
  readonly uncertain: boolean;
  readonly acceptedAtMs: number | null;
  readonly firstAttemptAtMs: number | null;
  readonly failedAtMs: number | null;
}

export async function listDeadLetters(api: Api, after: string | null): Promise<Page<DeadLetter>> {
  const query = new URLSearchParams({ limit: String(PAGE_ROWS) });
  if (after !== null) query.set('after', after);
  return toPage(await ask(api, `/api/dead-letters?${query}`), 'deadLetters', toLetter);
}

function toLetter(fields: Fields): DeadLetter {
  const reason = objectField(fields, 'reason') ?? {};
  return {
    id: textField(fields, 'id') ?? '',
    path: textField(fields, 'path') ?? '',
    bytes: numberField(fields, 'bytes') ?? 0,
    code: textField(reason, 'code') ?? 'UNKNOWN',
    message: textField(reason, 'message') ?? '',
    attempts: numberField(fields, 'attempts') ?? 0,
    uncertain: fields['uncertain'] === true,
    acceptedAtMs: numberField(fields, 'acceptedAtMs'),
    firstAttemptAtMs: numberField(fields, 'firstAttemptAtMs'),
    failedAtMs: numberField(fields, 'failedAtMs'),
  };
}

/** What a dead letter holds: its messages as JSON, or its bytes as Base64. */
export async function readPayload(api: Api, id: string): Promise<string> {
  const letter = await ask(api, `/api/dead-letters/${encodeURIComponent(id)}`);
  const fields = isFields(letter) ? letter : {};
  return textField(fields, 'base64') ?? JSON.stringify(fields['messages'] ?? null, null, 2);
}

export type Change = 'redrive' | 'purge';

export interface Changed {
  readonly count: number;
  /** There are others that one request did not reach. */
  readonly more: boolean;
}

/** Queues dead letters again or deletes them: the one with this id, or, with null, the oldest thousand. */
export async function changeLetters(api: Api, change: Change, id: string | null): Promise<Changed> {
  const path = `/api/dead-letters${id === null ? '' : `/${encodeURIComponent(id)}`}`;
  const data = change === 'redrive' ? await ask(api, `${path}/redrive`, 'POST') : await ask(api, path, 'DELETE');
  const fields = isFields(data) ? data : {};
  return { count: numberField(fields, change === 'redrive' ? 'redriven' : 'purged') ?? 0, more: fields['more'] === true };
}

/** The text of `/metrics`. */
export async function readMetrics(api: Api): Promise<string> {
  const response = await request(api, '/metrics');
  const text = await response.text();
  if (response.ok) return text;
  throw refusal(response.status, errorOf(text));
}

function errorOf(text: string): unknown {
  try {
    const body: unknown = JSON.parse(text);
    return isFields(body) ? body['error'] : null;
  } catch {
    return null;
  }
}

export interface Readiness {
  readonly status: string;
  /** Whether appends are taken. */
  readonly appends: boolean;
  readonly reasons: readonly string[];
}

/** 503 is an answer too: it says what is the matter. */
export async function readReadiness(api: Api): Promise<Readiness> {
  const response = await request(api, '/readyz');
  const body: unknown = await response.json().catch(() => null);
  const status = isFields(body) ? textField(body, 'status') : null;
  if (!isFields(body) || status === null) throw new ApiError(response.status, `HTTP_${response.status}`, `The server answered ${response.status}`);
  return { status, appends: body['appends'] === true, reasons: listField(body, 'reasons').filter((reason) => typeof reason === 'string') };
}

function toPage<Row>(data: unknown, name: string, toRow: (fields: Fields) => Row): Page<Row> {
  return { rows: listField(data, name).filter(isFields).map(toRow), next: isFields(data) ? textField(data, 'nextCursor') : null };
}
