//! Keeps what a command said for the result of its tool call, within a bound: the beginning and the end,
//! with a mark where the middle is missing. The terminal events carry all of it. Must not know events.

use std::collections::VecDeque;

/// How many bytes of the beginning, and again of the end, are kept.
const HALF_LEN_MAX: usize = 24 * 1024;

/// A bounded copy of a growing text.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    head: String,
    head_is_full: bool,
    tail: VecDeque<char>,
    tail_len: usize,
    left_out_len: u64,
}

impl Transcript {
    /// Adds what came next.
    pub(super) fn push(&mut self, text: &str) {
        let mut text = text;
        if !self.head_is_full {
            let room = HALF_LEN_MAX - self.head.len();
            if text.len() <= room {
                self.head.push_str(text);
                return;
            }
            let (fits, rest) = text.split_at(text.floor_char_boundary(room));
            self.head.push_str(fits);
            self.head_is_full = true;
            text = rest;
        }
        for character in text.chars() {
            self.tail.push_back(character);
            self.tail_len += character.len_utf8();
            while self.tail_len > HALF_LEN_MAX {
                let Some(gone) = self.tail.pop_front() else { break };
                self.tail_len -= gone.len_utf8();
                self.left_out_len += gone.len_utf8() as u64;
            }
        }
    }

    /// The kept text. When something was left out, a line of its own says how much.
    pub(super) fn into_text(self) -> String {
        let mut text = self.head;
        if self.left_out_len > 0 {
            let line_end = if text.ends_with('\n') { "" } else { "\n" };
            text.push_str(&format!(
                "{line_end}[... {} bytes left out; the terminal events have them ...]\n",
                self.left_out_len
            ));
        }
        text.extend(self.tail);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_short_text_is_kept_whole() {
        let mut transcript = Transcript::default();
        transcript.push("one\n");
        transcript.push("two 😀\n");
        assert_eq!(transcript.into_text(), "one\ntwo 😀\n");
    }

    #[test]
    fn a_long_text_keeps_both_ends_and_says_what_is_missing() {
        let mut transcript = Transcript::default();
        for number in 0..20_000 {
            transcript.push(&format!("line {number}\n"));
        }
        let text = transcript.into_text();
        assert!(text.len() < 2 * HALF_LEN_MAX + 100, "{}", text.len());
        assert!(text.starts_with("line 0\nline 1\n"));
        assert!(text.ends_with("line 19998\nline 19999\n"));
        assert_eq!(text.matches("bytes left out").count(), 1);
    }

    proptest! {
        // Each case handles some 100 KB.
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn kept_and_left_out_add_up(parts in proptest::collection::vec("[a-z😀é\n]{0,9000}", 0..20)) {
            let all = parts.concat();
            let mut transcript = Transcript::default();
            for part in &parts {
                transcript.push(part);
            }
            let left_out = transcript.left_out_len as usize;
            let text = transcript.into_text();
            if left_out == 0 {
                prop_assert_eq!(text, all);
            } else {
                let mark = format!("[... {left_out} bytes left out;");
                prop_assert!(text.contains(&mark));
                let (head, rest) = text.split_once("[... ").unwrap();
                let tail = rest.split_once("...]\n").unwrap().1;
                prop_assert!(all.starts_with(head) || all.starts_with(&head[..head.len() - 1]));
                prop_assert!(all.ends_with(tail));
            }
        }
    }
}
