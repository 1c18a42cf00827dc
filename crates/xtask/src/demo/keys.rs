//! Single keys from the terminal, without Enter. Without a terminal there are none.

use std::io::{self, IsTerminal};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::termios::{LocalModes, OptionalActions, Termios};

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Kill,
    Start,
    Agent,
    Quit,
}

/// The terminal with line editing and echo off; as it was before once this is dropped.
pub(super) struct Keys {
    before: Option<Termios>,
}

impl Keys {
    pub(super) fn open() -> Self {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Self { before: None };
        }
        let before = rustix::termios::tcgetattr(&stdin).ok().filter(|before| {
            let mut single = before.clone();
            // Signals and output processing stay: Ctrl-C is a signal, a newline still returns.
            single.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            rustix::termios::tcsetattr(&stdin, OptionalActions::Now, &single).is_ok()
        });
        Self { before }
    }

    /// Whether somebody can press keys.
    pub(super) fn are_there(&self) -> bool {
        self.before.is_some()
    }

    /// The next key, if one comes within `patience`.
    pub(super) fn next(&self, patience: Duration) -> Option<Key> {
        let limit = Timespec::try_from(patience).ok()?;
        let stdin = io::stdin();
        let mut wanted = [PollFd::new(&stdin, PollFlags::IN)];
        let watched = if self.are_there() { &mut wanted[..] } else { &mut [] };
        // A signal ends this early, which is as good as no key.
        let came = rustix::event::poll(watched, Some(&limit)).ok()?;
        if came == 0 {
            return None;
        }
        let mut byte = [0];
        // Unbuffered: poll knows nothing of what a buffer holds.
        let read = rustix::io::read(&stdin, &mut byte).ok()?;
        // The terminal is gone.
        if read == 0 { Some(Key::Quit) } else { key(byte[0]) }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Nothing can be done about a terminal that does not take its old state back.
            let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

fn key(byte: u8) -> Option<Key> {
    match byte.to_ascii_lowercase() {
        b'k' => Some(Key::Kill),
        b's' => Some(Key::Start),
        b'a' => Some(Key::Agent),
        b'q' => Some(Key::Quit),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_work_in_either_case_and_others_do_nothing() {
        assert_eq!(
            [key(b'k'), key(b'S'), key(b'a'), key(b'Q')].map(Option::unwrap),
            [Key::Kill, Key::Start, Key::Agent, Key::Quit]
        );
        assert_eq!(key(b'x'), None);
    }
}
