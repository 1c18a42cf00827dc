//! The native client against a small server of the protocol that misbehaves on demand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests and their server assert")]

mod faults;
mod following;
mod operations;
mod polling;
mod producing;
#[path = "../../examples/quickstart.rs"]
mod quickstart;
mod support;

#[tokio::test]
async fn the_example_runs() {
    let server = support::TestServer::start();
    let said = std::sync::Mutex::new(Vec::new());
    quickstart::run(&server.url(), "s-1", |line| said.lock().unwrap().push(line)).await.unwrap();
    let said = said.into_inner().unwrap().join("\n");
    for line in ["created sessions/s-1", "the reader got 100 events", "the poller got 100 events", "deleted"]
    {
        assert!(said.contains(line), "{line}: {said}");
    }
}
