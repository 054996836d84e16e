//! An archive of `[[file]]`, tar of any compression or zip: a plain tar and what is taken of it, or an error.

#![no_main]

use std::io::{Seek as _, SeekFrom, Write as _};

use composer::placed::taken;
use composer::scan::{ArchiveFile, Options, XattrFilter, opened_archive};
use image::tree::Kind;
use libfuzzer_sys::fuzz_target;
use model::file_input::{ArchiveFormat, FileInput, FileInputFields, Unpack};
use model::{Digest, ImagePath, Pattern};

fn check(bytes: &[u8], format: ArchiveFormat) {
    let mut file = tempfile::tempfile().expect("a file can be made");
    file.write_all(bytes).expect("it can be written");
    file.seek(SeekFrom::Start(0)).expect("and read");
    let input = FileInput::new(FileInputFields {
        url: "https://h.example.org/archive".to_owned(),
        sha256: Digest::of(bytes),
        architectures: Vec::new(),
        destination: "/opt".to_owned(),
        mode: None,
        owner: None,
        unpack: Some(Unpack { format, strip: 0, include: Vec::new() }),
    })
    .expect("the input is one");
    let scratch = host::Dir::open(&std::env::temp_dir()).expect("there is a place for temporary files");
    let Ok(tar) = builder::files::plain_tar(file, &input, format, &scratch) else { return };
    let archive = ArchiveFile::new("archive".into(), tar).expect("a plain tar is a regular file");
    let Ok(tree) = opened_archive(archive, &Options { xattrs: XattrFilter::none() }) else { return };
    let opt = ImagePath::new("/opt").expect("this is a path");
    let include = [Pattern::parse("/a*").expect("this is a pattern")];
    for (strip, include) in [(0, &[][..]), (1, &[][..]), (0, &include[..])] {
        let found = taken(&tree, strip, include, &opt).expect("a tree that was read is not too large");
        for (path, _, node) in found.tree.walk().skip(1) {
            assert!(path.starts_with(&opt), "{path} is elsewhere");
            if let Kind::Regular(source) = &node.kind {
                assert_eq!(source.read(u64::MAX).expect("the bytes are there").len() as u64, source.size());
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes, ArchiveFormat::Zip);
    check(bytes, ArchiveFormat::Tar);
});
