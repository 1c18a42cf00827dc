//! Subscriptions: durable cursors over streams that wake workers, PROTOCOL.md sections 6 and 7.
//!
//! ```text
//!   append ──> observed ──> inbox ─┐                      ┌─> webhook: signed POST
//!                                  ├─> actor ── persist ──┤
//!   claim, ack, callback ─> routes ┘   │ (attributes)     └─> wake event on a stream
//!                                      └ machine: pure
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | `machine`, `backoff`, `glob`, `specification` | what subscriptions mean; pure |
//! | `token`, `webhook_url` | who may answer a wake, who may be called |
//! | `actor`, `inbox`, `shared`, `listing`, `webhook` | one task per subscription, and its IO |
//! | `observed`, `routes`, `refusals`, `view` | where appends and requests come in |
//!
//! State is kept in the attributes of streams below `__ds/`, which clients cannot reach, so it is as durable as
//! the streams are. Bounded: subscriptions, streams of each, requests waiting for each, calls at a time.

mod actor;
mod backoff;
mod inbox;
mod listing;
mod machine;
mod observed;
mod refusals;
mod routes;
mod shared;
mod specification;
mod token;
mod view;
mod webhook;
mod webhook_url;

use std::sync::Arc;

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, StreamPath};
use durable_sessions_storage::{CreateError, CreateStream, ReadError, StreamStore};
use tokio::sync::{Mutex, oneshot, watch};

use crate::config::{AuthConfig, ServerConfig};
use actor::{Actor, Command, Failure, sight};
use machine::{Refusal, Room, Subscription};
use shared::{Handle, Shared};
use specification::Specification;
use webhook::Caller;

pub(crate) use observed::{append, create, delete};
pub(crate) use routes::{handle, is_public, is_reserved};
pub(crate) use webhook::connector;

/// Where their state is.
const ROOT: &str = "__ds/subscriptions/";
/// Records read at a time at start.
const PAGE: usize = 100;
/// What a record needs beside its streams: the texts of the longest configuration, escaped, and the wake.
const RECORD_BYTES: usize = 24 << 10;

/// All subscriptions of a server.
pub(crate) struct Subscriptions {
    shared: Arc<Shared>,
    /// Held while one is created or deleted.
    changes: Mutex<()>,
    max: usize,
}

/// Why a subscription was not created or deleted.
#[derive(Debug, thiserror::Error)]
enum SubscribeError {
    #[error("a subscription with this id and another configuration exists")]
    Exists,
    #[error("the server keeps at most {0} subscriptions")]
    TooMany(usize),
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error(transparent)]
    Create(#[from] CreateError),
    #[error("the subscription does not answer")]
    Gone,
}

impl Subscriptions {
    /// Takes up all subscriptions there are. Must run within a tokio runtime.
    pub(crate) async fn open(
        config: &ServerConfig,
        store: Arc<dyn StreamStore>,
        draining: watch::Receiver<bool>,
    ) -> Result<Arc<Self>, ReadError> {
        let development = matches!(config.auth, AuthConfig::DevNoAuth);
        let limits = &config.limits;
        let shared = Arc::new(Shared::new(
            store,
            config.store_options.clock.clone(),
            Caller::new(limits.webhook_calls_max, development),
            Room {
                links_max: limits.subscription_streams_max,
                bytes_max: config.store_options.attributes_bytes_max.saturating_sub(RECORD_BYTES),
            },
            crate::reached::public_url(config).map(str::to_owned),
            draining,
        ));
        resume_all(&shared).await?;
        Ok(Arc::new(Self { shared, changes: Mutex::new(()), max: limits.subscriptions_max }))
    }

