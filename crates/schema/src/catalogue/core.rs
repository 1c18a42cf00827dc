//! The core session events. Must not know the extensions.

use crate::enums::{AgentStatus, TerminalSource};
use crate::id::{AgentId, MessageId, RunId, TaskId, ToolCallId, UserId};
use crate::spec::{Json, JsonObject};

payloads! {
    /// A piece of streaming text. The full text is the concatenation of the pieces: `accumulated`, which older
    /// writers repeat in each piece, is dropped.
    ChunkPayload ignoring ["accumulated"] {
        /// The text to append.
        text: String = "text" | "delta";
        /// The agent that speaks.
        agent_id?: AgentId = "agentId";
        /// The turn it speaks in.
        turn?: u64 = "turn";
        /// The message that the text belongs to.
        message_id?: MessageId = "messageId";
    }
    /// A tool call, when it starts and when it returns.
    ToolCallPayload {
        /// Pairs start and result.
        id: ToolCallId = "id" | "toolId" | "toolCallId";
        /// The tool's name.
        tool: String = "tool" | "toolName";
        /// What the tool was given.
        input?: Json = "input";
        /// What it returned.
        output?: Json = "output" | "result";
        /// Whether it failed.
        is_error?: bool = "isError";
        /// How long it took, in milliseconds.
        duration?: f64 = "duration" | "durationMs";
    }
    /// Someone came, went, moved, or has not been heard of.
    PresencePayload {
        /// Who.
        user_id: UserId = "userId";
        /// The name to show.
        display_name?: String = "displayName";
        /// The picture to show.
        avatar_url?: String = "avatarUrl";
        /// Where the user points.
        cursor?: CursorPosition = "cursor";
        /// The file the user looks at.
        active_file?: String = "activeFile";
    }
    /// A point on the page.
    CursorPosition {
        /// From the left.
        x: f64 = "x";
        /// From the top.
        y: f64 = "y";
    }
    /// Terminal text.
    TerminalPayload {
        /// The text, control sequences included.
        data: String = "data";
        /// Who wrote it.
        source?: TerminalSource = "source";
    }
    /// A step of a workflow: an approval, a resumption, a worktree.
    WorkflowPayload {
        /// The task concerned.
        task_id?: TaskId = "taskId";
        /// Who did it.
        actor?: String = "actor";
        /// What the step carries.
        payload: JsonObject = "payload";
    }
    /// What an agent is doing.
    StatePayload {
        /// The agent.
        agent_id?: AgentId = "agentId";
        /// Its state.
        status: AgentStatus = "status";
        /// The task it works on.
        task_id?: TaskId = "taskId";
        /// The turn it is in.
        turn?: u64 = "turn";
        /// How far it has come.
        progress?: f64 = "progress";
        /// The tool it uses.
        current_tool?: String = "currentTool";
        /// Something to show.
        message?: String = "message";
        /// What went wrong.
        error?: String = "error";
    }
    /// An agent's run begins.
    AgentStartedPayload {
        /// The agent.
        agent_id: AgentId = "agentId";
        /// The run.
        run_id: RunId = "runId";
        /// How many turns it has.
        max_turns?: u64 = "maxTurns";
        /// The model.
        model?: String = "model";
        /// The phase of the run.
        phase?: String = "phase";
    }
    /// An agent is planning.
    AgentPlanningPayload {
        /// The agent.
        agent_id: AgentId = "agentId";
        /// The run.
        run_id: RunId = "runId";
        /// The model.
        model?: String = "model";
    }
    /// An agent has a plan.
    AgentPlanReadyPayload {
        /// The agent.
        agent_id: AgentId = "agentId";
        /// The run.
        run_id: RunId = "runId";
        /// The plan.
        plan: String = "plan";
    }
    /// An agent begins a turn.
    AgentTurnPayload {
        /// The agent.
        agent_id: AgentId = "agentId";
        /// The turn, counted from 1.
        turn: u64 = "turn";
        /// How many turns it has.
        max_turns?: u64 = "maxTurns";
        /// How many are left.
        remaining?: u64 = "remaining";
        /// Tokens used.
        usage?: JsonObject = "usage";
    }
    /// An agent has used up its turns.
    AgentTurnLimitPayload {
        /// The agent.
        agent_id: AgentId = "agentId";
        /// The turn it is in.
        turn: u64 = "turn";
        /// How many turns it had.
        max_turns: u64 = "maxTurns";
    }
    /// An agent's run is done.
    AgentCompletedPayload {
        /// The agent.
        agent_id: AgentId = "agentId";
        /// The run.
        run_id: RunId = "runId";
        /// How many turns it took.
        turn_count: u64 = "turnCount";
        /// Tokens used.
        usage?: JsonObject = "usage";
    }
    /// An agent's run has failed.
    AgentErrorPayload {
        /// The agent.
        agent_id: AgentId = "agentId";
        /// The run.
        run_id?: RunId = "runId";
        /// What went wrong.
        error: String = "error";
        /// The phase of the run.
        phase?: String = "phase";
    }
    /// Something about an agent deserves attention.
    AgentWarningPayload {
        /// The agent.
        agent_id: AgentId = "agentId";
    }
    /// An agent was stopped.
    AgentStoppedPayload {
        /// The agent.
        agent_id: AgentId = "agentId";
        /// The run.
        run_id: RunId = "runId";
        /// Why.
        reason: String = "reason";
    }
    /// What a run has cost.
    AgentMetricsPayload {
        /// The agent.
        agent_id: AgentId = "agentId";
        /// The run.
        run_id: RunId = "runId";
        /// In US dollars.
        total_cost_usd?: f64 = "totalCostUsd";
        /// In milliseconds.
        duration_ms?: f64 = "durationMs";
        /// How many turns it took.
        num_turns?: u64 = "numTurns";
        /// Tokens used.
        usage?: JsonObject = "usage";
        /// Why the model stopped.
        stop_reason?: String = "stopReason";
    }
    /// A tool is still running.
    AgentToolProgressPayload {
        /// The agent.
        agent_id: AgentId = "agentId";
        /// The tool call.
        tool_use_id: ToolCallId = "toolUseId";
        /// The tool's name.
        tool_name: String = "toolName";
        /// For how long, in seconds.
        elapsed_seconds: f64 = "elapsedSeconds";
    }
    /// An agent's context was compacted.
    AgentCompactedPayload {
        /// The agent.
        agent_id: AgentId = "agentId";
        /// What caused it.
        trigger: String = "trigger";
        /// How many tokens there were before.
        pre_tokens: u64 = "preTokens";
    }
    /// A rate limit holds an agent back, or no longer does.
    AgentRateLimitPayload {
        /// The agent.
        agent_id: AgentId = "agentId";
        /// What the limiter says.
        status: String = "status";
        /// When the limit resets, as the limiter gives it (Unix time).
        resets_at?: f64 = "resetsAt";
    }
}

