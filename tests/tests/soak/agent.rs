//! Agents: each has one session after the other, writes a run into it, and closes or deletes it; a few have one session
//! for all of the time, of which retention keeps the end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use durable_sessions_tests::{Answer, Connection, Mark};

use crate::reader::{self, Habit};
use crate::shared::{Random, Range, Session, Soak, count};

const PAUSE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(30);
/// One session after the other until time is over.
pub(crate) async fn work(soak: Arc<Soak>, number: u64) {
    let mut random = Random::new(number);
    let mut connection = None;
    for run in 0.. {
        if soak.is_over() {
            return;
        }
        let session = soak.begin(format!("run-{number}-{run}"), false);
        create(&soak, &mut connection, &session).await;
        reader::start(&soak, &session, Habit::Stays, random.below(u64::MAX));
        reader::start(&soak, &session, Habit::ComesAndGoes, random.below(u64::MAX));
        if run % 4 == number % 4 {
            reader::start(&soak, &session, Habit::Slow, random.below(u64::MAX));
        }
        let events = random.within(soak.tempo.run_events);
        write(&soak, &mut connection, &session, &mut random, events, soak.tempo.step_ms).await;
        if random.below(5) == 0 {
            // While it is read, and without a word.
            delete(&soak, &mut connection, &session).await;
            continue;
        }
        close(&soak, &mut connection, &session).await;
        let kept = Duration::from_millis(random.within(soak.tempo.kept_ms));
        tokio::spawn(remove_later(Arc::clone(&soak), session, kept));
    }
}

async fn remove_later(soak: Arc<Soak>, session: Arc<Session>, kept: Duration) {
    tokio::time::sleep(kept).await;
    // What is there at the end is compared.
    if !soak.is_over() {
        delete(&soak, &mut None, &session).await;
    }
}

/// One session until time is over.
pub(crate) async fn last(soak: Arc<Soak>, number: u64) {
    let mut random = Random::new(number);
    let mut connection = None;
    let session = soak.begin(format!("lasting-{number}"), true);
    create(&soak, &mut connection, &session).await;
    for habit in [Habit::Stays, Habit::ComesAndGoes, Habit::Slow, Habit::Stalls] {
        reader::start(&soak, &session, habit, random.below(u64::MAX));
    }
    write(&soak, &mut connection, &session, &mut random, u64::MAX, soak.tempo.lasting_step_ms).await;
    close(&soak, &mut connection, &session).await;
}

async fn write(
    soak: &Soak,
    connection: &mut Option<Connection>,
    session: &Session,
    random: &mut Random,
    events: u64,
    step_ms: Range,
) {
    let target = format!("/api/streams?sessionId={}", session.name);
    let begin = random.below(soak.script.len() as u64) as usize;
    let mut written = 0;
    while written < events && !soak.is_over() {
        let together = (1 + random.below(3)).min(events - written);
        let sent_ns = soak.now_ns();
        let body: Vec<String> = (1..=together)
            .map(|n| {
                let number = written + n;
                let id = format!("{}-{number}", session.name);
                soak.script.event(begin + number as usize, &id, Mark { number, sent_ns })
            })
            .collect();
        let began = Instant::now();
        let answer = send(soak, connection, "POST", &target, &format!("[{}]", body.join(","))).await;
        if answer.status != 200 {
            let said = String::from_utf8_lossy(&answer.body);
            return soak
                .complain(format!("events of {} are answered {}: {said}", session.name, answer.status));
        }
        soak.append.add(began.elapsed());
        written += together;
        session.stored.store(written, Ordering::SeqCst);
        soak.counted.events.fetch_add(together, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(random.within(step_ms))).await;
    }
}

async fn create(soak: &Soak, connection: &mut Option<Connection>, session: &Session) {
    let body = format!(r#"{{"id":"{}","projectId":"soak","title":"A run"}}"#, session.name);
    expect(
        soak,
        &send(soak, connection, "POST", "/api/sessions", &body).await,
        &[200, 201],
        session,
        "create",
    );
    count(&soak.counted.created);
}

async fn close(soak: &Soak, connection: &mut Option<Connection>, session: &Session) {
    let target = format!("/api/sessions/{}/close", session.name);
    expect(soak, &send(soak, connection, "POST", &target, "").await, &[200], session, "close");
    session.is_closed.store(true, Ordering::SeqCst);
    count(&soak.counted.closed);
}

async fn delete(soak: &Soak, connection: &mut Option<Connection>, session: &Session) {
    session.is_deleted.store(true, Ordering::SeqCst);
    let target = format!("/api/sessions/{}", session.name);
    // Sent again after a connection that broke, it may be gone already.
    expect(soak, &send(soak, connection, "DELETE", &target, "").await, &[200, 204, 404], session, "delete");
    soak.forget(session);
    count(&soak.counted.deleted);
}

fn expect(soak: &Soak, answer: &Answer, statuses: &[u16], session: &Session, what: &str) {
    if !statuses.contains(&answer.status) {
        let said = String::from_utf8_lossy(&answer.body);
        soak.complain(format!("{what} of {} is answered {}: {said}", session.name, answer.status));
    }
}

/// Sends until there is an answer that does not ask for another time. All that is sent here may be repeated.
async fn send(
    soak: &Soak,
    connection: &mut Option<Connection>,
    method: &str,
    target: &str,
    body: &str,
) -> Answer {
    loop {
        let sent = async {
            let mut open = match connection.take() {
                Some(open) => open,
                None => Connection::open(soak.address).await?,
            };
            let answer = open.request(method, target, &[("content-type", "application/json")], body).await?;
            *connection = Some(open);
            Ok::<_, std::io::Error>(answer)
        };
        if let Ok(Ok(answer)) = tokio::time::timeout(PATIENCE, sent).await
            && !matches!(answer.status, 429 | 503)
        {
            return answer;
        }
        count(&soak.counted.sent_again);
        tokio::time::sleep(PAUSE).await;
    }
}
