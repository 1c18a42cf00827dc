// What each agent is doing. Every field has the latest word about it, by offset: events may be applied in any order,
// because history is read after the fact. Must not know where events come from.

import type { SessionRecord } from '../types.js';
import type { AgentView } from './types.js';

const AGENTS_MAX = 256;
const UNNAMED = 'agent';

type Field = Exclude<keyof AgentView, 'agentId'>;
type Change = Partial<Pick<AgentView, Field>>;

interface Agent {
  view: AgentView;
  /** Offset of its first event. */
  first: number;
  /** Offset of the event that each field is from. */
  readonly from: Partial<Record<Field, number>>;
}

export class Agents {
  readonly #agents = new Map<string, Agent>();
  #active: string | null = null;
  #activeOffset = 0;
  #snapshot: readonly AgentView[] = [];
  #dirty = false;

  get activeId(): string | null {
    return this.#active;
  }

  snapshot(): readonly AgentView[] {
    if (this.#dirty) this.#snapshot = [...this.#agents.values()].sort((a, b) => a.first - b.first).map(({ view }) => view);
    this.#dirty = false;
    return this.#snapshot;
  }

  apply(record: SessionRecord): void {
    const change = changeOf(record);
    if (change === null) return;
    const { agentId, taskId, timestamp } = record.data as { agentId?: string; taskId?: string; timestamp: number };
    const id = agentId ?? taskId ?? this.#active ?? UNNAMED;
    let agent = this.#agents.get(id);
    if (agent === undefined) {
      if (this.#agents.size >= AGENTS_MAX) this.#forgetOldest();
      agent = { view: blank(id), first: record.offset, from: {} };
      this.#agents.set(id, agent);
      this.#dirty = true;
    } else if (record.offset < agent.first) {
      agent.first = record.offset;
      this.#dirty = true;
    }
    const { view, from } = agent;
    const newer = Object.entries({ ...change, updatedAt: timestamp }).filter(
      ([name, value]) => value !== undefined && record.offset >= (from[name as Field] ?? 0) && view[name as Field] !== value,
    );
    for (const name of Object.keys(change) as Field[]) {
      if (change[name] !== undefined) from[name] = Math.max(from[name] ?? 0, record.offset);
    }
    from.updatedAt = Math.max(from.updatedAt ?? 0, record.offset);
    if (newer.length > 0) {
      agent.view = { ...view, ...(Object.fromEntries(newer) as Change) };
      this.#dirty = true;
    }
    if (record.offset >= this.#activeOffset) {
      this.#active = id;
      this.#activeOffset = record.offset;
    }
  }

  #forgetOldest(): void {
    for (const id of this.#agents.keys()) {
      if (id === this.#active) continue;
      this.#agents.delete(id);
      return;
    }
  }
}

function blank(agentId: string): AgentView {
  const unknown = { name: null, role: null, parentId: null, model: null, runId: null, taskId: null, turn: null, maxTurns: null, progress: null, currentTool: null };
  return { agentId, status: 'idle', ...unknown, message: null, error: null, plan: null, usage: null, costUsd: null, durationMs: null, startedAt: null, updatedAt: 0 };
}

/** What an event says about its agent; fields that are undefined say nothing. */
function changeOf(record: SessionRecord): { [Name in keyof Change]: Change[Name] | undefined } | null {
  const data = record.data as unknown as Record<string, never>;
  const { runId, model, maxTurns, turn, usage, taskId } = data;
  switch (record.type.replace(/^container-agent:/, 'agent:')) {
    case 'state:update':
      // A state is whole: a tool, a message or an error that it does not name is over.
      return { status: data['status'], taskId, turn, progress: data['progress'], currentTool: data['currentTool'] ?? null, message: data['message'] ?? null, error: data['error'] ?? null };
    case 'agent:started':
      return { status: 'running', startedAt: record.data.timestamp, error: null, runId, model, maxTurns, taskId };
    case 'agent:planning':
      return { message: 'planning', runId, model };
    case 'agent:plan_ready':
      return { plan: data['plan'], runId };
    case 'agent:turn':
    case 'agent:turn_limit':
      return { turn, maxTurns, usage };
    case 'agent:completed':
    case 'agent:complete':
      return { status: 'completed', currentTool: null, progress: null, turn: data['turnCount'], usage, runId };
    case 'agent:error':
      return { status: 'error', error: data['error'], runId };
    case 'agent:stopped':
    case 'agent:cancelled':
      return { status: 'paused', message: data['reason'] ?? 'stopped', runId };
    case 'agent:metrics':
      return { costUsd: data['totalCostUsd'], durationMs: data['durationMs'], turn: data['numTurns'], usage, runId };
    case 'agent:status':
      return { status: data['stage'] === 'running' ? 'running' : 'starting', message: data['message'], taskId };
    case 'topology:agent_spawned':
      return { status: 'starting', name: data['name'], role: data['role'], parentId: data['parentId'], taskId };
    case 'topology:agent_progress':
      return { status: 'running', message: data['summary'], durationMs: data['durationMs'] };
    case 'topology:agent_completed':
      return { status: data['status'] === 'failed' ? 'error' : 'completed', message: data['summary'], durationMs: data['durationMs'] };
    default:
      return null;
  }
}
