//! Bytes of any kind: the reader of images gives a tree or an error. What it gives can be printed, and
//! written as an image that reads as the same tree.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(tree) = composer::image::read(bytes) else { return };
    let text = composer::image::dump(&tree);
    let Ok(image) = composer::image::write(&tree) else {
        assert!(text.is_err(), "what cannot be written can be printed");
        return;
    };
    let again = composer::image::read(&image).expect("our own image reads");
    assert_eq!(again, tree);
    assert_eq!(composer::image::dump(&again).expect("our own image prints"), text.expect("what is written prints"));
    assert_eq!(composer::image::write(&again).expect("our own image is written again"), image);
});
