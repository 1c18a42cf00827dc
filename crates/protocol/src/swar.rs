//! Finds bytes eight at a time in plain integer arithmetic, so that neither a dependency nor SIMD is linked
//! into the browser package. Must not know what the bytes mean.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Marks the bytes of `word` that are `byte`. Bits above the lowest mark may be wrong (a borrow runs
/// upwards), so only the lowest one counts.
const fn eq(word: u64, byte: u8) -> u64 {
    let x = word ^ (ONES * byte as u64);
    x.wrapping_sub(ONES) & !x & HIGHS
}

/// Marks the bytes of `word` below `limit` (at most 128), with the same caveat.
const fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES * limit as u64) & !word & HIGHS
}

#[inline]
fn find(bytes: &[u8], marks: impl Fn(u64) -> u64, is_hit: impl Fn(u8) -> bool) -> Option<usize> {
    let mut words = bytes.chunks_exact(8);
    let mut at = 0;
    for word in words.by_ref() {
        // `chunks_exact` makes the conversion infallible; zero would only fall through to the byte loop.
        let hit = marks(u64::from_le_bytes(word.try_into().unwrap_or_default()));
        if hit != 0 {
            return Some(at + (hit.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    words.remainder().iter().position(|&b| is_hit(b)).map(|i| at + i)
}

/// The first CR or LF.
pub(crate) fn find_line_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        // Other control characters this low hardly ever come: one test for all of them is cheaper than two.
        at += find(bytes.get(at..)?, |w| below(w, b'\r' + 1), |b| b <= b'\r')?;
        if matches!(bytes.get(at), Some(b'\n' | b'\r')) {
            return Some(at);
        }
        at += 1;
    }
}

/// The first byte that ends a run of plain characters in a JSON string: a quote, a backslash or a control.
pub(crate) fn find_string_stop(bytes: &[u8]) -> Option<usize> {
    find(bytes, |w| eq(w, b'"') | eq(w, b'\\') | below(w, 0x20), |b| b == b'"' || b == b'\\' || b < 0x20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_a_plain_loop_finds(
            bytes in proptest::collection::vec(
                prop_oneof![6 => any::<u8>(), 1 => Just(b'\n'), 1 => Just(b'\r'), 1 => Just(b'"'), 1 => Just(0x1f)],
                0..64,
            )
        ) {
            prop_assert_eq!(find_line_end(&bytes), bytes.iter().position(|b| b"\r\n".contains(b)));
            prop_assert_eq!(
                find_string_stop(&bytes),
                bytes.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20)
            );
        }
    }
}
