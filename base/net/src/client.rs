//! The client: its connections, and what all requests have in common.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, StatusCode, Url};
use tokio::runtime::{self, Runtime};
use tracing::field::{Empty, display};

use super::ca_bundle::{self, Unusable};
use super::dns::Names;
use super::redirect::{RedirectFault, follow};
use super::response::{Response, header};
use super::{Error, Proxy, url};

/// A transfer that is slower than this on the whole, in bytes per second, is given up.
const SLOWEST: u64 = 16 << 10;

/// How servers are reached.
#[derive(Debug, Clone)]
pub struct Options {
    /// What servers learn about this program.
    pub user_agent: String,
    /// The proxy for http and https.
    pub proxy: Option<Proxy>,
    /// The file of certificate authorities (PEM) that https is held to; none takes the host's store. It is read by the first
    /// request, and only https needs it.
    pub ca_bundle: Option<PathBuf>,
    /// How many connections to one server are kept.
    pub connections: usize,
    /// How long connecting may take, how long a server may send nothing, and the time in which it must send
    /// a thousand bytes a second.
    pub patience: Duration,
}

/// Keeps connections and the addresses of hosts. It may be asked by several threads at once, and reads no environment but the
/// place of the host's certificate store.
pub struct Client {
    options: Options,
    /// The user's certificate authorities, where some are named.
    ca_bundle: OnceLock<Result<Vec<Certificate>, Unusable>>,
    /// Made by the first request: reading the certificate store takes longer than a look into a
    /// cache that has everything.
    open: OnceLock<Result<Open, Error>>,
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
    /// A client that has not connected to anything yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, ca_bundle: OnceLock::new(), open: OnceLock::new() }
    }

    /// A request for what is at `url`, which has `limit` bytes at most, counted from its beginning also where only a part of it is
    /// asked for.
    pub fn get(&self, url: &str, limit: u64) -> Get<'_> {
        Get { client: self, url: Url::parse(url).map_err(|_| Error::Url), limit, offset: 0 }
    }

    /// How many bytes are at `url`, where its server says so without sending them.
    ///
    /// # Errors
    /// When no answer came, or one that is no success: some servers give what they do not describe.
    pub fn length(&self, url: &str) -> Result<Option<u64>, Error> {
        let url = Url::parse(url).map_err(|_| Error::Url)?;
        self.check_scheme(&url)?;
        self.open()?.length(url)
    }

    fn check_scheme(&self, url: &Url) -> Result<(), Error> {
        match url.scheme() {
            "https" => self.ca_bundle().map(|_| ()).map_err(Error::from),
            "http" => Ok(()),
            _ => Err(Error::Url),
        }
    }

    fn ca_bundle(&self) -> Result<Option<&[Certificate]>, Unusable> {
        let Some(path) = &self.options.ca_bundle else { return Ok(None) };
        match self.ca_bundle.get_or_init(|| ca_bundle::read(path)) {
            Ok(certificates) => Ok(Some(certificates)),
            Err(error) => Err(error.clone()),
        }
    }

    fn open(&self) -> Result<&Open, Error> {
        self.open.get_or_init(|| self.make()).as_ref().map_err(Clone::clone)
    }

    fn make(&self) -> Result<Open, Error> {
        let setup = |message: String| Error::Setup { message };
        let names = Names::new();
        let without = || self.builder(&names).tls_certs_only([]).build();
        // Without any certificate authority nothing can be had by https, but all by http.
        let inner = match self.ca_bundle() {
            Ok(None) => self.builder(&names).build().or_else(|_| without()),
            Ok(Some(certificates)) => self.builder(&names).tls_certs_only(certificates.to_vec()).build(),
            Err(_) => without(),
        };
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Ok(Open {
            inner: inner.map_err(|error| setup(super::error::reason(&error, self.options.patience)))?,
            runtime: runtime.map_err(|error| setup(error.to_string()))?,
            names,
            patience: self.options.patience,
        })
    }

    fn builder(&self, names: &Names) -> ClientBuilder {
        let builder = reqwest::Client::builder()
            .user_agent(&self.options.user_agent)
            .no_proxy()
            .redirect(Policy::custom(follow))
            .referer(false)
            .pool_max_idle_per_host(self.options.connections.max(1))
            .connect_timeout(self.options.patience)
            .read_timeout(self.options.patience)
            .dns_resolver(Arc::new(names.clone()));
        self.options.proxy.iter().fold(builder, |builder, proxy| builder.proxy(proxy.inner()))
    }
}

