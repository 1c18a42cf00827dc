//! The whole life of a stream in one program: created, written exactly once, followed, forked, closed.
//!
//! ```sh
//! durable-sessions serve --store memory --dev-no-auth &
//! cargo run -p durable-sessions-client --example quickstart -- http://127.0.0.1:4437
//! ```
//!
//! With a token: `DURABLE_SESSIONS_TOKEN`. Any server of the Durable Streams protocol will do.

use std::error::Error;

use durable_sessions_client::schema::{Event, Payload, SessionId};
use durable_sessions_client::{
    Client, DeleteError, Fork, ForkPoint, Item, LiveModes, Secret, SubscribeOptions, Subscription,
    TokenFailure, TokenSource,
};

/// Does everything and says what it does by `say`.
pub(crate) async fn run(url: &str, session: &str, say: impl Fn(String)) -> Result<(), Box<dyn Error>> {
    // Asked before every request; the flag says that the last token was refused, so a cached one is of no use.
    let token = TokenSource::provider(|_refused| {
        Box::pin(async {
            let token = std::env::var("DURABLE_SESSIONS_TOKEN").unwrap_or_else(|_| "none".to_owned());
            if token.contains('\n') {
                Err(TokenFailure("a token has one line".to_owned()))
            } else {
                Ok(Secret::new(&token))
            }
        })
    });
    let client = Client::builder(url).token_source(token).build()?;
    let session: SessionId = session.parse()?;
    let stream = Client::session(&session);
    let created = client.create(&stream).await?;
    say(format!("{} {stream}", if created.existed { "found" } else { "created" }));

    // Follows by SSE, and by long-poll where that does not work. Reconnects and resumes by itself.
    let reader = client.subscribe(&stream, SubscribeOptions::default());
    // A second reader, which polls from the beginning.
    let polling = SubscribeOptions { live: Some(LiveModes::LongPoll), ..SubscribeOptions::default() };
    let poller = client.subscribe(&stream, polling);

    // Batches go out several at a time, in order, each exactly once, through lost answers and restarts.
    let producer = client.producer(&stream, format!("quickstart-{session}").parse()?);
    for n in 0..100_u64 {
        let payload =
            Payload::Unknown { event_type: "my:tick".to_owned(), data: serde_json::json!({ "n": n }) };
        producer.append_event(&Event::new(format!("tick-{n}").parse()?, n, payload)).await?;
    }
    // Only when this returns without an error is everything on the server's disk.
    producer.close().await?;

    let page = client.read(&stream, &durable_sessions_client::From::Start).await?;
    say(format!("read {} messages, next cursor {}", page.len(), page.next));
    let fork = Fork { source: stream.clone(), at: ForkPoint::At(page.next), sub_offset: 0 };
    let copy = Client::session(&format!("{session}-fork").parse()?);
    client.fork(&copy, fork).await?;
    say(format!("forked it into {copy}"));

    client.close(&stream).await?;
    say(format!("the reader got {} events", to_the_end(reader).await?));
    say(format!("the poller got {} events", to_the_end(poller).await?));
    for stream in [&copy, &stream] {
        match client.delete(stream).await {
            // An earlier request whose answer was lost may have deleted it.
            Ok(()) | Err(DeleteError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    say("deleted both".to_owned());
    Ok(())
}

/// Counts the events of a stream until it is closed.
async fn to_the_end(mut subscription: Subscription) -> Result<u64, Box<dyn Error>> {
    let mut events = 0;
    while let Some(item) = subscription.next().await {
        match item {
            Item::Event(_) => events += 1,
            // The stream goes on after these; what they are about is told, never dropped in silence.
            Item::Rejected(message) => return Err(message.rejection.to_string().into()),
            Item::BadFrame(frame) => return Err(frame.message.into()),
            // All attempts have failed, or the server refused for good.
            Item::Lost(info) => return Err(info.cause.to_string().into()),
            _ => {}
        }
    }
    Ok(events)
}

#[tokio::main]
#[allow(dead_code, reason = "the tests include this file and call `run`")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "http://127.0.0.1:4437".to_owned());
    let session = arguments.next().unwrap_or_else(|| format!("quickstart-{}", std::process::id()));
    #[expect(clippy::print_stdout, reason = "this is what an example is for")]
    run(&url, &session, |line| println!("{line}")).await
}
