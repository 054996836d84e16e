#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::fs::File;

use super::super::deb::tests::Deb;
use super::super::tests::{changed, resolved};

use super::*;
use model::Digest;
use model::observe::Collected;

/// Two packages, their .debs, and a cache.
struct World {
    folder: tempfile::TempDir,
    cache: Cache,
    resolution: Resolution,
    debs: Vec<PathBuf>,
}

impl World {
    fn new() -> Self {
        Self::of(&[Deb { files: vec![("./etc/one", b"1")], ..Deb::new("one", "1") }, Deb::new("two", "2")])
    }

    fn of(packages: &[Deb]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = [("one", "1", "all"), ("two", "2", "all")];
        let mut debs = Vec::new();
        let mut all = Vec::new();
        for (package, (name, version, arch)) in packages.iter().zip(names) {
            let bytes = package.bytes();
            all.push(resolved(name, version, arch, &bytes));
            debs.push(folder.path().join(format!("{name}.deb")));
            fs::write(debs.last().unwrap(), bytes).unwrap();
        }
        let resolution = changed(&[], |fields| fields.packages = all);
        let cache = Cache::new(folder.path().join("cache"));
        Self { folder, cache, resolution, debs }
    }

    fn read(&self) -> Result<Vec<DebContents>, Error> {
        read(&self.resolution, &self.debs, &self.cache, &Collected::default())
    }

    fn read_cached(&self) -> Vec<Option<DebContents>> {
        read_cached(&self.resolution, &self.cache, &model::observe::Silent).unwrap()
    }

    fn kept(&self, number: usize) -> PathBuf {
        self.cache.listing_path(&self.resolution.packages[number].sha256)
    }
}

#[test]
fn what_was_read_once_needs_no_package() {
    let world = World::new();
    assert_eq!(world.read_cached(), [None, None]);
    let read = world.read().unwrap();
    assert_eq!(read[0].entries[0].path.to_string(), "/etc/one");
    assert_eq!(read[1].metadata.control.get("Package"), Some("two"));
    let metadata = fs::metadata(world.kept(0)).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o644);
    assert_eq!(fs::read_dir(world.cache.temporary().unwrap()).unwrap().count(), 0, "no temporary file stays");

    world.debs.iter().for_each(|path| fs::remove_file(path).unwrap());
    let old = metadata.modified().unwrap() - std::time::Duration::from_secs(1000);
    File::open(world.kept(0)).unwrap().set_modified(old).unwrap();
    assert_eq!(world.read_cached(), read.into_iter().map(Some).collect::<Vec<_>>());
    assert!(fs::metadata(world.kept(0)).unwrap().modified().unwrap() > old, "it was marked as used");
}

#[test]
fn what_is_damaged_or_of_another_package_is_read_again() {
    let world = World::new();
    let read = world.read().unwrap();
    let good = fs::read(world.kept(0)).unwrap();
    let other = fs::read(world.kept(1)).unwrap();
    let mut foreign = good.clone();
    foreign[11] = 99;
    foreign.truncate(good.len() - 32);
    foreign.extend(Digest::of(&foreign).as_bytes());
    let flipped: Vec<u8> = good.iter().map(|byte| byte ^ 1).collect();
    for bad in [&good[..good.len() / 2], b"", &other, &foreign, &flipped, &[&good[..], b"\n"].concat()] {
        fs::write(world.kept(0), bad).unwrap();
        assert_eq!(world.read_cached(), [None, Some(read[1].clone())]);
        assert_eq!(world.read().unwrap(), read);
        assert_eq!(fs::read(world.kept(0)).unwrap(), good, "it is whole again");
    }
    // What is no file at all is as good as none, and in the way of a new one only.
    fs::remove_file(world.kept(0)).unwrap();
    fs::create_dir(world.kept(0)).unwrap();
    assert_eq!(world.read_cached()[0], None);
    let told = Collected::default();
    assert_eq!(super::read(&world.resolution, &world.debs, &world.cache, &told).unwrap(), read);
    let told = told.texts();
    assert!(told.len() == 1 && told[0].starts_with("the next run will read the packages again"), "{told:?}");
}

#[test]
fn a_package_that_is_not_the_one_that_was_asked_for_is_not_kept() {
    let world = World::new();
    fs::write(&world.debs[1], Deb::new("two", "3").bytes()).unwrap();
    let error = world.read().unwrap_err();
    assert!(matches!(&error, Error::Package { package, .. } if package == "two"), "{error}");
    assert!(world.read_cached()[0].is_some() && !world.kept(1).exists());
    assert!(matches!(
        read(&world.resolution, &world.debs[..1], &world.cache, &Collected::default()),
        Err(Error::Count { packages: 2, debs: 1 })
    ));
}

#[test]
fn a_lie_is_found_out_when_the_packages_are_read() {
    let world = World::new();
    let good = world.read().unwrap();
    let mut lie = good[0].clone();
    lie.entries[0].mode = 0o4755;
    let kept = encode(&lie, &world.resolution.packages[0].sha256).unwrap();
    fs::write(world.kept(0), &kept).unwrap();
    assert_eq!(world.read_cached()[0], Some(lie), "nothing but the package itself tells");
    let told = Collected::default();
    assert_eq!(super::read(&world.resolution, &world.debs, &world.cache, &told).unwrap(), good);
    let told = told.texts();
    assert!(told.len() == 1 && told[0].contains("the files of one"), "{told:?}");
    assert_ne!(fs::read(world.kept(0)).unwrap(), kept);
}

#[test]
fn what_would_be_too_large_to_be_read_is_not_kept() {
    let value = "x".repeat(usize::try_from(LIMIT).unwrap());
    let control = format!("Package: one\nVersion: 1\nArchitecture: all\nLong: {value}\n");
    let world = World::of(&[Deb { control, suffix: "", ..Deb::new("one", "1") }]);
    assert_eq!(world.read().unwrap()[0].metadata.control.get("long").map(str::len), Some(value.len()));
    assert!(!world.kept(0).exists() && world.read_cached() == [None]);
    // Nor is what someone else put there read to its end.
    world.cache.listings().unwrap();
    File::create(world.kept(0)).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(world.read_cached(), [None]);
    drop(world.folder);
}

#[test]
fn what_is_another_package_than_the_lock_names_is_refused_and_not_recalled() {
    let mut world = World::new();
    world.read().unwrap();
    let other = world.resolution.packages[0].changed(|fields| {
        fields.package = fields.package.changed(|package| package.version = "9".to_owned()).unwrap();
    });
    world.resolution = world.resolution.changed(|fields| fields.packages[0] = other.unwrap()).unwrap();
    assert!(world.read_cached()[0].is_none() && world.read_cached()[1].is_some());
    assert!(matches!(world.read(), Err(Error::OtherPackage { field: "Version", .. })));

    let mut world = World::new();
    world.read().unwrap();
    let sha256 = world.resolution.packages[1].sha256;
    let other = world.resolution.packages[0].changed(|fields| fields.sha256 = sha256).unwrap();
    world.resolution = world.resolution.changed(|fields| fields.packages[0] = other).unwrap();
    assert_eq!(world.read_cached()[0], None, "the names of the other are no names of this one");
}
