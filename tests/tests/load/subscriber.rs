//! One subscriber: follows its session as a browser would, through every rotation, and compares what comes with what has
//! to come next.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use durable_sessions_tests::{EventSource, Manner, Mark, Opened};
use tokio::sync::Semaphore;

use crate::shared::{Load, session_name};

/// Before it comes back after a connection that was refused or broke off.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn follow(load: Arc<Load>, number: usize, opening: Arc<Semaphore>) {
    let session = session_name(load.session_of(number));
    let (mut last, mut is_first) = (0, true);
    while !load.done.load(Ordering::Relaxed) {
        // What a browser has not seen the first event of, it asks for without an id.
        let resume = (last > 0).then_some(last);
        let permit = if is_first { opening.acquire().await.ok() } else { None };
        let opened = EventSource::open(load.address, &session, resume, Manner::default()).await;
        drop(permit);
        let ended = match opened {
            Ok(Opened::Live(source)) => frames(&load, source, number, &mut last, &mut is_first).await,
            Ok(Opened::Over) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "it is told that all is over"))
            }
            Ok(Opened::Refused(429 | 503, _)) => {
                load.turned_away.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Ok(Opened::Refused(status, said)) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is answered {status}: {said}")))
            }
            Err(error) => Err(error),
        };
        match ended {
            Ok(()) => drop(load.rotations.fetch_add(1, Ordering::Relaxed)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return load
                    .complain(format!("subscriber {number} of {session}, after event {last}: {error}"));
            }
            Err(_) => {
                load.broken.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Reads until the answer ends.
async fn frames(
    load: &Load,
    mut source: EventSource,
    subscriber: usize,
    last: &mut u64,
    is_first: &mut bool,
) -> io::Result<()> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut is_greeted = false;
    while let Some(frame) = source.next(Manner::default()).await? {
        if !is_greeted {
            is_greeted = true;
            let text = String::from_utf8_lossy(&frame.data);
            let is_here = text.contains(r#""type":"connected""#) && !text.contains("missed");
            if !is_here || frame.id != Some(*last) {
                return Err(wrong(format!("it is greeted with {text} at {:?}", frame.id)));
            }
            if std::mem::take(is_first) {
                load.connected.fetch_add(1, Ordering::SeqCst);
            }
            continue;
        }
        let (Some(id), Some(mark)) = (frame.id, Mark::find(&frame.data)) else {
            return Err(wrong(format!("there comes {}", String::from_utf8_lossy(&frame.data))));
        };
        if id != *last + 1 || mark.number != *last + 1 {
            return Err(wrong(format!("there comes event {} with id {id}", mark.number)));
        }
        *last = id;
        load.delivery.add(Duration::from_nanos(load.now_ns().saturating_sub(mark.sent_ns)));
        load.seen(subscriber, id);
    }
    Ok(())
}
