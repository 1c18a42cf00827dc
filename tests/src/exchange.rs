//! Whole requests and answers over one keep-alive connection, for tests that look at headers.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection; requests go out one after the other.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    received: Vec<u8>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// Content.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, whose name is given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// As the socket says.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, received: Vec::new() })
    }

    /// Sends a request about a stream and waits for its answer. `target` is the stream's path, with a query if any.
    ///
    /// # Errors
    /// As [`Connection::request`].
    pub async fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Answer> {
        self.request(method, &format!("/v1/stream/{target}"), headers, body).await
    }

    /// Sends a request to any route and waits for its answer.
    ///
    /// # Errors
    /// As the socket says, or on an answer that is not HTTP or has no length.
    pub async fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Answer> {
        let mut request = format!("{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        self.socket.write_all(request.as_bytes()).await?;
        let head_len = loop {
            if let Some(at) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.fill().await?;
        };
        let head = std::str::from_utf8(&self.received[..head_len]).map_err(io::Error::other)?;
        let (status, headers) = parse_head(head).ok_or_else(|| io::Error::other("not an answer"))?;
        let mut answer = Answer { status, headers, body: Vec::new() };
        let body_len = match answer.header("content-length") {
            _ if method == "HEAD" || matches!(status, 204 | 304) => 0,
            Some(len) => len.parse().map_err(io::Error::other)?,
            None => return Err(io::Error::other("an answer without a length")),
        };
        while self.received.len() < head_len + body_len {
            self.fill().await?;
        }
        answer.body = self.received[head_len..head_len + body_len].to_vec();
        self.received.drain(..head_len + body_len);
        Ok(answer)
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.socket.read_buf(&mut self.received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

fn parse_head(head: &str) -> Option<(u16, Vec<(String, String)>)> {
    let mut lines = head.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    Some((
        status,
        headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_taken_apart() {
        let (status, headers) =
            parse_head("HTTP/1.1 409 Conflict\r\nProducer-Expected-Seq: 7\r\nContent-Length: 0\r\n\r\n")
                .unwrap();
        let answer = Answer { status, headers, body: Vec::new() };
        assert_eq!((answer.status, answer.header("producer-expected-seq")), (409, Some("7")));
        assert_eq!(answer.header("producer-seq"), None);
        assert!(parse_head("SSH-2.0-x\r\n\r\n").is_none());
    }
}