/// A request that was not sent yet.
#[derive(Clone)]
#[must_use = "nothing is asked for before it is sent"]
pub struct Get<'a> {
    client: &'a Client,
    url: Result<Url, Error>,
    limit: u64,
    offset: u64,
}

impl<'a> Get<'a> {
    /// The same for the bytes from `offset` on, if the server can begin there; else from the beginning.
    pub fn offset(self, offset: u64) -> Self {
        Self { offset, ..self }
    }

    /// What the server answers, once it does.
    ///
    /// # Errors
    /// When no answer came, the server has none of the bytes, or more than the limit.
    pub fn send(self) -> Result<Response<'a>, Error> {
        let url = self.url?;
        self.client.check_scheme(&url)?;
        let open = self.client.open()?;
        match open.get(url.clone(), self.limit, self.offset)? {
            Some(response) => Ok(response),
            None => open.get(url, self.limit, 0)?.ok_or_else(|| status(StatusCode::RANGE_NOT_SATISFIABLE, None)),
        }
    }
}

impl Open {
    fn length(&self, url: Url) -> Result<Option<u64>, Error> {
        tracing::debug!("HEAD {}", url::place(url.as_str()));
        let request = self.inner.head(url).timeout(self.patience);
        let response = self.runtime.block_on(async { request.send().await }).map_err(|error| self.failure(&error))?;
        match response.status() {
            StatusCode::OK => Ok(header(&response, CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok())),
            found => Err(status(found, None)),
        }
    }

    /// The bytes from `offset` on; none when the server cannot begin there.
    fn get(&self, url: Url, limit: u64, offset: u64) -> Result<Option<Response<'_>>, Error> {
        let span = tracing::info_span!("GET", url = url::place(url.as_str()), status = Empty, error = Empty);
        let patience = self.patience + Duration::from_secs(limit.saturating_sub(offset) / SLOWEST);
        let mut request = self.inner.get(url).timeout(patience);
        if offset > 0 {
            request = request.header(RANGE, format!("bytes={offset}-"));
        }
        let response = self.runtime.block_on(async { request.send().await }).map_err(|error| {
            let failure = self.failure(&error);
            span.record("error", display(&failure));
            failure
        })?;
        span.record("status", response.status().as_u16());
        drop(span);
        let start = match response.status() {
            StatusCode::OK => 0,
            // Some servers answer with another range than was asked for.
            StatusCode::PARTIAL_CONTENT if begins_at(header(&response, CONTENT_RANGE.as_str()), offset) => offset,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if offset > 0 => return Ok(None),
            // The library follows no address that is none of the web's, and says nothing of it.
            status if status.is_redirection() => return Err(Error::Redirect(RedirectFault::Elsewhere)),
            found => return Err(status(found, header(&response, RETRY_AFTER.as_str()))),
        };
        Response::new((&self.runtime, self.patience), response, start, limit).map(Some)
    }

    fn failure(&self, error: &reqwest::Error) -> Error {
        let failure = Error::of_request(error, self.patience);
        if matches!(failure, Error::Connection { .. }) {
            self.names.forget();
        }
        failure
    }
}

fn status(status: StatusCode, retry_after: Option<&str>) -> Error {
    let is_asked = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let seconds = retry_after.filter(|_| is_asked).and_then(|text| text.trim().parse().ok());
    Error::Status { status: status.as_u16(), retry_after: seconds.map(Duration::from_secs) }
}

fn begins_at(content_range: Option<&str>, offset: u64) -> bool {
    let start = content_range.and_then(|text| text.strip_prefix("bytes ")).and_then(|text| text.split('-').next());
    start.and_then(|text| text.trim().parse().ok()) == Some(offset)
}
