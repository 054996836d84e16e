//! Bytes of any kind: the reader of images gives a tree or an error, and what it gives can be walked,
//! printed and written without a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tree) = composer::image::read(bytes) {
        let _ = composer::image::dump(&tree);
        if let Ok(image) = composer::image::write(&tree) {
            let again = composer::image::read(&image).expect("our own image reads");
            assert_eq!(again.link_counts().len(), tree.link_counts().len());
        }
    }
});
