//! Reads a request body, bounded in size and time.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;

use crate::Code;
use crate::config::Limits;
use crate::error::ApiError;
use crate::quota::Limit;

/// How much of a refused body is taken in for the sake of the answer.
const DISCARD_BYTES_MAX: usize = 32 << 20;
/// How long that may take.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(5);

/// The whole body, in an allocation of its own: a slice of the connection's read buffer would keep all of that
/// buffer alive for as long as the store remembers the row.
pub(crate) async fn read(request: Request<Body>, limits: &Limits) -> Result<Bytes, ApiError> {
    read_up_to(request, limits.body_bytes_max, limits.body_read_timeout).await
}

/// The same with limits of its own.
pub(crate) async fn read_up_to(
    request: Request<Body>,
    max: usize,
    time_max: Duration,
) -> Result<Bytes, ApiError> {
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max as u64) {
        // A client that waits for "100 Continue" has sent nothing yet.
        if !request.headers().contains_key(EXPECT) {
            discard(request.into_body()).await;
        }
        return Err(too_large(max));
    }
    let expected = announced.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    let body = request.into_body();
    match tokio::time::timeout(time_max, collect(body, expected, max)).await {
        Ok(body) => body,
        Err(_) => Err(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            Code::RequestTimeout,
            "the request body took too long",
        )
        .limit(Limit::BodyReadTimeout)),
    }
}

async fn collect(mut body: Body, expected: usize, max: usize) -> Result<Bytes, ApiError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_| ApiError::bad_request(Code::BodyAborted, "the request body broke off"))?;
        let Ok(chunk) = frame.into_data() else { continue };
        if chunk.len() > max - whole.len() {
            drop(whole);
            discard(body).await;
            return Err(too_large(max));
        }
        if whole.is_empty() {
            // What arrived so far is proof that the announced length is worth reserving at most eightfold.
            whole.reserve(expected.min(chunk.len().saturating_mul(8)).max(chunk.len()));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// Takes in what a client is still sending, within bounds: one that writes while the connection is closed on it
/// gets a reset and never sees the answer.
async fn discard(mut body: Body) {
    let sink = async {
        let mut left = DISCARD_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIME_MAX, sink).await;
}

fn too_large(max: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        Code::PayloadTooLarge,
        format!("the request body is larger than {max} bytes"),
    )
    .limit(Limit::BodyBytes)
    .details(serde_json::json!({ "limit": max }))
}
