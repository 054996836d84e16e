//! Files from their addresses into the cache, several at once: as packages come there, by lengths that are not known before.

mod totals;
mod transfer;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use model::file_input::FileInput;
use model::observe::{Observer, Task, Unit};
use net::{Client, Retry};

use self::totals::Totals;
use self::transfer::Transfer;
use super::{Error, Fault, FileFailure, SIZE_LIMIT};
use crate::apt::{self, Failure, FetchFault, FetchOptions, Length, Part, Wanted, client, retry_line};
use crate::cache::{self, Cache};

/// What is asked of the address of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Nothing, where the cache has the file.
    Missing,
    /// That it answers, with a file as long as the cache's.
    Answer,
    /// The file, whatever the cache has.
    Whole,
}

/// Opens each of `inputs`, from the cache, or brought there. Each was just now checked by its sha256.
///
/// Safe with several processes on one cache: each file is fetched by one, and what an interrupted one left is resumed.
///
/// # Errors
/// With every one that cannot be had.
pub fn fetch(
    inputs: &[(FileInput, Ask)],
    cache: &Cache,
    options: &FetchOptions,
    observer: &dyn Observer,
) -> Result<Vec<File>, Error> {
    fetch_up_to(SIZE_LIMIT, inputs, cache, options, observer)
}

fn fetch_up_to(
    limit: u64,
    inputs: &[(FileInput, Ask)],
    cache: &Cache,
    options: &FetchOptions,
    observer: &dyn Observer,
) -> Result<Vec<File>, Error> {
    if inputs.is_empty() {
        return Ok(Vec::new());
    }
    let _use = cache.in_use(observer)?;
    cache.files()?;
    if options.offline {
        all_there(inputs, cache)?;
    }
    let client = client(options).map_err(|error| Error::Settings(Box::new(error)))?;
    let task = Task::start(observer, "fetch files", None, Unit::Bytes);
    let run = Run { limit, cache, options, client, task: &task, totals: Totals::default(), reported: Mutex::default() };
    let jobs = options.jobs.clamp(1, 64).min(inputs.len());
    let there = run.look(inputs, jobs)?;
    let asked: Vec<(&FileInput, Ask, Option<File>)> =
        inputs.iter().zip(there).map(|((input, ask), file)| (input, *ask, file)).collect();
    run.announce(&asked, jobs);
    let found = side_by_side(jobs, &asked, |number, (input, ask, file)| run.file(number, input, *ask, file.as_ref()));
    let (mut files, mut failures) = (Vec::new(), Vec::new());
    for (found, (input, ..)) in found.into_iter().zip(&asked) {
        match found {
            Ok(file) => files.push(file),
            Err(Refusal::File(fault)) => failures.push(FileFailure { input: (*input).clone(), fault }),
            Err(Refusal::All(error)) => return Err(error),
        }
    }
    if failures.is_empty() { Ok(files) } else { Err(Error::Fetch { failures }) }
}

/// Where the cache keeps the file.
fn place(cache: &Cache, input: &FileInput) -> PathBuf {
    cache.files_path().join(input.sha256.hex())
}

/// Without a network, looks for all of the files before anything is begun. What is there is checked later.
fn all_there(inputs: &[(FileInput, Ask)], cache: &Cache) -> Result<(), Error> {
    let is_there = |input: &FileInput| place(cache, input).symlink_metadata().is_ok();
    let missing: Vec<FileFailure> = inputs
        .iter()
        .filter(|(input, _)| !is_there(input))
        .map(|(input, _)| FileFailure { input: input.clone(), fault: Fault::Offline })
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Error::Fetch { failures: missing }) }
}

/// What `work` makes of each of `items`, `jobs` at a time, in their order.
fn side_by_side<I: Sync, T: Send>(jobs: usize, items: &[I], work: impl Fn(usize, &I) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(number) else { return };
                    let made = work(number, item);
                    results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((number, made));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, made)| made).collect()
}

