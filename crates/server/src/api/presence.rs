//! `/api/sessions/{id}/presence`: who is there, and saying so.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use durable_sessions_schema::{PresenceEntry, UserId};
use durable_sessions_storage::AppendError;
use http::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::document::Failure;
use super::envelope::{Answer, SessionPath, json_body, parse, success};
use crate::Code;
use crate::access::{Action, Writer, guard_existing};
use crate::app::App;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::presence::{self, Profile};
use crate::store_error::StoreError as _;
use crate::stream::Namespace;

/// Longest connection id, in characters.
const CONNECTION_ID_CHARS_MAX: usize = 256;
/// Longest texts that a user shows, in bytes.
const NAME_BYTES_MAX: usize = 512;
const URL_BYTES_MAX: usize = 2048;
const FILE_BYTES_MAX: usize = 1024;

/// What a connection says of itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PresenceUpdate {
    action: PresenceAction,
    /// Who it is: the caller.
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    user_id: UserId,
    /// Names this tab or device; the same in all it says.
    #[schema(min_length = 1, max_length = 256)]
    connection_id: String,
    /// The name to show.
    display_name: Option<String>,
    /// The picture to show.
    avatar_url: Option<String>,
    /// Where the user points.
    cursor: Option<Cursor>,
    /// The file the user looks at.
    active_file: Option<String>,
}

/// What it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum PresenceAction {
    /// It is there.
    Join,
    /// Something of it has changed.
    Update,
    /// It goes.
    Leave,
    /// It is still there; a connection that was forgotten joins again.
    Heartbeat,
}

/// A point on the page.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
struct Cursor {
    x: f64,
    y: f64,
}

/// That the server has heard.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PresenceState {
    user_id: String,
    connection_id: String,
    /// When the connection is forgotten unless heard of, in Unix milliseconds.
    expires_at: i64,
}

/// That the server has heard.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PresenceStateAnswer {
    ok: bool,
    data: PresenceState,
}

/// Who is there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PresenceListAnswer {
    ok: bool,
    data: PresenceList,
}

/// Who is there, by user id.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PresenceList {
    #[schema(value_type = Vec<PresenceEntryShape>)]
    presence: Vec<PresenceEntry>,
}

/// One user who is there. The entry itself is of the schema crate.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PresenceEntry)]
pub(crate) struct PresenceEntryShape {
    user_id: String,
    display_name: Option<String>,
    avatar_url: Option<String>,
    cursor: Option<PresenceCursorShape>,
    active_file: Option<String>,
    /// Unix milliseconds.
    joined_at: u64,
    /// Unix milliseconds.
    last_seen_at: u64,
    /// How many tabs and devices; 0 for who was there before the server started and has not been heard of yet.
    connections: u64,
}

/// A point on the page.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PresenceCursor)]
pub(crate) struct PresenceCursorShape {
    x: f64,
    y: f64,
}

/// Shows who is there.
#[utoipa::path(
    get,
    path = "/api/sessions/{id}/presence",
    tag = "presence",
    operation_id = "listPresence",
    params(("id" = String, Path, description = "The session.", pattern = "^[A-Za-z0-9_-]{1,100}$")),
    responses(
        (status = 200, description = "Everybody who is there.", body = PresenceListAnswer),
        (status = 400, description = "INVALID_SESSION_ID", body = Failure),
        (status = 401, description = "UNAUTHORIZED", body = Failure),
        (status = 403, description = "FORBIDDEN", body = Failure),
        (status = 404, description = "SESSION_NOT_FOUND", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
    ),
)]
pub(crate) async fn list_presence(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    SessionPath { path, .. }: SessionPath,
) -> Answer {
    guard_existing(&app, &caller, Action::Read, &path).await?;
    app.store.head(&path).await.map_err(|e| e.answer(Namespace::Sessions))?;
    success(StatusCode::OK, PresenceList { presence: app.presence.entries(&path) })
}

