// Generated from crates/schema; do not edit.

/** Any JSON value. */
export type Json = unknown;
/** Any JSON object. */
export type JsonObject = Record<string, unknown>;
/** A value that is always there but may be null. */
export type Nullable<T> = T | null;
/** `meta.schemaVersion`. */
export type SchemaVersion = 1;

/** What surrounds every payload on the wire. Fields that this version does not know are kept. */
export interface WireEventOf<T extends string, D> {
    /** Unique within the session. */
    id: EventId;
    /** Selects the shape of `data`. */
    type: T;
    /** Unix milliseconds. */
    timestamp: number;
    /** The payload. */
    data: D;
    /** How the event relates to others. */
    meta?: Meta;
}

/** What a record's `data` has beside the payload, from the stream and the envelope. */
export interface RecordStamp {
    sessionId: SessionId;
    /** Unix milliseconds. */
    timestamp: number;
}

/** What surrounds the `data` of every channel record. */
export interface RecordOf<C extends Channel, T extends string, D> {
    channel: C;
    /** The event's type. */
    type: T;
    /** The event's id. */
    id: EventId;
    data: D & RecordStamp;
    /** How many events stand up to and including this one, from the start of the stream. */
    offset: number;
    /** The last cursor known when the event arrived. */
    cursor: string | null;
    /** How the event relates to others. */
    meta?: Meta;
}

/** An event type that is not in the catalogue, passed through. */
export type UnknownEvent = WireEventOf<string, Json>;

/**
 * Names a session and its stream: `^[A-Za-z0-9_-]{1,100}$`.
 */
export type SessionId = string;

/**
 * Names one event; unique within its session.
 */
export type EventId = string;

/**
 * Names an agent.
 */
export type AgentId = string;

/**
 * Names a task.
 */
export type TaskId = string;

/**
 * Names a project.
 */
export type ProjectId = string;

/**
 * Names one run of an agent.
 */
export type RunId = string;

/**
 * Names one message of a conversation.
 */
export type MessageId = string;

/**
 * Names one tool call: start and result share it.
 */
export type ToolCallId = string;

/**
 * Names a user.
 */
export type UserId = string;

/**
 * Names a block of related events.
 */
export type BlockId = string;

/**
 * Names a working copy of a repository.
 */
export type WorktreeId = string;

/**
 * What an agent is doing.
 */
export type AgentStatus = "idle" | "starting" | "running" | "paused" | "error" | "completed";

/**
 * Where a tool call stands.
 */
export type ToolStatus = "pending" | "running" | "complete" | "error";

/**
 * Where a session stands. `closed` is final.
 */
export type SessionStatus = "idle" | "initializing" | "active" | "paused" | "closing" | "closed" | "error";

/**
 * Who wrote to the terminal.
 */
export type TerminalSource = "user" | "agent" | "system";

/**
 * What happened to a presence.
 */
export type PresenceAction = "joined" | "left" | "cursor" | "timeout";

/**
 * Which way terminal text went.
 */
export type TerminalDirection = "input" | "output" | "error";

/**
 * How far the set-up of a container has come.
 */
export type ContainerStage = "initializing" | "validating" | "credentials" | "injecting_skills" | "creating_sandbox" | "executing" | "running";

/**
 * How a container agent's run ended.
 */
export type ContainerOutcome = "completed" | "turn_limit" | "cancelled";

/**
 * Who says a message.
 */
export type MessageRole = "user" | "assistant" | "system";

/**
 * What happened to a file.
 */
export type FileAction = "create" | "modify" | "delete";

/**
 * How a spawned agent ended.
 */
export type TopologyOutcome = "completed" | "failed" | "stopped";

/**
 * What part of a message an event carries.
 */
export type PartType = "chunk_start" | "chunk_delta" | "chunk_end" | "tool_start" | "tool_result" | "tool_error" | "system" | "lifecycle" | "diff";

/**
 * Whether an event is kept.
 */
export type Durability = "transient" | "durable";

/**
 * What an API answer `{ "ok": false, "error": { "code", "message", "details"? } }` says went wrong.
 */
export type ErrorCode = "SESSION_NOT_FOUND" | "SESSION_CLOSED" | "INVALID_TRANSITION" | "INVALID_SESSION_ID" | "MISSING_SESSION_ID" | "INVALID_JSON" | "INVALID_CHANNEL" | "INVALID_EVENT" | "INVALID_CURSOR" | "UNSUPPORTED_MEDIA_TYPE" | "UNAUTHORIZED" | "FORBIDDEN" | "PRESENCE_IDENTITY_MISMATCH" | "PAYLOAD_TOO_LARGE" | "RATE_LIMITED" | "TOO_MANY_CONNECTIONS" | "STREAM_UNAVAILABLE" | "STORAGE_FULL" | "PUBLISH_FAILED";

