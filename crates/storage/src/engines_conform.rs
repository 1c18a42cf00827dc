//! The conformance suite and random operations on both local engines.

use std::sync::Arc;

use crate::conformance::Subject;
use crate::{EmbeddedStore, MemoryStore, StoreOptions, StreamStore, store_conformance};

pub(crate) mod random;

struct Memory;

impl Subject for Memory {
    fn open(&self, options: StoreOptions) -> Arc<dyn StreamStore> {
        Arc::new(MemoryStore::open(options).unwrap())
    }

    fn is_durable(&self) -> bool {
        false
    }
}

struct Embedded(tempfile::TempDir);

impl Embedded {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Subject for Embedded {
    fn open(&self, options: StoreOptions) -> Arc<dyn StreamStore> {
        Arc::new(EmbeddedStore::open(self.0.path(), options).unwrap())
    }

    fn is_durable(&self) -> bool {
        true
    }
}

/// The log and the tree share every stream: a segment is complete after a few groups.
struct SmallSegments(Embedded);

impl Subject for SmallSegments {
    fn open(&self, options: StoreOptions) -> Arc<dyn StreamStore> {
        self.0.open(StoreOptions { log_segment_bytes: 2_000, ..options })
    }

    fn is_durable(&self) -> bool {
        true
    }
}

store_conformance!(memory, || Memory);
store_conformance!(embedded, Embedded::new);
store_conformance!(embedded_in_small_segments, || SmallSegments(Embedded::new()));
