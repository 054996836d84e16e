//! The files of two dist directories or layouts, side by side.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use model::path::escape;
use oci::layout;

use crate::error::Error;
use crate::recipes::results::artifact::blob_name;
use crate::recipes::results::whose;

/// A file of both sides, or of one.
#[derive(Debug)]
pub(crate) struct Pair {
    /// Its path below the directory, unusual bytes escaped; for a blob `oci/` and what it is.
    pub(crate) name: String,
    /// The same as it is.
    pub(crate) file: PathBuf,
    /// Whether it is a blob, which is named by its digest.
    pub(crate) is_blob: bool,
    /// The file before.
    pub(crate) before: Option<PathBuf>,
    /// The file after.
    pub(crate) after: Option<PathBuf>,
}

/// Every file of either directory. Blobs are paired by what they are, as their names change with
/// their contents, unless a layout cannot be read: then by name.
pub(crate) fn pairs(before: &Path, after: &Path) -> Result<Vec<Pair>, Error> {
    let root = (before, after);
    let roles = roles(before).zip(roles(after));
    let (mut old, mut new) = (files(before)?, files(after)?);
    if let Some((a, b)) = &roles {
        rename(&mut old, a);
        rename(&mut new, b);
    }
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let pair = |name: &String| {
        let path = |side: &BTreeMap<String, (PathBuf, bool)>| side.get(name).map(|(path, _)| path.clone());
        let is_blob = old.get(name).or_else(|| new.get(name)).is_some_and(|(_, is_blob)| *is_blob);
        let (before, after) = (path(&old), path(&new));
        let relative =
            |(file, root): (&Option<PathBuf>, &Path)| Some(file.as_ref()?.strip_prefix(root).ok()?.to_owned());
        let relative = [(&before, root.0), (&after, root.1)].into_iter().find_map(relative);
        let file = relative.filter(|file| escape(file.as_os_str().as_bytes()) == *name).unwrap_or_else(|| name.into());
        Pair { name: name.clone(), file, is_blob, before, after }
    };
    Ok(names.into_iter().map(pair).collect())
}

/// The files of a pulled artifact in `before`, and of the build in `built` that must be the same.
///
/// # Errors
/// When a directory cannot be read.
pub(crate) fn pulled_pairs(before: &Path, built: &Path) -> Result<Vec<Pair>, Error> {
    let roles = roles(built).unwrap_or_default();
    let layer = |name: &str| roles.iter().find(|(_, role)| role.split(' ').next() == Some(name));
    let mut names: BTreeMap<String, Option<PathBuf>> = files(before)?.into_keys().map(|name| (name, None)).collect();
    for name in ["manifest.json", "module.cfs", "module.tar", "module.tar.zst", "requirements.json"] {
        if let Some((blob, _)) = layer(name) {
            names.insert(name.to_owned(), Some(blob.clone()));
        }
    }
    let here = |name: &str| Some(before.join(name)).filter(|path| path.is_file());
    let pair = |(name, after): (String, Option<PathBuf>)| Pair {
        file: PathBuf::from(&name),
        is_blob: false,
        before: here(&name),
        after,
        name,
    };
    Ok(names.into_iter().map(pair).collect())
}

/// The name of each blob by its path: what it is in the layout.
fn roles(directory: &Path) -> Option<BTreeMap<PathBuf, String>> {
    let inside = if directory.join("oci-layout").is_file() { directory.to_owned() } else { directory.join("oci") };
    let layout = layout::read(&inside).ok()?;
    let blob = |digest: &model::Digest| inside.join("blobs/sha256").join(digest.hex());
    let mut roles = BTreeMap::new();
    for index in &layout.indexes {
        let descriptor = &index.descriptor;
        roles.insert(blob(&descriptor.digest), format!("index of {}", descriptor.tag().unwrap_or_default()));
    }
    for listed in layout.documents() {
        let arch = listed.descriptor.arch().map_or_else(String::new, |arch| format!(" of {arch}"));
        roles.insert(blob(&listed.descriptor.digest), format!("manifest{arch}"));
        for part in listed.blobs() {
            roles.insert(blob(&part.digest), format!("{}{arch}", blob_name(part)));
        }
    }
    Some(roles)
}

fn rename(files: &mut BTreeMap<String, (PathBuf, bool)>, roles: &BTreeMap<PathBuf, String>) {
    let renamed: Vec<(String, String)> = files
        .iter()
        .filter_map(|(name, (path, _))| {
            let directory = name.strip_suffix(&format!("blobs/sha256/{}", path.file_name()?.to_string_lossy()))?;
            Some((name.clone(), format!("{directory}{}", roles.get(path)?)))
        })
        .collect();
    for (from, to) in renamed {
        if let Some(file) = files.remove(&from) {
            files.insert(to, file);
        }
    }
}

/// Every file below `directory` that belongs to a build: name to path, and whether it is a blob. The lists of
/// a later dry run, and what runs need meanwhile, do not.
fn files(directory: &Path) -> Result<BTreeMap<String, (PathBuf, bool)>, Error> {
    let mut found = BTreeMap::new();
    let mut pending = vec![(directory.to_owned(), String::new())];
    while let Some((directory, prefix)) = pending.pop() {
        let failed = |error: std::io::Error| Error::io("read", &directory, &error);
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = format!("{prefix}{}", escape(entry.file_name().as_bytes()));
            let kind = entry.file_type().map_err(failed)?;
            let is_no_result = [whose::DRY_RUN, host::listing::LOST_AND_FOUND].contains(&&*name);
            if kind.is_dir() && (is_no_result || entry.path().join(host::scratch::MARK).is_file()) {
                continue;
            }
            if kind.is_dir() {
                pending.push((entry.path(), format!("{name}/")));
            } else if !kind.is_file() {
                // To open a pipe is to wait for its writer, and a link may lead to anything.
                return Err(Error::refused(format!("{} is no regular file", entry.path().display()))
                    .hint("a build writes regular files and directories alone: remove it"));
            } else {
                let is_blob = prefix.ends_with("blobs/sha256/");
                found.insert(name, (entry.path(), is_blob));
            }
        }
    }
    Ok(found)
}
