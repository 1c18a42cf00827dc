//! The error codes of the session API. Must not know HTTP: the server maps codes to statuses.

closed_enums! {
    /// What an API answer `{ "ok": false, "error": { "code", "message", "details"? } }` says went wrong.
    ErrorCode {
        /// No such session.
        SessionNotFound = "SESSION_NOT_FOUND",
        /// The session takes no more events.
        SessionClosed = "SESSION_CLOSED",
        /// The session's status cannot change that way.
        InvalidTransition = "INVALID_TRANSITION",
        /// Not a session id.
        InvalidSessionId = "INVALID_SESSION_ID",
        /// The session id is absent.
        MissingSessionId = "MISSING_SESSION_ID",
        /// Not JSON.
        InvalidJson = "INVALID_JSON",
        /// No such channel.
        InvalidChannel = "INVALID_CHANNEL",
        /// Not a valid event; the details have the path.
        InvalidEvent = "INVALID_EVENT",
        /// Not a cursor of this stream.
        InvalidCursor = "INVALID_CURSOR",
        /// Another content type is wanted.
        UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE",
        /// Nobody known asks.
        Unauthorized = "UNAUTHORIZED",
        /// Somebody known asks, but may not.
        Forbidden = "FORBIDDEN",
        /// A presence of another user than the caller.
        PresenceIdentityMismatch = "PRESENCE_IDENTITY_MISMATCH",
        /// The body is too large.
        PayloadTooLarge = "PAYLOAD_TOO_LARGE",
        /// Too many requests.
        RateLimited = "RATE_LIMITED",
        /// Too many open connections.
        TooManyConnections = "TOO_MANY_CONNECTIONS",
        /// The stream cannot be served now.
        StreamUnavailable = "STREAM_UNAVAILABLE",
        /// No room is left.
        StorageFull = "STORAGE_FULL",
        /// The event could not be published.
        PublishFailed = "PUBLISH_FAILED",
    }
}

impl ErrorCode {
    /// The code on the wire.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.as_str()
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimited | Self::TooManyConnections | Self::StreamUnavailable | Self::PublishFailed
        )
    }
}
