//! JSON numbers: grammar and range, without floats. Must not know which field a number stands in.

use super::expected::Expected;
use super::reader::{Reader, Step, Stop, byte};
use crate::limits::{INTEGER_MAX, NUMBER_EXPONENT_MAX};
use crate::rejection::RejectionCode;

/// Far beyond any count of digits a text can hold, far below overflow.
const EXPONENT_CAP: i64 = 1 << 40;

/// The integer at `at` and where it ends, if it is one of at most fifteen digits, which is always in range.
#[inline]
pub(super) fn plain_integer(text: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut number = 0_u64;
    let mut end = at;
    loop {
        let byte = byte(text, end);
        if !byte.is_ascii_digit() {
            let length = end - at;
            // A fraction or an exponent makes it another number, a zero in front none at all.
            let is_plain = matches!(length, 1..=15) && !matches!(byte, b'.' | b'e' | b'E');
            let leading_zero = length > 1 && text.get(at) == Some(&b'0');
            return (is_plain && !leading_zero).then_some((number, end));
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(byte & 15));
        end += 1;
    }
}

impl Reader<'_, '_> {
    #[inline]
    fn digits(&mut self) -> Result<usize, Stop> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { Err(self.syntax("a digit")) } else { Ok(self.at - start) }
    }

    /// Reads the number at the current position and moves behind it.
    pub(super) fn number(&mut self) -> Step {
        let start = self.at;
        if self.peek() == b'-' {
            self.at += 1;
        }
        // The decimal exponent of the first digit that is not zero; the number is below 1e308 exactly if this is
        // below 308.
        let leading_zero = self.peek() == b'0';
        let mut magnitude = if leading_zero {
            self.at += 1;
            None
        } else {
            Some(self.digits()? as i64 - 1)
        };
        if self.peek() == b'.' {
            self.at += 1;
            let fraction = self.at;
            self.digits()?;
            if magnitude.is_none() {
                let zeros = self.since(fraction).iter().position(|digit| *digit != b'0');
                magnitude = zeros.map(|zeros| -1 - zeros as i64);
            }
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            let negative = self.peek() == b'-';
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            let first = self.at;
            self.digits()?;
            let mut exponent = 0_i64;
            for digit in self.since(first) {
                exponent = (exponent * 10 + i64::from(digit & 15)).min(EXPONENT_CAP);
            }
            magnitude = magnitude.map(|magnitude| magnitude + if negative { -exponent } else { exponent });
        }
        if magnitude.is_some_and(|magnitude| magnitude >= NUMBER_EXPONENT_MAX) && !self.lenient {
            let expected = Expected::Words("a number below 1e308 in magnitude");
            return Err(self.fail(RejectionCode::NumberRange, start, expected));
        }
        Ok(())
    }

    /// Reads a plain integer of at most 2^53 - 1, `None` if the number here is another.
    pub(super) fn integer(&mut self) -> Result<Option<u64>, Stop> {
        let start = self.at;
        let mut number = 0_u64;
        // Sixteen digits cannot overflow; a seventeenth is out of range.
        while self.at - start <= 16 && self.peek().is_ascii_digit() {
            number = number.wrapping_mul(10).wrapping_add(u64::from(self.peek() & 15));
            self.at += 1;
        }
        let length = self.at - start;
        let leading_zero = length > 1 && self.text.get(start) == Some(&b'0');
        if length == 0 || length > 16 || leading_zero || matches!(self.peek(), b'.' | b'e' | b'E') {
            // Another number perhaps, if the grammar allows it.
            self.at = start;
            self.number()?;
            return Ok(None);
        }
        Ok((number <= INTEGER_MAX).then_some(number))
    }
}
