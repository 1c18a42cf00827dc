//! What a subscription is asked to be: the normalised body of a PUT, and its hash. Pure.

use ring::digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::glob::Glob;
use crate::identity::{Caller, Claims, InvalidClaims, Source};
use crate::stream::{Namespace, Target};

pub(crate) const LEASE_TTL_MS_DEFAULT: i64 = 30_000;
const LEASE_TTL_MS_MIN: i64 = 1_000;
const LEASE_TTL_MS_MAX: i64 = 600_000;
const DESCRIPTION_LEN_MAX: usize = 4096;
const URL_LEN_MAX: usize = 2048;

/// How work is announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Delivery {
    /// The server calls.
    Webhook { url: String },
    /// The server writes to a stream that workers read.
    PullWake { wake_stream: String },
}

/// A valid configuration, in one form for all ways to write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Specification {
    pub(crate) delivery: Delivery,
    pub(crate) pattern: Option<String>,
    /// Sorted, without doubles.
    pub(crate) streams: Vec<String>,
    pub(crate) lease_ttl_ms: i64,
    pub(crate) description: Option<String>,
    /// Who asked for it, and may see no more of its streams than it may read; `None` sees everything. Its rights are
    /// those it had then: a token that has ended since does not end the subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) creator: Option<Claims>,
}

/// Why a body is no configuration; the text is for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidSpecification(pub(crate) String);

fn invalid<T>(why: impl Into<String>) -> Result<T, InvalidSpecification> {
    Err(InvalidSpecification(why.into()))
}

impl Specification {
    /// Everything is checked but whether a webhook URL is safe, which depends on the server.
    pub(crate) fn parse(body: &Value) -> Result<Self, InvalidSpecification> {
        if !body.is_object() {
            return invalid("the body must be a JSON object");
        }
        let delivery = match text(body, "type")? {
            Some("webhook") => match body.get("webhook").map(|webhook| text(webhook, "url")).transpose()? {
                Some(Some(url)) if url.len() <= URL_LEN_MAX => Delivery::Webhook { url: url.to_owned() },
                _ => {
                    return invalid(format!(
                        "a webhook subscription needs webhook.url, at most {URL_LEN_MAX} bytes"
                    ));
                }
            },
            Some("pull-wake") => match text(body, "wake_stream")? {
                Some(stream) => Delivery::PullWake { wake_stream: wake_stream(stream)? },
                None => return invalid("a pull-wake subscription needs wake_stream"),
            },
            _ => return invalid("type must be webhook or pull-wake"),
        };
        let pattern = text(body, "pattern")?;
        if let Some(pattern) = pattern
            && let Err(why) = pattern.parse::<Glob>()
        {
            return invalid(why.to_string());
        }
        let streams = match body.get("streams") {
            None | Some(Value::Null) => vec![],
            Some(list) => paths(list)?,
        };
        if pattern.is_none() && streams.is_empty() {
            return invalid("a subscription needs a pattern or streams");
        }
        if let Delivery::PullWake { wake_stream } = &delivery
            && streams.contains(wake_stream)
        {
            return invalid("the wake stream cannot be one of the streams: every wake would cause the next");
        }
        let lease_ttl_ms = match body.get("lease_ttl_ms") {
            None | Some(Value::Null) => LEASE_TTL_MS_DEFAULT,
            Some(number) => match number.as_i64() {
                Some(ms) if (LEASE_TTL_MS_MIN..=LEASE_TTL_MS_MAX).contains(&ms) => ms,
                _ => return invalid("lease_ttl_ms must be an integer from 1000 to 600000"),
            },
        };
        let description = text(body, "description")?;
        if description.is_some_and(|description| description.len() > DESCRIPTION_LEN_MAX) {
            return invalid(format!("description is longer than {DESCRIPTION_LEN_MAX} bytes"));
        }
        let description = description.map(str::to_owned);
        Ok(Self {
            delivery,
            pattern: pattern.map(str::to_owned),
            streams,
            lease_ttl_ms,
            description,
            creator: None,
        })
    }