/**
 * Where the record of an event goes.
 */
export type Channel = "chunks" | "toolCalls" | "presence" | "terminal" | "workflow" | "agentState" | "agent" | "containerAgent" | "topology" | "unknown";

/**
 * How an event relates to others. Events without it are valid.
 */
export interface Meta {
    /**
     * The version of this schema.
     */
    schemaVersion: SchemaVersion;
    /**
     * The event's id, again.
     */
    eventId: EventId;
    /**
     * The block that the event belongs to.
     */
    blockId?: BlockId;
    /**
     * Its part in the block.
     */
    partType?: PartType;
    /**
     * Whether it is kept.
     */
    durability?: Durability;
    /**
     * Its place in the block.
     */
    sequence?: number;
    /**
     * When it was made, in Unix milliseconds.
     */
    createdAt?: number;
}

/**
 * A piece of streaming text. The full text is the concatenation of the pieces: `accumulated`, which older
 * writers repeat in each piece, is dropped.
 */
export interface ChunkPayload {
    /**
     * The text to append.
     */
    text: string;
    /**
     * The agent that speaks.
     */
    agentId?: AgentId;
    /**
     * The turn it speaks in.
     */
    turn?: number;
    /**
     * The message that the text belongs to.
     */
    messageId?: MessageId;
}

/**
 * A tool call, when it starts and when it returns.
 */
export interface ToolCallPayload {
    /**
     * Pairs start and result.
     */
    id: ToolCallId;
    /**
     * The tool's name.
     */
    tool: string;
    /**
     * What the tool was given.
     */
    input?: Json;
    /**
     * What it returned.
     */
    output?: Json;
    /**
     * Whether it failed.
     */
    isError?: boolean;
    /**
     * How long it took, in milliseconds.
     */
    duration?: number;
}

/**
 * Someone came, went, moved, or has not been heard of.
 */
export interface PresencePayload {
    /**
     * Who.
     */
    userId: UserId;
    /**
     * The name to show.
     */
    displayName?: string;
    /**
     * The picture to show.
     */
    avatarUrl?: string;
    /**
     * Where the user points.
     */
    cursor?: CursorPosition;
    /**
     * The file the user looks at.
     */
    activeFile?: string;
}

/**
 * A point on the page.
 */
export interface CursorPosition {
    /**
     * From the left.
     */
    x: number;
    /**
     * From the top.
     */
    y: number;
}

/**
 * Terminal text.
 */
export interface TerminalPayload {
    /**
     * The text, control sequences included.
     */
    data: string;
    /**
     * Who wrote it.
     */
    source?: TerminalSource;
}

/**
 * A step of a workflow: an approval, a resumption, a worktree.
 */
export interface WorkflowPayload {
    /**
     * The task concerned.
     */
    taskId?: TaskId;
    /**
     * Who did it.
     */
    actor?: string;
    /**
     * What the step carries.
     */
    payload: JsonObject;
}

/**
 * What an agent is doing.
 */
export interface StatePayload {
    /**
     * The agent.
     */
    agentId?: AgentId;
    /**
     * Its state.
     */
    status: AgentStatus;
    /**
     * The task it works on.
     */
    taskId?: TaskId;
    /**
     * The turn it is in.
     */
    turn?: number;
    /**
     * How far it has come.
     */
    progress?: number;
    /**
     * The tool it uses.
     */
    currentTool?: string;
    /**
     * Something to show.
     */
    message?: string;
    /**
     * What went wrong.
     */
    error?: string;
}

/**
 * An agent's run begins.
 */
export interface AgentStartedPayload {
    /**
     * The agent.
     */
    agentId: AgentId;
    /**
     * The run.
     */
    runId: RunId;
    /**
     * How many turns it has.
     */
    maxTurns?: number;
    /**
     * The model.
     */
    model?: string;
    /**
     * The phase of the run.
     */
    phase?: string;
}

/**
 * An agent is planning.
 */
export interface AgentPlanningPayload {
    /**
     * The agent.
     */
    agentId: AgentId;
    /**
     * The run.
     */
    runId: RunId;
    /**
     * The model.
     */
    model?: string;
}

/**
 * An agent has a plan.
 */
