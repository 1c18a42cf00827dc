//! Gathers the small writes of a command into terminal chunks worth an event each: one sink for both outputs,
//! so that their order is kept. Must not know clocks: the caller asks `is_pending` and flushes in time.

use super::utf8::{Utf8Decoder, parts};

/// Longest text of one terminal event, in bytes.
pub(super) const CHUNK_LEN_MAX: usize = 16 * 1024;

/// Which output of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Stdout,
    Stderr,
}

/// A piece of output, at most [`CHUNK_LEN_MAX`] bytes and never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) source: Source,
    pub(super) text: String,
}

/// What has been read and not yet been handed out.
#[derive(Debug, Default)]
pub(super) struct Coalescer {
    stdout: Utf8Decoder,
    stderr: Utf8Decoder,
    pending: Option<Chunk>,
}

impl Coalescer {
    /// Takes bytes in; gives out what is complete: the other output's text, and full chunks.
    pub(super) fn push(&mut self, source: Source, bytes: &[u8]) -> Vec<Chunk> {
        let text = self.decoder(source).decode(bytes);
        self.add(source, &text)
    }

    /// The output was closed: what it had begun is complete now.
    pub(super) fn close(&mut self, source: Source) -> Vec<Chunk> {
        let text = self.decoder(source).finish();
        self.add(source, &text)
    }

    /// Hands out what is pending.
    pub(super) fn flush(&mut self) -> Option<Chunk> {
        self.pending.take()
    }

    /// Whether a flush would give something.
    pub(super) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    fn decoder(&mut self, source: Source) -> &mut Utf8Decoder {
        match source {
            Source::Stdout => &mut self.stdout,
            Source::Stderr => &mut self.stderr,
        }
    }

    fn add(&mut self, source: Source, text: &str) -> Vec<Chunk> {
        let mut ready = Vec::new();
        for part in parts(text, CHUNK_LEN_MAX) {
            match &mut self.pending {
                Some(chunk) if chunk.source == source && chunk.text.len() + part.len() <= CHUNK_LEN_MAX => {
                    chunk.text.push_str(part);
                }
                pending => ready.extend(pending.replace(Chunk { source, text: part.to_owned() })),
            }
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk(source: Source, text: &str) -> Chunk {
        Chunk { source, text: text.to_owned() }
    }

    #[test]
    fn small_writes_become_one_chunk_until_the_other_output_speaks() {
        let mut coalescer = Coalescer::default();
        assert_eq!(coalescer.push(Source::Stdout, b"a"), []);
        assert_eq!(coalescer.push(Source::Stdout, b"b\n"), []);
        assert_eq!(coalescer.push(Source::Stderr, b"!"), [chunk(Source::Stdout, "ab\n")]);
        assert!(coalescer.is_pending());
        assert_eq!(coalescer.flush(), Some(chunk(Source::Stderr, "!")));
        assert!(!coalescer.is_pending());
        assert_eq!(coalescer.flush(), None);
    }

    #[test]
    fn a_character_cut_between_writes_stays_whole_even_across_outputs() {
        let mut coalescer = Coalescer::default();
        assert_eq!(coalescer.push(Source::Stdout, b"\xF0\x9F"), []);
        assert_eq!(coalescer.push(Source::Stderr, b"e"), []);
        assert_eq!(coalescer.push(Source::Stdout, b"\x98\x80\xE2"), [chunk(Source::Stderr, "e")]);
        assert_eq!(coalescer.close(Source::Stdout), []);
        assert_eq!(coalescer.flush(), Some(chunk(Source::Stdout, "😀\u{FFFD}")));
    }

    proptest! {
        // Each case handles some 100 KB.
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn nothing_is_lost_and_chunks_are_bounded(
            writes in proptest::collection::vec((any::<bool>(), 0usize..40_000), 0..12)
        ) {
            let mut coalescer = Coalescer::default();
            let mut expected = [String::new(), String::new()];
            let mut chunks = Vec::new();
            for (stderr, len) in writes {
                let source = if stderr { Source::Stderr } else { Source::Stdout };
                let text: String = "añ😀".chars().cycle().take(len / 3).collect();
                expected[usize::from(stderr)].push_str(&text);
                chunks.extend(coalescer.push(source, text.as_bytes()));
            }
            chunks.extend(coalescer.flush());
            let of = |source| -> String {
                chunks.iter().filter(|chunk| chunk.source == source).map(|chunk| chunk.text.as_str()).collect()
            };
            prop_assert_eq!(of(Source::Stdout), expected[0].clone());
            prop_assert_eq!(of(Source::Stderr), expected[1].clone());
            prop_assert!(chunks.iter().all(|chunk| !chunk.text.is_empty() && chunk.text.len() <= CHUNK_LEN_MAX));
        }
    }
}
