//! Writers: together they append at the rate that was asked for, whatever the answers take. One writer has all events of a
//! session, so that their order is known.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use durable_sessions_tests::{Connection, Mark};
use tokio::time::Instant;

use crate::shared::{Load, session_name};

/// So many that answers may take more than a second before the rate suffers.
pub(crate) const WRITERS: usize = 256;

/// Before an append that was not acknowledged is sent again.
const PAUSE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(30);
/// About what a model says at a time.
const TEXT: &str = "and then the tests were run again, all of them, and this time ";

pub(crate) async fn write(load: Arc<Load>, writer: usize, begin: Instant) {
    let mut connection = None;
    let (sessions, per_second) = (load.plan.sessions as u64, load.plan.appends_per_second);
    for append in 0..load.plan.appends() {
        let session = (append % sessions) as usize;
        if session % WRITERS != writer {
            continue;
        }
        let due = begin + Duration::from_nanos(append * 1_000_000_000 / per_second);
        tokio::time::sleep_until(due).await;
        let late = Instant::now().saturating_duration_since(due);
        load.late_ms.fetch_max(late.as_millis() as u64, Ordering::Relaxed);
        send(&load, &mut connection, session, append / sessions + 1).await;
    }
}

/// Sends one event until it is acknowledged; its id makes that harmless.
async fn send(load: &Load, connection: &mut Option<Connection>, session: usize, number: u64) {
    let target = format!("/api/streams?sessionId={}", session_name(session));
    let mark = Mark { number, sent_ns: load.now_ns() };
    let body = format!(
        r#"{{"id":"e-{session}-{number}","type":"chunk","data":{{"text":"{TEXT}","agentId":"load",{mark}}}}}"#
    );
    let began = Instant::now();
    loop {
        let sent = async {
            let mut open = match connection.take() {
                Some(open) => open,
                None => Connection::open(load.address).await?,
            };
            let answer =
                open.request("POST", &target, &[("content-type", "application/json")], &body).await?;
            *connection = Some(open);
            Ok::<_, std::io::Error>(answer)
        };
        match tokio::time::timeout(PATIENCE, sent).await {
            Ok(Ok(answer)) if answer.status == 200 => {
                load.append.add(began.elapsed());
                return load.acknowledged(session, number);
            }
            Ok(Ok(answer)) if !matches!(answer.status, 429 | 503) => {
                let said = String::from_utf8_lossy(&answer.body).into_owned();
                return load
                    .complain(format!("event {number} of {session} is answered {}: {said}", answer.status));
            }
            Ok(Ok(_) | Err(_)) | Err(_) => {
                load.sent_again.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
