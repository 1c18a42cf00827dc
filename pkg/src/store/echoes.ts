// Events that were sent and that the stream has not brought back yet, as items. Must not know how they are sent.

import type { SessionRecord } from '../types.js';
import { envelopeOf } from './entries.js';
import { eventItem, isShown, terminalEntry } from './timeline.js';
import type { EchoState, EventItem, TerminalEntry } from './types.js';

/** What stands in an outbox; `client.session(id).outbox` has these. */
export interface SentEntry {
  readonly id: string;
  readonly event: { readonly id: string; readonly type: string; readonly data: unknown; readonly timestamp: number };
  readonly state: 'pending' | 'sending' | 'sent' | 'failed';
  readonly cause: { readonly message: string } | null;
}

/** Where a store learns what was sent; `client.session(id).outbox` fits. */
export interface OutboxSource {
  subscribe(listener: () => void): () => void;
  getSnapshot(): readonly SentEntry[];
}

const WORKFLOW = /^(approval|worktree):|^agent:resumed$/;

export class Echoes {
  /** Ends of `items` and `terminal` of the snapshot, in the order of sending. */
  items: readonly EventItem[] = [];
  terminal: readonly TerminalEntry[] = [];
  /** In the outbox, but in the stream already. */
  readonly #arrived = new Set<string>();
  #entries: readonly SentEntry[] = [];

  /** Takes over what the outbox holds now. */
  update(sessionId: string, entries: readonly SentEntry[]): void {
    this.#entries = entries;
    if (this.#arrived.size > 0) {
      const held = new Set(entries.map(({ id }) => id));
      for (const id of this.#arrived) if (!held.has(id)) this.#arrived.delete(id);
    }
    this.#compose(sessionId);
  }

  /** The stream has brought this event. True if it was shown ahead. */
  arrived(record: SessionRecord): boolean {
    const { id } = record;
    if (!this.#entries.some((entry) => entry.id === id)) return false;
    this.#arrived.add(id);
    this.#compose(envelopeOf(record).sessionId);
    return true;
  }

  #compose(sessionId: string): void {
    const known = new Map<string, EventItem | TerminalEntry>([...this.items, ...this.terminal].map((item) => [item.key, item]));
    const items: EventItem[] = [];
    const terminal: TerminalEntry[] = [];
    for (const { id, event, state, cause } of this.#entries) {
      if (this.#arrived.has(id)) continue;
      const isTerminal = event.type.startsWith('terminal:');
      const echo: EchoState = { state: state === 'failed' ? 'failed' : state === 'sent' ? 'sent' : 'pending', reason: state === 'failed' ? (cause?.message ?? null) : null };
      const before = known.get(`e:${id}`);
      if (before?.echo?.state === echo.state && before.echo.reason === echo.reason) {
        if (isTerminal) terminal.push(before as TerminalEntry);
        else items.push(before as EventItem);
        continue;
      }
      const record = {
        channel: isTerminal ? 'terminal' : WORKFLOW.test(event.type) ? 'workflow' : 'unknown',
        type: event.type,
        id,
        data: { ...(event.data as object), type: event.type, sessionId, timestamp: event.timestamp },
        offset: Infinity,
        cursor: null,
      } as unknown as SessionRecord;
      if (isTerminal) terminal.push({ ...terminalEntry(record), echo });
      // What the stream will bring as no item is none before.
      else if (isShown(record)) items.push({ ...eventItem(record), echo });
    }
    this.items = items;
    this.terminal = terminal;
  }
}
