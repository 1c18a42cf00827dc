//! The stored form of a stream's metadata. It is written when something of it changes, not by every append:
//! the tail and the time of the last append are those of the newest row.
//!
//! ```text
//! checksum u64 | flags u8 | created i64 | updated i64 | accessed i64 | first u64 | references u32
//! | lifetime u8 (0 unlimited, 1 sliding, 2 absolute) u64 | path | content type
//! | [writer sequence] | [closed by: producer id, epoch u64, sequence u64]
//! | [fork: source id u64, source path, position u64, asked: offset flag u8 u64, sub-offset u64]
//! | [retention: age in seconds u64, count u64, bytes u64; 0 is no limit]
//! ```
//!
//! Texts and bytes stand behind their length as u32; parts in brackets are there when their flag is set.

use durable_sessions_protocol::{
    ContentType, Offset, ProducerClaim, ProducerEpoch, ProducerId, ProducerSeq, Retention, StreamPath,
};

use super::{Damaged, Fields, TAG_STREAM, checked, id_key, put_checked};
use crate::Lifetime;
use crate::engine::Writes;

const CLOSED: u8 = 1;
const SOFT_DELETED: u8 = 2;
const LIFETIME_INHERITED: u8 = 4;
const HAS_STREAM_SEQ: u8 = 8;
const HAS_CLOSED_BY: u8 = 16;
const HAS_FORK: u8 = 32;
const HAS_RETENTION: u8 = 64;
const RETENTION_INHERITED: u8 = 128;

/// A stream's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamRecord {
    pub(crate) path: StreamPath,
    pub(crate) content_type: ContentType,
    pub(crate) created_at_ms: i64,
    pub(crate) updated_at_ms: i64,
    pub(crate) accessed_at_ms: i64,
    /// First retained position.
    pub(crate) first: u64,
    pub(crate) references: u32,
    pub(crate) closed: bool,
    pub(crate) soft_deleted: bool,
    pub(crate) lifetime: Lifetime,
    /// The lifetime was not asked for but taken over from the source.
    pub(crate) lifetime_inherited: bool,
    pub(crate) retention: Retention,
    /// As with the lifetime.
    pub(crate) retention_inherited: bool,
    pub(crate) stream_seq: Option<Box<[u8]>>,
    pub(crate) closed_by: Option<Box<ProducerClaim>>,
    pub(crate) fork: Option<ForkRecord>,
}

/// Where a fork branched off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForkRecord {
    pub(crate) source_id: u64,
    pub(crate) source_path: StreamPath,
    /// First position of its own.
    pub(crate) position: u64,
    /// What was asked for, to recognise the same request again.
    pub(crate) asked_at: Option<Offset>,
    pub(crate) asked_sub_offset: u64,
}

pub(crate) fn text(value: &mut Vec<u8>, text: &[u8]) {
    value.extend_from_slice(&(text.len() as u32).to_le_bytes());
    value.extend_from_slice(text);
}

impl StreamRecord {
    pub(crate) fn put(&self, writes: &mut Writes, id: u64) {
        put_checked(writes, &id_key(TAG_STREAM, id), |value| self.encode(value));
    }

