//! Every error code an answer of this server may carry. Codes are stable: clients and alerts depend on them.

use durable_sessions_schema::ErrorCode;

/// A stable error code. Those of the session contract keep its names; the rest are of the protocol and of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// No such session.
    SessionNotFound,
    /// The session is closed.
    SessionClosed,
    /// A session or agent id of another form.
    InvalidSessionId,
    /// `sessions/` or `agents/` without an id.
    MissingSessionId,
    /// The body is not JSON.
    InvalidJson,
    /// An event breaks the schema.
    InvalidEvent,
    /// A pagination cursor this server did not hand out.
    InvalidCursor,
    /// The session's status cannot change that way.
    InvalidTransition,
    /// No such channel, or none that can be written to.
    InvalidChannel,
    /// The session API takes JSON only.
    UnsupportedMediaType,
    /// A presence in the name of somebody else.
    PresenceIdentityMismatch,
    /// The event was valid and could not be published.
    PublishFailed,
    /// No or wrong credentials.
    Unauthorized,
    /// The caller may not do this.
    Forbidden,
    /// A body or an append over its limit.
    PayloadTooLarge,
    /// More requests or events than a rate permits.
    RateLimited,
    /// A limit on open connections is reached.
    TooManyConnections,
    /// Nobody by this name is a member of the session.
    MemberNotFound,
    /// A session has as many members as it may have.
    TooManyMembers,
    /// More streams of one identity are open than may be.
    TooManyStreams,
    /// The store does not accept this now.
    StreamUnavailable,
    /// The store has no room left.
    StorageFull,
    /// No such stream.
    StreamNotFound,
    /// The stream is deleted; forks keep its content.
    StreamGone,
    /// Another stream lives at this path.
    StreamExists,
    /// The stream is closed.
    StreamClosed,
    /// No stream has this path.
    InvalidStreamPath,
    /// The content type is missing, malformed, or not the stream's.
    ContentTypeMismatch,
    /// An append without a content type.
    ContentTypeMissing,
    /// A content type that is none.
    InvalidContentType,
    /// An append of nothing.
    EmptyAppend,
    /// A malformed offset, or one outside the stream.
    InvalidOffset,
    /// The offset lies in history that was trimmed.
    HistoryTrimmed,
    /// A query parameter that is missing, repeated or unknown in value.
    InvalidParameter,
    /// A header with a malformed value.
    InvalidHeader,
    /// Producer headers that do not belong together or are malformed.
    InvalidProducer,
    /// A newer epoch fenced this producer off.
    StaleEpoch,
    /// A producer batch before this one is missing.
    SequenceGap,
    /// `Stream-Seq` does not grow.
    SequenceConflict,
    /// The source of a fork cannot be forked there.
    InvalidFork,
    /// Attributes changed in between.
    Conflict,
    /// A request to a subscription that makes no sense.
    InvalidRequest,
    /// No such dead letter.
    DeadLetterNotFound,
    /// No such subscription.
    SubscriptionNotFound,
    /// Another subscription has this id.
    SubscriptionAlreadyExists,
    /// A limit on subscriptions or their streams is reached.
    SubscriptionLimit,
    /// A webhook URL that the server does not call.
    WebhookUrlRejected,
    /// A newer wake has taken the place of the one this request is about.
    Fenced,
    /// Another worker holds the subscription.
    AlreadyClaimed,
    /// Nothing of the subscription is pending.
    NoPendingWork,
    /// No such API key.
    KeyNotFound,
    /// No such route or file.
    NotFound,
    /// The route exists, the method does not.
    MethodNotAllowed,
    /// The body took too long.
    RequestTimeout,
    /// The body broke off.
    BodyAborted,
    /// The request target is too long.
    UriTooLong,
    /// The server is going down.
    ShuttingDown,
    /// A fault of the server.
    Internal,
}

