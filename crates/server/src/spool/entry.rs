//! A queued append, as it is spooled. Must not know where.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use durable_sessions_protocol::{ContentType, ProducerClaim, ProducerEpoch, ProducerSeq, StreamPath};
use durable_sessions_storage::Batch;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What the spool is given: everything was checked that can be checked before it is written.
#[derive(Debug, Clone)]
pub(crate) struct QueuedAppend {
    pub(crate) path: StreamPath,
    pub(crate) content_type: ContentType,
    pub(crate) batch: Batch,
    /// The caller's own claim, if it made one: then its repetition is recognised as well.
    pub(crate) producer: Option<ProducerClaim>,
    /// Ids that count once within a session, message by message; none at all where ids do not count.
    pub(crate) event_ids: Vec<Option<String>>,
    /// The stream that it is for: one that is made anew under the same path is another one.
    pub(crate) stream_id: Option<u64>,
    /// Whether it makes a session active: whether it says more than who comes and goes.
    pub(crate) is_work: bool,
    /// Whether its events may be joined with those before and after; otherwise they are stored as they came.
    pub(crate) may_join: bool,
    /// How long it waits for others to be joined with.
    pub(crate) linger: Duration,
}

impl QueuedAppend {
    /// An append as the protocol has it, where ids of events do not count.
    pub(crate) fn new(path: StreamPath, content_type: ContentType, batch: Batch) -> Self {
        Self {
            path,
            content_type,
            batch,
            producer: None,
            event_ids: Vec::new(),
            stream_id: None,
            is_work: true,
            may_join: false,
            linger: Duration::ZERO,
        }
    }

    /// Puts the events of another one behind these.
    pub(crate) fn push(&mut self, other: Self) -> Result<(), Unreadable> {
        let behind = u32::try_from(self.batch.body().len() + 1).map_err(|_| Unreadable("too long"))?;
        let ends = self.batch.ends().iter().copied().chain(other.batch.ends().iter().map(|end| end + behind));
        let ends: Vec<u32> = ends.collect();
        let body = [self.batch.body(), &b","[..], other.batch.body()].concat();
        let counts = !(self.event_ids.is_empty() && other.event_ids.is_empty());
        if counts {
            // Ids that do not count where none does.
            self.event_ids.resize(self.batch.ends().len(), None);
            self.event_ids.extend(other.event_ids);
            self.event_ids.resize(ends.len(), None);
        }
        self.batch = Batch::joined_messages(Bytes::from(body), ends).map_err(|_| Unreadable("batch"))?;
        self.is_work |= other.is_work;
        Ok(())
    }
}

/// The same in a form that is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) content_type: String,
    pub(crate) body: Body,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) producer: Option<Claim>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) event_ids: Vec<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stream_id: Option<u64>,
    /// Absent of what is work, as everything was before this was known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) presence_only: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) may_join: bool,
    /// Unix milliseconds.
    pub(crate) accepted_at_ms: i64,
    /// The dead letter that this was, if it is tried anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<u64>,
    /// The process that took it, by a name of chance. Absent of what was taken before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) generation: Option<String>,
}

