// Events that this client has sent and that the stream has not brought back yet. Must not know how they are sent.

import type { SessionRecord } from '../types.js';
import { eventItem, terminalEntry } from './timeline.js';
import type { EchoState, EventItem, TerminalEntry } from './types.js';

/** What is shown ahead of its arrival: the wire event, its id chosen by the client. */
export interface EchoEvent {
  readonly id: string;
  readonly type: string;
  readonly data: object;
  /** Unix milliseconds; the time of the call when left out. */
  readonly timestamp?: number | undefined;
}

const ECHOES_MAX = 1_000;

export class Echoes {
  readonly #echoes = new Map<string, { record: SessionRecord; echo: EchoState }>();
  #items: readonly EventItem[] = [];
  #terminal: readonly TerminalEntry[] = [];

  /** Shown at the end of `items`. */
  get items(): readonly EventItem[] {
    return this.#items;
  }

  get terminal(): readonly TerminalEntry[] {
    return this.#terminal;
  }

  add(sessionId: string, event: EchoEvent, now: number): void {
    const channel = event.type.startsWith('terminal:') ? 'terminal' : /^(approval|worktree):|^agent:resumed$/.test(event.type) ? 'workflow' : 'unknown';
    const data = { ...event.data, type: event.type, sessionId, timestamp: event.timestamp ?? now };
    const record = { channel, type: event.type, id: event.id, data, offset: Infinity, cursor: null } as unknown as SessionRecord;
    this.#echoes.set(event.id, { record, echo: { state: 'pending', reason: null } });
    if (this.#echoes.size > ECHOES_MAX) {
      const [oldest] = this.#echoes.keys();
      this.#echoes.delete(oldest as string);
    }
    this.#compose();
  }

  fail(id: string, reason: string): boolean {
    const known = this.#echoes.get(id);
    if (known === undefined) return false;
    this.#echoes.set(id, { ...known, echo: { state: 'failed', reason } });
    this.#compose();
    return true;
  }

  /** The event has arrived, or is wanted no more. */
  remove(id: string): boolean {
    if (this.#echoes.size === 0 || !this.#echoes.delete(id)) return false;
    this.#compose();
    return true;
  }

  #compose(): void {
    const known = new Map([...this.#items, ...this.#terminal].map((item) => [item.key, item]));
    const items: EventItem[] = [];
    const terminal: TerminalEntry[] = [];
    for (const { record, echo } of this.#echoes.values()) {
      const same = known.get(`e:${record.id}`);
      const isSame = same !== undefined && same.echo === echo;
      if (record.channel === 'terminal') terminal.push(isSame ? (same as TerminalEntry) : { ...terminalEntry(record), echo });
      else items.push(isSame ? (same as EventItem) : { ...eventItem(record), echo });
    }
    this.#items = items;
    this.#terminal = terminal;
  }
}
