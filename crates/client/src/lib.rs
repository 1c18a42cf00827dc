//! The native client: creates, appends to, reads and follows the streams of a durable-sessions server (or of any
//! Durable Streams server), driven by tokio and reqwest.
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
//! Decisions are made by the machines of the client core; this crate only does what they say. It must not know the
//! server or any storage.

mod builder;
mod create;
mod error;
mod http;
mod page;
mod producer;
mod sessions;
mod stream;
mod subscription;
mod token;

pub use durable_sessions_protocol as protocol;
pub use durable_sessions_schema as schema;

pub use builder::{BuildError, Client, ClientBuilder};
pub use create::{CreateOptions, Created, Fork, ForkPoint, Lifetime};
pub use durable_sessions_client_core::{
    AckedAt, AppendError as ProducerFault, Cause, ConnectionState, FallbackReason, From, LiveConfig,
    LiveModes, LostInfo, ReconnectConfig, Refused, SubscriptionError,
};
pub use error::{
    AppendError, CreateError, DeleteError, HeadError, ListError, ReadError, Refusal, Unreachable,
};
pub use page::Page;
pub use producer::{Producer, ProducerBuilder, ProducerError, ProducerReport};
pub use sessions::{ListedStatus, SessionFilter, SessionPage, SessionSummary};
pub use stream::{AppendOptions, Appended, StreamHead};
pub use subscription::{
    BadFrame, Checkpoint, EventItem, Item, RejectedItem, RetryNotice, SubscribeOptions, Subscription,
};
pub use token::{Secret, TokenFailure, TokenSource};
