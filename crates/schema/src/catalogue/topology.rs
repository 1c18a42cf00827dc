//! The `topology:*` extension: agents that spawn agents. Must not know the core events.

use crate::enums::TopologyOutcome;
use crate::id::{AgentId, TaskId};
use crate::spec::Nullable;

payloads! {
    /// An agent was spawned.
    TopologySpawnedPayload {
        /// The new agent.
        agent_id: AgentId = "agentId";
        /// The task it works on.
        task_id?: TaskId = "taskId";
        /// The name to show.
        name: String = "name";
        /// What it is for.
        role: String = "role";
        /// The agent that spawned it; null at the root.
        parent_id: Nullable<AgentId> = "parentId";
    }
    /// A spawned agent has come further.
    TopologyProgressPayload {
        /// The agent.
        agent_id: AgentId = "agentId";
        /// Tokens used.
        tokens: u64 = "tokens";
        /// Tools used.
        tool_uses: u64 = "toolUses";
        /// For how long it has run, in milliseconds.
        duration_ms: f64 = "durationMs";
        /// What it has done.
        summary?: String = "summary";
    }
    /// A spawned agent has ended.
    TopologyCompletedPayload {
        /// The agent.
        agent_id: AgentId = "agentId";
        /// How it ended.
        status: TopologyOutcome = "status";
        /// What it has done.
        summary?: String = "summary";
        /// Tokens used.
        tokens?: u64 = "tokens";
        /// Tools used.
        tool_uses?: u64 = "toolUses";
        /// For how long it ran, in milliseconds.
        duration_ms?: f64 = "durationMs";
    }
}

macro_rules! topology_events {
    ([$next:ident $($more:ident)*] $($before:tt)*) => {
        $next! { [$($more)*] $($before)*
            /// An agent was spawned.
            TopologySpawned "topology:agent_spawned" Topology TopologySpawnedPayload
                ("type" = "topology:agent_spawned");
            /// A spawned agent has come further.
            TopologyProgress "topology:agent_progress" Topology TopologyProgressPayload
                ("type" = "topology:agent_progress");
            /// A spawned agent has ended.
            TopologyCompleted "topology:agent_completed" Topology TopologyCompletedPayload
                ("type" = "topology:agent_completed");
        }
    };
}
