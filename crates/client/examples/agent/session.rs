//! The session that the agent fills: events go out through the native client. Must not know what the agent does.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use durable_sessions_client::protocol::{InvalidProducer, StreamPath};
use durable_sessions_client::schema::{
    AgentCompletedPayload, AgentErrorPayload, AgentId, AgentMetricsPayload, AgentPlanReadyPayload,
    AgentPlanningPayload, AgentStartedPayload, AgentStatus, AgentStoppedPayload, AgentTurnPayload,
    ChunkPayload, Event, EventId, MalformedId, MessageId, Payload, PresencePayload, RunId, SessionId,
    StatePayload, ToolCallId, ToolCallPayload, UserId,
};
use durable_sessions_client::{AppendError, BuildError, Client, CreateError, Producer, ProducerError};
use serde_json::Value;

use crate::arguments::Arguments;

const AGENT: &str = "example-agent";
/// A piece of text ends at the first space after this many bytes: mostly one word.
const PIECE_LEN_AIM: usize = 2;
/// Pause before a turn, in pieces of text.
const PIECES_THOUGHT: u32 = 8;

/// Why the session does not take events.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// `--session` is no id.
    #[error("--session {id}: {reason}")]
    Id { id: String, reason: MalformedId },
    /// An id of our own making is none, which cannot be.
    #[error("an id of the agent's own: {0}")]
    MintedId(MalformedId),
    /// A producer's id of our own making is none, which cannot be.
    #[error("an id of the agent's own: {0}")]
    MintedProducer(InvalidProducer),
    /// The client cannot be set up.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The session cannot be created.
    #[error("cannot create the session: {0}")]
    Create(#[from] CreateError),
    /// An event was not acknowledged.
    #[error("an event was not delivered: {0}")]
    Append(#[from] ProducerError),
    /// The session cannot be closed.
    #[error("cannot close the session: {0}")]
    Close(#[from] AppendError),
}

/// A tool call that runs.
pub(crate) struct ToolCall {
    id: ToolCallId,
    tool: String,
    began: Instant,
}

/// An open session, and where the agent's run stands.
pub(crate) struct Session {
    client: Client,
    path: StreamPath,
    id: SessionId,
    producer: Producer,
    agent: AgentId,
    run: RunId,
    /// Messages and calls so far.
    minted: u64,
    /// Events so far.
    events: u64,
    turn: u64,
    turns: u64,
    pace: Duration,
    began: Instant,
}

impl Session {
    /// Creates the session, joins it and starts the run.
    pub(crate) async fn open(arguments: &Arguments, turns: u64) -> Result<Self, SessionError> {
        // The time names the session and this run of the agent in it.
        let run = format!("agent-{}", now_ms());
        let id = arguments.session.clone().unwrap_or_else(|| run.clone());
        let id: SessionId = id.parse().map_err(|reason| SessionError::Id { id, reason })?;
        let mut builder = Client::builder(&arguments.url);
        if let Some(token) = &arguments.token {
            builder = builder.token(token);
        }
        let client = builder.build()?;
        let path = Client::session(&id);
        client.create(&path).await?;
        let mut session = Self {
            producer: client.producer(&path, run.parse().map_err(SessionError::MintedProducer)?),
            agent: AGENT.parse().map_err(SessionError::MintedId)?,
            run: run.parse().map_err(SessionError::MintedId)?,
            client,
            path,
            id,
            minted: 0,
            events: 0,
            turn: 0,
            turns,
            pace: arguments.pace,
            began: Instant::now(),
        };
        session.presence(Payload::PresenceJoined).await?;
        let started = AgentStartedPayload::new(session.agent.clone(), session.run.clone()).max_turns(turns);
        session.send(Payload::AgentStarted(started.phase("planning"))).await?;
        let planning = AgentPlanningPayload::new(session.agent.clone(), session.run.clone());
        session.send(Payload::AgentPlanning(planning)).await?;
        session.state(AgentStatus::Starting, None).await?;
        Ok(session)
    }

    /// The session's id.
    pub(crate) fn id(&self) -> &str {
        self.id.as_str()
    }

    /// Says a text in small pieces, as a model would.
    pub(crate) async fn say(&mut self, text: &str) -> Result<(), SessionError> {
        self.minted += 1;
        let message: MessageId = self.named("message", self.minted)?;
        for piece in pieces(text) {
            let mut chunk = ChunkPayload::new(piece).agent_id(self.agent.clone()).message_id(message.clone());
            chunk.turn = (self.turn > 0).then_some(self.turn);
            self.send(Payload::Chunk(chunk)).await?;
            tokio::time::sleep(self.pace).await;
        }
        Ok(())
    }

    /// Shows the plan and begins to work.
    pub(crate) async fn plan(&mut self, plan: &str) -> Result<(), SessionError> {
        let ready = AgentPlanReadyPayload::new(self.agent.clone(), self.run.clone(), plan);
        self.send(Payload::AgentPlanReady(ready)).await
    }

    /// Begins a turn.
    pub(crate) async fn turn(&mut self, turn: u64) -> Result<(), SessionError> {
        tokio::time::sleep(self.pace * PIECES_THOUGHT).await;
        self.turn = turn;
        let payload = AgentTurnPayload::new(self.agent.clone(), turn)
            .max_turns(self.turns)
            .remaining(self.turns.saturating_sub(turn));
        self.send(Payload::AgentTurn(payload)).await?;
        self.state(AgentStatus::Running, None).await
    }

    /// Says that a tool is at work, for one that writes its own events.
    pub(crate) async fn using(&mut self, tool: &str) -> Result<(), SessionError> {
        self.state(AgentStatus::Running, Some(tool)).await
    }

    /// Starts a tool call.
    pub(crate) async fn start_tool(&mut self, tool: &str, input: Value) -> Result<ToolCall, SessionError> {
        self.using(tool).await?;
        self.minted += 1;
        let call =
            ToolCall { id: self.named("call", self.minted)?, tool: tool.to_owned(), began: Instant::now() };
        let start = ToolCallPayload::new(call.id.clone(), tool).input(input);
        self.send(Payload::ToolStart(start)).await?;
        Ok(call)
    }

    /// Ends a tool call with what it returned and how long it took.
    pub(crate) async fn end_tool(
        &mut self,
        call: ToolCall,
        output: Value,
        is_error: bool,
    ) -> Result<(), SessionError> {
        let took_ms = milliseconds(call.began.elapsed());
        let result =
            ToolCallPayload::new(call.id, call.tool).output(output).is_error(is_error).duration(took_ms);
        self.send(Payload::ToolResult(result)).await
    }

    /// Ends the run well.
    pub(crate) async fn complete(&mut self) -> Result<(), SessionError> {
        let state = StatePayload::new(AgentStatus::Completed)
            .agent_id(self.agent.clone())
            .turn(self.turn)
            .progress(1.0);
        self.send(Payload::StateUpdate(state)).await?;
        let metrics = AgentMetricsPayload::new(self.agent.clone(), self.run.clone())
            .duration_ms(milliseconds(self.began.elapsed()))
            .num_turns(self.turn);
        self.send(Payload::AgentMetrics(metrics)).await?;
        let completed = AgentCompletedPayload::new(self.agent.clone(), self.run.clone(), self.turn);
        self.send(Payload::AgentCompleted(completed)).await
    }

    /// Ends the run with an error.
    pub(crate) async fn fail(&mut self, error: &str) -> Result<(), SessionError> {
        let state =
            StatePayload::new(AgentStatus::Error).agent_id(self.agent.clone()).turn(self.turn).error(error);
        self.send(Payload::StateUpdate(state)).await?;
        let failed = AgentErrorPayload::new(self.agent.clone(), error).run_id(self.run.clone());
        self.send(Payload::AgentError(failed)).await
    }

    /// Ends the run before its end.
    pub(crate) async fn stop(&mut self, reason: &str) -> Result<(), SessionError> {
        self.state(AgentStatus::Idle, None).await?;
        let stopped = AgentStoppedPayload::new(self.agent.clone(), self.run.clone(), reason);
        self.send(Payload::AgentStopped(stopped)).await
    }

    /// Leaves the session, and closes it when asked to.
    pub(crate) async fn leave(mut self, close: bool) -> Result<(), SessionError> {
        self.presence(Payload::PresenceLeft).await?;
        self.producer.close().await?;
        if close {
            self.client.close(&self.path).await?;
        }
        Ok(())
    }

    async fn presence(
        &mut self,
        action: impl FnOnce(PresencePayload) -> Payload,
    ) -> Result<(), SessionError> {
        let user: UserId = self.agent.as_str().parse().map_err(SessionError::MintedId)?;
        self.send(action(PresencePayload::new(user).display_name("Example agent"))).await
    }

    async fn state(&mut self, status: AgentStatus, tool: Option<&str>) -> Result<(), SessionError> {
        let progress = self.turn.saturating_sub(1) as f64 / self.turns as f64;
        let mut state = StatePayload::new(status).agent_id(self.agent.clone()).progress(progress);
        state.turn = (self.turn > 0).then_some(self.turn);
        if let Some(tool) = tool {
            state = state.current_tool(tool);
        }
        self.send(Payload::StateUpdate(state)).await
    }

    async fn send(&mut self, payload: Payload) -> Result<(), SessionError> {
        self.events += 1;
        let id: EventId = self.named("event", self.events)?;
        self.producer.append_event(&Event::new(id, now_ms(), payload)).await?;
        Ok(())
    }

    fn named<Id: TryFrom<String, Error = MalformedId>>(
        &self,
        kind: &str,
        number: u64,
    ) -> Result<Id, SessionError> {
        Id::try_from(format!("{}-{kind}-{number}", self.run)).map_err(SessionError::MintedId)
    }
}

/// Cuts a text behind spaces. The script's texts are plain enough for that.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let cut = rest
            .char_indices()
            .find(|&(at, c)| c == ' ' && at >= PIECE_LEN_AIM)
            .map_or(rest.len(), |(at, _)| at + 1);
        let (piece, after) = rest.split_at(cut);
        rest = after;
        Some(piece)
    })
}

/// To the microsecond.
fn milliseconds(took: Duration) -> f64 {
    took.as_micros() as f64 / 1000.0
}

fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
