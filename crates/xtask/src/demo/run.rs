//! The demo while it is live: keys, the agent's runs, and an orderly end.

use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::keys::{Key, Keys};
use super::server::{DemoServer, TOKEN_VARIABLE, URL_VARIABLE};
use crate::cli::DemoOptions;
use crate::command::{Invocation, Running};
use crate::failure::StepError;
use crate::interrupt;
use crate::screen;
use crate::workbench::Workbench;

const PATIENCE: Duration = Duration::from_millis(100);

/// Until somebody quits, or with `--once` until the run has ended; false when that did not end well.
pub(super) fn live(bench: &Workbench, options: &DemoOptions) -> Result<bool, StepError> {
    if let Some(file) = options.replay.as_deref().filter(|file| !file.is_file()) {
        return Err(StepError::unmet(
            format!("there is no file {}", file.display()),
            "--replay takes a recorded run",
        ));
    }
    let mut server = DemoServer::new(&bench.checkout, options.port)?;
    server.start()?;
    let mut runs = Runs { bench, replay: options.replay.as_deref(), current: None, count: 0 };
    let wanted = !options.no_agent || options.replay.is_some();
    let session = wanted.then(|| runs.next_session());
    let keys = Keys::open();
    introduce(&server.page(session.as_deref()), &keys);
    if let Some(session) = &session {
        runs.start(&server, session)?;
    }
    let mut good = true;
    while !interrupt::requested() {
        match keys.next(PATIENCE) {
            Some(Key::Quit) => break,
            Some(Key::Kill) => server.kill(),
            Some(Key::Start) => {
                if let Err(error) = server.start() {
                    screen::line(error);
                }
            }
            Some(Key::Agent) => {
                let session = runs.next_session();
                screen::line(format_args!("a new session: {}", screen::bold(server.page(Some(&session)))));
                runs.start(&server, &session)?;
            }
            None => {}
        }
        let failed = server.has_failed();
        if failed && !keys.are_there() {
            good = false;
            break;
        }
        if let Some(status) = runs.ended() {
            screen::line(format_args!("the run has ended ({status}); the session stays open to look at"));
            good = status.success();
            if options.once {
                break;
            }
        }
    }
    screen::line("stopping");
    runs.stop();
    server.stop();
    Ok(good)
}

fn introduce(page: &str, keys: &Keys) {
    screen::line("");
    screen::line(format_args!("  open   {}", screen::bold(page)));
    if keys.are_there() {
        screen::line("  keys   k kill -9 the server · s start it again · a run the agent again · q quit");
    } else {
        screen::line("  end    with SIGINT or SIGTERM");
    }
    screen::line("");
}

/// One run of the agent after the other, each in a session of its own.
struct Runs<'a> {
    bench: &'a Workbench,
    replay: Option<&'a Path>,
    current: Option<Running>,
    count: u32,
}

impl Runs<'_> {
    /// A name that no earlier demo on the same data has used.
    fn next_session(&mut self) -> String {
        self.count += 1;
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        format!("demo-{seconds}-{}", self.count)
    }

    fn start(&mut self, server: &DemoServer, session: &str) -> Result<(), StepError> {
        if self.current.is_some() {
            screen::line("the agent is still at work; that run is stopped first");
            self.stop();
        }
        let checkout = &self.bench.checkout;
        let command = match self.replay {
            Some(file) => {
                screen::in_lane("replay", || Invocation::new(checkout.server_binary(), checkout.root()))
                    .arg("replay")
                    .arg(std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf()))
            }
            None => screen::in_lane("agent", || Invocation::new(checkout.agent_binary(), checkout.root()))
                .arg("--repo")
                .arg(checkout.root())
                .arg("--cli")
                .arg(checkout.server_binary())
                // What it runs is cargo, in this checkout.
                .env("CARGO_TARGET_DIR", checkout.target()),
        };
        let command = command
            .args(["--session", session])
            .env(URL_VARIABLE, server.url())
            .env(TOKEN_VARIABLE, server.token())
            .advice("its own last lines above say why");
        self.current = Some(command.start()?);
        Ok(())
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.current.as_mut()?.ended()?;
        self.current = None;
        Some(status)
    }

    fn stop(&mut self) {
        if let Some(mut current) = self.current.take() {
            current.stop();
        }
    }
}
