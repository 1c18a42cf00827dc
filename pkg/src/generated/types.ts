// First version, written by hand from the event catalogue; replaced by the generator's output.

export type AgentStatus = 'idle' | 'starting' | 'running' | 'paused' | 'error' | 'completed';
export type ToolStatus = 'pending' | 'running' | 'complete' | 'error';
export type SessionStatus = 'idle' | 'initializing' | 'active' | 'paused' | 'closing' | 'closed' | 'error';
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };
export type Channel =
  | 'chunks' | 'toolCalls' | 'presence' | 'terminal' | 'workflow' | 'agentState' | 'agent' | 'containerAgent' | 'topology' | 'unknown';

export interface EventMeta {
  schemaVersion: 1;
  eventId: string;
  blockId?: string | undefined;
  partType?: 'chunk_start' | 'chunk_delta' | 'chunk_end' | 'tool_start' | 'tool_result' | 'tool_error' | 'system' | 'lifecycle' | 'diff' | undefined;
  durability?: 'transient' | 'durable' | undefined;
  sequence?: number | undefined;
  createdAt?: number | undefined;
}

/** What every channel record has. `type` and `id` are those of the wire event. */
export interface RecordBase<C extends Channel, T extends string, D> {
  channel: C;
  type: T;
  id: string;
  data: D;
  offset: number;
  cursor: string | null;
  meta?: EventMeta | undefined;
}

export interface Chunk { sessionId: string; timestamp: number; text: string; agentId?: string | undefined; turn?: number | undefined; messageId?: string | undefined }
export interface ToolCall {
  id: string; sessionId: string; timestamp: number; tool: string; status: ToolStatus;
  input?: unknown; output?: unknown; isError?: boolean | undefined; duration?: number | undefined;
}
export interface Presence {
  sessionId: string; timestamp: number; action: 'joined' | 'left' | 'cursor' | 'timeout'; userId: string;
  displayName?: string | undefined; avatarUrl?: string | undefined; cursor?: { x: number; y: number } | undefined; activeFile?: string | undefined;
}
export interface Terminal { sessionId: string; timestamp: number; type: 'input' | 'output' | 'error'; data: string; source?: 'user' | 'agent' | 'system' | undefined }
export interface Workflow { sessionId: string; timestamp: number; taskId?: string | undefined; actor?: string | undefined; payload: Record<string, unknown> }
export interface AgentState {
  sessionId: string; timestamp: number; agentId?: string | undefined; status: AgentStatus; taskId?: string | undefined; turn?: number | undefined; progress?: number | undefined;
  currentTool?: string | undefined; message?: string | undefined; error?: string | undefined;
}

export type ChunkRecord = RecordBase<'chunks', 'chunk', Chunk>;
export type ToolCallRecord = RecordBase<'toolCalls', 'tool:start' | 'tool:result', ToolCall>;
export type PresenceRecord = RecordBase<'presence', `presence:${string}`, Presence>;
export type TerminalRecord = RecordBase<'terminal', `terminal:${string}`, Terminal>;
export type WorkflowRecord = RecordBase<'workflow', string, Workflow>;
export type AgentStateRecord = RecordBase<'agentState', 'state:update', AgentState>;
export type AgentRecord = RecordBase<'agent', `agent:${string}`, { sessionId: string; timestamp: number; agentId: string } & Record<string, any>>;
export type ContainerAgentRecord = RecordBase<'containerAgent', `container-agent:${string}`, { sessionId: string; timestamp: number; taskId: string } & Record<string, any>>;
export type TopologyRecord = RecordBase<'topology', `topology:${string}`, { sessionId: string; timestamp: number; agentId: string } & Record<string, any>>;
export type UnknownRecord = RecordBase<'unknown', string, { sessionId: string; timestamp: number } & Record<string, unknown>>;
export type SessionRecord =
  | ChunkRecord | ToolCallRecord | PresenceRecord | TerminalRecord | WorkflowRecord | AgentStateRecord
  | AgentRecord | ContainerAgentRecord | TopologyRecord | UnknownRecord;

export interface SessionWithPresence {
  id: string; projectId: string | null; taskId?: string | null; agentId?: string | null; title?: string | null; status: SessionStatus;
  createdAt: number; updatedAt?: number; closedAt?: number | null;
  presence: Presence[];
}
