//! Tells systemd how the server is (sd_notify): ready, stopping, alive. Without systemd it does nothing. Must not know
//! what the server does.

use std::time::Duration;

use durable_sessions_server::{BoundServer, Pulse};
use sd_notify::NotifyState;
use tokio::task::JoinHandle;

/// Ends the watchdog's messages when it is dropped.
pub(super) struct Watchdog(Option<JoinHandle<()>>);

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

/// Says that the server is ready, and begins to say that it lives, where that is asked for.
pub(super) fn start(server: &BoundServer) -> Watchdog {
    let status = format!("listening on {}", server.local_addr());
    notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
    let pulse = server.pulse();
    Watchdog(sd_notify::watchdog_enabled().map(|longest| tokio::spawn(beat(pulse, longest / 2))))
}

/// Says that the server is going down; what follows may take its shutdown deadline.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping, NotifyState::Status("finishing what is under way")]);
}

/// A server whose runtime is stuck, or whose store is lost for good, falls silent, and systemd starts it again.
async fn beat(pulse: Pulse, interval: Duration) {
    loop {
        if pulse.beats() {
            notify(&[NotifyState::Watchdog]);
        }
        tokio::time::sleep(interval).await;
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(error_id = "systemd-not-told", %error, "systemd cannot be told how the server is");
    }
}
