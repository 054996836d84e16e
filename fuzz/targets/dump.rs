//! Text of any kind: the reader of dumps gives a tree or an error. Of what it gives an image can be made, or that
//! is refused; the image reads as the same tree, and its dump is the same image again.

#![no_main]

use image::composefs::Foreign;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let Ok(dump) = Foreign::of_dump(text) else { return };
    let printed = dump.dump();
    let Ok(image) = dump.write(dump.version()) else {
        assert!(printed.is_err(), "what cannot be written can be printed");
        return;
    };
    let printed = printed.expect("what is written prints");
    let read = Foreign::read(&image).expect("the image reads");
    assert_eq!(read.dump().expect("the image prints"), printed);
    assert_eq!(read.write(read.version()).expect("the image is written again"), image);
    // The text that was printed need not be what was read: it says the marks of whiteouts another time.
    let _ = Foreign::of_dump(&printed).map(|again| again.write(again.version()));
});
