//! What is given up becomes dead letters. Must not know why.

use std::sync::Arc;

use durable_sessions_protocol::StreamPath;

use super::dead_letter::{DeadLetter, Reason, id_text};
use super::deliver::{OBSTACLE_PAUSE, now};
use super::entry::Entry;
use super::lanes::Failures;
use super::letters;
use super::opened::Opened;
use crate::app::App;
use crate::seldom::seldom;

/// Keeps the entries of a lane's front as dead letters, as many as there is room for; the rest is tried once more later.
pub(super) async fn entries(
    app: &Arc<App>,
    opened: &Opened,
    path: &StreamPath,
    entries: Vec<(u64, Entry)>,
    reason: &Reason,
    tried: Failures,
) {
    let together = entries.len();
    let failed_at_ms = app.spool.now_ms();
    let mut buried = Vec::with_capacity(together);
    for (place, entry) in entries {
        let Failures { count: attempts, uncertain, first_attempt_at_ms, .. } = tried;
        let reason = reason.clone();
        let letter = DeadLetter { entry, reason, attempts, uncertain, first_attempt_at_ms, failed_at_ms };
        if !bury(app, opened, place, &letter).await {
            break;
        }
        buried.push(place);
    }
    // In one step: in between the lane would be free for the rest.
    let mut state = app.spool.state();
    for place in &buried {
        state.finish(path, *place);
    }
    if buried.len() < together {
        // One attempt more, of the same entries, with what is known of the last one.
        let count = tried.count.min(app.config.limits.queued_attempts_max.saturating_sub(1));
        let rest = Failures { together: together - buried.len(), count, ..tried };
        state.lanes.postpone(path, now() + OBSTACLE_PAUSE, rest);
    }
}

/// Keeps a dead letter; `false` when there is no room for it, or the spool's store does not work.
async fn bury(app: &App, opened: &Opened, place: u64, letter: &DeadLetter) -> bool {
    if app.spool.state().dead_letters_full() {
        seldom!(|unsaid| tracing::error!(
            error_id = "dead-letters-full",
            unsaid,
            "an append cannot be delivered, and there is no room for more dead letters"
        ));
        return false;
    }
    match letters::write(&*opened.store, place, letter).await {
        Ok(is_new) => {
            if is_new {
                app.spool.state().dead_letters += 1;
                app.metrics.dead_letters.inc();
            }
            tracing::error!(
                error_id = "append-dead-lettered",
                dead_letter = id_text(place),
                path = letter.entry.path,
                code = letter.reason.code,
                attempts = letter.attempts,
                "a queued append was given up and is kept as a dead letter"
            );
            true
        }
        Err(message) => {
            seldom!(|unsaid| tracing::error!(
                error_id = "dead-letter-unwritten",
                message,
                unsaid,
                "a dead letter cannot be written now"
            ));
            false
        }
    }
}
