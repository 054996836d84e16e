//! `init`: a new module repository from a template that validates and builds as it is.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use host::{Dir, Pinned};
use model::path::json::{Alone, keys};
use model::shell;
use serde::Serialize;

use crate::commands::{Context, Module, Verb};
use crate::error::Error;
use crate::recipes::results::{whose, writable};
use crate::settings::Flags;
use crate::ui::clean;

/// Start a module's repository from a template
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
}

const EXAMPLES: &str = "\
Examples:
  module-builder init web
      Writes a module named web into ./web, which serves a page by nginx.
  module-builder init --name web
      The same into the current directory. Files that exist are never overwritten.";

/// A template that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Template {
    /// A web server: Debian's nginx with a page of its own
    #[default]
    Nginx,
}

/// One file of a template: its path in the repository, and its content.
type File = (&'static str, &'static [u8]);

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

impl Template {
    fn files(self) -> &'static [File] {
        match self {
            Self::Nginx => NGINX,
        }
    }

    /// The name that stands in the template's manifest.
    fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
        }
    }
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

impl Verb for InitArgs {
    fn settings(&self) -> (Module, Flags) {
        (Module::None, Flags::default())
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Writes the repository and says what to do next.
#[allow(clippy::needless_pass_by_value, reason = "every verb takes its arguments whole")]
fn run(args: InitArgs, context: &Context) -> Result<(), Error> {
    let directory = args.directory.unwrap_or(args.alone);
    let name =
        args.name.unwrap_or_else(|| default_name(&context.environment.current_dir.join(&directory), args.template));
    let files = args.template.files();
    refuse_to_overwrite(&directory, files)?;
    let root = place(&directory)?.create()?;
    let mut written = Written::default();
    for (path, content) in files {
        written.create(&root, path, &named(content, args.template, &name))?;
    }
    let paths: Vec<PathBuf> = files.iter().map(|(path, _)| directory.join(path)).collect();
    written.keep();
    let place = shell::word(&directory);
    for path in &paths {
        context.ui.note(&format!("wrote {}", path.display()));
    }
    for line in [
        "next:".to_owned(),
        format!("  module-builder validate {place}"),
        format!("  module-builder build --dry-run -C {place}"),
        format!("  module-builder build -C {place}"),
    ] {
        context.ui.note(&line);
    }
    let place = clean(&directory.display().to_string());
    context.ui.result(&place, &Made { directory: &directory, name: &name, files: paths.iter().map(Alone).collect() })
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

fn refuse_to_overwrite(directory: &Path, files: &[File]) -> Result<(), Error> {
    let existing: Vec<String> = files
        .iter()
        .map(|(path, _)| directory.join(path))
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
