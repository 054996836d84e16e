//! `init`: a new module repository that validates and builds as it is, from a template or from packages.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use host::{Dir, Pinned};
use model::Arch;
use model::package::PackageRequest;
use model::path::json::{Alone, keys};
use model::shell;
use serde::Serialize;

use crate::commands::{Context, Module, Verb};
use crate::error::Error;
use crate::recipes::draft::{self, Archives, Draft};
use crate::recipes::packages::request::Packages;
use crate::recipes::results::{whose, writable};
use crate::settings::{self, Flags};
use crate::ui::clean;

/// Start a module's repository, from a template or from what packages say of themselves
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InitArgs {
    /// The directory to write into; it is made if it is missing
    #[arg(value_name = "DIR", default_value = ".", conflicts_with = "directory")]
    alone: PathBuf,
    /// The same as DIR
    #[arg(short = 'C', long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// The module's name [default: the directory's name where it can be one, else the template's]
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<String>,
    /// The template
    #[arg(long, value_enum, value_name = "TEMPLATE", default_value_t)]
    template: Template,
    /// Packages to write a manifest for, in place of a template; DIR goes before them, or after -C
    ///
    /// Name, description, licence and services are taken from what the packages hold. The module ships what they need over
    /// the base (`ship = "closure"`). The name is the first one's unless `--name` gives another. A builder.toml that is in DIR
    /// counts, with its archives and keys, and stays.
    #[arg(long = "package", value_name = "NAME", num_args = 1.., value_delimiter = ',', conflicts_with = "template",
          value_parser = package)]
    packages: Vec<PackageRequest>,
    #[command(flatten)]
    archives: ArchiveArgs,
}

/// Where `--package` takes packages from.
#[derive(Debug, Args)]
struct ArchiveArgs {
    /// The Debian suite to build from [default: trixie]
    #[arg(long, value_name = "SUITE", requires = "packages", help_heading = "Packages")]
    suite: Option<String>,
    /// A Debian mirror, which goes into builder.toml; may be repeated [default: the archives of the host's apt]
    #[arg(long = "mirror", value_name = "URL", requires = "packages", help_heading = "Packages")]
    mirrors: Vec<String>,
    /// The state of the archives to take, which goes into the manifest: YYYYMMDDTHHMMSSZ, or none for today's
    #[arg(long, value_name = "TIME|none", requires = "packages", help_heading = "Packages")]
    snapshot: Option<String>,
    /// The architecture whose packages are read [default: this machine's]
    #[arg(long, value_name = "ARCH", requires = "packages", help_heading = "Packages")]
    arch: Option<Arch>,
    /// Use what is in the cache, and no network
    #[arg(long, requires = "packages", help_heading = "Packages")]
    offline: bool,
    /// Where downloads are kept
    #[arg(long, value_name = "DIR", requires = "packages", help_heading = "Speed and place")]
    cache_dir: Option<PathBuf>,
    /// How many files to download at once [default: 8]
    #[arg(long, value_name = "N", requires = "packages", help_heading = "Speed and place",
          value_parser = clap::value_parser!(u64).range(1..=settings::MOST_JOBS))]
    jobs: Option<u64>,
}

const EXAMPLES: &str = "\
Examples:
  module-builder init web
      Writes a module named web into ./web, which serves a page by nginx.
  module-builder init tool --template empty
      A module without packages, for files of one's own (rootfs/) and from addresses ([[file]]).
  module-builder init --name web
      As the first into the current directory. Files that exist are never overwritten.
  module-builder init web --package nginx
      Writes a module into ./web from what the package says: services, licence, what it needs over its base.";

/// A template that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Template {
    /// A web server: Debian's nginx with a page of its own
    #[default]
    Nginx,
    /// No package: files of the module's own, built in a moment and without root rights
    Empty,
}

/// One file of a template: its path in the repository, and its content.
type File = (&'static str, &'static [u8]);

/// The settings of a module.
const SETTINGS: &str = "builder.toml";

