//! `explain`: why a path is in or out of the module, what each rule and package brings, and what a finding means.

mod code;
mod text;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use model::ImagePath;

use crate::commands::build::BuildArgs;
use crate::commands::{Context, Module, ModuleDirectory, RequiredModules, Verb};
use crate::error::Error;
use crate::recipes::build::request::BuildRequest;
use crate::recipes::explain::{self, Place};
use crate::recipes::rebuild::{self, AsBuilt};
use crate::settings::{self, Flags};

/// Say why a path is in or out of the module, or what the code of a finding means
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// A path in the module, which begins with `/`; or the code of a finding; with --summary, the place
    #[arg(value_name = "PATH|CODE", required_unless_present = "summary")]
    path: Option<OsString>,
    /// The module's repository, or what a build wrote: dist, OCI layout, module.tar [default: .]
    #[arg(value_name = "DIST|DIR")]
    place: Option<PathBuf>,
    /// The same as DIST|DIR
    #[arg(short = 'C', long, value_name = "DIR", conflicts_with = "place")]
    directory: Option<PathBuf>,
    /// Show bytes and files by rule and by package, and the rules that take nothing
    #[arg(long)]
    summary: bool,
    /// A neighbour on the same node: its protected files are not shipped; may be repeated
    #[arg(long = "with", value_name = "MANIFEST|DIR")]
    neighbours: Vec<PathBuf>,

    #[command(flatten)]
    required: RequiredModules,

    #[command(flatten)]
    settings: settings::Flags,
    /// Take this root file system, a directory or a tar, instead of the one that build would make
    ///
    /// What a build left is explained from what its record names: where that is a root file system which
    /// the user named, the same one has to be named here.
    #[arg(long, value_name = "PATH", conflicts_with = "frozen", help_heading = "Packages")]
    rootfs: Option<PathBuf>,
    /// Use no network: everything must be in the cache
    #[arg(long, help_heading = "Packages")]
    offline: bool,
    /// Use no network, and a module.lock that fits
    #[arg(long, help_heading = "Packages")]
    frozen: bool,
}

const EXAMPLES: &str = "\
Examples:
  module-builder explain /usr/sbin/nginx
      Names the rule and its line, the package and version, the overlay.
  module-builder explain /etc/nginx/sites-enabled/default nginx/dist --with traefik
      The same for another module and beside a neighbour.
  module-builder explain needs-library
      What the finding means, why it matters on a node, and how to fix it.
  module-builder explain --summary
      Bytes and files by rule and by package.";

impl ExplainArgs {
    /// The place that is named as such.
    fn named(&self) -> Option<&PathBuf> {
        self.place.as_ref().or(self.directory.as_ref())
    }

    /// What is meant as the code of a finding.
    fn code(&self) -> Option<&OsString> {
        self.path.as_ref().filter(|text| !self.summary && code::is_meant(text))
    }

    fn place(&self) -> PathBuf {
        let from_path = self.path.as_ref().filter(|_| self.summary).map(PathBuf::from);
        self.named().cloned().or(from_path).unwrap_or_else(|| PathBuf::from("."))
    }

    /// The request of what is at `place`, or the results of which only the image is known.
    fn into_request(self, place: Place, context: &Context) -> Result<Asked, Error> {
        match place {
            Place::Module(module) => Ok(Asked::Module(Box::new(self.into_build(module)?.into_request(context)?))),
            Place::Built { module, dist } => {
                let Flags { suite, mirrors, variant, archs, accounts, .. } = &self.settings;
                let is_named = suite.is_some() || variant.is_some() || accounts.is_some();
                if is_named || !mirrors.is_empty() || !archs.is_empty() {
                    return Err(Error::usage(format!("{} says itself what it was made from", dist.display())).hint(
                        "leave --suite, --mirror, --variant, --accounts and --arch out, or name the module instead of its results",
                    ));
                }
                let offline = self.offline || self.frozen;
                let (neighbours, modules) = (self.neighbours, self.required.modules);
                let asked = rebuild::Asked { module, dist, rootfs: self.rootfs, neighbours, modules, offline };
                let Context { ui, settings, environment, .. } = context;
                Ok(Asked::Built(Box::new(rebuild::as_built(asked, settings, environment, ui)?)))
            }
            Place::Image(dist) => Ok(Asked::Image(dist)),
        }
    }

