//! The task of one subscription: owns its state machine, persists each change before it acts on it, and runs its
//! deliveries. Requests come in through a channel and appends through the inbox, so nothing needs a lock.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, StreamPath};
use durable_sessions_storage::{Append, AppendError, AttributesChange, Batch, DeleteError, ReadError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::listing;
use super::machine::{Delivered, Effect, Now, Refusal, Sighting, Subscription, WakeRef};
use super::shared::{Handle, Shared, until};
use super::specification::Delivery;
use super::token::{Grant, Purpose};
use super::view;
use super::webhook::{Answer, CallError};
use crate::app::until_draining;

/// After the store refused a change. Requests are answered with its error; this is for what nobody waits for.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a request to a subscription failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Write(#[from] AppendError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Delete(#[from] DeleteError),
}

type Reply<T> = oneshot::Sender<Result<T, Failure>>;

/// A request to one subscription.
pub(crate) enum Command {
    View(Reply<Subscription>),
    /// The subscription with the claim in it, and the wake id.
    Claim {
        worker: String,
        reply: Reply<(Subscription, String)>,
    },
    /// Whether more is pending.
    Ack {
        wake: WakeRef,
        acks: Vec<(String, u64)>,
        done: bool,
        reply: Reply<bool>,
    },
    Release {
        wake: WakeRef,
        reply: Reply<()>,
    },
    Link {
        paths: Vec<String>,
        reply: Reply<()>,
    },
    Unlink {
        path: String,
        reply: Reply<()>,
    },
    Delete(Reply<()>),
}

pub(crate) struct Actor {
    shared: Arc<Shared>,
    handle: Arc<Handle>,
    state: Subscription,
    /// Where the state is stored, as what, and in which version.
    path: StreamPath,
    stored: Vec<u8>,
    version: u64,
    effects: Vec<Effect>,
    calls: JoinSet<(String, Delivered)>,
    paused_until: Option<Instant>,
}

impl Actor {
    pub(crate) fn new(
        shared: Arc<Shared>,
        handle: Arc<Handle>,
        path: StreamPath,
        state: Subscription,
        version: u64,
    ) -> Self {
        let stored = state.encode();
        let (effects, calls) = (Vec::new(), JoinSet::new());
        Self { shared, handle, state, path, stored, version, effects, calls, paused_until: None }
    }

