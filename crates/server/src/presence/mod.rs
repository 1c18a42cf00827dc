//! Who is there: in memory, with a time to live. Must not know routes or who may do what.
//!
//! That a user joined, left or fell silent is stored as an event, in the same append as the row's list of who is
//! present; so after a restart everybody who was there is taken up again, and times out unless heard of. Cursors are
//! passed on and not stored.
//!
//! Bounded: users of a session, connections of a user and of the server. Comings and goings of one session are stored one after the
//! other; between them, being heard of takes one short lock.

mod connections;
mod room;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use durable_sessions_protocol::StreamPath;
use durable_sessions_schema::{Event, Payload, PresenceEntry, PresencePayload, ProjectId, UserId};
use durable_sessions_storage::{AppendError, Batch, ReadError};

use crate::app::App;
use crate::config::Limits;
use crate::session::{self, ChangeError, Directory, Found, Step};
use connections::Connections;
pub(crate) use room::Profile;
use room::{Going, Room};

/// All rooms of a server.
pub(crate) struct Presence {
    rooms: Mutex<HashMap<StreamPath, Arc<Place>>>,
    connections: Mutex<Connections>,
    ttl_ms: i64,
    users_max: usize,
    connections_max: usize,
    connections_per_user_max: usize,
}

/// One session's room, and whose turn it is to store who comes and goes.
struct Place {
    /// Whose session it is.
    tenant: Option<ProjectId>,
    turn: tokio::sync::Mutex<()>,
    room: Mutex<Room>,
}

/// Why somebody cannot be there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PresenceError {
    #[error("there are {0} users in this session, and no room for more")]
    UsersMax(usize),
    #[error("{0} connections are present, and there is no room for more")]
    ConnectionsMax(usize),
    #[error("the user is present by {0} connections, and there is no room for more")]
    ConnectionsPerUserMax(usize),
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl Presence {
    pub(crate) fn new(ttl: Duration, limits: &Limits) -> Self {
        Self {
            rooms: Mutex::default(),
            connections: Mutex::default(),
            ttl_ms: i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX),
            users_max: limits.presence_users_max,
            connections_max: limits.presence_connections_max,
            connections_per_user_max: limits.presence_connections_per_user_max,
        }
    }

    /// Everybody whose going was not stored before the last server stopped.
    pub(crate) fn take_up(&self, sessions: &Directory, now_ms: i64) {
        for entry in sessions.all() {
            if entry.row.present.is_empty() {
                continue;
            }
            let place = self.place(&entry.path, sessions);
            let mut room = lock(&place.room);
            for (user, joined_at_ms) in &entry.row.present {
                if let Ok(user) = user.parse::<UserId>() {
                    room.take_up(user.clone(), *joined_at_ms, now_ms);
                    lock(&self.connections).more((place.tenant.clone(), user), 1);
                }
            }
        }
    }

    /// When a connection heard of now is over.
    pub(crate) fn expires_at_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(self.ttl_ms)
    }

    pub(crate) fn entries(&self, path: &StreamPath) -> Vec<PresenceEntry> {
        let place = lock(&self.rooms).get(path).cloned();
        place.map(|place| lock(&place.room).entries()).unwrap_or_default()
    }

    /// A session is gone, and with it who was there.
    pub(crate) fn forget(&self, path: &StreamPath) {
        let Some(place) = lock(&self.rooms).get(path).cloned() else { return };
        {
            let mut room = lock(&place.room);
            self.drop_all(&place, room.connections());
            *room = Room::default();
        }
        // Who is just coming in holds the place, and goes by its time to live.
        drop(place);
        self.tidy(path);
    }

    /// A cursor that came as an event.
    pub(crate) fn observe(&self, path: &StreamPath, event: &[u8]) {
        let Some(place) = lock(&self.rooms).get(path).cloned() else { return };
        if let Ok(Event { payload: Payload::PresenceCursor(payload), .. }) = Event::from_json(event) {
            let news = Profile {
                display_name: payload.display_name,
                avatar_url: payload.avatar_url,
                cursor: payload.cursor.map(|cursor| (cursor.x, cursor.y)),
                active_file: payload.active_file,
            };
            lock(&place.room).observe(&payload.user_id, news);
        }
    }

    fn place(&self, path: &StreamPath, sessions: &Directory) -> Arc<Place> {
        if let Some(place) = lock(&self.rooms).get(path) {
            return place.clone();
        }
        let tenant = sessions.get(path).and_then(|entry| entry.ownership.as_ref()?.project_id.clone());
        let place = Arc::new(Place { tenant, turn: tokio::sync::Mutex::default(), room: Mutex::default() });
        lock(&self.rooms).entry(path.clone()).or_insert(place).clone()
    }

    /// Gives back a room that nobody is in or about to enter.
    fn tidy(&self, path: &StreamPath) {
        let mut rooms = lock(&self.rooms);
        if rooms.get(path).is_some_and(|place| Arc::strong_count(place) == 1 && lock(&place.room).is_empty())
        {
            rooms.remove(path);
        }
    }

    fn count(&self, place: &Place, user: &UserId, more: isize) {
        let member = (place.tenant.clone(), user.clone());
        if more >= 0 {
            lock(&self.connections).more(member, more.unsigned_abs());
        } else {
            lock(&self.connections).fewer(&member, more.unsigned_abs());
        }
    }

    fn drop_all(&self, place: &Place, dropped: Vec<(UserId, usize)>) {
        let mut connections = lock(&self.connections);
        for (user, fewer) in dropped {
            connections.fewer(&(place.tenant.clone(), user), fewer);
        }
    }
}

