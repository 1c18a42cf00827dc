//! `read`: writes what a stream holds now. Must not know HTTP.

use std::io::Write as _;

use durable_sessions_client::From as ReadFrom;

use crate::args::ReadArgs;
use crate::failure::Failure;
use crate::notice::notice;
use crate::output::Output;
use crate::recording::write_event;
use crate::remote::Remote;

/// Writes all pages from the given cursor to the tail, and says on standard error where reading would go on.
pub(crate) async fn run(args: &ReadArgs) -> Result<(), Failure> {
    let path = args.target.path()?;
    let mut from = args.offset.clone();
    let remote = Remote::new(&args.connection)?;
    let mut output = Output::lock();
    loop {
        let page = remote.page(&path, &from).await?;
        match page.bytes() {
            Some(bytes) => output.write(|out| out.write_all(bytes))?,
            None => {
                for message in page.messages() {
                    output.write(|out| write_event(out, &message))?;
                }
            }
        }
        output.flush()?;
        // An empty page that is not the last would be asked for again and again.
        if page.up_to_date || page.is_empty() {
            let closed = if page.closed { "; the stream is closed" } else { "" };
            notice(&format!("next cursor {}{closed}", page.next));
            return Ok(());
        }
        from = ReadFrom::After { cursor: page.next, count: None };
    }
}