export interface AgentPlanReadyPayload {
    /**
     * The agent.
     */
    agentId: AgentId;
    /**
     * The run.
     */
    runId: RunId;
    /**
     * The plan.
     */
    plan: string;
}

/**
 * An agent begins a turn.
 */
export interface AgentTurnPayload {
    /**
     * The agent.
     */
    agentId: AgentId;
    /**
     * The turn, counted from 1.
     */
    turn: number;
    /**
     * How many turns it has.
     */
    maxTurns?: number;
    /**
     * How many are left.
     */
    remaining?: number;
    /**
     * Tokens used.
     */
    usage?: JsonObject;
}

/**
 * An agent has used up its turns.
 */
export interface AgentTurnLimitPayload {
    /**
     * The agent.
     */
    agentId: AgentId;
    /**
     * The turn it is in.
     */
    turn: number;
    /**
     * How many turns it had.
     */
    maxTurns: number;
}

/**
 * An agent's run is done.
 */
export interface AgentCompletedPayload {
    /**
     * The agent.
     */
    agentId: AgentId;
    /**
     * The run.
     */
    runId: RunId;
    /**
     * How many turns it took.
     */
    turnCount: number;
    /**
     * Tokens used.
     */
    usage?: JsonObject;
}

/**
 * An agent's run has failed.
 */
export interface AgentErrorPayload {
    /**
     * The agent.
     */
    agentId: AgentId;
    /**
     * The run.
     */
    runId?: RunId;
    /**
     * What went wrong.
     */
    error: string;
    /**
     * The phase of the run.
     */
    phase?: string;
}

/**
 * Something about an agent deserves attention.
 */
export interface AgentWarningPayload {
    /**
     * The agent.
     */
    agentId: AgentId;
}

/**
 * An agent was stopped.
 */
export interface AgentStoppedPayload {
    /**
     * The agent.
     */
    agentId: AgentId;
    /**
     * The run.
     */
    runId: RunId;
    /**
     * Why.
     */
    reason: string;
}

/**
 * What a run has cost.
 */
export interface AgentMetricsPayload {
    /**
     * The agent.
     */
    agentId: AgentId;
    /**
     * The run.
     */
    runId: RunId;
    /**
     * In US dollars.
     */
    totalCostUsd?: number;
    /**
     * In milliseconds.
     */
    durationMs?: number;
    /**
     * How many turns it took.
     */
    numTurns?: number;
    /**
     * Tokens used.
     */
    usage?: JsonObject;
    /**
     * Why the model stopped.
     */
    stopReason?: string;
}

/**
 * A tool is still running.
 */
export interface AgentToolProgressPayload {
    /**
     * The agent.
     */
    agentId: AgentId;
    /**
     * The tool call.
     */
    toolUseId: ToolCallId;
    /**
     * The tool's name.
     */
    toolName: string;
    /**
     * For how long, in seconds.
     */
    elapsedSeconds: number;
}

/**
 * An agent's context was compacted.
 */
export interface AgentCompactedPayload {
    /**
     * The agent.
     */
    agentId: AgentId;
    /**
     * What caused it.
     */
    trigger: string;
    /**
     * How many tokens there were before.
     */
    preTokens: number;
}

/**
 * A rate limit holds an agent back, or no longer does.
 */
export interface AgentRateLimitPayload {
    /**
     * The agent.
     */
    agentId: AgentId;
    /**
     * What the limiter says.
     */
    status: string;
    /**
     * When the limit resets, as the limiter gives it (Unix time).
     */
    resetsAt?: number;
}

/**
 * How far the set-up has come.
 */
export interface ContainerStatusPayload {
    /**
     * The task.
     */
    taskId: TaskId;
    /**
     * The session, as the container knows it.
     */
    sessionId: SessionId;
    /**
     * The stage.
     */
    stage: ContainerStage;
    /**
     * Something to show.
     */
    message: string;
}

/**
 * The agent starts.
 */
export interface ContainerStartedPayload {
    /**
     * The task.
     */
    taskId: TaskId;
    /**
     * The session, as the container knows it.
     */
    sessionId: SessionId;
    /**
     * The model.
     */
    model: string;
    /**
     * How many turns it has.
     */
    maxTurns: number;
}

/**
 * A piece of streaming text.
 */
export interface ContainerTokenPayload {
    /**
     * The task.
     */
    taskId: TaskId;
    /**
     * The session, as the container knows it.
     */
    sessionId: SessionId;
    /**
     * The text to append.
     */
    delta: string;
}

