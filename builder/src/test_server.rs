//! An HTTP server for tests of what is fetched.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// What is answered to a request: by its number, its path and its range.
pub(crate) type Answer = Box<dyn Fn(u32, &str, &str) -> Vec<u8> + Send + Sync>;

/// An HTTP server on loopback that answers every request by `answer(number, path, range)` and
/// closes. It ends when the guard is dropped.
pub(crate) struct Server {
    pub(crate) address: std::net::SocketAddr,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn new(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopping, counter) = (Arc::clone(&stop), Arc::clone(&count));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && head.len() < 8192 && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap();
                let path = head.split(' ').nth(1).unwrap_or_default();
                let range = head
                    .lines()
                    .find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
                let number = u32::try_from(counter.fetch_add(1, Ordering::SeqCst)).unwrap();
                // The client may have hung up; that is its right.
                let _ = stream.write_all(&answer(number, path, &range.unwrap_or_default()));
            }
        });
        Self { address, stop, count, thread: Some(thread) }
    }

    pub(crate) fn requests(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = std::net::TcpStream::connect(self.address);
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

/// An answer that says that it is `length` bytes long, and is `body`.
pub(crate) fn http(status: &str, headers: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}
