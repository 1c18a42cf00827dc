//! `record`: writes a session in the recording format. Must not know HTTP.

use durable_sessions_client::protocol::StreamPath;
use durable_sessions_client::{From as ReadFrom, LiveModes};
use tokio::time::{Instant, timeout_at};

use crate::args::RecordArgs;
use crate::failure::Failure;
use crate::follow::Followed;
use crate::notice::notice;
use crate::output::Output;
use crate::recording::{write_event, write_header};
use crate::remote::{Remote, session_path};

/// Records from the start until the session is closed, idle, or read to its tail.
pub(crate) async fn run(args: &RecordArgs) -> Result<(), Failure> {
    let path = session_path(&args.session)?;
    let remote = Remote::new(&args.connection)?;
    // Before the header is written, so that an unknown session leaves no empty recording behind.
    remote.check_exists(&path).await?;
    let mut recorder = Recorder { output: Output::lock(), count: 0 };
    recorder.output.write(|out| write_header(out, &args.session))?;
    if args.no_follow {
        recorder.pages(&remote, &path).await?;
    } else {
        recorder.follow(&remote, &path, args.until_idle).await?;
    }
    recorder.output.flush()?;
    notice(&format!("recorded {} events of session {}", recorder.count, args.session));
    Ok(())
}

struct Recorder {
    output: Output,
    count: u64,
}

impl Recorder {
    fn event(&mut self, json: &[u8]) -> Result<(), Failure> {
        self.count += 1;
        self.output.write(|out| write_event(out, json))
    }

    async fn pages(&mut self, remote: &Remote, path: &StreamPath) -> Result<(), Failure> {
        let mut from = ReadFrom::Start;
        loop {
            let page = remote.page(path, &from).await?;
            for message in page.messages() {
                self.event(&message)?;
            }
            if page.up_to_date || page.is_empty() {
                return Ok(());
            }
            from = ReadFrom::After { cursor: page.next, count: None };
        }
    }

    async fn follow(
        &mut self,
        remote: &Remote,
        path: &StreamPath,
        idle_max: Option<std::time::Duration>,
    ) -> Result<(), Failure> {
        let mut stream = remote.follow(path, ReadFrom::Start, LiveModes::Auto);
        // Since when nothing has come, as long as we know that nothing waits at the server.
        let mut quiet_since: Option<Instant> = None;
        let mut is_up_to_date = false;
        loop {
            let ends_at = idle_max.zip(quiet_since).map(|(idle_max, since)| since + idle_max);
            let followed = match ends_at {
                None => stream.next().await?,
                Some(at) => match timeout_at(at, stream.next()).await {
                    Ok(followed) => followed?,
                    Err(_) => return Ok(()),
                },
            };
            match followed {
                Followed::Message { raw, .. } => {
                    self.event(&raw)?;
                    quiet_since = is_up_to_date.then(Instant::now);
                }
                Followed::Checkpoint { up_to_date } => {
                    self.output.flush()?;
                    is_up_to_date = up_to_date;
                    quiet_since = up_to_date.then(|| quiet_since.unwrap_or_else(Instant::now));
                }
                Followed::Interrupted => {
                    is_up_to_date = false;
                    quiet_since = None;
                }
                Followed::Bytes(_) => {} // Sessions are JSON.
                Followed::Closed => return Ok(()),
            }
        }
    }
}
