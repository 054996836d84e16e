//! Which difference explains which digest.

use std::collections::BTreeMap;

use oci::content::Manifest;
use oci::layout::ListedIndex;
use oci::media::annotation;
use serde::Serialize;

use super::{Compared, Files, ValueChange};
use crate::recipes::results::artifact::{Archived, Artifact, Blob, Form, Module, blob_name};
use crate::recipes::results::record;

/// A digest, or a file with its sha256, that differs.
#[derive(Debug, Serialize)]
pub(crate) struct DigestChange {
    /// Its name: `composefs digest`, `manifest digest`, `index digest of TAG`, or a file's name.
    pub(crate) what: String,
    /// In the first build; none where it has no such file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<String>,
    /// In the second build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
    /// The file's size in the first build, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size_before: Option<u64>,
    /// The file's size in the second build, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size_after: Option<u64>,
    /// Why, each reason by itself.
    pub(crate) because: Vec<String>,
}

impl DigestChange {
    fn of(what: &str, before: &impl ToString, after: &impl ToString, because: Vec<String>) -> Self {
        let (before, after) = (Some(before.to_string()), Some(after.to_string()));
        Self { what: what.to_owned(), before, after, size_before: None, size_after: None, because }
    }
}

/// Every digest of a module that differs, from the inside outwards.
pub(super) fn changes(compared: &Compared<'_>, files: &Files, manifest: &[ValueChange]) -> Vec<DigestChange> {
    let (a, b) = (compared.a, compared.b);
    let mut changes = Vec::new();
    // A dump is no image: what is the same in it has the same image in one version.
    let is_dump = compared.sides.0.form == Form::Dump || compared.sides.1.form == Form::Dump;
    if a.composefs != b.composefs && !(is_dump && files.differences.is_empty()) {
        let because = match files.differences.is_empty() {
            true => written_differently(a, b),
            false => files.describe(),
        };
        changes.push(DigestChange::of("composefs digest", &a.composefs, &b.composefs, vec![because]));
    }
    let (old, new) = (blobs(a, compared.sides.0), blobs(b, compared.sides.1));
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let pair = (old.get(name), new.get(name));
        // A file that one side cannot have, because of its form, is no difference.
        let comparable = compared.sides.0.form == compared.sides.1.form || (pair.0.is_some() && pair.1.is_some());
        if comparable && pair.0 != pair.1 {
            changes.push(file(name, pair, compared, manifest));
        }
    }
    if let (Some(old), Some(new)) = (&a.oci, &b.oci)
        && old.descriptor.digest != new.descriptor.digest
    {
        changes.push(DigestChange::of(
            "manifest digest",
            &old.descriptor.digest,
            &new.descriptor.digest,
            oci_reasons(&old.manifest, &new.manifest),
        ));
    }
    changes
}

/// Why two images of the same files differ.
fn written_differently(a: &Module, b: &Module) -> String {
    let version = |module: &Module| module.others.as_ref().map_or(1, |others| others.form.version());
    let why = "the images hold the same files and are written differently";
    match (version(a), version(b)) {
        (old, new) if old != new => format!("{why}: in format versions {old} and {new}"),
        _ => why.to_owned(),
    }
}

/// The module's blobs and, of a dist directory, its other files.
fn blobs(module: &Module, side: &super::Side) -> BTreeMap<String, Blob> {
    if side.form == Form::Tar {
        // An archive alone goes by the name of what it is.
        let name = |archive: &Archived| if archive.is_compressed { "module.tar.zst" } else { "module.tar" };
        return module.archives.iter().map(|archive| (name(archive).to_owned(), archive.blob.clone())).collect();
    }
    let mut blobs = module.files.clone();
    blobs.extend(module.blobs.clone());
    blobs
}

fn file(
    name: &str,
    (old, new): (Option<&Blob>, Option<&Blob>),
    compared: &Compared<'_>,
    manifest: &[ValueChange],
) -> DigestChange {
    let because = match (old, new) {
        (Some(_), Some(_)) => reasons(name, compared, manifest),
        (None, _) => vec!["only the second build has it".to_owned()],
        (_, None) => vec!["only the first build has it".to_owned()],
    };
    let text = |blob: &Blob| blob.digest.to_string();
    DigestChange {
        what: name.to_owned(),
        before: old.map(text),
        after: new.map(text),
        size_before: old.map(|blob| blob.size),
        size_after: new.map(|blob| blob.size),
        because,
    }
}