/// A connection is there: it joins, moves, or is heard of. Runs to the end whatever becomes of the request.
pub(crate) async fn be_there(
    app: &Arc<App>,
    path: &StreamPath,
    user: UserId,
    connection: String,
    news: Profile,
) -> Result<(), PresenceError> {
    let (app, path) = (app.clone(), path.clone());
    session::to_the_end(async move {
        let moves = news != Profile::default();
        let place = app.presence.place(&path, &app.sessions);
        let entered = enter(&app, &path, &place, &user, &connection, news).await;
        let profile = lock(&place.room).profile(&user);
        drop(place);
        app.presence.tidy(&path);
        if !entered? && moves {
            let event = event(Payload::PresenceCursor, profile.payload(&user), now_ms(&app));
            app.fanout.pass_on(&path, user.as_str(), &event);
        }
        Ok(())
    })
    .await
    .unwrap_or_else(|| Err(stopped()))
}

/// Whether the user was not there before.
async fn enter(
    app: &Arc<App>,
    path: &StreamPath,
    place: &Place,
    user: &UserId,
    connection: &str,
    news: Profile,
) -> Result<bool, PresenceError> {
    {
        let mut room = lock(&place.room);
        if room.has_connection(user, connection) {
            room.touch(user, connection, news, now_ms(app));
            return Ok(false);
        }
    }
    let _turn = place.turn.lock().await;
    let presence = &app.presence;
    let is_new = {
        let room = lock(&place.room);
        {
            let connections = lock(&presence.connections);
            if connections.all() >= presence.connections_max {
                return Err(PresenceError::ConnectionsMax(presence.connections_max));
            }
            if connections.of(&(place.tenant.clone(), user.clone())) >= presence.connections_per_user_max {
                return Err(PresenceError::ConnectionsPerUserMax(presence.connections_per_user_max));
            }
        }
        let is_new = !room.has(user);
        if is_new && room.users() >= presence.users_max {
            return Err(PresenceError::UsersMax(presence.users_max));
        }
        is_new
    };
    if is_new {
        let (who, shown) = (user.clone(), news.clone());
        session::change(app, path, move |found, now_ms| {
            let mut row = found.row.clone();
            if row.present.insert(who.to_string(), now_ms).is_some() {
                // Its going was not stored yet, so that it was never away.
                return Ok(None);
            }
            let joined = event(Payload::PresenceJoined, shown.payload(&who), now_ms);
            Ok(Some(Step { row, events: one(joined), close: false }))
        })
        .await?;
    }
    let more = lock(&place.room).touch(user, connection, news, now_ms(app));
    presence.count(place, user, more);
    Ok(is_new)
}

