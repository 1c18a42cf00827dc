// Runs for the stand-in server: what is appended, and how long to wait before it.

import { readFile } from 'node:fs/promises';

const now = (event, waitMs = 0) => ({ waitMs, event });

export async function* chunksOf(text, data, waitMs = 30) {
  for (const part of text.match(/\S+\s*|\s+/g) ?? []) yield now({ type: 'chunk', data: { text: part, ...data } }, waitMs);
}

/** Every kind of row once. */
export async function* scriptedRun() {
  const agentId = 'demo-agent';
  yield now({ type: 'presence:joined', data: { userId: 'ada', displayName: 'Ada' } });
  yield now({ type: 'agent:started', data: { agentId, runId: 'r1', maxTurns: 8, model: 'scripted' } }, 200);
  yield now({ type: 'state:update', data: { agentId, status: 'running', turn: 1, progress: 0.1, message: 'reading the code' } });
  yield now({ type: 'agent:plan_ready', data: { agentId, runId: 'r1', plan: '1. List the files\n2. Find the failing test\n3. Fix it, then run the tests' } }, 300);
  for (let turn = 1; ; turn += 1) {
    yield now({ type: 'agent:turn', data: { agentId, turn, maxTurns: 8 } }, 400);
    yield now({ type: 'state:update', data: { agentId, status: 'running', turn, progress: Math.min(0.95, turn / 8), currentTool: 'bash' } });
    yield* chunksOf(`Turn ${turn}: I look for \`parse_event\` in the schema crate, since the failing test names it. **One thing at a time**:\n\n- the call sites\n- the test itself\n\n`, { agentId, turn, messageId: `m${turn}` });
    const id = `call-${turn}`;
    const command = 'cargo test -p durable-sessions-schema';
    yield now({ type: 'tool:start', data: { id, tool: 'bash', input: { command } } }, 100);
    yield now({ type: 'terminal:input', data: { data: `${command}\n`, source: 'agent' } });
    for (let i = 0; i < 14; i += 1) {
      const failed = turn % 3 === 2 && i === 9;
      yield now({ type: 'terminal:output', data: { data: `test parser::case_${i} ... ${failed ? '\u001b[31mFAILED\u001b[0m' : '\u001b[32mok\u001b[0m'}\r\n` } }, 90);
    }
    const isError = turn % 3 === 2;
    const output = Array.from({ length: 24 }, (_, i) => `test parser::case_${i} ... \u001b[${isError && i === 9 ? '31mFAILED' : '32mok'}\u001b[0m`).join('\r\n');
    if (isError) yield now({ type: 'terminal:error', data: { data: 'error: 1 test failed\r\n' } });
    yield now({ type: 'tool:result', data: { id, tool: 'bash', output, isError, duration: 1_260 + turn * 7 } }, 60);
    if (turn === 2) yield now({ type: 'agent:warning', data: { agentId, message: 'one test failed, trying again' } });
    if (turn === 8) break;
  }
  yield now({ type: 'agent:completed', data: { agentId, runId: 'r1', turnCount: 8, usage: { inputTokens: 18_204, outputTokens: 2_311 } } }, 300);
  yield now({ type: 'agent:metrics', data: { agentId, runId: 'r1', totalCostUsd: 0.084, durationMs: 38_200 } });
  yield now({ type: 'state:update', data: { agentId, status: 'completed', turn: 8, progress: 1 } });
}

/** A recorded run in the .traj format, at about the pace of reading. */
export async function* trajectoryRun(path) {
  const { trajectory } = JSON.parse(await readFile(path, 'utf8'));
  const agentId = 'swe-agent';
  yield now({ type: 'agent:started', data: { agentId, runId: 'r1', maxTurns: trajectory.length } });
  for (const [index, step] of trajectory.entries()) {
    const turn = index + 1;
    yield now({ type: 'agent:turn', data: { agentId, turn, maxTurns: trajectory.length } }, 200);
    yield now({ type: 'state:update', data: { agentId, status: 'running', turn, progress: turn / trajectory.length } });
    yield* chunksOf(step.thought, { agentId, turn, messageId: `m${turn}` }, 15);
    const id = `call-${turn}`;
    const tool = step.action.trim().split(/\s/)[0] || 'none';
    yield now({ type: 'tool:start', data: { id, tool, input: { action: step.action } } }, 60);
    yield now({ type: 'tool:result', data: { id, tool, output: step.observation, isError: false, duration: Math.round((step.execution_time ?? 0.3) * 1000) } }, (step.execution_time ?? 0.3) * 1000);
  }
  yield now({ type: 'agent:completed', data: { agentId, runId: 'r1', turnCount: trajectory.length } }, 100);
  yield now({ type: 'state:update', data: { agentId, status: 'completed', progress: 1 } });
}
