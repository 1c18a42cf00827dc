//! `POST /api/sessions/{id}/export`: a whole session as JSON, Markdown or CSV. Streamed page by page, so that neither
//! its length nor a slow reader costs memory; complete up to where the session stood when the export began, or the
//! answer breaks off.

mod csv;
mod markdown;

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use durable_sessions_schema::Parser;
use durable_sessions_storage::{Batch, Page};
use futures::stream;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, Request};
use serde::Deserialize;
use utoipa::ToSchema;

use super::document::Failure;
use super::envelope::{Answer, SessionPath, json_body, parse};
use super::pages::Pages;
use super::session_view::SessionView;
use crate::access::{Action, guard_existing};
use crate::answer::{NO_STORE, ascii};
use crate::app::App;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::session::{self, Found};
use crate::store_error::StoreError as _;
use crate::stream::Namespace;

/// What to export as.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ExportRequest {
    format: Format,
}

/// Forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// `{ "session", "events" }`, the events as they were written.
    Json,
    /// For people.
    Markdown,
    /// For spreadsheets: one event a line (RFC 4180).
    Csv,
}

/// Writes pages of events in a form.
trait Writer: Send {
    fn begin(&mut self, out: &mut Vec<u8>);
    /// `offset` counts the events up to and including this one.
    fn event(&mut self, out: &mut Vec<u8>, offset: u64, event: &[u8]);
    fn end(&mut self, out: &mut Vec<u8>);
}

/// Exports a session.
#[utoipa::path(
    post,
    path = "/api/sessions/{id}/export",
    tag = "sessions",
    operation_id = "exportSession",
    params(("id" = String, Path, description = "The session.", pattern = "^[A-Za-z0-9_-]{1,100}$")),
    request_body = ExportRequest,
    responses(
        (status = 200, description = "The whole session, streamed.", content(
            ("application/json"),
            ("text/markdown"),
            ("text/csv"),
        )),
        (status = 400, description = "INVALID_SESSION_ID, INVALID_JSON, INVALID_REQUEST", body = Failure),
        (status = 401, description = "UNAUTHORIZED", body = Failure),
        (status = 403, description = "FORBIDDEN", body = Failure),
        (status = 404, description = "SESSION_NOT_FOUND", body = Failure),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = Failure),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = Failure),
        (status = 503, description = "STREAM_UNAVAILABLE", body = Failure),
    ),
)]
pub(crate) async fn export_session(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    SessionPath { id, path }: SessionPath,
    request: Request<Body>,
) -> Answer {
    guard_existing(&app, &caller, Action::Read, &path).await?;
    let body = json_body(&app, request).await?;
    let ExportRequest { format } = parse(&body)?;
    let found = session::find(&app, &path).await.map_err(|e| e.answer(Namespace::Sessions))?;
    let range = (found.head.first_offset, found.head.next_offset);
    let pages = Pages::new(&app, &path, found.head.stream_id, range);
    let writer = writer(format, &id, &found)?;
    Ok(answer(format, &id, body_of(app, pages, writer)))
}

fn writer(format: Format, id: &str, found: &Found) -> Result<Box<dyn Writer>, ApiError> {
    let session = SessionView::of(id, found);
    Ok(match format {
        Format::Json => Box::new(Json { session, written: false }),
        Format::Csv => Box::new(csv::Csv { parser: Parser::new() }),
        Format::Markdown => Box::new(markdown::Markdown::new(id, found)),
    })
}

fn answer(format: Format, id: &str, body: Body) -> Response {
    let (content_type, extension) = match format {
        Format::Json => ("application/json", "json"),
        Format::Markdown => ("text/markdown; charset=utf-8", "md"),
        Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, NO_STORE);
    // A session id needs no quoting.
    let disposition = format!("attachment; filename=\"{id}.{extension}\"");
    headers.insert(CONTENT_DISPOSITION, ascii(Bytes::from(disposition)));
    response
}

enum Stage {
    Begin,
    Events,
    Over,
}

fn body_of(app: Arc<App>, pages: Pages, writer: Box<dyn Writer>) -> Body {
    let start = (app, pages, writer, Stage::Begin);
    Body::from_stream(stream::try_unfold(start, |(app, mut pages, mut writer, stage)| async move {
        let mut out = Vec::new();
        let stage = match stage {
            Stage::Over => return Ok::<_, durable_sessions_storage::ReadError>(None),
            Stage::Begin => {
                writer.begin(&mut out);
                Stage::Events
            }
            Stage::Events => match pages.next(&*app.store).await {
                Ok(Some(page)) => {
                    write_page(&mut *writer, &mut out, &page);
                    Stage::Events
                }
                Ok(None) => {
                    writer.end(&mut out);
                    Stage::Over
                }
                // The answer breaks off, which is how the reader learns that it is not complete.
                Err(error) => {
                    tracing::warn!(error_id = "export-broke-off", %error, "an export is not complete");
                    return Err(error);
                }
            },
        };
        Ok(Some((Bytes::from(out), (app, pages, writer, stage))))
    }))
}

fn write_page(writer: &mut dyn Writer, out: &mut Vec<u8>, page: &Page) {
    let mut offset = page.from.position();
    for event in page.rows.iter().flat_map(Batch::messages) {
        offset += 1;
        writer.event(out, offset, &event);
    }
}

struct Json {
    session: SessionView,
    written: bool,
}

impl Writer for Json {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"session\":");
        out.extend_from_slice(&serde_json::to_vec(&self.session).unwrap_or_else(|_| b"null".to_vec()));
        out.extend_from_slice(b",\"events\":[");
    }

    fn event(&mut self, out: &mut Vec<u8>, _offset: u64, event: &[u8]) {
        out.extend_from_slice(if std::mem::replace(&mut self.written, true) { b",\n" } else { b"\n" });
        out.extend_from_slice(event);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\n]}\n");
    }
}
