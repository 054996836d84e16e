use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::*;
use crate::listing::Whose;

/// Everything in the directory is ours but what is called `thesis`.
fn list(directory: &Dir) -> Result<Listing, Error> {
    let whose = |path: &Path, _| if path.ends_with("thesis") { Whose::Foreign } else { Whose::Ours };
    let listing = Listing::new(directory, &whose)?;
    match listing.foreign().first() {
        Some(path) => Err(Error::Place { path: directory.join(path), fault: Fault::Replaced }),
        None => Ok(listing),
    }
}

fn names(folder: &Path) -> Vec<OsString> {
    Dir::open(folder).unwrap().names().unwrap()
}

/// Puts the files of `content`, each holding its name and `mark`, into `dist`.
fn put(folder: &Path, content: &[&str], mark: &str) -> Option<PathBuf> {
    let staged = staged(folder, content, mark);
    staged.commit("record", list).unwrap()
}

fn staged(folder: &Path, content: &[&str], mark: &str) -> Staged {
    let staged = Staged::new(&Dir::open(folder).unwrap(), "dist").unwrap();
    for name in content {
        match name.split_once('/') {
            Some((below, name)) => {
                let below = staged.dir().directory_or_new(below, 0o755).unwrap();
                below.write(name, format!("{name} {mark}").as_bytes(), 0o644).unwrap();
            }
            None => staged.dir().write(name, format!("{name} {mark}").as_bytes(), 0o644).unwrap(),
        }
    }
    staged
}

#[test]
fn a_directory_appears_whole_and_takes_the_place_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    for (mark, content) in [("one", &["record", "list", "oci/index"][..]), ("two", &["record", "tar"])] {
        assert_eq!(put(folder.path(), content, mark), None);
        assert_eq!(fs::read_to_string(folder.path().join("dist/record")).unwrap(), format!("record {mark}"));
        assert_eq!(names(folder.path()), ["dist"]);
        assert_eq!(folder.path().join("dist").metadata().unwrap().permissions().mode() & 0o7777, 0o755);
    }
    assert_eq!(names(&folder.path().join("dist")), ["record", "tar"]);
}

#[test]
fn a_directory_with_foreign_files_a_file_and_a_link_are_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let dist = folder.path().join("dist");
    put(folder.path(), &["record"], "one");
    fs::write(dist.join("thesis"), "years of work").unwrap();
    assert!(staged(folder.path(), &["record"], "two").commit("record", list).is_err());
    assert_eq!(names(&dist), ["record", "thesis"]);
    fs::rename(&dist, folder.path().join("other")).unwrap();
    for make in [|path: &Path| symlink("other", path).unwrap(), |path: &Path| fs::write(path, "file").unwrap()] {
        make(&dist);
        assert!(staged(folder.path(), &["record"], "two").commit("record", list).is_err());
        fs::remove_file(&dist).unwrap();
    }
    assert_eq!(names(folder.path()), ["other"], "no scratch directory is left");
    assert_eq!(fs::read_to_string(folder.path().join("other/record")).unwrap(), "record one");
}

#[test]
fn what_comes_between_the_look_and_the_exchange_is_kept_and_told_of() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), &["record", "list", "oci/index"], "one");
    let dist = folder.path().join("dist");
    let kept = staged(folder.path(), &["record"], "two").commit("record", |old: &Dir| {
        let listing = list(old)?;
        fs::write(dist.join("oci/thesis"), "years of work").unwrap();
        fs::write(dist.join("new"), "other").unwrap();
        fs::rename(dist.join("new"), dist.join("list")).unwrap();
        Ok::<_, Error>(listing)
    });
    let kept = kept.unwrap().unwrap();
    assert!(kept.starts_with(folder.path()) && kept.to_string_lossy().contains("dist.kept"), "{}", kept.display());
    assert_eq!(names(&kept), ["list", "oci"]);
    assert_eq!(fs::read_to_string(kept.join("oci/thesis")).unwrap(), "years of work");
    assert_eq!(names(&dist), ["record"]);
}

#[test]
fn a_directory_that_is_put_there_between_the_look_and_the_exchange_is_kept_whole() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), &["record"], "one");
    fs::create_dir(folder.path().join("precious")).unwrap();
    fs::write(folder.path().join("precious/record"), "theirs").unwrap();
    let dist = folder.path().join("dist");
    let kept = staged(folder.path(), &["record"], "two").commit("record", |old: &Dir| {
        let listing = list(old)?;
        fs::rename(&dist, folder.path().join("aside")).unwrap();
        fs::rename(folder.path().join("precious"), &dist).unwrap();
        Ok::<_, Error>(listing)
    });
    assert_eq!(fs::read_to_string(kept.unwrap().unwrap().join("record")).unwrap(), "theirs");
    assert_eq!(fs::read_to_string(dist.join("record")).unwrap(), "record two");
}

#[test]
fn nobody_who_renames_the_scratch_directory_leads_a_run_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    put(folder.path(), &["record"], "one");
    let staged = Staged::new(&Dir::open(folder.path()).unwrap(), "dist").unwrap();
    let scratch = names(folder.path()).into_iter().find(|name| name != "dist").unwrap();
    fs::rename(folder.path().join(&scratch), folder.path().join("aside")).unwrap();
    symlink(elsewhere.path(), folder.path().join(&scratch)).unwrap();
    staged.dir().write("record", b"two", 0o644).unwrap();
    staged.commit("record", list).unwrap();
    assert_eq!(names(elsewhere.path()), [""; 0]);
    assert_eq!(fs::read_to_string(folder.path().join("dist/record")).unwrap(), "two");
}

