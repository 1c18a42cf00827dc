// What each agent is doing: status, tool, turn and progress, plan, totals. The latest word counts, so nothing grows
// with the length of the session but the number of agents, which is bounded.

import { type Fields, numberField, objectField, type SessionEvent, textField } from '../session/events';

export const AGENTS_MAX = 64;

export interface Usage {
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
}

export interface Agent {
  readonly id: string;
  readonly name: string | null;
  readonly role: string | null;
  readonly parentId: string | null;
  readonly status: string;
  readonly model: string | null;
  readonly turn: number | null;
  readonly maxTurns: number | null;
  readonly progress: number | null;
  readonly currentTool: string | null;
  readonly message: string | null;
  readonly error: string | null;
  readonly plan: string | null;
  readonly usage: Usage | null;
  readonly costUsd: number | null;
  readonly durationMs: number | null;
  readonly startedAt: number | null;
  readonly updatedAt: number;
}

export interface AgentsSnapshot {
  /** In the order of their first event. */
  readonly agents: readonly Agent[];
  /** The one that said something last. */
  readonly activeId: string | null;
  readonly dropped: number;
}

const UNNAMED = 'agent';

export class Agents {
  readonly #agents = new Map<string, Agent>();
  #activeId: string | null = null;
  #dropped = 0;
  #snapshot: AgentsSnapshot | null = null;

  snapshot(): AgentsSnapshot {
    this.#snapshot ??= { agents: [...this.#agents.values()], activeId: this.#activeId, dropped: this.#dropped };
    return this.#snapshot;
  }

  apply(event: SessionEvent): boolean {
    const change = changeFor(event);
    if (change === null) return false;
    const id = textField(event.data, 'agentId') ?? textField(event.data, 'taskId') ?? this.#activeId ?? UNNAMED;
    const known = this.#agents.get(id);
    if (known === undefined && this.#agents.size >= AGENTS_MAX) this.#dropOldest();
    this.#agents.set(id, { ...(known ?? blank(id)), ...change, updatedAt: event.timestamp });
    this.#activeId = id;
    this.#snapshot = null;
    return true;
  }

  #dropOldest(): void {
    const [oldest] = this.#agents.keys();
    if (oldest === undefined) return;
    this.#agents.delete(oldest);
    this.#dropped += 1;
  }
}

function blank(id: string): Agent {
  return {
    id,
    name: null,
    role: null,
    parentId: null,
    status: 'idle',
    model: null,
    turn: null,
    maxTurns: null,
    progress: null,
    currentTool: null,
    message: null,
    error: null,
    plan: null,
    usage: null,
    costUsd: null,
    durationMs: null,
    startedAt: null,
    updatedAt: 0,
  };
}

type Change = Partial<Agent>;

function changeFor({ type, data, timestamp }: SessionEvent): Change | null {
  const name = type.startsWith('container-agent:') ? type.replace('container-agent:', 'agent:') : type;
  switch (name) {
    case 'state:update':
      return {
        status: textField(data, 'status') ?? 'idle',
        currentTool: textField(data, 'currentTool'),
        message: textField(data, 'message'),
        error: textField(data, 'error'),
        ...present({ turn: numberField(data, 'turn'), progress: numberField(data, 'progress') }),
      };
    case 'agent:started':
      return {
        status: 'running',
        startedAt: timestamp,
        error: null,
        ...present({ model: textField(data, 'model'), maxTurns: numberField(data, 'maxTurns') }),
      };
    case 'agent:planning':
      return { message: 'planning', ...present({ model: textField(data, 'model') }) };
    case 'agent:plan_ready':
      return { plan: planText(data['plan']) };
    case 'agent:turn':
      return present({ turn: numberField(data, 'turn'), maxTurns: numberField(data, 'maxTurns'), usage: usageOf(data) });
    case 'agent:turn_limit':
      return present({ turn: numberField(data, 'turn'), maxTurns: numberField(data, 'maxTurns') });
    case 'agent:completed':
    case 'agent:complete':
      return { status: 'completed', currentTool: null, progress: null, ...present({ turn: numberField(data, 'turnCount'), usage: usageOf(data) }) };
    case 'agent:error':
      return { status: 'error', error: textField(data, 'error') };
    case 'agent:stopped':
    case 'agent:cancelled':
      return { status: 'paused', message: textField(data, 'reason') ?? 'stopped' };
    case 'agent:metrics':
      return present({
        costUsd: numberField(data, 'totalCostUsd'),
        durationMs: numberField(data, 'durationMs'),
        turn: numberField(data, 'numTurns'),
        usage: usageOf(data),
      });
    case 'agent:status':
      return { status: data['stage'] === 'running' ? 'running' : 'starting', message: textField(data, 'message') };
    case 'topology:agent_spawned':
      return { status: 'starting', name: textField(data, 'name'), role: textField(data, 'role'), parentId: textField(data, 'parentId') };
    case 'topology:agent_progress':
      return { status: 'running', ...present({ message: textField(data, 'summary'), durationMs: numberField(data, 'durationMs') }) };
    case 'topology:agent_completed':
      return { status: data['status'] === 'failed' ? 'error' : 'completed', ...present({ message: textField(data, 'summary') }) };
    default:
      return null;
  }
}

/** Fields that an event leaves out keep the value they had. */
function present(fields: Change): Change {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

function planText(plan: unknown): string | null {
  if (plan === undefined || plan === null) return null;
  return typeof plan === 'string' ? plan : JSON.stringify(plan, null, 2);
}

function usageOf(data: Fields): Usage | null {
  const usage = objectField(data, 'usage');
  if (usage === null) return null;
  return {
    inputTokens: numberField(usage, 'inputTokens') ?? numberField(usage, 'input_tokens'),
    outputTokens: numberField(usage, 'outputTokens') ?? numberField(usage, 'output_tokens'),
  };
}
