//! The one place where errors of the store become answers.

use durable_sessions_protocol::{Unit, header};
use durable_sessions_storage::{AppendError, CreateError, DeleteError, ReadError};
use http::StatusCode;
use serde_json::json;

use crate::Code;
use crate::answer::{TRUE, number_value};
use crate::error::ApiError;
use crate::presence::PresenceError;
use crate::quota::Limit;
use crate::seldom::seldom;
use crate::session::ChangeError;
use crate::stream::Namespace;

/// After how many seconds a full queue is worth another try: one commit takes milliseconds.
const OVERLOAD_RETRY_SECS: u32 = 1;
/// After how many seconds a failed medium is: the store tries to recover all the time.
const UNAVAILABLE_RETRY_SECS: u32 = 5;
/// After how many seconds somebody may have gone.
const PRESENCE_RETRY_SECS: u32 = 10;

/// After how many seconds a full store is worth another try: it looks for room every second.
const FULL_RETRY_SECS: u32 = 10;

pub(crate) fn storage_full(message: String) -> ApiError {
    ApiError::new(StatusCode::INSUFFICIENT_STORAGE, Code::StorageFull, message).retry_after(FULL_RETRY_SECS)
}

/// Turns an error into an answer, in the words of the namespace the stream lives in.
pub(crate) trait StoreError {
    fn answer(self, namespace: Namespace) -> ApiError;
}

fn not_found(namespace: Namespace) -> ApiError {
    match namespace {
        Namespace::Sessions => {
            ApiError::new(StatusCode::NOT_FOUND, Code::SessionNotFound, "the session does not exist")
        }
        Namespace::Agents | Namespace::Plain => {
            ApiError::new(StatusCode::NOT_FOUND, Code::StreamNotFound, "the stream does not exist")
        }
    }
}

fn gone() -> ApiError {
    ApiError::new(StatusCode::GONE, Code::StreamGone, "the stream is deleted; its forks keep its content")
}

fn overloaded() -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Code::StreamUnavailable, "too many appends are pending")
        .retry_after(OVERLOAD_RETRY_SECS)
}

/// The reason is for operators: it is logged here, not for every request of an outage, and not sent.
fn unavailable(reason: &str) -> ApiError {
    seldom!(|unsaid| tracing::error!(
        error_id = "store-unavailable",
        reason,
        unsaid,
        "the store is unavailable"
    ));
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Code::StreamUnavailable, "the store is unavailable")
        .retry_after(UNAVAILABLE_RETRY_SECS)
}

impl StoreError for AppendError {
    fn answer(self, namespace: Namespace) -> ApiError {
        let message = self.to_string();
        let conflict = |code| ApiError::new(StatusCode::CONFLICT, code, message.clone());
        match self {
            Self::NotFound => not_found(namespace),
            Self::Gone => gone(),
            Self::Closed { next_offset } => {
                let code = match namespace {
                    Namespace::Sessions => Code::SessionClosed,
                    Namespace::Agents | Namespace::Plain => Code::StreamClosed,
                };
                conflict(code)
                    .header(header::STREAM_CLOSED, TRUE)
                    .offset_header(header::STREAM_NEXT_OFFSET, next_offset)
            }
            Self::ContentType { expected } => {
                conflict(Code::ContentTypeMismatch).details(json!({ "expected": expected.as_str() }))
            }
            Self::StaleEpoch { current } => ApiError::new(StatusCode::FORBIDDEN, Code::StaleEpoch, message)
                .header(header::PRODUCER_EPOCH, number_value(current.number()))
                .details(json!({ "current": current.number() })),
            Self::EpochStart => ApiError::bad_request(Code::InvalidProducer, message),
            Self::SequenceGap { expected, received } => conflict(Code::SequenceGap)
                .header(header::PRODUCER_EXPECTED_SEQ, number_value(expected.number()))
                .header(header::PRODUCER_RECEIVED_SEQ, number_value(received.number()))
                .details(json!({ "expected": expected.number(), "received": received.number() })),
            Self::StreamSeq => conflict(Code::SequenceConflict),
            Self::AttributesConflict { current } => {
                conflict(Code::Conflict).details(json!({ "version": current }))
            }
            Self::Empty => ApiError::bad_request(Code::EmptyAppend, message),
            Self::Full(_) => ApiError::new(StatusCode::INSUFFICIENT_STORAGE, Code::StorageFull, message)
                .limit(Limit::Storage),
            Self::StorageFull => storage_full(message),
            Self::Overloaded => overloaded(),
            Self::Unavailable(reason) => unavailable(&reason),
        }
    }
}

