//! Brings the packages of a resolution into the cache, several at once.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use model::observe::{Observer, Task, Unit};
use net::{Client, Proxy, Retry};

use super::download::{self, Part};
use super::error::{FetchFailure, FetchFault};
use super::transfer::{Came, Failure, FetchOptions, Length, Wanted, retry_line};
use super::{Error, Resolution, Resolved};
use crate::cache::{self, Cache};

/// Gives the .deb of each package, in the order of the resolution, each checked in size and sha256
/// just now. What the cache lacks is downloaded.
///
/// Safe with several processes on one cache: each file is downloaded by one, and appears under its
/// final name only when it was checked.
///
/// # Errors
/// [`Error::Fetch`] with every package that failed. Files that came stay in the cache, and a
/// half-downloaded one is resumed by the next call.
pub fn fetch(
    resolution: &Resolution,
    cache: &Cache,
    options: &FetchOptions,
    observer: &dyn Observer,
) -> Result<Vec<PathBuf>, Error> {
    if resolution.packages.is_empty() {
        return Ok(Vec::new());
    }
    let _use = cache.in_use(observer)?;
    let debs_dir = cache.debs()?;
    if options.offline {
        all_there(resolution, cache)?;
    }
    let client = client(options)?;
    let total = resolution.packages.iter().map(|package| package.size).sum();
    let task = Task::start(observer, "fetch packages", Some(total), Unit::Bytes);
    let run = Run {
        cache,
        options,
        task: &task,
        client,
        debs_dir,
        queue: queue(&resolution.packages),
        next: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        failures: Mutex::new(Vec::new()),
        reported: Mutex::default(),
    };
    let jobs = options.jobs.clamp(1, 64).min(resolution.packages.len());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| run.work(&resolution.packages));
        }
    });
    let mut failures = run.failures.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    if failures.is_empty() {
        return Ok(resolution.packages.iter().map(|package| cache.deb_path(&package.sha256)).collect());
    }
    failures.sort_by_key(|(number, _)| *number);
    Err(Error::Fetch { failures: failures.into_iter().map(|(_, failure)| failure).collect() })
}

/// Fails at once where packages are not in the cache, before those that are there are read.
fn all_there(resolution: &Resolution, cache: &Cache) -> Result<(), Error> {
    let is_there = |package: &&Resolved| cache.deb_path(&package.sha256).symlink_metadata().is_ok();
    let missing: Vec<FetchFailure> = resolution
        .packages
        .iter()
        .filter(|package| !is_there(package))
        .map(|package| failure(package, FetchFault::Offline))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Error::Fetch { failures: missing }) }
}

fn failure(package: &Resolved, fault: FetchFault) -> FetchFailure {
    FetchFailure { package: package.package.name.clone(), url: package.url.clone(), fault }
}

/// A client for `options`, which has not connected to anything yet.
///
/// # Errors
/// When the proxy is none.
pub(crate) fn client(options: &FetchOptions) -> Result<Client, Error> {
    let proxy = options.proxy.as_deref().map(Proxy::parse).transpose().map_err(|_| Error::Setting {
        field: "proxy",
        value: String::new(),
        message: "this is no proxy such as http://proxy.example.org:3128",
    })?;
    Ok(Client::new(net::Options {
        user_agent: options.user_agent.clone(),
        proxy,
        ca_bundle: options.certificates.clone(),
        connections: options.jobs,
        patience: options.patience,
    }))
}

/// The largest and the smallest files in turns. A large one that is begun last would come over one
/// connection while all others are idle; small ones at the end would wait for the line's delay, not
/// for its rate.
fn queue(packages: &[Resolved]) -> Vec<usize> {
    let mut left: VecDeque<usize> = (0..packages.len()).collect();
    left.make_contiguous().sort_by_key(|&number| std::cmp::Reverse(packages[number].size));
    let turns = (0..packages.len()).map_while(|turn| if turn % 2 == 0 { left.pop_front() } else { left.pop_back() });
    turns.collect()
}

/// What the threads of one call share.
struct Run<'a> {
    cache: &'a Cache,
    options: &'a FetchOptions,
    task: &'a Task<'a>,
    client: Client,
    debs_dir: PathBuf,
    /// The packages by their places in the resolution, in the order in which they are begun.
    queue: Vec<usize>,
    next: AtomicUsize,
    /// Set when going on is useless, as [`is_common`] says.
    stop: AtomicBool,
    failures: Mutex<Vec<(usize, FetchFailure)>>,
    /// What was said of further attempts.
    reported: Mutex<BTreeSet<String>>,
}

