//! A file from its address into the cache: as a package comes there, by a length that is not known before.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;
use std::thread;

use model::file_input::FileInput;
use model::observe::{Observer, Task, Unit};
use net::url::place;
use net::{Client, Retry};

use super::{Error, Fault, SIZE_LIMIT};
use crate::apt::{self, Came, Failure, FetchFault, FetchOptions, Length, Part, Wanted, client, retry_line};
use crate::cache::{self, Cache};

/// Opens each of `inputs`, from the cache, or brought there. Each was just now checked by its sha256.
///
/// Safe with several processes on one cache: each file is fetched by one, and what an interrupted one left is resumed.
///
/// # Errors
/// With the first that cannot be had.
pub fn fetch(
    inputs: &[FileInput],
    cache: &Cache,
    options: &FetchOptions,
    observer: &dyn Observer,
) -> Result<Vec<File>, Error> {
    fetch_up_to(SIZE_LIMIT, inputs, cache, options, observer)
}

fn fetch_up_to(
    limit: u64,
    inputs: &[FileInput],
    cache: &Cache,
    options: &FetchOptions,
    observer: &dyn Observer,
) -> Result<Vec<File>, Error> {
    if inputs.is_empty() {
        return Ok(Vec::new());
    }
    let _use = cache.in_use(observer)?;
    let client = client(options).map_err(|error| Error::Settings(Box::new(error)))?;
    let task = Task::start(observer, "fetch files", None, Unit::Bytes);
    let run = Run { limit, cache, options, client, task: &task };
    inputs.iter().map(|input| run.file(input)).collect()
}

struct Run<'a> {
    /// The most bytes of a file.
    limit: u64,
    cache: &'a Cache,
    options: &'a FetchOptions,
    client: Client,
    task: &'a Task<'a>,
}

impl Run<'_> {
    fn file(&self, input: &FileInput) -> Result<File, Error> {
        let target = self.cache.files()?.join(input.sha256.hex());
        if let Some(file) = self.cached(&target, input)? {
            return Ok(file);
        }
        if self.options.offline {
            return Err(Error::fetch(input, Fault::Offline));
        }
        let path = target.with_extension("part");
        loop {
            let part = Part::open(&path, self.task.observer()).map_err(|fault| failed(input, fault))?;
            // Someone may have finished it while this process waited for the lock.
            if let Some(file) = self.cached(&target, input)? {
                return Ok(file);
            }
            let Some(mut part) = part else { continue };
            self.download(&mut part, input, &target).map_err(|fault| failed(input, fault))?;
            let file = self.cache.file(&target)?;
            // What was just checked is not read again.
            if file.metadata().is_ok_and(|metadata| part.is(&metadata)) {
                return Ok(file);
            }
        }
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

    fn download(&self, part: &mut Part, input: &FileInput, target: &Path) -> Result<(), FetchFault> {
        let wanted = Wanted { url: &input.url, length: Length::AtMost(self.limit), sha256: input.sha256 };
        let transfer = Transfer::new(self.task, &input.url);
        let retry = Retry { retries: self.options.retries, backoff: self.options.backoff };
        let mut attempts = 0;
        loop {
            attempts += 1;
            let outcome = part.complete(&self.client, &wanted, target, &|came| transfer.take(came));
            let (message, retry_after) = match outcome {
                Ok(()) => return Ok(()),
                Err(Failure::Final(fault)) => return Err(fault),
                Err(Failure::Transient { message, retry_after }) => (message, retry_after),
            };
            let Some(wait) = retry.wait(attempts, retry_after) else {
                return Err(FetchFault::Network { message, attempts });
            };
            let counts = (attempts, self.options.retries);
            self.task.note(&retry_line(&input.url, &message, retry_after.map(|_| wait), counts));
            thread::sleep(wait);
        }
    }
}

/// What is shown of a file on its way.
struct Transfer<'a> {
    whole: &'a Task<'a>,
    /// The last part of its address.
    name: String,
    part: RefCell<Option<Task<'a>>>,
    /// How far it is now.
    at: Cell<u64>,
    /// How far it was: what comes a second time does not count twice.
    most: Cell<u64>,
    /// What files before it brought.
    before: u64,
}

impl<'a> Transfer<'a> {
    fn new(whole: &'a Task<'a>, url: &str) -> Self {
        let place = place(url);
        let name = place.rsplit('/').next().unwrap_or_default().to_owned();
        let (part, at, most) = (RefCell::default(), Cell::new(0), Cell::new(0));
        Self { whole, name, part, at, most, before: whole.done() }
    }

    fn take(&self, came: Came) {
        let (start, count) = match came {
            Came::Start { at, total } => {
                let part = self.whole.child(self.name.clone(), total, Unit::Bytes);
                if let Some(total) = total {
                    self.whole.expect(self.before.saturating_add(total));
                }
                if at > 0 {
                    part.advance(at);
                }
                self.part.replace(Some(part));
                (0, at)
            }
            Came::Bytes(count) => {
                self.part.borrow().iter().for_each(|part| part.advance(count));
                (self.at.get(), count)
            }
        };
        self.at.set(start.saturating_add(count));
        let more = self.at.get().saturating_sub(self.most.get());
        self.most.set(self.most.get() + more);
        if more > 0 {
            self.whole.advance(more);
        }
    }
}

/// What became of `input`, from what became of its transfer.
fn failed(input: &FileInput, fault: FetchFault) -> Error {
    let is_local = input.url.starts_with("file:") || input.url.starts_with("copy:");
    let refused = |message: String| Fault::Refused { message };
    let fault = match fault {
        // What is in a file of this machine is its owner's business alone.
        FetchFault::WrongDigest { .. } | FetchFault::OtherFile if is_local => Fault::OtherFile,
        FetchFault::OtherFile => Fault::OtherFile,
        FetchFault::WrongDigest { expected, found } => Fault::WrongDigest { expected, found },
        FetchFault::WrongSize { expected, .. } => refused(format!("it has more than {expected} bytes")),
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
    };
    Error::fetch(input, fault)
}

#[cfg(test)]
mod tests;
