//! One request: headers, fetch, the head of the answer, the reader of its body. Must not know the state machine.

use durable_sessions_client_core::{Failure, OpenRequest, ResponseHead, retry_after_ms};
use durable_sessions_protocol::header;
use gloo_net::http::{Headers, Request, Response};
use js_sys::Object;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, ReadableStreamDefaultReader, RequestCache};

use super::failure;
use super::hooks::{ConnectionHooks, FetchInit, global_fetch};

/// The application's headers for the next request.
pub(super) async fn headers(hooks: &ConnectionHooks, refresh: bool) -> Result<Object, Failure> {
    let promise = hooks.headers(refresh).map_err(|thrown| failure::token(&thrown))?;
    let headers = JsFuture::from(promise).await.map_err(|thrown| failure::token(&thrown))?;
    headers.dyn_into().map_err(|_| Failure::token("the headers are no object"))
}

/// Sends the request and waits for the head of the answer.
pub(super) async fn open(
    hooks: &ConnectionHooks,
    url: &str,
    request: &OpenRequest,
    headers: &Object,
    signal: &AbortSignal,
) -> Result<Response, Failure> {
    let url = [url, "?", &request.query()].concat();
    let promise = match hooks.fetch() {
        Some(fetch) => {
            let init: FetchInit = Object::new().unchecked_into();
            init.set_method("GET");
            init.set_headers(headers);
            init.set_signal(signal);
            init.set_cache("no-store");
            fetch.call2(&JsValue::UNDEFINED, &JsValue::from_str(&url), &init)
        }
        None => {
            let headers = web_sys::Headers::new_with_record_from_str_to_str(headers.unchecked_ref())
                .map_err(|thrown| failure::network(&thrown))?;
            let request = Request::get(&url)
                .headers(Headers::from_raw(headers))
                .cache(RequestCache::NoStore)
                .abort_signal(Some(signal))
                .build()
                .map_err(|error| Failure::network(&error.to_string()))?;
            // gloo's own `send` panics on a rejection that is no Error, and a panic would end the instance.
            global_fetch(&request.into()).map(JsValue::from)
        }
    }
    .map_err(|thrown| failure::network(&thrown))?;
    let answer = JsFuture::from(js_sys::Promise::resolve(&promise))
        .await
        .map_err(|thrown| failure::network(&thrown))?;
    match answer.dyn_into::<web_sys::Response>() {
        Ok(response) => Ok(response.into()),
        Err(_) => Err(Failure::network("fetch answered with something that is no Response")),
    }
}

/// What of the head decides.
pub(super) fn head(response: &Response) -> ResponseHead {
    let headers = response.headers();
    ResponseHead {
        status: response.status(),
        content_type: headers.get("content-type"),
        data_encoding: headers.get(header::STREAM_SSE_DATA_ENCODING),
        retry_after_ms: headers.get("retry-after").and_then(|value| {
            retry_after_ms(&value).or_else(|| date_ms(&value))
        }),
        first_offset: headers.get(header::STREAM_FIRST_OFFSET),
        message_count: headers.get(header::STREAM_MESSAGE_COUNT).and_then(|value| value.parse().ok()),
    }
}

/// The reader of the body, if there is one.
pub(super) fn reader(response: &Response) -> Option<ReadableStreamDefaultReader> {
    response.body()?.get_reader().dyn_into().ok()
}

/// Retry-After as an HTTP date, which JavaScript reads for us.
fn date_ms(value: &str) -> Option<u64> {
    let delay = js_sys::Date::parse(value) - js_sys::Date::now();
    // A date in the past means now.
    if delay.is_nan() { None } else { Some(delay.max(0.0) as u64) }
}
