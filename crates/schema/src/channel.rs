//! Channels: what a consumer subscribes to. Must not know event types (the catalogue maps them).

/// Where the record of an event goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "typescript", derive(tsify::Tsify))]
pub enum Channel {
    /// Streaming text.
    Chunks,
    /// Tool calls.
    ToolCalls,
    /// Who is there.
    Presence,
    /// Terminal text.
    Terminal,
    /// Approvals and worktrees.
    Workflow,
    /// What an agent is doing.
    AgentState,
    /// The life of an agent.
    Agent,
    /// The container agent extension.
    ContainerAgent,
    /// The topology extension.
    Topology,
    /// Event types that are not in the catalogue.
    Unknown,
}

impl Channel {
    /// Every channel, in order.
    pub const ALL: &'static [Self] = &[
        Self::Chunks,
        Self::ToolCalls,
        Self::Presence,
        Self::Terminal,
        Self::Workflow,
        Self::AgentState,
        Self::Agent,
        Self::ContainerAgent,
        Self::Topology,
        Self::Unknown,
    ];

    /// The name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chunks => "chunks",
            Self::ToolCalls => "toolCalls",
            Self::Presence => "presence",
            Self::Terminal => "terminal",
            Self::Workflow => "workflow",
            Self::AgentState => "agentState",
            Self::Agent => "agent",
            Self::ContainerAgent => "containerAgent",
            Self::Topology => "topology",
            Self::Unknown => "unknown",
        }
    }

    /// The channel of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|channel| channel.name() == name)
    }
}

#[cfg(feature = "typescript")]
pub(crate) const DECLARATIONS: &[&str] = &[<Channel as tsify::Tsify>::DECL];
