//! `fetch`: brings what a lock names into the cache, for builds that use no network.

use std::fs::File;
use std::path::PathBuf;

use builder::apt::Resolution;
use clap::Args;
use model::Arch;
use model::path::json::keys;
use model::words::count;
use serde::Serialize;

use crate::commands::{Context, Module, ModuleDirectory, Verb};
use crate::error::Error;
use crate::recipes::build::downloads::Downloads;
use crate::recipes::build::inputs;
use crate::recipes::packages::request::Packages;
use crate::recipes::packages::{download, lock};
use crate::settings::{self, Flags};
use crate::ui::{clean, size};

/// Download the locked packages and files into the cache, for builds without network
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    pub(crate) module: ModuleDirectory,
    /// The architectures to fetch for [default: all of the lock]
    #[arg(long = "arch", value_name = "ARCH", value_delimiter = ',')]
    pub(crate) archs: Vec<Arch>,
    /// Where downloads are kept
    #[arg(long, value_name = "DIR", help_heading = "Speed and place")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// How many files to download at once [default: 8]
    #[arg(long, value_name = "N", help_heading = "Speed and place",
          value_parser = clap::value_parser!(u64).range(1..=settings::MOST_JOBS))]
    pub(crate) jobs: Option<u64>,
}

const EXAMPLES: &str = "\
What the cache has already is checked by its sha256 and not downloaded again. A package
or a [[file]] that an interrupted run left half is resumed.

Examples:
  module-builder fetch && unshare -rn module-builder build --frozen --dry-run
      Fetches, then lists what a build would ship where there is no network.
  module-builder fetch --arch arm64 --cache-dir cache
      Fills a cache for another machine.";

/// What is in the cache now, as JSON.
#[derive(Debug, Serialize)]
struct Fetched {
    /// The cache.
    #[serde(flatten, serialize_with = "keys::cache")]
    cache: PathBuf,
    architectures: Vec<Amounts>,
}

/// What is locked for one architecture.
#[derive(Debug, Serialize)]
struct Amounts {
    arch: Arch,
    /// How many packages.
    packages: usize,
    /// The size of their files in bytes.
    size: u64,
    /// How many files of `[[file]]`.
    files: usize,
    /// Their size in bytes.
    files_size: u64,
}

impl Amounts {
    fn of(resolution: &Resolution, opened: &[File]) -> std::io::Result<Self> {
        let sizes = opened.iter().map(|file| Ok(file.metadata()?.len())).collect::<std::io::Result<Vec<u64>>>()?;
        Ok(Self {
            arch: resolution.arch,
            packages: resolution.packages.len(),
            size: resolution.packages.iter().map(|package| package.size).sum(),
            files: opened.len(),
            files_size: sizes.iter().sum(),
        })
    }

    fn line(&self) -> String {
        let files = match self.files {
            0 => String::new(),
            files => format!("{}, {}; ", count(files, "file"), size(self.files_size)),
        };
        format!("{files}{} for {}, {}", count(self.packages, "package"), self.arch, size(self.size))
    }
}

impl Verb for FetchArgs {
    fn settings(&self) -> (Module, Flags) {
        (self.module.module(), Flags { cache_dir: self.cache_dir.clone(), jobs: self.jobs, ..Flags::default() })
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Fetches the packages and files of each architecture.
#[allow(clippy::needless_pass_by_value, reason = "every verb takes its arguments whole")]
fn run(args: FetchArgs, context: &Context) -> Result<(), Error> {
    inputs::check_directory(args.module.path())?;
    let (manifest, file) = context.ui.reported(inputs::manifest(args.module.path(), "fetched")?);
    let mut archs = args.archs.clone();
    if let Some(lock) = lock::read(args.module.path())?.filter(|_| archs.is_empty()) {
        archs = lock.resolutions.iter().map(|one| one.arch).collect();
    }
    if archs.is_empty() {
        archs.push(context.settings.require_arch()?);
    }
    let cache = context.environment.absolute(context.settings.require_cache_dir()?);
    let own = context.settings.of_module(args.module.path())?;
    let mut architectures = Vec::new();
    for arch in archs.iter().copied() {
        let packages = Packages {
            locked: true,
            archs: archs.clone(),
            ..Packages::new(&context.settings, arch, &context.environment)?
        };
        let Some(resolution) = lock::resolution(&own, (&packages, &packages.settings), &manifest, &file)? else {
            continue;
        };
        download::fetch(&resolution, &packages, &context.ui)?;
        let downloads = Downloads::new(&context.settings, &context.environment, false);
        let opened = downloads.fetch(&own, &own.files_for(&[arch]), &context.ui)?;
        let amounts = Amounts::of(&resolution, &opened).map_err(|error| Error::io("read", &cache, &error))?;
        context.ui.note(&amounts.line());
        architectures.push(amounts);
    }
    context.ui.result(&clean(&cache.display().to_string()), &Fetched { cache, architectures })
}
