//! Who is in one session: users, each with the connections it is there by. Pure: time is given. Must not know how comings
//! and goings are stored.
//!
//! A user is there as long as one connection is. When the last one leaves or falls silent, the user is *departing*
//! until that is stored; who comes back before was never away.

use std::collections::BTreeMap;

use durable_sessions_schema::{CursorPosition, PresenceEntry, PresencePayload, UserId};

/// Stands for the connections a user had before the server started; they say who they are when they are heard of again.
const BEFORE_START: &str = "";

/// How a user went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Going {
    /// Said so.
    Left,
    /// Has not been heard of.
    TimedOut,
}

/// What a user shows of itself; what is absent stays as it was.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Profile {
    pub(crate) display_name: Option<String>,
    pub(crate) avatar_url: Option<String>,
    pub(crate) cursor: Option<(f64, f64)>,
    pub(crate) active_file: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Room {
    users: BTreeMap<UserId, User>,
    departing: BTreeMap<UserId, (Going, Profile)>,
}

#[derive(Debug)]
struct User {
    profile: Profile,
    joined_at_ms: i64,
    last_seen_ms: i64,
    /// When each was last heard of.
    connections: BTreeMap<String, i64>,
}

impl Profile {
    fn merge(&mut self, news: Self) {
        self.display_name = news.display_name.or(self.display_name.take());
        self.avatar_url = news.avatar_url.or(self.avatar_url.take());
        self.cursor = news.cursor.or(self.cursor);
        self.active_file = news.active_file.or(self.active_file.take());
    }

    /// As events carry it.
    pub(crate) fn payload(&self, user_id: &UserId) -> PresencePayload {
        let mut payload = PresencePayload::new(user_id.clone());
        payload.display_name.clone_from(&self.display_name);
        payload.avatar_url.clone_from(&self.avatar_url);
        payload.active_file.clone_from(&self.active_file);
        payload.cursor = self.cursor.map(|(x, y)| CursorPosition::new(x, y));
        payload
    }
}