/// Says that a connection is there, moves, or goes.
///
/// A user is there as long as one of its connections is. That the first one joins and the last one leaves is stored as
/// an event; what moves in between is passed on to readers with `ephemeral=true` and not stored.
#[utoipa::path(
    post,
    path = "/api/sessions/{id}/presence",
    tag = "presence",
    operation_id = "updatePresence",
    params(("id" = String, Path, description = "The session.", pattern = "^[A-Za-z0-9_-]{1,100}$")),
    request_body = PresenceUpdate,
    responses(
        (status = 200, description = "Heard.", body = PresenceStateAnswer),
        (status = 400, description = "INVALID_SESSION_ID, INVALID_JSON, INVALID_REQUEST", body = Failure),
        (status = 401, description = "UNAUTHORIZED", body = Failure),
        (status = 403, description = "FORBIDDEN, PRESENCE_IDENTITY_MISMATCH", body = Failure),
        (status = 404, description = "SESSION_NOT_FOUND", body = Failure),
        (status = 409, description = "SESSION_CLOSED", body = Failure),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = Failure),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = Failure),
        (status = 429, description = "TOO_MANY_CONNECTIONS", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
        (status = 507, description = "STORAGE_FULL", body = Failure),
    ),
)]
pub(crate) async fn update_presence(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    SessionPath { path, .. }: SessionPath,
    request: Request<Body>,
) -> Answer {
    let permit = guard_existing(&app, &caller, Action::Presence, &path).await?;
    let body = json_body(&app, request).await?;
    let update: PresenceUpdate = parse(&body)?;
    let user_id = update.user_id.to_string();
    let writer = Writer { caller: &caller, permit };
    writer.check_presence(&app.config.event_policy, update.event_types(), &user_id)?;
    update.check()?;
    let head = app.store.head(&path).await.map_err(|e| e.answer(Namespace::Sessions))?;
    let now_ms = app.config.store_options.clock.now_ms();
    let connection_id = update.connection_id.clone();
    let expires_at = if update.action == PresenceAction::Leave {
        presence::leave(&app, &path, update.user_id, update.connection_id).await;
        now_ms
    } else if head.closed {
        return Err(AppendError::Closed { next_offset: head.next_offset }.answer(Namespace::Sessions).into());
    } else {
        // What moves or may be stored is an event like any other; that a connection is still there is none.
        if update.action != PresenceAction::Heartbeat {
            app.quota.events(path.as_str(), 1)?;
        }
        let news = update.news();
        presence::be_there(&app, &path, update.user_id, update.connection_id, news)
            .await
            .map_err(|e| e.answer(Namespace::Sessions))?;
        app.presence.expires_at_ms(now_ms)
    };
    success(StatusCode::OK, PresenceState { user_id, connection_id, expires_at })
}

impl PresenceUpdate {
    /// What it may become to others: whoever is not there yet joins by whatever it says.
    fn event_types(&self) -> &'static [&'static str] {
        match self.action {
            PresenceAction::Join | PresenceAction::Heartbeat => &["presence:joined"],
            PresenceAction::Update => &["presence:joined", "presence:cursor"],
            PresenceAction::Leave => &["presence:left"],
        }
    }

    fn check(&self) -> Result<(), ApiError> {
        let bad = |path: &'static str, expected: String| {
            Err(ApiError::bad_request(Code::InvalidRequest, format!("{path}: expected {expected}"))
                .details(serde_json::json!({ "path": path })))
        };
        let connection = &self.connection_id;
        if !(1..=CONNECTION_ID_CHARS_MAX).contains(&connection.chars().count())
            || connection.chars().any(char::is_control)
        {
            let expected = format!("1 to {CONNECTION_ID_CHARS_MAX} characters without control characters");
            return bad("$.connectionId", expected);
        }
        for (path, text, max) in [
            ("$.displayName", &self.display_name, NAME_BYTES_MAX),
            ("$.avatarUrl", &self.avatar_url, URL_BYTES_MAX),
            ("$.activeFile", &self.active_file, FILE_BYTES_MAX),
        ] {
            if text.as_ref().is_some_and(|text| text.len() > max) {
                return bad(path, format!("at most {max} bytes"));
            }
        }
        // What events may hold: below 1e308 in magnitude.
        if self.cursor.is_some_and(|cursor| !(cursor.x.abs() < 1e308 && cursor.y.abs() < 1e308)) {
            return bad("$.cursor", "numbers below 1e308 in magnitude".to_owned());
        }
        Ok(())
    }

    fn news(&self) -> Profile {
        Profile {
            display_name: self.display_name.clone(),
            avatar_url: self.avatar_url.clone(),
            cursor: self.cursor.map(|cursor| (cursor.x, cursor.y)),
            active_file: self.active_file.clone(),
        }
    }
}
