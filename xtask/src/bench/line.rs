//! A slow line: a forward proxy on loopback that has some files and sends them at a given rate.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::Outcome;

/// So much is sent at once; all connections take turns by such pieces.
const PIECE: usize = 16 << 10;

/// What the line is like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// How long a connection or a request takes to get to the other end and back.
    pub(super) delay: Duration,
    /// Bytes per second of all connections together.
    pub(super) rate: u32,
}

struct Line {
    shape: Shape,
    files: HashMap<String, Vec<u8>>,
    /// When the line has sent all that was given to it.
    free: Mutex<Instant>,
}

/// Serves `files`, by their URLs, as a proxy. Its threads end with this process.
pub(super) fn serve(shape: Shape, files: HashMap<String, Vec<u8>>) -> Outcome<SocketAddr> {
    let failed = |error: std::io::Error| format!("cannot listen on loopback: {error}");
    let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let line = Arc::new(Line { shape, files, free: Mutex::new(Instant::now()) });
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let line = Arc::clone(&line);
            // A client that hangs up ends its thread; what it lost, it says itself.
            thread::spawn(move || line.answer(stream));
        }
    });
    Ok(address)
}

impl Line {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        thread::sleep(self.shape.delay);
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        while let Some(request) = lines.next().transpose()? {
            while lines.next().transpose()?.is_some_and(|header| !header.is_empty()) {}
            thread::sleep(self.shape.delay);
            match request.split(' ').nth(1).and_then(|url| self.files.get(&unescaped(url))) {
                Some(file) => {
                    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.len())?;
                    file.chunks(PIECE).try_for_each(|piece| self.send(&mut stream, piece))?;
                }
                None => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
            }
        }
        Ok(())
    }

    /// Sends `piece` when the line is free, and no sooner than the line could.
    fn send(&self, stream: &mut TcpStream, piece: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        let takes = Duration::from_secs_f64(f64::from(length) / f64::from(self.shape.rate));
        let sent = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            *free = (*free).max(Instant::now()) + takes;
            *free
        };
        thread::sleep(sent.saturating_duration_since(Instant::now()));
        stream.write_all(piece)
    }
}

/// A URL without percent signs, which clients place differently.
pub(super) fn unescaped(url: &str) -> String {
    let mut parts = url.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_at_checked(2).map(|(code, rest)| (u8::from_str_radix(code, 16), rest)) {
            Some((Ok(code), rest)) => {
                text.push(char::from(code));
                text.push_str(rest);
            }
            _ => {
                text.push('%');
                text.push_str(part);
            }
        }
    }
    text
}
