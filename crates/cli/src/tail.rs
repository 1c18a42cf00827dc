//! `tail`: follows a stream live, for people, as JSON lines, or byte for byte. Must not know HTTP.

use std::io::Write as _;

use durable_sessions_client::LiveModes;

use crate::args::{LiveChoice, TailArgs};
use crate::failure::Failure;
use crate::follow::{Followed, Follower};
use crate::output::Output;
use crate::recording::write_event;
use crate::remote::Remote;
use crate::render::Renderer;

/// Writes what comes until the stream is closed.
pub(crate) async fn run(args: &TailArgs) -> Result<(), Failure> {
    let mut stream = follow(args).await?;
    let mut output = Output::lock();
    let mut renderer = Renderer::default();
    loop {
        match stream.next().await? {
            Followed::Message { raw, .. } if args.json => output.write(|out| write_event(out, &raw))?,
            Followed::Message { event: Some(event), .. } => {
                let text = renderer.event(&event);
                output.write(|out| out.write_all(text.as_bytes()))?;
            }
            Followed::Message { raw, event: None } => {
                let text = renderer.unknown(&raw);
                output.write(|out| out.write_all(text.as_bytes()))?;
            }
            Followed::Bytes(bytes) => {
                output.write(|out| out.write_all(&bytes))?;
                output.flush()?;
            }
            Followed::Checkpoint { .. } | Followed::Interrupted => output.flush()?,
            Followed::Closed => {
                let text = renderer.end_line();
                output.write(|out| out.write_all(text.as_bytes()))?;
                return output.flush();
            }
        }
    }
}

async fn follow(args: &TailArgs) -> Result<Follower, Failure> {
    let path = args.target.path()?;
    let remote = Remote::new(&args.connection)?;
    let (from, live) = (args.from.clone(), args.live.into());
    if args.target.is_session() {
        return Ok(remote.follow(&path, from, live));
    }
    let content_type = remote.check_exists(&path).await?;
    if content_type.is_json() {
        return Ok(remote.follow(&path, from, live));
    }
    if args.json {
        let reason = format!("{path} holds {content_type}, not JSON");
        return Err(Failure::Usage { argument: "--json", reason });
    }
    // By SSE the line ends of text would all become LF, and `read` would write something else than this.
    let live = match args.live {
        LiveChoice::Auto if content_type.is_text() => LiveModes::LongPoll,
        _ => live,
    };
    Ok(remote.follow_bytes(&path, &content_type, from, live))
}
