//! `explain`: why a path is in or out of the module, what each rule and package brings, and what a finding means.

mod code;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use composer::filter::{Amount, List};
use model::ImagePath;
use model::closure::Ship;
use model::path::escape;
use model::rules::Rule;

use crate::commands::build::BuildArgs;
use crate::commands::{Context, Module, ModuleDirectory, RequiredModules, Verb};
use crate::error::Error;
use crate::recipes::build::closure::Standing;
use crate::recipes::build::request::BuildRequest;
use crate::recipes::explain::{self, Explained, Found, Place, RuleLine, Summary, Why};
use crate::recipes::rebuild::{self, AsBuilt};
use crate::recipes::results::file_lists::From;
use crate::settings::{self, Flags};
use crate::ui::{clean, size};

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
                let Flags { suite, mirrors, variant, archs, .. } = &self.settings;
                if suite.is_some() || !mirrors.is_empty() || variant.is_some() || !archs.is_empty() {
                    return Err(Error::usage(format!("{} says itself what it was made from", dist.display())).hint(
                        "leave --suite, --mirror, --variant and --arch out, or name the module instead of its results",
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
            context.ui.result(&format_explanation(&explained), &explained)
        }
        (Some(asked), Err(dist)) => {
            let explained = explain::in_image(asked, dist)?;
            context.ui.note(&format!(
                "no manifest.yaml beside {}: only what the image holds is known, not why",
                dist.display()
            ));
            context.ui.result(&format_explanation(&explained), &explained)
        }
        (None, Ok(request)) => {
            let summary = context.ui.reported(explain::summary(request, &context.ui)?);
            context.ui.result(&format_summary(&summary), &summary)
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

/// The most packages that are named for one path: all of them share `/usr/share`.
const MAX_PACKAGES: usize = 5;

fn format_explanation(explained: &Explained) -> String {
    let state = if explained.shipped { "is shipped" } else { "is not shipped" };
    let mut text = format!("{} {state}\n", clean(&explained.path.to_string()));
    if explained.asked != explained.path {
        line(&mut text, "asked as", &format!("{}, which passes through a link", explained.asked));
    }
    line(&mut text, "because", &format_reason(&explained.why));
    if let Why::Missing { near } | Why::NotInImage { near } = &explained.why {
        for near in near {
            line(&mut text, "near", near);
        }
    }
    if let Some(found) = &explained.found {
        line(&mut text, "what", &format_found(found));
    }
    for claim in explained.packages.iter().take(MAX_PACKAGES) {
        let package = &claim.package;
        let mut value = format!("{} {} ({})", package.name, package.version, package.arch);
        if claim.conffile {
            value.push_str(", a configuration file");
        }
        if claim.named != explained.path {
            let _ = write!(value, ", as {}", claim.named);
        }
        if let Some(by) = &claim.diverted_by {
            let _ = write!(value, ", diverted by {by}");
        }
        line(&mut text, "package", &value);
    }
    if explained.packages.len() > MAX_PACKAGES {
        line(&mut text, "package", &format!("and {} more", explained.packages.len() - MAX_PACKAGES));
    }
    if let Some(moved) = &explained.moved {
        let by = moved.by.as_deref().unwrap_or("the administrator");
        line(&mut text, "diversion", &format!("{by} moved the file of others to {}", moved.to));
    }
    if let Some(name) = &explained.alternative {
        line(&mut text, "alternative", &format!("a link of the group {name} of update-alternatives"));
    } else if matches!(explained.why, Why::Closure { standing: Standing::Generated }) {
        line(&mut text, "package", "none: generated by the build");
    } else if explained.made_by_a_maintainer_script {
        line(&mut text, "package", "none: made by a maintainer script");
    }
    if let Some(fetched) = &explained.fetched {
        line(&mut text, "file", &format!("{}, {}", fetched.url, fetched.sha256));
    }
    if let Some(laid) = &explained.overlay {
        let file = laid.file.as_ref().map_or_else(|| "rootfs/".to_owned(), |file| file.display().to_string());
        let verb = if laid.replaces { "replaced" } else { "added" };
        line(&mut text, "overlay", &format!("{verb} by {file}"));
    }
    if let Some(scrub) = &explained.scrub {
        let verb = if explained.found.is_some() { "rewritten" } else { "left out" };
        line(&mut text, "scrub", &format!("{verb} by the rule {}: {}", scrub.rule, scrub.because));
    }
    text
}

fn format_reason(why: &Why) -> String {
    match why {
        Why::Named { rule } => format!("{} names it", pattern(rule)),
        Why::Owned => "there is no file_spec, and the module's own packages or overlay provided it".to_owned(),
        Why::Parent { files: 0 } => "it is a directory, and nothing below it is shipped".to_owned(),
        Why::Parent { files: 1 } => "one file below it is shipped".to_owned(),
        Why::Parent { files } => format!("{files} files below it are shipped"),
        Why::Excluded { rule, at, neighbour } => {
            let verb = match neighbour {
                Some(module) => format!("the neighbour {module} protects it: {}", pattern(rule)),
                None => format!("{} keeps it out", pattern(rule)),
            };
            if rule.pattern.as_str().trim_end_matches(['*', '/']) == at.to_string() {
                verb
            } else {
                format!("{verb} (taking {at})")
            }
        }
        Why::Closure { standing } => format_standing(standing),
        Why::NotNamed => "no rule names it".to_owned(),
        Why::Scrubbed => "it must not be in any module".to_owned(),
        Why::NotIncluded { url, setting, place } => format!("{setting} ({place}) leaves it out of {url}"),
        Why::Missing { .. } => "the root file system does not have it".to_owned(),
        Why::InImage => "the image has it".to_owned(),
        Why::NotInImage { .. } => "the image does not have it".to_owned(),
    }
}

fn format_standing(standing: &Standing) -> String {
    match standing {
        Standing::OfModule { name } => format!("{name}, which the module is laid over, has it"),
        Standing::OfBase => "the base has it, and so every node".to_owned(),
        Standing::Owned => "the module's packages bring it, and the base lacks it".to_owned(),
        Standing::Made { by: Some(package) } => format!("the script of {package} made it, and the base lacks it"),
        Standing::Made { by: None } => "a maintainer script made it, and the base lacks it".to_owned(),
        Standing::Generated => "the build makes it for the node".to_owned(),
        Standing::Authored { by_overlay: true } => "the overlay has it".to_owned(),
        Standing::Authored { by_overlay: false } => "a table of [[file]] in builder.toml brings it".to_owned(),
        Standing::InVar { from: Some(from) } => format!("/var is the node's: tmpfiles.d copies it there from {from}"),
        Standing::InVar { from: None } => "/var is the node's: tmpfiles.d makes it there".to_owned(),
        Standing::FirstStart => "each machine makes it, when it starts first".to_owned(),
        Standing::State { what } => format!("it is no part of a module: {what}"),
        Standing::Documentation => "it is documentation, and builder.toml has documentation = false".to_owned(),
        Standing::Enables { unit, at: Some(at) } => format!("the module enables {unit} by {at}"),
        Standing::Enables { unit, at: None } => {
            format!("it enables {unit}, which no service of the module and no package that it names has")
        }
    }
}

/// `file_spec /usr/bin/* (manifest.yaml:7:5)`.
fn pattern(rule: &Rule) -> String {
    let origin = &rule.origin;
    let place = origin.position.map_or_else(|| origin.file.to_string(), |at| format!("{}:{at}", origin.file));
    format!("{} `{}` ({place})", origin.field.key(), rule.pattern)
}

fn format_found(found: &Found) -> String {
    let mut text = found.kind.to_owned();
    if let Some(bytes) = found.size {
        let _ = write!(text, ", {}", size(bytes));
    }
    if let Some(target) = &found.target {
        let _ = write!(text, " to {}", escape(target));
    } else {
        let _ = write!(text, ", mode {}, owner {}:{}", found.mode, found.uid, found.gid);
    }
    text
}

fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {:<13}{}", format!("{name}:"), clean(value));
}

fn format_summary(summary: &Summary) -> String {
    let mut text = format!("{} ships {}, {}\n", summary.name, summary.counts, size(summary.total.bytes));
    text.push_str("\nshipped by rule\n");
    for rule in summary.rules.iter().filter(|rule| rule.list == List::Include) {
        rule_line(&mut text, rule);
    }
    if !summary.owned.is_nothing() {
        let name = match summary.ship {
            Ship::Owned => "no file_spec: what the module's own packages and overlay provided",
            Ship::Closure => {
                "the closure: what the base lacks of the packages, what their scripts made, and the overlay"
            }
        };
        amount(&mut text, &summary.owned, name);
    }
    let excludes: Vec<&RuleLine> = summary.rules.iter().filter(|rule| rule.list == List::Exclude).collect();
    if !excludes.is_empty() {
        text.push_str("\nkept out by rule, of what an include names\n");
        excludes.into_iter().for_each(|rule| rule_line(&mut text, rule));
    }
    text.push_str("\nshipped by origin\n");
    for brought in &summary.brought {
        let name = match (&brought.origin.package, brought.origin.from) {
            (Some(package), _) => format!("{} {} ({})", package.name, package.version, package.arch),
            (None, From::Overlay) => "the overlay rootfs/".to_owned(),
            (None, From::File) => "files of [[file]]".to_owned(),
            (None, From::Generated) => "generated for the node".to_owned(),
            (None, From::Package | From::MaintainerScript) => "made by maintainer scripts".to_owned(),
        };
        amount(&mut text, &Amount { files: brought.files, directories: 0, bytes: brought.bytes }, &name);
    }
    if !summary.scrubbed.is_empty() {
        text.push_str("\nscrubbed from the root file system\n");
        for scrubbed in &summary.scrubbed {
            let _ = writeln!(text, "{:>8} paths  {}: {}", scrubbed.paths.len(), scrubbed.rule, scrubbed.reason);
        }
    }
    text
}

fn rule_line(text: &mut String, rule: &RuleLine) {
    let mut name = pattern(&rule.rule);
    if !rule.matched {
        name.push_str(", takes nothing");
        if let Some(suggestion) = rule.suggestions.first() {
            let _ = write!(name, ": did you mean `{suggestion}`?");
        }
    } else if let Some(by) = rule.shadowed_by.first() {
        let _ = write!(name, ", decides nothing: {} goes before it", pattern(by));
    }
    amount(text, &rule.amount, &name);
}

fn amount(text: &mut String, amount: &Amount, name: &str) {
    let _ = writeln!(text, "{:>8} paths {:>10}  {}", amount.files, size(amount.bytes), clean(name));
}
