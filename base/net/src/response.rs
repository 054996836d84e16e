//! What a server answers: its headers at once, its bytes as they are read.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, Read};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use reqwest::header::CONTENT_LENGTH;
use tokio::runtime::Runtime;
use tokio::time::Sleep;

use super::Error;
use super::error::reason;

/// A transfer that is slower than this for as long as the user's patience lasts, in bytes per second, is given
/// up: what drips would take for ever.
const DRIP: u64 = 1000;

/// What a server sends. Reading it ends with an error that holds an [`Error`] ([`Error::of_read`]) when the connection fails, when
/// too little comes, and when more comes than was to come.
pub struct Response<'a> {
    /// What moves the bytes.
    runtime: &'a Runtime,
    /// How long a span is.
    patience: Duration,
    inner: reqwest::Response,
    start: u64,
    limit: u64,
    /// Where the bytes that came end.
    end: u64,
    /// What came and was not read yet.
    rest: Bytes,
    /// Until when there is to come what must come in one span of patience.
    span: Pin<Box<Sleep>>,
    /// What came in this span.
    came: u64,
}

impl<'a> Response<'a> {
    pub(crate) fn new(
        (runtime, patience): (&'a Runtime, Duration),
        inner: reqwest::Response,
        start: u64,
        limit: u64,
    ) -> Result<Self, Error> {
        let (span, rest) = (span(runtime, patience), Bytes::new());
        let response = Self { runtime, patience, inner, start, limit, end: start, rest, span, came: 0 };
        match response.total() {
            Some(found) if found > limit => Err(Error::TooLarge { limit, found }),
            _ => Ok(response),
        }
    }

    /// Where the bytes begin: at the offset that was asked for, or at 0.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Where the bytes end, as far as the server announces it.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        let length = self.header(CONTENT_LENGTH.as_str())?.parse::<u64>().ok()?;
        Some(self.start.saturating_add(length))
    }

    /// A header of the answer, by its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.inner, name)
    }

    /// What came next, or nothing when a span of patience ended before.
    fn next(&mut self) -> Option<reqwest::Result<Option<Bytes>>> {
        let mut chunk = pin!(self.inner.chunk());
        let span = &mut self.span;
        self.runtime.block_on(poll_fn(|context| match chunk.as_mut().poll(context) {
            Poll::Ready(chunk) => Poll::Ready(Some(chunk)),
            Poll::Pending => span.as_mut().poll(context).map(|()| None),
        }))
    }

    fn check_span(&mut self) -> Result<(), Error> {
        let patience = self.patience;
        if self.came < (DRIP * patience.as_secs()).max(1) {
            let message = format!("only {} bytes came in {} seconds", self.came, patience.as_secs());
            return Err(Error::Connection { message });
        }
        (self.span, self.came) = (span(self.runtime, patience), 0);
        Ok(())
    }

    /// Waits until there is something to read; false at the end.
    fn fill(&mut self) -> Result<bool, Error> {
        while self.rest.is_empty() {
            let Some(next) = self.next() else {
                self.check_span()?;
                continue;
            };
            let text = |error: reqwest::Error| match self.came {
                // The time for the whole is over, too, for what comes all the time.
                1.. if error.is_timeout() => "it comes too slowly".to_owned(),
                _ => reason(&error, self.patience),
            };
            let Some(bytes) = next.map_err(|error| Error::Connection { message: text(error) })? else {
                return Ok(false);
            };
            let count = bytes.len() as u64;
            (self.came, self.end) = (self.came + count, self.end.saturating_add(count));
            if self.end > self.limit {
                return Err(Error::TooLarge { limit: self.limit, found: self.end });
            }
            self.rest = bytes;
        }
        Ok(true)
    }
}

impl Read for Response<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.fill().map_err(io::Error::other)? {
            return Ok(0);
        }
        self.rest.as_ref().read(buffer).inspect(|&count| self.rest.advance(count))
    }
}

impl fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The library's own would print the address.
        f.debug_struct("Response").field("start", &self.start).field("limit", &self.limit).finish_non_exhaustive()
    }
}

pub(crate) fn header<'a>(response: &'a reqwest::Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

fn span(runtime: &Runtime, patience: Duration) -> Pin<Box<Sleep>> {
    let _runtime = runtime.enter();
    Box::pin(tokio::time::sleep(patience))
}