    fn into_build(self, module: PathBuf) -> Result<BuildArgs, Error> {
        Ok(BuildArgs {
            module: ModuleDirectory::at(module),
            settings: self.settings,
            rootfs: self.rootfs,
            offline: self.offline,
            frozen: self.frozen,
            neighbours: self.neighbours,
            required: self.required,
            ..BuildArgs::defaults()?
        })
    }
}

/// What explains a path.
enum Asked {
    /// The module as it is now.
    Module(Box<BuildRequest>),
    /// The module as it was built.
    Built(Box<AsBuilt>),
    /// An image alone.
    Image(PathBuf),
}

impl Asked {
    fn request(&self) -> Result<&BuildRequest, &Path> {
        match self {
            Self::Module(request) => Ok(request),
            Self::Built(built) => Ok(&built.request),
            Self::Image(dist) => Err(dist),
        }
    }
}

impl Verb for ExplainArgs {
    fn settings(&self) -> (Module, Flags) {
        if self.code().is_some() {
            return (Module::None, self.settings.clone());
        }
        let module = match explain::place(&self.place()) {
            Ok(Place::Module(module) | Place::Built { module, .. }) if module.is_dir() => Module::At(module),
            Ok(Place::Module(_) | Place::Built { .. } | Place::Image(_)) => Module::None,
            // The verb says it again, and then it is an error.
            Err(_) => Module::None,
        };
        (module, self.settings.clone())
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Explains.
fn run(args: ExplainArgs, context: &Context) -> Result<(), Error> {
    if args.summary && args.path.is_some() && args.named().is_some() {
        return Err(Error::usage("--summary takes a place, and no path")
            .hint("name the path without --summary, or the place alone"));
    }
    if let Some(code) = args.code().map(|text| code::of(text)).transpose()?.flatten() {
        if args.named().is_some() {
            return Err(Error::usage("a code means the same in every module").hint("leave the place out"));
        }
        return context.ui.result(&code.describe(), &code);
    }
    let (place, is_summary) = (explain::place(&args.place())?, args.summary);
    let asked = args.path.as_ref().filter(|_| !is_summary).map(path_of).transpose()?;
    let place = args.into_request(place, context)?;
    match (asked, place.request()) {
        (Some(asked), Ok(request)) => {
            let explained = context.ui.reported(explain::path(asked, request, &context.ui)?);
            context.ui.result(&text::of_path(&explained), &explained)
        }
        (Some(asked), Err(dist)) => {
            let explained = explain::in_image(asked, dist)?;
            context.ui.note(&format!(
                "no manifest.yaml beside {}: only what the image holds is known, not why",
                dist.display()
            ));
            context.ui.result(&text::of_path(&explained), &explained)
        }
        (None, Ok(request)) => {
            let summary = context.ui.reported(explain::summary(request, &context.ui)?);
            context.ui.result(&text::of_summary(&summary), &summary)
        }
        (None, Err(dist)) => Err(Error::input(format!("there is no manifest.yaml beside {}", dist.display()))
            .hint("a summary needs the module's rules: name its repository")),
    }
}

/// The path that an argument names.
///
/// # Errors
/// When it is none.
pub(super) fn path_of(text: &OsString) -> Result<ImagePath, Error> {
    use std::os::unix::ffi::OsStrExt;
    ImagePath::new(text.as_bytes())
        .map_err(|error| Error::usage(error.to_string()).hint("name the path as it is inside the module: /usr/bin/x"))
}
