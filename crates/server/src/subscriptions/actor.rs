//! The task of one subscription: owns its state machine, persists each change before it acts on it, and runs its
//! deliveries. Requests come in through a channel and appends through the inbox, so nothing needs a lock.

mod effects;
mod looking;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use durable_sessions_protocol::StreamPath;
use durable_sessions_storage::{Append, AppendError, AttributesChange, DeleteError, ReadError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::machine::{Delivered, Effect, Now, Refusal, Subscription, WakeRef};
use super::shared::{Handle, Shared, until};
use crate::app::until_draining;

pub(crate) use looking::sight;

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
    /// The deadline that is waited for, and when it comes.
    alarm: Option<(i64, Instant)>,
    /// When the links were last searched for streams that are gone, for want of room.
    searched_at: Option<Instant>,
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
        let (paused_until, alarm, searched_at) = (None, None, None);
        Self {
            shared,
            handle,
            state,
            path,
            stored,
            version,
            effects,
            calls,
            paused_until,
            alarm,
            searched_at,
        }
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
            let wake_at = self.wake_at();
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
                // Before the requests: who asks without a pause must not hold up what is due.
                () = sleep_until(wake_at) => {
                    (self.paused_until, self.alarm) = (None, None);
                    self.look().await;
                    self.step(|_, _| {}).await;
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
            }
        }
    }

    /// When something is due without being asked for. The same deadline keeps its moment, or each request
    /// would put it off.
    fn wake_at(&mut self) -> Option<Instant> {
        if self.paused_until.is_some() {
            return self.paused_until;
        }
        let deadline_ms = self.state.deadline_ms()?;
        let at = Instant::now() + until(self.shared.clock.now_ms(), deadline_ms);
        let kept = self.alarm.filter(|(known_ms, _)| *known_ms == deadline_ms).map(|(_, kept)| kept);
        // The clock may have jumped ahead since.
        let at = kept.map_or(at, |kept| kept.min(at));
        self.alarm = Some((deadline_ms, at));
        Some(at)
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
            let sighting = sight(&self.shared, &self.handle.sight, &path).await?;
            seen.push((path, sighting));
        }
        let room = self.shared.room;
        let linked = self.change(|state, _| {
            seen.iter().try_for_each(|(path, sighting)| state.link_at_tail(path, *sighting, true, room))
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
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
