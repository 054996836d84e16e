#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

use std::fs;

use super::*;
use crate::Error;

#[test]
fn ranges_are_read_by_position_and_end_where_they_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    fs::write(&path, b"0123456789").unwrap();
    let archive = Arc::new(ArchiveFile::new(path.clone(), File::open(&path).unwrap()).unwrap());
    let range = |offset, size| Source::Range { archive: Arc::clone(&archive), offset, size };
    assert_eq!(range(2, 3).read(100).unwrap(), b"234");
    assert_eq!(range(0, 10).read(10).unwrap(), b"0123456789");
    assert!(matches!(range(0, 10).read(9), Err(image::Error::TooLarge { size: 10, limit: 9, .. })));
    assert!(matches!(range(8, 3).read(9), Err(image::Error::Host(host::Error::Io { .. }))));
}

#[test]
fn every_kind_of_source_is_read_by_position_and_never_past_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    fs::write(&path, b"0123456789").unwrap();
    let archive = Arc::new(ArchiveFile::new(path.clone(), File::open(&path).unwrap()).unwrap());
    for (source, content) in [
        (Source::Bytes(b"0123456789"[..].into()), &b"0123456789"[..]),
        (Source::of_file(&path), b"0123456789"),
        (Source::Range { archive: Arc::clone(&archive), offset: 2, size: 3 }, b"234"),
    ] {
        let open = source.positioned().unwrap();
        for (offset, length) in [(0, 1), (1, 2), (0, 99), (2, 99), (content.len(), 5), (99, 5)] {
            let end = content.len().min(offset + length);
            let wanted = content.get(offset.min(end)..end).unwrap();
            assert_eq!(open.read_at(offset as u64, length).unwrap(), wanted, "{offset} {length}");
        }
        assert_eq!(open.read_at(u64::MAX, 5).unwrap(), b"");
    }
    let pieces = vec![Piece { start: 2, size: 3, offset: 0 }, Piece { start: 5, size: 2, offset: 6 }];
    let sparse = Source::sparse(Arc::clone(&archive), pieces, 10).positioned().unwrap();
    let content = b"\0\x00012\x367\0\0\0";
    for (offset, length) in [(0, 1), (0, 10), (0, 99), (1, 3), (3, 4), (4, 2), (9, 5), (10, 5)] {
        let wanted = &content[offset..content.len().min(offset + length)];
        assert_eq!(sparse.read_at(offset as u64, length).unwrap(), wanted, "{offset} {length}");
    }
    let Source::File { file, .. } = Source::of_file(&path) else { panic!("it is a file") };
    let shrunk = Source::File { file, size: 20 };
    assert!(matches!(shrunk.positioned().unwrap().read_at(8, 9), Err(Error::Host(host::Error::Io { .. }))));
}

#[test]
fn an_archive_that_is_written_to_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    fs::write(&path, b"0123456789").unwrap();
    let archive = Arc::new(ArchiveFile::new(path.clone(), File::open(&path).unwrap()).unwrap());
    let range = Source::Range { archive, offset: 2, size: 3 };
    let mut open = range.open().unwrap();
    assert!(range.identity().is_some() && open.check().is_ok());
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(&path, b"0123456789").unwrap();
    assert!(range.identity().is_none());
    assert!(matches!(range.read(9), Err(image::Error::ChangedMeanwhile { .. })));
    assert_eq!(open.read(&mut [0; 9]).unwrap(), 3);
    assert!(matches!(open.check(), Err(image::Error::ChangedMeanwhile { .. })));
}

#[test]
fn an_archive_that_lost_its_name_is_still_the_one_that_is_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    fs::write(&path, b"0123456789").unwrap();
    let archive = Arc::new(ArchiveFile::new(path.clone(), File::open(&path).unwrap()).unwrap());
    let range = Source::Range { archive, offset: 2, size: 3 };
    let identity = range.identity().unwrap();
    let writer = File::options().write(true).open(&path).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::remove_file(&path).unwrap();
    assert_eq!(range.read(9).unwrap(), b"234");
    assert_eq!(range.identity(), Some(identity));
    range.reopen(&identity).unwrap();
    writer.write_all_at(b"x", 3).unwrap();
    assert!(range.identity().is_none() && range.read(9).is_err() && range.reopen(&identity).is_err());
}

#[test]
fn a_file_that_grew_shrank_or_became_something_else_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let change = |change: &dyn Fn()| {
        let _ = fs::remove_file(&path);
        fs::write(&path, b"1234").unwrap();
        let source = Source::of_file(&path);
        assert_eq!(source.read(4).unwrap(), b"1234");
        assert!(source.identity().is_some());
        std::thread::sleep(std::time::Duration::from_millis(20));
        change();
        assert!(matches!(source.read(9), Err(image::Error::ChangedMeanwhile { .. })));
        assert!(source.positioned().is_err() && source.identity().is_none());
    };
    change(&|| fs::write(&path, b"123").unwrap());
    change(&|| fs::write(&path, b"12345").unwrap());
    change(&|| fs::remove_file(&path).unwrap());
    let replaced = |by: &dyn Fn()| {
        change(&|| {
            fs::remove_file(&path).unwrap();
            by();
        });
    };
    replaced(&|| std::os::unix::fs::symlink("/etc/passwd", &path).unwrap());
    replaced(&|| drop(std::os::unix::net::UnixListener::bind(&path).unwrap()));
    replaced(&|| {
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    });
    fs::remove_file(&path).unwrap();
    fs::write(&path, b"1234").unwrap();
    let source = Source::of_file(&path);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(source.read(9), Err(image::Error::ChangedMeanwhile { .. })));
}
