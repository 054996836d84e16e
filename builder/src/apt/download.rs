//! One .deb from its URL into the cache: resumable, bounded by the locked size, and checked.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::Digest;
use sha2::{Digest as _, Sha256};
use ureq::Agent;
use ureq::http::StatusCode;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use ureq::unversioned::transport::DefaultConnector;

use super::error::FetchFault;
use super::names::Names;
use super::solve::percent_decode;

/// A transfer that is slower than this, in bytes per second, on top of [`STALL`], is given up and
/// resumed.
const SLOWEST: u64 = 16 << 10;

/// How long connecting, an answer's head, or a body of no length may take.
const STALL: Duration = Duration::from_secs(30);

/// What is to be fetched.
pub(super) struct Wanted<'a> {
    pub(super) url: &'a str,
    pub(super) size: u64,
    pub(super) sha256: Digest,
}

/// Why one attempt failed, and whether another one may help.
pub(super) enum Failure {
    Transient(String),
    Final(FetchFault),
}

/// The HTTP client of all downloads: it keeps connections and the addresses of hosts, and reads no
/// environment.
pub(super) struct Client {
    agent: Agent,
    names: Names,
}

impl Client {
    /// A client for `jobs` downloads at once.
    pub(super) fn new(user_agent: &str, proxy: Option<&str>, jobs: usize) -> Result<Self, ureq::Error> {
        let config = Agent::config_builder()
            .user_agent(user_agent)
            .proxy(proxy.map(ureq::Proxy::new).transpose()?)
            .http_status_as_error(false)
            .max_redirects(5)
            .max_idle_connections(jobs)
            .max_idle_connections_per_host(jobs)
            .timeout_connect(Some(STALL))
            .timeout_resolve(Some(STALL))
            .timeout_recv_response(Some(STALL))
            .build();
        let names = Names::new();
        Ok(Self { agent: Agent::with_parts(config, DefaultConnector::new(), names.clone()), names })
    }
}

/// The file that a download grows in, locked for this process.
///
/// It is renamed to its final name as it is. Another process that waited for the lock then holds
/// the finished file; it sees by the name that this is no part file any more.
pub(super) struct Part {
    file: File,
    path: PathBuf,
}

impl Part {
    /// Opens or makes the part file and waits for its lock. `None`: the name was taken away
    /// meanwhile, which means that somebody else finished it (or cleaned up): look again.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
        let file = File::options().create(true).truncate(false).read(true).write(true).mode(0o644).open(path)?;
        file.lock()?;
        let mine = file.metadata()?;
        let same = fs::symlink_metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (mine.dev(), mine.ino()));
        Ok(same.then(|| Self { file, path: path.to_owned() }))
    }

    /// Downloads what is missing, checks the whole, and gives it its final name.
    ///
    /// The bytes are not synced: whoever uses the file checks its sha256, so that a file which a
    /// crash left incomplete is found and fetched again.
    pub(super) fn complete(
        &mut self,
        client: &Client,
        wanted: &Wanted<'_>,
        target: &Path,
        progress: &dyn Fn(u64),
    ) -> Result<(), Failure> {
        let resumed = self.file.metadata().map_err(|e| Failure::Final(disk(&self.path, &e)))?.len();
        let outcome = self.attempt(client, wanted, progress);
        if resumed > 0 && matches!(outcome, Err(Failure::Final(FetchFault::WrongDigest { .. }))) {
            // The fault may lie in what an earlier run left: once more, from the beginning.
            self.restart()?;
            self.attempt(client, wanted, progress)?;
        } else {
            outcome?;
        }
        let failed = |error: io::Error| Failure::Final(disk(target, &error));
        use std::os::unix::fs::PermissionsExt;
        self.file.set_permissions(fs::Permissions::from_mode(0o644)).map_err(failed)?;
        fs::rename(&self.path, target).map_err(failed)
    }

    fn restart(&mut self) -> Result<(), Failure> {
        let outcome = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        outcome.map(|_| ()).map_err(|e| Failure::Final(disk(&self.path, &e)))
    }

    fn attempt(&mut self, client: &Client, wanted: &Wanted<'_>, progress: &dyn Fn(u64)) -> Result<(), Failure> {
        let mut length = self.file.metadata().map_err(|e| Failure::Final(disk(&self.path, &e)))?.len();
        if length > wanted.size {
            self.restart()?;
            length = 0;
        }
        if length < wanted.size || wanted.size == 0 {
            let (mut body, start) = self.source(client, wanted, length)?;
            if start != length {
                self.restart()?;
            }
            self.append(&mut body, start, wanted, progress)?;
        }
        self.file.seek(SeekFrom::Start(0)).map_err(|e| Failure::Final(disk(&self.path, &e)))?;
        let found = digest(&mut self.file).map_err(|e| Failure::Final(disk(&self.path, &e)))?;
        if found == wanted.sha256 {
            return Ok(());
        }
        self.restart()?;
        Err(Failure::Final(FetchFault::WrongDigest { expected: wanted.sha256, found }))
    }

    /// The bytes from `offset` on, if the source can begin there; else from the beginning. The
    /// second value is where they begin.
    fn source(&self, client: &Client, wanted: &Wanted<'_>, offset: u64) -> Result<(Box<dyn Read>, u64), Failure> {
        match wanted.url.split_once(':') {
            Some(("http" | "https", _)) => http(client, wanted, offset),
            Some(("file" | "copy", path)) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                let path = PathBuf::from(percent_decode(path).ok_or(Failure::Final(FetchFault::Scheme))?);
                let file = File::open(&path).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => Failure::Final(FetchFault::Status(404)),
                    _ => Failure::Final(disk(&path, &error)),
                })?;
                let found = file.metadata().map_err(|e| Failure::Final(disk(&path, &e)))?.len();
                check_size(wanted, found)?;
                Ok((Box::new(file), 0))
            }
            _ => Err(Failure::Final(FetchFault::Scheme)),
        }
    }

    fn append(
        &mut self,
        body: &mut dyn Read,
        start: u64,
        wanted: &Wanted<'_>,
        progress: &dyn Fn(u64),
    ) -> Result<(), Failure> {
        self.file.seek(SeekFrom::Start(start)).map_err(|e| Failure::Final(disk(&self.path, &e)))?;
        let mut buffer = vec![0; 128 << 10];
        let mut length = start;
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) if length < wanted.size => {
                    return Err(Failure::Transient(format!("the connection ended after {length} bytes")));
                }
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::Transient(error.to_string())),
            };
            length += count as u64;
            if length > wanted.size {
                self.restart()?;
                return Err(Failure::Final(FetchFault::WrongSize { expected: wanted.size, found: length }));
            }
            self.file.write_all(&buffer[..count]).map_err(|e| Failure::Final(disk(&self.path, &e)))?;
            progress(count as u64);
        }
    }
}

