//! The HTTP client of all downloads.

use std::error::Error as _;
use std::future::poll_fn;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{ClientBuilder, Proxy, Response, StatusCode};
use tokio::runtime::{self, Runtime};
use tokio::time::Sleep;

use super::authorities;
use super::error::FetchFault;
use super::names::Names;
use super::transfer::{Failure, FetchOptions, Wanted, check_size};

/// A transfer that is slower than this on the whole, in bytes per second, is given up and resumed.
const SLOWEST: u64 = 16 << 10;

/// A transfer that is slower than this for as long as the user's patience lasts, in bytes per second, is given
/// up: what drips would take for ever.
const DRIP: u64 = 1000;

/// Keeps connections and the addresses of hosts, and reads no environment but the place of the
/// certificate store (`SSL_CERT_FILE`).
pub(super) struct Client {
    user_agent: String,
    proxy: Option<Proxy>,
    jobs: usize,
    patience: Duration,
    /// What the certificate store is, as far as the user names it, and whether it is good.
    certificates: Option<PathBuf>,
    checked: OnceLock<Result<(), String>>,
    /// Made by the first download: reading the certificate store takes longer than a look into a
    /// cache that has everything.
    open: OnceLock<Result<Open, String>>,
}

/// A client that was used.
struct Open {
    inner: reqwest::Client,
    /// Its one thread moves the bytes of all connections.
    runtime: Runtime,
    names: Names,
    patience: Duration,
}

impl Client {
    /// A client for the downloads of one fetch.
    ///
    /// # Errors
    /// When the proxy is no proxy's URL.
    pub(super) fn new(options: &FetchOptions) -> Result<Self, reqwest::Error> {
        Ok(Self {
            user_agent: options.user_agent.clone(),
            proxy: options.proxy.as_deref().map(Proxy::all).transpose()?,
            jobs: options.jobs.max(1),
            patience: options.patience,
            certificates: options.certificates.clone(),
            checked: OnceLock::new(),
            open: OnceLock::new(),
        })
    }

    /// Fails when the user named authorities that cannot be read; `http` needs none.
    fn check_authorities(&self, url: &str) -> Result<(), Failure> {
        let Some(path) = self.certificates.as_deref().filter(|_| url.starts_with("https:")) else { return Ok(()) };
        self.check(path).map_err(|message| Failure::Final(FetchFault::Authorities { message }))
    }

    fn check(&self, path: &Path) -> Result<(), String> {
        self.checked.get_or_init(|| authorities::check(path).map_err(|error| error.to_string())).clone()
    }

    /// As [`Open::get`].
    pub(super) fn get(&self, wanted: &Wanted<'_>, offset: u64) -> Result<(Body<'_>, u64), Failure> {
        self.check_authorities(wanted.url)?;
        let open = self.open.get_or_init(|| {
            let names = Names::new();
            // Without any certificate authority nothing can be had by https, but all by http. The library reads
            // whatever the user names, and would wait for a pipe: it reads nothing that was not looked at.
            let is_good = self.certificates.as_deref().is_none_or(|path| self.check(path).is_ok());
            let inner = if is_good { self.builder(&names).build().ok() } else { None };
            let inner = inner.map_or_else(|| self.builder(&names).tls_certs_only([]).build(), Ok);
            let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            Ok(Open {
                inner: inner.map_err(|error| reason(&error, self.patience))?,
                runtime: runtime.map_err(|error| error.to_string())?,
                names,
                patience: self.patience,
            })
        });
        match open {
            Ok(open) => open.get(wanted, offset),
            Err(message) => Err(Failure::Final(FetchFault::Io { message: message.clone(), full: false })),
        }
    }

    fn builder(&self, names: &Names) -> ClientBuilder {
        let builder = reqwest::Client::builder()
            .user_agent(&self.user_agent)
            .no_proxy()
            .redirect(Policy::custom(follow))
            .referer(false)
            .pool_max_idle_per_host(self.jobs)
            .connect_timeout(self.patience)
            .read_timeout(self.patience)
            .dns_resolver(Arc::new(names.clone()));
        self.proxy.iter().fold(builder, |builder, proxy| builder.proxy(proxy.clone()))
    }
}

/// The most redirects of one download that are followed.
const REDIRECTS: usize = 5;

/// What is said of an address that is none of the web's.
const NOWHERE: &str = "to where nothing can be fetched from";

/// Follows a redirect to another address of the web, which a mirror may have good reasons for: what comes is held
/// to its sha256 wherever it comes from. As apt does, it does not give up `https` once it has it.
fn follow(attempt: Attempt<'_>) -> Action {
    let (to, before) = (attempt.url(), attempt.previous());
    let was_secure = before.last().is_some_and(|url| url.scheme() == "https");
    let refused = if before.len() > REDIRECTS {
        "again and again"
    } else if !["http", "https"].contains(&to.scheme()) {
        NOWHERE
    } else if was_secure && to.scheme() == "http" {
        "from https to http"
    } else if !to.username().is_empty() || to.password().is_some() {
        "to an address with a user name or a password"
    } else {
        return attempt.follow();
    };
    attempt.error(refused)
}

