//! The `container-agent:*` extension: an agent that runs in a container and reports its own life. Must not know
//! the core events.

use crate::enums::{ContainerOutcome, ContainerStage, FileAction, MessageRole};
use crate::id::{SessionId, TaskId, ToolCallId, WorktreeId};
use crate::spec::Json;

payloads! {
    /// How far the set-up has come.
    ContainerStatusPayload {
        /// The task.
        task_id: TaskId = "taskId";
        /// The session, as the container knows it.
        session_id: SessionId = "sessionId";
        /// The stage.
        stage: ContainerStage = "stage";
        /// Something to show.
        message: String = "message";
    }
    /// The agent starts.
    ContainerStartedPayload {
        /// The task.
        task_id: TaskId = "taskId";
        /// The session, as the container knows it.
        session_id: SessionId = "sessionId";
        /// The model.
        model: String = "model";
        /// How many turns it has.
        max_turns: u64 = "maxTurns";
    }
    /// A piece of streaming text.
    ContainerTokenPayload {
        /// The task.
        task_id: TaskId = "taskId";
        /// The session, as the container knows it.
        session_id: SessionId = "sessionId";
        /// The text to append.
        delta: String = "delta";
    }
    /// A turn begins.
    ContainerTurnPayload {
        /// The task.
        task_id: TaskId = "taskId";
        /// The session, as the container knows it.
        session_id: SessionId = "sessionId";
        /// The turn, counted from 1.
        turn: u64 = "turn";
        /// How many turns it has.
        max_turns: u64 = "maxTurns";
        /// How many are left.
        remaining: u64 = "remaining";
    }
    /// A tool call starts.
    ContainerToolStartPayload {
        /// The task.
        task_id: TaskId = "taskId";
        /// The session, as the container knows it.
        session_id: SessionId = "sessionId";
        /// The tool's name.
        tool_name: String = "toolName";
        /// Pairs start and result.
        tool_id: ToolCallId = "toolId";
        /// What the tool was given.
        input: Json = "input";
    }
    /// A tool call returns.
    ContainerToolResultPayload {
        /// The task.
        task_id: TaskId = "taskId";
        /// The session, as the container knows it.
        session_id: SessionId = "sessionId";
        /// The tool's name.
        tool_name: String = "toolName";
        /// Pairs start and result.
        tool_id: ToolCallId = "toolId";
        /// What it returned.
        result: Json = "result";
        /// Whether it failed.
        is_error: bool = "isError";
        /// How long it took, in milliseconds.
        duration_ms: f64 = "durationMs";
    }
    /// A whole message.
    ContainerMessagePayload {
        /// The task.
        task_id: TaskId = "taskId";
        /// The session, as the container knows it.
        session_id: SessionId = "sessionId";
        /// Who says it.
        role: MessageRole = "role";
        /// The text.
        content: String = "content";
    }
    /// The run is over.
    ContainerCompletePayload {
        /// The task.
        task_id: TaskId = "taskId";
        /// The session, as the container knows it.
        session_id: SessionId = "sessionId";
        /// How it ended.
        status: ContainerOutcome = "status";
        /// How many turns it took.
        turn_count: u64 = "turnCount";
        /// The final text.
        result?: String = "result";
    }
    /// The run has failed.
    ContainerErrorPayload {
        /// The task.
        task_id: TaskId = "taskId";
        /// The session, as the container knows it.
        session_id: SessionId = "sessionId";
        /// What went wrong.
        error: String = "error";
        /// What went wrong, for programs.
        code?: String = "code";
        /// How many turns it took.
        turn_count: u64 = "turnCount";
    }
    /// The run was cancelled.
    ContainerCancelledPayload {
        /// The task.
        task_id: TaskId = "taskId";
        /// The session, as the container knows it.
        session_id: SessionId = "sessionId";
        /// How many turns it took.
        turn_count: u64 = "turnCount";
    }
    /// The agent has a plan.
    ContainerPlanReadyPayload {
        /// The task.
        task_id: TaskId = "taskId";
        /// The session, as the container knows it.
        session_id: SessionId = "sessionId";
        /// The plan.
        plan: String = "plan";
        /// How many turns it took.
        turn_count?: u64 = "turnCount";
    }
    /// The agent works in this worktree.
    ContainerWorktreePayload {
        /// The task.
        task_id: TaskId = "taskId";
        /// The session, as the container knows it.
        session_id: SessionId = "sessionId";
        /// The worktree.
        worktree_id: WorktreeId = "worktreeId";
        /// Its branch.
        branch: String = "branch";
        /// Where it is in the container.
        container_path: String = "containerPath";
    }
    /// The agent changed a file.
    ContainerFileChangedPayload {
        /// The task.
        task_id: TaskId = "taskId";
        /// The session, as the container knows it.
        session_id: SessionId = "sessionId";
        /// The file.
        path: String = "path";
        /// What happened to it.
        action: FileAction = "action";
        /// The tool that did it.
        tool_name: String = "toolName";
        /// Lines added.
        additions?: u64 = "additions";
        /// Lines deleted.
        deletions?: u64 = "deletions";
    }
}

macro_rules! container_agent_events {
    ([$next:ident $($more:ident)*] $($before:tt)*) => {
        $next! { [$($more)*] $($before)*
            /// How far the set-up has come.
            ContainerStatus "container-agent:status" ContainerAgent ContainerStatusPayload
                ("type" = "container-agent:status");
            /// The agent starts.
            ContainerStarted "container-agent:started" ContainerAgent ContainerStartedPayload
                ("type" = "container-agent:started");
            /// A piece of streaming text.
            ContainerToken "container-agent:token" ContainerAgent ContainerTokenPayload
                ("type" = "container-agent:token");
            /// A turn begins.
            ContainerTurn "container-agent:turn" ContainerAgent ContainerTurnPayload
                ("type" = "container-agent:turn");
            /// A tool call starts.
            ContainerToolStart "container-agent:tool:start" ContainerAgent ContainerToolStartPayload
                ("type" = "container-agent:tool:start");
            /// A tool call returns.
            ContainerToolResult "container-agent:tool:result" ContainerAgent ContainerToolResultPayload
                ("type" = "container-agent:tool:result");
            /// A whole message.
            ContainerMessage "container-agent:message" ContainerAgent ContainerMessagePayload
                ("type" = "container-agent:message");
            /// The run is over.
            ContainerComplete "container-agent:complete" ContainerAgent ContainerCompletePayload
                ("type" = "container-agent:complete");
            /// The run has failed.
            ContainerError "container-agent:error" ContainerAgent ContainerErrorPayload
                ("type" = "container-agent:error");
            /// The run was cancelled.
            ContainerCancelled "container-agent:cancelled" ContainerAgent ContainerCancelledPayload
                ("type" = "container-agent:cancelled");
            /// The agent has a plan.
            ContainerPlanReady "container-agent:plan_ready" ContainerAgent ContainerPlanReadyPayload
                ("type" = "container-agent:plan_ready");
            /// The agent works in this worktree.
            ContainerWorktree "container-agent:worktree" ContainerAgent ContainerWorktreePayload
                ("type" = "container-agent:worktree");
            /// The agent changed a file.
            ContainerFileChanged "container-agent:file_changed" ContainerAgent ContainerFileChangedPayload
                ("type" = "container-agent:file_changed");
        }
    };
}
