//! Tells callers and watchers what has become durable. Must not know engines.
//!
//! Waking a task from outside its runtime costs a lock and sometimes a system call, each time. So the answers of a
//! large group travel in one parcel to a task in the runtime, which wakes the others from within; the committer
//! goes on with the next group meanwhile. Small groups are answered at once: a hop would only delay them.

use std::sync::Arc;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::mpsc;

use super::group::Answer;
use super::lock;
use super::stream::Stream;

/// From here on a parcel is worth its hop.
const PARCEL_LEN_MIN: usize = 8;
/// Parcels on their way; one more is delivered by the committer itself.
const PARCELS_MAX: usize = 4;

/// The committer's end.
pub(super) struct Delivery(Option<mpsc::Sender<Parcel>>);

/// What one group is answered. Whatever becomes of it, it is delivered.
#[derive(Default)]
pub(super) struct Parcel {
    pub(super) answers: Vec<Answer>,
    /// Told after the answers, so that who wrote goes on first.
    pub(super) watched: Vec<Arc<Stream>>,
}

impl Delivery {
    /// Delivers by a task of the runtime this is called in, if it has threads of its own: others run only when
    /// somebody runs them, and then nobody would be answered.
    pub(super) fn start() -> Self {
        let runtime = Handle::try_current().ok();
        let runtime = runtime.filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
        Self(runtime.map(|runtime| {
            let (sender, mut parcels) = mpsc::channel::<Parcel>(PARCELS_MAX);
            runtime.spawn(async move {
                while let Some(parcel) = parcels.recv().await {
                    drop(parcel);
                }
            });
            sender
        }))
    }

    pub(super) fn deliver(&self, parcel: Parcel) {
        if let Some(parcels) = &self.0
            && parcel.answers.len() + parcel.watched.len() >= PARCEL_LEN_MIN
        {
            // A parcel that comes back is delivered here, by being dropped.
            drop(parcels.try_send(parcel));
        }
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        for answer in self.answers.drain(..) {
            answer.send();
        }
        for stream in self.watched.drain(..) {
            lock(&stream.live).tell_watchers();
        }
    }
}