    fn encode(&self, value: &mut Vec<u8>) {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        value.push(
            flag(self.closed, CLOSED)
                | flag(self.soft_deleted, SOFT_DELETED)
                | flag(self.lifetime_inherited, LIFETIME_INHERITED)
                | flag(self.stream_seq.is_some(), HAS_STREAM_SEQ)
                | flag(self.closed_by.is_some(), HAS_CLOSED_BY)
                | flag(self.fork.is_some(), HAS_FORK)
                | flag(!self.retention.is_none(), HAS_RETENTION)
                | flag(self.retention_inherited, RETENTION_INHERITED),
        );
        for ms in [self.created_at_ms, self.updated_at_ms, self.accessed_at_ms] {
            value.extend_from_slice(&ms.to_le_bytes());
        }
        value.extend_from_slice(&self.first.to_le_bytes());
        value.extend_from_slice(&self.references.to_le_bytes());
        let (kind, number) = match self.lifetime {
            Lifetime::Unlimited => (0, 0),
            Lifetime::SlidingSecs(secs) => (1, secs),
            Lifetime::ExpiresAtMs(ms) => (2, ms.cast_unsigned()),
        };
        value.push(kind);
        value.extend_from_slice(&number.to_le_bytes());
        text(value, self.path.as_str().as_bytes());
        text(value, self.content_type.as_str().as_bytes());
        if let Some(seq) = &self.stream_seq {
            text(value, seq);
        }
        if let Some(claim) = &self.closed_by {
            text(value, claim.id.as_str().as_bytes());
            value.extend_from_slice(&claim.epoch.number().to_le_bytes());
            value.extend_from_slice(&claim.seq.number().to_le_bytes());
        }
        if let Some(fork) = &self.fork {
            value.extend_from_slice(&fork.source_id.to_le_bytes());
            text(value, fork.source_path.as_str().as_bytes());
            value.extend_from_slice(&fork.position.to_le_bytes());
            value.push(u8::from(fork.asked_at.is_some()));
            value.extend_from_slice(&fork.asked_at.unwrap_or_default().position().to_le_bytes());
            value.extend_from_slice(&fork.asked_sub_offset.to_le_bytes());
        }
        if !self.retention.is_none() {
            let Retention { age_secs, count, bytes } = self.retention;
            for limit in [age_secs, count, bytes] {
                value.extend_from_slice(&limit.unwrap_or(0).to_le_bytes());
            }
        }
    }

    pub(crate) fn read(key: &[u8], value: &[u8]) -> Result<Self, Damaged> {
        let mut fields = Fields(checked(key, value)?);
        let flags = fields.u8()?;
        let (created_at_ms, updated_at_ms, accessed_at_ms) = (fields.i64()?, fields.i64()?, fields.i64()?);
        let first = fields.u64()?;
        let references = fields.u32()?;
        let lifetime = match (fields.u8()?, fields.u64()?) {
            (0, _) => Lifetime::Unlimited,
            (1, secs) => Lifetime::SlidingSecs(secs),
            (2, ms) => Lifetime::ExpiresAtMs(ms.cast_signed()),
            _ => return Err(Damaged),
        };
        let path = fields.text()?.parse().map_err(|_| Damaged)?;
        let content_type = fields.text()?.parse().map_err(|_| Damaged)?;
        let has = |flag| flags & flag != 0;
        let stream_seq = if has(HAS_STREAM_SEQ) { Some(fields.bytes()?.into()) } else { None };
        let closed_by = if has(HAS_CLOSED_BY) { Some(Box::new(claim(&mut fields)?)) } else { None };
        let fork = if has(HAS_FORK) { Some(fork(&mut fields)?) } else { None };
        let retention = if has(HAS_RETENTION) { retention(&mut fields)? } else { Retention::NONE };
        Ok(Self {
            path,
            content_type,
            created_at_ms,
            updated_at_ms,
            accessed_at_ms,
            first,
            references,
            closed: has(CLOSED),
            soft_deleted: has(SOFT_DELETED),
            lifetime,
            lifetime_inherited: has(LIFETIME_INHERITED),
            retention,
            retention_inherited: has(RETENTION_INHERITED),
            stream_seq,
            closed_by,
            fork,
        })
    }
}

fn claim(fields: &mut Fields<'_>) -> Result<ProducerClaim, Damaged> {
    let id: ProducerId = fields.text()?.parse().map_err(|_| Damaged)?;
    let epoch = ProducerEpoch::new(fields.u64()?).map_err(|_| Damaged)?;
    let seq = ProducerSeq::new(fields.u64()?).map_err(|_| Damaged)?;
    Ok(ProducerClaim { id, epoch, seq })
}

