//! Cuts a model's text into the small deltas in which a model would have streamed it.
//! Must not know events or files.

use unicode_segmentation::UnicodeSegmentation as _;

/// A piece ends at the first word boundary at or after this many bytes: about two English words, which is
/// what hosted models send at a time.
const PIECE_LEN_AIM: usize = 10;

/// A text without spaces (a URL, Chinese) is cut before a grapheme that would make a piece longer than this.
const PIECE_LEN_MAX: usize = 40;

/// The pieces of `text`, in order. They concatenate to `text` exactly, none is empty, and no cut lies inside
/// a grapheme cluster: neither inside an emoji sequence nor between CR and LF.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(first_cut(rest));
        rest = after;
        Some(piece)
    })
}

/// Where the first piece of a text that is not empty ends.
fn first_cut(text: &str) -> usize {
    let mut after_space = false;
    for (at, grapheme) in text.grapheme_indices(true) {
        let is_space = grapheme.chars().all(char::is_whitespace);
        if at > 0
            && (at + grapheme.len() > PIECE_LEN_MAX || (after_space && !is_space && at >= PIECE_LEN_AIM))
        {
            return at;
        }
        after_space = is_space;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str) -> Vec<&str> {
        pieces(text).collect()
    }

    #[test]
    fn cuts_after_the_spaces_behind_a_word() {
        assert_eq!(
            cut("Let's first start by reproducing it."),
            ["Let's first ", "start by reproducing ", "it."]
        );
        assert_eq!(cut(""), Vec::<&str>::new());
        assert_eq!(cut("one two"), ["one two"]);
    }

    #[test]
    fn never_cuts_inside_a_grapheme() {
        // A family is one grapheme of 25 bytes, a CRLF one of two.
        let family = "👨‍👩‍👧‍👦";
        assert_eq!(cut(&family.repeat(3)), [family; 3]);
        for piece in cut("first line\r\nsecond line of it\r\n\r\nthird") {
            assert!(!piece.starts_with('\n'), "{piece:?}");
        }
        let long = "e\u{301}".repeat(100);
        assert!(cut(&long).len() > 5);
        assert!(cut(&long).iter().all(|piece| piece.starts_with('e') && piece.len() <= PIECE_LEN_MAX));
    }

    proptest! {
        #[test]
        fn pieces_concatenate_to_the_text(
            text in r"(?s)([a-z]{1,12}|[ \t]|\r\n|\n|👩‍🔬|🇩🇪|é|字|.){0,80}"
        ) {
            let pieces = cut(&text);
            prop_assert_eq!(pieces.concat(), text.clone());
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
            let boundaries: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
            let mut at = 0;
            for piece in pieces {
                prop_assert!(boundaries.binary_search(&at).is_ok(), "cut at {} in {:?}", at, text);
                at += piece.len();
            }
        }
    }
}
