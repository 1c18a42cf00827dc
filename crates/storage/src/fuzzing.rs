//! What the fuzz target `stored_values` calls: readers of stored values, fed with any bytes. For nothing else.

use bytes::Bytes;
use durable_sessions_protocol::ProducerId;

use crate::engine::Writes;
use crate::layout::{
    Row, StreamRecord, TAG_ATTRIBUTES, TAG_STREAM, id_key, key_first, key_id, producer_key, put_attributes,
    put_checked, put_producer, put_row, read_attributes, read_producer, read_row, row_key,
};

/// Any key and any value: refused or read, and what was read is written as something that reads the same.
///
/// `rest` is tried as a whole value, whose checksum will hardly ever be right, and behind its right checksum.
pub fn stored_value(kind: u8, id: u64, position: u64, producer: &str, rest: &[u8]) {
    let producer: Option<ProducerId> = producer.parse().ok();
    let key = match (kind % 4, &producer) {
        (0, _) => row_key(id, position).to_vec(),
        (1, _) => id_key(TAG_STREAM, id).to_vec(),
        (2, Some(producer)) => producer_key(id, producer),
        _ => id_key(TAG_ATTRIBUTES, id).to_vec(),
    };
    assert_eq!(key_id(&key), Some(id));
    let mut writes = Writes::default();
    put_checked(&mut writes, &key, |value| value.extend_from_slice(rest));
    let sound = last_value(&writes);
    for value in [Bytes::copy_from_slice(rest), sound] {
        match (kind % 4, &producer) {
            (0, _) => row(&key, &value),
            (1, _) => record(&key, id, &value),
            (2, Some(producer)) => producer_state(&key, id, producer, &value),
            _ => attributes(&key, id, &value),
        }
    }
}

fn last_value(writes: &Writes) -> Bytes {
    let value = writes.iter().last().and_then(|write| write.value);
    value.map(Bytes::copy_from_slice).unwrap_or_default()
}

fn row(key: &[u8], value: &Bytes) {
    let Ok(Row { at_ms, batch }) = read_row(key, value) else { return };
    assert!(batch.units() > 0 && batch.messages().count() == batch.ends().len());
    for units in 0..batch.units().min(8) {
        let part = batch.slice(units, batch.units());
        assert!(part.is_some_and(|part| part.units() == batch.units() - units));
        assert!(batch.units_within(units, 1) == 1 || batch.body().is_empty());
    }
    let mut writes = Writes::default();
    let (Some(id), Some(first)) = (key_id(key), key_first(key)) else { return };
    put_row(&mut writes, id, first, at_ms, &batch);
    assert_eq!(last_value(&writes), value, "a row has one form");
}

fn record(key: &[u8], id: u64, value: &Bytes) {
    let Ok(record) = StreamRecord::read(key, value) else { return };
    let mut writes = Writes::default();
    record.put(&mut writes, id);
    assert_eq!(StreamRecord::read(key, &last_value(&writes)), Ok(record));
}

fn producer_state(key: &[u8], id: u64, producer: &ProducerId, value: &Bytes) {
    let Ok(state) = read_producer(key, value) else { return };
    let mut writes = Writes::default();
    put_producer(&mut writes, id, producer, state);
    assert_eq!(read_producer(key, &last_value(&writes)), Ok(state));
}

fn attributes(key: &[u8], id: u64, value: &Bytes) {
    let Ok((version, at_ms, attributes)) = read_attributes(key, value) else { return };
    let mut writes = Writes::default();
    put_attributes(&mut writes, id, version, at_ms, &attributes);
    assert_eq!(last_value(&writes), value, "attributes have one form");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_stored_value_is_refused_or_reads_back(
            kind: u8, id: u64, position: u64, producer in "[a-z]{0,3}", rest in proptest::collection::vec(any::<u8>(), 0..80)
        ) {
            stored_value(kind, id, position, &producer, &rest);
        }
    }
}