impl Code {
    /// The code as clients see it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SessionNotFound => ErrorCode::SessionNotFound.code(),
            Self::SessionClosed => ErrorCode::SessionClosed.code(),
            Self::InvalidSessionId => ErrorCode::InvalidSessionId.code(),
            Self::MissingSessionId => ErrorCode::MissingSessionId.code(),
            Self::InvalidJson => ErrorCode::InvalidJson.code(),
            Self::InvalidEvent => ErrorCode::InvalidEvent.code(),
            Self::InvalidCursor => ErrorCode::InvalidCursor.code(),
            Self::InvalidTransition => ErrorCode::InvalidTransition.code(),
            Self::InvalidChannel => ErrorCode::InvalidChannel.code(),
            Self::UnsupportedMediaType => ErrorCode::UnsupportedMediaType.code(),
            Self::PresenceIdentityMismatch => ErrorCode::PresenceIdentityMismatch.code(),
            Self::PublishFailed => ErrorCode::PublishFailed.code(),
            Self::Unauthorized => ErrorCode::Unauthorized.code(),
            Self::Forbidden => ErrorCode::Forbidden.code(),
            Self::PayloadTooLarge => ErrorCode::PayloadTooLarge.code(),
            Self::RateLimited => ErrorCode::RateLimited.code(),
            Self::TooManyConnections => ErrorCode::TooManyConnections.code(),
            Self::StreamUnavailable => ErrorCode::StreamUnavailable.code(),
            Self::StorageFull => ErrorCode::StorageFull.code(),
            Self::MemberNotFound => "MEMBER_NOT_FOUND",
            Self::TooManyMembers => "TOO_MANY_MEMBERS",
            Self::TooManyStreams => "TOO_MANY_STREAMS",
            Self::StreamNotFound => "STREAM_NOT_FOUND",
            Self::StreamGone => "STREAM_GONE",
            Self::StreamExists => "STREAM_EXISTS",
            Self::StreamClosed => "STREAM_CLOSED",
            Self::InvalidStreamPath => "INVALID_STREAM_PATH",
            Self::ContentTypeMismatch => "CONTENT_TYPE_MISMATCH",
            Self::ContentTypeMissing => "CONTENT_TYPE_MISSING",
            Self::InvalidContentType => "INVALID_CONTENT_TYPE",
            Self::EmptyAppend => "EMPTY_APPEND",
            Self::InvalidOffset => "INVALID_OFFSET",
            Self::HistoryTrimmed => "HISTORY_TRIMMED",
            Self::InvalidParameter => "INVALID_PARAMETER",
            Self::InvalidHeader => "INVALID_HEADER",
            Self::InvalidProducer => "INVALID_PRODUCER",
            Self::StaleEpoch => "STALE_EPOCH",
            Self::SequenceGap => "SEQUENCE_GAP",
            Self::SequenceConflict => "SEQUENCE_CONFLICT",
            Self::InvalidFork => "INVALID_FORK",
            Self::Conflict => "CONFLICT",
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::DeadLetterNotFound => "DEAD_LETTER_NOT_FOUND",
            Self::SubscriptionNotFound => "SUBSCRIPTION_NOT_FOUND",
            Self::SubscriptionAlreadyExists => "SUBSCRIPTION_ALREADY_EXISTS",
            Self::SubscriptionLimit => "SUBSCRIPTION_LIMIT",
            Self::WebhookUrlRejected => "WEBHOOK_URL_REJECTED",
            Self::Fenced => "FENCED",
            Self::AlreadyClaimed => "ALREADY_CLAIMED",
            Self::NoPendingWork => "NO_PENDING_WORK",
            Self::KeyNotFound => "KEY_NOT_FOUND",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
            Self::BodyAborted => "BODY_ABORTED",
            Self::UriTooLong => "URI_TOO_LONG",
            Self::ShuttingDown => "SHUTTING_DOWN",
            Self::Internal => "INTERNAL",
        }
    }
}
