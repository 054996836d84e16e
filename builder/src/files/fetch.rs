//! A file from its address into the cache: bounded, and checked by its sha256.

#![allow(clippy::disallowed_methods, reason = "the cache is this user's own directory")]

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;

use model::Digest;
use model::file_input::FileInput;
use model::observe::{Observer, Task, Unit};
use net::{Client, Retry};
use sha2::{Digest as _, Sha256};

use super::{Error, Fault, SIZE_LIMIT};
use crate::apt::{FetchOptions, client, percent_decode};
use crate::cache::{self, Cache};

/// Opens each of `inputs`, from the cache, or brought there. Each was just now checked by its sha256.
///
/// # Errors
/// With the first that cannot be had.
pub fn fetch(
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
    let run = Run { cache, options, client, task: &task };
    inputs.iter().map(|input| run.file(input)).collect()
}

struct Run<'a> {
    cache: &'a Cache,
    options: &'a FetchOptions,
    client: Client,
    task: &'a Task<'a>,
}

/// Why one attempt failed, and whether another one may help.
enum Failure {
    Transient(String),
    Final(Error),
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
        let retry = Retry { retries: self.options.retries, backoff: self.options.backoff };
        let mut attempts = 0;
        loop {
            attempts += 1;
            let message = match self.download(input, &target) {
                Ok(file) => return Ok(file),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Transient(message)) => message,
            };
            let Some(wait) = retry.wait(attempts, None) else {
                let message = format!("{message} (tried {attempts} times)");
                return Err(Error::fetch(input, Fault::Refused { message }));
            };
            self.task.note(&format!("{}: {message}; trying again", net::url::host(&input.url)));
            thread::sleep(wait);
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
        if digest(&mut file, |_| Ok(())).map_err(failed)? != input.sha256 {
            self.task.warning("a cached file of [[file]] is damaged; it is not used", "");
            return Ok(None);
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        // The mark only delays eviction.
        let _ = cache::touch(target);
        Ok(Some(file))
    }

    fn download(&self, input: &FileInput, target: &Path) -> Result<File, Failure> {
        let final_error = |error: Error| Failure::Final(error);
        let temporary = self.cache.temporary().map_err(|error| final_error(error.into()))?;
        let part = tempfile::NamedTempFile::new_in(&temporary).map_err(|error| disk(&temporary, error))?;
        let mut body = self.source(input)?;
        let mut total = 0;
        let mut wrote = Ok(());
        let found = digest(&mut *body, |bytes| {
            total += bytes.len() as u64;
            self.task.advance(bytes.len() as u64);
            if total > SIZE_LIMIT {
                return Err(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    format!("it has more than {SIZE_LIMIT} bytes"),
                ));
            }
            wrote = part.as_file().write_all(bytes);
            if wrote.is_ok() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
        });
        wrote.map_err(|error| disk(&temporary, error))?;
        let found = found.map_err(|error| read_failure(input, &error))?;
        if found != input.sha256 {
            let fault =
                if is_local(input) { Fault::OtherFile } else { Fault::WrongDigest { expected: input.sha256, found } };
            return Err(final_error(Error::fetch(input, fault)));
        }
        use std::os::unix::fs::PermissionsExt;
        part.as_file().set_permissions(fs::Permissions::from_mode(0o644)).map_err(|error| disk(&temporary, error))?;
        let mut file = part.persist(target).map_err(|error| disk(target, error.error))?;
        file.seek(SeekFrom::Start(0)).map_err(|error| disk(target, error))?;
        Ok(file)
    }

    fn source<'a>(&'a self, input: &FileInput) -> Result<Box<dyn Read + 'a>, Failure> {
        let refused = |message: String| Failure::Final(Error::fetch(input, Fault::Refused { message }));
        if !is_local(input) {
            let response = self.client.get(&input.url, SIZE_LIMIT).send();
            return Ok(Box::new(response.map_err(|error| net_failure(input, &error))?));
        }
        let path = input.url.split_once(':').map_or("", |(_, path)| path);
        let path = percent_decode(path.strip_prefix("//").unwrap_or(path));
        let path = path.map(PathBuf::from).ok_or_else(|| refused("this is no path".to_owned()))?;
        let file = host::open::file(&path).map_err(|error| refused(error.to_string()))?;
        Ok(Box::new(file))
    }
}

fn is_local(input: &FileInput) -> bool {
    input.url.starts_with("file:") || input.url.starts_with("copy:")
}

fn disk(path: &Path, error: io::Error) -> Failure {
    Failure::Final(host::Error::io("write", path)(error).into())
}

fn net_failure(input: &FileInput, error: &net::Error) -> Failure {
    match error.is_transient() {
        true => Failure::Transient(error.to_string()),
        false => Failure::Final(Error::fetch(input, Fault::Refused { message: error.to_string() })),
    }
}

fn read_failure(input: &FileInput, error: &io::Error) -> Failure {
    match net::Error::of_read(error) {
        Some(error) => net_failure(input, error),
        None if is_local(input) || error.kind() == io::ErrorKind::FileTooLarge => {
            Failure::Final(Error::fetch(input, Fault::Refused { message: error.to_string() }))
        }
        None => Failure::Transient(error.to_string()),
    }
}

/// The sha256 of what `input` still holds; `each` takes the bytes.
fn digest(input: &mut dyn Read, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(Digest::new(hasher.finalize().into())),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                each(&buffer[..count])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
