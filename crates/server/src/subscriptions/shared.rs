//! What all subscriptions of a server share, and how an append finds the ones it concerns.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use durable_sessions_protocol::StreamPath;
use durable_sessions_storage::{Clock, StreamHead, StreamStore};
use tokio::sync::{OnceCell, mpsc, watch};

use super::actor::Command;
use super::inbox::Inbox;
use super::machine::{Now, Room, Sighting};
use super::specification::Specification;
use super::webhook::Caller as WebhookCaller;
use crate::access::{Ownership, is_visible};
use crate::glob::Glob;
use crate::identity::Caller;
use crate::keys::{Keys, KeysError};

/// Requests that may wait for one subscription; one more is refused as overloaded.
const COMMANDS_MAX: usize = 64;

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn StreamStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) caller: WebhookCaller,
    pub(crate) room: Room,
    pub(crate) public_url: Option<String>,
    pub(crate) draining: watch::Receiver<bool>,
    keys: OnceCell<Keys>,
    index: RwLock<BTreeMap<String, Arc<Handle>>>,
}

/// How the rest of the server reaches one subscription.
pub(crate) struct Handle {
    pub(crate) inbox: Inbox,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) glob: Option<Glob>,
    pub(crate) sight: Sight,
    wake_stream: Option<String>,
    explicit: RwLock<HashSet<String>>,
}

/// What a subscription can see: what its creator may read, as the streams are now.
#[derive(Debug, Clone)]
pub(crate) enum Sight {
    /// Of who may do everything.
    All,
    /// Of this creator.
    Of(Caller),
    /// Of a creator that a stored record does not describe well enough.
    Nothing,
}

impl Sight {
    fn of(specification: &Specification) -> Self {
        match specification.caller() {
            Ok(None) => Self::All,
            Ok(Some(creator)) => Self::Of(creator),
            Err(why) => {
                tracing::error!(error_id = "subscription-creator", %why, "a subscription sees nothing");
                Self::Nothing
            }
        }
    }

    pub(crate) fn shows(&self, path: &StreamPath, head: &StreamHead) -> bool {
        match self {
            Self::All => true,
            Self::Of(creator) => {
                is_visible(creator, path, Ownership::of_attributes(head.attributes.as_deref()).ok().as_ref())
            }
            Self::Nothing => false,
        }
    }

    /// Whether a caller may deal with the subscription: who may do everything, its creator, and administrators of the
    /// creator's project.
    pub(crate) fn is_shared_with(&self, caller: &Caller) -> bool {
        if caller.is_superuser() {
            return true;
        }
        match self {
            Self::Of(creator) => {
                creator.project == caller.project && (caller.is_admin() || creator.subject == caller.subject)
            }
            Self::All | Self::Nothing => false,
        }
    }
}

impl Shared {
    pub(crate) fn new(
        store: Arc<dyn StreamStore>,
        clock: Arc<dyn Clock>,
        caller: WebhookCaller,
        room: Room,
        public_url: Option<String>,
        draining: watch::Receiver<bool>,
    ) -> Self {
        let (keys, index) = (OnceCell::new(), RwLock::default());
        Self { store, clock, caller, room, public_url, draining, keys, index }
    }

    /// Made at first use: a server without subscriptions has no keys to lose.
    pub(crate) async fn keys(&self) -> Result<&Keys, KeysError> {
        self.keys.get_or_try_init(|| Keys::open(&*self.store)).await
    }

    pub(crate) fn now(&self) -> Now {
        // Without a source of chance, wake ids would repeat; what is left is the time, which does not.
        let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
        let entropy = match (getrandom::u64(), getrandom::u64()) {
            (Ok(high), Ok(low)) => u128::from(high) << 64 | u128::from(low),
            _ => nanos,
        };
        Now { ms: self.clock.now_ms(), entropy }
    }

    /// Where the server is reached: as configured, or as the creator of the subscription did.
    pub(crate) fn base_url<'a>(&'a self, of_creator: &'a str) -> &'a str {
        self.public_url.as_deref().unwrap_or(of_creator)
    }

    /// A stream has got more, is new, or is gone. `before` is the offset before an append.
    pub(crate) fn changed(&self, path: &str, before: Option<u64>) {
        self.with_index(|index| {
            for handle in index.values().filter(|handle| handle.concerns(path)) {
                handle.inbox.put(path, before);
            }
        });
    }

    pub(crate) fn concerns(&self, path: &str) -> bool {
        self.with_index(|index| index.values().any(|handle| handle.concerns(path)))
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Handle>> {
        self.with_index(|index| index.get(id).cloned())
    }

    pub(crate) fn count(&self) -> usize {
        self.with_index(BTreeMap::len)
    }

    pub(crate) fn insert(&self, id: &str, handle: Arc<Handle>) {
        self.index.write().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), handle);
    }

    pub(crate) fn remove(&self, id: &str) {
        self.index.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn with_index<T>(&self, look: impl FnOnce(&BTreeMap<String, Arc<Handle>>) -> T) -> T {
        look(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Handle {
    /// `explicit` are the streams that were added by name.
    pub(crate) fn new<'p>(
        specification: &Specification,
        explicit: impl Iterator<Item = &'p String>,
    ) -> (Arc<Self>, mpsc::Receiver<Command>) {
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let handle = Self {
            inbox: Inbox::default(),
            commands,
            glob: specification.glob(),
            sight: Sight::of(specification),
            wake_stream: specification.wake_stream().map(str::to_owned),
            explicit: RwLock::new(explicit.cloned().collect()),
        };
        (Arc::new(handle), received)
    }

    pub(crate) fn follow(&self, path: &str) {
        self.explicit.write().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
    }

    pub(crate) fn unfollow(&self, path: &str) {
        self.explicit.write().unwrap_or_else(PoisonError::into_inner).remove(path);
    }

    fn concerns(&self, path: &str) -> bool {
        let by_glob = self.glob.as_ref().is_some_and(|glob| glob.matches(path));
        (by_glob && self.wake_stream.as_deref() != Some(path))
            || self.explicit.read().unwrap_or_else(PoisonError::into_inner).contains(path)
    }
}

impl Sighting {
    pub(crate) fn of(head: &StreamHead) -> Self {
        Self {
            stream_id: head.stream_id,
            start: head.forked_from.as_ref().map_or(0, |(_, at)| at.position()),
            tail: head.next_offset.position(),
            created_at_ms: head.created_at_ms,
        }
    }
}

/// How long until a time of the clock; a time that has come is a moment away, so that nothing spins.
pub(crate) fn until(now_ms: i64, deadline_ms: i64) -> Duration {
    let ms = u64::try_from(deadline_ms.saturating_sub(now_ms)).unwrap_or_default();
    Duration::from_millis(ms.clamp(5, 600_000))
}