#[test]
fn names_that_cannot_be_exchanged_are_changed_in_two_steps() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), &["record"], "one");
    let second = staged(folder.path(), &["record"], "two");
    assert!(second.replace_in_two_steps().unwrap());
    let record = |path: &Path| fs::read_to_string(path.join("record")).unwrap();
    assert_eq!(record(&folder.path().join("dist")), "record two");
    assert_eq!(record(&second.scratch.path().join(NEW)), "record one");
}

/// Stages inside of `dist`, as for a mount point.
fn within(folder: &Path, content: &[&str], mark: &str) -> Staged {
    let mut staged = staged(folder, content, mark);
    let old = staged.parent.directory("dist", Links::Refuse).unwrap();
    let inside = Scratch::new(&old, &prefix(OsStr::new("dist"))).unwrap();
    staged.scratch.dir().rename(NEW, inside.dir(), NEW).unwrap();
    (staged.scratch, staged.within) = (inside, Some(old));
    staged
}

#[test]
fn inside_of_a_directory_files_are_exchanged_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let dist = folder.path().join("dist");
    put(folder.path(), &["record", "list", "tar", "oci/index", "oci/blob"], "one");
    let second = within(folder.path(), &["record", "list", "new", "oci/index"], "two");
    assert_eq!(second.commit("record", list).unwrap(), None);
    assert_eq!(names(&dist), ["list", "new", "oci", "record"]);
    assert_eq!(names(&dist.join("oci")), ["index"]);
    assert_eq!(fs::read_to_string(dist.join("oci/index")).unwrap(), "index two");
    // What comes meanwhile is kept, but not as part of the result.
    let third = within(folder.path(), &["record", "list"], "three");
    let kept = third.commit("record", |old: &Dir| {
        let listing = list(old)?;
        fs::write(dist.join("oci/thesis"), "years of work").unwrap();
        Ok::<_, Error>(listing)
    });
    let kept = kept.unwrap().unwrap();
    assert_eq!(names(&dist), [kept.file_name().unwrap(), OsStr::new("list"), OsStr::new("record")]);
    assert_eq!(names(&kept.join("oci")), ["thesis"]);
}

#[test]
fn what_only_the_old_directory_had_goes_from_it_whole() {
    let folder = tempfile::tempdir().unwrap();
    let dist = folder.path().join("dist");
    put(folder.path(), &["record", "tar", "oci/index", "oci/blob"], "one");
    let second = within(folder.path(), &["record"], "two");
    let target = Dir::open(&dist).unwrap();
    let old = list(&target).unwrap();
    // As far as a run comes that is killed before it removes the first file.
    second.exchange_files(&target, &old, OsStr::new("record")).unwrap();
    let scratch = second.scratch.path().file_name().unwrap().to_owned();
    assert_eq!(names(&dist), [&*scratch, OsStr::new("record")]);
    assert!(scratch::is_marked(&scratch, second.scratch.dir()));
    assert_eq!(names(&second.scratch.path().join(NEW).join("oci")), ["blob", "index"]);
}

#[test]
fn a_directory_that_cannot_be_moved_is_marked_while_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let dist = folder.path().join("dist");
    put(folder.path(), &["record", "oci/index"], "one");
    // As far as a run comes that is killed meanwhile.
    let scratch = Scratch::new(&Dir::open(folder.path()).unwrap(), ".room-").unwrap();
    let oci = Dir::open(&dist.join("oci")).unwrap();
    scratch::mark(&oci, scratch.dir()).unwrap();
    oci.remove_file("index").unwrap();
    oci.write("blob", b"", 0o644).unwrap();
    drop(scratch);
    assert!(list(&Dir::open(&dist).unwrap()).unwrap().names_still_in(&Dir::open(&dist).unwrap()).eq(["record"]));
    put(folder.path(), &["record"], "two");
    assert_eq!((names(&dist), names(folder.path())), (vec!["record".into()], vec!["dist".into()]));
    // A name that says whose it is, and a mark that does not.
    fs::create_dir(dist.join(".photos")).unwrap();
    fs::write(dist.join(".photos").join(scratch::MARK), "").unwrap();
    fs::write(dist.join(".photos/thesis"), "").unwrap();
    assert!(list(&Dir::open(&dist).unwrap()).is_err(), "it is seen");
    remove_marks(&Dir::open(&dist).unwrap());
    assert!(dist.join(".photos/thesis").is_file());
}

#[test]
fn an_exchange_one_by_one_that_does_not_end_shows_and_the_next_run_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let dist = folder.path().join("dist");
    put(folder.path(), &["record", "list", "oci/index"], "one");
    let second = within(folder.path(), &["record", "list"], "two");
    let old = Dir::open(&dist).unwrap();
    // As far as a run comes that is killed after its first file.
    old.write(UNFINISHED, TEXT, 0o644).unwrap();
    old.remove_file("record").unwrap();
    second.exchange_file(&old, OsStr::new("list"), &Listing::default()).unwrap();
    std::mem::forget(second);
    assert!(is_unfinished(&old) && !dist.join("record").exists());
    fs::create_dir(dist.join(".dist.partial-.0123456789abcdef")).unwrap();
    assert!(list(&old).unwrap().foreign().is_empty(), "what runs need themselves is nobody's");
    // The killed run's lock is still held by this process, so its scratch directory stays here.
    put(folder.path(), &["record"], "three");
    assert!(!is_unfinished(&Dir::open(&dist).unwrap()));
    assert_eq!(names(&dist), ["record"]);
}