impl StoreError for CreateError {
    fn answer(self, namespace: Namespace) -> ApiError {
        let message = self.to_string();
        match self {
            Self::ConfigurationMismatch(what) => {
                ApiError::new(StatusCode::CONFLICT, Code::StreamExists, message)
                    .details(json!({ "differs": what }))
            }
            Self::PathBlocked => ApiError::new(StatusCode::CONFLICT, Code::StreamGone, message),
            Self::SourceNotFound => ApiError::new(
                StatusCode::NOT_FOUND,
                match namespace {
                    Namespace::Sessions => Code::SessionNotFound,
                    Namespace::Agents | Namespace::Plain => Code::StreamNotFound,
                },
                message,
            ),
            Self::SourceDeleted => ApiError::new(StatusCode::CONFLICT, Code::StreamGone, message),
            Self::SourceContentType(expected) => {
                ApiError::new(StatusCode::CONFLICT, Code::ContentTypeMismatch, message)
                    .details(json!({ "expected": expected.as_str() }))
            }
            Self::ForkOffset => ApiError::bad_request(Code::InvalidFork, message),
            Self::RetentionCount => ApiError::bad_request(Code::InvalidHeader, message),
            Self::Full(_) => ApiError::new(StatusCode::INSUFFICIENT_STORAGE, Code::StorageFull, message)
                .limit(Limit::Storage),
            Self::StorageFull => storage_full(message),
            Self::InitialContent => ApiError::bad_request(Code::ContentTypeMismatch, message),
            Self::Overloaded => overloaded(),
            Self::Unavailable(reason) => unavailable(&reason),
        }
    }
}

impl StoreError for ReadError {
    fn answer(self, namespace: Namespace) -> ApiError {
        let message = self.to_string();
        match self {
            Self::NotFound => not_found(namespace),
            Self::Gone => gone(),
            Self::Trimmed { first, unit } => {
                let error = ApiError::new(StatusCode::GONE, Code::HistoryTrimmed, message)
                    .offset_header(header::STREAM_FIRST_OFFSET, first);
                match unit {
                    Unit::Message => {
                        error.header(header::STREAM_MESSAGE_COUNT, number_value(first.position()))
                    }
                    Unit::Byte => error,
                }
            }
            Self::BeyondTail { tail } => ApiError::bad_request(Code::InvalidOffset, message)
                .offset_header(header::STREAM_NEXT_OFFSET, tail),
            Self::Damaged { at } => {
                tracing::error!(error_id = "stored-row-damaged", at = %at, "a stored row is damaged");
                ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "stored data is damaged")
            }
            Self::Unavailable(reason) => unavailable(&reason),
        }
    }
}

impl StoreError for ChangeError {
    fn answer(self, namespace: Namespace) -> ApiError {
        match self {
            Self::Read(error) => error.answer(namespace),
            Self::Append(error) => error.answer(namespace),
            Self::Transition(why) => {
                ApiError::new(StatusCode::CONFLICT, Code::InvalidTransition, why.to_string())
                    .details(json!({ "from": why.from.as_str(), "to": why.to.as_str() }))
            }
        }
    }
}

impl StoreError for PresenceError {
    fn answer(self, namespace: Namespace) -> ApiError {
        let message = self.to_string();
        let (limit, max) = match self {
            Self::Change(error) => return error.answer(namespace),
            Self::UsersMax(max) => (Limit::PresenceUsers, max),
            Self::ConnectionsMax(max) | Self::ConnectionsPerUserMax(max) => (Limit::PresenceConnections, max),
        };
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, Code::TooManyConnections, message)
            .limit(limit)
            .retry_after(PRESENCE_RETRY_SECS)
            .details(json!({ "limit": max }))
    }
}

impl StoreError for DeleteError {
    fn answer(self, namespace: Namespace) -> ApiError {
        match self {
            Self::NotFound => not_found(namespace),
            Self::Gone => gone(),
            Self::Overloaded => overloaded(),
            Self::Unavailable(reason) => unavailable(&reason),
        }
    }
}
