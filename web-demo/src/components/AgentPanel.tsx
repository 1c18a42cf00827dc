// What the agents are doing, and who is watching.

import { count, duration } from '../app/format';
import { useSlice } from '../app/use-slice';
import type { Agent } from '../store/agents';
import type { PresentUser } from '../store/presence';
import type { SessionStore, Snapshot } from '../store/session-store';
import { RichText } from './RichText';

const selectAgents = (snapshot: Snapshot) => snapshot.agents;
const selectPresence = (snapshot: Snapshot) => snapshot.presence;

export function AgentPanel({ store }: { readonly store: SessionStore }) {
  const { agents, activeId, dropped } = useSlice(store, selectAgents);
  const presence = useSlice(store, selectPresence);
  const active = agents.find((agent) => agent.id === activeId) ?? agents[0];
  const others = agents.filter((agent) => agent !== active);
  return (
    <section className="panel agent" aria-labelledby="agent-title" data-testid="agent-panel">
      <h2 id="agent-title">Agent</h2>
      {active === undefined ? <p className="empty">No agent has reported yet.</p> : <AgentView agent={active} />}
      {others.length === 0 ? null : (
        <ul className="agent-others" aria-label="Other agents">
          {others.map((agent) => (
            <li key={agent.id}>
              <span className="agent-name">{agent.name ?? agent.id}</span>
              {agent.role === null ? null : <span className="muted">{agent.role}</span>}
              <span className={`chip chip-${agent.status}`}>{agent.status}</span>
            </li>
          ))}
        </ul>
      )}
      {dropped > 0 ? <p className="dropped">{count(dropped)} older agents not shown</p> : null}
      {presence.length === 0 ? null : <PresenceList users={presence} />}
    </section>
  );
}

function AgentView({ agent }: { readonly agent: Agent }) {
  return (
    <div className="agent-view">
      <p className="agent-line">
        <span className="agent-name">{agent.name ?? agent.id}</span>
        <span className={`chip chip-${agent.status}`} data-testid="agent-status">{agent.status}</span>
      </p>
      {agent.model === null ? null : <p className="muted agent-model">{agent.model}</p>}
      <Progress agent={agent} />
      <dl className="facts">
        {agent.currentTool === null ? null : <Fact name="Tool" value={agent.currentTool} />}
        {agent.message === null ? null : <Fact name="Now" value={agent.message} />}
        {agent.error === null ? null : <Fact name="Error" value={agent.error} />}
        {agent.usage?.inputTokens == null ? null : <Fact name="Tokens in" value={count(agent.usage.inputTokens)} />}
        {agent.usage?.outputTokens == null ? null : <Fact name="Tokens out" value={count(agent.usage.outputTokens)} />}
        {agent.costUsd === null ? null : <Fact name="Cost" value={`$${agent.costUsd.toFixed(agent.costUsd < 1 ? 3 : 2)}`} />}
        {agent.durationMs === null ? null : <Fact name="Took" value={duration(agent.durationMs)} />}
      </dl>
      {agent.plan === null ? null : (
        <details className="plan" open>
          <summary>Plan</summary>
          <RichText text={agent.plan} />
        </details>
      )}
    </div>
  );
}

function Progress({ agent }: { readonly agent: Agent }) {
  const { turn, maxTurns, progress } = agent;
  if (turn === null && progress === null) return null;
  // Producers write progress as a fraction or as a percentage.
  const part = progress === null ? null : progress > 1 ? progress / 100 : progress;
  return (
    <div className="agent-progress">
      <p className="agent-line">
        <span>{turn === null ? 'Progress' : `Turn ${turn}`}{maxTurns === null || turn === null ? null : <span className="muted"> of {maxTurns}</span>}</span>
        {part === null ? null : <span className="muted">{Math.round(part * 100)} %</span>}
      </p>
      {part !== null ? <progress value={part} max={1} aria-label="Progress" /> : maxTurns === null ? null : <progress value={turn ?? 0} max={maxTurns} aria-label="Turns" />}
    </div>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

const SHOWN_USERS = 12;

function PresenceList({ users }: { readonly users: readonly PresentUser[] }) {
  return (
    <div className="presence">
      <h3>Here now</h3>
      <ul>
        {users.slice(0, SHOWN_USERS).map((user) => (
          <li key={user.userId} title={user.activeFile ?? undefined}>
            <span className="avatar" aria-hidden="true">{(user.displayName ?? user.userId).slice(0, 1).toUpperCase()}</span>
            {user.displayName ?? user.userId}
          </li>
        ))}
        {users.length > SHOWN_USERS ? <li className="muted">and {count(users.length - SHOWN_USERS)} more</li> : null}
      </ul>
    </div>
  );
}
