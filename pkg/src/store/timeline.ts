// Makes items of records: text from its chunks, tool calls from their two halves, everything else as it is. A fold: the
// same records in the same order give the same items. Must not know windows, bounds or connections.

import type { SessionRecord } from '../types.js';
import type { Entry } from './entries.js';
import { envelopeOf } from './entries.js';
import type { EventItem, GapItem, MessageItem, TerminalEntry, TimelineItem, ToolCallItem } from './types.js';

export class Timeline {
  readonly items: TimelineItem[] = [];
  readonly terminal: TerminalEntry[] = [];
  readonly #at = new Map<string, number>();
  readonly #terminalKeys = new Set<string>();
  /** Offset of the last event that text does not go on across: what follows belongs below it. */
  #stretch = 0;

  /** True when an item came or changed. */
  apply({ record, text, first, last, count }: Entry): boolean {
    switch (record.type) {
      case 'chunk': {
        const { agentId, turn, messageId } = record.data as { agentId?: string; turn?: number; messageId?: string };
        return this.#chunk(record, text ?? '', first, last, count, agentId ?? null, turn ?? null, messageId ?? null);
      }
      case 'container-agent:token':
        return this.#chunk(record, text ?? '', first, last, count, (record.data as { taskId: string }).taskId, null, null);
      case 'container-agent:message':
        return this.#wholeMessage(record as Of<'container-agent:message'>);
      case 'tool:start':
      case 'tool:result':
      case 'container-agent:tool:start':
      case 'container-agent:tool:result':
        return this.#tool(record, toolWord(record));
      case 'agent:tool_progress':
        return this.#toolProgress(record as Of<'agent:tool_progress'>);
      case 'terminal:input':
      case 'terminal:output':
      case 'terminal:error':
        this.terminal.push(terminalEntry(record, fresh(this.#terminalKeys, record)));
        return true;
      case 'agent:turn':
      case 'container-agent:turn':
        this.#stretch = record.offset;
        return this.#event(record);
      default:
        return isShown(record) && this.#event(record);
    }
  }

  gap(gap: GapItem): void {
    this.items.push(gap);
  }

  #chunk(record: SessionRecord, text: string, first: number, last: number, count: number, agentId: string | null, turn: number | null, messageId: string | null): boolean {
    const key = messageId === null ? `t:${agentId ?? ''}:${turn ?? ''}:${this.#stretch}` : `m:${agentId ?? ''}:${messageId}`;
    const at = this.#at.get(key);
    const known = at === undefined ? undefined : (this.items[at] as MessageItem);
    if (known === undefined) {
      const offset = first;
      this.#put(key, { kind: 'message', key, offset, lastOffset: last, timestamp: record.data.timestamp, agentId, turn, messageId, role: 'assistant', text, chunks: count });
    } else {
      this.items[at as number] = { ...known, text: known.text + text, chunks: known.chunks + count, lastOffset: last };
    }
    return true;
  }

  #wholeMessage(record: Of<'container-agent:message'>): boolean {
    const { role, content, taskId } = record.data;
    const last = this.items.at(-1);
    this.#stretch = record.offset;
    // A container agent streams tokens and then repeats the finished message: the same text is not shown twice.
    if (role === 'assistant' && last?.kind === 'message' && last.text === content) return false;
    const key = `w:${record.offset}`;
    const { offset } = record;
    this.items.push({ kind: 'message', key, offset, lastOffset: offset, timestamp: record.data.timestamp, agentId: taskId, turn: null, messageId: null, role, text: content, chunks: 1 });
    return true;
  }

  #tool(record: SessionRecord, word: ToolWord): boolean {
    const key = `c:${word.callId}`;
    const at = this.#at.get(key);
    const { timestamp } = record.data;
    if (at === undefined) {
      this.#stretch = record.offset;
      this.#put(key, {
        kind: 'tool',
        key,
        offset: record.offset,
        timestamp,
        callId: word.callId,
        tool: word.tool,
        status: word.status,
        input: word.input,
        output: word.output,
        durationMs: word.durationMs,
        startedAt: word.status === 'running' ? timestamp : null,
        endedAt: word.status === 'running' ? null : timestamp,
        elapsedSeconds: null,
        record,
      });
      return true;
    }
    const known = this.items[at] as ToolCallItem;
    if (word.status === 'running') {
      // The result came first (another producer, another clock): the start only fills in what is missing.
      this.items[at] = { ...known, tool: word.tool, input: word.input ?? known.input, startedAt: known.startedAt ?? timestamp };
    } else {
      this.items[at] = {
        ...known,
        tool: word.tool,
        status: word.status,
        input: known.input ?? word.input,
        output: word.output,
        durationMs: word.durationMs,
        endedAt: timestamp,
        elapsedSeconds: null,
        record,
      };
    }
    return true;
  }

  #toolProgress(record: Of<'agent:tool_progress'>): boolean {
    const at = this.#at.get(`c:${record.data.toolUseId}`);
    const known = at === undefined ? undefined : (this.items[at] as ToolCallItem);
    if (known?.status !== 'running') return false;
    this.items[at as number] = { ...known, elapsedSeconds: record.data.elapsedSeconds };
    return true;
  }

  #event(record: SessionRecord): boolean {
    const key = fresh(this.#at, record);
    this.#put(key, eventItem(record, key));
    return true;
  }

  #put(key: string, item: TimelineItem): void {
    this.#at.set(key, this.items.length);
    this.items.push(item);
  }
}