impl Open {
    /// The bytes of `wanted` from `offset` on, if the server can begin there; else from the
    /// beginning. The second value is where they begin.
    fn get(&self, wanted: &Wanted<'_>, offset: u64) -> Result<(Body<'_>, u64), Failure> {
        let patience = self.patience + Duration::from_secs((wanted.size - offset) / SLOWEST);
        let mut request = self.inner.get(wanted.url).timeout(patience);
        if offset > 0 {
            request = request.header(RANGE, format!("bytes={offset}-"));
        }
        let response = self.runtime.block_on(async { request.send().await }).map_err(|error| self.failure(&error))?;
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let start = match status {
            StatusCode::OK => 0,
            // Some servers answer with another range than was asked for.
            StatusCode::PARTIAL_CONTENT if begins_at(header(CONTENT_RANGE), offset) => offset,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if offset > 0 => {
                return self.get(wanted, 0);
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => return Err(passing(status)),
            status if status.is_server_error() => return Err(passing(status)),
            // The library follows no address that is none of the web's, and says nothing of it.
            status if status.is_redirection() => return Err(redirected(NOWHERE)),
            status => return Err(Failure::Final(FetchFault::Status(status.as_u16()))),
        };
        if let Some(length) = header(CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok()) {
            check_size(wanted, start.saturating_add(length))?;
        }
        Ok((Body::new(self, response), start))
    }

    fn span(&self) -> Pin<Box<Sleep>> {
        let _runtime = self.runtime.enter();
        Box::pin(tokio::time::sleep(self.patience))
    }

    fn failure(&self, error: &reqwest::Error) -> Failure {
        if error.is_builder() {
            return Failure::Final(FetchFault::Scheme);
        }
        let reason = reason(error, self.patience);
        if error.is_redirect() {
            return redirected(&reason);
        }
        if reason.starts_with("invalid peer certificate") {
            return Failure::Final(FetchFault::Certificate { message: reason });
        }
        if reason.ends_with("proxy authorization required") {
            return Failure::Final(FetchFault::Status(StatusCode::PROXY_AUTHENTICATION_REQUIRED.as_u16()));
        }
        self.names.forget();
        // The library's word for every other answer of a proxy to CONNECT.
        let is_vague = reason == "tunnel error: unsuccessful";
        Failure::Transient(if is_vague { "the proxy does not let the connection through".to_owned() } else { reason })
    }
}

/// What a server sends.
pub(super) struct Body<'a> {
    open: &'a Open,
    response: Response,
    /// What came and was not read yet.
    rest: Bytes,
    /// Until when there is to come what must come in one span of patience.
    span: Pin<Box<Sleep>>,
    /// What came in this span.
    came: u64,
}

impl<'a> Body<'a> {
    fn new(open: &'a Open, response: Response) -> Self {
        Self { span: open.span(), open, response, rest: Bytes::new(), came: 0 }
    }

    /// What came next, or nothing when a span of patience ended before.
    fn next(&mut self) -> Option<reqwest::Result<Option<Bytes>>> {
        let mut chunk = pin!(self.response.chunk());
        let span = &mut self.span;
        self.open.runtime.block_on(poll_fn(|context| match chunk.as_mut().poll(context) {
            Poll::Ready(chunk) => Poll::Ready(Some(chunk)),
            Poll::Pending => span.as_mut().poll(context).map(|()| None),
        }))
    }

    fn check_span(&mut self) -> io::Result<()> {
        let patience = self.open.patience;
        if self.came < (DRIP * patience.as_secs()).max(1) {
            let message = format!("only {} bytes came in {} seconds", self.came, patience.as_secs());
            return Err(io::Error::other(message));
        }
        (self.span, self.came) = (self.open.span(), 0);
        Ok(())
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            let Some(next) = self.next() else {
                self.check_span()?;
                continue;
            };
            let told = |error: reqwest::Error| match self.came {
                // The time for the whole is over, too, for what comes all the time.
                1.. if error.is_timeout() => "it comes too slowly".to_owned(),
                _ => reason(&error, self.open.patience),
            };
            match next.map_err(|error| io::Error::other(told(error)))? {
                Some(bytes) => (self.came, self.rest) = (self.came + bytes.len() as u64, bytes),
                None => return Ok(0),
            }
        }
        self.rest.as_ref().read(buffer).inspect(|&count| self.rest.advance(count))
    }
}

fn redirected(message: &str) -> Failure {
    Failure::Final(FetchFault::Redirect { message: message.to_owned() })
}

fn passing(status: StatusCode) -> Failure {
    Failure::Transient(format!("the server answered with status {}", status.as_u16()))
}

/// What is at the bottom of `error`: the layers above it say only that a request failed.
fn reason(error: &reqwest::Error, patience: Duration) -> String {
    if error.is_timeout() {
        let what = if error.is_connect() { "no connection came about" } else { "nothing came" };
        return format!("{what} in {} seconds", patience.as_secs());
    }
    let mut deepest = error.source();
    while let Some(below) = deepest.and_then(std::error::Error::source) {
        deepest = Some(below);
    }
    deepest.map_or_else(|| error.to_string(), ToString::to_string)
}

fn begins_at(content_range: Option<&str>, offset: u64) -> bool {
    let start = content_range.and_then(|text| text.strip_prefix("bytes ")).and_then(|text| text.split('-').next());
    start.and_then(|text| text.trim().parse().ok()) == Some(offset)
}