/**
 * A turn begins.
 */
export interface ContainerTurnPayload {
    /**
     * The task.
     */
    taskId: TaskId;
    /**
     * The session, as the container knows it.
     */
    sessionId: SessionId;
    /**
     * The turn, counted from 1.
     */
    turn: number;
    /**
     * How many turns it has.
     */
    maxTurns: number;
    /**
     * How many are left.
     */
    remaining: number;
}

/**
 * A tool call starts.
 */
export interface ContainerToolStartPayload {
    /**
     * The task.
     */
    taskId: TaskId;
    /**
     * The session, as the container knows it.
     */
    sessionId: SessionId;
    /**
     * The tool's name.
     */
    toolName: string;
    /**
     * Pairs start and result.
     */
    toolId: ToolCallId;
    /**
     * What the tool was given.
     */
    input: Json;
}

/**
 * A tool call returns.
 */
export interface ContainerToolResultPayload {
    /**
     * The task.
     */
    taskId: TaskId;
    /**
     * The session, as the container knows it.
     */
    sessionId: SessionId;
    /**
     * The tool's name.
     */
    toolName: string;
    /**
     * Pairs start and result.
     */
    toolId: ToolCallId;
    /**
     * What it returned.
     */
    result: Json;
    /**
     * Whether it failed.
     */
    isError: boolean;
    /**
     * How long it took, in milliseconds.
     */
    durationMs: number;
}

/**
 * A whole message.
 */
export interface ContainerMessagePayload {
    /**
     * The task.
     */
    taskId: TaskId;
    /**
     * The session, as the container knows it.
     */
    sessionId: SessionId;
    /**
     * Who says it.
     */
    role: MessageRole;
    /**
     * The text.
     */
    content: string;
}

/**
 * The run is over.
 */
export interface ContainerCompletePayload {
    /**
     * The task.
     */
    taskId: TaskId;
    /**
     * The session, as the container knows it.
     */
    sessionId: SessionId;
    /**
     * How it ended.
     */
    status: ContainerOutcome;
    /**
     * How many turns it took.
     */
    turnCount: number;
    /**
     * The final text.
     */
    result?: string;
}

/**
 * The run has failed.
 */
export interface ContainerErrorPayload {
    /**
     * The task.
     */
    taskId: TaskId;
    /**
     * The session, as the container knows it.
     */
    sessionId: SessionId;
    /**
     * What went wrong.
     */
    error: string;
    /**
     * What went wrong, for programs.
     */
    code?: string;
    /**
     * How many turns it took.
     */
    turnCount: number;
}

/**
 * The run was cancelled.
 */
export interface ContainerCancelledPayload {
    /**
     * The task.
     */
    taskId: TaskId;
    /**
     * The session, as the container knows it.
     */
    sessionId: SessionId;
    /**
     * How many turns it took.
     */
    turnCount: number;
}

/**
 * The agent has a plan.
 */
export interface ContainerPlanReadyPayload {
    /**
     * The task.
     */
    taskId: TaskId;
    /**
     * The session, as the container knows it.
     */
    sessionId: SessionId;
    /**
     * The plan.
     */
    plan: string;
    /**
     * How many turns it took.
     */
    turnCount?: number;
}

/**
 * The agent works in this worktree.
 */
export interface ContainerWorktreePayload {
    /**
     * The task.
     */
    taskId: TaskId;
    /**
     * The session, as the container knows it.
     */
    sessionId: SessionId;
    /**
     * The worktree.
     */
    worktreeId: WorktreeId;
    /**
     * Its branch.
     */
    branch: string;
    /**
     * Where it is in the container.
     */
    containerPath: string;
}

/**
 * The agent changed a file.
 */
export interface ContainerFileChangedPayload {
    /**
     * The task.
     */
    taskId: TaskId;
    /**
     * The session, as the container knows it.
     */
    sessionId: SessionId;
    /**
     * The file.
     */
    path: string;
    /**
     * What happened to it.
     */
    action: FileAction;
    /**
     * The tool that did it.
     */
    toolName: string;
    /**
     * Lines added.
     */
    additions?: number;
    /**
     * Lines deleted.
     */
    deletions?: number;
}

/**
 * An agent was spawned.
 */
export interface TopologySpawnedPayload {
    /**
     * The new agent.
     */
    agentId: AgentId;
    /**
     * The task it works on.
     */
    taskId?: TaskId;
    /**
     * The name to show.
     */
    name: string;
    /**
     * What it is for.
     */
    role: string;
    /**
     * The agent that spawned it; null at the root.
     */
    parentId: Nullable<AgentId>;
}