type Of<T extends SessionRecord['type']> = Extract<SessionRecord, { type: T; channel: Exclude<SessionRecord['channel'], 'unknown'> }>;

export function eventItem(record: SessionRecord, key = `e:${record.id}`): EventItem {
  return { kind: 'event', key, offset: record.offset, timestamp: envelopeOf(record).timestamp, record, echo: null };
}

export function terminalEntry(record: SessionRecord, key = `e:${record.id}`): TerminalEntry {
  const { data, source, timestamp } = record.data as { data: string; source?: TerminalEntry['source']; timestamp: number };
  const direction = record.type.slice('terminal:'.length) as TerminalEntry['direction'];
  return { key, offset: record.offset, timestamp, direction, source: source ?? null, text: data, echo: null };
}

/** The key of an event is its id, so that it is the one of its echo; ids that are not unique get their offset as well. */
function fresh(keys: Map<string, number> | Set<string>, { id, offset }: SessionRecord): string {
  let key = `e:${id}`;
  if (keys.has(key)) key = `${key}:${offset}`;
  if (keys instanceof Set) keys.add(key);
  return key;
}

// What `agents` and `presence` of the snapshot say, and what comes many times a minute.
const QUIET: ReadonlySet<string> = new Set(['presence:cursor', 'agent:metrics', 'topology:agent_progress']);

export function isShown(record: SessionRecord): boolean {
  if (record.type === 'state:update') return (record.data as { error?: string }).error !== undefined;
  return !QUIET.has(record.type);
}

interface ToolWord {
  callId: string;
  tool: string;
  status: ToolCallItem['status'];
  input: unknown;
  output: unknown;
  durationMs: number | null;
}

function toolWord(record: SessionRecord): ToolWord {
  if (record.channel === 'toolCalls') {
    const { id, tool, status, input, output, duration } = record.data;
    return { callId: id, tool, status, input, output, durationMs: duration ?? null };
  }
  const { toolId, toolName, input, result, isError, durationMs } = record.data as unknown as Record<string, unknown>;
  const status = record.type === 'container-agent:tool:start' ? 'running' : isError === true ? 'error' : 'complete';
  return { callId: toolId as string, tool: toolName as string, status, input, output: result, durationMs: (durationMs as number | undefined) ?? null };
}

/** Puts the items of `before` in the place of equal ones of `now`, so that only what changed has a new identity. */
export function reconcile<T extends { readonly key: string }>(before: readonly T[], now: T[]): void {
  const old = new Map(before.map((item) => [item.key, item]));
  for (let i = 0; i < now.length; i += 1) {
    const item = now[i] as T;
    const known = old.get(item.key);
    if (known !== undefined && isSame(known, item)) now[i] = known;
  }
}

function isSame(a: object, b: object): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.is(a[name as never], b[name as never]));
}
