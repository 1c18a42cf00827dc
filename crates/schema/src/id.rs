//! Id newtypes: parse, don't validate. Must not know who mints an id.

use crate::limits::{ID_CHARS_MAX, SESSION_ID_CHARS_MAX};
use crate::spec::Kind;

ids! {
    /// Names a session and its stream: `^[A-Za-z0-9_-]{1,100}$`.
    SessionId: SessionId;
    /// Names one event; unique within its session.
    EventId: Id;
    /// Names an agent.
    AgentId: Id;
    /// Names a task.
    TaskId: Id;
    /// Names a project.
    ProjectId: Id;
    /// Names one run of an agent.
    RunId: Id;
    /// Names one message of a conversation.
    MessageId: Id;
    /// Names one tool call: start and result share it.
    ToolCallId: Id;
    /// Names a user.
    UserId: Id;
    /// Names a block of related events.
    BlockId: Id;
    /// Names a working copy of a repository.
    WorktreeId: Id;
}

/// An id that is empty, too long, or has characters it must not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "malformed id: expected 1 to 256 characters without control characters \
     (a session id: 1 to 100 of A-Z a-z 0-9 _ -)"
)]
pub struct MalformedId;

/// Whether decoded text, which is UTF-8, is an id of that kind.
pub(crate) fn is_valid(kind: Kind, text: &[u8]) -> bool {
    if matches!(kind, Kind::SessionId) {
        return is_session_id(text);
    }
    let mut count = 0;
    let mut before = 0;
    for byte in text {
        // A control character in the sense of Unicode, general category Cc: U+0080 to U+009F are C2 80 to C2 9F.
        if matches!((before, *byte), (_, ..0x20 | 0x7f) | (0xc2, ..0xa0)) {
            return false;
        }
        // A character is counted by the byte it begins with.
        count += usize::from(byte & 0xc0 != 0x80);
        before = *byte;
    }
    (1..=ID_CHARS_MAX).contains(&count)
}

/// Whether these bytes are a session id.
pub(crate) fn is_session_id(text: &[u8]) -> bool {
    !text.is_empty()
        && text.len() <= SESSION_ID_CHARS_MAX
        && text.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_are_the_pattern_of_the_contract() {
        for good in ["a", "A-1_z", &"x".repeat(100)] {
            assert_eq!(good.parse::<SessionId>().unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a/b", "é", &"x".repeat(101), "a\n"] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn other_ids_are_bounded_in_characters_and_free_of_controls() {
        for good in ["a", "agent 1/é", &"é".repeat(256)] {
            assert!(good.parse::<AgentId>().is_ok(), "{good:?}");
        }
        for bad in ["", "a\0", "a\u{7f}", "a\u{85}", &"é".repeat(257)] {
            assert!(bad.parse::<AgentId>().is_err(), "{bad:?}");
        }
    }
}
