//! The stored form of a row:
//!
//! ```text
//! checksum u64 | written at, Unix ms, i64 | body length u32 | messages u32 | message ends, all but the last, u32 each | body
//! ```
//!
//! `messages` is 0 for a row of bytes.

use bytes::Bytes;

use super::{CHECKSUM_LEN, Damaged, Fields, checked, put_checked, row_key};
use crate::Batch;
use crate::engine::Writes;

/// A row as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) at_ms: i64,
    pub(crate) batch: Batch,
}

pub(crate) fn put_row(writes: &mut Writes, id: u64, first: u64, at_ms: i64, batch: &Batch) {
    put_checked(writes, &row_key(id, first), |value| {
        let ends = batch.ends();
        value.extend_from_slice(&at_ms.to_le_bytes());
        // A batch is never longer than u32::MAX, and has no more messages than bytes.
        value.extend_from_slice(&(batch.body().len() as u32).to_le_bytes());
        value.extend_from_slice(&(ends.len() as u32).to_le_bytes());
        for end in ends.split_last().map_or(&[][..], |(_, but_last)| but_last) {
            value.extend_from_slice(&end.to_le_bytes());
        }
        value.extend_from_slice(batch.body());
    });
}

pub(crate) fn read_row(key: &[u8], value: &Bytes) -> Result<Row, Damaged> {
    let mut fields = Fields(checked(key, value)?);
    let at_ms = fields.i64()?;
    let body_len = fields.u32()? as usize;
    let messages = fields.u32()? as usize;
    let stored_ends = messages.saturating_sub(1);
    let head_len = stored_ends
        .checked_mul(4)
        .and_then(|ends_len| ends_len.checked_add(CHECKSUM_LEN + 8 + 4 + 4))
        .filter(|head_len| head_len.checked_add(body_len) == Some(value.len()))
        .ok_or(Damaged)?;
    let body = value.slice(head_len..);
    let batch = match messages {
        0 => Batch::bytes(body),
        1 => Batch::from_parts(body, &[body_len as u32]),
        _ => {
            let mut ends = Vec::with_capacity(messages);
            for _ in 0..stored_ends {
                ends.push(fields.u32()?);
            }
            ends.push(body_len as u32);
            Batch::from_parts(body, &ends)
        }
    };
    Ok(Row { at_ms, batch: batch.map_err(|_| Damaged)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(batch: &Batch) -> (Vec<u8>, Bytes) {
        let mut writes = Writes::default();
        put_row(&mut writes, 7, 9, 1_234, batch);
        let write = writes.iter().next().unwrap();
        (write.key.to_vec(), Bytes::copy_from_slice(write.value.unwrap()))
    }

    fn batches() -> [Batch; 3] {
        [
            Batch::bytes(Bytes::from_static(b"\x00\xffab")).unwrap(),
            Batch::message(Bytes::from_static(b"{}")).unwrap(),
            Batch::joined_messages(Bytes::from_static(b"1,22,333"), vec![1, 4, 8]).unwrap(),
        ]
    }

    #[test]
    fn rows_read_back() {
        for batch in batches() {
            let (key, value) = stored(&batch);
            assert_eq!(read_row(&key, &value), Ok(Row { at_ms: 1_234, batch }));
        }
    }

    #[test]
    fn the_layout_is_pinned() {
        let (key, value) = stored(&batches()[2]);
        assert_eq!(key, b"r\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x09");
        assert_eq!(
            value[CHECKSUM_LEN..],
            *b"\xd2\x04\0\0\0\0\0\0\x08\0\0\0\x03\0\0\0\x01\0\0\0\x04\0\0\x001,22,333"
        );
        assert_eq!(value[..CHECKSUM_LEN], super::super::checksum(&key, &value[CHECKSUM_LEN..]).to_le_bytes());
    }

    #[test]
    fn every_damaged_byte_cut_and_misplacement_is_noticed() {
        for batch in batches() {
            let (key, value) = stored(&batch);
            for at in 0..value.len() {
                let mut bad = value.to_vec();
                bad[at] ^= 0x10;
                assert_eq!(read_row(&key, &bad.into()), Err(Damaged));
                assert_eq!(read_row(&key, &value.slice(..at)), Err(Damaged));
            }
            assert_eq!(read_row(&row_key(7, 10), &value), Err(Damaged));
        }
    }
}
