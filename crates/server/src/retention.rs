//! Which streams are trimmed, and the task that does it. Must not know how rows are stored.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use durable_sessions_protocol::{InvalidRetention, Retention, StreamPath};
use durable_sessions_storage::{StreamHead, Trim, TrimError};

use crate::app::{App, until_draining};
use crate::glob::Glob;
use crate::stream::is_reserved_path;

/// What is kept of the streams at some paths. As text: `PATTERN=RETENTION`, such as `sessions/*=age:30d,count:100000`;
/// in the pattern `*` matches within one segment, `**` any number of segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionRule {
    pattern: Glob,
    retention: Retention,
}

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRetentionRule {
    /// There is no `=`.
    #[error("expected PATTERN=LIMITS, such as sessions/*=age:30d,count:100000")]
    Form,
    /// The pattern.
    #[error("{0}")]
    Pattern(String),
    /// The limits.
    #[error(transparent)]
    Limits(#[from] InvalidRetention),
}

impl FromStr for RetentionRule {
    type Err = InvalidRetentionRule;

    fn from_str(text: &str) -> Result<Self, InvalidRetentionRule> {
        // Limits have no `=`, paths may.
        let (pattern, limits) = text.rsplit_once('=').ok_or(InvalidRetentionRule::Form)?;
        let pattern =
            Glob::from_str(pattern).map_err(|why| InvalidRetentionRule::Pattern(why.to_string()))?;
        Ok(Self { pattern, retention: limits.parse()? })
    }
}

/// What is kept of a stream: what the first rule that matches says, and what the stream itself asks for.
fn effective(rules: &[RetentionRule], path: &str, own: Retention) -> Retention {
    let rule = rules.iter().find(|rule| rule.pattern.matches(path));
    own.and(rule.map_or(Retention::NONE, |rule| rule.retention))
}

/// Streams looked up at a time.
const LIST_LEN: usize = 256;
/// Steps for one stream in one round; what is left comes in the next, so that no stream keeps the others waiting.
const STEPS_MAX: usize = 64;
/// After so many streams a round pauses for as long as they took, so that it never has more than half of a processor or of
/// a disk. Only the first round after a start has much to read.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// What took less is not worth a pause.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// After an error of the store, the round is over, and the next one is due after this at least.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// Trims streams until the server stops: a round through all of them, a pause, the next round.
pub(crate) async fn keep(app: Arc<App>) {
    let mut draining = app.draining.clone();
    let mut pause = app.config.retention_interval;
    loop {
        tokio::select! {
            biased;
            () = until_draining(&mut draining) => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = app.config.retention_interval;
        app.open_streams.sweep_some(&*app.store).await;
        if let Err(error) = round(&app).await {
            if !error.is_retryable() {
                tracing::warn!(error_id = "retention-failed", %error, "streams are not trimmed for now");
            }
            pause = pause.max(ERROR_PAUSE);
        }
    }
}

async fn round(app: &App) -> Result<(), TrimError> {
    let mut after: Option<StreamPath> = None;
    loop {
        let streams = app.store.list("", after.as_ref(), LIST_LEN).await?;
        let Some((last, _)) = streams.last() else { return Ok(()) };
        after = Some(last.clone());
        let began = Instant::now();
        for (path, head) in &streams {
            if app.is_draining() {
                return Ok(());
            }
            let keep = effective(&app.config.retention, path.as_str(), head.retention);
            if is_worth_a_look(head, &keep) && !is_reserved_path(path.as_str()) {
                trim(app, path, keep).await?;
            }
        }
        let took = began.elapsed();
        if took >= PAUSE_MIN {
            tokio::time::sleep(took.min(PAUSE_MAX)).await;
        } else {
            // A list of streams where nothing is due does not wait for anything.
            tokio::task::yield_now().await;
        }
    }
}

/// Most streams have nothing to trim, which can be seen without a look at their rows.
fn is_worth_a_look(head: &StreamHead, keep: &Retention) -> bool {
    let retained = head.next_offset.position() - head.first_offset.position();
    let is_over_count = keep.count.is_some_and(|count| retained > count);
    retained > 0 && (is_over_count || keep.age_secs.is_some() || keep.bytes.is_some())
}

async fn trim(app: &App, path: &StreamPath, keep: Retention) -> Result<(), TrimError> {
    for _ in 0..STEPS_MAX {
        match app.store.trim(path, Trim::Keep(keep)).await {
            Ok(trimmed) if trimmed.more && !app.is_draining() => {}
            Ok(_) => break,
            // Gone since it was listed.
            Err(TrimError::NotFound | TrimError::Gone) => break,
            // One stream must not keep the others from being trimmed; who reads it is told.
            Err(error @ (TrimError::Damaged { .. } | TrimError::BeyondTail { .. })) => {
                tracing::warn!(error_id = "retention-stopped", %error, "a stream is trimmed no further");
                break;
            }
            Err(error @ (TrimError::Overloaded | TrimError::Unavailable(_))) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_matches_counts_and_streams_can_only_ask_for_less() {
        let rules: Vec<RetentionRule> = ["audit/**=none", "sessions/*=age:30d,count:10", "**=bytes:1MiB"]
            .iter()
            .map(|rule| rule.parse().unwrap())
            .collect();
        let own: Retention = "count:5".parse().unwrap();
        for (path, own, expected) in [
            ("audit/a/b", Retention::NONE, "none"),
            ("audit", own, "count:5"),
            ("sessions/1", Retention::NONE, "age:30d,count:10"),
            ("sessions/1", own, "age:30d,count:5"),
            ("sessions/1", "count:50".parse().unwrap(), "age:30d,count:10"),
            ("else", own, "count:5,bytes:1MiB"),
        ] {
            assert_eq!(effective(&rules, path, own).to_string(), expected, "{path}");
        }
        assert_eq!(effective(&[], "a", own), own);
    }

    #[test]
    fn rules_are_a_pattern_and_limits() {
        assert!("a=b/*=count:1".parse::<RetentionRule>().unwrap().pattern.matches("a=b/c"));
        for bad in ["", "a", "=age:1d", "a=", "a//b=age:1d", "a**=age:1d", "a=age:1"] {
            assert!(bad.parse::<RetentionRule>().is_err(), "{bad}");
        }
    }
}
