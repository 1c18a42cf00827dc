//! Ctrl-C, SIGTERM and a closed terminal as one question: should we stop?

use std::io;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// The first signal asks all steps to stop and clean up behind themselves.
pub(crate) fn install() -> io::Result<()> {
    let stop = STOP.get_or_init(Arc::default);
    for signal in SIGNALS {
        signal_hook::flag::register(signal, Arc::clone(stop))?;
    }
    Ok(())
}

/// Like [`install`], and a second signal ends this process at once: for the process a person sees. The
/// guards of its children notice and stop them, so they must not do the same.
pub(crate) fn install_impatient() -> io::Result<()> {
    let stop = STOP.get_or_init(Arc::default);
    for signal in SIGNALS {
        // Registered first, so that it looks at the flag before the same signal sets it.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(stop))?;
    }
    install()
}

/// Whether somebody asked this process to stop.
pub(crate) fn requested() -> bool {
    STOP.get().is_some_and(|stop| stop.load(Ordering::Relaxed))
}