fn reasons(name: &str, compared: &Compared<'_>, manifest: &[ValueChange]) -> Vec<String> {
    let (a, b) = (compared.a, compared.b);
    let one = |text: &str| vec![text.to_owned()];
    match name {
        "manifest.json" if manifest.is_empty() => one("it holds the same values, written differently"),
        "manifest.json" => vec![count(manifest.len(), "value differs", "values differ")],
        "module.cfs" => one("the composefs digest differs"),
        "file-list.txt" => one("other paths are shipped"),
        "file-list.json" => one("contents, origins or rules of paths differ"),
        "requirements.json" => one("base, packages, accounts, units or open needs differ"),
        "package-list.txt" => one("the root file systems have other packages"),
        record::FILE => one("the recorded inputs or outputs differ"),
        "module.tar" | "module.tar.zst" => {
            let mut because = Vec::new();
            if a.manifest != b.manifest {
                because.push("manifest.json in it differs".to_owned());
            }
            if a.composefs != b.composefs {
                because.push("module.cfs in it differs".to_owned());
            }
            if because.is_empty() {
                because.push(outer_reason(a, b).to_owned());
            }
            because
        }
        _ => Vec::new(),
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Why archives with the same members differ. Members and time decide every byte of `module.tar`, so there
/// is nothing else.
fn outer_reason(a: &Module, b: &Module) -> &'static str {
    let times = |module: &Module| module.archives.first().map(|archive| archive.epoch);
    match times(a) == times(b) {
        true => "module.tar in it is the same: the compression differs",
        false => "its members are the same: the time of its entries differs",
    }
}

/// Why two OCI manifests differ.
fn oci_reasons(old: &Manifest, new: &Manifest) -> Vec<String> {
    let mut because = Vec::new();
    if old.config.digest != new.config.digest {
        because.push("manifest.json differs".to_owned());
    }
    let named = |manifest: &Manifest| -> BTreeMap<String, (String, model::Digest)> {
        let layers = manifest.layers.iter();
        layers.map(|layer| (blob_name(layer), (layer.media_type.clone(), layer.digest))).collect()
    };
    let (a, b) = (named(old), named(new));
    let mut layers: Vec<&String> = a.keys().chain(b.keys()).collect();
    layers.sort_unstable();
    layers.dedup();
    for name in layers {
        match (a.get(name), b.get(name)) {
            (Some(old), Some(new)) if old != new => because.push(format!("{name} differs")),
            (None, _) => because.push(format!("only the second has {name}")),
            (_, None) => because.push(format!("only the first has {name}")),
            _ => {}
        }
    }
    let annotations = annotation_names(&old.annotations, &new.annotations);
    if !annotations.is_empty() {
        let only = if because.is_empty() { "only the " } else { "the " };
        because.push(format!("{only}annotations differ: {}", annotations.join(", ")));
    }
    if because.is_empty() {
        because.push("the order of the layers or a field that carries no content differs".to_owned());
    }
    because
}

fn annotation_names(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<&String> =
        old.keys().chain(new.keys()).filter(|name| old.get(*name) != new.get(*name)).collect();
    names.sort_unstable();
    names.dedup();
    let value = |side: &BTreeMap<String, String>, name: &String| {
        let long = [annotation::FSVERITY, annotation::FINGERPRINT].contains(&name.as_str());
        side.get(name).filter(|value| !long && value.len() <= 80).cloned()
    };
    let named = names.into_iter().map(|name| match (value(old, name), value(new, name)) {
        (Some(old), Some(new)) => format!("{name} ({old} -> {new})"),
        _ => name.clone(),
    });
    named.collect()
}

/// The image indexes that differ, by tag.
pub(super) fn indexes(old: &Artifact, new: &Artifact) -> Vec<DigestChange> {
    if old.indexes.is_empty() || new.indexes.is_empty() {
        // A form without a layout says nothing of indexes.
        return Vec::new();
    }
    let mut tags: Vec<&String> = old.indexes.keys().chain(new.indexes.keys()).collect();
    tags.sort_unstable();
    tags.dedup();
    let change = |tag: &String| {
        let (a, b) = (old.indexes.get(tag), new.indexes.get(tag));
        let digest = |listed: &ListedIndex| listed.descriptor.digest;
        if a.map(digest) == b.map(digest) {
            return None;
        }
        let because = match (a, b) {
            (Some(a), Some(b)) => index_reasons(a, b),
            (None, _) => vec!["only the second has this tag".to_owned()],
            (_, None) => vec!["only the first has this tag".to_owned()],
        };
        Some(DigestChange {
            what: format!("index digest of {tag}"),
            before: a.map(|index| digest(index).to_string()),
            after: b.map(|index| digest(index).to_string()),
            size_before: None,
            size_after: None,
            because,
        })
    };
    tags.into_iter().filter_map(change).collect()
}

fn index_reasons(a: &ListedIndex, b: &ListedIndex) -> Vec<String> {
    let mut because = Vec::new();
    let mut archs: Vec<_> = a.manifests.iter().chain(&b.manifests).map(|listed| listed.descriptor.arch()).collect();
    archs.sort_unstable();
    archs.dedup();
    for arch in archs {
        let digest = |index: &ListedIndex| {
            let mut listed = index.manifests.iter().map(|listed| &listed.descriptor);
            listed.find(|descriptor| descriptor.arch() == arch).map(|descriptor| descriptor.digest)
        };
        let name = arch.map_or_else(|| "an unknown architecture".to_owned(), |arch| arch.to_string());
        match (digest(a), digest(b)) {
            (Some(old), Some(new)) if old != new => because.push(format!("the manifest digest of {name} differs")),
            (None, Some(_)) => because.push(format!("only the second has {name}")),
            (Some(_), None) => because.push(format!("only the first has {name}")),
            _ => {}
        }
    }
    let annotations = annotation_names(&a.index.annotations, &b.index.annotations);
    if !annotations.is_empty() {
        because.push(format!("annotations differ: {}", annotations.join(", ")));
    }
    if because.is_empty() {
        because.push("the annotations of its descriptors differ".to_owned());
    }
    because
}
