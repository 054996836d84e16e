//! `build`: a module's repository becomes a composefs image, `module.tar` and an OCI layout.

use std::collections::BTreeSet;
use std::path::PathBuf;

use builder::cache::Cache;
use clap::{Args, FromArgMatches, ValueEnum};
use model::Arch;
use model::record::{Compression, LintCode, ModuleId, ParseWordError, Tag};
use model::words::count;

use crate::commands::{Context, Module, ModuleDirectory, RequiredModules, Verb};
use crate::error::group::WithFindings;
use crate::error::{Error, Reported};
use crate::recipes::build::Produced;
use crate::recipes::build::downloads::Downloads;
use crate::recipes::build::dry_run::Listed;
use crate::recipes::build::remembered::DigestCacheHandle;
use crate::recipes::build::request::{self, BuildRequest, Checks, ModuleSource, RootSource};
use crate::recipes::build::several::{self, SeveralRequest};
use crate::recipes::build::sinks::Sink;
use crate::recipes::build::sinks::{ArtifactOptions, Outputs};
use crate::recipes::build::{self, dry_run, suggest};
use crate::recipes::packages::request::Packages;
use crate::settings::{self, Flags};
use crate::ui::{Ui, clean, size};

/// One output that a build can be asked to leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Emit {
    /// `module.tar`
    Tar,
    /// The OCI image layout in `oci/`
    Oci,
}

/// Build the module: root file system, image, module.tar, OCI layout
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    pub(crate) module: ModuleDirectory,

    /// Where the results go [default: dist/ in the module's repository]
    #[arg(long, value_name = "DIR", help_heading = "Results")]
    pub(crate) output: Option<PathBuf>,
    /// Which results to write
    #[arg(
        long,
        value_enum,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "tar,oci",
        help_heading = "Results"
    )]
    pub(crate) emit: Vec<Emit>,
    /// Write the object store as files into DIR too, for a local mount
    #[arg(long, value_name = "DIR", help_heading = "Results")]
    pub(crate) objects: Option<PathBuf>,
    /// How the OCI layer is compressed
    #[arg(long, value_parser = request::compression(), value_name = "HOW", default_value_t, help_heading = "Results")]
    pub(crate) compression: Compression,
    /// The tag in the OCI layout; each architecture gets TAG-ARCH
    #[arg(long, value_name = "TAG", default_value = "latest", help_heading = "Results")]
    pub(crate) tag: Tag,
    /// The module's identifier on the platform, recorded as an annotation
    #[arg(long, value_name = "ID", help_heading = "Results")]
    pub(crate) module_id: Option<ModuleId>,
    /// Write manifest.json, file-list.txt and package-list.txt only; needs no root rights
    ///
    /// Packages are resolved, and those whose file lists are not known yet are fetched and read, but
    /// nothing is installed and no maintainer script runs: files that such scripts make are not listed.
    #[arg(long, conflicts_with_all = ["objects", "emit", "compression"], help_heading = "Results")]
    pub(crate) dry_run: bool,
    /// Print all that is missing as YAML to paste, and write nothing
    ///
    /// Libraries, programs, users and units of what would be shipped, and of what would be shipped with them: packages for
    /// package_spec, else patterns for file_spec. The exit code is that of the build.
    #[arg(long, conflicts_with_all = ["dry_run", "objects", "emit", "compression"], help_heading = "Results")]
    pub(crate) suggest: bool,

    #[command(flatten)]
    pub(crate) settings: settings::Flags,
    /// Take this root file system, a directory or a tar, instead of running mmdebstrap
    #[arg(long, value_name = "PATH", conflicts_with_all = ["locked", "frozen"],
          help_heading = "Packages")]
    pub(crate) rootfs: Option<PathBuf>,
    /// Refuse to build without a module.lock that fits
    #[arg(long, help_heading = "Packages")]
    pub(crate) locked: bool,
    /// Use no network: everything must be in the cache
    #[arg(long, help_heading = "Packages")]
    pub(crate) offline: bool,
    /// Both --locked and --offline
    #[arg(long, help_heading = "Packages")]
    pub(crate) frozen: bool,

    #[command(flatten, next_help_heading = "Checks")]
    pub(crate) required: RequiredModules,
    /// A neighbour on the same node: its protected files are not shipped; may be repeated
    #[arg(long = "with", value_name = "MANIFEST|DIR", help_heading = "Checks")]
    pub(crate) neighbours: Vec<PathBuf>,
    /// Treat warnings as errors, such as a pattern that takes nothing
    #[arg(long, help_heading = "Checks")]
    pub(crate) strict: bool,
    /// Let findings with this code pass; recorded in the artifact; may be repeated
    #[arg(long = "allow", value_name = "LINT", value_parser = request::lint(), help_heading = "Checks")]
    pub(crate) allowed: Vec<LintCode>,

    /// Say which inputs changed since the cached root file system was built
    #[arg(long, help_heading = "Speed and place")]
    pub(crate) explain_cache: bool,
    /// Build the root file system again even if the cache has it
    ///
    /// Where the packages' own file lists are needed, they are read from the packages again, too.
    #[arg(long, help_heading = "Speed and place")]
    pub(crate) no_cache: bool,
    /// Read every file again, also those that look as they did when they were last read
    ///
    /// A build remembers the digests of the files that it read and of the objects that it wrote. Those
    /// that still have the same inode, size and times, also the time of the last change, are not read
    /// again. Neither are packages whose file lists an earlier build or dry run read.
    #[arg(long, help_heading = "Speed and place")]
    pub(crate) paranoid: bool,
}

