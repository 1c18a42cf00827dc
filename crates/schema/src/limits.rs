//! Every limit of the schema in one place. Must not know who enforces what beyond the parser.

/// Longest session id, in characters.
pub const SESSION_ID_CHARS_MAX: usize = 100;
/// Longest id of any other sort, and longest event type name, in characters.
pub const ID_CHARS_MAX: usize = 256;
/// Deepest nesting of one message: the event's own object is depth 1.
pub const DEPTH_MAX: u32 = 64;
/// Largest integer an integer field takes, 2^53 - 1: what every JavaScript reader still holds exactly.
pub const INTEGER_MAX: u64 = 9_007_199_254_740_991;
/// Every number is smaller than ten to this power in magnitude, so that it is finite wherever it is read.
pub const NUMBER_EXPONENT_MAX: i64 = 308;
/// Most fields one object of the catalogue may define (presence is kept as one bit per field).
pub const FIELDS_MAX: usize = 16;
/// Longest JSON text the parser takes, in bytes: positions are kept in 32 bits, the one after the end included.
pub const TEXT_BYTES_MAX: usize = u32::MAX as usize - 1;
/// Longest excerpt of offending input in a rejection, in bytes.
pub const EXCERPT_BYTES_MAX: usize = 64;
/// Longest JSON path in a rejection, in bytes (a longer one ends in an ellipsis).
pub const PATH_BYTES_MAX: usize = 256;
/// Longest session title, in characters.
pub const TITLE_CHARS_MAX: usize = 500;
/// The only `meta.schemaVersion` this crate reads.
pub const SCHEMA_VERSION: u64 = 1;
