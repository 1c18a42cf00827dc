//! The `Retry-After` header. Must not read a clock: the date form is left to drivers that have one.

/// Milliseconds to wait, if the header gives seconds. A date gives none: backoff then decides alone.
#[must_use]
pub fn retry_after_ms(value: &str) -> Option<u64> {
    let digits = value.trim_ascii();
    if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(digits.bytes().fold(0, |number, digit| number * 10 + u64::from(digit & 15)) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_only() {
        assert_eq!(retry_after_ms(" 120 "), Some(120_000));
        assert_eq!(retry_after_ms("0"), Some(0));
        for other in ["", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "99999999999"] {
            assert_eq!(retry_after_ms(other), None, "{other}");
        }
    }
}
