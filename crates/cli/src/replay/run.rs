//! Maps a recorded run to the events of a session. Must not know files, servers or clocks: pauses are
//! numbers, and the caller gives ids and times.
//!
//! Per run: `agent:started`, `state:update` (running); per step: `agent:turn`, the thought as `chunk`s of one
//! message, `state:update` with the tool, `tool:start`, `tool:result`; at the end `state:update` (completed) and
//! `agent:completed`, or `agent:stopped` with the reason when the run was not submitted.

use durable_sessions_client::schema::{
    AgentCompletedPayload, AgentId, AgentStartedPayload, AgentStatus, AgentStoppedPayload, AgentTurnPayload,
    ChunkPayload, MessageId, Payload, RunId, StatePayload, ToolCallId, ToolCallPayload,
};
use serde_json::json;

use crate::event_ids::EventIds;

use super::pieces::pieces;
use super::trajectory::{Step, Trajectory};

/// Pause between two chunks of text, in milliseconds: a fast model's pace.
const CHUNK_PAUSE_MS: u64 = 45;
/// Pause before a step, while the model reads what came back.
const THINKING_PAUSE_MS: u64 = 600;
/// Pause for an action without a recorded time: a start-up, and some time per byte of output.
const ACTION_PAUSE_MS: u64 = 150;
const OUTPUT_BYTES_PER_MS: u64 = 20;
const ACTION_PAUSE_MS_MAX: u64 = 2_000;

/// A payload and the recorded pause before it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Draft {
    pub(super) pause_ms: u64,
    pub(super) payload: Payload,
}

/// Who acts, and the ids of this replay. They are its own, so that a file replayed twice into one session keeps
/// its calls apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) agent: &'a AgentId,
    pub(super) ids: &'a EventIds,
}

impl Names<'_> {
    fn run(&self) -> RunId {
        self.ids.named("run", 1)
    }
}

/// All events of `run`, in order.
pub(super) fn drafts(run: &Trajectory, names: Names<'_>) -> Vec<Draft> {
    let mut drafts = Drafts { list: Vec::new(), names };
    let turns = run.steps.len();
    let mut started = AgentStartedPayload::new(names.agent.clone(), names.run()).max_turns(count(turns));
    if let Some(model) = &run.model {
        started = started.model(model.clone());
    }
    drafts.add(0, Payload::AgentStarted(started));
    for (index, step) in run.steps.iter().enumerate() {
        drafts.step(index + 1, turns, step);
    }
    drafts.end(run, turns);
    drafts.list
}

struct Drafts<'n> {
    list: Vec<Draft>,
    names: Names<'n>,
}

impl Drafts<'_> {
    fn add(&mut self, pause_ms: u64, payload: Payload) {
        self.list.push(Draft { pause_ms, payload });
    }

    fn state(&self, status: AgentStatus, turn: usize, progress: f64) -> StatePayload {
        StatePayload::new(status).agent_id(self.names.agent.clone()).turn(count(turn)).progress(progress)
    }

    fn step(&mut self, turn: usize, turns: usize, step: &Step) {
        let names = self.names;
        let progress = (turn - 1) as f64 / turns as f64;
        let turn_began = AgentTurnPayload::new(names.agent.clone(), count(turn))
            .max_turns(count(turns))
            .remaining(count(turns - turn));
        self.add(THINKING_PAUSE_MS, Payload::AgentTurn(turn_began));
        self.add(0, Payload::StateUpdate(self.state(AgentStatus::Running, turn, progress)));
        let message = names.ids.named::<MessageId>("message", turn);
        for piece in pieces(&step.thought) {
            let chunk = ChunkPayload::new(piece)
                .agent_id(names.agent.clone())
                .turn(count(turn))
                .message_id(message.clone());
            self.add(CHUNK_PAUSE_MS, Payload::Chunk(chunk));
        }
        // A step in which the model only spoke, which formats allow: then there is nothing to pair either.
        if step.action.trim().is_empty() && step.observation.is_empty() {
            return;
        }
        // An observation without an action is what the environment said by itself.
        let tool = step.tool().unwrap_or("environment");
        let with_tool = self.state(AgentStatus::Running, turn, progress).current_tool(tool);
        self.add(CHUNK_PAUSE_MS, Payload::StateUpdate(with_tool));
        let call = names.ids.named::<ToolCallId>("call", turn);
        let start = ToolCallPayload::new(call.clone(), tool).input(json!({ "action": step.action }));
        self.add(0, Payload::ToolStart(start));
        let mut result = ToolCallPayload::new(call, tool).output(step.observation.clone());
        if let Some(duration_ms) = step.duration_ms {
            result = result.duration(duration_ms as f64);
        }
        self.add(step.duration_ms.unwrap_or_else(|| estimate_ms(step)), Payload::ToolResult(result));
    }

    fn end(&mut self, run: &Trajectory, turns: usize) {
        let (agent, run_id) = (self.names.agent.clone(), self.names.run());
        match &run.exit_status {
            // SWE-agent writes `submitted`, or `submitted (exit_cost)` and the like when a limit made it submit.
            Some(reason) if !reason.starts_with("submitted") => {
                let state = self.state(AgentStatus::Error, turns, 1.0).error(reason.clone());
                self.add(CHUNK_PAUSE_MS, Payload::StateUpdate(state));
                self.add(0, Payload::AgentStopped(AgentStoppedPayload::new(agent, run_id, reason.clone())));
            }
            _ => {
                let state = self.state(AgentStatus::Completed, turns, 1.0);
                self.add(CHUNK_PAUSE_MS, Payload::StateUpdate(state));
                let mut completed = AgentCompletedPayload::new(agent, run_id, count(turns));
                if let Some(usage) = &run.usage {
                    completed = completed.usage(usage.clone());
                }
                self.add(0, Payload::AgentCompleted(completed));
            }
        }
    }
}

