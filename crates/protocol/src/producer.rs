//! Idempotent producers: identity, epoch and sequence, PROTOCOL.md section 5.2.1.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Largest epoch or sequence number: 2^53 - 1, the largest integer JavaScript holds exactly.
pub const PRODUCER_NUMBER_MAX: u64 = (1 << 53) - 1;
/// Longest producer id, in bytes.
pub const PRODUCER_ID_LEN_MAX: usize = 256;

/// Names one logical producer across its restarts. Not empty, at most [`PRODUCER_ID_LEN_MAX`] bytes,
/// no control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(Arc<str>);

/// A producer's session; it grows when the producer restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ProducerEpoch(u64);

/// Sequence number of a batch within an epoch, from 0, without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ProducerSeq(u64);

/// Why a text is no producer id, epoch or sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProducer {
    /// The id is empty, too long, or has control characters.
    #[error("Producer-Id must have 1 to {PRODUCER_ID_LEN_MAX} bytes and no control characters")]
    Id,
    /// The number is not a plain decimal integer up to 2^53-1.
    #[error("Producer-Epoch and Producer-Seq must be decimal integers from 0 to 9007199254740991")]
    Number,
}

impl ProducerId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProducerId {
    type Err = InvalidProducer;

    fn from_str(id: &str) -> Result<Self, InvalidProducer> {
        if id.is_empty() || id.len() > PRODUCER_ID_LEN_MAX || id.chars().any(char::is_control) {
            return Err(InvalidProducer::Id);
        }
        Ok(Self(id.into()))
    }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! producer_number {
    ($name:ident) => {
        impl $name {
            /// The first one.
            pub const ZERO: Self = Self(0);

            /// Wraps a number up to [`PRODUCER_NUMBER_MAX`].
            ///
            /// # Errors
            /// [`InvalidProducer::Number`] above it.
            pub fn new(number: u64) -> Result<Self, InvalidProducer> {
                if number <= PRODUCER_NUMBER_MAX { Ok(Self(number)) } else { Err(InvalidProducer::Number) }
            }

            /// The plain number.
            #[must_use]
            pub const fn number(self) -> u64 {
                self.0
            }

            /// The next one, or `None` at the end of the range.
            #[must_use]
            pub fn next(self) -> Option<Self> {
                Self::new(self.0 + 1).ok()
            }
        }

        impl FromStr for $name {
            type Err = InvalidProducer;

            fn from_str(digits: &str) -> Result<Self, InvalidProducer> {
                if digits.is_empty() || digits.len() > 16 || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(InvalidProducer::Number);
                }
                digits.parse().map_err(|_| InvalidProducer::Number).and_then(Self::new)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

producer_number!(ProducerEpoch);
producer_number!(ProducerSeq);

/// The three producer headers of one append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerClaim {
    /// Who writes.
    pub id: ProducerId,
    /// Its session.
    pub epoch: ProducerEpoch,
    /// Which batch of the session this is.
    pub seq: ProducerSeq,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain_decimals_that_javascript_can_hold() {
        assert_eq!("9007199254740991".parse::<ProducerSeq>().unwrap().number(), PRODUCER_NUMBER_MAX);
        for bad in ["", "-1", "+1", "1.0", "1e3", " 1", "9007199254740992", "99999999999999999999"] {
            assert_eq!(bad.parse::<ProducerEpoch>(), Err(InvalidProducer::Number), "{bad}");
        }
        assert_eq!("".parse::<ProducerId>(), Err(InvalidProducer::Id));
        assert_eq!(ProducerSeq::new(PRODUCER_NUMBER_MAX).unwrap().next(), None);
    }
}
