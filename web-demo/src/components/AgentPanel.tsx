// What the agents are doing.

import { useSession } from 'durable-sessions/react';
import type { AgentView } from 'durable-sessions/store';

import { count, duration } from '../app/format';
import { numberField } from '../session/fields';
import { RichText } from './RichText';

export function AgentPanel({ session }: { readonly session: string }) {
  const agents = useSession(session, (snapshot) => snapshot.agents);
  const activeId = useSession(session, (snapshot) => snapshot.activeAgentId);
  const active = agents.find((agent) => agent.agentId === activeId) ?? agents[0];
  const others = agents.filter((agent) => agent !== active);
  return (
    <section className="panel agent" aria-labelledby="agent-title" data-testid="agent-panel">
      <h2 id="agent-title">Agent</h2>
      {active === undefined ? <p className="empty">No agent has reported yet.</p> : <AgentDetails agent={active} />}
      {others.length === 0 ? null : (
        <ul className="agent-others" aria-label="Other agents">
          {others.map((agent) => (
            <li key={agent.agentId}>
              <span className="agent-name">{agent.name ?? agent.agentId}</span>
              {agent.role === null ? null : <span className="muted">{agent.role}</span>}
              <span className={`chip chip-${agent.status}`}>{agent.status}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function AgentDetails({ agent }: { readonly agent: AgentView }) {
  const tokensIn = tokens(agent, 'input');
  const tokensOut = tokens(agent, 'output');
  return (
    <div className="agent-view">
      <p className="agent-line">
        <span className="agent-name">{agent.name ?? agent.agentId}</span>
        <span className={`chip chip-${agent.status}`} data-testid="agent-status">{agent.status}</span>
      </p>
      {agent.model === null ? null : <p className="muted agent-model">{agent.model}</p>}
      <Progress agent={agent} />
      <dl className="facts">
        {agent.currentTool === null ? null : <Fact name="Tool" value={agent.currentTool} />}
        {agent.message === null ? null : <Fact name="Now" value={agent.message} />}
        {agent.error === null ? null : <Fact name="Error" value={agent.error} />}
        {tokensIn === null ? null : <Fact name="Tokens in" value={count(tokensIn)} />}
        {tokensOut === null ? null : <Fact name="Tokens out" value={count(tokensOut)} />}
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

function Progress({ agent }: { readonly agent: AgentView }) {
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

/** Producers write `inputTokens` or, as the models' own interfaces do, `input_tokens`. */
function tokens({ usage }: AgentView, way: 'input' | 'output'): number | null {
  return usage === null ? null : (numberField(usage, `${way}Tokens`) ?? numberField(usage, `${way}_tokens`));
}
