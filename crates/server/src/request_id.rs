//! Ids that tie an answer to its lines in the log.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use crate::answer::ascii;

pub(crate) const X_REQUEST_ID: &str = "x-request-id";

/// Mints ids that differ between processes and requests. They are no secrets.
#[derive(Debug)]
pub(crate) struct RequestIds {
    process: u32,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        // An id that repeats after a restart is a nuisance, not a fault, so a failing source is no reason to stop.
        Self { process: getrandom::u32().unwrap_or_default(), next: AtomicU64::new(0) }
    }

    /// The id the client (or a proxy) gave when it is plain, otherwise a fresh one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(given) = headers.get(X_REQUEST_ID)
            && (1..=64).contains(&given.len())
            && given.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        {
            return given.clone();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut id = [0u8; 20];
        hex(&mut id[..8], u64::from(self.process));
        id[8] = b'-';
        hex(&mut id[9..], number);
        ascii(Bytes::copy_from_slice(&id))
    }
}

fn hex(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_ids_differ_and_only_plain_ones_are_taken_over() {
        let ids = RequestIds::new();
        let mut headers = HeaderMap::new();
        assert_ne!(ids.of(&headers), ids.of(&headers));
        headers.insert(X_REQUEST_ID, HeaderValue::from_static("abc-1"));
        assert_eq!(ids.of(&headers), "abc-1");
        headers.insert(X_REQUEST_ID, HeaderValue::from_static("a b"));
        assert_ne!(ids.of(&headers), "a b");
    }
}
