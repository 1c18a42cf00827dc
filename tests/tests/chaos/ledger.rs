//! What writers were told, what subscribers saw, and whether that and what is stored agree. Must not know HTTP.

use std::collections::{BTreeMap, BTreeSet};

/// One message: who wrote it, and its number. Padding is not kept.
pub(crate) type Message = (u64, u64);

/// What one writer was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The offset behind each message that was acknowledged; `u64::MAX` where the answer did not say.
    pub(crate) acknowledged: BTreeMap<Message, u64>,
    /// Sent, and nobody knows what became of it.
    pub(crate) unknown: BTreeSet<Message>,
    /// Answers that cannot be, as they came.
    pub(crate) wrong: Vec<String>,
}

impl Told {
    pub(crate) fn join(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.unknown.extend(other.unknown);
        self.wrong.extend(other.wrong);
    }
}

/// What one subscriber saw of a stream, from its beginning.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) stream: u64,
    pub(crate) messages: Vec<Message>,
    pub(crate) wrong: Vec<String>,
    pub(crate) connections: u64,
}

impl Seen {
    /// Takes what came at a position: what came before at the same positions must have been the same.
    pub(crate) fn take(&mut self, position: usize, message: Message) {
        match self.messages.get(position) {
            Some(before) if *before == message => {}
            Some(before) => {
                let name = &self.name;
                self.wrong.push(format!("{name} saw {before:?} at {position}, and then {message:?}"));
            }
            None if position == self.messages.len() => self.messages.push(message),
            None => self.wrong.push(format!("{} saw nothing before position {position}", self.name)),
        }
    }
}

/// Everything that does not agree, in words. `stored` is each stream as it is read at the end; `letters` is what was taken
/// into the queue and given up, which is kept and not lost.
pub(crate) fn violations(
    told: &Told,
    seen: &[Seen],
    stored: &BTreeMap<u64, Vec<Message>>,
    letters: &BTreeSet<Message>,
    is_producer: impl Fn(u64) -> bool,
) -> Vec<String> {
    let mut found = told.wrong.clone();
    let mut places: BTreeMap<Message, u64> = BTreeMap::new();
    for (stream, messages) in stored {
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        for (message, end) in messages.iter().zip(1..) {
            let (writer, number) = *message;
            if places.insert(*message, end).is_some() {
                found.push(format!("doubled: {message:?} in stream {stream}"));
            }
            match last.insert(writer, number) {
                Some(before) if before > number => {
                    found.push(format!("out of order: {message:?} behind {before} in stream {stream}"));
                }
                Some(before) if is_producer(writer) && before + 1 < number => {
                    found.push(format!("a gap: {message:?} behind {before} in stream {stream}"));
                }
                None if is_producer(writer) && number > 0 => {
                    found.push(format!("a gap: {message:?} is the first of its writer in stream {stream}"));
                }
                _ => {}
            }
            if !told.acknowledged.contains_key(message) && !told.unknown.contains(message) {
                found.push(format!("never sent, or refused: {message:?} in stream {stream}"));
            }
        }
    }
    for (message, end) in &told.acknowledged {
        match places.get(message) {
            None if letters.contains(message) => {}
            None => found.push(format!("lost: {message:?} was acknowledged at {end}")),
            Some(place) if place != end && *end != u64::MAX => {
                found.push(format!("moved: {message:?} was acknowledged at {end} and is at {place}"));
            }
            Some(_) => {}
        }
    }
    for subscriber in seen {
        found.extend(subscriber.wrong.iter().cloned());
        let stored = stored.get(&subscriber.stream).map_or(&[][..], Vec::as_slice);
        let (name, count) = (&subscriber.name, subscriber.messages.len());
        match subscriber.messages.iter().zip(stored).position(|(seen, stored)| seen != stored) {
            Some(at) => found
                .push(format!("{name} saw {:?} at {at}, where {:?} is", subscriber.messages[at], stored[at])),
            None if count > stored.len() => {
                found.push(format!("{name} saw {count} messages of {}", stored.len()));
            }
            None if count < stored.len() => {
                found.push(format!("{name} saw {count} messages of {} and nothing more", stored.len()));
            }
            None => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(acknowledged: &[(Message, u64)], unknown: &[Message]) -> Told {
        Told {
            acknowledged: acknowledged.iter().copied().collect(),
            unknown: unknown.iter().copied().collect(),
            wrong: Vec::new(),
        }
    }

    fn check(told: &Told, seen: &[Message], stored: &[Message]) -> String {
        let seen = Seen { messages: seen.to_vec(), ..Seen::default() };
        violations(told, &[seen], &[(0, stored.to_vec())].into(), &[(9, 9)].into(), |writer| writer < 10)
            .join("; ")
    }

    #[test]
    fn agreement_is_agreement_and_every_difference_is_told() {
        let all = [(1, 0), (2, 0), (1, 1)];
        let good = told(&[((1, 0), 1), ((2, 0), 2), ((9, 9), u64::MAX)], &[(1, 1), (2, 1)]);
        assert_eq!(check(&good, &all, &all), "");
        for (seen, stored, expected) in [
            (&all[..2], &all[..], "and nothing more"),
            (&all[1..], &all[..], "where"),
            (&all[..], &all[..2], "saw 3 messages of 2"),
            (&[(1, 0)], &[(1, 0)], "lost: (2, 0)"),
            (&[(1, 0), (2, 0), (1, 0)], &[(1, 0), (2, 0), (1, 0)], "doubled"),
            (&[(2, 0), (1, 0)], &[(2, 0), (1, 0)], "moved"),
            (&[(1, 0), (2, 0), (2, 1), (2, 2)], &[(1, 0), (2, 0), (2, 1), (2, 2)], "never sent"),
            (&[(1, 1)], &[(1, 1)], "a gap"),
            (&[(1, 1), (1, 0)], &[(1, 1), (1, 0)], "out of order"),
        ] {
            let told = check(&good, seen, stored);
            assert!(told.contains(expected), "{expected}: {told}");
        }
    }

    #[test]
    fn a_subscriber_may_see_again_what_it_saw_and_nothing_else() {
        let mut seen = Seen::default();
        seen.take(0, (1, 0));
        seen.take(1, (1, 1));
        seen.take(1, (1, 1));
        assert!(seen.wrong.is_empty());
        seen.take(1, (1, 2));
        seen.take(3, (1, 3));
        assert_eq!(seen.wrong.len(), 2);
    }
}
