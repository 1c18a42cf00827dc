//! Server-Sent Events both ways: the encoder writes whole frames, the decoder takes bytes cut anywhere.
//! Must not know what a payload means, except that some are base64.

mod base64;
mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use base64::{MalformedBase64, decode_base64};
pub use decode::{FRAME_BYTES_MAX_DEFAULT, SseDecoder, SseFrame, SseItem};
pub use encode::{
    encode_base64_data_event, encode_comment, encode_control_event, encode_data_event, encode_frame,
    encode_json_data_event, encode_retry,
};

/// Name of the events that carry messages.
pub const EVENT_DATA: &str = "data";
/// Name of the events that carry a [`Control`](crate::Control).
pub const EVENT_CONTROL: &str = "control";
