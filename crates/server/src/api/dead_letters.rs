//! `/api/dead-letters`: queued appends that were given up, for the administrator to look at, queue again or delete.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::CACHE_CONTROL;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::document::Failure;
use super::envelope::PathId;
use crate::Code;
use crate::admin::Admin;
use crate::answer::NO_STORE;
use crate::app::App;
use crate::error::ApiError;
use crate::seldom::seldom;
use crate::spool::{LetterError, id_text, parse_id};
use crate::store_error::storage_full;

/// A queued append that was given up.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetter)]
pub(crate) struct DeadLetterShape {
    id: String,
    /// Of the stream.
    path: String,
    content_type: String,
    /// Of the payload.
    bytes: u64,
    reason: DeadLetterReasonShape,
    /// How often it was tried.
    attempts: u32,
    /// Of one attempt nobody knows whether it reached the stream.
    uncertain: bool,
    accepted_at_ms: i64,
    first_attempt_at_ms: i64,
    failed_at_ms: i64,
    /// The payload, of JSON streams; not in lists.
    messages: Option<Value>,
    /// The payload, of others; not in lists.
    base64: Option<String>,
}

/// Why it was given up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterReason)]
pub(crate) struct DeadLetterReasonShape {
    /// As a direct append would have been answered.
    code: String,
    message: String,
}

/// A dead letter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterAnswer)]
pub(crate) struct DeadLetterAnswerShape {
    ok: bool,
    data: DeadLetterShape,
}

/// Dead letters, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterListAnswer)]
pub(crate) struct DeadLetterListAnswerShape {
    ok: bool,
    data: DeadLetterListShape,
}

/// Dead letters, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetterList)]
pub(crate) struct DeadLetterListShape {
    dead_letters: Vec<DeadLetterShape>,
    /// Where the list goes on; null at its end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// What became of dead letters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterSweepAnswer)]
pub(crate) struct DeadLetterSweepAnswerShape {
    ok: bool,
    data: DeadLetterSweepShape,
}

/// What became of dead letters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterSweep)]
pub(crate) struct DeadLetterSweepShape {
    /// How many are queued again.
    redriven: Option<u64>,
    /// How many are deleted.
    purged: Option<u64>,
    /// Whether there are others.
    more: bool,
}

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;
/// Dead letters that one request queues again or deletes; the answer says whether there are more.
const SWEEP_LEN: usize = 1_000;

impl From<LetterError> for ApiError {
    fn from(error: LetterError) -> Self {
        match error {
            LetterError::NotFound => {
                Self::new(StatusCode::NOT_FOUND, Code::DeadLetterNotFound, "there is no such dead letter")
            }
            LetterError::Full => {
                let message = "too many appends are queued";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::StreamUnavailable, message).retry_after(2)
            }
            LetterError::StorageFull => storage_full(error.to_string()),
            LetterError::Unreadable => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::StreamUnavailable, error.to_string())
            }
            LetterError::Unavailable(reason) => {
                seldom!(|unsaid| tracing::error!(
                    error_id = "dead-letters-unavailable",
                    reason,
                    unsaid,
                    "dead letters are unavailable"
                ));
                let message = "dead letters are unavailable";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::StreamUnavailable, message).retry_after(5)
            }
        }
    }
}

fn respond(outcome: Result<Value, ApiError>) -> Response {
    match outcome {
        Ok(data) => ([(CACHE_CONTROL, NO_STORE)], Json(json!({ "ok": true, "data": data }))).into_response(),
        Err(error) => error.into_api_response(),
    }
}

/// The administrator's request, or the refusal in the envelope of this API.
type Asked = Result<Admin, ApiError>;

/// Lists dead letters, oldest first.
#[utoipa::path(
    get,
    path = "/api/dead-letters",
    tag = "operation",
    operation_id = "listDeadLetters",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 when absent.", minimum = 1, maximum = 1000),
        ("after" = Option<String>, Query, description = "The `nextCursor` of the last answer."),
    ),
    responses(
        (status = 200, description = "Some of them.", body = DeadLetterListAnswerShape),
        (status = 400, description = "INVALID_PARAMETER, INVALID_CURSOR", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
    ),
)]
pub(crate) async fn list_dead_letters(
    admin: Asked,
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Response {
    let list = async {
        admin?;
        let (limit, after) = parse(query.as_deref())?;
        let (letters, next) = app.spool.letters(after, limit).await?;
        Ok(json!({ "deadLetters": letters, "nextCursor": next.map(id_text) }))
    };
    respond(list.await)
}

/// Shows a dead letter with its payload.
#[utoipa::path(
    get,
    path = "/api/dead-letters/{id}",
    tag = "operation",
    operation_id = "showDeadLetter",
    params(("id" = String, Path, description = "The id of the letter.")),
    responses(
        (status = 200, description = "The letter.", body = DeadLetterAnswerShape),
        (status = 400, description = "The path is not UTF-8.", body = Failure),
        (status = 404, description = "DEAD_LETTER_NOT_FOUND", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
    ),
)]
pub(crate) async fn show_dead_letter(admin: Asked, State(app): State<Arc<App>>, id: PathId) -> Response {
    let show = async {
        admin?;
        let id = parse_id(&id.0).ok_or(LetterError::NotFound)?;
        Ok(app.spool.letter(id).await?.whole(id))
    };
    respond(show.await)
}

