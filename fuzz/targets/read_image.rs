//! Bytes of any kind: the reader of images gives a tree or an error. What it gives can be printed, and
//! written as an image that reads as the same tree. The reader of others' images gives back the very bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(foreign) = image::composefs::Foreign::read(bytes) {
        assert_eq!(foreign.write(foreign.version()).expect("what was read is written"), bytes);
        foreign.dump().expect("what was read prints");
        assert!(!foreign.is_built() || image::composefs::read_canonical(bytes).is_ok());
    }
    let Ok(tree) = image::composefs::read(bytes) else { return };
    let text = image::composefs::dump(&tree);
    let Ok(image) = image::composefs::write(&tree) else {
        assert!(text.is_err(), "what cannot be written can be printed");
        return;
    };
    let again = image::composefs::read(&image).expect("our own image reads");
    assert_eq!(again, tree);
    assert_eq!(image::composefs::dump(&again).expect("our own image prints"), text.expect("what is written prints"));
    assert_eq!(image::composefs::write(&again).expect("our own image is written again"), image);
});