/// What a module's repository ignores, whatever it was made from.
const IGNORE: &[u8] = include_bytes!("../../templates/nginx/.gitignore");

macro_rules! template {
    ($folder:literal: $($path:literal)+) => {
        &[$(($path, include_bytes!(concat!("../../templates/", $folder, "/", $path)).as_slice())),+]
    };
}

const NGINX: &[File] = template!("nginx":
    ".gitignore"
    "README.md"
    "builder.toml"
    "manifest.yaml"
    "rootfs/etc/nginx/conf.d/module.conf"
    "rootfs/var/www/html/index.html"
);

const EMPTY: &[File] = template!("empty":
    ".gitignore"
    "README.md"
    "builder.toml"
    "manifest.yaml"
    "rootfs/etc/hello.conf"
);

impl Template {
    fn files(self) -> &'static [File] {
        match self {
            Self::Nginx => NGINX,
            Self::Empty => EMPTY,
        }
    }

    /// The name that stands in the template's manifest.
    fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Empty => "empty",
        }
    }
}

fn package(text: &str) -> Result<PackageRequest, String> {
    PackageRequest::parse(text).map_err(|error| error.to_string())
}

fn name(text: &str) -> Result<String, String> {
    if model::manifest::is_module_name(text) {
        Ok(text.to_owned())
    } else {
        Err("a module's name is 1 to 64 of a-z, 0-9 and `-`, starts with a letter and does not end with `-`".to_owned())
    }
}

/// What was written, as JSON.
#[derive(Serialize)]
struct Made<'a> {
    #[serde(flatten, serialize_with = "keys::directory")]
    directory: &'a Path,
    name: &'a str,
    files: Vec<Alone<&'a PathBuf>>,
}

impl InitArgs {
    fn place(&self) -> &Path {
        self.directory.as_ref().unwrap_or(&self.alone)
    }
}