macro_rules! core_events {
    ([$next:ident $($more:ident)*] $($before:tt)*) => {
        $next! { [$($more)*] $($before)*
            /// Streaming text.
            Chunk "chunk" Chunks ChunkPayload (None);
            /// A tool call starts.
            ToolStart "tool:start" ToolCalls ToolCallPayload ("status" = "running");
            /// A tool call returns.
            ToolResult "tool:result" ToolCalls ToolCallPayload (ToolOutcome);
            /// A user joins.
            PresenceJoined "presence:joined" Presence PresencePayload ("action" = "joined");
            /// A user leaves.
            PresenceLeft "presence:left" Presence PresencePayload ("action" = "left");
            /// A user moves; ephemeral.
            PresenceCursor "presence:cursor" Presence PresencePayload ("action" = "cursor");
            /// A user has not been heard of.
            PresenceTimeout "presence:timeout" Presence PresencePayload ("action" = "timeout");
            /// Text typed into a terminal.
            TerminalInput "terminal:input" Terminal TerminalPayload ("type" = "input");
            /// Text printed by a terminal.
            TerminalOutput "terminal:output" Terminal TerminalPayload ("type" = "output");
            /// Text printed by a terminal as an error.
            TerminalError "terminal:error" Terminal TerminalPayload ("type" = "error");
            /// Something needs approval.
            ApprovalRequested "approval:requested" Workflow WorkflowPayload ("type" = "approval:requested");
            /// It was approved.
            ApprovalApproved "approval:approved" Workflow WorkflowPayload ("type" = "approval:approved");
            /// It was rejected.
            ApprovalRejected "approval:rejected" Workflow WorkflowPayload ("type" = "approval:rejected");
            /// An agent goes on.
            AgentResumed "agent:resumed" Workflow WorkflowPayload ("type" = "agent:resumed");
            /// A worktree was created.
            WorktreeCreated "worktree:created" Workflow WorkflowPayload ("type" = "worktree:created");
            /// A worktree was merged.
            WorktreeMerged "worktree:merged" Workflow WorkflowPayload ("type" = "worktree:merged");
            /// A worktree was removed.
            WorktreeRemoved "worktree:removed" Workflow WorkflowPayload ("type" = "worktree:removed");
            /// The state of an agent.
            StateUpdate "state:update" AgentState StatePayload (None);
            /// A run begins.
            AgentStarted "agent:started" Agent AgentStartedPayload ("type" = "agent:started");
            /// Planning.
            AgentPlanning "agent:planning" Agent AgentPlanningPayload ("type" = "agent:planning");
            /// A plan.
            AgentPlanReady "agent:plan_ready" Agent AgentPlanReadyPayload ("type" = "agent:plan_ready");
            /// A turn begins.
            AgentTurn "agent:turn" Agent AgentTurnPayload ("type" = "agent:turn");
            /// No turns are left.
            AgentTurnLimit "agent:turn_limit" Agent AgentTurnLimitPayload ("type" = "agent:turn_limit");
            /// The run is done.
            AgentCompleted "agent:completed" Agent AgentCompletedPayload ("type" = "agent:completed");
            /// The run has failed.
            AgentError "agent:error" Agent AgentErrorPayload ("type" = "agent:error");
            /// Something deserves attention.
            AgentWarning "agent:warning" Agent AgentWarningPayload ("type" = "agent:warning");
            /// The run was stopped.
            AgentStopped "agent:stopped" Agent AgentStoppedPayload ("type" = "agent:stopped");
            /// What the run has cost.
            AgentMetrics "agent:metrics" Agent AgentMetricsPayload ("type" = "agent:metrics");
            /// A tool is still running.
            AgentToolProgress "agent:tool_progress" Agent AgentToolProgressPayload ("type" = "agent:tool_progress");
            /// The context was compacted.
            AgentCompacted "agent:compacted" Agent AgentCompactedPayload ("type" = "agent:compacted");
            /// A rate limit.
            AgentRateLimit "agent:rate_limit" Agent AgentRateLimitPayload ("type" = "agent:rate_limit");
        }
    };
}
