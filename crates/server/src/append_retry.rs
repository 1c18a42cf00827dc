//! Appends whose store is out of order for a moment: they wait for it, before their caller hears of it. Must not know
//! HTTP.
//!
//! Tried again is only what cannot be there twice because of it:
//!
//! | the store | the append | outcome |
//! |---|---|---|
//! | takes no appends now | any | nothing was written: waits, with backoff, for its turn |
//! | failed while the append was with it | of a producer | tried again: it is recognised if it is there |
//! | failed while the append was with it | plain | answered at once: nobody knows whether it will be there |
//! | is full, or its queue is | any | answered at once: waiting would make an overload worse |
//! | has given up, or is shut down | any | answered at once: it does not come back |
//!
//! How many wait is bounded (`Limits::append_retries_max`); one more is answered at once.

use std::time::{Duration, Instant};

use durable_sessions_protocol::StreamPath;
use durable_sessions_storage::{Append, AppendError, Appended, DegradedCause, StoreHealth};

use crate::app::App;
use crate::backoff::Backoff;
use crate::subscriptions;

const BACKOFF: Backoff = Backoff { first: Duration::from_millis(50), longest: Duration::from_millis(1_000) };

/// An append that wakes who waits for it, as [`subscriptions::append`], tried again where that is safe.
pub(crate) async fn append(app: &App, path: &StreamPath, append: Append) -> Result<Appended, AppendError> {
    let began = Instant::now();
    let answered = attempts(app, path, append).await;
    app.metrics.appended_in(began.elapsed());
    answered
}

async fn attempts(app: &App, path: &StreamPath, append: Append) -> Result<Appended, AppendError> {
    let mut waiting = None;
    let mut failures = 0;
    loop {
        let refusal = match app.store.health() {
            // A full store answers at once, and still recognises what it has already.
            StoreHealth::Ready(_) | StoreHealth::Degraded { cause: DegradedCause::StorageFull, .. } => None,
            StoreHealth::Degraded { cause: DegradedCause::CommitFailed, reason } => Some((reason, false)),
            StoreHealth::Degraded { cause: DegradedCause::RecoveryGivenUp, reason }
            | StoreHealth::Down(reason) => Some((reason, true)),
        };
        let (failed, is_lost) = match refusal {
            Some((reason, is_lost)) => (AppendError::Unavailable(reason.to_string()), is_lost),
            // Only a producer's append is needed again.
            None if append.producer.is_none() => return subscriptions::append(app, path, append).await,
            None => match subscriptions::append(app, path, append.clone()).await {
                Err(failed @ AppendError::Unavailable(_)) => (failed, false),
                answered => return answered,
            },
        };
        failures += 1;
        // A store that is shut down or has given up does not come back, and neither does a server that stops.
        if is_lost || app.is_draining() || failures >= app.config.limits.append_attempts_max {
            return Err(failed);
        }
        if waiting.is_none() {
            let Ok(place) = app.retrying.try_acquire() else { return Err(failed) };
            waiting = Some(place);
        }
        app.metrics.append_retries.inc();
        tracing::debug!(failures, "an append waits for the store");
        tokio::time::sleep(BACKOFF.delay(failures, app.jitter.next())).await;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use durable_sessions_protocol::{ProducerClaim, ProducerEpoch, ProducerSeq};
    use durable_sessions_storage::Batch;

    use super::*;
    use crate::testing::{Fault, broken_app};

    fn one(producer: bool) -> Append {
        let claim =
            ProducerClaim { id: "p".parse().unwrap(), epoch: ProducerEpoch::ZERO, seq: ProducerSeq::ZERO };
        let batch = Batch::message(Bytes::from_static(b"1")).unwrap();
        Append { batch: Some(batch), producer: producer.then_some(claim), ..Append::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn an_append_waits_for_a_store_that_comes_back() {
        let (app, faults, path) = broken_app(|_| {}).await;
        faults.set(Fault::Unready, 3);
        let appended = append(&app, &path, one(false)).await.unwrap();
        assert_eq!((appended.next_offset.position(), faults.appends()), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_knows_about_is_repeated_for_producers_only() {
        let (app, faults, path) = broken_app(|_| {}).await;
        // Written, and the answer is lost: the producer's second attempt is recognised.
        faults.set(Fault::LostAnswer, 1);
        let appended = append(&app, &path, one(true)).await.unwrap();
        assert!(appended.duplicate && appended.next_offset.position() == 1);
        assert_eq!(faults.appends(), 2);
        faults.set(Fault::LostAnswer, 1);
        assert!(matches!(append(&app, &path, one(false)).await, Err(AppendError::Unavailable(_))));
        assert_eq!(faults.appends(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_store_that_is_full_or_has_given_up() {
        let (app, faults, path) = broken_app(|_| {}).await;
        let began = tokio::time::Instant::now();
        // It decides itself: this one it can take.
        faults.set(Fault::SaysFull, u32::MAX);
        append(&app, &path, one(true)).await.unwrap();
        assert!(append(&app, &path, one(true)).await.unwrap().duplicate);
        assert_eq!(faults.appends(), 2);
        faults.set(Fault::StorageFull, 1);
        assert!(matches!(append(&app, &path, one(false)).await, Err(AppendError::StorageFull)));
        faults.set(Fault::GivenUp, u32::MAX);
        assert!(matches!(append(&app, &path, one(true)).await, Err(AppendError::Unavailable(_))));
        assert_eq!((faults.appends(), faults.asked_unready()), (0, 1));
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_and_those_who_wait_are_bounded() {
        let (app, faults, path) = broken_app(|config| {
            config.limits.append_attempts_max = 4;
            config.limits.append_retries_max = 1;
        })
        .await;
        faults.set(Fault::Unready, u32::MAX);
        let (first, second) = tokio::join!(append(&app, &path, one(false)), append(&app, &path, one(false)));
        for answer in [first, second] {
            assert!(matches!(answer, Err(AppendError::Unavailable(_))));
        }
        // The second found no place to wait in.
        assert_eq!((faults.appends(), faults.asked_unready()), (0, 5));
        faults.set(Fault::Overloaded, 1);
        assert!(matches!(append(&app, &path, one(true)).await, Err(AppendError::Overloaded)));
        assert_eq!(faults.appends(), 1);
    }
}
