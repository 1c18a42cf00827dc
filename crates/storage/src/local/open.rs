//! Opening: finds every stream in an engine. Must not know which engine it is.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::catalog::Catalog;
use super::reclaim::{Range, Reclaim};
use super::stream::{Origin, Parent, Stream};
use super::tails::{StoredRow, Tails};
use crate::engine::{Engine, EngineError};
use crate::layout::{
    FORMAT, KEY_FORMAT, KEY_NEXT_ID, StreamRecord, TAG_ATTRIBUTES, TAG_DELETED, TAG_STREAM, key_first,
    key_id, read_attributes, read_row,
};
use crate::semantics::{Deletion, StreamState, access_slack_ms};
use crate::{Lifetime, OpenError};

/// What was found.
pub(super) struct Found {
    pub(super) catalog: Catalog,
    pub(super) mortal: BTreeMap<u64, Arc<Stream>>,
    pub(super) reclaim: Reclaim,
    pub(super) next_id: u64,
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
fn failed(error: EngineError) -> OpenError {
    OpenError::Engine(error.to_string())
}

fn damaged(what: &str, id: Option<u64>) -> OpenError {
    OpenError::Engine(format!("{what} of stream {} is damaged", id.unwrap_or_default()))
}

/// Checks the format, writes it into an engine that is empty.
fn check_format(engine: &dyn Engine) -> Result<(), OpenError> {
    if let Some(found) = engine.get(KEY_FORMAT).map_err(failed)? {
        if *found == FORMAT.to_le_bytes()[..] {
            return Ok(());
        }
        let found = match <[u8; 4]>::try_from(&found[..]) {
            Ok(number) => u32::from_le_bytes(number).to_string(),
            Err(_) => "unknown".into(),
        };
        return Err(OpenError::Format { found, supported: FORMAT });
    }
    let mut is_empty = true;
    engine
        .scan(&[], &[u8::MAX], &mut |_, _| {
            is_empty = false;
            ControlFlow::Break(())
        })
        .map_err(failed)?;
    if !is_empty {
        return Err(OpenError::Format { found: "unmarked".into(), supported: FORMAT });
    }
    let mut writes = crate::engine::Writes::default();
    writes.put(KEY_FORMAT, |value| value.extend_from_slice(&FORMAT.to_le_bytes()));
    engine.commit(&writes, true).map_err(failed)
}

/// Entries of one tag.
fn entries(
    engine: &dyn Engine,
    tag: u8,
    mut each: impl FnMut(u64, &[u8], bytes::Bytes) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let mut outcome = Ok(());
    engine
        .scan(&[tag], &[tag + 1], &mut |key, value| {
            outcome = match key_id(key) {
                Some(id) => each(id, key, value),
                None => Err(OpenError::Engine(format!("a key of tag {tag} is damaged"))),
            };
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .map_err(failed)?;
    outcome
}

pub(super) fn open(engine: &dyn Engine, now_ms: i64) -> Result<Found, OpenError> {
    check_format(engine)?;
    let mut next_id = match engine.get(KEY_NEXT_ID).map_err(failed)? {
        None => 1,
        Some(value) => u64::from_le_bytes(value[..].try_into().map_err(|_| damaged("the id counter", None))?),
    };
    // Stream keys come in order of id, and so do their attributes: the two are merged on the way.
    let mut attributes = VecDeque::new();
    entries(engine, TAG_ATTRIBUTES, |id, key, value| {
        let read = read_attributes(key, &value).map_err(|_| damaged("the attributes", Some(id)))?;
        attributes.push_back((id, read));
        Ok(())
    })?;
    let mut records = Vec::new();
    entries(engine, TAG_STREAM, |id, key, value| {
        let record = StreamRecord::read(key, &value).map_err(|_| damaged("the record", Some(id)))?;
        records.push((id, record));
        Ok(())
    })?;

    let catalog = Catalog::default();
    let mut tails = Tails::new(engine);
    let mut mortal = BTreeMap::new();
    let mut sources: BTreeMap<u64, Arc<Stream>> = BTreeMap::new();
    let mut trimmed: Vec<Arc<Stream>> = Vec::new();
    let mut content_type = durable_sessions_protocol::ContentType::json();
    for (id, mut record) in records {
        while attributes.front().is_some_and(|(of, _)| *of < id) {
            attributes.pop_front();
        }
        let own = attributes.front().is_some_and(|(of, _)| *of == id);
        let own_attributes = if own { attributes.pop_front() } else { None };
        // Streams of one type share its text.
        if record.content_type.as_str() == content_type.as_str() {
            record.content_type = content_type.clone();
        } else {
            content_type = record.content_type.clone();
        }
        next_id = next_id.max(id + 1);
        let newest = tails.newest(id).map_err(failed)?;
        let own_attributes = own_attributes.map(|(_, read)| read);
        let stream = Arc::new(stream(&sources, id, record, newest, own_attributes, now_ms)?);
        let (references, deletion) = {
            let state = super::lock(&stream.writer);
            if state.first > stream.base() {
                trimmed.push(Arc::clone(&stream));
            }
            (state.references, state.deletion)
        };
        if references > 0 {
            sources.insert(id, Arc::clone(&stream));
        }
        if stream.lifetime != Lifetime::Unlimited && deletion == Deletion::Live {
            mortal.insert(id, Arc::clone(&stream));
        }
        catalog.insert(&stream);
    }
    let mut reclaim = Reclaim::default();
    // How far the rows before the trim points were given back is not recorded. Forks are known by now.
    for stream in trimmed {
        let state = super::lock(&stream.writer);
        let floor = stream.base().max(state.forked_below);
        reclaim.add_range(stream.id, Range { floor, start: 0, below: state.first });
    }
    entries(engine, TAG_DELETED, |id, _, _| {
        next_id = next_id.max(id + 1);
        reclaim.add(id);
        Ok(())
    })?;
    Ok(Found { catalog, mortal, reclaim, next_id })
}

/// One stream from its record, its attributes and its newest row.
fn stream(
    sources: &BTreeMap<u64, Arc<Stream>>,
    id: u64,
    record: StreamRecord,
    newest: Option<StoredRow>,
    attributes: Option<(u64, i64, bytes::Bytes)>,
    now_ms: i64,
) -> Result<Stream, OpenError> {
    let parent = match record.fork {
        None => None,
        Some(fork) => {
            let source = sources.get(&fork.source_id).ok_or_else(|| damaged("the source", Some(id)))?;
            {
                let mut state = super::lock(&source.writer);
                state.forked_below = state.forked_below.max(fork.position);
            }
            Some(Box::new(Parent {
                source: Arc::clone(source),
                position: fork.position,
                asked_at: fork.asked_at,
                asked_sub_offset: fork.asked_sub_offset,
                depth: source.depth() + 1,
            }))
        }
    };
    let mut state =
        StreamState::new(record.content_type, parent.as_ref().map_or(0, |parent| parent.position));
    let mut touched_at_ms = record.accessed_at_ms;
    if let Lifetime::SlidingSecs(ttl_secs) = record.lifetime {
        touched_at_ms =
            touched_at_ms.saturating_add(access_slack_ms(ttl_secs)).min(now_ms.max(touched_at_ms));
    }
    let mut updated_at_ms = record.updated_at_ms;
    if let Some((key, value)) = newest {
        let first = key_first(&key).ok_or_else(|| damaged("a row key", Some(id)))?;
        match read_row(&key, &value) {
            Ok(row) => {
                state.next = first + row.batch.units();
                updated_at_ms = updated_at_ms.max(row.at_ms);
            }
            Err(_) => {
                tracing::error!(
                    id = "STORE-ROW-DAMAGED",
                    stream = id,
                    position = first,
                    "the newest row of a stream is damaged; it takes no appends"
                );
                // One unit beyond, so that a read at the row reports the damage.
                state.next = first + 1;
                state.tail_damaged = true;
            }
        }
    }
    // Everything up to the tail may have been trimmed and given back.
    state.first = record.first;
    state.next = state.next.max(record.first);
    let mut value = None;
    if let Some((version, at_ms, attributes)) = attributes {
        state.attributes_version = version;
        updated_at_ms = updated_at_ms.max(at_ms);
        value = Some(Box::new(attributes));
    }
    state.closed = record.closed;
    state.closed_by = record.closed_by;
    state.stream_seq = record.stream_seq;
    state.references = record.references;
    state.deletion = if record.soft_deleted { Deletion::Soft } else { Deletion::Live };
    let origin = Origin {
        id,
        path: record.path,
        created_at_ms: record.created_at_ms,
        accessed_at_ms: touched_at_ms.max(updated_at_ms),
        updated_at_ms,
        lifetime: record.lifetime,
        lifetime_inherited: record.lifetime_inherited,
        retention: record.retention,
        retention_inherited: record.retention_inherited,
        parent,
        attributes: value,
    };
    Ok(Stream::new(origin, state))
}

/// Keys an engine holds for a stream, for tests.
#[cfg(test)]
pub(super) fn keys_of(engine: &dyn Engine, id: u64) -> usize {
    use crate::layout::{self, id_key};
    let mut keys = 0;
    for tag in [layout::TAG_PRODUCER, layout::TAG_ROW, TAG_STREAM, TAG_ATTRIBUTES, TAG_DELETED] {
        let counted = engine.scan(&id_key(tag, id), &id_key(tag, id + 1), &mut |_, _| {
            keys += 1;
            ControlFlow::Continue(())
        });
        assert!(counted.is_ok());
    }
    keys
}