fn retention(fields: &mut Fields<'_>) -> Result<Retention, Damaged> {
    let mut limit = || fields.u64().map(|number| (number > 0).then_some(number));
    Ok(Retention { age_secs: limit()?, count: limit()?, bytes: limit()? })
}

fn fork(fields: &mut Fields<'_>) -> Result<ForkRecord, Damaged> {
    let source_id = fields.u64()?;
    let source_path = fields.text()?.parse().map_err(|_| Damaged)?;
    let position = fields.u64()?;
    let asked = fields.u8()? != 0;
    let at = Offset::new(fields.u64()?);
    let asked_sub_offset = fields.u64()?;
    Ok(ForkRecord { source_id, source_path, position, asked_at: asked.then_some(at), asked_sub_offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> StreamRecord {
        StreamRecord {
            path: "a/b".parse().unwrap(),
            content_type: "text/plain; charset=utf-8".parse().unwrap(),
            created_at_ms: 1,
            updated_at_ms: 2,
            accessed_at_ms: 3,
            first: 4,
            references: 5,
            closed: true,
            soft_deleted: true,
            lifetime: Lifetime::ExpiresAtMs(-6),
            lifetime_inherited: true,
            retention: Retention::NONE,
            retention_inherited: false,
            stream_seq: Some(b"seq"[..].into()),
            closed_by: Some(Box::new(ProducerClaim {
                id: "p".parse().unwrap(),
                epoch: ProducerEpoch::new(7).unwrap(),
                seq: ProducerSeq::new(8).unwrap(),
            })),
            fork: Some(ForkRecord {
                source_id: 9,
                source_path: "s".parse().unwrap(),
                position: 10,
                asked_at: Some(Offset::new(11)),
                asked_sub_offset: 12,
            }),
        }
    }

    fn stored(record: &StreamRecord) -> (Vec<u8>, Vec<u8>) {
        let mut writes = Writes::default();
        record.put(&mut writes, 7);
        let write = writes.iter().next().unwrap();
        (write.key.to_vec(), write.value.unwrap().to_vec())
    }

    #[test]
    fn records_read_back() {
        let full = full();
        let plain = StreamRecord {
            closed: false,
            soft_deleted: false,
            lifetime_inherited: false,
            lifetime: Lifetime::SlidingSecs(u64::MAX),
            stream_seq: None,
            closed_by: None,
            fork: None,
            ..full.clone()
        };
        let kept = StreamRecord {
            retention: Retention { age_secs: Some(1), count: None, bytes: Some(u64::MAX) },
            retention_inherited: true,
            ..full.clone()
        };
        for record in [full, plain, kept] {
            let (key, value) = stored(&record);
            let back = StreamRecord::read(&key, &value).unwrap();
            assert_eq!(back, record);
            assert_eq!(back.content_type.as_str(), record.content_type.as_str());
            for at in 0..value.len() {
                let mut bad = value.clone();
                bad[at] ^= 1;
                assert_eq!(StreamRecord::read(&key, &bad), Err(Damaged));
                assert_eq!(StreamRecord::read(&key, &value[..at]), Err(Damaged));
            }
        }
    }

    #[test]
    fn the_layout_is_pinned() {
        let (_, value) = stored(&full());
        let hex: String = value[8..].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "3f010000000000000002000000000000000300000000000000040000000000000005000000\
             02faffffffffffffff03000000612f6219000000746578742f706c61696e3b20636861727365743d7574662d38\
             0300000073657101000000700700000000000000080000000000000009000000000000000100000073\
             0a00000000000000010b000000000000000c00000000000000"
        );
        // What came later stands behind, so that older records are read as they are.
        let retention = Retention { age_secs: Some(1), count: Some(2), bytes: None };
        let (_, kept) = stored(&StreamRecord { retention, ..full() });
        assert_eq!(kept[8], 0x7f);
        let [before, behind] = [&kept[9..value.len()], &kept[value.len()..]];
        assert_eq!(before, &value[9..]);
        assert_eq!(behind, *b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    }
}
