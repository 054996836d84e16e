//! Files of dpkg's database: a database or an error, and every path of it has an owner. The input is
//! the files, each begun by the byte 0xff: status, a list, conffiles, diversions, statoverride, an
//! alternative.

#![no_main]

use builder::dpkg::Database;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let files: Vec<&[u8]> = bytes.split(|byte| *byte == 0xff).collect();
    let file = |number: usize| files.get(number).map(|bytes| bytes.to_vec());
    let mut read = |path: &model::ImagePath| match path.file_name()? {
        b"status" => file(0),
        name if name.ends_with(b".list") => file(1),
        name if name.ends_with(b".conffiles") => file(2),
        b"diversions" => file(3),
        b"statoverride" => file(4),
        _ => file(5),
    };
    let info = [&b"a.list"[..], b"a.conffiles", b"b:amd64.list", b"../c.list", b"\xff"].map(<[u8]>::to_vec);
    let alternatives = [&b"pager"[..], b"..", b"", b"a/b"].map(<[u8]>::to_vec);
    let Ok(database) = Database::parse(&mut read, &info, &alternatives) else { return };
    assert!(database.base().iter().all(|index| *index < database.packages.len()));
    assert!(database.present().count() <= database.packages.len());
    for installed in &database.packages {
        assert!(installed.files.is_sorted() && installed.conffiles.is_sorted());
        for path in installed.files.iter().take(50) {
            let diverted = database.diversions.iter().any(|diversion| diversion.from == *path || diversion.to == *path);
            assert!(diverted || database.owner(path).is_some(), "{path}");
            let _ = database.alternative(path);
        }
    }
});
