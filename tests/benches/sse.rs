//! Over HTTP, one run: durable appends, SSE delivery latency, CPU per delivery, memory per idle subscriber.
//!
//! The server is the release binary in a process of its own; its CPU time and resident memory come from /proc.
//! The baseline of the deliveries is a bare loop that writes the same frame to as many sockets. Lines that start
//! with `bench` are for `cargo xtask bench`: name, value, unit.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use durable_sessions_tests::{AppendConnection, ServerProcess, Store, Subscriber};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Stands before the send time in every event; digits and a quote follow.
const MARKER: &[u8] = b"sent-ns=";

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --all-targets` runs this file too, without the flag of `cargo bench`; it has nothing to test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let server = ServerProcess::start(Store::Embedded(dir.path()), &["--sse-max-age", "1h"])?;
    println!("appends, durable (embedded engine, every acknowledgement synced)");
    for connections in [1, 64, 1000] {
        appends(&server, connections).await?;
    }
    println!("\nSSE delivery, one event at a time");
    for subscribers in [1, 100, 1000] {
        deliveries(&server, subscribers).await?;
    }
    println!("\nSSE flood: a writer that does not wait, 100 subscribers");
    flood(&server, 100).await?;
    println!("\nidle subscribers");
    drop(server);
    // A server of its own: what the load above freed would hide what a subscriber costs.
    idle_memory(&ServerProcess::start(Store::Memory, &[])?, 1000).await?;
    Ok(())
}

fn report(name: &str, value: f64, unit: &str) {
    println!("bench {name} {value:.2} {unit}");
}

fn event(origin: Instant, n: u64) -> Vec<u8> {
    format!(
        r#"{{"id":"bench-{n}","type":"chunk","timestamp":1,"data":{{"text":"sent-ns={} ","agentId":"bench"}}}}"#,
        origin.elapsed().as_nanos()
    )
    .into_bytes()
}

async fn create(server: &ServerProcess, path: &str) -> Result<(), Box<dyn Error>> {
    let status = AppendConnection::open(server.address()).await?.create(path).await?;
    if status == 201 { Ok(()) } else { Err(format!("PUT {path} answered {status}").into()) }
}

/// Closed loop: each connection appends, waits for its acknowledgement, appends again.
async fn appends(server: &ServerProcess, connections: usize) -> Result<(), Box<dyn Error>> {
    let run = Duration::from_secs(4);
    let origin = Instant::now();
    let counter = Arc::new(AtomicU64::new(0));
    let mut paths = Vec::new();
    for i in 0..connections {
        let path = format!("sessions/append-{connections}-{i}");
        create(server, &path).await?;
        paths.push(path);
    }
    let cpu = server.cpu_time().unwrap_or_default();
    let start = Instant::now();
    let mut writers = Vec::new();
    for path in paths {
        let (address, counter) = (server.address(), Arc::clone(&counter));
        writers.push(tokio::spawn(async move {
            let mut connection = AppendConnection::open(address).await?;
            let mut waits = Vec::new();
            while start.elapsed() < run {
                let n = counter.fetch_add(1, Ordering::Relaxed);
                let sent = Instant::now();
                let status = connection.append(&path, &event(origin, n)).await?;
                if !(200..300).contains(&status) {
                    return Err(io::Error::other(format!("append answered {status}")));
                }
                waits.push(sent.elapsed());
            }
            Ok(waits)
        }));
    }
    let mut waits = Vec::new();
    for writer in writers {
        waits.extend(writer.await??);
    }
    let took = start.elapsed().as_secs_f64();
    let cpu = server.cpu_time().unwrap_or_default().saturating_sub(cpu);
    let (count, [p50, p99]) = (waits.len() as f64, percentiles(&mut waits));
    println!("  {connections:>4} connections: {:>8.0}/s, p50 {p50:.2} ms, p99 {p99:.2} ms", count / took);
    report(&format!("append/{connections}/rate"), count / took, "per-s");
    report(&format!("append/{connections}/server-cpu"), cpu.as_secs_f64() * 1e6 / count, "us-per-append");
    report(&format!("append/{connections}/p99"), p99, "ms");
    Ok(())
}

fn percentiles(waits: &mut [Duration]) -> [f64; 2] {
    waits.sort_unstable();
    [0.50, 0.99].map(|p| {
        let at = ((waits.len() as f64 * p) as usize).min(waits.len().saturating_sub(1));
        waits.get(at).map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e3)
    })
}

/// Subscribers that report (send time in ns) of everything they get.
async fn subscribe(
    address: SocketAddr,
    path: &str,
    count: usize,
    received: &mpsc::UnboundedSender<u64>,
) -> Result<Vec<tokio::task::JoinHandle<()>>, Box<dyn Error>> {
    let mut tasks = Vec::with_capacity(count);
    for _ in 0..count {
        let mut subscriber = Subscriber::open(address, path).await?;
        let received = received.clone();
        tasks.push(tokio::spawn(async move {
            while let Ok(sent_ns) = subscriber.next_number(MARKER).await {
                if received.send(sent_ns).is_err() {
                    break;
                }
            }
        }));
    }
    Ok(tasks)
}

/// The next event goes out when every subscriber has the last one, so each delivery is a wake-up of its own.
async fn deliveries(server: &ServerProcess, subscribers: usize) -> Result<(), Box<dyn Error>> {
    let path = format!("sessions/deliver-{subscribers}");
    create(server, &path).await?;
    let (sender, mut received) = mpsc::unbounded_channel();
    let tasks = subscribe(server.address(), &path, subscribers, &sender).await?;
    let origin = Instant::now();
    let mut writer = AppendConnection::open(server.address()).await?;
    let rounds = if subscribers >= 1000 { 100 } else { 400 };
    let mut waits = Vec::with_capacity(rounds * subscribers);
    let cpu = server.cpu_time().unwrap_or_default();
    for round in 0..rounds {
        writer.append(&path, &event(origin, round as u64)).await?;
        for _ in 0..subscribers {
            let sent_ns = received.recv().await.ok_or("subscribers ended")?;
            waits.push(origin.elapsed().saturating_sub(Duration::from_nanos(sent_ns)));
        }
    }
    let cpu = server.cpu_time().unwrap_or_default().saturating_sub(cpu);
    let count = waits.len() as f64;
    let [p50, p99] = percentiles(&mut waits);
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    let [floor_p50, floor_p99] = bare_fan_out(subscribers, rounds).await?;
    println!(
        "  {subscribers:>4} subscribers: p50 {p50:.2} ms, p99 {p99:.2} ms (bare socket writes: p50 {floor_p50:.2} ms, \
         p99 {floor_p99:.2} ms; ours includes the synced append)"
    );
    report(&format!("sse/{subscribers}/p50"), p50, "ms");
    report(&format!("sse/{subscribers}/p99"), p99, "ms");
    report(&format!("sse/{subscribers}/p50-over-bare"), p50 / floor_p50, "ratio");
    report(&format!("sse/{subscribers}/server-cpu"), cpu.as_secs_f64() * 1e6 / count, "us-per-delivery");
    Ok(())
}

/// The floor: one task writes the same frame to every socket in turn.
async fn bare_fan_out(subscribers: usize, rounds: usize) -> Result<[f64; 2], Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (sender, mut received) = mpsc::unbounded_channel::<u64>();
    let mut sockets = Vec::with_capacity(subscribers);
    for _ in 0..subscribers {
        let mut reader = TcpStream::connect(address).await?;
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        sockets.push(socket);
        let sender = sender.clone();
        tokio::spawn(async move {
            let mut frame = [0u8; 256];
            while reader.read_exact(&mut frame).await.is_ok() {
                let sent = frame.iter().take_while(|b| b.is_ascii_digit());
                let _ = sender.send(sent.fold(0, |n, digit| n * 10 + u64::from(digit - b'0')));
            }
        });
    }
    let origin = Instant::now();
    let mut waits = Vec::with_capacity(rounds * subscribers);
    for _ in 0..rounds {
        let mut frame = format!("{} ", origin.elapsed().as_nanos()).into_bytes();
        frame.resize(256, b' ');
        for socket in &mut sockets {
            socket.write_all(&frame).await?;
        }
        for _ in 0..subscribers {
            let sent_ns = received.recv().await.ok_or("readers ended")?;
            waits.push(origin.elapsed().saturating_sub(Duration::from_nanos(sent_ns)));
        }
    }
    Ok(percentiles(&mut waits))
}

/// Open loop from 16 connections: how many deliveries a second get out when everything pending is coalesced.
async fn flood(server: &ServerProcess, subscribers: usize) -> Result<(), Box<dyn Error>> {
    const WRITERS: usize = 16;
    const APPENDS_PER_WRITER: usize = 400;
    let path = "sessions/flood";
    create(server, path).await?;
    let (sender, mut received) = mpsc::unbounded_channel();
    let tasks = subscribe(server.address(), path, subscribers, &sender).await?;
    let cpu = server.cpu_time().unwrap_or_default();
    let start = Instant::now();
    for writer in 0..WRITERS {
        let address = server.address();
        tokio::spawn(async move {
            let mut connection = AppendConnection::open(address).await?;
            for n in 0..APPENDS_PER_WRITER {
                connection.append(path, &event(start, (writer * APPENDS_PER_WRITER + n) as u64)).await?;
            }
            Ok::<_, io::Error>(())
        });
    }
    let expected = WRITERS * APPENDS_PER_WRITER * subscribers;
    for _ in 0..expected {
        tokio::time::timeout(Duration::from_secs(60), received.recv()).await?.ok_or("subscribers ended")?;
    }
    let rate = expected as f64 / start.elapsed().as_secs_f64();
    let cpu = server.cpu_time().unwrap_or_default().saturating_sub(cpu);
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    println!("  {rate:.0} deliveries/s");
    report(&format!("sse/flood-{subscribers}/rate"), rate, "per-s");
    report(
        &format!("sse/flood-{subscribers}/server-cpu"),
        cpu.as_secs_f64() * 1e6 / expected as f64,
        "us-per-delivery",
    );
    Ok(())
}

/// Resident memory before and after, divided. The second thousand counts: the first also pays for what is shared.
async fn idle_memory(server: &ServerProcess, subscribers: usize) -> Result<(), Box<dyn Error>> {
    let path = "sessions/idle";
    create(server, path).await?;
    let mut held = Vec::new();
    for _ in 0..subscribers {
        held.push(Subscriber::open(server.address(), path).await?);
    }
    let before = server.resident_bytes().ok_or("no resident size")?;
    for _ in 0..subscribers {
        held.push(Subscriber::open(server.address(), path).await?);
    }
    let after = server.resident_bytes().ok_or("no resident size")?;
    let each = after.saturating_sub(before) as f64 / subscribers as f64 / 1024.0;
    println!("  {each:.1} KB each (resident {:.1} MB with {})", after as f64 / 1e6, held.len());
    report("sse/idle-subscriber", each, "KB");
    Ok(())
}