impl Room {
    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty() && self.departing.is_empty()
    }

    pub(crate) fn has(&self, user: &UserId) -> bool {
        self.users.contains_key(user)
    }

    pub(crate) fn has_connection(&self, user: &UserId, connection: &str) -> bool {
        self.users.get(user).is_some_and(|user| user.connections.contains_key(connection))
    }

    pub(crate) fn users(&self) -> usize {
        self.users.len()
    }

    /// How many connections each user is there by.
    pub(crate) fn connections(&self) -> Vec<(UserId, usize)> {
        self.users.iter().map(|(id, user)| (id.clone(), user.connections.len())).collect()
    }

    /// A connection is there. How many connections that makes more.
    pub(crate) fn touch(&mut self, user: &UserId, connection: &str, news: Profile, now_ms: i64) -> isize {
        self.departing.remove(user);
        let there = self.users.entry(user.clone()).or_insert_with(|| User {
            profile: Profile::default(),
            joined_at_ms: now_ms,
            last_seen_ms: now_ms,
            connections: BTreeMap::new(),
        });
        there.profile.merge(news);
        there.last_seen_ms = there.last_seen_ms.max(now_ms);
        let mut more = 0;
        if connection != BEFORE_START && there.connections.remove(BEFORE_START).is_some() {
            more -= 1;
        }
        if there.connections.insert(connection.to_owned(), now_ms).is_none() {
            more += 1;
        }
        more
    }

    /// A user that was there when the server was last stopped.
    pub(crate) fn take_up(&mut self, user: UserId, joined_at_ms: i64, now_ms: i64) {
        let connections = BTreeMap::from([(BEFORE_START.to_owned(), now_ms)]);
        let profile = Profile::default();
        self.users.insert(user, User { profile, joined_at_ms, last_seen_ms: now_ms, connections });
    }

    /// A connection says that it goes. Whether it was there.
    pub(crate) fn leave(&mut self, user: &UserId, connection: &str) -> bool {
        let Some(there) = self.users.get_mut(user) else { return false };
        if there.connections.remove(connection).is_none() {
            return false;
        }
        if there.connections.is_empty()
            && let Some(gone) = self.users.remove(user)
        {
            self.departing.insert(user.clone(), (Going::Left, gone.profile));
        }
        true
    }

    /// Drops connections not heard of since `before_ms`; how many of whom.
    pub(crate) fn expire(&mut self, before_ms: i64) -> Vec<(UserId, usize)> {
        let mut dropped = Vec::new();
        let mut gone = Vec::new();
        for (id, user) in &mut self.users {
            let before = user.connections.len();
            user.connections.retain(|_, last_seen_ms| *last_seen_ms > before_ms);
            let fewer = before - user.connections.len();
            if fewer > 0 {
                dropped.push((id.clone(), fewer));
            }
            if user.connections.is_empty() {
                gone.push(id.clone());
            }
        }
        for id in gone {
            if let Some(user) = self.users.remove(&id) {
                self.departing.insert(id, (Going::TimedOut, user.profile));
            }
        }
        dropped
    }

    /// Who has gone and not been said to have.
    pub(crate) fn departing(&self) -> Vec<(UserId, Going, Profile)> {
        self.departing
            .iter()
            .map(|(user, (going, profile))| (user.clone(), *going, profile.clone()))
            .collect()
    }

    /// That a user has gone is stored.
    pub(crate) fn departed(&mut self, user: &UserId) {
        self.departing.remove(user);
    }

    /// Something of a user that is there came by another way.
    pub(crate) fn observe(&mut self, user: &UserId, news: Profile) {
        if let Some(there) = self.users.get_mut(user) {
            there.profile.merge(news);
        }
    }

    pub(crate) fn profile(&self, user: &UserId) -> Profile {
        self.users.get(user).map(|user| user.profile.clone()).unwrap_or_default()
    }

    /// Everybody who is there, by user id.
    pub(crate) fn entries(&self) -> Vec<PresenceEntry> {
        let ms = |at: i64| u64::try_from(at).unwrap_or_default();
        let entry = |(id, user): (&UserId, &User)| {
            let connections = user.connections.keys().filter(|id| *id != BEFORE_START).count() as u64;
            let mut entry =
                PresenceEntry::new(id.clone(), ms(user.joined_at_ms), ms(user.last_seen_ms), connections);
            let shown = user.profile.payload(id);
            entry.display_name = shown.display_name;
            entry.avatar_url = shown.avatar_url;
            entry.cursor = shown.cursor;
            entry.active_file = shown.active_file;
            entry
        };
        self.users.iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    #[test]
    fn a_user_is_there_as_long_as_one_tab_is() {
        let (mut room, ada) = (Room::default(), user("ada"));
        assert_eq!(room.touch(&ada, "tab-1", Profile::default(), 10), 1);
        assert_eq!(room.touch(&ada, "tab-2", Profile::default(), 20), 1);
        assert_eq!(room.touch(&ada, "tab-2", Profile::default(), 30), 0);
        assert!(room.leave(&ada, "tab-1") && !room.leave(&ada, "tab-1"));
        assert!(room.has(&ada) && room.departing().is_empty());
        assert!(room.leave(&ada, "tab-2"));
        assert_eq!(room.departing()[0].1, Going::Left);
        // Back before it was said.
        room.touch(&ada, "tab-3", Profile::default(), 40);
        assert!(room.departing().is_empty());
    }

    #[test]
    fn silence_is_told_from_leaving() {
        let (mut room, ada) = (Room::default(), user("ada"));
        room.touch(&ada, "a", Profile { cursor: Some((1.0, 2.0)), ..Profile::default() }, 10);
        room.touch(&ada, "b", Profile::default(), 20);
        assert_eq!(room.expire(10), [(ada.clone(), 1)]);
        assert!(room.has(&ada));
        assert_eq!(room.expire(20), [(ada.clone(), 1)]);
        let departing = room.departing();
        assert_eq!((departing[0].1, departing[0].2.cursor), (Going::TimedOut, Some((1.0, 2.0))));
        room.departed(&ada);
        assert!(room.is_empty());
    }

    #[test]
    fn who_was_there_before_a_restart_is_until_silent() {
        let (mut room, ada) = (Room::default(), user("ada"));
        room.take_up(ada.clone(), 5, 100);
        assert_eq!((room.entries()[0].joined_at, room.entries()[0].connections), (5, 0));
        // Heard of again: the same user, now by a connection that is known.
        assert_eq!(room.touch(&ada, "tab", Profile::default(), 110), 0);
        assert_eq!((room.entries()[0].joined_at, room.entries()[0].connections), (5, 1));
        room.take_up(user("bob"), 5, 100);
        assert_eq!(room.expire(100), [(user("bob"), 1)]);
        assert_eq!(room.departing()[0].0, user("bob"));
    }

    fn sum(connections: Vec<(UserId, usize)>) -> isize {
        connections.into_iter().map(|(_, count)| count as isize).sum()
    }

    proptest! {
        #[test]
        fn nobody_is_both_there_and_departing(
            steps in proptest::collection::vec((0u8..4, 0u8..3, 0u8..3), 0..60)
        ) {
            let (mut room, mut counted) = (Room::default(), 0isize);
            for (now, (what, who, tab)) in (0i64..).zip(steps) {
                let (who, tab) = (user(&who.to_string()), tab.to_string());
                match what {
                    0 | 1 => counted += room.touch(&who, &tab, Profile::default(), now),
                    2 => counted -= isize::from(room.leave(&who, &tab)),
                    _ => counted -= sum(room.expire(now - 5)),
                }
                prop_assert!(room.departing().iter().all(|(user, ..)| !room.has(user)));
                prop_assert_eq!(sum(room.connections()), counted);
            }
        }
    }
}
