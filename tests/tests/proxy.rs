//! The server behind nginx and behind Caddy, as docs/deployment.md sets them up: live answers are passed on at once, tokens
//! are not logged, and addresses that a client makes up are not believed. `cargo xtask setup` installs Debian's packages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use durable_sessions_tests::{AppendConnection, Connection, ServerProcess, Store, Subscriber};

const NGINX: &str = include_str!("../proxy/nginx.conf");
const CADDY: &str = include_str!("../proxy/Caddyfile");
const DOCUMENT: &str = include_str!("../../docs/deployment.md");
/// Far longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const EVENTS: u64 = 20;
/// Stands in a query, and must not stand in a log.
const TOKEN: &str = "dss1.a-stream-token";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Nginx,
    Caddy,
}

/// Killed when dropped; workers end with it.
struct Proxy(Child);

impl Proxy {
    async fn start(kind: Kind, dir: &Path, upstream: SocketAddr) -> (Self, SocketAddr) {
        // Free a moment ago; neither can say which port the system chose.
        let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let template = if kind == Kind::Nginx { NGINX } else { CADDY };
        let config = template
            .replace("LISTEN", &listen.to_string())
            .replace("PORT", &listen.port().to_string())
            .replace("UPSTREAM", &upstream.to_string())
            .replace("DIR", dir.to_str().unwrap());
        let path = dir.join("proxy.conf");
        std::fs::write(&path, config).unwrap();
        let mut command = Command::new(binary(kind));
        match kind {
            Kind::Nginx => command.arg("-p").arg(dir).arg("-c").arg(&path).args(["-g", "daemon off;"]),
            Kind::Caddy => command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&path),
        };
        // Caddy keeps what it finds out in the home directory.
        let child = command.env("HOME", dir).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let proxy = Self(child.expect("nginx and caddy are installed by `cargo xtask setup`"));
        let up = async {
            while tokio::net::TcpStream::connect(listen).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, up).await.expect("the proxy listens");
        (proxy, listen)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Debian keeps nginx where only administrators look.
fn binary(kind: Kind) -> PathBuf {
    let name = if kind == Kind::Nginx { "nginx" } else { "caddy" };
    let found =
        ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"].map(|dir| Path::new(dir).join(name));
    found.into_iter().find(|path| path.is_file()).unwrap_or_else(|| name.into())
}

async fn passes_live_answers_and_hides_tokens(kind: Kind) {
    let dir = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(Store::Memory, &[]).unwrap();
    let (proxy, address) = Proxy::start(kind, dir.path(), server.address()).await;
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
    let mut other = Connection::open(address).await.unwrap();
    let read = format!("sessions/proxied?offset=-1&token={TOKEN}");
    assert_eq!(other.send("GET", &read, &[], "").await.unwrap().status, 200);
    // Its log is whole when it has ended.
    drop((subscriber, appends, other, proxy));
    let log = std::fs::read_to_string(dir.path().join("access.log")).unwrap();
    assert!(log.contains("/v1/stream/sessions/proxied") && !log.contains(TOKEN), "{log}");
}

/// Requests that the server counts by address are counted by the one that the proxy saw.
async fn replaces_what_a_client_says_of_its_address(kind: Kind) {
    let dir = tempfile::tempdir().unwrap();
    let limited = ["--trusted-proxies", "127.0.0.1", "--requests-per-address", "1/m,burst:3"];
    let server = ServerProcess::start(Store::Memory, &limited).unwrap();
    let (_proxy, address) = Proxy::start(kind, dir.path(), server.address()).await;
    let mut connection = Connection::open(address).await.unwrap();
    let mut statuses = Vec::new();
    for number in 0..5 {
        let made_up = format!("198.51.100.{number}");
        let headers = [("x-forwarded-for", made_up.as_str())];
        // Public, and so not answered before its address is counted.
        let answer = connection.send("GET", "__ds/jwks.json", &headers, "").await.unwrap();
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
}

#[tokio::test]
async fn live_answers_pass_nginx_one_by_one_and_queries_are_not_logged() {
    passes_live_answers_and_hides_tokens(Kind::Nginx).await;
}

#[tokio::test]
async fn live_answers_pass_caddy_one_by_one_and_tokens_are_not_logged() {
    passes_live_answers_and_hides_tokens(Kind::Caddy).await;
}

#[tokio::test]
async fn nginx_replaces_what_a_client_says_of_its_address() {
    replaces_what_a_client_says_of_its_address(Kind::Nginx).await;
}

#[tokio::test]
async fn caddy_replaces_what_a_client_says_of_its_address() {
    replaces_what_a_client_says_of_its_address(Kind::Caddy).await;
}

#[test]
fn the_document_says_what_is_tested() {
    let block = |text: &str, start: &str, end: &str| {
        let start = text.find(start).unwrap_or_else(|| panic!("no {start}"));
        text[start..start + text[start..].find(end).unwrap()].to_owned()
    };
    for (template, start, end) in [
        (NGINX, "    location / {", "\n    }\n"),
        (CADDY, "        # Live answers are passed on at once.", "\n    }\n"),
        (CADDY, "        format filter {", "\n        }\n"),
    ] {
        assert_eq!(block(DOCUMENT, start, end), block(template, start, end));
    }
}