    /// Compared for idempotent re-confirmation: links change later, what was asked for does not.
    pub(crate) fn hash(&self) -> String {
        use std::fmt::Write as _;
        // Whose it is counts, and not what a newer token of the same creator says beside that.
        let creator = self.creator.as_ref().map(|claims| Claims {
            scope: None,
            sessions: None,
            roles: None,
            ..claims.clone()
        });
        let asked = Self { creator, ..self.clone() };
        let canonical = serde_json::to_vec(&asked).unwrap_or_default();
        digest::digest(&digest::SHA256, &canonical).as_ref().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    pub(crate) fn glob(&self) -> Option<Glob> {
        self.pattern.as_ref().and_then(|pattern| pattern.parse().ok())
    }

    /// The creator as a caller; `Err` when it cannot be made again, which must not open anything.
    pub(crate) fn caller(&self) -> Result<Option<Caller>, InvalidClaims> {
        self.creator.as_ref().map(|claims| claims.caller(Source::Subscription)).transpose()
    }

    pub(crate) fn wake_stream(&self) -> Option<&str> {
        match &self.delivery {
            Delivery::Webhook { .. } => None,
            Delivery::PullWake { wake_stream } => Some(wake_stream),
        }
    }
}

/// A list of stream paths, sorted and without doubles.
pub(crate) fn paths(list: &Value) -> Result<Vec<String>, InvalidSpecification> {
    let Some(list) = list.as_array() else { return invalid("streams must be an array of stream paths") };
    let mut streams = Vec::with_capacity(list.len());
    for path in list {
        let Some(path) = path.as_str() else { return invalid("streams must be an array of stream paths") };
        if Target::of_path(path).is_err() {
            return invalid("streams has an entry that is no stream path");
        }
        streams.push(path.to_owned());
    }
    streams.sort_unstable();
    streams.dedup();
    Ok(streams)
}

fn wake_stream(path: &str) -> Result<String, InvalidSpecification> {
    match Target::of_path(path) {
        // Wake events are no session events.
        Ok(target) if target.namespace == Namespace::Plain => Ok(path.to_owned()),
        _ => invalid("wake_stream must be the path of a plain stream"),
    }
}

fn text<'v>(object: &'v Value, name: &str) -> Result<Option<&'v str>, InvalidSpecification> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => invalid(format!("{name} must be a string")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ways_to_write_the_same_are_the_same() {
        let a = json!({ "type": "pull-wake", "streams": ["b", "a", "b"], "wake_stream": "wake/pool" });
        let b = json!({ "type": "pull-wake", "streams": ["a", "b"], "wake_stream": "wake/pool",
                        "pattern": null, "lease_ttl_ms": 30000, "extra": 1 });
        let (a, b) = (Specification::parse(&a).unwrap(), Specification::parse(&b).unwrap());
        assert_eq!(a.hash(), b.hash());
        let c = Specification { lease_ttl_ms: 30_001, ..b };
        assert_ne!(a.hash(), c.hash());
    }

    #[test]
    fn what_is_missing_or_wrong_is_refused() {
        let good = json!({ "type": "webhook", "pattern": "a/*", "webhook": { "url": "https://a.example/" } });
        assert!(Specification::parse(&good).is_ok());
        for (name, value) in [
            ("type", json!("poll")),
            ("type", Value::Null),
            ("pattern", Value::Null),
            ("pattern", json!("a//b")),
            ("pattern", json!(7)),
            ("webhook", json!({})),
            ("webhook", json!({ "url": 7 })),
            ("streams", json!("a")),
            ("streams", json!(["__ds/subscriptions/x"])),
            ("streams", json!(["../a"])),
            ("lease_ttl_ms", json!(999)),
            ("lease_ttl_ms", json!(600_001)),
            ("lease_ttl_ms", json!(1500.5)),
            ("description", json!(["x"])),
        ] {
            let mut bad = good.clone();
            bad[name] = value.clone();
            assert!(Specification::parse(&bad).is_err(), "{name} {value}");
        }
        for wake in ["wake", "sessions/x", "__ds/x"] {
            let body = json!({ "type": "pull-wake", "streams": ["wake"], "wake_stream": wake });
            assert!(Specification::parse(&body).is_err(), "{wake}");
        }
        assert!(Specification::parse(&json!([])).is_err());
    }
}
