//! The session API, over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

#[path = "../common/mod.rs"]
mod common;

mod coalesce;
mod document;
mod event_source;
mod history;
mod presence;
mod publish;
mod queued;
mod refusals;
mod sessions;
mod stream_list;
mod support;
mod validation;
