//! Numbers in headers, `Retry-After` above all. Must not read a clock: the date form is left to drivers that have one.

use durable_sessions_protocol::MESSAGE_COUNT_MAX;

/// Milliseconds to wait, if the header gives seconds. A date gives none: backoff then decides alone.
#[must_use]
pub fn retry_after_ms(value: &str) -> Option<u64> {
    Some(whole_number(value.trim_ascii().as_bytes(), 9)? * 1000)
}

/// A count of messages as headers and control events have it; `None` if it is none that is believed.
#[must_use]
pub fn message_count(value: &[u8]) -> Option<u64> {
    whole_number(value, 16).filter(|number| *number <= MESSAGE_COUNT_MAX)
}

/// Digits and nothing else, at most so many, and never more than nineteen: those cannot overflow. Not `str::parse`, which
/// would be a second reader in the browser package.
fn whole_number(digits: &[u8], digits_max: usize) -> Option<u64> {
    if digits.is_empty() || digits.len() > digits_max.min(19) {
        return None;
    }
    let mut number = 0;
    for digit in digits {
        number = number * 10 + u64::from(digit.is_ascii_digit().then_some(digit & 15)?);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_believed_up_to_what_javascript_holds() {
        assert_eq!(message_count(b"0"), Some(0));
        assert_eq!(message_count(b"9007199254740991"), Some(MESSAGE_COUNT_MAX));
        for other in ["", "-1", "+1", "1.5", " 1", "9007199254740992", "10000000000000000"] {
            assert_eq!(message_count(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn seconds_only() {
        assert_eq!(retry_after_ms(" 120 "), Some(120_000));
        assert_eq!(retry_after_ms("0"), Some(0));
        for other in ["", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "99999999999"] {
            assert_eq!(retry_after_ms(other), None, "{other}");
        }
    }
}
