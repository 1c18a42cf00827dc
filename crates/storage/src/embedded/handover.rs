//! Brings complete segments of the log into the tree, in the background. Must not know what keys mean.
//!
//! All that is complete goes as one sorted run. Then memory forgets it, then its files are deleted; whatever a
//! crash interrupts is done again from the log. An error ends it for good: nothing is lost, but the log must not
//! grow for ever, so commits fail from then on.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fjall::{UserKey, UserValue};

use super::log;
use super::logged::Shared;
use super::recent::{Ascending, Recent, merged};
use super::tree::Tree;
use crate::engine::EngineError;

/// The background thread.
pub(super) struct Handover {
    pub(super) shared: Arc<Shared>,
    pub(super) log_dir: PathBuf,
}

/// How far it is, for the committer; and whether it shall go on, for itself.
pub(super) struct Progress {
    state: Mutex<State>,
    changed: Condvar,
    complete_max: usize,
}

#[derive(Default)]
struct State {
    /// Complete segments that are not in the tree.
    complete: usize,
    failed: Option<String>,
    stopped: bool,
}

/// How often it looks whether the tree takes runs again.
const BEHIND_INTERVAL: Duration = Duration::from_millis(20);

/// So many looks, a second, before it merges itself.
const PAUSES_BEFORE_MERGE: u32 = 50;

impl Progress {
    pub(super) fn new(complete: usize, complete_max: usize) -> Self {
        let state = State { complete, ..State::default() };
        Self { state: Mutex::new(state), changed: Condvar::new(), complete_max }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Whether it still works.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        self.lock().check()
    }

    /// Waits until one more segment may be completed.
    pub(super) fn wait_for_room(&self) -> Result<(), EngineError> {
        let mut state = self.lock();
        while state.complete >= self.complete_max && !state.stopped {
            state.check()?;
            state = self.wait(state);
        }
        state.check()
    }

    pub(super) fn completed(&self) {
        self.change(|state| state.complete += 1);
    }

    pub(super) fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    /// Waits for something to do; `false` when stopped.
    fn wait_for_work(&self) -> bool {
        let mut state = self.lock();
        while state.complete == 0 && !state.stopped {
            state = self.wait(state);
        }
        !state.stopped
    }

    /// Waits a little; `false` when stopped.
    fn pause(&self) -> bool {
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, BEHIND_INTERVAL, |state| !state.stopped);
        !waited.unwrap_or_else(PoisonError::into_inner).0.stopped
    }
}

impl State {
    fn check(&self) -> Result<(), EngineError> {
        match &self.failed {
            None => Ok(()),
            Some(reason) => Err(EngineError(format!("the tree takes nothing more: {reason}"))),
        }
    }
}

impl Handover {
    pub(super) fn run(self) {
        // Whatever happens to this thread, the committer may not wait for it in vain.
        let _ended = Ended(&self.shared.progress);
        while self.shared.progress.wait_for_work() {
            match self.step() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(id = "STORE-HANDOVER-FAILED", %error, "the log cannot be brought into the tree");
                    self.shared.progress.change(|state| state.failed = Some(error.to_string()));
                    return;
                }
            }
        }
    }

    /// Hands over all that is complete; `false` when stopped.
    fn step(&self) -> Result<bool, fjall::Error> {
        let progress = &self.shared.progress;
        let mut pauses = 0;
        while self.with_tree(Tree::is_behind)?.unwrap_or(false) {
            if !progress.pause() {
                return Ok(false);
            }
            pauses += 1;
            if pauses % PAUSES_BEFORE_MERGE == 0 {
                tracing::debug!("the tree is behind; merging it here");
                self.with_tree(Tree::merge)?;
            }
        }
        let complete = self.shared.memory().complete();
        let Some(newest) = complete.first().map(|(number, _)| *number) else { return Ok(true) };
        let segments: Vec<&Recent> = complete.iter().map(|(_, segment)| &**segment).collect();
        let sources = segments.iter().map(|segment| Box::new(segment.range(&[], LAST_KEY)) as Ascending<'_>);
        let mut run = merged(sources.collect()).map(|(key, place, number)| {
            (UserKey::from(&*key), segments[number].value(place).map(UserValue::from))
        });
        self.with_tree(|tree| tree.add_run(newest + 1, &mut run))?;
        drop(run);
        self.shared.change_memory(|memory| memory.forget(newest));
        for (number, _) in &complete {
            // One that stays is deleted at the next opening.
            if let Err(error) = log::delete_segment(&self.log_dir, *number) {
                tracing::warn!(id = "STORE-SEGMENT-STAYS", segment = number, %error, "cannot delete a log segment");
            }
        }
        progress.change(|state| state.complete -= complete.len());
        Ok(true)
    }

    fn with_tree<T>(
        &self,
        work: impl FnOnce(&Tree) -> Result<T, fjall::Error>,
    ) -> Result<Option<T>, fjall::Error> {
        self.shared.with_tree(work).transpose()
    }
}

/// Above every key: none has more than 64 KiB, and none starts with this byte.
const LAST_KEY: &[u8] = &[u8::MAX];

/// Says so when the thread ends by a panic.
struct Ended<'p>(&'p Progress);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(id = "STORE-HANDOVER-PANICKED", "the log cannot be brought into the tree");
            self.0.change(|state| state.failed = Some("the handover has failed".into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_commit_waits_for_room_and_for_nothing_else() {
        let progress = Arc::new(Progress::new(1, 2));
        progress.wait_for_room().unwrap();
        progress.completed();
        let (sender, receiver) = mpsc::channel();
        let waiting = |sender: mpsc::Sender<Result<(), EngineError>>| {
            let progress = Arc::clone(&progress);
            std::thread::spawn(move || sender.send(progress.wait_for_room()).unwrap())
        };
        waiting(sender.clone());
        assert!(receiver.try_recv().is_err());
        progress.change(|state| state.complete -= 1);
        receiver.recv().unwrap().unwrap();

        // A handover that has failed keeps nobody waiting.
        progress.completed();
        waiting(sender);
        progress.change(|state| state.failed = Some("no space".into()));
        assert!(receiver.recv().unwrap().unwrap_err().0.contains("no space"));
        assert!(progress.check().is_err());
    }

    #[test]
    fn it_sleeps_until_there_is_something_to_do_or_it_is_stopped() {
        let progress = Arc::new(Progress::new(1, 2));
        assert!(progress.wait_for_work());
        assert!(progress.pause());
        progress.change(|state| state.complete = 0);
        let theirs = Arc::clone(&progress);
        let thread = std::thread::spawn(move || theirs.wait_for_work());
        progress.stop();
        assert!(!thread.join().unwrap() && !progress.pause());
        // Nobody makes room any more, and nobody waits for it.
        progress.change(|state| state.complete = 2);
        progress.wait_for_room().unwrap();
    }
}
