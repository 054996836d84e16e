//! The main job on real input, judged by strangers: Debian's nginx, built by mmdebstrap, filtered,
//! turned into a composefs image and an OCI layout.
//!
//! Needs root, the peers and the archive; `cargo xtask test` runs it.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]
#![allow(unreachable_pub, reason = "the modules of a test program are reached by nobody else")]

mod judge;
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use model::{Digest, VerityDigest};
use testkit::{peer, run, stdout};
use world::{World, world};

/// `file-list.txt` without the directories that are shipped empty.
fn listed_files(world: &World) -> BTreeSet<String> {
    let list = fs::read_to_string(world.dist.join("file-list.txt")).unwrap();
    list.lines().filter(|line| !line.ends_with('/')).map(str::to_owned).collect()
}

#[test]
fn the_file_list_equals_what_rsync_ships() {
    let world = world();
    let shipped: BTreeSet<String> = judge::listing(&world.filtered)
        .into_iter()
        .filter(|entry| entry.kind != 'd')
        .map(|entry| format!("/{}", entry.path))
        .collect();
    assert_eq!(listed_files(world), shipped);
    assert!(shipped.contains("/usr/sbin/nginx"), "the module ships nginx itself");
}

#[test]
fn the_composefs_digest_equals_what_fsverity_and_mkcomposefs_say() {
    let world = world();
    let image = world.dist.join("module.cfs");
    let claimed: VerityDigest =
        fs::read_to_string(world.dist.join("composefs.digest")).unwrap().trim().parse().unwrap();
    assert_eq!(judge::fsverity(&image), claimed);

    let directory = stdout(
        peer("mkcomposefs").args(["--min-version=1", "--max-version=1", "--print-digest-only"]).arg(&world.filtered),
    );
    assert_eq!(directory, claimed.hex(), "mkcomposefs over the tree that rsync shipped");

    let dump = run(peer("composefs-info").arg("dump").arg(&image)).stdout;
    let file = world.scratch("image.dump");
    fs::write(&file, dump).unwrap();
    let again = stdout(
        peer("mkcomposefs")
            .args(["--from-file", "--min-version=1", "--max-version=1", "--print-digest-only"])
            .arg(&file),
    );
    assert_eq!(again, claimed.hex(), "mkcomposefs over the image's own dump");
}

#[test]
fn every_object_is_named_by_its_fsverity_digest() {
    let world = world();
    let mut count = 0;
    for folder in fs::read_dir(&world.objects).unwrap().flatten() {
        for object in fs::read_dir(folder.path()).unwrap().flatten() {
            let name = format!("{}{}", folder.file_name().to_string_lossy(), object.file_name().to_string_lossy());
            assert_eq!(judge::fsverity(&object.path()).hex(), name);
            count += 1;
        }
    }
    assert!(count > 10, "only {count} objects");
}

#[test]
fn module_tar_holds_the_same_image_and_objects() {
    let world = world();
    let folder = world.scratch("untarred");
    fs::create_dir_all(&folder).unwrap();
    run(peer("tar").arg("-xf").arg(world.dist.join("module.tar")).arg("-C").arg(&folder));
    run(Command::new("diff").arg("-r").arg(folder.join("objects")).arg(&world.objects));
    for name in ["module.cfs", "manifest.json", "composefs.digest"] {
        run(Command::new("cmp").arg(folder.join(name)).arg(world.dist.join(name)));
    }
}

#[test]
fn the_mounted_image_equals_the_filtered_tree() {
    let world = world();
    run(peer("fsck.erofs").arg(world.dist.join("module.cfs")));
    let mounted = judge::mount_module(world);
    judge::assert_same(&judge::listing(mounted.path()), &judge::listing(&world.filtered));
}

#[test]
fn nginx_from_the_mounted_module_serves_the_overlays_page() {
    let world = world();
    let mounted = judge::mount_module(world);
    let page = judge::serve(world, mounted.path());
    let overlay = fs::read_to_string(world.page()).unwrap();
    assert_eq!(page, overlay.trim_end());
}

#[test]
fn oras_and_skopeo_read_the_layout() {
    let world = world();
    let layout = world.dist.join("oci");
    let index =
        stdout(peer("oras").args(["manifest", "fetch", "--oci-layout"]).arg(format!("{}:latest", layout.display())));
    assert!(index.contains("application/vnd.powernode.module.v1"), "{index}");
    let tree =
        stdout(peer("oras").args(["discover", "--oci-layout"]).arg(format!("{}:latest-amd64", layout.display())));
    assert!(tree.contains("sha256:"), "{tree}");
    let raw = stdout(peer("skopeo").args(["inspect", "--raw"]).arg(format!("oci:{}:latest-amd64", layout.display())));
    assert!(raw.contains("io.powernode.fsverity_root_hash"), "{raw}");
    let digest = stdout(
        peer("skopeo")
            .args(["manifest-digest", "/dev/stdin"])
            .stdin(fs::File::open(world.scratch_file("raw", &raw)).unwrap()),
    );
    assert_eq!(
        digest.parse::<Digest>().unwrap(),
        world.built.manifest_digest(),
        "skopeo and the build name one digest"
    );
}

#[test]
fn a_second_build_elsewhere_and_later_gives_the_same_digests() {
    let world = world();
    let again = World::build_again("again");
    assert_eq!(again.composefs_digest(), world.built.composefs_digest());
    assert_eq!(again.manifest_digest(), world.built.manifest_digest());
    assert_eq!(again.index_digest(), world.built.index_digest());
}

#[test]
fn a_build_with_nothing_changed_leaves_the_results_and_mends_damaged_ones() {
    // The world clears the folder that all tests share, so it comes first.
    let _ = world();
    let dist = World::build_into("unchanged");
    let tar = dist.join("module.tar");
    let (bytes, written) = (fs::read(&tar).unwrap(), fs::metadata(&tar).unwrap().modified().unwrap());
    World::build_into("unchanged");
    assert_eq!(fs::metadata(&tar).unwrap().modified().unwrap(), written, "the results were not written again");
    for name in ["module.tar", "oci/index.json", "composefs.digest"] {
        let whole = fs::read(dist.join(name)).unwrap();
        fs::write(dist.join(name), &whole[..whole.len() / 2]).unwrap();
        World::build_into("unchanged");
        assert_eq!(fs::read(dist.join(name)).unwrap(), whole, "{name} is whole again");
    }
    assert_eq!(fs::read(&tar).unwrap(), bytes);
}

#[test]
fn a_dry_run_lists_the_same_files_as_a_build_without_building() {
    let world = world();
    let dist = World::dry_run();
    let names: BTreeSet<String> =
        fs::read_dir(&dist).unwrap().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["file-list.txt", "manifest.json", "package-list.txt"].map(str::to_owned).into());
    for name in ["manifest.json", "package-list.txt"] {
        assert_eq!(fs::read(dist.join(name)).unwrap(), fs::read(world.dist.join(name)).unwrap(), "{name}");
    }
    let dry: BTreeSet<String> =
        fs::read_to_string(dist.join("file-list.txt")).unwrap().lines().map(str::to_owned).collect();
    let real: BTreeSet<String> =
        fs::read_to_string(world.dist.join("file-list.txt")).unwrap().lines().map(str::to_owned).collect();
    let missing: Vec<&String> = real.difference(&dry).collect();
    let invented: Vec<&String> = dry.difference(&real).collect();
    assert!(invented.is_empty(), "listed but not built: {invented:?}");
    // Maintainer scripts make these; a dry run runs none and says so.
    assert!(missing.iter().all(|path| world::made_by_maintainer_scripts(path)), "built but not listed: {missing:?}");
}