/// Queues a dead letter again, behind all others.
#[utoipa::path(
    post,
    path = "/api/dead-letters/{id}/redrive",
    tag = "operation",
    operation_id = "redriveDeadLetter",
    params(("id" = String, Path, description = "The id of the letter.")),
    responses(
        (status = 200, description = "It is queued.", body = DeadLetterSweepAnswerShape),
        (status = 400, description = "The path is not UTF-8.", body = Failure),
        (status = 404, description = "DEAD_LETTER_NOT_FOUND", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
    ),
)]
pub(crate) async fn redrive_dead_letter(admin: Asked, State(app): State<Arc<App>>, id: PathId) -> Response {
    let redrive = async {
        admin?;
        redrive(&app, parse_id(&id.0).ok_or(LetterError::NotFound)?).await?;
        Ok(json!({ "redriven": 1, "more": false }))
    };
    respond(redrive.await)
}

/// Deletes a dead letter for good.
#[utoipa::path(
    delete,
    path = "/api/dead-letters/{id}",
    tag = "operation",
    operation_id = "purgeDeadLetter",
    params(("id" = String, Path, description = "The id of the letter.")),
    responses(
        (status = 200, description = "It is gone.", body = DeadLetterSweepAnswerShape),
        (status = 400, description = "The path is not UTF-8.", body = Failure),
        (status = 404, description = "DEAD_LETTER_NOT_FOUND", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
    ),
)]
pub(crate) async fn purge_dead_letter(admin: Asked, State(app): State<Arc<App>>, id: PathId) -> Response {
    let purge = async {
        admin?;
        purge(&app, parse_id(&id.0).ok_or(LetterError::NotFound)?).await?;
        Ok(json!({ "purged": 1, "more": false }))
    };
    respond(purge.await)
}

/// Queues up to 1,000 dead letters again, oldest first.
#[utoipa::path(
    post,
    path = "/api/dead-letters/redrive",
    tag = "operation",
    operation_id = "redriveDeadLetters",
    responses(
        (status = 200, description = "They are queued.", body = DeadLetterSweepAnswerShape),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
    ),
)]
pub(crate) async fn redrive_dead_letters(admin: Asked, State(app): State<Arc<App>>) -> Response {
    let all = async {
        admin?;
        let (done, more) = sweep(&app, Change::Redrive).await?;
        Ok(json!({ "redriven": done, "more": more }))
    };
    respond(all.await)
}

/// Deletes up to 1,000 dead letters for good, oldest first.
#[utoipa::path(
    delete,
    path = "/api/dead-letters",
    tag = "operation",
    operation_id = "purgeDeadLetters",
    responses(
        (status = 200, description = "They are gone.", body = DeadLetterSweepAnswerShape),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
    ),
)]
pub(crate) async fn purge_dead_letters(admin: Asked, State(app): State<Arc<App>>) -> Response {
    let all = async {
        admin?;
        let (done, more) = sweep(&app, Change::Purge).await?;
        Ok(json!({ "purged": done, "more": more }))
    };
    respond(all.await)
}

async fn redrive(app: &App, id: u64) -> Result<(), LetterError> {
    app.spool.redrive(id).await?;
    app.metrics.dead_letters_redriven.inc();
    tracing::info!(dead_letter = id_text(id), "a dead letter is queued again");
    Ok(())
}

async fn purge(app: &App, id: u64) -> Result<(), LetterError> {
    app.spool.purge(id).await?;
    app.metrics.dead_letters_purged.inc();
    tracing::warn!(error_id = "dead-letter-purged", dead_letter = id_text(id), "a dead letter is deleted");
    Ok(())
}

/// What is done to dead letters.
#[derive(Debug, Clone, Copy)]
enum Change {
    Redrive,
    Purge,
}

/// Does something to the oldest dead letters: to how many, and whether there are more. A queue that fills on the way
/// is an end, not a failure of what was done.
async fn sweep(app: &App, change: Change) -> Result<(usize, bool), LetterError> {
    let ids = app.spool.letter_ids(SWEEP_LEN + 1).await?;
    let mut done = 0;
    for &id in ids.iter().take(SWEEP_LEN) {
        let changed = match change {
            Change::Redrive => redrive(app, id).await,
            Change::Purge => purge(app, id).await,
        };
        match changed {
            Ok(()) => done += 1,
            // One that cannot be read back is not queued again, and keeps no other from it.
            Err(LetterError::NotFound | LetterError::Unreadable) => {}
            Err(LetterError::Full | LetterError::StorageFull) if done > 0 => return Ok((done, true)),
            Err(error) => return Err(error),
        }
    }
    Ok((done, ids.len() > SWEEP_LEN))
}

fn parse(query: Option<&str>) -> Result<(usize, Option<u64>), ApiError> {
    let (mut limit, mut after) = (LIMIT_DEFAULT, None);
    for pair in query.unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "limit" => {
                let given = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                limit = given.ok_or_else(|| {
                    let message = format!("limit must be a number from 1 to {LIMIT_MAX}");
                    ApiError::bad_request(Code::InvalidParameter, message)
                })?;
            }
            "after" => {
                let given = parse_id(value);
                let bad = || ApiError::bad_request(Code::InvalidCursor, "after is not a cursor of this list");
                after = Some(given.ok_or_else(bad)?);
            }
            _ => {}
        }
    }
    Ok((limit, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_bounds() {
        assert_eq!(parse(None).unwrap(), (100, None));
        assert_eq!(parse(Some("after=7&limit=2")).unwrap(), (2, Some(7)));
        for bad in ["limit=0", "limit=1001", "limit=x", "after=", "after=a"] {
            assert!(parse(Some(bad)).is_err(), "{bad}");
        }
    }
}
