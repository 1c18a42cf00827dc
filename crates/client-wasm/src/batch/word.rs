//! The numbers of the item words; `pkg/src/batch.ts` has the same. Must not know how values are written.

/// An event type that the schema does not know.
pub const UNKNOWN: u32 = 255;
/// A message that failed validation, or a frame that is no JSON.
pub const REJECTED: u32 = 254;
/// A control event.
pub const CONTROL: u32 = 253;
/// The count of messages, where it does not follow from the item before.
pub const POSITION: u32 = 252;

/// Events: `meta` follows the fields.
pub const META: u32 = 1 << 8;
/// Events: an object with the unknown fields follows.
pub const EXTRAS: u32 = 1 << 9;
/// Events: told in passing. Rejections: not one of the stream's messages. Their offset is that of the last message.
pub const UNCOUNTED: u32 = 1 << 10;
/// Controls: nothing newer is stored.
pub const UP_TO_DATE: u32 = 1 << 8;
/// Controls: the stream has ended.
pub const CLOSED: u32 = 1 << 9;
/// Controls: the offset follows.
pub const COUNT: u32 = 1 << 10;

/// In place of any field: it has no value.
pub const ABSENT: u32 = 1 << 31;
/// In place of a number, or of a value that is always open: it is the next open value.
pub const OPEN: u32 = u32::MAX;
/// In place of a value that is always open: it is the next one of `late`.
pub const LATE: u32 = 0;
