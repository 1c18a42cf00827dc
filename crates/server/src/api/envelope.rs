//! What the session API answers in: success and failure, and what its requests are parsed from. Must not know routes.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path};
use axum::response::{IntoResponse, Response};
use durable_sessions_protocol::{OFFSET_TOKEN_LEN, Offset, StreamPath};
use durable_sessions_schema::SessionId;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Code;
use crate::app::App;
use crate::error::ApiError;
use crate::session;
use crate::stream::{self, percent_decode};

/// What every handler of the API gives.
pub(crate) type Answer = Result<Response, Refused>;

/// A failure in the envelope of the API.
#[derive(Debug)]
pub(crate) struct Refused(ApiError);

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        // To the API a session that only its forks keep is gone.
        if error.code() == Code::StreamGone && error.status() == StatusCode::GONE {
            return Self(not_found());
        }
        Self(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0.into_api_response()
    }
}

pub(crate) fn not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, Code::SessionNotFound, "the session does not exist")
}

#[derive(Serialize)]
struct Success<T> {
    ok: bool,
    data: T,
}

/// `{ "ok": true, "data": … }`
pub(crate) fn success(status: StatusCode, data: impl Serialize) -> Answer {
    json_answer(status, &Success { ok: true, data })
}

pub(crate) fn json_answer(status: StatusCode, body: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(body).map_err(|why| {
        tracing::error!(error_id = "answer-not-json", %why, "an answer has no JSON form");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "the answer could not be made")
    })?;
    Ok(raw_json(status, body))
}

pub(crate) fn raw_json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The session that a URL names.
pub(crate) struct SessionPath {
    pub(crate) id: String,
    pub(crate) path: StreamPath,
}

/// An id in the path of a route, as it was sent. One that is no text is empty, and found nowhere.
pub(crate) struct PathId(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(id.map(|Path(id)| id).unwrap_or_default()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SessionPath {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Ok(Path(id)) = Path::<String>::from_request_parts(parts, state).await else {
            return Err(session_id("").err().unwrap_or_else(not_found).into());
        };
        let path = session::path_of(&session_id(&id)?);
        Ok(Self { id, path })
    }
}

/// An id as it came.
pub(crate) fn session_id(text: &str) -> Result<SessionId, ApiError> {
    text.parse().map_err(|_| {
        ApiError::bad_request(Code::InvalidSessionId, "a session id has 1 to 100 letters, digits, '-' or '_'")
    })
}

/// The body as text, which must be JSON.
pub(crate) async fn json_body(app: &App, request: Request<Body>) -> Result<bytes::Bytes, ApiError> {
    let content_type = stream::content_type_of(request.headers());
    if !content_type.is_ok_and(|given| given.is_some_and(|given| given.is_json())) {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::UnsupportedMediaType,
            "the body must be JSON: Content-Type: application/json",
        )
        .details(serde_json::json!({ "expected": "application/json" })));
    }
    stream::body::read(request, &app.config.limits).await
}

/// The body as an object of known shape.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|why| match why.classify() {
        serde_json::error::Category::Data => {
            ApiError::bad_request(Code::InvalidRequest, format!("the body does not fit: {why}"))
        }
        _ => ApiError::bad_request(Code::InvalidJson, format!("the body is not JSON: {why}")),
    })
}

/// Parameters of a query, percent-decoded. Unknown ones are ignored; known ones may stand once.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| percent_decode(&text.replace('+', " "));
            Some((decode(name)?, decode(value)?))
        });
        pairs
            .collect::<Option<_>>()
            .map(Self)
            .ok_or_else(|| invalid("the query is not percent-encoded UTF-8".to_owned()))
    }

    pub(crate) fn one(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        let mut values = self.0.iter().filter(|(given, _)| given == name);
        let value = values.next().map(|(_, value)| value.as_str());
        if values.next().is_some() {
            return Err(invalid(format!("the parameter {name} is repeated")));
        }
        Ok(value)
    }

    /// The same, parsed.
    pub(crate) fn parsed<T: std::str::FromStr>(
        &self,
        name: &'static str,
        expected: &str,
    ) -> Result<Option<T>, ApiError> {
        match self.one(name)? {
            None => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| invalid(format!("the parameter {name} must be {expected}"))),
        }
    }

    /// A number of things to answer with.
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        const MAX: usize = 1000;
        let limit = self.parsed("limit", "a number from 1 to 1000")?.unwrap_or(100);
        if (1..=MAX).contains(&limit) {
            return Ok(limit);
        }
        Err(invalid(format!("the parameter limit must be a number from 1 to {MAX}")))
    }

    pub(crate) fn flag(&self, name: &'static str) -> Result<bool, ApiError> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("true" | "") => Ok(true),
            Some(_) => Err(invalid(format!("the parameter {name} must be true or false"))),
        }
    }

    /// A cursor, or a decimal count of events already seen.
    pub(crate) fn position(&self, name: &'static str) -> Result<Option<Offset>, ApiError> {
        self.one(name)?.map(|text| position(text, name)).transpose()
    }
}

/// A cursor, or a decimal count of events already seen.
pub(crate) fn position(text: &str, name: &str) -> Result<Offset, ApiError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Cursors have 20 digits and counts fewer, and both say how many events stand before.
    let fits = digits && text.len() <= OFFSET_TOKEN_LEN;
    text.parse().ok().filter(|_| fits).map(Offset::new).ok_or_else(|| {
        ApiError::bad_request(
            Code::InvalidCursor,
            format!("{name} must be a cursor of this stream, or a count of events"),
        )
    })
}

pub(crate) fn invalid(message: String) -> ApiError {
    ApiError::bad_request(Code::InvalidParameter, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_cursors_or_counts() {
        assert_eq!(position("7", "offset").unwrap(), Offset::new(7));
        assert_eq!(position("00000000000000000007", "offset").unwrap(), Offset::new(7));
        for bad in ["", "-1", "+7", "7.0", "000000000000000000007", "99999999999999999999", "now"] {
            assert!(position(bad, "offset").is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_have_bounds_and_parameters_stand_once() {
        let limit = |query: &str| Query::parse(Some(query)).unwrap().limit();
        assert_eq!(limit("").unwrap(), 100);
        assert_eq!(limit("limit=1000&x=1").unwrap(), 1000);
        for bad in ["limit=0", "limit=1001", "limit=x", "limit=1&limit=1", "limit="] {
            assert!(limit(bad).is_err(), "{bad}");
        }
        assert!(Query::parse(Some("a=%zz")).is_err());
    }
}