/// Why there is no file: for what is its own, or for what would keep any other.
enum Refusal {
    File(Fault),
    All(Error),
}

impl<E: Into<Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::All(error.into())
    }
}

struct Run<'a> {
    /// The most bytes of a file.
    limit: u64,
    cache: &'a Cache,
    options: &'a FetchOptions,
    client: Client,
    task: &'a Task<'a>,
    totals: Totals,
    /// What was said of further attempts.
    reported: Mutex<BTreeSet<String>>,
}

impl Run<'_> {
    /// What the cache has of `inputs`.
    fn look(&self, inputs: &[(FileInput, Ask)], jobs: usize) -> Result<Vec<Option<File>>, Error> {
        let found = side_by_side(jobs, inputs, |_, (input, _)| self.cached(&place(self.cache, input), input));
        found.into_iter().collect()
    }

    /// Asks for the lengths of several files before the first comes, so that what there is to do does not grow all the time. Of
    /// one alone the first answer says it.
    fn announce(&self, asked: &[(&FileInput, Ask, Option<File>)], jobs: usize) {
        let is_coming = |ask: Ask, file: &Option<File>| file.is_none() || ask == Ask::Whole;
        let coming: Vec<(usize, &FileInput)> = asked
            .iter()
            .enumerate()
            .filter(|(_, (_, ask, file))| is_coming(*ask, file))
            .map(|(number, (input, ..))| (number, *input))
            .collect();
        self.totals.begin(coming.iter().map(|(number, _)| *number));
        if coming.len() < 2 || self.options.offline {
            return;
        }
        side_by_side(jobs, &coming, |_, (number, input)| {
            let length = match input.url.starts_with("http") {
                true => self.client.length(&input.url).ok().flatten(),
                false => None,
            };
            if let Some(length) = length.filter(|length| *length <= self.limit) {
                self.totals.learn(*number, length, self.task);
            }
        });
    }

    /// The file of `input`, of which the cache has `there`.
    fn file(&self, number: usize, input: &FileInput, ask: Ask, there: Option<&File>) -> Result<File, Refusal> {
        let target = place(self.cache, input);
        match (there, ask) {
            (Some(file), _) if ask == Ask::Missing || self.options.offline => {
                return Ok(file.try_clone().map_err(host::Error::io("read", &target))?);
            }
            (Some(file), Ask::Answer) if input.url.starts_with("http") => {
                let file = file.try_clone().map_err(host::Error::io("read", &target))?;
                let length = file.metadata().map_err(host::Error::io("read", &target))?.len();
                self.answers(input, length).map_err(|fault| failed(input, fault))?;
                return Ok(file);
            }
            (Some(_), _) => {}
            (None, _) if self.options.offline => return Err(Refusal::File(Fault::Offline)),
            (None, _) => {}
        }
        let path = target.with_extension("part");
        loop {
            let part = Part::open(&path, self.task.observer()).map_err(|fault| failed(input, fault))?;
            // Someone may have finished it while this process waited for the lock.
            let found = self.cached(&target, input)?;
            if ask == Ask::Missing
                && let Some(file) = found
            {
                return Ok(file);
            }
            let (Some(mut part), found) = (part, found) else { continue };
            let transfer = Transfer::new(self.task, &self.totals, number, &input.url);
            if let Some(file) = found {
                // What the cache has stays as it is: another build may have it open.
                part.clear().map_err(|fault| failed(input, fault))?;
                let wanted = self.wanted(input);
                let check = || part.check(&self.client, &wanted, &|came| transfer.take(came));
                self.retry(input, check).map_err(|fault| failed(input, fault))?;
                return Ok(file);
            }
            let wanted = self.wanted(input);
            let complete = || part.complete(&self.client, &wanted, &target, &|came| transfer.take(came));
            self.retry(input, complete).map_err(|fault| failed(input, fault))?;
            let file = self.cache.file(&target)?;
            // What was just checked is not read again.
            if file.metadata().is_ok_and(|metadata| part.is(&metadata)) {
                return Ok(file);
            }
        }
    }

    fn wanted<'i>(&self, input: &'i FileInput) -> Wanted<'i> {
        Wanted { url: &input.url, length: Length::AtMost(self.limit), sha256: input.sha256 }
    }

    /// Asks the address of a file of this `length` for the last byte of it.
    fn answers(&self, input: &FileInput, length: u64) -> Result<(), FetchFault> {
        self.retry(input, || {
            let answer = self.client.get(&input.url, length).offset(length.saturating_sub(1)).send()?;
            match answer.total() {
                Some(found) if found != length => {
                    Err(Failure::Final(FetchFault::WrongSize { expected: length, found }))
                }
                Some(_) | None => Ok(()),
            }
        })
    }

    /// The cache's file, where it is what its name says. One that is not is replaced.
    fn cached(&self, target: &Path, input: &FileInput) -> Result<Option<File>, Error> {
        let mut file = match self.cache.file(target) {
            Ok(file) => file,
            Err(error) if error.is_not_found() || cache::is_not_ours(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let failed = |error| Error::Host(host::Error::io("read", target)(error));
        if apt::digest(&mut file).map_err(failed)? != input.sha256 {
            self.task.warning("a cached file of [[file]] is damaged; it is not used", "");
            return Ok(None);
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        // The mark only delays eviction.
        let _ = cache::touch_beside(target);
        Ok(Some(file))
    }

    /// Does `attempt` until it succeeds, or another one is of no use.
    fn retry(&self, input: &FileInput, mut attempt: impl FnMut() -> Result<(), Failure>) -> Result<(), FetchFault> {
        let retry = Retry { retries: self.options.retries, backoff: self.options.backoff };
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (message, retry_after) = match attempt() {
                Ok(()) => return Ok(()),
                Err(Failure::Final(fault)) => return Err(fault),
                Err(Failure::Transient { message, retry_after }) => (message, retry_after),
            };
            let Some(wait) = retry.wait(attempts, retry_after) else {
                return Err(FetchFault::Network { message, attempts });
            };
            let counts = (attempts, self.options.retries);
            let line = retry_line(&input.url, &message, retry_after.map(|_| wait), counts);
            // Once, however many files came from there at a time.
            if self.reported.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(line.clone()) {
                self.task.note(&line);
            }
            thread::sleep(wait);
        }
    }
}

/// What became of `input`, from what became of its transfer.
fn failed(input: &FileInput, fault: FetchFault) -> Refusal {
    let is_local = input.url.starts_with("file:") || input.url.starts_with("copy:");
    let refused = |message: String| if is_local { Fault::Local { message } } else { Fault::Refused { message } };
    Refusal::File(match fault {
        // What is in a file of this machine is its owner's business alone.
        FetchFault::WrongDigest { .. } | FetchFault::OtherFile if is_local => Fault::OtherFile,
        FetchFault::OtherFile => Fault::OtherFile,
        FetchFault::WrongDigest { expected, found } => Fault::WrongDigest { expected, found },
        FetchFault::WrongSize { expected, found } => Fault::WrongSize { expected, found },
        FetchFault::Status(404) if is_local => refused("there is no such file".to_owned()),
        FetchFault::Status(status) => refused(format!("the server answered with status {status}")),
        FetchFault::Redirect { message } => refused(format!("the server sends on {message}")),
        FetchFault::Network { message, attempts } => refused(format!("{message} (tried {attempts} times)")),
        FetchFault::Certificate { message } => refused(format!("the server's certificate is refused: {message}")),
        FetchFault::Scheme => refused("only http, https and file can be fetched".to_owned()),
        FetchFault::Offline => Fault::Offline,
        FetchFault::Io { message, full: true } => Fault::Full { message },
        FetchFault::Io { message, full: false } | FetchFault::NoFile { message } | FetchFault::CaBundle { message } => {
            refused(message)
        }
    })
}

#[cfg(test)]
mod tests;
