//! Offsets: the tokens that name a position in a stream. Must not know what a position counts.

use std::fmt;
use std::str::FromStr;

/// A position in a stream, PROTOCOL.md section 8.
///
/// The number inside is the *position*: how many units (messages of a JSON stream, bytes of any other)
/// stand before it. On the wire it is an opaque token of exactly 20 decimal digits, so that byte-wise
/// comparison of tokens is comparison of positions, over the whole range of `u64`. Forks share the
/// positions of their source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(u64);

/// Length of every offset token, in bytes.
pub const OFFSET_TOKEN_LEN: usize = 20;

impl Offset {
    /// The position before the first unit of a stream.
    pub const ZERO: Self = Self(0);

    /// The offset that has `position` units before it.
    #[must_use]
    pub const fn new(position: u64) -> Self {
        Self(position)
    }

    /// How many units stand before this offset.
    #[must_use]
    pub const fn position(self) -> u64 {
        self.0
    }

    /// The token as bytes, without allocating.
    #[must_use]
    pub fn to_token(self) -> [u8; OFFSET_TOKEN_LEN] {
        let mut token = [b'0'; OFFSET_TOKEN_LEN];
        let mut rest = self.0;
        for digit in token.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        token
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for digit in self.to_token() {
            fmt::Write::write_char(f, digit as char)?;
        }
        Ok(())
    }
}

/// A token that this server cannot have minted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "malformed offset: expected -1, now, or a token of {OFFSET_TOKEN_LEN} digits returned by this server"
)]
pub struct MalformedOffset;

impl FromStr for Offset {
    type Err = MalformedOffset;

    fn from_str(token: &str) -> Result<Self, MalformedOffset> {
        if token.len() != OFFSET_TOKEN_LEN || !token.bytes().all(|b| b.is_ascii_digit()) {
            return Err(MalformedOffset);
        }
        token.parse().map(Self).map_err(|_| MalformedOffset)
    }
}

/// Where a read begins: the `offset` query parameter with its two sentinels, PROTOCOL.md section 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// `-1`, or no parameter: the beginning of the stream.
    Start,
    /// `now`: the tail at the time of the request; no history.
    Now,
    /// A token minted by this server.
    At(Offset),
}

impl FromStr for ReadFrom {
    type Err = MalformedOffset;

    fn from_str(parameter: &str) -> Result<Self, MalformedOffset> {
        match parameter {
            "-1" => Ok(Self::Start),
            "now" => Ok(Self::Now),
            token => token.parse().map(Self::At),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tokens_sort_as_positions_and_read_back(a: u64, b: u64) {
            let (x, y) = (Offset::new(a), Offset::new(b));
            prop_assert_eq!(x.to_string().cmp(&y.to_string()), a.cmp(&b));
            prop_assert_eq!(x.to_string().parse::<Offset>(), Ok(x));
        }
    }

    #[test]
    fn only_whole_tokens_are_offsets() {
        for bad in
            ["", "0", "-1", "now", "0000000000000000000x", "000000000000000000001", "99999999999999999999"]
        {
            assert_eq!(bad.parse::<Offset>(), Err(MalformedOffset), "{bad}");
        }
        assert_eq!("-1".parse(), Ok(ReadFrom::Start));
        assert_eq!("now".parse(), Ok(ReadFrom::Now));
        assert!("-2".parse::<ReadFrom>().is_err());
    }
}
