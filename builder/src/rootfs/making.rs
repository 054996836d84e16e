//! One root file system is made: a tar in a directory that is thrown away, or put into the cache.

#![allow(clippy::disallowed_methods, reason = "the cache is this user's own directory")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use host::process::{self, Flow};
use model::Epoch;
use model::observe::{Observer, Task, Unit};
use model::record::RootfsInputs;

use super::entry::{self, Record};
use super::plan::{self, Places, Privilege};
use super::work::Work;
use super::{Error, deb, installed, io_error, log, memory, repository};
use crate::apt::{Resolution, Resolved};

/// A tar that holds nothing: its end, which is two blocks of zeros.
const EMPTY: [u8; 1024] = [0; 1024];

/// Everything that is needed for it.
pub(super) struct Making<'a> {
    pub(super) resolution: &'a Resolution,
    /// One for each package, in the order of the resolution.
    pub(super) debs: &'a [PathBuf],
    pub(super) epoch: Epoch,
    pub(super) privilege: Privilege,
    /// The tar of the base; none where all packages are installed.
    pub(super) over: Option<PathBuf>,
    pub(super) work: &'a Work,
}

impl Making<'_> {
    /// Makes the entry of the cache, in the directory of the work.
    pub(super) fn make(&self, inputs: RootfsInputs, observer: &dyn Observer) -> Result<Record, Error> {
        let archive = entry::archive(&self.work.entry());
        let metadata = match self.resolution.packages.is_empty() {
            true => {
                fs::write(&archive, EMPTY).map_err(io_error("write", &archive))?;
                Vec::new()
            }
            false => self.install(observer)?,
        };
        let (size, sha256) = installed::check(&archive, self.resolution)?;
        let file = host::open::file(&archive)?;
        // Whatever the umask is: what others may write to would not be trusted.
        file.set_permissions(fs::Permissions::from_mode(0o644)).map_err(io_error("set the mode of", &archive))?;
        file.sync_all().map_err(io_error("write", &archive))?;
        let mut maintainer_scripts = BTreeMap::new();
        for (resolved, metadata) in self.resolution.packages.iter().zip(metadata) {
            if !metadata.maintainer_scripts.is_empty() {
                maintainer_scripts.insert(resolved.package.name.clone(), metadata.maintainer_scripts);
            }
        }
        let record = Record { inputs, size, sha256, maintainer_scripts };
        entry::write_record(&self.work.entry(), &record)?;
        entry::write_seal(&self.work.entry())?;
        Ok(record)
    }

    /// The packages that are installed, and what their .debs say of themselves.
    fn installed<'a>(
        &'a self,
        metadata: &'a [deb::Metadata],
    ) -> impl Iterator<Item = (&'a Resolved, &'a deb::Metadata)> {
        let all = self.resolution.packages.iter().zip(metadata);
        all.filter(|(resolved, _)| self.over.is_none() || !resolved.base)
    }

    /// Writes the tar of all packages, and gives what each says of itself.
    fn install(&self, observer: &dyn Observer) -> Result<Vec<deb::Metadata>, Error> {
        let repository = self.work.directory("repository")?;
        let metadata = repository::make(&repository, self.resolution, self.debs, self.epoch)?;
        let fixed = self.fixed()?;
        let memory = memory::room(self.size(&metadata));
        let places = Places {
            repository: &repository,
            scratch: &self.work.directory("scratch")?,
            fixed: &fixed,
            archive: &entry::archive(&self.work.entry()),
            base: self.over.as_deref(),
            memory,
        };
        tracing::debug!("the tree stands {}", if memory.is_some() { "in memory" } else { "on disk" });
        let packages = self.installed(&metadata).count() as u64;
        match self.run(places, packages, observer) {
            Err(Error::Failed { failure, .. }) if memory.is_some() && failure.is_full_disk() => {
                observer.note("the packages need more space than memory has: they are installed once more, on disk");
                self.run(Places { memory: None, ..places }, packages, observer)?;
            }
            done => done?,
        }
        Ok(metadata)
    }

    /// The files that every tree gets.
    fn fixed(&self) -> Result<PathBuf, Error> {
        let fixed = self.work.directory("fixed")?;
        let host_name = format!("{}\n", plan::HOSTNAME);
        for (name, text) in [("hostname", host_name.as_str()), ("resolv.conf", ""), ("sources.list", "")] {
            let path = fixed.join(name);
            fs::write(&path, text).map_err(io_error("write", &path))?;
        }
        Ok(fixed)
    }

    /// About how many bytes the tree and what is needed beside it have: what the packages say, and the packages.
    fn size(&self, metadata: &[deb::Metadata]) -> u64 {
        let base = self.over.as_deref().and_then(|path| fs::metadata(path).ok()).map_or(0, |found| found.len());
        let all = self.installed(metadata).map(|(resolved, metadata)| {
            let kib = metadata.control.get("Installed-Size").and_then(|size| size.parse::<u64>().ok()).unwrap_or(0);
            kib.saturating_mul(1024).saturating_add(resolved.size)
        });
        all.fold(base, u64::saturating_add)
    }

    fn run(&self, places: Places<'_>, packages: u64, observer: &dyn Observer) -> Result<(), Error> {
        let invocation = plan::plan(self.resolution, self.epoch, self.privilege, places)?;
        let task = Task::start(observer, "build root file system", Some(packages * 2), Unit::Items);
        let mut log = log::Log::new(&task, self.resolution.arch.debian(), packages);
        let status = process::stream(&invocation, &self.output(), &mut |line| {
            log.line(line);
            Flow::Continue
        })?;
        if status.success() {
            return Ok(());
        }
        let (failure, log) = log.failure();
        Err(Error::Failed { failure, log })
    }

    fn output(&self) -> PathBuf {
        self.work.path.join("stdout")
    }
}