/// Where the results go in the module's repository.
pub(crate) const DIST: &str = "dist";

const EXAMPLES: &str = "\
Examples:
  module-builder build
      Builds the module in the current directory into dist/.
  module-builder build -C nginx --mirror http://mirror.example.org/debian --objects /srv/objects
      Fetches from one mirror, and leaves an object store to mount from.
  module-builder build --arch amd64,arm64
      Builds for both, into dist/amd64/ and dist/arm64/, with one OCI index over them.
  module-builder build --dry-run
      Lists what would be shipped, without root rights.
  module-builder build --suggest
      Prints what the shipped files lack, to be pasted into manifest.yaml.
  module-builder build --frozen --strict
      What a release should use: locked inputs, no network, no warnings.";

impl BuildArgs {
    /// What `build` without arguments does.
    pub(crate) fn defaults() -> Result<Self, Error> {
        let parser = Self::augment_args(clap::Command::default().no_binary_name(true));
        let parsed = parser.try_get_matches_from([""; 0]).and_then(|matches| Self::from_arg_matches(&matches));
        parsed.map_err(|error| Error::bug("`build` needs an argument").because(&error))
    }

    /// Puts arguments and settings together.
    ///
    /// # Errors
    /// When they contradict each other, or a setting is missing that has no default.
    pub(crate) fn into_request(self, context: &Context) -> Result<BuildRequest, Error> {
        let arch = context.settings.require_arch()?;
        self.request(arch, context)
    }

    /// The same for each architecture that is named.
    ///
    /// # Errors
    /// As [`BuildArgs::into_request`].
    fn requests(&self, context: &Context) -> Result<Vec<BuildRequest>, Error> {
        let archs = context.settings.require_archs()?;
        if let (Some(path), [_, _, ..]) = (&self.rootfs, archs) {
            return Err(Error::usage(format!("{} cannot be of {} architectures", path.display(), archs.len()))
                .hint("name one architecture with --rootfs"));
        }
        archs.iter().map(|arch| self.request(*arch, context)).collect()
    }

    fn request(&self, arch: Arch, context: &Context) -> Result<BuildRequest, Error> {
        let root = match self.rootfs.clone() {
            Some(path) => RootSource::Given(path),
            None => {
                let packages = Packages::new(&context.settings, arch, &context.environment)?;
                RootSource::Packages(Box::new(self.override_packages(packages)))
            }
        };
        let emitted = self.emit.iter().copied().collect::<BTreeSet<_>>().into_iter().map(|emit| match emit {
            Emit::Tar => Sink::Tar,
            Emit::Oci => Sink::Layout,
        });
        let version = context.settings.version.value.as_deref().map(str::parse).transpose();
        let version = version.map_err(|error: ParseWordError| Error::input(error.to_string()))?;
        let lower = self.required.source(context.settings.require_archs()?, &context.environment);
        Ok(BuildRequest {
            outputs: Outputs {
                directory: self.output.clone().unwrap_or_else(|| settings::join(self.module.path(), DIST)),
                sinks: emitted.chain(self.objects.clone().map(Sink::Objects)).collect(),
                artifact: ArtifactOptions {
                    compression: self.compression,
                    tag: self.tag.clone(),
                    module_id: self.module_id.clone(),
                    version,
                },
            },
            module: ModuleSource {
                neighbours: self.neighbours.clone(),
                fleet: context.settings.fleet(),
                lower,
                settings: context.settings.of_module(self.module.path())?,
            },
            arch,
            epoch: context.settings.epoch.value,
            root,
            downloads: Downloads::new(&context.settings, &context.environment, self.offline || self.frozen),
            checks: Checks { strict: self.strict, allowed: self.allowed.iter().cloned().collect() },
            reuse: context.settings.cache_dir.value.as_deref().map(|cache| DigestCacheHandle {
                cache: Cache::new(context.environment.absolute(cache)),
                paranoid: self.paranoid,
            }),
        })
    }

