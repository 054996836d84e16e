//! Private keys inside of other files: compressed ones, and files that are no text.

use std::io::Read;

use super::private_key::holds_private_key;

/// How much of a compressed file is unpacked: a key is small.
const LIMIT: u64 = 1 << 20;

/// Whether a file that is compressed holds a private key.
pub(super) fn holds_key(head: &[u8]) -> bool {
    let unpacked = match head {
        [0x1f, 0x8b, ..] => read(flate2::read::MultiGzDecoder::new(head)),
        [b'B', b'Z', b'h', ..] => read(bzip2::read::MultiBzDecoder::new(head)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => read(liblzma::read::XzDecoder::new_multi_decoder(head)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd::stream::read::Decoder::new(head).map(read).unwrap_or_default(),
        _ => return false,
    };
    holds_private_key(&unpacked)
}

/// What can be read, as far as the limit: what is damaged behind a key does not hide it.
fn read(reader: impl Read) -> Vec<u8> {
    let mut unpacked = Vec::new();
    let _ = reader.take(LIMIT).read_to_end(&mut unpacked);
    unpacked
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use std::io::Write as _;

    use super::*;

    const KEY: &[u8] = b"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n";

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(content).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn a_compressed_key_is_a_key() {
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(KEY).unwrap();
        let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bz.write_all(KEY).unwrap();
        for packed in [gzip(KEY), xz.finish().unwrap(), bz.finish().unwrap(), zstd::encode_all(KEY, 1).unwrap()] {
            assert!(holds_key(&packed));
        }
        let far = [vec![b'\n'; 2 << 20], KEY.to_vec()].concat();
        assert!(!holds_key(&gzip(b"text\n")) && !holds_key(&gzip(&far)) && !holds_key(b"\x1f\x8b damaged"));
    }
}