/**
 * A spawned agent has come further.
 */
export interface TopologyProgressPayload {
    /**
     * The agent.
     */
    agentId: AgentId;
    /**
     * Tokens used.
     */
    tokens: number;
    /**
     * Tools used.
     */
    toolUses: number;
    /**
     * For how long it has run, in milliseconds.
     */
    durationMs: number;
    /**
     * What it has done.
     */
    summary?: string;
}

/**
 * A spawned agent has ended.
 */
export interface TopologyCompletedPayload {
    /**
     * The agent.
     */
    agentId: AgentId;
    /**
     * How it ended.
     */
    status: TopologyOutcome;
    /**
     * What it has done.
     */
    summary?: string;
    /**
     * Tokens used.
     */
    tokens?: number;
    /**
     * Tools used.
     */
    toolUses?: number;
    /**
     * For how long it ran, in milliseconds.
     */
    durationMs?: number;
}

/**
 * A session.
 */
export interface Session {
    /**
     * Names the session and its stream.
     */
    id: SessionId;
    /**
     * The project it belongs to; null if it was created as a plain stream.
     */
    projectId: Nullable<ProjectId>;
    /**
     * The task it works on.
     */
    taskId?: TaskId;
    /**
     * The agent at work.
     */
    agentId?: AgentId;
    /**
     * The title to show, at most 500 characters.
     */
    title?: string;
    /**
     * Where it stands.
     */
    status: SessionStatus;
    /**
     * When it was created, in Unix milliseconds.
     */
    createdAt: number;
    /**
     * When it last changed, in Unix milliseconds.
     */
    updatedAt: number;
    /**
     * When it was closed, in Unix milliseconds.
     */
    closedAt?: number;
}

/**
 * A session and who is there.
 */
export interface SessionWithPresence {
    /**
     * Names the session and its stream.
     */
    id: SessionId;
    /**
     * The project it belongs to; null if it was created as a plain stream.
     */
    projectId: Nullable<ProjectId>;
    /**
     * The task it works on.
     */
    taskId?: TaskId;
    /**
     * The agent at work.
     */
    agentId?: AgentId;
    /**
     * The title to show, at most 500 characters.
     */
    title?: string;
    /**
     * Where it stands.
     */
    status: SessionStatus;
    /**
     * When it was created, in Unix milliseconds.
     */
    createdAt: number;
    /**
     * When it last changed, in Unix milliseconds.
     */
    updatedAt: number;
    /**
     * When it was closed, in Unix milliseconds.
     */
    closedAt?: number;
    /**
     * Who is there.
     */
    presence: PresenceEntry[];
}

/**
 * One user who is there.
 */
export interface PresenceEntry {
    /**
     * Who.
     */
    userId: UserId;
    /**
     * The name to show.
     */
    displayName?: string;
    /**
     * The picture to show.
     */
    avatarUrl?: string;
    /**
     * Where the user points.
     */
    cursor?: CursorPosition;
    /**
     * The file the user looks at.
     */
    activeFile?: string;
    /**
     * Since when, in Unix milliseconds.
     */
    joinedAt: number;
    /**
     * When last heard of, in Unix milliseconds.
     */
    lastSeenAt: number;
    /**
     * How many connections the user has open: tabs, devices.
     */
    connections: number;
}

/** Streaming text. */
export interface ChunkEvent extends WireEventOf<"chunk", ChunkPayload> {}

/** A tool call starts. */
export interface ToolStartEvent extends WireEventOf<"tool:start", ToolCallPayload> {}

/** A tool call returns. */
export interface ToolResultEvent extends WireEventOf<"tool:result", ToolCallPayload> {}

/** A user joins. */
export interface PresenceJoinedEvent extends WireEventOf<"presence:joined", PresencePayload> {}

/** A user leaves. */
export interface PresenceLeftEvent extends WireEventOf<"presence:left", PresencePayload> {}

/** A user moves; ephemeral. */
export interface PresenceCursorEvent extends WireEventOf<"presence:cursor", PresencePayload> {}

/** A user has not been heard of. */
export interface PresenceTimeoutEvent extends WireEventOf<"presence:timeout", PresencePayload> {}

/** Text typed into a terminal. */
export interface TerminalInputEvent extends WireEventOf<"terminal:input", TerminalPayload> {}

/** Text printed by a terminal. */
export interface TerminalOutputEvent extends WireEventOf<"terminal:output", TerminalPayload> {}

