//! An initramfs, plain and compressed.

#![no_main]

use std::io;

use builder::initramfs::each_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = each_file(bytes, &mut |_, size, content| {
        let read = io::copy(content, &mut io::sink())?;
        assert!(read <= size);
        Ok(())
    });
});
