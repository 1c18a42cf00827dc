//! What a subscription tells the application about itself; events that are wrong go through the sink instead.

use std::fmt;

use durable_sessions_protocol::OffsetToken;

use crate::Cause;

/// Why a subscription stopped or skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionError {
    /// Every attempt allowed has failed.
    AttemptsExhausted {
        /// How many.
        attempts: u32,
        /// Why the last one did.
        cause: Cause,
        /// Where reading would resume.
        cursor: Option<OffsetToken>,
    },
    /// The server refused in a way that trying again cannot change.
    Refused {
        /// 400, 401, 403, 404 or 410.
        status: u16,
    },
    /// The connection ended, and reconnecting is switched off.
    NotReconnecting {
        /// Why it ended.
        cause: Cause,
    },
    /// What stood between the last message delivered and `first` no longer exists. Reading goes on there.
    HistoryTrimmed {
        /// The first offset that still exists.
        first: OffsetToken,
        /// How many messages are missing, as far as that is known.
        missing: Option<u64>,
    },
}

impl SubscriptionError {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AttemptsExhausted { .. } => "CONNECTION_LOST",
            Self::Refused { status: 400 } => "BAD_REQUEST",
            Self::Refused { status: 401 } => "UNAUTHORIZED",
            Self::Refused { status: 403 } => "FORBIDDEN",
            Self::Refused { status: 404 } => "SESSION_NOT_FOUND",
            Self::Refused { .. } => "GONE",
            Self::NotReconnecting { .. } => "DISCONNECTED",
            Self::HistoryTrimmed { .. } => "HISTORY_TRIMMED",
        }
    }

    /// Whether asking again later may help.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::AttemptsExhausted { .. } | Self::NotReconnecting { .. })
    }
}

impl fmt::Display for SubscriptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AttemptsExhausted { attempts, cause, cursor } => {
                write!(f, "gave up after {attempts} attempts; the last cause: {cause}; ")?;
                match cursor {
                    Some(cursor) => write!(f, "the last cursor: {cursor}"),
                    None => f.write_str("nothing was read yet"),
                }
            }
            Self::Refused { status } => write!(f, "the server refused the subscription with status {status}"),
            Self::NotReconnecting { cause } => {
                write!(f, "the connection ended and reconnecting is switched off: {cause}")
            }
            Self::HistoryTrimmed { first, missing: Some(missing) } => {
                write!(f, "{missing} messages before {first} no longer exist; reading goes on there")
            }
            Self::HistoryTrimmed { first, missing: None } => {
                write!(f, "messages before {first} no longer exist; reading goes on there")
            }
        }
    }
}

impl std::error::Error for SubscriptionError {}
