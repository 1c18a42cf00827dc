//! Offsets as a client sees them: opaque tokens of whatever server it talks to. Must not know their structure.

use std::fmt;
use std::str::FromStr;

use crate::Offset;

/// Longest token, in bytes. The protocol says "under 256"; one more harms nobody.
pub const OFFSET_TOKEN_BYTES_MAX: usize = 256;

/// A `Stream-Next-Offset` as a server returned it: handed back to that server, never taken apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OffsetToken(String);

/// Not a token that a server may return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "malformed offset token: expected 1 to {OFFSET_TOKEN_BYTES_MAX} bytes without control characters, not -1 or now"
)]
pub struct MalformedOffsetToken;

impl OffsetToken {
    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OffsetToken {
    type Err = MalformedOffsetToken;

    fn from_str(token: &str) -> Result<Self, MalformedOffsetToken> {
        Self::check(token)?;
        Ok(Self(token.to_owned()))
    }
}

impl OffsetToken {
    /// Whether this is a token that a server may return.
    ///
    /// # Errors
    /// It is none.
    #[inline]
    pub fn check(token: &str) -> Result<(), MalformedOffsetToken> {
        let fits = !token.is_empty() && token.len() <= OFFSET_TOKEN_BYTES_MAX;
        // The sentinels are reserved (section 8): a server that returned one would restart its readers.
        if !fits || token == "-1" || token == "now" || token.bytes().any(|b| b < b' ' || b == 0x7f) {
            return Err(MalformedOffsetToken);
        }
        Ok(())
    }

    /// Becomes another token, in the same memory where that suffices.
    ///
    /// # Errors
    /// It is none; this one stays what it was.
    #[inline]
    pub fn replace(&mut self, token: &str) -> Result<(), MalformedOffsetToken> {
        Self::check(token)?;
        self.0.clear();
        self.0.push_str(token);
        Ok(())
    }
}

impl From<Offset> for OffsetToken {
    fn from(offset: Offset) -> Self {
        let token = offset.to_token();
        // Decimal digits are ASCII, so nothing is ever replaced.
        Self(String::from_utf8_lossy(&token).into_owned())
    }
}

impl From<OffsetToken> for String {
    fn from(token: OffsetToken) -> Self {
        token.0
    }
}

impl fmt::Display for OffsetToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentinels_and_controls_are_no_tokens() {
        for bad in ["", "-1", "now", "a\nb", "a\u{7f}", &"x".repeat(257)] {
            assert_eq!(bad.parse::<OffsetToken>(), Err(MalformedOffsetToken), "{bad:?}");
        }
        assert_eq!("0_12".parse::<OffsetToken>().unwrap().as_str(), "0_12");
        assert_eq!(OffsetToken::from(Offset::new(7)).as_str(), "00000000000000000007");
    }
}
