//! Ctrl-C, SIGTERM and a closed terminal as one question: should we stop?

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

static STOP: AtomicBool = AtomicBool::new(false);

const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];
/// `timeout` and some shells send the same wish twice; a person takes longer to lose patience.
const PATIENCE: Duration = Duration::from_secs(1);
/// Conventional for "ended by Ctrl-C".
const EXIT_CODE: i32 = 130;

/// The first signal asks all steps to stop and clean up behind themselves; further ones change nothing.
pub(crate) fn install() -> io::Result<()> {
    listen(|| {})
}

/// Like [`install`], and a later signal ends this process at once: for the process a person sees. The
/// guards of its children notice that it is gone and stop them.
pub(crate) fn install_impatient() -> io::Result<()> {
    listen(|| std::process::exit(EXIT_CODE))
}

/// Whether somebody asked this process to stop.
pub(crate) fn requested() -> bool {
    STOP.load(Ordering::Relaxed)
}

fn listen(again: fn()) -> io::Result<()> {
    let mut signals = Signals::new(SIGNALS)?;
    thread::spawn(move || {
        let mut first = None;
        for _ in signals.forever() {
            STOP.store(true, Ordering::Relaxed);
            if first.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                again();
            }
        }
    });
    Ok(())
}
