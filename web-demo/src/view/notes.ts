// What a lifecycle, workflow or presence event says in one line. Events that other parts of the page show (state,
// terminal, metrics of the agent panel) are no items of the store's timeline.

import type { SessionRecord } from 'durable-sessions';

import { type Fields, numberField, objectField, textField } from '../session/fields';

export type Tone = 'plain' | 'good' | 'warn' | 'bad';

export interface Note {
  readonly title: string;
  readonly detail: string | null;
  readonly tone: Tone;
}

type Writer = (data: Fields) => Note | null;

const note = (title: string, detail: string | null = null, tone: Tone = 'plain'): Note => ({ title, detail, tone });
const join = (...parts: (string | null)[]): string | null => parts.filter((part) => part !== null && part !== '').join(' · ') || null;
const labelled = (label: string, value: string | number | null): string | null => (value === null ? null : `${label} ${value}`);
const who = (data: Fields): string => textField(data, 'displayName') ?? textField(data, 'userId') ?? 'someone';

function workflow(title: string, tone: Tone = 'plain'): Writer {
  return (data) => {
    const payload = objectField(data, 'payload') ?? {};
    const about = textField(payload, 'title') ?? textField(payload, 'branch') ?? textField(payload, 'reason') ?? textField(payload, 'message');
    return note(title, join(textField(data, 'actor'), about, labelled('task', textField(data, 'taskId'))), tone);
  };
}

const WRITERS: Readonly<Record<string, Writer>> = {
  'agent:started': (data) =>
    note('Agent started', join(textField(data, 'agentId'), textField(data, 'model'), labelled('up to', numberField(data, 'maxTurns'))?.concat(' turns') ?? null), 'good'),
  'agent:planning': (data) => note('Planning', join(textField(data, 'agentId'), textField(data, 'model'))),
  'agent:plan_ready': (data) => note('Plan ready', typeof data['plan'] === 'string' ? data['plan'] : null),
  'agent:turn_limit': (data) => note('Turn limit reached', labelled('after turn', numberField(data, 'turn')), 'warn'),
  'agent:completed': (data) => note('Agent completed', labelled('turns:', numberField(data, 'turnCount')), 'good'),
  'agent:error': (data) => note('Agent error', textField(data, 'error'), 'bad'),
  'agent:warning': (data) => note('Warning', textField(data, 'message') ?? textField(data, 'warning'), 'warn'),
  'agent:stopped': (data) => note('Agent stopped', textField(data, 'reason'), 'warn'),
  'agent:compacted': (data) => note('Context compacted', join(textField(data, 'trigger'), labelled('tokens before:', numberField(data, 'preTokens')))),
  'agent:rate_limit': (data) => note('Rate limit', textField(data, 'status'), 'warn'),
  'state:update': (data) => note('State: error', textField(data, 'error'), 'bad'),
  'presence:joined': (data) => note(`${who(data)} joined`),
  'presence:left': (data) => note(`${who(data)} left`),
  'presence:timeout': (data) => note(`${who(data)} timed out`),
  'approval:requested': workflow('Approval requested', 'warn'),
  'approval:approved': workflow('Approved', 'good'),
  'approval:rejected': workflow('Rejected by reviewer', 'bad'),
  'agent:resumed': workflow('Agent resumed'),
  'worktree:created': workflow('Worktree created'),
  'worktree:merged': workflow('Worktree merged', 'good'),
  'worktree:removed': workflow('Worktree removed'),
  'container-agent:status': (data) => note(textField(data, 'message') ?? 'Container agent', textField(data, 'stage')),
  'container-agent:started': (data) => note('Container agent started', textField(data, 'model'), 'good'),
  'container-agent:complete': (data) => note('Container agent finished', join(textField(data, 'status'), textField(data, 'result')), 'good'),
  'container-agent:error': (data) => note('Container agent error', join(textField(data, 'error'), textField(data, 'code')), 'bad'),
  'container-agent:cancelled': (data) => note('Container agent cancelled', labelled('turns:', numberField(data, 'turnCount')), 'warn'),
  'container-agent:plan_ready': (data) => note('Plan ready', textField(data, 'plan')),
  'container-agent:worktree': (data) => note('Worktree', textField(data, 'branch')),
  'container-agent:file_changed': (data) =>
    note(textField(data, 'path') ?? 'file', join(textField(data, 'action'), labelled('+', numberField(data, 'additions')), labelled('−', numberField(data, 'deletions')))),
  'topology:agent_spawned': (data) => note(`${textField(data, 'name') ?? 'Agent'} spawned`, join(textField(data, 'role'), labelled('by', textField(data, 'parentId')))),
  'topology:agent_completed': (data) =>
    note(`${textField(data, 'agentId') ?? 'Agent'} ${textField(data, 'status') ?? 'completed'}`, textField(data, 'summary'), data['status'] === 'failed' ? 'bad' : 'good'),
};

const UNKNOWN_DETAIL_CHARS_MAX = 400;

export function noteFor({ type, data }: SessionRecord): Note {
  const fields = data as unknown as Fields;
  const written = WRITERS[type]?.(fields) ?? null;
  if (written !== null) return written;
  // A type of the application's own: shown as it is, because dropping it silently would look like a lost event.
  const { sessionId: _sessionId, timestamp: _timestamp, type: _type, ...own } = fields;
  const text = JSON.stringify(own);
  const detail = text.length > UNKNOWN_DETAIL_CHARS_MAX ? `${text.slice(0, UNKNOWN_DETAIL_CHARS_MAX)}…` : text;
  return note(type, detail);
}
