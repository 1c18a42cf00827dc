//! Subscriptions as JSON: answers, webhook bodies, wake events. Pure.

use std::time::{Duration, SystemTime};

use durable_sessions_protocol::Offset;
use serde_json::{Value, json};

use super::machine::{Link, Subscription};
use super::specification::Delivery;
use crate::stream::STREAM_ROOT;

/// A subscription as its readers see it. `kid` names the key webhooks are signed with.
pub(crate) fn subscription(of: &Subscription, base_url: &str, kid: Option<&str>) -> Value {
    let (kind, webhook, wake_stream) = match &of.specification.delivery {
        Delivery::Webhook { url } => {
            let mut webhook = json!({ "url": url });
            if let Some(kid) = kid {
                let jwks_url = format!("{base_url}{STREAM_ROOT}__ds/jwks.json");
                webhook["signing"] = json!({ "alg": "ed25519", "kid": kid, "jwks_url": jwks_url });
            }
            ("webhook", webhook, Value::Null)
        }
        Delivery::PullWake { wake_stream } => ("pull-wake", Value::Null, json!(wake_stream)),
    };
    let link = |(path, link): (&String, &Link)| json!({ "path": path, "link_type": link_type(link), "acked_offset": offset(link.acked) });
    let created = Duration::from_millis(u64::try_from(of.created_at_ms).unwrap_or_default());
    json!({
        "id": of.id,
        "subscription_id": of.id,
        "type": kind,
        "pattern": of.specification.pattern,
        "streams": of.links.iter().map(link).collect::<Vec<_>>(),
        "webhook": webhook,
        "wake_stream": wake_stream,
        "lease_ttl_ms": of.specification.lease_ttl_ms,
        "created_at": humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + created).to_string(),
        "status": if of.has_failed() { "failed" } else { "active" },
        "description": of.specification.description,
    })
}

/// The body of a webhook.
pub(crate) fn wake(of: &Subscription, wake_id: &str, base_url: &str, token: &str) -> Value {
    json!({
        "subscription_id": of.id,
        "wake_id": wake_id,
        "generation": of.generation,
        "streams": streams(of),
        "callback_url": format!("{base_url}{STREAM_ROOT}__ds/subscriptions/{}/callback", encoded(&of.id)),
        "callback_token": token,
    })
}

/// The answer to a claim.
pub(crate) fn claim(of: &Subscription, wake_id: &str, token: &str) -> Value {
    json!({
        "wake_id": wake_id,
        "generation": of.generation,
        "token": token,
        "streams": streams(of),
        "lease_ttl_ms": of.specification.lease_ttl_ms,
    })
}

/// The message on a wake stream.
pub(crate) fn wake_event(of: &Subscription, stream: &str, now_ms: i64) -> Value {
    json!({
        "type": "wake",
        "subscription_id": of.id,
        "stream": stream,
        "generation": of.generation,
        "ts": now_ms,
    })
}

/// What a webhook that answers `done` has processed.
pub(crate) fn tails(of: &Subscription) -> Vec<(String, u64)> {
    of.links.iter().map(|(path, link)| (path.clone(), link.tail)).collect()
}

fn streams(of: &Subscription) -> Vec<Value> {
    let link = |(path, link): (&String, &Link)| {
        json!({
            "path": path,
            "link_type": link_type(link),
            "acked_offset": offset(link.acked),
            "tail_offset": offset(link.tail),
            "has_pending": link.is_pending(),
        })
    };
    of.links.iter().map(link).collect()
}

fn link_type(link: &Link) -> &'static str {
    if link.explicit { "explicit" } else { "glob" }
}

fn offset(position: u64) -> String {
    Offset::new(position).to_string()
}

/// One path segment of a URL.
fn encoded(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    out
}
