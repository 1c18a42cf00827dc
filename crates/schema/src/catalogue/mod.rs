//! The event catalogue: the one place that defines events. Must not know how they are parsed or sent.

#[macro_use]
mod core;
#[macro_use]
mod container_agent;
#[macro_use]
mod topology;
mod envelope;

pub use container_agent::*;
pub use core::*;
pub use envelope::{ENVELOPE, Meta};
pub use topology::*;

pub(crate) use envelope::{DATA, ENVELOPE_FIELDS, ID, META, TIMESTAMP, TYPE};

use crate::channel::Channel;
use crate::spec::{Discriminant, EventSpec, Json, ObjectType};

macro_rules! discriminant {
    (None) => {
        Discriminant::None
    };
    (ToolOutcome) => {
        Discriminant::ToolOutcome
    };
    ($field:tt = $value:tt) => {
        Discriminant::Fixed { field: $field, value: $value }
    };
}

macro_rules! catalogue {
    ([] $( $(#[doc = $doc:tt])* $name:ident $event_type:tt $channel:ident $payload:ident ($($tag:tt)*); )*) => {
        /// Every event of the catalogue. An [`EventIndex`] is a position in it.
        pub static EVENTS: &[EventSpec] = &[
            $(
                EventSpec::new(
                    stringify!($name),
                    $event_type,
                    Channel::$channel,
                    <$payload as ObjectType>::SPEC,
                    discriminant!($($tag)*),
                )
                .with_doc(concat!($($doc, "\n",)*)),
            )*
        ];

        /// The payload of an event, typed by the event's `type`.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Payload {
            $( $(#[doc = $doc])* $name($payload), )*
            /// An event type that is not in the catalogue, passed through.
            Unknown {
                /// Its `type`.
                event_type: String,
                /// Its `data`.
                data: Json,
            },
        }

        /// Positions in the catalogue, in its order.
        #[derive(Clone, Copy)]
        enum Position { $($name,)* }

        impl Payload {
            /// Position in [`EVENTS`], `None` for an unknown event type.
            #[must_use]
            pub fn index(&self) -> Option<EventIndex> {
                match self {
                    $( Self::$name(_) => Some(EventIndex(Position::$name as u16)), )*
                    Self::Unknown { .. } => None,
                }
            }
        }

        #[cfg(feature = "serde")]
        impl Payload {
            /// Reads `data` that the parser has accepted for this event type.
            pub(crate) fn read(index: EventIndex, data: &[u8]) -> Result<Self, serde_json::Error> {
                const POSITIONS: &[Position] = &[$(Position::$name,)*];
                let Some(position) = POSITIONS.get(index.position()) else {
                    return Err(serde::de::Error::custom("no such event type"));
                };
                Ok(match position {
                    $( Position::$name => Self::$name(read::<$payload>(data)?), )*
                })
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for Payload {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $( Self::$name(payload) => payload.serialize(serializer), )*
                    Self::Unknown { data, .. } => data.serialize(serializer),
                }
            }
        }
    };
}

core_events! { [container_agent_events topology_events catalogue] }

impl Payload {
    /// The `type` on the wire.
    #[must_use]
    pub fn event_type(&self) -> &str {
        match self {
            Self::Unknown { event_type, .. } => event_type,
            known => known.index().map_or("", |index| index.spec().event_type),
        }
    }

    /// The channel that the record of such an event goes to.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.index().map_or(Channel::Unknown, |index| index.spec().channel)
    }
}

#[cfg(feature = "serde")]
fn read<T: ObjectType + serde::de::DeserializeOwned>(data: &[u8]) -> Result<T, serde_json::Error> {
    let mut payload: T = serde_json::from_slice(data)?;
    for name in T::SPEC.ignored {
        payload.extra_mut().remove(*name);
    }
    Ok(payload)
}

/// A position in [`EVENTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventIndex(u16);

impl EventIndex {
    /// The event type with this name.
    #[must_use]
    pub fn of(event_type: &str) -> Option<Self> {
        lookup(event_type.as_bytes())
    }

    /// The position as a number.
    #[must_use]
    pub const fn position(self) -> usize {
        self.0 as usize
    }

    /// What the catalogue says.
    #[must_use]
    pub fn spec(self) -> &'static EventSpec {
        &EVENTS[self.position()]
    }
}

/// Slots of the hash table over event type names; a power of two well above twice their number.
const SLOTS: usize = 128;

/// Position plus one per slot, zero if free. Open addressing, so that a lookup costs one hash and, nearly always,
/// one comparison.
static SLOT_OF_TYPE: [u8; SLOTS] = slots();

const fn slots() -> [u8; SLOTS] {
    let mut table = [0; SLOTS];
    let mut i = 0;
    while i < EVENTS.len() {
        let mut slot = hash(EVENTS[i].event_type.as_bytes());
        while table[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = i as u8 + 1;
        i += 1;
    }
    table
}

const fn hash(name: &[u8]) -> usize {
    let mut hash = name.len() as u32;
    let mut i = 0;
    while i < name.len() {
        hash = (hash ^ name[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    (hash ^ (hash >> 15)) as usize % SLOTS
}

/// The catalogue's event type with exactly this name.
pub(crate) fn lookup(name: &[u8]) -> Option<EventIndex> {
    let mut slot = hash(name);
    loop {
        let position = usize::from(*SLOT_OF_TYPE.get(slot)?).checked_sub(1)?;
        if EVENTS.get(position)?.event_type.as_bytes() == name {
            return Some(EventIndex(position as u16));
        }
        slot = (slot + 1) % SLOTS;
    }
}

#[cfg(feature = "typescript")]
pub(crate) fn declarations() -> impl Iterator<Item = &'static str> {
    [envelope::DECLARATIONS, core::DECLARATIONS, container_agent::DECLARATIONS, topology::DECLARATIONS]
        .into_iter()
        .flatten()
        .copied()
}
