//! Gathers the small writes of a command into terminal chunks worth an event each. Complete lines of both outputs keep
//! the order in which they were completed; a begun line waits a moment for its rest, so that the outputs do not cut
//! each other's lines. Must not know clocks: the caller flushes in time.

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

/// One output: its decoder, and the line it has begun.
#[derive(Debug, Default)]
struct Lane {
    decoder: Utf8Decoder,
    begun: String,
    /// The begun line has been there at a flush before: a prompt, or a progress bar.
    is_old: bool,
}

/// What has been read and not yet been handed out.
#[derive(Debug, Default)]
pub(super) struct Coalescer {
    stdout: Lane,
    stderr: Lane,
    /// Complete lines of one output.
    lines: Option<Chunk>,
}

impl Coalescer {
    /// Takes bytes in; gives out full chunks, and the other output's lines.
    pub(super) fn push(&mut self, source: Source, bytes: &[u8]) -> Vec<Chunk> {
        let text = self.lane(source).decoder.decode(bytes);
        self.add(source, &text)
    }

    /// The output was closed: what it had begun is complete now.
    pub(super) fn close(&mut self, source: Source) -> Vec<Chunk> {
        let lane = self.lane(source);
        let text = std::mem::take(&mut lane.begun) + &lane.decoder.finish();
        self.add_lines(source, &text)
    }

    /// Hands out what is pending: complete lines, and begun ones that have waited since the flush before.
    pub(super) fn flush(&mut self) -> Vec<Chunk> {
        self.flush_lanes(|lane| std::mem::replace(&mut lane.is_old, true))
    }

    /// Hands out everything.
    pub(super) fn finish(&mut self) -> Vec<Chunk> {
        self.flush_lanes(|_| true)
    }

    /// Whether there is something to flush, now or the next time.
    pub(super) fn is_pending(&self) -> bool {
        self.lines.is_some() || !self.stdout.begun.is_empty() || !self.stderr.begun.is_empty()
    }

    fn lane(&mut self, source: Source) -> &mut Lane {
        match source {
            Source::Stdout => &mut self.stdout,
            Source::Stderr => &mut self.stderr,
        }
    }

    fn add(&mut self, source: Source, text: &str) -> Vec<Chunk> {
        let lane = self.lane(source);
        lane.begun.push_str(text);
        lane.is_old = false;
        let complete = match lane.begun.rfind('\n') {
            _ if lane.begun.len() >= CHUNK_LEN_MAX => lane.begun.len(),
            Some(at) => at + 1,
            None => return Vec::new(),
        };
        let rest = lane.begun.split_off(complete);
        let lines = std::mem::replace(&mut lane.begun, rest);
        self.add_lines(source, &lines)
    }

    fn add_lines(&mut self, source: Source, text: &str) -> Vec<Chunk> {
        let mut ready = Vec::new();
        for part in parts(text, CHUNK_LEN_MAX) {
            match &mut self.lines {
                Some(chunk) if chunk.source == source && chunk.text.len() + part.len() <= CHUNK_LEN_MAX => {
                    chunk.text.push_str(part);
                }
                lines => ready.extend(lines.replace(Chunk { source, text: part.to_owned() })),
            }
        }
        ready
    }

    fn flush_lanes(&mut self, is_due: impl Fn(&mut Lane) -> bool) -> Vec<Chunk> {
        let mut ready = Vec::new();
        for source in [Source::Stdout, Source::Stderr] {
            let lane = self.lane(source);
            if !lane.begun.is_empty() && is_due(lane) {
                let begun = std::mem::take(&mut lane.begun);
                ready.extend(self.add_lines(source, &begun));
            }
        }
        ready.extend(self.lines.take());
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
        assert_eq!(coalescer.push(Source::Stderr, b"!\n"), [chunk(Source::Stdout, "ab\n")]);
        assert!(coalescer.is_pending());
        assert_eq!(coalescer.flush(), [chunk(Source::Stderr, "!\n")]);
        assert!(!coalescer.is_pending());
        assert_eq!(coalescer.flush(), []);
    }

    #[test]
    fn the_outputs_do_not_cut_each_others_lines() {
        let mut coalescer = Coalescer::default();
        assert_eq!(coalescer.push(Source::Stderr, b"   Doc-tests"), []);
        assert_eq!(coalescer.push(Source::Stdout, b"test a ... ok\n"), []);
        assert_eq!(
            coalescer.push(Source::Stderr, b" protocol\n"),
            [chunk(Source::Stdout, "test a ... ok\n")]
        );
        assert_eq!(coalescer.flush(), [chunk(Source::Stderr, "   Doc-tests protocol\n")]);
    }

    #[test]
    fn a_prompt_comes_with_the_second_flush() {
        let mut coalescer = Coalescer::default();
        assert_eq!(coalescer.push(Source::Stdout, b"one\nname? "), []);
        assert_eq!(coalescer.flush(), [chunk(Source::Stdout, "one\n")]);
        assert!(coalescer.is_pending());
        assert_eq!(coalescer.flush(), [chunk(Source::Stdout, "name? ")]);
        assert!(!coalescer.is_pending());
    }

    #[test]
    fn a_character_cut_between_writes_stays_whole_even_across_outputs() {
        let mut coalescer = Coalescer::default();
        assert_eq!(coalescer.push(Source::Stdout, b"\xF0\x9F"), []);
        assert_eq!(coalescer.push(Source::Stderr, b"e\n"), []);
        assert_eq!(coalescer.push(Source::Stdout, b"\x98\x80\xE2"), []);
        assert_eq!(coalescer.close(Source::Stdout), [chunk(Source::Stderr, "e\n")]);
        assert_eq!(coalescer.finish(), [chunk(Source::Stdout, "😀\u{FFFD}")]);
    }

    proptest! {
        // Each case handles some 100 KB.
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn nothing_is_lost_and_chunks_are_bounded(
            writes in proptest::collection::vec((any::<bool>(), any::<bool>(), 0usize..40_000), 0..12)
        ) {
            let mut coalescer = Coalescer::default();
            let mut expected = [String::new(), String::new()];
            let mut chunks = Vec::new();
            for (stderr, flush, len) in writes {
                let source = if stderr { Source::Stderr } else { Source::Stdout };
                let text: String = "añ\n😀".chars().cycle().take(len / 3).collect();
                expected[usize::from(stderr)].push_str(&text);
                chunks.extend(coalescer.push(source, text.as_bytes()));
                if flush {
                    chunks.extend(coalescer.flush());
                }
            }
            chunks.extend(coalescer.finish());
            let of = |source| -> String {
                chunks.iter().filter(|chunk| chunk.source == source).map(|chunk| chunk.text.as_str()).collect()
            };
            prop_assert_eq!(of(Source::Stdout), expected[0].clone());
            prop_assert_eq!(of(Source::Stderr), expected[1].clone());
            prop_assert!(chunks.iter().all(|chunk| !chunk.text.is_empty() && chunk.text.len() <= CHUNK_LEN_MAX));
        }
    }
}
