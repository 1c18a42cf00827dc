//! Buckets by key, so many and no more.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::bucket::{Bucket, Standing};
use super::rate::Rate;

/// Locks; requests of different keys seldom meet.
const SHARDS: usize = 16;
/// Keys in one generation of one shard. Two generations of all of them are half a million keys, some 50 MB.
const SHARD_LEN_MAX: usize = 16_384;

/// When a shard's young generation is full it becomes the old one, and the old one is forgotten: a key that was not
/// seen for so long has a full bucket again. Nobody gains more by that than one burst.
pub(super) struct Buckets {
    rate: Rate,
    start: Instant,
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Default)]
struct Shard {
    young: HashMap<Box<[u8]>, Bucket>,
    old: HashMap<Box<[u8]>, Bucket>,
}

impl Buckets {
    pub(super) fn new(rate: Rate) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { rate, start: Instant::now(), hasher: RandomState::new(), shards }
    }

    pub(super) fn take(&self, key: &[u8], count: u32) -> Standing {
        let now_ns = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let shard = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default();
        let mut shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        shard.take(self.rate, now_ns, key, count)
    }
}

impl Shard {
    fn take(&mut self, rate: Rate, now_ns: u64, key: &[u8], count: u32) -> Standing {
        if let Some(bucket) = self.young.get_mut(key) {
            return bucket.take(rate, now_ns, count);
        }
        let mut bucket = self.old.remove(key).unwrap_or_default();
        let standing = bucket.take(rate, now_ns, count);
        if self.young.len() >= SHARD_LEN_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key.into(), bucket);
        standing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_share_and_are_bounded() {
        let rate: Rate = "1/m,burst:1".parse().unwrap();
        let mut shard = Shard::default();
        assert!(!shard.take(rate, 0, b"a", 1).is_over());
        assert!(shard.take(rate, 0, b"a", 1).is_over());
        assert!(!shard.take(rate, 0, b"b", 1).is_over());
        for n in 0..3 * SHARD_LEN_MAX as u64 {
            shard.take(rate, 0, &n.to_be_bytes(), 1);
            // Who keeps asking is not forgotten.
            assert!(shard.take(rate, 0, b"a", 1).is_over(), "{n}");
        }
        assert!(shard.young.len() + shard.old.len() <= 2 * SHARD_LEN_MAX);
        assert!(!shard.take(rate, 0, b"b", 1).is_over(), "not seen for long");
    }
}
