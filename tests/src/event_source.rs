//! A plain `EventSource` of the session API over a bare socket: a few hundred bytes each, so that one process can hold
//! ten thousand. Must not know what events mean.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

/// The server says something every 15 seconds; a connection that is silent for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Bytes taken from a socket at a time.
const PIECE_LEN: usize = 8 << 10;
/// What a reader that waits may keep allocated.
const KEPT_LEN: usize = 1 << 10;

/// One frame with data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The cursor behind the event, as a count; absent from what is not stored.
    pub id: Option<u64>,
    /// Of several lines, joined.
    pub data: Vec<u8>,
}

/// How a server answered.
#[derive(Debug)]
pub enum Opened {
    /// Frames follow.
    Live(EventSource),
    /// 204: the session is closed, and everything was seen.
    Over,
    /// Another status, with the beginning of its answer: 503 and 429 may pass.
    Refused(u16, String),
}

/// One connection.
#[derive(Debug)]
pub struct EventSource {
    socket: TcpStream,
    body: Body,
    /// The last chunk has come.
    ended: bool,
}

/// How a reader behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// Room in the receiving socket; the system decides when absent.
    pub receive_bytes: Option<u32>,
    /// Bytes taken at a time, and the pause after each; as fast as they come when absent.
    pub slow: Option<(usize, Duration)>,
}

impl EventSource {
    /// Follows a session from where `last_event_id` says, or from its beginning.
    ///
    /// # Errors
    /// As the socket says, and when nothing is answered.
    pub async fn open(
        address: SocketAddr,
        session: &str,
        last_event_id: Option<u64>,
        manner: Manner,
    ) -> io::Result<Opened> {
        let socket = TcpSocket::new_v4()?;
        if let Some(size) = manner.receive_bytes {
            socket.set_recv_buffer_size(size)?;
        }
        let mut socket = socket.connect(address).await?;
        let mut request = format!(
            "GET /api/sessions/{session}/stream HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n"
        );
        if let Some(id) = last_event_id {
            request.push_str(&format!("last-event-id: {id:020}\r\n"));
        }
        request.push_str("\r\n");
        socket.write_all(request.as_bytes()).await?;
        let mut source = Self { socket, body: Body::default(), ended: false };
        loop {
            if !source.fill(Manner::default()).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match source.body.head()? {
                None => {}
                Some(200) => return Ok(Opened::Live(source)),
                Some(204) => return Ok(Opened::Over),
                Some(status) => {
                    let said = String::from_utf8_lossy(&source.body.raw).into_owned();
                    return Ok(Opened::Refused(status, said));
                }
            }
        }
    }

