//! The limits by name, as metrics count them. Must not know what any of them is set to.

/// A limit that refused something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Limit {
    /// `requests_per_identity`
    RequestsPerIdentity,
    /// `requests_per_address`
    RequestsPerAddress,
    /// `events_per_session`
    EventsPerSession,
    /// `sse_subscribers_per_identity_max`
    SubscribersPerIdentity,
    /// `sse_subscribers_max`
    Subscribers,
    /// `open_streams_per_identity_max`
    OpenStreamsPerIdentity,
    /// `sessions_max`, and what the store bounds of its own
    Storage,
    /// `event_bytes_max`, and the smaller one of events that are not stored
    EventBytes,
    /// `append_messages_max`
    AppendMessages,
    /// `body_bytes_max`
    BodyBytes,
    /// `bodies_bytes_max`
    BodiesBytes,
    /// `url_bytes_max`
    UrlBytes,
    /// `head_bytes_max`, and the number of header fields
    HeadBytes,
    /// `header_read_timeout`
    HeaderReadTimeout,
    /// `body_read_timeout`
    BodyReadTimeout,
    /// `presence_users_max`
    PresenceUsers,
    /// `presence_connections_max`
    PresenceConnections,
    /// Members of one session.
    Members,
    /// `subscriptions_max` and `subscription_streams_max`
    Subscriptions,
    /// `queued_appends_max` and `queued_bytes_max`
    QueuedAppends,
}

impl Limit {
    /// All of them, so that each has a counter from the start.
    pub(crate) const ALL: [Self; 20] = [
        Self::RequestsPerIdentity,
        Self::RequestsPerAddress,
        Self::EventsPerSession,
        Self::SubscribersPerIdentity,
        Self::Subscribers,
        Self::OpenStreamsPerIdentity,
        Self::Storage,
        Self::EventBytes,
        Self::AppendMessages,
        Self::BodyBytes,
        Self::BodiesBytes,
        Self::UrlBytes,
        Self::HeadBytes,
        Self::HeaderReadTimeout,
        Self::BodyReadTimeout,
        Self::PresenceUsers,
        Self::PresenceConnections,
        Self::Members,
        Self::Subscriptions,
        Self::QueuedAppends,
    ];

    /// The value of the label `limit`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::RequestsPerIdentity => "requests-per-identity",
            Self::RequestsPerAddress => "requests-per-address",
            Self::EventsPerSession => "events-per-session",
            Self::SubscribersPerIdentity => "sse-subscribers-per-identity",
            Self::Subscribers => "sse-subscribers",
            Self::OpenStreamsPerIdentity => "open-streams-per-identity",
            Self::Storage => "storage",
            Self::EventBytes => "event-bytes",
            Self::AppendMessages => "append-messages",
            Self::BodyBytes => "body-bytes",
            Self::BodiesBytes => "bodies-bytes",
            Self::UrlBytes => "url-bytes",
            Self::HeadBytes => "head-bytes",
            Self::HeaderReadTimeout => "header-read-timeout",
            Self::BodyReadTimeout => "body-read-timeout",
            Self::PresenceUsers => "presence-users",
            Self::PresenceConnections => "presence-connections",
            Self::Members => "members",
            Self::Subscriptions => "subscriptions",
            Self::QueuedAppends => "queued-appends",
        }
    }
}
