//! `top`: what a server does, live, from its metrics.

mod exposition;
mod screen;
mod view;

use std::time::{Duration, Instant};

use crate::args::TopArgs;
use crate::failure::Failure;
use crate::remote::Remote;

use exposition::Exposition;
use screen::Screen;

/// Looks at a server until it is interrupted. A server that is away for a moment is waited for, as by all commands.
pub(crate) async fn run(args: &TopArgs) -> Result<(), Failure> {
    if args.interval < Duration::from_millis(100) {
        return Err(Failure::Usage { argument: "--interval", reason: "at least 100ms".to_owned() });
    }
    let remote = Remote::new(&args.connection)?;
    let mut before = look(&remote).await?;
    let mut screen = Screen::open(args.once)?;
    loop {
        tokio::time::sleep(args.interval).await;
        let now = look(&remote).await?;
        let elapsed = now.0.duration_since(before.0);
        screen.show(&view::lines(&before.1, &now.1, elapsed))?;
        if args.once {
            return Ok(());
        }
        before = now;
    }
}

async fn look(remote: &Remote) -> Result<(Instant, Exposition), Failure> {
    let text = remote.metrics().await?;
    Ok((Instant::now(), Exposition::parse(&text)))
}
