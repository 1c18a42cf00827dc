//! Readers, each with a habit. Whatever it is, and however often they go and come back, what they see is the session from
//! its first event on, each event once and in order; but for what retention gave up, of which they are told how much it is.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use durable_sessions_tests::{EventSource, Frame, Manner, Mark, Opened};

use crate::shared::{Random, Session, Soak, Tempo, count};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// From the beginning to the end.
    Stays,
    /// Leaves without a word, and goes on later.
    ComesAndGoes,
    /// Takes less than comes where much comes.
    Slow,
    /// Takes nothing for longer than a server waits.
    Stalls,
}

impl Habit {
    /// Whether it is waited for at the end.
    fn is_quick(self) -> bool {
        matches!(self, Self::Stays | Self::ComesAndGoes)
    }

    fn manner(self, tempo: &Tempo) -> Manner {
        match self {
            Self::Stays | Self::ComesAndGoes => Manner::default(),
            Self::Slow => {
                Manner { receive_bytes: Some(4 << 10), slow: Some((1 << 10, Duration::from_millis(500))) }
            }
            Self::Stalls => Manner { receive_bytes: Some(4 << 10), slow: Some((4 << 10, tempo.stall)) },
        }
    }
}

/// Before a connection after one that was refused or broke off.
const PAUSE: Duration = Duration::from_millis(300);

pub(crate) fn start(soak: &Arc<Soak>, session: &Arc<Session>, habit: Habit, seed: u64) {
    let (soak, session) = (Arc::clone(soak), Arc::clone(session));
    if habit.is_quick() {
        soak.reading.lock().unwrap().insert((session.name.clone(), format!("{habit:?}")));
    }
    tokio::spawn(async move {
        let manner = habit.manner(&soak.tempo);
        let mut reader = Reader { soak: &soak, session: &session, habit, manner, last: 0 };
        if let Err(error) = reader.follow(&mut Random::new(seed)).await {
            soak.complain(format!("{habit:?} of {}, after event {}: {error}", session.name, reader.last));
        }
        if habit.is_quick() {
            count(&soak.counted.finished);
            soak.reading.lock().unwrap().remove(&(session.name.clone(), format!("{habit:?}")));
        }
    });
}

struct Reader<'s> {
    soak: &'s Soak,
    session: &'s Session,
    habit: Habit,
    manner: Manner,
    last: u64,
}

fn wrong(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Reader<'_> {
    /// Until the session is over, or nobody reads any more.
    async fn follow(&mut self, random: &mut Random) -> io::Result<()> {
        while !self.soak.is_done.load(Ordering::Relaxed) {
            let resume = (self.last > 0).then_some(self.last);
            count(&self.soak.counted.connections);
            let opened = EventSource::open(self.soak.address, &self.session.name, resume, self.manner).await;
            let ended = match opened {
                Ok(Opened::Live(source)) => self.stay(source, random).await,
                Ok(Opened::Over) => return self.has_all(),
                Ok(Opened::Refused(404, _)) if self.session.is_deleted.load(Ordering::SeqCst) => {
                    return Ok(());
                }
                Ok(Opened::Refused(429 | 503, _)) => {
                    count(&self.soak.counted.turned_away);
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Ok(Opened::Refused(status, said)) => return Err(wrong(format!("answered {status}: {said}"))),
                Err(error) => Err(error),
            };
            match ended {
                Ok(true) => return self.has_all(),
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(error),
                Err(_) => {
                    count(&self.soak.counted.broken);
                    tokio::time::sleep(PAUSE).await;
                }
            }
            if self.habit == Habit::ComesAndGoes {
                tokio::time::sleep(Duration::from_millis(random.within(self.soak.tempo.away_ms))).await;
            }
        }
        Ok(())
    }

    /// One connection; whether the session is over.
    async fn stay(&mut self, mut source: EventSource, random: &mut Random) -> io::Result<bool> {
        if self.habit != Habit::ComesAndGoes {
            return self.frames(&mut source).await;
        }
        let stay = Duration::from_millis(random.within(self.soak.tempo.stay_ms));
        tokio::time::timeout(stay, self.frames(&mut source)).await.unwrap_or(Ok(false))
    }

    async fn frames(&mut self, source: &mut EventSource) -> io::Result<bool> {
        let mut is_greeted = false;
        while let Some(frame) = source.next(self.manner).await? {
            if std::mem::replace(&mut is_greeted, true) {
                if self.is_end(&frame) {
                    return Ok(true);
                }
                self.event(&frame)?;
            } else {
                self.greeting(&frame)?;
            }
        }
        Ok(false)
    }

    fn greeting(&mut self, frame: &Frame) -> io::Result<()> {
        let told: serde_json::Value = serde_json::from_slice(&frame.data).unwrap_or_default();
        let (begin, missed) = (told["offset"].as_u64(), told["missed"].as_u64().unwrap_or(0));
        let is_right = told["type"] == "connected"
            && begin == Some(self.last + missed)
            && begin == frame.id
            && (missed == 0 || self.session.is_trimmed);
        if !is_right {
            return Err(wrong(format!("it is greeted with {told} at {:?}", frame.id)));
        }
        self.soak.counted.given_up.fetch_add(missed, Ordering::Relaxed);
        self.last += missed;
        Ok(())
    }

    fn is_end(&self, frame: &Frame) -> bool {
        let told = String::from_utf8_lossy(&frame.data);
        Mark::find(&frame.data).is_none()
            && told.contains(r#""type":"closed""#)
            && told.contains(&format!(r#""offset":{},"#, self.last))
    }

    fn event(&mut self, frame: &Frame) -> io::Result<()> {
        let next = Some(self.last + 1);
        let mark = Mark::find(&frame.data);
        let (Some(mark), true) = (mark, frame.id == next && mark.map(|mark| mark.number) == next) else {
            let told: String = String::from_utf8_lossy(&frame.data).chars().take(200).collect();
            return Err(wrong(format!("there comes {told} with id {:?}", frame.id)));
        };
        self.last += 1;
        count(&self.soak.counted.seen);
        if self.habit == Habit::Stays {
            self.soak.delivery.add(Duration::from_nanos(self.soak.now_ns().saturating_sub(mark.sent_ns)));
        }
        Ok(())
    }

    /// The writer has heard of every event before it closes, so this is all there is.
    fn has_all(&self) -> io::Result<()> {
        let stored = self.session.stored.load(Ordering::SeqCst);
        if self.last == stored { Ok(()) } else { Err(wrong(format!("it is over, and there are {stored}"))) }
    }
}
