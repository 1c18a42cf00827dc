//! The closed enums of the catalogue. Must not know which event uses which.

use crate::spec::EnumSpec;

closed_enums! {
    /// What an agent is doing.
    AgentStatus {
        /// Nothing to do.
        Idle = "idle",
        /// Being set up.
        Starting = "starting",
        /// At work.
        Running = "running",
        /// Waiting for a person.
        Paused = "paused",
        /// Failed.
        Error = "error",
        /// Done.
        Completed = "completed",
    }
    /// Where a tool call stands.
    ToolStatus {
        /// Announced, not yet started.
        Pending = "pending",
        /// Started.
        Running = "running",
        /// Returned.
        Complete = "complete",
        /// Failed.
        Error = "error",
    }
    /// Where a session stands. `closed` is final.
    SessionStatus {
        /// Created.
        Idle = "idle",
        /// Being set up.
        Initializing = "initializing",
        /// Live.
        Active = "active",
        /// Suspended.
        Paused = "paused",
        /// Being closed.
        Closing = "closing",
        /// Closed for good.
        Closed = "closed",
        /// Failed.
        Error = "error",
    }
    /// Who wrote to the terminal.
    TerminalSource {
        /// A person.
        User = "user",
        /// The agent.
        Agent = "agent",
        /// The system.
        System = "system",
    }
    /// What happened to a presence.
    PresenceAction {
        /// A user came.
        Joined = "joined",
        /// A user went.
        Left = "left",
        /// A user moved the cursor.
        Cursor = "cursor",
        /// A user has not been heard of for too long.
        Timeout = "timeout",
    }
    /// Which way terminal text went.
    TerminalDirection {
        /// Typed.
        Input = "input",
        /// Printed.
        Output = "output",
        /// Printed as an error.
        Error = "error",
    }
    /// How far the set-up of a container has come.
    ContainerStage {
        /// Getting ready.
        Initializing = "initializing",
        /// Checking the request.
        Validating = "validating",
        /// Fetching credentials.
        Credentials = "credentials",
        /// Installing skills.
        InjectingSkills = "injecting_skills",
        /// Starting the sandbox.
        CreatingSandbox = "creating_sandbox",
        /// Starting the agent.
        Executing = "executing",
        /// The agent is at work.
        Running = "running",
    }
    /// How a container agent's run ended.
    ContainerOutcome {
        /// It finished.
        Completed = "completed",
        /// It used up its turns.
        TurnLimit = "turn_limit",
        /// It was cancelled.
        Cancelled = "cancelled",
    }
    /// Who says a message.
    MessageRole {
        /// A person.
        User = "user",
        /// The model.
        Assistant = "assistant",
        /// The system prompt.
        System = "system",
    }
    /// What happened to a file.
    FileAction {
        /// It is new.
        Create = "create",
        /// It has changed.
        Modify = "modify",
        /// It is gone.
        Delete = "delete",
    }
    /// How a spawned agent ended.
    TopologyOutcome {
        /// It finished.
        Completed = "completed",
        /// It failed.
        Failed = "failed",
        /// It was stopped.
        Stopped = "stopped",
    }
    /// What part of a message an event carries.
    PartType {
        /// Text begins.
        ChunkStart = "chunk_start",
        /// Text goes on.
        ChunkDelta = "chunk_delta",
        /// Text is complete.
        ChunkEnd = "chunk_end",
        /// A tool call begins.
        ToolStart = "tool_start",
        /// A tool call returns.
        ToolResult = "tool_result",
        /// A tool call fails.
        ToolError = "tool_error",
        /// The system speaks.
        System = "system",
        /// Something starts or ends.
        Lifecycle = "lifecycle",
        /// A file changes.
        Diff = "diff",
    }
    /// Whether an event is kept.
    Durability {
        /// It is not stored.
        Transient = "transient",
        /// It is stored.
        Durable = "durable",
    }
}

/// A string that is not in a closed enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {}", .0.values.join(", "))]
pub struct NotInEnum(pub &'static EnumSpec);
