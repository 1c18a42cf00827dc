//! A queued append that was given up: what it was, why, and when. Must not know how it is kept.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::entry::{Body, Entry};

/// As it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLetter {
    pub(crate) entry: Entry,
    pub(crate) reason: Reason,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// Of one attempt nobody knows whether it reached the stream: queued again, it may be there twice.
    pub(crate) uncertain: bool,
    /// Unix milliseconds.
    pub(crate) first_attempt_at_ms: i64,
    /// Unix milliseconds.
    pub(crate) failed_at_ms: i64,
}

/// The last failure, with the code that a direct append would have been answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reason {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// The id of a dead letter as text: its place in the queue, so ids sort by age.
pub(crate) fn id_text(id: u64) -> String {
    format!("{id:020}")
}

/// The id in a text, with or without leading zeros.
pub(crate) fn parse_id(text: &str) -> Option<u64> {
    let plain = (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

impl DeadLetter {
    /// Everything but the payload.
    pub(crate) fn summary(&self, id: u64) -> Value {
        json!({
            "id": id_text(id),
            "path": self.entry.path,
            "contentType": self.entry.content_type,
            "bytes": self.entry.len(),
            "reason": self.reason,
            "attempts": self.attempts,
            "uncertain": self.uncertain,
            "acceptedAtMs": self.entry.accepted_at_ms,
            "firstAttemptAtMs": self.first_attempt_at_ms,
            "failedAtMs": self.failed_at_ms,
        })
    }

    /// The payload as well: `messages` of JSON streams, `base64` of others.
    pub(crate) fn whole(&self, id: u64) -> Value {
        let mut whole = self.summary(id);
        if let Some(members) = whole.as_object_mut() {
            match &self.entry.body {
                // It was valid when it was queued.
                Body::Json(messages) => {
                    let messages = serde_json::from_str(messages.get()).unwrap_or(Value::Null);
                    members.insert("messages".to_owned(), messages);
                }
                Body::Base64(text) => {
                    members.insert("base64".to_owned(), text.as_str().into());
                }
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_numbers_with_or_without_zeros() {
        assert_eq!((parse_id(&id_text(17)), parse_id("17")), (Some(17), Some(17)));
        for bad in ["", "-1", "+1", "1x", "99999999999999999999", "000000000000000000001"] {
            assert_eq!(parse_id(bad), None, "{bad}");
        }
    }
}
