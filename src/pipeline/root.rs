//! Where a build's root file system comes from: packages, or a path that the user names.

use std::path::PathBuf;

use builder::apt::{self, FetchOptions, Resolution, Variant};
use builder::dpkg::Database;
use builder::rootfs::{self, Mode, Options, deb};
use composer::scan::Source;
use composer::tree::Tree;
use model::package::PackageRequest;
use model::{Diagnostic, Digest, Epoch, Severity};

use crate::error::{Error, Findings};
use crate::pipeline::inputs::Inputs;
use crate::pipeline::ownership::Ownership;
use crate::pipeline::request::{Packages, Request, RootOrigin};
use crate::ui::Ui;

/// A root file system to compose from.
#[derive(Debug)]
pub(crate) struct Root {
    /// The tar or directory.
    pub(crate) path: PathBuf,
    /// The epoch of its inputs; `None` for one that the user gave.
    pub(crate) epoch: Option<Epoch>,
    /// The digest over its inputs; `None` for one that the user gave.
    pub(crate) identity: Option<Digest>,
    /// Whether it was in the cache.
    pub(crate) reused: bool,
    /// The packages' own file lists, where no dpkg ran that would have written a database.
    unpacked: Option<Database>,
}

impl Root {
    /// Which package brought which path of `tree`, which was read from this root file system.
    pub(crate) fn ownership(&self, tree: &Tree<Source>) -> Result<Ownership, Error> {
        match &self.unpacked {
            Some(database) => Ok(Ownership::new(tree, database.clone())),
            None => Ownership::read(tree),
        }
    }
}

/// Gets the root file system that `request` asks for.
pub(crate) fn obtain(request: &Request, inputs: &Inputs, ui: &Ui) -> Result<Root, Error> {
    match &request.origin {
        RootOrigin::Given(path) => {
            Ok(Root { path: path.clone(), epoch: None, identity: None, reused: false, unpacked: None })
        }
        RootOrigin::Packages(packages) => from_packages(request, packages, inputs, ui),
    }
}

fn from_packages(request: &Request, packages: &Packages, inputs: &Inputs, ui: &Ui) -> Result<Root, Error> {
    let resolution = resolve(packages, inputs, ui)?;
    let debs = fetch(&resolution, packages, ui)?;
    let epoch = request.epoch.unwrap_or_else(|| resolution.newest());
    let options = Options { epoch, mode: Mode::Auto };
    let built = rootfs::build(&resolution, &debs, &options, &packages.cache, ui)?;
    let unpacked = (resolution.variant == Variant::Extract).then(|| unpacked(&resolution, &debs)).transpose()?;
    Ok(Root { path: built.archive, epoch: Some(epoch), identity: Some(built.key), reused: built.reused, unpacked })
}

/// The exact closure of the manifest's packages.
pub(crate) fn resolve(packages: &Packages, inputs: &Inputs, ui: &Ui) -> Result<Resolution, Error> {
    let requests: Vec<PackageRequest> = inputs.manifest.package_spec.iter().map(|entry| entry.value.clone()).collect();
    let snapshot = inputs.manifest.build.apt_snapshot.as_ref().map(|entry| entry.value.clone());
    let settings = apt::Settings { snapshot, ..packages.settings.clone() };
    apt::resolve(&requests, &settings, &packages.cache, ui).map_err(|error| match error {
        apt::Error::Missing { missing } => missing_packages(&missing, inputs, &settings),
        other => other.into(),
    })
}

/// Every package that the archive does not have, each at its place in the manifest.
fn missing_packages(missing: &[apt::Missing], inputs: &Inputs, settings: &apt::Settings) -> Error {
    let diagnostics = missing.iter().map(|missing| {
        let entry = inputs.manifest.package_spec.iter().find(|entry| entry.value == missing.request);
        let text = missing.to_string();
        let (message, cure) = text.split_once("; ").unwrap_or((&text, "check the name, the suite and the components"));
        Diagnostic {
            severity: Severity::Error,
            code: "package-missing",
            file: Some(inputs.file.clone()),
            position: entry.map(|entry| entry.position),
            span: None,
            field: "package_spec".to_owned(),
            text: missing.request.to_string(),
            message: message.to_owned(),
            cure: cure.to_owned(),
        }
    });
    let findings = Findings { diagnostics: diagnostics.collect(), ..Findings::default() };
    let plural = if missing.len() == 1 { "package is" } else { "packages are" };
    Error::input(format!("{} {plural} not to be had from {} ({})", missing.len(), settings.suite, settings.arch))
        .hint("correct the names in package_spec, or enable the component that has them in builder.toml")
        .findings(findings)
}

/// The closure's files, in its order.
pub(crate) fn fetch(resolution: &Resolution, packages: &Packages, ui: &Ui) -> Result<Vec<PathBuf>, Error> {
    let defaults = FetchOptions::default();
    // Downloads wait for the network, not for a processor.
    let jobs = packages.jobs.max(defaults.jobs);
    let proxy = packages.settings.access.proxy.clone();
    let options = FetchOptions { offline: packages.offline, jobs, proxy, ..defaults };
    Ok(apt::fetch(resolution, &packages.cache, &options, ui)?)
}

fn unpacked(resolution: &Resolution, debs: &[PathBuf]) -> Result<Database, Error> {
    let mut packages = Vec::with_capacity(debs.len());
    for (resolved, path) in resolution.packages.iter().zip(debs) {
        let damaged =
            |error| Error::outside(format!("cannot read the package {}", resolved.package.name)).because(&error);
        let metadata = deb::metadata(path).map_err(damaged)?;
        packages.push((resolved.package.clone(), metadata, deb::contents(path).map_err(damaged)?));
    }
    Ok(Database::from_packages(packages))
}