    fn override_packages(&self, packages: Packages) -> Packages {
        Packages {
            locked: self.locked || self.frozen,
            no_cache: self.no_cache,
            explain_cache: self.explain_cache,
            ..packages
        }
        .offline(self.offline || self.frozen)
    }
}

impl Verb for BuildArgs {
    fn settings(&self) -> (Module, Flags) {
        (self.module.module(), self.settings.clone())
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Builds the module.
#[allow(clippy::needless_pass_by_value, reason = "every verb takes its arguments whole")]
fn run(args: BuildArgs, context: &Context) -> Result<(), Error> {
    let requests = args.requests(context)?;
    let ui = &context.ui;
    if args.suggest {
        return suggest(&requests, ui);
    }
    match (<[BuildRequest; 1]>::try_from(requests), args.dry_run) {
        (Ok([request]), true) => {
            let listed = shown(dry_run::run(&request, ui)?, ui);
            ui.note(&describe_listed(request.arch, &listed.value));
            ui.result(&clean(&listed.value.output.display().to_string()), &WithFindings::of(&listed))
        }
        (Err(requests), true) => {
            let listed = shown(dry_run::run_several(&SeveralRequest::of(requests)?, ui)?, ui);
            listed.value.architectures.iter().for_each(|(arch, one)| ui.note(&describe_listed(*arch, one)));
            ui.result(&clean(&listed.value.output.display().to_string()), &WithFindings::of(&listed))
        }
        (Ok([request]), false) => {
            let produced = shown(build::produce(&request, ui)?, ui);
            ui.note(&describe(&produced.value));
            ui.result(&produced.value.composefs_digest.to_string(), &WithFindings::of(&produced))
        }
        (Err(requests), false) => {
            let produced = shown(several::produce(&SeveralRequest::of(requests)?, ui)?, ui);
            let all = &produced.value.architectures;
            let line = |one: &Produced| format!("{} {}", one.arch, one.composefs_digest);
            all.iter().for_each(|one| ui.note(&describe(one)));
            ui.result(&all.iter().map(line).collect::<Vec<_>>().join("\n"), &WithFindings::of(&produced))
        }
    }
}

/// Prints what is missing.
fn suggest(requests: &[BuildRequest], ui: &Ui) -> Result<(), Error> {
    let [request] = requests else {
        return Err(Error::usage("--suggest is for one architecture").hint("name one by --arch"));
    };
    let mut suggested = shown(suggest::run(request, ui)?, ui);
    ui.result(&suggested.value.yaml(), &WithFindings::of(&suggested))?;
    suggested.value.refused.take().map_or(Ok(()), Err)
}

/// Shows what was found, which is part of the result as JSON, too.
fn shown<T>(reported: Reported<T>, ui: &Ui) -> Reported<T> {
    ui.findings(&reported.findings);
    reported
}

/// What a dry run found, in one line.
fn describe_listed(arch: Arch, listed: &Listed) -> String {
    let (counts, packages, output) = (listed.counts, count(listed.packages, "package"), listed.output.display());
    format!("a build for {arch} would ship {counts}, from {packages}: listed in {output}")
}

/// What was built, in one line; the digest stands alone on standard output.
fn describe(produced: &Produced) -> String {
    format!(
        "built {} for {}: {}, {} of content, from {}, in {}",
        produced.name,
        produced.arch,
        produced.counts,
        size(produced.content_size),
        count(produced.packages, "package"),
        produced.output.display()
    )
}