    /// Until the subscription is deleted or the server stops.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut draining = self.shared.draining.clone();
        let interrupted = self.state.interrupted();
        self.look().await;
        if interrupted.is_some() && self.state.interrupted() == interrupted && self.effects.is_empty() {
            self.effects.extend(interrupted);
        }
        loop {
            while let Some(effect) = self.effects.pop() {
                self.perform(effect).await;
            }
            let wait = self.wait();
            let paused = self.paused_until.is_some();
            tokio::select! {
                biased;
                () = until_draining(&mut draining) => return,
                Some(call) = self.calls.join_next(), if !self.calls.is_empty() => {
                    if let Ok((wake_id, outcome)) = call {
                        self.look().await;
                        self.step(|state, now| state.delivered(now, &wake_id, outcome)).await;
                    }
                }
                command = commands.recv() => {
                    let Some(command) = command else { return };
                    // What was appended before the request is seen by it.
                    self.look().await;
                    if self.obey(command).await {
                        return;
                    }
                }
                () = self.handle.inbox.arrival(), if !paused => self.look().await,
                () = sleep(wait) => {
                    self.paused_until = None;
                    self.look().await;
                    self.step(|_, _| {}).await;
                }
            }
        }
    }

    fn wait(&self) -> Option<Duration> {
        if let Some(until) = self.paused_until {
            return Some(until.saturating_duration_since(Instant::now()));
        }
        self.state.deadline_ms().map(|deadline| until(self.shared.clock.now_ms(), deadline))
    }

    /// Answers a request; `true` when the subscription is gone.
    async fn obey(&mut self, command: Command) -> bool {
        // Who asked may have gone; the change is made all the same.
        match command {
            Command::View(reply) => drop(reply.send(Ok(self.state.clone()))),
            Command::Claim { worker, reply } => {
                let claimed = self.change(|state, now| state.claim(now, &worker)).await;
                drop(reply.send(claimed.map(|wake_id| (self.state.clone(), wake_id))));
            }
            Command::Ack { wake, acks, done, reply } => {
                let acked = self.change(|state, now| state.ack(now, &wake, &acks, done)).await;
                drop(reply.send(acked.map(|()| done && self.state.has_pending())));
            }
            Command::Release { wake, reply } => {
                drop(reply.send(self.change(|state, now| state.release(now, &wake)).await));
            }
            Command::Link { paths, reply } => drop(reply.send(self.link(paths).await)),
            Command::Unlink { path, reply } => {
                let handle = self.handle.clone();
                let unlinked = self.change(|state, _| {
                    state.unlink(&path, handle.glob.as_ref());
                    Ok(())
                });
                let unlinked = unlinked.await;
                if unlinked.is_ok() {
                    self.handle.unfollow(&path);
                }
                drop(reply.send(unlinked));
            }
            Command::Delete(reply) => {
                let deleted = match self.shared.store.delete(&self.path).await {
                    Ok(()) | Err(DeleteError::NotFound) => Ok(()),
                    Err(why) => Err(why.into()),
                };
                let gone = deleted.is_ok();
                drop(reply.send(deleted));
                return gone;
            }
        }
        false
    }

    async fn link(&mut self, paths: Vec<String>) -> Result<(), Failure> {
        let mut seen = Vec::with_capacity(paths.len());
        for path in paths {
            // Before the tail is read: what is appended after that comes through the inbox.
            self.handle.follow(&path);
            let sighting = sight(&self.shared, &path).await?;
            seen.push((path, sighting));
        }
        let max = self.shared.links_max;
        let linked = self.change(|state, _| {
            seen.iter().try_for_each(|(path, sighting)| state.link_at_tail(path, *sighting, true, max))
        });
        let linked = linked.await;
        if linked.is_err() {
            for (path, _) in seen.iter().filter(|(path, _)| !self.is_explicit(path)) {
                self.handle.unfollow(path);
            }
        }
        linked
    }

    fn is_explicit(&self, path: &str) -> bool {
        self.state.links.get(path).is_some_and(|link| link.explicit)
    }

    /// Looks at the streams that may have changed.
    async fn look(&mut self) {
        let changed = self.handle.inbox.take();
        if changed.is_empty() {
            return;
        }
        let all = changed.all;
        let seen = match self.see(changed).await {
            Ok(seen) => seen,
            Err(error) => return self.pause_after(&error.into()),
        };
        let (handle, max) = (self.handle.clone(), self.shared.links_max);
        let mut full = false;
        let merged = self.change(|state, _| {
            for (path, sighting, before) in &seen {
                full |= !state.sighted(path, *sighting, *before, handle.glob.as_ref(), max);
            }
            Ok(())
        });
        if let Err(error) = merged.await {
            self.pause_after(&error);
            if !all {
                for (path, _, before) in seen {
                    self.handle.inbox.put(&path, before);
                }
            } else {
                self.handle.inbox.put_all();
            }
        }
        if full {
            tracing::warn!(
                error_id = "subscription-links-full",
                subscription = self.state.id,
                max,
                "a matching stream is not followed: the subscription links as many streams as it may"
            );
        }
    }

    /// The streams that may have changed as they are now.
    async fn see(
        &self,
        changed: super::inbox::Changed,
    ) -> Result<Vec<(String, Option<Sighting>, Option<u64>)>, ReadError> {
        let mut seen = Vec::new();
        if changed.all {
            for path in self.state.links.keys() {
                seen.push((path.clone(), sight(&self.shared, path).await?, None));
            }
            if let Some(glob) = &self.handle.glob {
                let matching = listing::matching(&*self.shared.store, glob, self.shared.links_max + 1).await;
                let matching = matching.inspect_err(|_| self.handle.inbox.put_all())?;
                seen.extend(
                    matching
                        .into_iter()
                        .filter(|(path, _)| !self.state.links.contains_key(path))
                        .map(|(path, sighting)| (path, Some(sighting), None)),
                );
            }
            return Ok(seen);
        }
        let mut streams = changed.streams.into_iter();
        while let Some((path, before)) = streams.next() {
            match sight(&self.shared, &path).await {
                Ok(sighting) => seen.push((path, sighting, before)),
                Err(error) => {
                    self.handle.inbox.put(&path, before);
                    seen.into_iter().for_each(|(path, _, before)| self.handle.inbox.put(&path, before));
                    streams.for_each(|(path, before)| self.handle.inbox.put(&path, before));
                    return Err(error);
                }
            }
        }
        Ok(seen)
    }

    /// A change nobody waits for.
    async fn step(&mut self, make: impl FnOnce(&mut Subscription, Now)) {
        let made = self.change(|state, now| {
            make(state, now);
            Ok(())
        });
        if let Err(error) = made.await {
            self.pause_after(&error);
        }
    }

    fn pause_after(&mut self, error: &Failure) {
        tracing::warn!(
            error_id = "subscription-not-stored", subscription = self.state.id, %error,
            "a change of a subscription is tried again"
        );
        self.paused_until = Some(Instant::now() + PAUSE);
    }

    /// Changes a copy, persists it, and only then takes it over with what follows from it.
    async fn change<T>(
        &mut self,
        make: impl FnOnce(&mut Subscription, Now) -> Result<T, Refusal>,
    ) -> Result<T, Failure> {
        let now = self.shared.now();
        let mut next = self.state.clone();
        let made = make(&mut next, now)?;
        let effect = next.settle(now);
        self.persist(&next).await?;
        self.state = next;
        self.effects.extend(effect);
        Ok(made)
    }

    async fn persist(&mut self, next: &Subscription) -> Result<(), AppendError> {
        let value = next.encode();
        if value == self.stored {
            return Ok(());
        }
        loop {
            let change =
                AttributesChange { expected_version: self.version, value: Bytes::copy_from_slice(&value) };
            let append = Append { attributes: Some(change), ..Append::default() };
            match self.shared.store.append(&self.path, append).await {
                Ok(_) => {
                    self.version += 1;
                    self.stored = value;
                    return Ok(());
                }
                // Only this task writes here, so it was its own write, whose outcome it did not learn.
                Err(AppendError::AttributesConflict { current }) if current > self.version => {
                    self.version = current;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Deliver { wake_id } => self.deliver(wake_id).await,
            Effect::Announce { wake_id, stream } => {
                let written = self.announce(&stream).await;
                if let Err(error) = &written {
                    tracing::warn!(
                        error_id = "wake-not-written", subscription = self.state.id, %error,
                        "a wake event was not written; another one is scheduled"
                    );
                }
                self.step(|state, now| state.announced(now, &wake_id, written.is_ok())).await;
            }
        }
    }

    async fn announce(&self, stream: &str) -> Result<(), AppendError> {
        let Some(wake_stream) = self.state.specification.wake_stream() else { return Ok(()) };
        let path: StreamPath = wake_stream.parse().map_err(|_| AppendError::NotFound)?;
        let event = view::wake_event(&self.state, stream, self.shared.clock.now_ms());
        let batch = Batch::message(event.to_string().into()).map_err(|_| AppendError::Empty)?;
        let append =
            Append { content_type: Some(ContentType::json()), batch: Some(batch), ..Append::default() };
        let appended = self.shared.store.append(&path, append).await?;
        self.shared.changed(wake_stream, appended.next_offset.position().checked_sub(1));
        Ok(())
    }

    async fn deliver(&mut self, wake_id: String) {
        let Delivery::Webhook { url } = self.state.specification.delivery.clone() else { return };
        // A call of an earlier wake has nothing to say any more.
        self.calls.abort_all();
        if let Err(error) = self.shared.keys().await {
            tracing::error!(error_id = "webhook-keys", %error, "a webhook cannot be signed");
            return self.step(|state, now| state.delivered(now, &wake_id, Delivered::Failed)).await;
        }
        let shared = self.shared.clone();
        let state = self.state.clone();
        let time_max = Duration::from_millis(state.specification.lease_ttl_ms.unsigned_abs());
        self.calls.spawn(async move {
            let outcome = call(&shared, &state, &wake_id, &url, time_max).await;
            let delivered = match outcome {
                Ok(Answer::Done) => Delivered::Done(view::tails(&state)),
                Ok(Answer::Accepted) => Delivered::Accepted,
                Err(error) => {
                    tracing::warn!(
                        error_id = "webhook-failed", subscription = state.id,
                        generation = state.generation, %error, "a webhook failed; another call is scheduled"
                    );
                    Delivered::Failed
                }
            };
            (wake_id, delivered)
        });
    }
}

async fn call(
    shared: &Shared,
    state: &Subscription,
    wake_id: &str,
    url: &str,
    time_max: Duration,
) -> Result<Answer, CallError> {
    let keys = shared.keys().await.map_err(|_| CallError::Request)?;
    let body = || {
        let now_ms = shared.clock.now_ms();
        let grant = Grant::new(&state.id, state.birth, state.generation, Purpose::Callback, now_ms);
        let base = shared.base_url(&state.base_url);
        let body = view::wake(state, wake_id, base, &grant.seal(&keys.tokens)).to_string();
        let signature = keys.signature(now_ms / 1000, body.as_bytes());
        (Bytes::from(body), signature)
    };
    shared.caller.call(url, time_max, body).await
}

/// A stream as it is now; `None` when there is none.
pub(crate) async fn sight(shared: &Shared, path: &str) -> Result<Option<Sighting>, ReadError> {
    let Ok(path) = path.parse::<StreamPath>() else { return Ok(None) };
    match shared.store.head(&path).await {
        Ok(head) => Ok(Some(Sighting::of(&head))),
        Err(ReadError::NotFound | ReadError::Gone) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