/// Messages as they were sent, or bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Body {
    Json(Box<RawValue>),
    Base64(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claim {
    id: String,
    epoch: u64,
    seq: u64,
}

/// An entry that cannot be read back: it was written by a newer version, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queued append cannot be read back: {0}")]
pub(crate) struct Unreadable(pub(crate) &'static str);

impl Entry {
    pub(crate) fn new(append: &QueuedAppend, accepted_at_ms: i64) -> Result<Self, Unreadable> {
        let body = if append.content_type.is_json() {
            let text = [b"[", append.batch.body().as_ref(), b"]"].concat();
            let text = String::from_utf8(text).map_err(|_| Unreadable("not UTF-8"))?;
            Body::Json(RawValue::from_string(text).map_err(|_| Unreadable("not JSON"))?)
        } else {
            Body::Base64(STANDARD.encode(append.batch.body()))
        };
        Ok(Self {
            path: append.path.as_str().to_owned(),
            content_type: append.content_type.as_str().to_owned(),
            body,
            producer: append.producer.as_ref().map(|claim| Claim {
                id: claim.id.as_str().to_owned(),
                epoch: claim.epoch.number(),
                seq: claim.seq.number(),
            }),
            event_ids: append.event_ids.clone(),
            stream_id: append.stream_id,
            presence_only: !append.is_work,
            may_join: append.may_join,
            accepted_at_ms,
            origin: None,
            generation: None,
        })
    }

    pub(crate) fn encode(&self) -> Result<Bytes, Unreadable> {
        serde_json::to_vec(self).map(Bytes::from).map_err(|_| Unreadable("not serialised"))
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        serde_json::from_slice(bytes).map_err(|_| Unreadable("not an entry"))
    }

    /// About how many bytes its events have.
    pub(crate) fn len(&self) -> usize {
        match &self.body {
            Body::Json(messages) => messages.get().len(),
            Body::Base64(text) => text.len() / 4 * 3,
        }
    }

    pub(crate) fn path(&self) -> Result<StreamPath, Unreadable> {
        self.path.parse().map_err(|_| Unreadable("path"))
    }

    /// The append that was queued.
    pub(crate) fn append(&self) -> Result<QueuedAppend, Unreadable> {
        let batch = match &self.body {
            Body::Json(messages) => {
                let body = Bytes::copy_from_slice(messages.get().as_bytes());
                let split = durable_sessions_protocol::json::split_messages(&body)
                    .map_err(|_| Unreadable("messages"))?;
                Batch::joined_messages(Bytes::copy_from_slice(split.joined(&body)), split.ends)
            }
            Body::Base64(text) => {
                Batch::bytes(Bytes::from(STANDARD.decode(text).map_err(|_| Unreadable("base64"))?))
            }
        };
        let producer = match &self.producer {
            None => None,
            Some(Claim { id, epoch, seq }) => Some(ProducerClaim {
                id: id.parse().map_err(|_| Unreadable("producer"))?,
                epoch: ProducerEpoch::new(*epoch).map_err(|_| Unreadable("epoch"))?,
                seq: ProducerSeq::new(*seq).map_err(|_| Unreadable("sequence"))?,
            }),
        };
        Ok(QueuedAppend {
            path: self.path()?,
            content_type: self.content_type.parse().map_err(|_| Unreadable("content type"))?,
            batch: batch.map_err(|_| Unreadable("batch"))?,
            producer,
            event_ids: self.event_ids.clone(),
            stream_id: self.stream_id,
            is_work: !self.presence_only,
            may_join: self.may_join,
            linger: Duration::ZERO,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued(content_type: ContentType, batch: Batch) -> QueuedAppend {
        let producer = ProducerClaim {
            id: "p".parse().unwrap(),
            epoch: ProducerEpoch::new(3).unwrap(),
            seq: ProducerSeq::new(4).unwrap(),
        };
        QueuedAppend {
            producer: Some(producer),
            event_ids: vec![Some("1".into()), None],
            stream_id: Some(7),
            is_work: false,
            ..QueuedAppend::new("sessions/a".parse().unwrap(), content_type, batch)
        }
    }

    #[test]
    fn messages_and_bytes_come_back_as_they_were() {
        let text = Bytes::from_static(b"{\"a\": 1.0e3 , \"b\":\"\\u00e9\"},[ 1, 2]");
        let first = text.windows(2).position(|pair| pair == b",[").unwrap();
        let ends = [first, text.len()].map(|end| u32::try_from(end).unwrap());
        let json = Batch::joined_messages(text.clone(), ends.to_vec()).unwrap();
        let bytes = Batch::bytes(Bytes::from_static(b"\0\xff\n")).unwrap();
        for append in [queued(ContentType::json(), json), queued("text/plain".parse().unwrap(), bytes)] {
            let stored = Entry::new(&append, 5).unwrap().encode().unwrap();
            let back = Entry::decode(&stored).unwrap();
            assert_eq!(back.accepted_at_ms, 5);
            let back = back.append().unwrap();
            assert_eq!((&back.batch, &back.path), (&append.batch, &append.path));
            assert_eq!((&back.content_type, &back.producer), (&append.content_type, &append.producer));
            assert_eq!((&back.event_ids, back.stream_id, back.is_work), (&append.event_ids, Some(7), false));
        }
        assert!(Entry::decode(b"{}").is_err());
        let one = |id: &str, counts: bool| {
            let batch = Batch::message(Bytes::from(format!("\"{id}\""))).unwrap();
            let event_ids = if counts { vec![Some(id.to_owned())] } else { Vec::new() };
            QueuedAppend {
                event_ids,
                ..QueuedAppend::new("sessions/a".parse().unwrap(), ContentType::json(), batch)
            }
        };
        let mut three = one("1", false);
        three.push(one("2", false)).unwrap();
        assert!(three.event_ids.is_empty());
        three.push(one("3", true)).unwrap();
        three.push(one("4", false)).unwrap();
        assert_eq!(three.event_ids, [None, None, Some("3".to_owned()), None]);
        assert_eq!(three.batch.messages().collect::<Vec<_>>(), ["\"1\"", "\"2\"", "\"3\"", "\"4\""]);
        let earlier =
            br#"{"path":"a","contentType":"application/json","body":{"json":[1]},"acceptedAtMs":5}"#;
        let earlier = Entry::decode(earlier).unwrap().append().unwrap();
        assert!(earlier.event_ids.is_empty() && earlier.stream_id.is_none() && earlier.is_work);
    }
}