impl Verb for InitArgs {
    fn settings(&self) -> (Module, Flags) {
        let ArchiveArgs { suite, mirrors, snapshot, arch, offline: _, cache_dir, jobs } = &self.archives;
        let flags = Flags {
            suite: suite.clone(),
            mirrors: mirrors.clone(),
            snapshot: snapshot.clone(),
            archs: arch.iter().copied().collect(),
            cache_dir: cache_dir.clone(),
            jobs: *jobs,
            ..Flags::default()
        };
        // An archive's keys can be named there alone.
        let module = if self.packages.is_empty() { Module::None } else { Module::At(self.place().to_owned()) };
        (module, flags)
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Writes the repository and says what to do next.
fn run(args: InitArgs, context: &Context) -> Result<(), Error> {
    let directory = args.place().to_owned();
    if args.packages.is_empty() {
        let default = || default_name(&context.environment.current_dir.join(&directory), args.template);
        let name = args.name.unwrap_or_else(default);
        let content = |(path, content): &File| (*path, named(content, args.template, &name));
        let files: Vec<_> = args.template.files().iter().map(content).collect();
        return write(&directory, &name, &files, context);
    }
    // Before packages are fetched for nothing.
    place(&directory)?;
    refuse_to_overwrite(&directory, &[".gitignore", "manifest.yaml"])?;
    let has_settings = fs::symlink_metadata(directory.join(SETTINGS)).is_ok();
    let Draft { name, manifest, settings, notes } = draft(args, context)?;
    for note in notes {
        context.ui.note(&note);
    }
    let mut files = vec![(".gitignore", IGNORE.to_vec()), ("manifest.yaml", manifest.into_bytes())];
    if has_settings {
        context.ui.note("builder.toml is there and stays: see that it has `ship = \"closure\"` and [base]");
    } else {
        files.insert(1, (SETTINGS, settings.into_bytes()));
    }
    write(&directory, &name, &files, context)
}

fn draft(args: InitArgs, context: &Context) -> Result<Draft, Error> {
    let settings = &context.settings;
    let packages =
        Packages::new(settings, settings.require_arch()?, &context.environment)?.offline(args.archives.offline);
    let archives = Archives {
        suite: &settings.suite.value,
        components: &settings.components.value,
        mirrors: &args.archives.mirrors,
    };
    draft::draft(args.packages, args.name, &packages, archives, &context.ui)
}

/// Writes `files`, all or none, and says what to do next.
fn write(directory: &Path, name: &str, files: &[(&str, Vec<u8>)], context: &Context) -> Result<(), Error> {
    let names: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
    refuse_to_overwrite(directory, &names)?;
    let root = place(directory)?.create()?;
    let mut written = Written::default();
    for (path, content) in files {
        written.create(&root, path, content)?;
    }
    let paths: Vec<PathBuf> = names.iter().map(|path| directory.join(path)).collect();
    written.keep();
    let place = shell::word(directory);
    for path in &paths {
        context.ui.note(&format!("wrote {}", path.display()));
    }
    for line in [
        "next:".to_owned(),
        format!("  module-builder validate {place}"),
        format!("  module-builder lock {place}"),
        format!("  module-builder build --dry-run -C {place}"),
        format!("  module-builder build -C {place}"),
    ] {
        context.ui.note(&line);
    }
    let place = clean(&directory.display().to_string());
    context.ui.result(&place, &Made { directory, name, files: paths.iter().map(Alone).collect() })
}

/// Where the repository is or will be. Writes nothing.
fn place(directory: &Path) -> Result<Pinned, Error> {
    let root = Pinned::new(directory)?;
    if let Some(build) = whose::build_around(root.base())? {
        let message = format!("{} holds a build, and is no place for a module", build.display());
        return Err(Error::input(message).hint("name a directory elsewhere: `module-builder init DIR`"));
    }
    let message = format!("no module can be written to {}", directory.display());
    writable::check(root.base(), &message, "", "name another directory: `module-builder init DIR`")?;
    Ok(root)
}

/// The directory's own name, where a module can have it.
fn default_name(directory: &Path, template: Template) -> String {
    let last = directory.components().next_back().and_then(|last| last.as_os_str().to_str());
    last.filter(|name| model::manifest::is_module_name(name)).unwrap_or(template.name()).to_owned()
}

fn refuse_to_overwrite(directory: &Path, files: &[&str]) -> Result<(), Error> {
    let existing: Vec<String> = files
        .iter()
        .map(|path| directory.join(path))
        .filter(|path| fs::symlink_metadata(path).is_ok())
        .map(|path| path.display().to_string())
        .collect();
    if existing.is_empty() {
        return Ok(());
    }
    let mut error =
        Error::input("files that exist are not overwritten").hint("name an empty directory: `module-builder init DIR`");
    error.causes = existing.into_iter().map(|path| format!("{path} exists")).collect();
    Err(error)
}

/// The template's file with the module's name in place of the template's.
fn named(content: &[u8], template: Template, name: &str) -> Vec<u8> {
    let line = format!("\nname: {}\n", template.name());
    match std::str::from_utf8(content) {
        Ok(text) => text.replacen(&line, &format!("\nname: {name}\n"), 1).into_bytes(),
        Err(_) => content.to_vec(),
    }
}

/// What was written so far, taken away again unless everything could be.
#[derive(Default)]
struct Written(Vec<(Dir, OsString)>);

impl Written {
    /// Makes the file at `path` below `root`. Neither it nor a directory on the way may be a link: it could
    /// lead out of the repository.
    fn create(&mut self, root: &Dir, path: &str, content: &[u8]) -> Result<(), Error> {
        let mut directory = root.try_clone()?;
        let (below, name) = path.rsplit_once('/').unwrap_or(("", path));
        for part in below.split('/').filter(|part| !part.is_empty()) {
            directory = directory.directory_or_new(part, 0o755)?;
        }
        directory.write(name, content, 0o644)?;
        self.0.push((directory, name.into()));
        Ok(())
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        for (directory, name) in &self.0 {
            // The error that led here is the one to report.
            let _ = directory.remove_file(name);
        }
    }
}
