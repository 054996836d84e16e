//! The peers: independent programs that judge what we write.
//!
//! Debian's testing suite has the composefs tools and recent oras and skopeo. They are unpacked,
//! never installed, into a private root under the user's cache directory, and started through that
//! root's own dynamic loader, so that the host's libraries do not matter.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Outcome, cache, is_root, run};
use crate::debian;

const SUITE: &str = "forky";

/// Counts the ways in which [`install`] lays out the folder: a new way needs a new folder.
const RECIPE: u32 = 1;

const PACKAGES: [&str; 9] =
    ["composefs", "erofs-utils", "fsverity", "libarchive-tools", "oras", "rsync", "skopeo", "tar", "zstd"];

const PROGRAMS: [&str; 12] = [
    "bsdtar",
    "composefs-info",
    "dump.erofs",
    "fsck.erofs",
    "fsverity",
    "mkcomposefs",
    "mount.composefs",
    "oras",
    "rsync",
    "skopeo",
    "tar",
    "zstd",
];

/// Installs the peers unless a run before did, and gives back their folder.
pub(crate) fn install() -> Outcome<PathBuf> {
    let folder = cache()?.join("peers").join(format!("{SUITE}-{RECIPE}"));
    if folder.join("bin").is_dir() {
        return Ok(folder);
    }
    debian::install_build_needs()?;
    remove_leftovers(&folder);
    let partial = folder.with_extension(format!("partial-{}", std::process::id()));
    fs::create_dir_all(&partial).map_err(|error| format!("cannot create {}: {error}", partial.display()))?;
    unpack(&partial.join("root"))?;
    // The loader scripts hold absolute paths, so they are written for the final place.
    let bin = partial.join("bin");
    fs::create_dir(&bin).map_err(|error| format!("cannot create {}: {error}", bin.display()))?;
    for program in PROGRAMS {
        write_starter(program, &partial.join("root"), &folder.join("root"), &bin)?;
    }
    match fs::rename(&partial, &folder) {
        Ok(()) => {}
        // Another run was quicker; its folder is as good.
        Err(_) if folder.join("bin").is_dir() => {}
        Err(error) => return Err(format!("cannot move the peers to {}: {error}", folder.display())),
    }
    Ok(folder)
}

/// Removes what runs that were killed left behind. A folder that another run is filling goes with
/// its name, so that run fails and says so; two first runs at once are not worth a lock.
fn remove_leftovers(folder: &Path) {
    let parent = folder.parent().unwrap_or(folder);
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().contains(".partial-") {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn unpack(root: &Path) -> Outcome {
    let mode = if is_root()? { "root" } else { "unshare" };
    let include = PACKAGES.join(",");
    let mut command = Command::new("mmdebstrap");
    command.args(["--variant=extract", "--quiet"]).arg(format!("--mode={mode}")).arg(format!("--include={include}"));
    // Testing's Release file, seen through a cache, can be past its date; these programs are judges
    // in a test, and their signatures are checked all the same.
    command.arg("--aptopt=Acquire::Check-Valid-Until \"false\"");
    run(command.arg(SUITE).arg(root).arg(debian::mirror()?))
}

/// Writes a script that starts `program` by the loader and libraries of its own root.
fn write_starter(program: &str, built: &Path, root: &Path, bin: &Path) -> Outcome {
    let relative = ["usr/bin", "usr/sbin"]
        .map(|folder| Path::new(folder).join(program))
        .into_iter()
        .find(|path| built.join(path).is_file())
        .ok_or_else(|| format!("the packages of {SUITE} bring no {program}"))?;
    let (loader, libraries) = loader(built)?;
    let (loader, libraries) = (root.join(loader), root.join(libraries));
    let script = format!(
        "#!/bin/sh\nexec {} --library-path {} {} \"$@\"\n",
        loader.display(),
        libraries.display(),
        root.join(relative).display()
    );
    let path = bin.join(program);
    fs::write(&path, script).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(|error| error.to_string())
}

/// The dynamic loader and the library folder inside `root`, relative to it.
fn loader(root: &Path) -> Outcome<(PathBuf, PathBuf)> {
    let libraries =
        fs::read_dir(root.join("usr/lib")).map_err(|error| format!("cannot read the peers' root: {error}"))?;
    for entry in libraries.flatten() {
        let name = entry.file_name();
        if !name.to_string_lossy().contains("-linux-gnu") {
            continue;
        }
        let found = fs::read_dir(entry.path()).map_err(|error| error.to_string())?.flatten().find(|file| {
            let name = file.file_name();
            name.to_string_lossy().starts_with("ld-linux") || name.to_string_lossy().starts_with("ld64")
        });
        if let Some(loader) = found {
            let folder = Path::new("usr/lib").join(&name);
            return Ok((folder.join(loader.file_name()), folder));
        }
    }
    Err("the peers' root holds no dynamic loader".to_owned())
}
