//! What a build says of a module, read back by other programs: requirements.json and build.json. An error, or what is written
//! as it was read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::canonical;
use model::record::BuildRecord;
use model::requirements::Requirements;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(read) = Requirements::parse(bytes) {
        assert_eq!(read.to_json().expect("what was read has a form"), bytes);
    }
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
    // Past the form, to what stands in it.
    let ordered = canonical::json(&value).expect("a value has a form");
    if let Ok(read) = Requirements::parse(&ordered) {
        assert_eq!(read.to_json().expect("what was read has a form"), ordered);
    }
    if let Ok(read) = BuildRecord::parse(bytes) {
        let written = read.to_json().expect("what was read has a form");
        assert_eq!(BuildRecord::parse(&written).ok().as_ref(), Some(&read));
    }
});
