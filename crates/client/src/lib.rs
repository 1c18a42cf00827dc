//! The native client: creates, forks, appends to, reads and follows the streams of a durable-sessions server, or of any
//! server of the Durable Streams protocol, driven by tokio and reqwest.
//!
//! ```no_run
//! use durable_sessions_client::{Client, Item, SubscribeOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("http://127.0.0.1:4437").token("secret").build()?;
//! let session = Client::session(&"run-1".parse()?);
//! client.create(&session).await?;
//!
//! let producer = client.producer(&session, "agent-1".parse()?);
//! producer.append(br#"{"id":"e-1","type":"chunk","timestamp":1700000000000,"data":{"text":"Hello"}}"#).await?;
//! producer.close().await?;
//!
//! let mut subscription = client.subscribe(&session, SubscribeOptions::default());
//! while let Some(item) = subscription.next().await {
//!     match item {
//!         Item::Event(event) => println!("{} {}", event.count, event.event.event_type()),
//!         Item::Lost(info) => return Err(info.cause.to_string().into()),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! `cargo run -p durable-sessions-client --example quickstart` goes through all of it against a server.
//!
//! # What to use
//!
//! | to | use | repeated |
//! |---|---|---|
//! | create, look at, close, delete a stream | [`Client::create_with`], [`head`](Client::head), [`close`](Client::close), [`delete`](Client::delete) | until answered |
//! | continue another stream from some point | [`Client::fork`] | until answered |
//! | append once, and know when it may be there twice | [`Client::append_with`] | never, but after a 429 |
//! | append exactly once, in order, fast | [`Client::producer`]: batches, several under way | until acknowledged |
//! | read what is there | [`Client::read`], page by page | until answered |
//! | follow session events | [`Client::subscribe`] | reconnects and resumes |
//! | follow any stream, JSON, text or bytes | [`Client::follow`] | reconnects and resumes |
//! | list the sessions (our session API only) | [`Client::sessions`] | until answered |
//! | copy everything a server of ours holds | [`Client::backup`] | until it begins |
//! | watch a server of ours, and its dead letters | [`Client::metrics`], [`Client::dead_letters`] | until answered |
//!
//! # How it behaves
//!
//! - **Live**: by SSE; by long-poll where SSE is refused, is no event stream, or is held back by a proxy
//!   ([`Item::FellBack`] and a log line say so, [`LiveConfig`] says when). Positions are kept through every change.
//! - **Credentials**: [`TokenSource`] and [`ClientBuilder::header_source`] are asked before every request, and once more after
//!   a 401; a second 401 reaches the caller, also in mid-stream. Nothing of them is printed or logged.
//! - **Retries**: exponential with full jitter, capped, `Retry-After` honoured in seconds and as a date. Network failures, 408,
//!   425, 429 and 5xx but 501 are repeated, where repeating is safe. Pauses end with the future or the handle that waits.
//! - **Producers**: a transient error is never the end of one, a flush never succeeds on loss, a closed stream is an error at
//!   once, and an answer that was lost never stores anything twice.
//! - **Limits**: frames, pages, the outbox, what is read ahead, and what is under way are bounded; each bound has a defined
//!   outcome and most can be set.
//!
//! Decisions are made by the machines of the client core; this crate only does what they say. It must not know the
//! server or any storage.

mod api_keys;
mod backup;
mod builder;
mod create;
mod error;
mod http;
mod operations;
mod page;
mod producer;
mod sessions;
mod stream;
mod subscription;
mod token;

pub use durable_sessions_protocol as protocol;
pub use durable_sessions_schema as schema;

pub use api_keys::NewApiKey;
pub use backup::BackupDownload;
pub use builder::{BuildError, Client, ClientBuilder};
pub use create::{CreateOptions, Created, Fork, ForkPoint, Lifetime};
pub use durable_sessions_client_core::{
    AckedAt, AppendError as ProducerFault, Cause, ConnectionState, FallbackReason, From, LiveConfig,
    LiveModes, LostInfo, ReconnectConfig, Refused, SubscriptionError,
};
pub use error::{
    ApiKeyError, AppendError, CreateError, DeadLetterError, DeleteError, HeadError, ListError, MetricsError,
    ReadError, Refusal, Unreachable,
};
pub use operations::{DeadLetterPage, Swept};
pub use page::Page;
pub use producer::{Producer, ProducerBuilder, ProducerError, ProducerReport};
pub use sessions::{ListedStatus, SessionFilter, SessionPage, SessionSummary};
pub use stream::{AppendOptions, Appended, StreamHead};
pub use subscription::{
    BadFrame, Checkpoint, EventItem, Item, RejectedItem, RetryNotice, SubscribeOptions, Subscription,
};
pub use token::{Secret, TokenFailure, TokenSource};
