//! What whoever has a module should know of its closure: the part of `requirements.json` that is known here alone.

use std::collections::BTreeSet;

use builder::accounts::Added;
use builder::closure::{DataDirectory, DataKind, Enablement, MadeOnce, NodeForm, Secret, SecretKind};
use builder::ownership::Ownership;
use composer::scan::Source;
use image::tree::Tree;
use model::ImagePath;
use model::requirements::{FirstStartUnit, LeftOut, LeftOutKind, is_unit};

use super::{BaseRoot, Prepared};

/// What is known of a closure and recorded.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The accounts that packages made, as they made them.
    pub(crate) added: Added,
    /// Secrets that are not shipped.
    pub(crate) secrets: Vec<LeftOut>,
    /// Directories of data that are shipped empty.
    pub(crate) data: Vec<LeftOut>,
    /// The units that the module starts.
    pub(crate) enabled: Vec<String>,
    /// Those that scripts enabled and the module does not.
    pub(crate) not_enabled: Vec<String>,
    /// Packages that those of the module recommend and that are not there.
    pub(crate) recommends: Vec<String>,
}

/// What the packages of `whole` that the base lacks recommend and is not there.
pub(super) fn recommends(whole: &Tree<Source>, base: &BaseRoot, ownership: &Ownership) -> Vec<String> {
    let packages = ownership.packages();
    let own = packages.iter().map(|package| package.name.as_str()).filter(|name| !base.packages.contains(*name));
    let mut names = builder::dpkg::not_installed(whole, &own.collect());
    names.sort_unstable();
    names.dedup();
    names.retain(|name| model::package::is_package_name(name));
    names
}

impl Facts {
    pub(super) fn of(
        prepared: &Prepared,
        mut made: Vec<MadeOnce>,
        (on, off): (&[&Enablement], &[&Enablement]),
        form: &NodeForm,
    ) -> Self {
        // A unit that an exclude keeps out makes nothing.
        made.retain(|one| form.generated.binary_search(&one.unit).is_ok());
        let first_starts: BTreeSet<String> = made.iter().map(unit_name).collect();
        let is_generated =
            |link: &&&Enablement| link.shipped().is_some_and(|(at, _)| form.generated.binary_search(&at).is_ok());
        let started: Vec<&Enablement> = on.iter().filter(is_generated).copied().collect();
        let enabled: BTreeSet<String> = names(&started).chain(first_starts).collect();
        let not_enabled: BTreeSet<String> = names(off).filter(|unit| !enabled.contains(unit)).collect();
        Self {
            added: prepared.added.clone(),
            secrets: prepared.secrets.iter().map(|secret| of_secret(secret, &made)).collect(),
            data: prepared.found.data.iter().map(|data| of_data(data, &made)).collect(),
            enabled: enabled.into_iter().collect(),
            not_enabled: not_enabled.into_iter().collect(),
            recommends: prepared.recommends.clone(),
        }
    }
}

/// The units of links; what is no name of a unit, systemd does not start.
fn names<'a>(links: &'a [&Enablement]) -> impl Iterator<Item = String> + use<'a> {
    links.iter().map(|link| link.unit.clone()).filter(|unit| is_unit(unit))
}

fn unit_name(made: &MadeOnce) -> String {
    String::from_utf8_lossy(made.unit.file_name().unwrap_or_default()).into_owned()
}

fn of_secret(secret: &Secret, made: &[MadeOnce]) -> LeftOut {
    let (kind, with) = match &secret.kind {
        SecretKind::OpenSsh { .. } => (LeftOutKind::OpensshKey, None),
        SecretKind::Dropbear { .. } => (LeftOutKind::DropbearKey, None),
        SecretKind::Pem { .. } => (LeftOutKind::PemKey, None),
        SecretKind::Tsig => (LeftOutKind::TsigKey, None),
        SecretKind::Uuid => (LeftOutKind::Uuid, None),
        SecretKind::Random { .. } => (LeftOutKind::RandomBytes, None),
        SecretKind::Companion { of } => (LeftOutKind::Companion, Some(of)),
        SecretKind::Unknown => (LeftOutKind::Unknown, None),
    };
    let made_by = made_by(&secret.path, made).or_else(|| made_by(with?, made));
    LeftOut { path: secret.path.clone(), kind, made_by }
}

fn of_data(data: &DataDirectory, made: &[MadeOnce]) -> LeftOut {
    let kind = match data.kind {
        DataKind::PostgresCluster => LeftOutKind::PostgresCluster,
        DataKind::InnoDb => LeftOutKind::Innodb,
        DataKind::Unknown => LeftOutKind::Unknown,
    };
    LeftOut { path: data.path.clone(), kind, made_by: made_by(&data.path, made) }
}

fn made_by(path: &ImagePath, made: &[MadeOnce]) -> Option<FirstStartUnit> {
    let one = made.iter().find(|one| one.path == *path)?;
    let start = one.start.clone();
    Some(FirstStartUnit { unit: unit_name(one), command: start.command, user: start.user })
}
