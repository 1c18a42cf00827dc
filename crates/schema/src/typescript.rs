//! TypeScript declarations, from the types and the tables. Must not know any event by name.

/// The declarations of every event, record, enum and id.
#[must_use]
pub fn typescript() -> String {
    crate::catalogue::declarations().collect()
}