    /// Creates a subscription, or confirms that it exists as asked; whether it is new.
    async fn subscribe(
        self: Arc<Self>,
        id: String,
        specification: Specification,
        base_url: String,
    ) -> Result<(bool, Subscription), SubscribeError> {
        let _alone = self.changes.lock().await;
        if let Some(handle) = self.shared.get(&id) {
            let (reply, answer) = oneshot::channel();
            handle.commands.send(Command::View(reply)).await.map_err(|_| SubscribeError::Gone)?;
            let existing = answer.await.map_err(|_| SubscribeError::Gone)??;
            let same = existing.hash == specification.hash();
            return if same { Ok((false, existing)) } else { Err(SubscribeError::Exists) };
        }
        if self.shared.count() >= self.max {
            return Err(SubscribeError::TooMany(self.max));
        }
        let Ok(path) = format!("{ROOT}{id}").parse::<StreamPath>() else { return Err(SubscribeError::Gone) };
        let now = self.shared.now();
        let birth = (now.entropy >> 64) as u64;
        let state = Subscription::new(&id, specification, base_url, birth, now.ms);
        let (handle, commands) = Handle::new(&state.specification, state.specification.streams.iter());
        // In the index before the tails are read: what is appended from now on comes through the inbox.
        self.shared.insert(&id, handle.clone());
        let (state, version) = match begin(&self.shared, state, &handle, &path).await {
            Ok(begun) => begun,
            Err(error) => {
                self.shared.remove(&id);
                return Err(error);
            }
        };
        let actor = Actor::new(self.shared.clone(), handle, path, state.clone(), version);
        tokio::spawn(actor.run(commands));
        Ok((true, state))
    }

    /// `false` when there is none.
    async fn unsubscribe(self: Arc<Self>, id: String) -> Result<bool, SubscribeError> {
        let _alone = self.changes.lock().await;
        let Some(handle) = self.shared.get(&id) else { return Ok(false) };
        let (reply, answer) = oneshot::channel();
        handle.commands.send(Command::Delete(reply)).await.map_err(|_| SubscribeError::Gone)?;
        answer.await.map_err(|_| SubscribeError::Gone)??;
        self.shared.remove(&id);
        Ok(true)
    }
}

/// Links what exists at its tail, and stores the first record.
async fn begin(
    shared: &Shared,
    mut state: Subscription,
    handle: &Handle,
    path: &StreamPath,
) -> Result<(Subscription, u64), SubscribeError> {
    let room = shared.room;
    let refused = |why: Refusal| SubscribeError::Failed(why.into());
    for stream in state.specification.streams.clone() {
        let seen = sight(shared, &handle.sight, &stream).await.map_err(Failure::from)?;
        state.link_at_tail(&stream, seen, true, room).map_err(refused)?;
    }
    if let Some(glob) = &handle.glob {
        let found = listing::matching(&*shared.store, glob, room.links_max + 1, &handle.sight)
            .await
            .map_err(Failure::from)?;
        for (stream, seen) in found {
            if state.wants(&stream, Some(glob)) {
                state.link_at_tail(&stream, Some(seen), false, room).map_err(refused)?;
            }
        }
    }
    let create = CreateStream {
        attributes: Some(Bytes::from(state.encode())),
        ..CreateStream::of(ContentType::json())
    };
    let created = shared.store.create(path, create).await?;
    if !created.is_new {
        // A record that could not be read at start. It is not overwritten: a newer version may know it.
        return Err(SubscribeError::Exists);
    }
    Ok((state, created.head.attributes_version))
}

async fn resume_all(shared: &Arc<Shared>) -> Result<(), ReadError> {
    let mut after: Option<StreamPath> = None;
    loop {
        let page = shared.store.list(ROOT, after.as_ref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|(path, _)| path.clone());
        for (path, head) in page {
            let stored = head.attributes.as_deref().unwrap_or_default();
            let Some(state) = Subscription::decode(stored, shared.clock.now_ms()) else {
                tracing::error!(
                    error_id = "subscription-unreadable",
                    path = path.as_str(),
                    "a stored subscription cannot be read; it is left as it is"
                );
                continue;
            };
            let explicit = state.links.iter().filter(|(_, link)| link.explicit).map(|(path, _)| path);
            let (handle, commands) = Handle::new(&state.specification, explicit);
            // Appends and wakes may have crossed with the end of the last process.
            handle.inbox.put_all();
            shared.insert(&state.id, handle.clone());
            let actor = Actor::new(shared.clone(), handle, path, state, head.attributes_version);
            tokio::spawn(actor.run(commands));
        }
        if is_last {
            return Ok(());
        }
    }
}
