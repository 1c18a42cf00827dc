//! Composes answers from stored rows: JSON messages into one array, bytes into one body, by copying rows whole.

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut as _, Bytes, BytesMut};
use durable_sessions_protocol::{ContentType, Offset, header};
use durable_sessions_storage::Page;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::answer::{NO_STORE, TRUE, ascii, content_type_value, number_value, offset_value};

const PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=60, stale-while-revalidate=300");
const PRIVATE: HeaderValue = HeaderValue::from_static("private, max-age=60, stale-while-revalidate=300");

/// Whether the page reaches the tail it saw.
pub(crate) fn is_up_to_date(page: &Page) -> bool {
    page.next >= page.tail.next_offset
}

/// Whether the page ends at the end of a closed stream.
pub(crate) fn is_final(page: &Page) -> bool {
    is_up_to_date(page) && page.tail.closed
}

/// The answer with the content of a page, or 304 when the client has it.
pub(crate) fn answer(page: &Page, request: &HeaderMap, public: bool) -> Response {
    let tag = etag(page.stream_id, page.from, page.next, is_final(page));
    let fresh = request.get_all(http::header::IF_NONE_MATCH).iter().any(|given| matches_etag(given, &tag));
    let mut response = if fresh {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(Body::from(content(page)))
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, ascii(Bytes::from(tag)));
    headers.insert(CACHE_CONTROL, cache_control(page, public));
    if !fresh {
        headers.insert(CONTENT_TYPE, content_type_value(&page.content_type));
    }
    mark_position(headers, page.next, is_up_to_date(page), is_final(page));
    mark_count(headers, &page.content_type, page.from);
    response
}

/// Section 10: chunks of data stay what they are, and so does the end of a closed stream. That there is nothing yet does
/// not: whoever asks the same again would miss what was appended meanwhile, or the closure.
fn cache_control(page: &Page, public: bool) -> HeaderValue {
    match page.rows.is_empty() && !is_final(page) {
        true => NO_STORE,
        false if public => PUBLIC,
        false => PRIVATE,
    }
}

/// The headers that say where a reader stands.
pub(crate) fn mark_position(headers: &mut HeaderMap, next: Offset, up_to_date: bool, closed: bool) {
    headers.insert(HeaderName::from_static(header::STREAM_NEXT_OFFSET), offset_value(next));
    if up_to_date {
        headers.insert(HeaderName::from_static(header::STREAM_UP_TO_DATE), TRUE);
    }
    if closed {
        headers.insert(HeaderName::from_static(header::STREAM_CLOSED), TRUE);
    }
}

/// How many messages stand before the first one of an answer of JSON, so that clients number every one of them: also where
/// the first ones of the stream were trimmed.
pub(crate) fn mark_count(headers: &mut HeaderMap, content_type: &ContentType, from: Offset) {
    if content_type.is_json() {
        headers.insert(HeaderName::from_static(header::STREAM_MESSAGE_COUNT), number_value(from.position()));
    }
}

/// What a read of nothing answers with.
pub(crate) fn empty_content(content_type: &ContentType) -> Bytes {
    if content_type.is_json() { Bytes::from_static(b"[]") } else { Bytes::new() }
}

fn content(page: &Page) -> Bytes {
    let json = page.content_type.is_json();
    match page.rows.as_slice() {
        [] => empty_content(&page.content_type),
        [row] if !json => row.body().clone(),
        rows => {
            let length = rows.iter().map(|row| row.body().len() + 1).sum::<usize>() + 2;
            let mut content = BytesMut::with_capacity(length);
            for (index, row) in rows.iter().enumerate() {
                if json {
                    content.put_u8(if index == 0 { b'[' } else { b',' });
                }
                content.extend_from_slice(row.body());
            }
            if json {
                content.put_u8(b']');
            }
            content.freeze()
        }
    }
}

/// Changes with the range and with closure, so that a 304 never hides the end of a stream.
fn etag(stream_id: u64, from: Offset, next: Offset, closed: bool) -> String {
    format!("\"{stream_id:x}:{}:{}{}\"", from.position(), next.position(), if closed { ":c" } else { "" })
}

/// Whether one `If-None-Match` header names the tag, weak or not, in a list or as `*`.
pub(crate) fn matches_etag(given: &HeaderValue, tag: &str) -> bool {
    given.to_str().is_ok_and(|list| {
        list.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_match_in_lists_and_weakly() {
        let tag = etag(10, Offset::ZERO, Offset::new(7), true);
        assert_eq!(tag, "\"a:0:7:c\"");
        for yes in ["\"a:0:7:c\"", "\"x\", W/\"a:0:7:c\"", "*"] {
            assert!(matches_etag(&HeaderValue::from_static(yes), &tag), "{yes}");
        }
        assert!(!matches_etag(&HeaderValue::from_static("\"a:0:7\""), &tag));
    }
}
