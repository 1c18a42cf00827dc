//! Brings complete segments of the log into the tree, in the background. Must not know what keys mean.
//!
//! All that is complete goes as one sorted run. Then memory forgets it, then its files are deleted; whatever a
//! crash interrupts is done again from the log. After an error it tries again, less and less often; nothing is lost
//! meanwhile, but the log must not grow for ever, so a commit that would need one more segment fails.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fjall::{UserKey, UserValue};

use super::disk::Disk;
use super::log;
use super::logged::{Shared, engine_error};
use super::recent::{Ascending, Recent, merged};
use super::tree::Tree;
use crate::engine::EngineError;

/// The background thread.
pub(super) struct Handover {
    pub(super) shared: Arc<Shared>,
    pub(super) disk: Disk,
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
    /// Why the last attempt failed.
    failed: Option<EngineError>,
    stopped: bool,
}

/// The first pause after an attempt that failed, and the longest.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);

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

    /// Waits until one more segment may be completed.
    ///
    /// # Errors
    /// When there is no room, and bringing segments into the tree has failed.
    pub(super) fn wait_for_room(&self) -> Result<(), EngineError> {
        let mut state = self.lock();
        while state.complete >= self.complete_max && !state.stopped {
            state.check()?;
            state = self.wait(state);
        }
        Ok(())
    }

    /// Whether one more segment may be completed, or bringing segments into the tree is at work.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        let state = self.lock();
        if state.complete >= self.complete_max { state.check() } else { Ok(()) }
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
        self.pause_for(BEHIND_INTERVAL)
    }

    fn pause_for(&self, time: Duration) -> bool {
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, time, |state| !state.stopped);
        !waited.unwrap_or_else(PoisonError::into_inner).0.stopped
    }
}

impl State {
    fn check(&self) -> Result<(), EngineError> {
        match &self.failed {
            None => Ok(()),
            Some(EngineError::Full(reason)) => {
                Err(EngineError::Full(format!("the tree takes nothing more: {reason}")))
            }
            Some(reason) => Err(EngineError::Failed(format!("the tree takes nothing more: {reason}"))),
        }
    }
}

impl Handover {
    pub(super) fn run(self) {
        // Whatever happens to this thread, the committer may not wait for it in vain.
        let _ended = Ended(&self.shared.progress);
        let mut pause = RETRY_MIN;
        while self.shared.progress.wait_for_work() {
            match self.step() {
                Ok(true) => {
                    if pause > RETRY_MIN {
                        tracing::info!(id = "STORE-HANDOVER-RESUMED", "the log goes into the tree again");
                    }
                    pause = RETRY_MIN;
                    self.shared.progress.change(|state| state.failed = None);
                }
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(
                        id = "STORE-HANDOVER-FAILED",
                        %error,
                        retry_ms = pause.as_millis() as u64,
                        "the log cannot be brought into the tree"
                    );
                    // It takes nothing any more, or could not be opened again the last time.
                    let is_lost =
                        matches!(error, fjall::Error::Poisoned) || self.shared.with_tree(|_| ()).is_none();
                    self.shared.progress.change(|state| state.failed = Some(engine_error(&error)));
                    if !self.shared.progress.pause_for(pause) {
                        return;
                    }
                    if is_lost && let Err(error) = self.shared.reopen_tree() {
                        tracing::error!(id = "STORE-TREE-NOT-REOPENED", %error, "the tree cannot be opened again");
                    }
                    pause = (pause * 2).min(RETRY_MAX);
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
        let mut complete = self.shared.memory().complete();
        // An attempt that failed may have done its work.
        let first = self.with_tree(Tree::first_segment)?.flatten().unwrap_or(0);
        let done = complete.iter().filter(|(number, _)| *number < first).count();
        if done > 0 {
            self.forget(&complete.split_off(complete.len() - done));
        }
        let Some(newest) = complete.first().map(|(number, _)| *number) else { return Ok(true) };
        let segments: Vec<&Recent> = complete.iter().map(|(_, segment)| &**segment).collect();
        let sources = segments.iter().map(|segment| Box::new(segment.range(&[], LAST_KEY)) as Ascending<'_>);
        let mut run = merged(sources.collect()).map(|(key, place, number)| {
            (UserKey::from(&*key), segments[number].value(place).map(UserValue::from))
        });
        self.disk.before_run()?;
        let added = self.with_tree(|tree| tree.add_run(newest + 1, &mut run))?;
        drop(run);
        if added.is_none() {
            return Err(io::Error::other("the tree is not open").into());
        }
        self.forget(&complete);
        Ok(true)
    }

    /// What is in the tree is needed nowhere else.
    fn forget(&self, segments: &[(u64, Arc<Recent>)]) {
        let Some((newest, _)) = segments.first() else { return };
        self.shared.change_memory(|memory| memory.forget(*newest));
        for (number, _) in segments {
            // One that stays is deleted at the next opening.
            if let Err(error) = log::delete_segment(&self.disk, &self.log_dir, *number) {
                tracing::warn!(id = "STORE-SEGMENT-STAYS", segment = number, %error, "cannot delete a log segment");
            }
        }
        self.shared.progress.change(|state| state.complete -= segments.len());
    }

    fn with_tree<T>(
        &self,
        work: impl FnOnce(&Tree) -> Result<T, fjall::Error>,
    ) -> Result<Option<T>, fjall::Error> {
        self.shared.with_tree(work).transpose()
    }
}

/// Above every key: none has more than 64 KiB, and none starts with this byte.
pub(super) const LAST_KEY: &[u8] = &[u8::MAX];

/// Says so when the thread ends by a panic.
struct Ended<'p>(&'p Progress);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(id = "STORE-HANDOVER-PANICKED", "the log cannot be brought into the tree");
            let failed = EngineError::Failed("the handover has failed".into());
            self.0.change(|state| state.failed = Some(failed));
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
        let failed = EngineError::Full("no space".into());
        progress.change(|state| state.failed = Some(failed));
        assert!(receiver.recv().unwrap().unwrap_err().to_string().contains("no space"));
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
