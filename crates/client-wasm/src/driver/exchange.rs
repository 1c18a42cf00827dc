//! One request from its headers to the end of its body. Must not know the state machine.

use durable_sessions_client_core::{Failure, OpenRequest, ResponseHead, retry_after_ms};
use durable_sessions_protocol::header;
use gloo_net::http::Response;
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{AbortController, ReadableStreamDefaultReader};

use super::failure;
use super::hooks::{ConnectionHooks, ReadStep};
use super::wakeups::{Pair, Wakeups};

/// What the exchange waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Headers,
    Answer,
    Body,
}

pub(super) struct Exchange {
    request: OpenRequest,
    callbacks: Pair,
    step: Step,
    abort: Option<AbortController>,
    reader: Option<ReadableStreamDefaultReader>,
}

impl Exchange {
    pub(super) fn new(request: OpenRequest, callbacks: Pair) -> Self {
        Self { request, callbacks, step: Step::Headers, abort: None, reader: None }
    }

    pub(super) fn step(&self) -> Step {
        self.step
    }

    pub(super) fn wait_for(&self, promise: &Promise) {
        self.callbacks.wait_for(promise);
    }

    /// Sends the request. The call is the facade's, not gloo's `send`: that one panics on a rejection that is no
    /// Error, and a panic would end the instance and with it every connection.
    pub(super) fn send(
        &mut self,
        hooks: &ConnectionHooks,
        url: &str,
        headers: &JsValue,
    ) -> Result<Promise, Failure> {
        let abort = AbortController::new().map_err(|thrown| failure::network(&thrown))?;
        let signal = abort.signal();
        self.abort = Some(abort);
        self.step = Step::Answer;
        let url = [url, "?", &self.request.query()].concat();
        hooks.fetch(&url, headers, &signal).map_err(|thrown| failure::network(&thrown))
    }

    /// The first read of the body, if there is a body.
    pub(super) fn begin_body(&mut self, response: &Response) -> Option<Promise> {
        self.step = Step::Body;
        self.reader = Some(response.body()?.get_reader().unchecked_into());
        self.read()
    }

    pub(super) fn read(&self) -> Option<Promise> {
        Some(self.reader.as_ref()?.read())
    }

    /// Lets go of everything; what is still under way is ignored when it reports.
    pub(super) fn abort(self, wakeups: &Wakeups) {
        if let Some(abort) = self.abort {
            abort.abort();
        }
        // A body that does not listen to the signal.
        if let Some(reader) = self.reader {
            wakeups.ignore(&reader.cancel());
        }
    }
}

/// The answer of fetch.
pub(super) fn response(answer: JsValue) -> Result<Response, Failure> {
    match answer.dyn_into::<web_sys::Response>() {
        Ok(response) => Ok(response.into()),
        Err(_) => Err(Failure::network("fetch answered with something that is no Response")),
    }
}

/// Cancels the body of an answer that came too late.
pub(super) fn discard(answer: &JsValue, wakeups: &Wakeups) {
    if let Some(response) = answer.dyn_ref::<web_sys::Response>()
        && let Some(body) = response.body()
    {
        wakeups.ignore(&body.cancel());
    }
}

/// What of the head decides.
pub(super) fn head(response: &Response) -> ResponseHead {
    let headers = response.headers();
    ResponseHead {
        status: response.status(),
        content_type: headers.get("content-type"),
        data_encoding: headers.get(header::STREAM_SSE_DATA_ENCODING),
        retry_after_ms: headers
            .get("retry-after")
            .and_then(|value| retry_after_ms(&value).or_else(|| until_date_ms(&value))),
        first_offset: headers.get(header::STREAM_FIRST_OFFSET),
        message_count: headers.get(header::STREAM_MESSAGE_COUNT).and_then(|value| value.parse().ok()),
    }
}

/// The bytes of one step of the body; none at its end.
pub(super) fn chunk(step: &JsValue) -> Result<Option<Uint8Array>, Failure> {
    let value = step.unchecked_ref::<ReadStep>().value();
    // `value` is undefined only when the body has ended.
    if value.is_undefined() {
        return Ok(None);
    }
    match value.dyn_into() {
        Ok(chunk) => Ok(Some(chunk)),
        Err(_) => Err(Failure::network("the body holds something else than bytes")),
    }
}

/// Retry-After as an HTTP date, which JavaScript reads for us.
fn until_date_ms(value: &str) -> Option<u64> {
    let delay = js_sys::Date::parse(value) - js_sys::Date::now();
    // A date in the past means now.
    if delay.is_nan() { None } else { Some(delay.max(0.0) as u64) }
}