/** Text printed by a terminal as an error. */
export interface TerminalErrorEvent extends WireEventOf<"terminal:error", TerminalPayload> {}

/** Something needs approval. */
export interface ApprovalRequestedEvent extends WireEventOf<"approval:requested", WorkflowPayload> {}

/** It was approved. */
export interface ApprovalApprovedEvent extends WireEventOf<"approval:approved", WorkflowPayload> {}

/** It was rejected. */
export interface ApprovalRejectedEvent extends WireEventOf<"approval:rejected", WorkflowPayload> {}

/** An agent goes on. */
export interface AgentResumedEvent extends WireEventOf<"agent:resumed", WorkflowPayload> {}

/** A worktree was created. */
export interface WorktreeCreatedEvent extends WireEventOf<"worktree:created", WorkflowPayload> {}

/** A worktree was merged. */
export interface WorktreeMergedEvent extends WireEventOf<"worktree:merged", WorkflowPayload> {}

/** A worktree was removed. */
export interface WorktreeRemovedEvent extends WireEventOf<"worktree:removed", WorkflowPayload> {}

/** The state of an agent. */
export interface StateUpdateEvent extends WireEventOf<"state:update", StatePayload> {}

/** A run begins. */
export interface AgentStartedEvent extends WireEventOf<"agent:started", AgentStartedPayload> {}

/** Planning. */
export interface AgentPlanningEvent extends WireEventOf<"agent:planning", AgentPlanningPayload> {}

/** A plan. */
export interface AgentPlanReadyEvent extends WireEventOf<"agent:plan_ready", AgentPlanReadyPayload> {}

/** A turn begins. */
export interface AgentTurnEvent extends WireEventOf<"agent:turn", AgentTurnPayload> {}

/** No turns are left. */
export interface AgentTurnLimitEvent extends WireEventOf<"agent:turn_limit", AgentTurnLimitPayload> {}

/** The run is done. */
export interface AgentCompletedEvent extends WireEventOf<"agent:completed", AgentCompletedPayload> {}

/** The run has failed. */
export interface AgentErrorEvent extends WireEventOf<"agent:error", AgentErrorPayload> {}

/** Something deserves attention. */
export interface AgentWarningEvent extends WireEventOf<"agent:warning", AgentWarningPayload> {}

/** The run was stopped. */
export interface AgentStoppedEvent extends WireEventOf<"agent:stopped", AgentStoppedPayload> {}

/** What the run has cost. */
export interface AgentMetricsEvent extends WireEventOf<"agent:metrics", AgentMetricsPayload> {}

/** A tool is still running. */
export interface AgentToolProgressEvent extends WireEventOf<"agent:tool_progress", AgentToolProgressPayload> {}

/** The context was compacted. */
export interface AgentCompactedEvent extends WireEventOf<"agent:compacted", AgentCompactedPayload> {}

/** A rate limit. */
export interface AgentRateLimitEvent extends WireEventOf<"agent:rate_limit", AgentRateLimitPayload> {}

/** How far the set-up has come. */
export interface ContainerStatusEvent extends WireEventOf<"container-agent:status", ContainerStatusPayload> {}

/** The agent starts. */
export interface ContainerStartedEvent extends WireEventOf<"container-agent:started", ContainerStartedPayload> {}

/** A piece of streaming text. */
export interface ContainerTokenEvent extends WireEventOf<"container-agent:token", ContainerTokenPayload> {}

/** A turn begins. */
export interface ContainerTurnEvent extends WireEventOf<"container-agent:turn", ContainerTurnPayload> {}

/** A tool call starts. */
export interface ContainerToolStartEvent extends WireEventOf<"container-agent:tool:start", ContainerToolStartPayload> {}

/** A tool call returns. */
export interface ContainerToolResultEvent extends WireEventOf<"container-agent:tool:result", ContainerToolResultPayload> {}

/** A whole message. */
export interface ContainerMessageEvent extends WireEventOf<"container-agent:message", ContainerMessagePayload> {}

/** The run is over. */
export interface ContainerCompleteEvent extends WireEventOf<"container-agent:complete", ContainerCompletePayload> {}

/** The run has failed. */
export interface ContainerErrorEvent extends WireEventOf<"container-agent:error", ContainerErrorPayload> {}

/** The run was cancelled. */
export interface ContainerCancelledEvent extends WireEventOf<"container-agent:cancelled", ContainerCancelledPayload> {}

