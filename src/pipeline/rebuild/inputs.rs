//! The inputs of a build that is repeated: as they were recorded, or said to be others.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use builder::apt;
use clap::{Args as _, Command, FromArgMatches as _};
use composer::scan;
use model::{Digest, Epoch};

use super::Target;
use crate::cli::Context;
use crate::commands::build::BuildArgs;
use crate::commands::rebuild::RebuildArgs;
use crate::error::Error;
use crate::pipeline::compare::json;
use crate::pipeline::fingerprint::Fingerprint;
use crate::pipeline::inputs::Inputs;
use crate::pipeline::record::{self, RootInput};
use crate::pipeline::request::{Request, RootOrigin};
use crate::pipeline::root;
use crate::ui::Ui;

/// The request of the recorded build.
pub(super) fn request(
    target: &Target,
    args: &RebuildArgs,
    output: &Path,
    scratch: &Path,
    context: &Context,
) -> Result<Request, Error> {
    let inputs = &target.record.inputs;
    let words = words(target, args, output, scratch, context)?;
    let matches = BuildArgs::augment_args(Command::default().no_binary_name(true)).try_get_matches_from(words);
    let build = matches.and_then(|matches| BuildArgs::from_arg_matches(&matches));
    let build = build
        .map_err(|error| Error::refused("the record asks for a build that cannot be asked for").because(&error))?;
    let mut request = Request::new(build, context)?;
    request.epoch = Some(inputs.epoch);
    if let (RootOrigin::Packages(packages), RootInput::Packages(recorded)) = (&mut request.origin, &inputs.rootfs) {
        let resolution = &recorded.resolution;
        packages.settings.suite.clone_from(&resolution.suite);
        packages.settings.components.clone_from(&recorded.components);
        packages.settings.variant = resolution.variant;
        packages.settings.arch = resolution.arch;
        packages.no_cache = true;
        packages.recorded = Some(resolution.clone());
    }
    Ok(request)
}

/// The arguments that `build` had, as far as they count.
fn words(
    target: &Target,
    args: &RebuildArgs,
    output: &Path,
    scratch: &Path,
    context: &Context,
) -> Result<Vec<OsString>, Error> {
    let inputs = &target.record.inputs;
    let options = &inputs.options;
    let absolute = |path: &Path| context.environment.current_dir.join(path).into_os_string();
    let mut words: Vec<OsString> = vec!["-C".into(), target.module.clone().into()];
    let mut push = |flag: &str, value: OsString| words.extend([OsString::from(flag), value]);
    push("--output", absolute(output));
    push("--arch", inputs.arch.debian().into());
    push("--compression", options.compression.clone().into());
    push("--tag", options.tag.clone().into());
    let emits = [(options.emit_tar, "tar"), (options.emit_oci, "oci")];
    let emits: Vec<&str> = emits.into_iter().filter(|(wanted, _)| *wanted).map(|(_, name)| name).collect();
    push("--emit", emits.join(",").into());
    if let Some(id) = &options.module_id {
        push("--module-id", id.into());
    }
    for lint in &options.allow {
        push("--allow", lint.into());
    }
    for (number, neighbour) in inputs.neighbours.iter().enumerate() {
        let path = scratch.join(format!("neighbour-{number}.json"));
        fs::write(&path, neighbour.to_string()).map_err(|error| Error::io("write", &path, &error))?;
        push("--with", absolute(&path));
    }
    match (&inputs.rootfs, &args.rootfs) {
        (RootInput::Given { .. }, Some(path)) => push("--rootfs", path.into()),
        (RootInput::Given { .. }, None) => {
            return Err(Error::input("the build took a root file system that the user named, not packages")
                .hint("name the same one by --rootfs PATH: paths of the host are not recorded"));
        }
        (RootInput::Packages(_), Some(_)) => {
            return Err(Error::usage("the build took packages, so there is no --rootfs to name"));
        }
        (RootInput::Packages(_), None) => {}
    }
    if args.offline {
        words.push("--offline".into());
    }
    Ok(words)
}

