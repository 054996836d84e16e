//! References, image manifests and image indexes: an error, or what says the same as the input.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::Digest;
use oci::{Document, Place, Reference, media};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(reference) = text.parse::<Reference>()
    {
        assert_eq!(reference.to_string(), text);
    }
    let place = Place::Path("input".into());
    let parse = |kind| Document::parse(kind, bytes.to_vec(), &place);
    let (manifest, index) = (parse(media::IMAGE_MANIFEST), parse(media::IMAGE_INDEX));
    assert!(manifest.is_err() || index.is_err(), "one digest, two artifacts");
    for document in manifest.into_iter().chain(index) {
        assert_eq!(document.raw(), bytes);
        assert_eq!(document.descriptor().digest, Digest::of(bytes));
    }
});