/// A connection goes. Whether that is stored at once or later, it is gone.
pub(crate) async fn leave(app: &Arc<App>, path: &StreamPath, user: UserId, connection: String) {
    let (app, path) = (app.clone(), path.clone());
    session::to_the_end(async move {
        let Some(place) = lock(&app.presence.rooms).get(&path).cloned() else { return };
        if lock(&place.room).leave(&user, &connection) {
            app.presence.count(&place, &user, -1);
            settle(&app, &path, &place).await;
        }
        drop(place);
        app.presence.tidy(&path);
    })
    .await;
}

/// Stores who has gone. What cannot be stored now is tried again by the watch.
async fn settle(app: &Arc<App>, path: &StreamPath, place: &Place) {
    let _turn = place.turn.lock().await;
    let departing = lock(&place.room).departing();
    if departing.is_empty() {
        return;
    }
    let going = departing.clone();
    let stored = session::change(app, path, move |found, now_ms| Ok(without(found, &going, now_ms))).await;
    let over = match stored {
        Ok(_) => true,
        // A session that is closed or gone says nothing more about anybody.
        Err(ChangeError::Append(AppendError::Closed { .. } | AppendError::NotFound | AppendError::Gone)) => {
            true
        }
        Err(ChangeError::Read(ReadError::NotFound | ReadError::Gone)) => true,
        Err(error) => {
            tracing::warn!(error_id = "presence-not-stored", %error, "who left is stored later");
            false
        }
    };
    if over {
        let mut room = lock(&place.room);
        for (user, ..) in departing {
            room.departed(&user);
        }
    }
}

/// The session without who has gone.
fn without(found: &Found, going: &[(UserId, Going, Profile)], now_ms: i64) -> Option<Step> {
    if found.head.closed {
        return None;
    }
    let mut row = found.row.clone();
    let mut events = Vec::new();
    for (user, how, profile) in going {
        if row.present.remove(user.as_str()).is_some() {
            let payload = profile.payload(user);
            events.push(match how {
                Going::Left => event(Payload::PresenceLeft, payload, now_ms),
                Going::TimedOut => event(Payload::PresenceTimeout, payload, now_ms),
            });
        }
    }
    many(&events).map(|events| Step { row, events: Some(events), close: false })
}

/// Drops who has not been heard of, for as long as the server runs.
pub(crate) async fn watch(app: Arc<App>) {
    let ttl = app.config.presence_ttl;
    let mut ticks =
        tokio::time::interval((ttl / 20).clamp(Duration::from_millis(10), Duration::from_secs(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let before_ms = now_ms(&app).saturating_sub(app.presence.ttl_ms);
        let rooms: Vec<_> = {
            let rooms = lock(&app.presence.rooms);
            rooms.iter().map(|(path, place)| (path.clone(), place.clone())).collect()
        };
        for (path, place) in rooms {
            let (dropped, departing) = {
                let mut room = lock(&place.room);
                (room.expire(before_ms), !room.departing().is_empty())
            };
            app.presence.drop_all(&place, dropped);
            if departing {
                settle(&app, &path, &place).await;
            }
            drop(place);
            app.presence.tidy(&path);
        }
    }
}

fn event(of: fn(PresencePayload) -> Payload, payload: PresencePayload, now_ms: i64) -> Bytes {
    let timestamp_ms = u64::try_from(now_ms).unwrap_or_default();
    Bytes::from(Event::new(session::fresh_event_id(), timestamp_ms, of(payload)).to_json())
}

fn one(event: Bytes) -> Option<Batch> {
    Batch::message(event).ok()
}

fn many(events: &[Bytes]) -> Option<Batch> {
    let mut ends = Vec::with_capacity(events.len());
    let mut joined = Vec::new();
    for event in events {
        if !joined.is_empty() {
            joined.push(b',');
        }
        joined.extend_from_slice(event);
        ends.push(u32::try_from(joined.len()).ok()?);
    }
    Batch::joined_messages(Bytes::from(joined), ends).ok()
}

fn stopped() -> PresenceError {
    PresenceError::Change(AppendError::Unavailable("the server stops".into()).into())
}

fn now_ms(app: &App) -> i64 {
    app.config.store_options.clock.now_ms()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
