//! What packages list is read once, and the world may do to the cache what it likes.

use std::fs;
use std::path::{Path, PathBuf};

use builder::rootfs::deb_contents::{decode, encode};
use model::Digest;

use crate::archive::{Deb, Failed, World};
use crate::{cached, flip, locked, truncate};

/// What the cache has of packages' lists.
fn kept(world: &World) -> Vec<PathBuf> {
    let files = fs::read_dir(world.path("cache/listings")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn forget_packages(world: &World) {
    cached(world).iter().for_each(|path| fs::remove_file(path).unwrap());
}

/// The lists of a dry run.
fn listed(world: &World, more: &[&str]) -> Result<Vec<(PathBuf, Digest)>, Failed> {
    let _ = fs::remove_dir_all(world.path("module/dist"));
    world.build(&[&["--dry-run"], more].concat())?;
    Ok(world.dist())
}

/// A version of the form that no one knows yet.
fn newer(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes.truncate(bytes.len() - 32);
    bytes[11] = 200;
    bytes.extend(Digest::of(&bytes).as_bytes());
    fs::write(path, bytes).unwrap();
}

/// What another package lists.
fn exchange(path: &Path) {
    let files = fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().path());
    fs::copy(files.into_iter().find(|other| other != path).unwrap(), path).unwrap();
}

#[test]
fn a_package_whose_list_is_known_is_not_needed() {
    let world = locked();
    let first = listed(&world, &[]).unwrap();
    assert_eq!(kept(&world).len(), 2);
    let all = cached(&world);
    forget_packages(&world);
    fs::rename(world.path("archive"), world.path("away")).unwrap();
    assert_eq!(listed(&world, &["--frozen"]).unwrap(), first);
    // A build needs them, to unpack them; the next one does not, whatever it changes.
    world.build(&["--frozen"]).unwrap_err().is(4, "the cache does not hold ");
    fs::rename(world.path("away"), world.path("archive")).unwrap();
    world.build(&[]).unwrap();
    let built = world.dist();
    assert_eq!(cached(&world), all);
    forget_packages(&world);
    world.build(&["--frozen"]).unwrap();
    assert_eq!(world.dist(), built);
    fs::create_dir_all(world.path("module/rootfs/usr/share/small")).unwrap();
    fs::write(world.path("module/rootfs/usr/share/small/page"), "page").unwrap();
    world.build(&["--frozen"]).unwrap();
    let warm = world.dist();
    assert_ne!(warm, built);
    fs::remove_dir_all(world.path("cache")).unwrap();
    world.build(&[]).unwrap();
    assert_eq!(world.dist(), warm, "a build from nothing gives the same");
}

#[test]
fn a_damaged_list_is_made_again() {
    let world = locked();
    let first = listed(&world, &[]).unwrap();
    world.build(&[]).unwrap();
    let built = world.dist();
    let lists = || kept(&world).iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>();
    let whole = lists();
    for damage in [flip, truncate, newer, exchange] {
        damage(&kept(&world)[0]);
        assert_ne!(lists(), whole);
        assert_eq!(listed(&world, &["--frozen"]).unwrap(), first);
        assert_eq!(lists(), whole);
        damage(&kept(&world)[1]);
        world.build(&["--frozen"]).unwrap();
        assert_eq!(world.dist(), built);
        assert_eq!(lists(), whole);
    }
    // Neither the list nor the package: nothing is invented.
    flip(&kept(&world)[0]);
    forget_packages(&world);
    listed(&world, &["--frozen"]).unwrap_err().is(4, "the cache does not hold ");
}

#[test]
fn a_build_that_trusts_nothing_reads_the_packages() {
    let world = locked();
    world.build(&[]).unwrap();
    let first = listed(&world, &[]).unwrap();
    // Whoever can write to the cache can lie, as with a root file system that is kept.
    let lie = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let deb: Digest = format!("sha256:{name}").parse().unwrap();
        let mut listing = decode(&fs::read(path).unwrap(), &deb).unwrap();
        listing.entries.retain(|entry| entry.path.file_name() != Some(b"tool"));
        fs::write(path, encode(&listing, &deb).unwrap()).unwrap();
    };
    for flag in ["--paranoid", "--no-cache"] {
        kept(&world).iter().for_each(|path| lie(path));
        assert_ne!(listed(&world, &[]).unwrap(), first);
        for verb in [&["--dry-run"][..], &[]] {
            kept(&world).iter().for_each(|path| lie(path));
            let told = world.tell(&[&["build", "-C", "module", "--arch", "amd64", flag], verb].concat());
            assert!(told.starts_with("exit code: 0") && told.contains("the files of tool was whole"), "{told}");
            assert!(!told.contains("the files of lib"), "{told}");
        }
        assert_eq!(listed(&world, &[]).unwrap(), first, "it is right again");
    }
    forget_packages(&world);
    world.build(&["--paranoid", "--frozen"]).unwrap_err().is(4, "the cache does not hold ");
}

#[test]
fn what_is_unpacked_below_a_real_bin_ships_where_it_is_installed_and_listed() {
    let world = World::new(&[Deb::small("aliased"), Deb::small("lib")]);
    let manifest = "schema_version: 1\nname: small\npackage_spec: [aliased, lib]\n";
    fs::write(world.path("module/manifest.yaml"), manifest).unwrap();
    world.build(&[]).unwrap();
    let files = |list: &str| fs::read_to_string(world.path(list)).unwrap();
    let built = files("module/dist/file-list.txt");
    let wanted =
        ["/usr/bin/aliased", "/usr/lib/systemd/system/aliased", "/usr/share/small/aliased", "/usr/share/small/lib"];
    assert_eq!(built.lines().collect::<Vec<_>>(), wanted);
    let explained = world.tell(&["explain", "/bin/aliased", "module"]);
    assert!(explained.contains("/usr/bin/aliased is shipped") && explained.contains("aliased 1"), "{explained}");
    world.build(&["--dry-run"]).unwrap();
    assert_eq!(files("module/dist/dry-run/file-list.txt"), built);
}