/// Checks what can be checked before the build: what is not as it was recorded is named.
pub(super) fn check(recorded: &record::Inputs, request: &Request, ui: &Ui) -> Result<(), Error> {
    let mut changed = Vec::new();
    if recorded.tool != record::tool() {
        changed.push(format!("the tool: it was {}, and this is {}", recorded.tool, record::tool()));
    }
    let inputs = Inputs::read(request, ui)?;
    let manifest = Digest::of(&inputs.manifest.canonical_json());
    if recorded.manifest != manifest {
        changed.push(difference("manifest.yaml", &recorded.manifest, &manifest));
    }
    let overlay = Fingerprint::new().with_overlay(&request.overlay(), recorded.epoch)?;
    let overlay: Option<Digest> = overlay.get("overlay").and_then(|digest| digest.parse().ok());
    match overlay {
        Some(overlay) if overlay != recorded.overlay => {
            changed.push(difference("the overlay rootfs/", &recorded.overlay, &overlay));
        }
        _ => {}
    }
    if recorded.scrub != builder::scrub::version() {
        changed.push(difference("the scrub rules", &recorded.scrub, &builder::scrub::version()));
    }
    let rules = record::rules(&inputs.rules);
    // The rules follow from the manifests: they are named only when those are the same.
    if recorded.rules != rules && changed.is_empty() {
        changed.push(difference("the rules", &recorded.rules, &rules));
    }
    match &recorded.rootfs {
        RootInput::Given { listing } => changed.extend(given(listing, recorded.epoch, request)?),
        RootInput::Packages(_) => {}
    }
    if !changed.is_empty() {
        return Err(not_the_same(&changed));
    }
    fetch(request, ui)
}

fn given(listing: &Digest, epoch: Epoch, request: &Request) -> Result<Option<String>, Error> {
    let RootOrigin::Given(path) = &request.origin else { return Ok(None) };
    let now = record::listing(&scan::rootfs(path, &scan::Options::default())?, epoch);
    Ok((*listing != now).then(|| difference(&format!("the root file system {}", path.display()), listing, &now)))
}

/// The exact packages, from the cache or from where they were.
fn fetch(request: &Request, ui: &Ui) -> Result<(), Error> {
    let Some((packages, resolution)) = request.packages().and_then(|it| Some((it, it.recorded.as_ref()?))) else {
        return Ok(());
    };
    root::fetch_unconverted(resolution, packages, ui).map(|_| ()).map_err(|error| {
        let names: Vec<String> = match &error {
            apt::Error::Fetch { failures } => failures.iter().map(|failure| failure.package.clone()).collect(),
            _ => return error.into(),
        };
        Error::input(format!("recorded packages are not to be had any more: {}", names.join(", ")))
            .because(&error)
            .hint("a snapshot archive keeps packages; so does the cache of the machine that built them")
    })
}

/// Checks the inputs that only the second build knows: the programs that made the root file system.
pub(super) fn same(old: &record::Inputs, new: &record::Inputs) -> Result<(), Error> {
    if old == new {
        return Ok(());
    }
    let json = |inputs: &record::Inputs| serde_json::to_value(inputs).unwrap_or_default();
    let text = |value: Option<serde_json::Value>| value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
    // The key follows from the others.
    let changes = json::compare(&json(old), &json(new)).into_iter().filter(|change| change.pointer != "/rootfs/key");
    let changed: Vec<String> = changes
        .map(|change| format!("{}: it was {}, and is {}", change.pointer, text(change.before), text(change.after)))
        .collect();
    if changed.is_empty() { Ok(()) } else { Err(not_the_same(&changed)) }
}

fn difference(what: &str, before: &Digest, now: &Digest) -> String {
    format!("{what}: it was {before}, and is {now}")
}

fn not_the_same(changed: &[String]) -> Error {
    let mut error = Error::input(match changed.len() {
        1 => "an input is not what the build was made from, so nothing was compared".to_owned(),
        count => format!("{count} inputs are not what the build was made from, so nothing was compared"),
    });
    error.causes = changed.to_vec();
    error.hint("bring the inputs back, for example from version control, or build anew and compare with `diff`")
}