/** The agent has a plan. */
export interface ContainerPlanReadyEvent extends WireEventOf<"container-agent:plan_ready", ContainerPlanReadyPayload> {}

/** The agent works in this worktree. */
export interface ContainerWorktreeEvent extends WireEventOf<"container-agent:worktree", ContainerWorktreePayload> {}

/** The agent changed a file. */
export interface ContainerFileChangedEvent extends WireEventOf<"container-agent:file_changed", ContainerFileChangedPayload> {}

/** An agent was spawned. */
export interface TopologySpawnedEvent extends WireEventOf<"topology:agent_spawned", TopologySpawnedPayload> {}

/** A spawned agent has come further. */
export interface TopologyProgressEvent extends WireEventOf<"topology:agent_progress", TopologyProgressPayload> {}

/** A spawned agent has ended. */
export interface TopologyCompletedEvent extends WireEventOf<"topology:agent_completed", TopologyCompletedPayload> {}

/** An event of the catalogue, told apart by `type`. */
export type WireEvent =
    | ChunkEvent
    | ToolStartEvent
    | ToolResultEvent
    | PresenceJoinedEvent
    | PresenceLeftEvent
    | PresenceCursorEvent
    | PresenceTimeoutEvent
    | TerminalInputEvent
    | TerminalOutputEvent
    | TerminalErrorEvent
    | ApprovalRequestedEvent
    | ApprovalApprovedEvent
    | ApprovalRejectedEvent
    | AgentResumedEvent
    | WorktreeCreatedEvent
    | WorktreeMergedEvent
    | WorktreeRemovedEvent
    | StateUpdateEvent
    | AgentStartedEvent
    | AgentPlanningEvent
    | AgentPlanReadyEvent
    | AgentTurnEvent
    | AgentTurnLimitEvent
    | AgentCompletedEvent
    | AgentErrorEvent
    | AgentWarningEvent
    | AgentStoppedEvent
    | AgentMetricsEvent
    | AgentToolProgressEvent
    | AgentCompactedEvent
    | AgentRateLimitEvent
    | ContainerStatusEvent
    | ContainerStartedEvent
    | ContainerTokenEvent
    | ContainerTurnEvent
    | ContainerToolStartEvent
    | ContainerToolResultEvent
    | ContainerMessageEvent
    | ContainerCompleteEvent
    | ContainerErrorEvent
    | ContainerCancelledEvent
    | ContainerPlanReadyEvent
    | ContainerWorktreeEvent
    | ContainerFileChangedEvent
    | TopologySpawnedEvent
    | TopologyProgressEvent
    | TopologyCompletedEvent;

/** A record of channel `chunks`. */
export type ChunksRecord =
    | RecordOf<"chunks", "chunk", ChunkPayload>;

/** A record of channel `toolCalls`. */
export type ToolCallsRecord =
    | RecordOf<"toolCalls", "tool:start", ToolCallPayload & { status: "running" }>
    | RecordOf<"toolCalls", "tool:result", ToolCallPayload & { status: "complete" | "error" }>;

/** A record of channel `presence`. */
export type PresenceRecord =
    | RecordOf<"presence", "presence:joined", PresencePayload & { action: "joined" }>
    | RecordOf<"presence", "presence:left", PresencePayload & { action: "left" }>
    | RecordOf<"presence", "presence:cursor", PresencePayload & { action: "cursor" }>
    | RecordOf<"presence", "presence:timeout", PresencePayload & { action: "timeout" }>;

/** A record of channel `terminal`. */
export type TerminalRecord =
    | RecordOf<"terminal", "terminal:input", TerminalPayload & { type: "input" }>
    | RecordOf<"terminal", "terminal:output", TerminalPayload & { type: "output" }>
    | RecordOf<"terminal", "terminal:error", TerminalPayload & { type: "error" }>;

/** A record of channel `workflow`. */
export type WorkflowRecord =
    | RecordOf<"workflow", "approval:requested", WorkflowPayload & { type: "approval:requested" }>
    | RecordOf<"workflow", "approval:approved", WorkflowPayload & { type: "approval:approved" }>
    | RecordOf<"workflow", "approval:rejected", WorkflowPayload & { type: "approval:rejected" }>
    | RecordOf<"workflow", "agent:resumed", WorkflowPayload & { type: "agent:resumed" }>
    | RecordOf<"workflow", "worktree:created", WorkflowPayload & { type: "worktree:created" }>
    | RecordOf<"workflow", "worktree:merged", WorkflowPayload & { type: "worktree:merged" }>
    | RecordOf<"workflow", "worktree:removed", WorkflowPayload & { type: "worktree:removed" }>;

