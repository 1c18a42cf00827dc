// Puts a snapshot together so that what did not change keeps its identity. Must not know where its parts come from.

import type { Echoes } from './echoes.js';
import type { Timeline } from './timeline.js';
import type { EventItem, GapItem, MessageItem, SessionSnapshot, TimelineItem, ToolCallItem } from './types.js';

const NOTHING: readonly never[] = Object.freeze([]);

/** What there is to see before anything was read. */
export function emptySnapshot(sessionId: string): SessionSnapshot {
  return {
    sessionId,
    items: NOTHING,
    messages: NOTHING,
    toolCalls: NOTHING,
    workflow: NOTHING,
    gaps: NOTHING,
    terminal: NOTHING,
    presence: NOTHING,
    agents: NOTHING,
    activeAgentId: null,
    connection: { state: 'disconnected', info: null, nextAttemptAt: null, lost: null, reconnects: 0 },
    rejected: { count: 0, recent: NOTHING },
    eventCount: 0,
    lastOffset: 0,
    truncated: false,
    truncatedCount: 0,
    earlier: 'none',
    closed: false,
  };
}

type Lists = 'items' | 'messages' | 'toolCalls' | 'workflow' | 'gaps' | 'terminal';

export interface ChangedLists {
  readonly timeline: Timeline;
  readonly echoes: Echoes;
  readonly gaps: readonly GapItem[];
}

/** The snapshot after `before`; `before` itself if nothing has changed. `lists` is null when no item has. */
export function composed(before: SessionSnapshot, lists: ChangedLists | null, rest: Omit<SessionSnapshot, Lists | 'sessionId'>): SessionSnapshot {
  const next = { ...before, ...rest, ...(lists === null ? null : listed(before, lists)) };
  const names = Object.keys(next) as (keyof SessionSnapshot)[];
  return names.every((name) => next[name] === before[name]) ? before : next;
}

function listed(before: SessionSnapshot, { timeline, echoes, gaps }: ChangedLists): Pick<SessionSnapshot, Lists> {
  const items = kept(before.items, [...timeline.items, ...echoes.items]);
  const terminal = kept(before.terminal, [...timeline.terminal, ...echoes.terminal]);
  if (items === before.items) {
    const { messages, toolCalls, workflow, gaps: known } = before;
    return { items, messages, toolCalls, workflow, gaps: known, terminal };
  }
  return {
    items,
    messages: kept(before.messages, items.filter((item): item is MessageItem => item.kind === 'message')),
    toolCalls: kept(before.toolCalls, items.filter((item): item is ToolCallItem => item.kind === 'tool')),
    workflow: kept(before.workflow, items.filter(isWorkflow)),
    gaps: kept(before.gaps, gaps),
    terminal,
  };
}

function isWorkflow(item: TimelineItem): item is EventItem {
  return item.kind === 'event' && item.record.channel === 'workflow';
}

/** `before` if it has the same members. */
function kept<T>(before: readonly T[], now: readonly T[]): readonly T[] {
  return before.length === now.length && now.every((item, i) => item === before[i]) ? before : now;
}
