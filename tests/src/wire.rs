//! The least HTTP a load needs: keep-alive appends and raw SSE bodies over plain sockets, so that the client's
//! share of the two cores stays small.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One keep-alive connection that appends.
#[derive(Debug)]
pub struct AppendConnection {
    socket: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl AppendConnection {
    /// Connects.
    ///
    /// # Errors
    /// As the socket says.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, request: Vec::new(), answer: Vec::with_capacity(2048) })
    }

    /// `PUT`s a JSON stream and answers the status code.
    ///
    /// # Errors
    /// As the socket says, or on an answer that is not HTTP.
    pub async fn create(&mut self, path: &str) -> io::Result<u16> {
        self.send("PUT", path, b"").await
    }

    /// `POST`s one JSON body and answers the status code once the server has acknowledged it.
    ///
    /// # Errors
    /// As the socket says, or on an answer that is not HTTP.
    pub async fn append(&mut self, path: &str, body: &[u8]) -> io::Result<u16> {
        self.send("POST", path, body).await
    }

    async fn send(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<u16> {
        self.request.clear();
        self.request.extend_from_slice(
            format!(
                "{method} /v1/stream/{path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n",
                body.len()
            )
            .as_bytes(),
        );
        self.request.extend_from_slice(body);
        self.socket.write_all(&self.request).await?;
        self.answer.clear();
        loop {
            if self.socket.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some((status, len)) = whole_answer(&self.answer)
                && self.answer.len() >= len
            {
                return Ok(status);
            }
        }
    }
}

/// Status and full length of the answer, once its head is there.
fn whole_answer(bytes: &[u8]) -> Option<(u16, usize)> {
    let head_len = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..head_len]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let body_len = head
        .lines()
        .find_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0usize);
    Some((status, head_len + body_len))
}

/// One SSE subscriber that hands out the raw bytes as they come.
#[derive(Debug)]
pub struct Subscriber {
    socket: TcpStream,
    pending: Vec<u8>,
}

impl Subscriber {
    /// Subscribes from the tail and waits for the first control event, so that nothing appended later is missed.
    ///
    /// # Errors
    /// As the socket says, or when the answer is not 200.
    pub async fn open(address: SocketAddr, path: &str) -> io::Result<Self> {
        let mut socket = TcpStream::connect(address).await?;
        let request =
            format!("GET /v1/stream/{path}?offset=now&live=sse HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
        socket.write_all(request.as_bytes()).await?;
        let mut subscriber = Self { socket, pending: Vec::new() };
        loop {
            subscriber.fill().await?;
            if !subscriber.pending.starts_with(b"HTTP/1.1 200"[..subscriber.pending.len().min(12)].as_ref()) {
                let answer = String::from_utf8_lossy(&subscriber.pending).into_owned();
                return Err(io::Error::other(answer));
            }
            if subscriber.pending.windows(15).any(|window| window == b"\"streamNextOffs") {
                subscriber.pending.clear();
                return Ok(subscriber);
            }
        }
    }

    /// Waits for the next number that stands after `marker` in the body.
    ///
    /// # Errors
    /// As the socket says, at its end too.
    pub async fn next_number(&mut self, marker: &[u8]) -> io::Result<u64> {
        loop {
            if let Some((number, consumed)) = number_after(&self.pending, marker) {
                self.pending.drain(..consumed);
                return Ok(number);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.pending.reserve(1024);
        if self.socket.read_buf(&mut self.pending).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

fn number_after(bytes: &[u8], marker: &[u8]) -> Option<(u64, usize)> {
    let start = bytes.windows(marker.len()).position(|window| window == marker)? + marker.len();
    let len = bytes[start..].iter().position(|b| !b.is_ascii_digit())?;
    let number = std::str::from_utf8(&bytes[start..start + len]).ok()?.parse().ok()?;
    Some((number, start + len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_measured_whole() {
        let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(whole_answer(answer), Some((400, answer.len())));
        assert_eq!(whole_answer(&answer[..20]), None);
        assert_eq!(number_after(b"xx t=12 y", b"t="), Some((12, 7)));
        assert_eq!(number_after(b"xx t=12", b"t="), None);
    }
}