fn count(number: usize) -> u64 {
    number as u64
}

/// How long an action without a recorded time pauses. Only the pause: an invented `duration` would be a claim
/// about the recorded run.
fn estimate_ms(step: &Step) -> u64 {
    (ACTION_PAUSE_MS + count(step.observation.len()) / OUTPUT_BYTES_PER_MS).min(ACTION_PAUSE_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(run: &Trajectory) -> Vec<Draft> {
        let ids = EventIds::random("test").unwrap();
        drafts(run, Names { agent: &"a".parse().unwrap(), ids: &ids })
    }

    fn step(thought: &str, action: &str, observation: &str, duration_ms: Option<u64>) -> Step {
        Step {
            thought: thought.to_owned(),
            action: action.to_owned(),
            observation: observation.to_owned(),
            duration_ms,
        }
    }

    fn run(steps: Vec<Step>, exit_status: &str) -> Trajectory {
        Trajectory { steps, exit_status: Some(exit_status.to_owned()), model: None, usage: None }
    }

    fn types(drafts: &[Draft]) -> Vec<&str> {
        drafts.iter().map(|draft| draft.payload.event_type()).collect()
    }

    #[test]
    fn a_step_becomes_a_turn_with_text_and_a_pair() {
        let run = run(vec![step("Look around.", "ls -F\n", "a\r\nb", Some(240))], "submitted");
        let drafts = all(&run);
        assert_eq!(
            types(&drafts),
            [
                "agent:started",
                "agent:turn",
                "state:update",
                "chunk",
                "state:update",
                "tool:start",
                "tool:result",
                "state:update",
                "agent:completed"
            ]
        );
        let Payload::ToolStart(start) = &drafts[5].payload else { panic!() };
        let Payload::ToolResult(result) = &drafts[6].payload else { panic!() };
        assert_eq!((start.tool.as_str(), start.id.as_str()), ("ls", result.id.as_str()));
        assert_eq!(start.input, Some(json!({ "action": "ls -F\n" })));
        assert_eq!(result.output, Some(json!("a\r\nb")));
        assert_eq!(result.duration, Some(240.0));
        assert_eq!(drafts[6].pause_ms, 240);
    }

    #[test]
    fn without_a_recorded_time_there_is_a_pause_and_no_duration() {
        let long = "x".repeat(1_000_000);
        let run = run(vec![step("", "cat x", &long, None)], "submitted");
        let drafts = all(&run);
        let draft = drafts.iter().find(|draft| draft.payload.event_type() == "tool:result").unwrap();
        let Payload::ToolResult(result) = &draft.payload else { panic!() };
        assert_eq!(result.duration, None);
        assert_eq!(draft.pause_ms, ACTION_PAUSE_MS_MAX);
    }

    #[test]
    fn a_run_that_was_not_submitted_was_stopped() {
        let run = run(vec![step("Only words.", " ", "", None)], "exit_cost");
        let drafts = all(&run);
        assert_eq!(
            types(&drafts),
            ["agent:started", "agent:turn", "state:update", "chunk", "state:update", "agent:stopped"]
        );
    }

    proptest! {
        #[test]
        fn texts_concatenate_and_calls_pair(
            steps in proptest::collection::vec(
                ("(?s)([a-z ]|👩‍🔬|\r\n|é|.){0,80}", "(?s)[a-z \n]{0,20}", "(?s).{0,40}", any::<Option<u32>>()), 0..8)
        ) {
            let steps: Vec<Step> =
                steps.iter().map(|(t, a, o, d)| step(t, a, o, d.map(u64::from))).collect();
            let drafts = all(&run(steps.clone(), "submitted"));
            let mut open: Option<ToolCallPayload> = None;
            let mut calls = std::collections::BTreeSet::new();
            let mut texts = vec![String::new(); steps.len()];
            for draft in &drafts {
                match &draft.payload {
                    Payload::Chunk(chunk) => {
                        prop_assert!(!chunk.text.is_empty());
                        texts[chunk.turn.unwrap() as usize - 1].push_str(&chunk.text);
                    }
                    Payload::ToolStart(start) => {
                        prop_assert!(open.replace(start.clone()).is_none());
                        prop_assert!(calls.insert(start.id.clone()), "unique call ids");
                    }
                    Payload::ToolResult(result) => {
                        let start = open.take().unwrap();
                        prop_assert_eq!((start.id, start.tool), (result.id.clone(), result.tool.clone()));
                    }
                    _ => {}
                }
            }
            prop_assert!(open.is_none());
            for (text, step) in texts.iter().zip(&steps) {
                prop_assert_eq!(text, &step.thought);
            }
            let with_call = steps.iter().filter(|s| !s.action.trim().is_empty() || !s.observation.is_empty());
            prop_assert_eq!(calls.len(), with_call.count());
        }
    }
}