fn http(client: &Client, wanted: &Wanted<'_>, offset: u64) -> Result<(Box<dyn Read>, u64), Failure> {
    let patience = STALL + Duration::from_secs((wanted.size - offset) / SLOWEST);
    let mut request = client.agent.get(wanted.url).config().timeout_recv_body(Some(patience)).build();
    if offset > 0 {
        request = request.header(RANGE, format!("bytes={offset}-"));
    }
    let response = request.call().map_err(|error| match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => Failure::Final(FetchFault::Scheme),
        error => {
            client.names.forget();
            Failure::Transient(error.to_string())
        }
    })?;
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let start = match status {
        StatusCode::OK => 0,
        // Some servers answer with another range than was asked for.
        StatusCode::PARTIAL_CONTENT if begins_at(header(CONTENT_RANGE), offset) => offset,
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if offset > 0 => {
            return http(client, wanted, 0);
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            return Err(Failure::Transient(format!("the server answered with status {}", status.as_u16())));
        }
        status if status.is_server_error() => {
            return Err(Failure::Transient(format!("the server answered with status {}", status.as_u16())));
        }
        status => return Err(Failure::Final(FetchFault::Status(status.as_u16()))),
    };
    if let Some(length) = header(CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok()) {
        check_size(wanted, start.saturating_add(length))?;
    }
    Ok((Box::new(response.into_body().into_with_config().limit(u64::MAX).reader()), start))
}

fn begins_at(content_range: Option<&str>, offset: u64) -> bool {
    let start = content_range.and_then(|text| text.strip_prefix("bytes ")).and_then(|text| text.split('-').next());
    start.and_then(|text| text.trim().parse().ok()) == Some(offset)
}

fn check_size(wanted: &Wanted<'_>, found: u64) -> Result<(), Failure> {
    if found == wanted.size {
        return Ok(());
    }
    Err(Failure::Final(FetchFault::WrongSize { expected: wanted.size, found }))
}

/// The fault of a file that the system would not read or write.
pub(super) fn disk(path: &Path, error: &io::Error) -> FetchFault {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    FetchFault::Io { message: format!("{}: {error}", path.display()), full }
}

/// The sha256 of all that `input` still holds.
pub(super) fn digest(input: &mut dyn Read) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(Digest::new(hasher.finalize().into())),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
