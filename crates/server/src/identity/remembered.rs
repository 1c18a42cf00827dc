//! A bounded map of decisions that are good for a while. Keys are hashes of credentials; the credentials are not kept.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ring::digest;

/// The SHA-256 of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of several parts; their lengths are part of it, so that no two lists of parts are the same text.
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }
}

/// What was decided, until it is too old. Two generations: when the young one is full it becomes the old one, and
/// what was old is forgotten. So at most twice `len_max` are kept, and what is in use stays.
pub(super) struct Remembered<T> {
    generations: Mutex<Generations<T>>,
    len_max: usize,
}

struct Generations<T> {
    young: HashMap<Fingerprint, (T, Instant)>,
    old: HashMap<Fingerprint, (T, Instant)>,
}

impl<T: Clone> Remembered<T> {
    pub(super) fn new(len_max: usize) -> Self {
        let generations = Generations { young: HashMap::new(), old: HashMap::new() };
        Self { generations: Mutex::new(generations), len_max }
    }

    pub(super) fn get(&self, key: &Fingerprint, now: Instant) -> Option<T> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((value, until)) = generations.young.get(key) {
            return (now < *until).then(|| value.clone());
        }
        let (value, until) = generations.old.remove(key).filter(|(_, until)| now < *until)?;
        generations.put(*key, value.clone(), until, self.len_max);
        Some(value)
    }

    pub(super) fn put(&self, key: Fingerprint, value: T, now: Instant, keep: Duration) {
        if keep.is_zero() {
            return;
        }
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.put(key, value, now + keep, self.len_max);
    }
}

impl<T> Generations<T> {
    fn put(&mut self, key: Fingerprint, value: T, until: Instant, len_max: usize) {
        if self.young.len() >= len_max && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, (value, until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_age_and_are_bounded() {
        let remembered = Remembered::new(4);
        let now = Instant::now();
        let key = |n: u8| Fingerprint::of(&[&[n]]);
        remembered.put(key(0), 0, now, Duration::from_secs(10));
        assert_eq!(remembered.get(&key(0), now + Duration::from_secs(9)), Some(0));
        assert_eq!(remembered.get(&key(0), now + Duration::from_secs(10)), None);
        for n in 1..=100 {
            remembered.put(key(n), n, now, Duration::from_secs(10));
            // What is used stays.
            assert_eq!(remembered.get(&key(1), now), Some(1), "{n}");
        }
        let generations = remembered.generations.lock().unwrap();
        assert!(generations.young.len() + generations.old.len() <= 8);
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(Fingerprint::of(&[b"ab", b"c"]), Fingerprint::of(&[b"a", b"bc"]));
        assert_ne!(Fingerprint::of(&[b"a"]), Fingerprint::of(&[b"a", b""]));
    }
}
