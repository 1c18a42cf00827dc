//! `tail`: follows a stream live, for people or as JSON lines. Must not know HTTP.

use std::io::Write as _;

use crate::args::TailArgs;
use crate::failure::Failure;
use crate::follow::Followed;
use crate::output::Output;
use crate::recording::write_event;
use crate::remote::Remote;
use crate::render::Renderer;

/// Writes what comes until the stream is closed.
pub(crate) async fn run(args: &TailArgs) -> Result<(), Failure> {
    let path = args.target.path()?;
    let mut stream = Remote::new(&args.connection)?.follow(&path, args.from.clone());
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
            Followed::Checkpoint { .. } | Followed::Interrupted => output.flush()?,
            Followed::Closed => {
                let text = renderer.end_line();
                output.write(|out| out.write_all(text.as_bytes()))?;
                return output.flush();
            }
        }
    }
}