    /// The next frame; `None` when the answer has ended as it should.
    ///
    /// # Errors
    /// As the socket says; an answer that breaks off is [`io::ErrorKind::UnexpectedEof`].
    pub async fn next(&mut self, manner: Manner) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.body.next_frame() {
                return Ok(Some(frame));
            }
            if self.ended {
                return Ok(None);
            }
            self.ended = self.body.take_chunks()?;
            if !self.body.has_frame() && !self.ended {
                self.body.shrink();
                if !self.fill(manner).await? {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
    }

    /// Takes what has come; false at the end of the connection.
    async fn fill(&mut self, manner: Manner) -> io::Result<bool> {
        let (len, pause) = manner.slow.unwrap_or((PIECE_LEN, Duration::ZERO));
        loop {
            let ready = tokio::time::timeout(SILENCE_MAX, self.socket.readable()).await;
            ready.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
            // Not kept across a pause: ten thousand waiting readers have no buffers.
            let mut piece = [0; PIECE_LEN];
            match self.socket.try_read(&mut piece[..len.min(PIECE_LEN)]) {
                Ok(read) => {
                    self.body.raw.extend_from_slice(&piece[..read]);
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// An answer as it comes: head, chunks, frames.
#[derive(Debug, Default)]
struct Body {
    raw: Vec<u8>,
    text: Vec<u8>,
    /// What is still to come of an answer that is not in chunks: that of a session that is over.
    left: Option<usize>,
}

impl Body {
    /// The status, once the head is there; the head is taken off then.
    fn head(&mut self) -> io::Result<Option<u16>> {
        let Some(end) = find(&self.raw, b"\r\n\r\n") else { return Ok(None) };
        let head = String::from_utf8_lossy(&self.raw[..end]).to_ascii_lowercase();
        let status = head.strip_prefix("http/1.1 ").and_then(|head| head.get(..3)?.parse().ok());
        self.left = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        self.raw.drain(..end + 4);
        status.map(Some).ok_or_else(|| broken("not an answer of HTTP/1.1"))
    }

    /// Moves whole chunks from what came to the text; true at the last one.
    fn take_chunks(&mut self) -> io::Result<bool> {
        if let Some(left) = &mut self.left {
            let taken = self.raw.len().min(*left);
            self.text.extend(self.raw.drain(..taken));
            *left -= taken;
            return Ok(*left == 0);
        }
        let mut at = 0;
        let mut is_last = false;
        while let Some(line) = find(&self.raw[at..], b"\r\n") {
            let size = std::str::from_utf8(&self.raw[at..at + line]).ok();
            let size = size.and_then(|size| usize::from_str_radix(size, 16).ok());
            let size = size.ok_or_else(|| broken("a chunk without a size"))?;
            let start = at + line + 2;
            if self.raw.len() < start + size + 2 {
                break;
            }
            self.text.extend_from_slice(&self.raw[start..start + size]);
            at = start + size + 2;
            if size == 0 {
                is_last = true;
                break;
            }
        }
        self.raw.drain(..at);
        Ok(is_last)
    }

    fn has_frame(&self) -> bool {
        find(&self.text, b"\n\n").is_some()
    }

    /// The next frame that has data; comments are passed over.
    fn next_frame(&mut self) -> Option<Frame> {
        let mut at = 0;
        let mut found = None;
        while found.is_none()
            && let Some(len) = find(&self.text[at..], b"\n\n")
        {
            found = frame(&self.text[at..at + len]);
            at += len + 2;
        }
        self.text.drain(..at);
        found
    }

    fn shrink(&mut self) {
        for kept in [&mut self.raw, &mut self.text] {
            kept.shrink_to(KEPT_LEN);
        }
    }
}

fn frame(lines: &[u8]) -> Option<Frame> {
    let mut frame = Frame { id: None, data: Vec::new() };
    let mut has_data = false;
    for line in lines.split(|&byte| byte == b'\n') {
        let value = |name: &[u8]| {
            let value = line.strip_prefix(name)?;
            Some(value.strip_prefix(b" ").unwrap_or(value))
        };
        if let Some(id) = value(b"id:") {
            frame.id = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
        } else if let Some(data) = value(b"data:") {
            if has_data {
                frame.data.push(b'\n');
            }
            has_data = true;
            frame.data.extend_from_slice(data);
        }
    }
    has_data.then_some(frame)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
        12\r\nretry: 5\n\n: ping\n\n\r\n14\r\nid: 0007\ndata: {\"a\":\r\nb\r\n\ndata: 1}\n\n\r\n0\r\n\r\n";

    #[test]
    fn frames_come_out_of_any_pieces() {
        for len in 1..ANSWER.len() {
            let (mut body, mut status, mut frames, mut ended) = (Body::default(), None, Vec::new(), false);
            for piece in ANSWER.chunks(len) {
                body.raw.extend_from_slice(piece);
                if status.is_none() {
                    status = body.head().unwrap();
                }
                if status.is_some() && !ended {
                    ended = body.take_chunks().unwrap();
                    frames.extend(body.next_frame());
                }
            }
            assert_eq!((status, ended), (Some(200), true), "pieces of {len}");
            assert_eq!(frames, [Frame { id: Some(7), data: b"{\"a\":\n1}".to_vec() }], "pieces of {len}");
        }
    }

    #[test]
    fn an_answer_with_a_length_ends_there() {
        let mut body = Body::default();
        body.raw.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ndata: 1\n");
        assert_eq!(body.head().unwrap(), Some(200));
        assert!(!body.take_chunks().unwrap());
        body.raw.push(b'\n');
        assert!(body.take_chunks().unwrap());
        assert_eq!(body.next_frame().map(|frame| frame.data), Some(b"1".to_vec()));
    }

    #[test]
    fn what_is_no_chunk_is_an_error() {
        let mut body = Body { raw: b"x\r\n".to_vec(), ..Body::default() };
        assert_eq!(body.take_chunks().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
