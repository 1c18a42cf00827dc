// Builds the timeline from events: text from its deltas, tool calls from their two halves, everything else as notes.

import { numberField, type SessionEvent, textField } from '../session/events';
import { BoundedList, type BoundedSnapshot } from './bounded';
import { noteFor } from './notes';
import type { MessageRow, TimelineRow, ToolRow } from './timeline-items';

export const TIMELINE_ROWS_MAX = 4_000;

export class Timeline {
  readonly #rows: BoundedList<TimelineRow>;
  readonly #messages = new Map<string, number>();
  readonly #tools = new Map<string, number>();
  /** Row key to the entry of `#messages` that points at it, so that a row that leaves takes its entry along. */
  readonly #owners = new Map<string, string>();
  #keys = 0;
  /** Counts tool starts: text of a turn that goes on after a tool call belongs below that call. */
  #segment = 0;

  constructor(rowsMax = TIMELINE_ROWS_MAX) {
    this.#rows = new BoundedList(rowsMax, (row) => this.#forget(row));
  }

  snapshot(): BoundedSnapshot<TimelineRow> {
    return this.#rows.snapshot();
  }

  /** True when a row came or changed. */
  apply(event: SessionEvent): boolean {
    switch (event.type) {
      case 'chunk':
        return this.#chunk(event, textField(event.data, 'text'), textField(event.data, 'agentId'));
      case 'container-agent:token':
        return this.#chunk(event, textField(event.data, 'delta'), textField(event.data, 'taskId'));
      case 'container-agent:message':
        return this.#wholeMessage(event);
      case 'tool:start':
      case 'container-agent:tool:start':
        return this.#toolStart(event);
      case 'tool:result':
      case 'container-agent:tool:result':
        return this.#toolResult(event);
      case 'agent:tool_progress':
        return this.#toolProgress(event);
      case 'agent:turn':
      case 'container-agent:turn':
        return this.#turn(event);
      default: {
        const note = noteFor(event);
        if (note === null) return false;
        this.#rows.push({ kind: 'note', key: this.#key(), timestamp: event.timestamp, type: event.type, ...note });
        return true;
      }
    }
  }