impl Run<'_> {
    fn work(&self, packages: &[Resolved]) {
        while !self.stop.load(Ordering::Relaxed) {
            let Some(&number) = self.queue.get(self.next.fetch_add(1, Ordering::Relaxed)) else { return };
            let Some(package) = packages.get(number) else { return };
            let Err(fault) = self.package(package) else { continue };
            if is_common(&fault) {
                self.stop.store(true, Ordering::Relaxed);
            }
            let failure = (number, failure(package, fault));
            self.failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(failure);
        }
    }

    fn package(&self, package: &Resolved) -> Result<(), FetchFault> {
        let target = self.cache.deb_path(&package.sha256);
        let found = look(self.cache, &target, package)?;
        tracing::debug!("the cache's file of {}: {found:?}", package.package.name);
        match found {
            Found::Good => {
                self.task.advance(package.size);
                return Ok(());
            }
            Found::NotOurs(what) => {
                let message = format!("the cached file of {} is not used: {what}", package.package.name);
                let hint = if self.options.offline { "run once without `--offline`" } else { "it is fetched again" };
                self.task.warning(&message, hint);
            }
            Found::Damaged => {
                let hint = if self.options.offline { "run once without `--offline`" } else { "" };
                let name = &package.package.name;
                let message = format!("the cached file of {name} is damaged; it is not used");
                self.task.warning(&message, hint);
            }
            Found::Nothing => {}
        }
        if self.options.offline {
            return Err(FetchFault::Offline);
        }
        let debs_dir = target.parent().unwrap_or(&self.debs_dir);
        let made = self.cache.directory(debs_dir, 0o755);
        made.map_err(|error| FetchFault::Io { message: error.to_string(), full: false })?;
        let path = target.with_extension("part");
        loop {
            let part = Part::open(&path, self.task.observer())?;
            // Someone may have finished it while this process waited for the lock.
            if look(self.cache, &target, package)? == Found::Good {
                drop(part);
                self.task.advance(package.size);
                return Ok(());
            }
            if let Some(part) = part {
                return self.download(part, package, &target);
            }
        }
    }

    fn download(&self, mut part: Part, package: &Resolved, target: &Path) -> Result<(), FetchFault> {
        let transfer = self.task.child(package.package.name.clone(), Some(package.size), Unit::Bytes);
        let wanted = Wanted { url: &package.url, length: Length::Exactly(package.size), sha256: package.sha256 };
        let progress = |count: u64| {
            // A second try from the beginning must not count twice.
            let count = count.min(package.size.saturating_sub(transfer.done()));
            transfer.advance(count);
            self.task.advance(count);
        };
        let came = |came: Came| match came {
            // Its size is known already.
            Came::Start { .. } => {}
            Came::Bytes(count) => progress(count),
        };
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (message, retry_after) = match part.complete(&self.client, &wanted, target, &came) {
                Ok(()) => {
                    progress(package.size);
                    return Ok(());
                }
                // A record or a lock from elsewhere may name any directory of this machine. What is in a file
                // there is its owner's business alone.
                Err(Failure::Final(FetchFault::WrongDigest { .. } | FetchFault::WrongSize { .. }))
                    if wanted.is_local() =>
                {
                    return Err(FetchFault::OtherFile);
                }
                Err(Failure::Final(fault)) => return Err(fault),
                Err(Failure::Transient { message, retry_after }) => (message, retry_after),
            };
            let retry = Retry { retries: self.options.retries, backoff: self.options.backoff };
            let wait = retry.wait(attempts, retry_after).filter(|_| !self.stop.load(Ordering::Relaxed));
            let Some(wait) = wait else { return Err(FetchFault::Network { message, attempts }) };
            let counts = (attempts, self.options.retries);
            let line = retry_line(&package.url, &message, retry_after.map(|_| wait), counts);
            // Once, however many files came from there at a time.
            if self.reported.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(line.clone()) {
                self.task.note(&line);
            }
            self.pause(wait);
        }
    }

    /// Waits, but no longer than until going on is useless.
    fn pause(&self, mut wait: Duration) {
        const STEP: Duration = Duration::from_millis(100);
        while !wait.is_zero() && !self.stop.load(Ordering::Relaxed) {
            let step = wait.min(STEP);
            thread::sleep(step);
            wait -= step;
        }
    }
}

/// Whether the network, the server or the disk failed, and not one package.
fn is_common(fault: &FetchFault) -> bool {
    use FetchFault as F;
    matches!(
        fault,
        F::Network { .. } | F::Io { .. } | F::Certificate { .. } | F::CaBundle { .. } | F::Status(401 | 407)
    )
}

/// What the cache has under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Good,
    Nothing,
    /// Someone else may have written it, or it is no file.
    NotOurs(String),
    /// Other bytes than its name says. They are never used; a download replaces them by a rename,
    /// so that no process can take away what another has just made good.
    Damaged,
}

fn look(cache: &Cache, target: &Path, package: &Resolved) -> Result<Found, FetchFault> {
    let failed = |error: io::Error| download::disk(target, &error);
    let mut file = match cache.file(target) {
        Ok(file) => file,
        Err(error) if error.is_not_found() => return Ok(Found::Nothing),
        Err(error) if cache::is_not_ours(&error) => return Ok(Found::NotOurs(error.to_string())),
        Err(error) => return Err(download::unusable(&error)),
    };
    // A file of another length is not read at all.
    if file.metadata().map_err(failed)?.len() != package.size
        || download::digest(&mut file).map_err(failed)? != package.sha256
    {
        return Ok(Found::Damaged);
    }
    // The mark only delays eviction.
    let _ = cache::touch(target);
    Ok(Found::Good)
}

#[cfg(test)]
mod tests;
