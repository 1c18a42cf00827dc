//! Refusals of subscriptions as answers, in one place.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::json;

use super::SubscribeError;
use super::actor::Failure;
use super::machine::Refusal;
use super::specification::InvalidSpecification;
use crate::Code;
use crate::app::App;
use crate::error::ApiError;
use crate::keys::KeysError;
use crate::quota::Limit;
use crate::store_error::StoreError as _;
use crate::stream::Namespace;

/// After how many seconds a subscription whose queue is full is worth another try.
const OVERLOAD_RETRY_SECS: u32 = 1;

pub(super) fn wrong(why: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::bad_request(Code::InvalidRequest, why)
}

pub(super) fn invalid(why: &InvalidSpecification) -> ApiError {
    wrong(why.to_string())
}

pub(super) fn not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, Code::SubscriptionNotFound, "the subscription does not exist")
}

pub(super) fn stopping() -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Code::ShuttingDown, "the server is shutting down")
        .retry_after(OVERLOAD_RETRY_SECS)
}

/// The subscription ended while it was asked.
pub(super) fn gone(app: &App) -> ApiError {
    if app.is_draining() { stopping() } else { not_found() }
}

pub(super) fn no_keys(why: &KeysError) -> ApiError {
    tracing::error!(error_id = "subscription-keys", %why, "the keys of subscriptions are not available");
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Code::StreamUnavailable, "the store is unavailable")
        .retry_after(OVERLOAD_RETRY_SECS)
}

pub(super) fn not_subscribed(why: SubscribeError) -> ApiError {
    let message = why.to_string();
    match why {
        SubscribeError::Exists => {
            ApiError::new(StatusCode::CONFLICT, Code::SubscriptionAlreadyExists, message)
        }
        SubscribeError::TooMany(max) => limit(message, max),
        SubscribeError::Failed(failure) => failed(failure),
        SubscribeError::Create(why) => why.answer(Namespace::Plain),
        SubscribeError::Gone => stopping(),
    }
}

fn limit(message: String, max: usize) -> ApiError {
    ApiError::new(StatusCode::INSUFFICIENT_STORAGE, Code::SubscriptionLimit, message)
        .limit(Limit::Subscriptions)
        .details(json!({ "limit": max }))
}

pub(super) fn failed(why: Failure) -> ApiError {
    let message = why.to_string();
    match why {
        Failure::Refused(refusal) => match refusal {
            Refusal::Fenced => ApiError::new(StatusCode::CONFLICT, Code::Fenced, message),
            Refusal::AlreadyClaimed { holder, generation } => {
                ApiError::new(StatusCode::CONFLICT, Code::AlreadyClaimed, message)
                    .field("current_holder", holder.into())
                    .field("generation", generation.into())
            }
            Refusal::NoPendingWork => ApiError::new(StatusCode::CONFLICT, Code::NoPendingWork, message),
            Refusal::BeyondTail { .. } => ApiError::bad_request(Code::InvalidOffset, message),
            Refusal::TooManyStreams { max } | Refusal::TooManyBytes { max } => limit(message, max),
        },
        Failure::Write(why) => why.answer(Namespace::Plain),
        Failure::Read(why) => why.answer(Namespace::Plain),
        Failure::Delete(why) => why.answer(Namespace::Plain),
    }
}

pub(super) fn overloaded() -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        Code::StreamUnavailable,
        "too many requests of this subscription are pending",
    )
    .retry_after(OVERLOAD_RETRY_SECS)
}
