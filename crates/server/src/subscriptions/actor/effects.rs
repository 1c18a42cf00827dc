//! What a subscription does to the outside once its state is stored: wake events and webhooks.

use std::time::Duration;

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, StreamPath};
use durable_sessions_storage::{Append, AppendError, Batch};

use super::Actor;
use crate::subscriptions::machine::{Delivered, Effect, Subscription};
use crate::subscriptions::shared::Shared;
use crate::subscriptions::specification::Delivery;
use crate::subscriptions::token::{Grant, Purpose};
use crate::subscriptions::view;
use crate::subscriptions::webhook::{Answer, CallError};

impl Actor {
    pub(super) async fn perform(&mut self, effect: Effect) {
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