/** A record of channel `agentState`. */
export type AgentStateRecord =
    | RecordOf<"agentState", "state:update", StatePayload>;

/** A record of channel `agent`. */
export type AgentRecord =
    | RecordOf<"agent", "agent:started", AgentStartedPayload & { type: "agent:started" }>
    | RecordOf<"agent", "agent:planning", AgentPlanningPayload & { type: "agent:planning" }>
    | RecordOf<"agent", "agent:plan_ready", AgentPlanReadyPayload & { type: "agent:plan_ready" }>
    | RecordOf<"agent", "agent:turn", AgentTurnPayload & { type: "agent:turn" }>
    | RecordOf<"agent", "agent:turn_limit", AgentTurnLimitPayload & { type: "agent:turn_limit" }>
    | RecordOf<"agent", "agent:completed", AgentCompletedPayload & { type: "agent:completed" }>
    | RecordOf<"agent", "agent:error", AgentErrorPayload & { type: "agent:error" }>
    | RecordOf<"agent", "agent:warning", AgentWarningPayload & { type: "agent:warning" }>
    | RecordOf<"agent", "agent:stopped", AgentStoppedPayload & { type: "agent:stopped" }>
    | RecordOf<"agent", "agent:metrics", AgentMetricsPayload & { type: "agent:metrics" }>
    | RecordOf<"agent", "agent:tool_progress", AgentToolProgressPayload & { type: "agent:tool_progress" }>
    | RecordOf<"agent", "agent:compacted", AgentCompactedPayload & { type: "agent:compacted" }>
    | RecordOf<"agent", "agent:rate_limit", AgentRateLimitPayload & { type: "agent:rate_limit" }>;

/** A record of channel `containerAgent`. */
export type ContainerAgentRecord =
    | RecordOf<"containerAgent", "container-agent:status", ContainerStatusPayload & { type: "container-agent:status" }>
    | RecordOf<"containerAgent", "container-agent:started", ContainerStartedPayload & { type: "container-agent:started" }>
    | RecordOf<"containerAgent", "container-agent:token", ContainerTokenPayload & { type: "container-agent:token" }>
    | RecordOf<"containerAgent", "container-agent:turn", ContainerTurnPayload & { type: "container-agent:turn" }>
    | RecordOf<"containerAgent", "container-agent:tool:start", ContainerToolStartPayload & { type: "container-agent:tool:start" }>
    | RecordOf<"containerAgent", "container-agent:tool:result", ContainerToolResultPayload & { type: "container-agent:tool:result" }>
    | RecordOf<"containerAgent", "container-agent:message", ContainerMessagePayload & { type: "container-agent:message" }>
    | RecordOf<"containerAgent", "container-agent:complete", ContainerCompletePayload & { type: "container-agent:complete" }>
    | RecordOf<"containerAgent", "container-agent:error", ContainerErrorPayload & { type: "container-agent:error" }>
    | RecordOf<"containerAgent", "container-agent:cancelled", ContainerCancelledPayload & { type: "container-agent:cancelled" }>
    | RecordOf<"containerAgent", "container-agent:plan_ready", ContainerPlanReadyPayload & { type: "container-agent:plan_ready" }>
    | RecordOf<"containerAgent", "container-agent:worktree", ContainerWorktreePayload & { type: "container-agent:worktree" }>
    | RecordOf<"containerAgent", "container-agent:file_changed", ContainerFileChangedPayload & { type: "container-agent:file_changed" }>;

/** A record of channel `topology`. */
export type TopologyRecord =
    | RecordOf<"topology", "topology:agent_spawned", TopologySpawnedPayload & { type: "topology:agent_spawned" }>
    | RecordOf<"topology", "topology:agent_progress", TopologyProgressPayload & { type: "topology:agent_progress" }>
    | RecordOf<"topology", "topology:agent_completed", TopologyCompletedPayload & { type: "topology:agent_completed" }>;

/** A record of channel `unknown`. */
export type UnknownRecord = RecordOf<"unknown", string, JsonObject & { type: string }>;

/** An event as a consumer gets it, told apart by `channel`. */
export type ChannelRecord =
    | ChunksRecord
    | ToolCallsRecord
    | PresenceRecord
    | TerminalRecord
    | WorkflowRecord
    | AgentStateRecord
    | AgentRecord
    | ContainerAgentRecord
    | TopologyRecord
    | UnknownRecord;