  #chunk(event: SessionEvent, text: string | null, agent: string | null): boolean {
    if (text === null) return false;
    const turn = numberField(event.data, 'turn');
    const messageId = textField(event.data, 'messageId');
    const stretch = messageId ?? `${turn ?? ''}\u0000${this.#segment}`;
    const id = `${agent ?? ''}\u0000${messageId === null ? 't' : 'm'}${stretch}`;
    const position = this.#messages.get(id);
    const row = position === undefined ? undefined : this.#rows.at(position);
    if (position !== undefined && row?.kind === 'message') {
      this.#rows.replace(position, { ...row, text: row.text + text, chunks: row.chunks + 1 });
      return true;
    }
    const key = this.#key();
    const fresh: MessageRow = { kind: 'message', key, timestamp: event.timestamp, agent, turn, role: 'assistant', text, chunks: 1 };
    this.#messages.set(id, this.#rows.push(fresh));
    this.#owners.set(key, id);
    return true;
  }

  #wholeMessage(event: SessionEvent): boolean {
    const text = textField(event.data, 'content');
    if (text === null) return false;
    const role = event.data['role'];
    const last = this.#rows.last;
    // A container agent streams tokens and then repeats the finished message: the same text is not shown twice.
    if (role === 'assistant' && last?.kind === 'message' && last.text === text) return false;
    this.#rows.push({
      kind: 'message',
      key: this.#key(),
      timestamp: event.timestamp,
      agent: textField(event.data, 'taskId'),
      turn: null,
      role: role === 'user' || role === 'system' ? role : 'assistant',
      text,
      chunks: 1,
    });
    this.#segment += 1;
    return true;
  }

  #toolStart(event: SessionEvent): boolean {
    const call = toolCall(event);
    if (call === null) return false;
    const { row, position } = this.#tool(call.id);
    if (row === undefined || position === undefined) {
      this.#segment += 1;
      this.#addTool(event, call, { status: 'running', input: event.data['input'], startedAt: event.timestamp });
      return true;
    }
    const isRunning = row.status === 'running';
    this.#rows.replace(position, {
      ...row,
      tool: call.tool ?? row.tool,
      input: event.data['input'] ?? row.input,
      startedAt: row.startedAt ?? event.timestamp,
      // The result came first (another connection, another clock): only what was missing is filled in.
      ...(isRunning || row.durationMs !== null ? {} : { durationMs: Math.max(0, row.timestamp - event.timestamp), durationIsMeasured: true }),
    });
    return true;
  }

  #toolResult(event: SessionEvent): boolean {
    const call = toolCall(event);
    if (call === null) return false;
    const status = event.data['isError'] === true ? 'error' : 'complete';
    const given = numberField(event.data, 'duration') ?? numberField(event.data, 'durationMs');
    const output = event.data['output'] ?? event.data['result'];
    const { row, position } = this.#tool(call.id);
    if (row === undefined || position === undefined) {
      this.#segment += 1;
      this.#addTool(event, call, { status, input: event.data['input'], output, durationMs: given, exitCode: numberField(event.data, 'exitCode') });
      return true;
    }
    const measured = row.startedAt === null ? null : Math.max(0, event.timestamp - row.startedAt);
    this.#rows.replace(position, {
      ...row,
      tool: call.tool ?? row.tool,
      status,
      input: row.input ?? event.data['input'],
      output,
      durationMs: given ?? measured,
      durationIsMeasured: given === null && measured !== null,
      exitCode: numberField(event.data, 'exitCode'),
      elapsedSeconds: null,
    });
    return true;
  }

  #toolProgress(event: SessionEvent): boolean {
    const id = textField(event.data, 'toolUseId');
    if (id === null) return false;
    const { row, position } = this.#tool(id);
    if (row === undefined || position === undefined || row.status !== 'running') return false;
    this.#rows.replace(position, { ...row, elapsedSeconds: numberField(event.data, 'elapsedSeconds') });
    return true;
  }

  #turn(event: SessionEvent): boolean {
    const turn = numberField(event.data, 'turn');
    if (turn === null) return false;
    this.#segment += 1;
    this.#rows.push({
      kind: 'turn',
      key: this.#key(),
      timestamp: event.timestamp,
      agent: textField(event.data, 'agentId'),
      turn,
      maxTurns: numberField(event.data, 'maxTurns'),
    });
    return true;
  }

  #addTool(event: SessionEvent, call: ToolCall, known: Partial<ToolRow>): void {
    const key = this.#key();
    const position = this.#rows.push({
      kind: 'tool',
      key,
      timestamp: event.timestamp,
      callId: call.id,
      tool: call.tool ?? 'tool',
      status: 'pending',
      input: undefined,
      output: undefined,
      durationMs: null,
      durationIsMeasured: false,
      exitCode: null,
      elapsedSeconds: null,
      startedAt: null,
      ...known,
    });
    this.#tools.set(call.id, position);
  }

  #tool(id: string): { row: ToolRow | undefined; position: number | undefined } {
    const position = this.#tools.get(id);
    const row = position === undefined ? undefined : this.#rows.at(position);
    return { row: row?.kind === 'tool' ? row : undefined, position };
  }

  #forget(row: TimelineRow): void {
    if (row.kind === 'tool') this.#tools.delete(row.callId);
    const owner = this.#owners.get(row.key);
    if (owner === undefined) return;
    this.#owners.delete(row.key);
    this.#messages.delete(owner);
  }

  #key(): string {
    this.#keys += 1;
    return `r${this.#keys}`;
  }
}

interface ToolCall {
  readonly id: string;
  readonly tool: string | null;
}

function toolCall(event: SessionEvent): ToolCall | null {
  const id = textField(event.data, 'id') ?? textField(event.data, 'toolId') ?? textField(event.data, 'toolCallId');
  if (id === null) return null;
  return { id, tool: textField(event.data, 'tool') ?? textField(event.data, 'toolName') };
}
