//! The server behind nginx, as docs/deployment.md sets it up: live answers are passed on at once, and tokens are not
//! logged. `cargo xtask setup` installs Debian's nginx.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use durable_sessions_tests::{AppendConnection, ServerProcess, Store, Subscriber};

const TEMPLATE: &str = include_str!("../proxy/nginx.conf");
const DOCUMENT: &str = include_str!("../../docs/deployment.md");
/// Far longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const EVENTS: u64 = 20;

/// Killed when dropped; its worker ends with it.
struct Nginx(Child);

impl Nginx {
    async fn start(dir: &Path, upstream: SocketAddr) -> (Self, SocketAddr) {
        // Free a moment ago; nginx cannot say which port the system chose.
        let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = TEMPLATE
            .replace("LISTEN", &listen.to_string())
            .replace("UPSTREAM", &upstream.to_string())
            .replace("DIR", dir.to_str().unwrap());
        let path = dir.join("nginx.conf");
        std::fs::write(&path, config).unwrap();
        // Debian keeps it where only administrators look.
        let found = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"];
        let binary = found.into_iter().find(|path| Path::new(path).is_file()).unwrap_or("nginx");
        let child = Command::new(binary)
            .arg("-p")
            .arg(dir)
            .arg("-c")
            .arg(&path)
            .args(["-g", "daemon off;"])
            .stdout(Stdio::null())
            .spawn()
            .expect("nginx is installed by `cargo xtask setup`");
        let nginx = Self(child);
        let up = async {
            while tokio::net::TcpStream::connect(listen).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, up).await.expect("nginx listens");
        (nginx, listen)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn live_answers_pass_nginx_one_by_one_and_queries_are_not_logged() {
    let dir = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(Store::Memory, &[]).unwrap();
    let (nginx, address) = Nginx::start(dir.path(), server.address()).await;
    let mut appends = AppendConnection::open(address).await.unwrap();
    assert_eq!(appends.create("sessions/proxied").await.unwrap(), 201);
    let mut subscriber = Subscriber::open(address, "sessions/proxied").await.unwrap();
    for number in 0..EVENTS {
        let event = format!(
            r#"{{"id":"{number}","type":"chunk","timestamp":1,"data":{{"text":"x","turn":{number}}}}}"#
        );
        assert_eq!(appends.append("sessions/proxied", event.as_bytes()).await.unwrap(), 204);
        // A proxy that buffered would keep it until the answer ends, a minute later.
        let seen = tokio::time::timeout(PATIENCE / 4, subscriber.next_number(b"\"turn\":")).await;
        assert_eq!(seen.expect("the event is passed on at once").unwrap(), number);
    }
    drop((subscriber, appends, nginx));
    let log = std::fs::read_to_string(dir.path().join("access.log")).unwrap();
    assert!(log.contains("GET /v1/stream/sessions/proxied\"") && !log.contains("live=sse"), "{log}");
}

#[test]
fn the_document_says_what_is_tested() {
    let location = |text: &str| {
        let start = text.find("    location / {").unwrap();
        text[start..start + text[start..].find("\n    }\n").unwrap()].to_owned()
    };
    assert_eq!(location(DOCUMENT), location(TEMPLATE));
}
