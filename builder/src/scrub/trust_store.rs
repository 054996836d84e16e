//! The times in Java's trust store, a key store in the JDK's own form JKS.
//!
//! The form, as the JDK reads and writes it: a magic number, the version 2, the number of entries;
//! for each a tag, an alias, the time when it was added in milliseconds since 1970, and for a trusted
//! certificate its type, its length and its bytes. At the end stands the SHA-1 of the password, two
//! words and everything before. Numbers are big-endian; a text has its length in two bytes before it.

use model::Epoch;
use sha1::{Digest as _, Sha1};

use super::error::Fault;

const MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
const VERSION: u32 = 2;
/// The tag of a trusted certificate. The other one, 1, is a private key.
const TRUSTED: u32 = 2;
/// The length of the SHA-1 at the end.
const CHECKSUM: usize = 20;
/// The password of `/etc/default/cacerts`, with which Debian makes the store. It is no secret: it
/// only guards against damage, and Java programs that read the store know it.
const PASSWORD: &str = "changeit";

/// Whether a file that begins so is a key store in this form.
pub(super) fn is_key_store(head: &[u8]) -> bool {
    head.starts_with(&MAGIC)
}

/// The same store, with the epoch as the time of every entry.
pub(super) fn set_dates(content: &[u8], epoch: Epoch) -> Result<Vec<u8>, Fault> {
    let body = content.len().checked_sub(CHECKSUM).ok_or_else(|| damaged("it is too short"))?;
    let (body, found) = content.split_at(body);
    // Only of a whole store with the known password can a whole one be made.
    if checksum(body) != *found {
        return Err(damaged("its checksum is wrong, or its password is not the one that Debian sets"));
    }
    let milliseconds = epoch.seconds().saturating_mul(1000).to_be_bytes();
    let mut changed = body.to_vec();
    for place in dates(body)? {
        changed[place..place + milliseconds.len()].copy_from_slice(&milliseconds);
    }
    let checksum = checksum(&changed);
    changed.extend_from_slice(&checksum);
    Ok(changed)
}

/// Where each entry's time stands in the body, eight bytes each.
fn dates(body: &[u8]) -> Result<Vec<usize>, Fault> {
    let mut reader = Reader { body, at: 0 };
    if reader.take(MAGIC.len())? != MAGIC || reader.number()? != VERSION {
        return Err(damaged("its version is not known"));
    }
    let count = reader.number()?;
    // The count is not trusted before that many entries were there.
    let mut dates = Vec::new();
    for _ in 0..count {
        if reader.number()? != TRUSTED {
            return Err(damaged("an entry is no trusted certificate"));
        }
        reader.text()?;
        dates.push(reader.at);
        reader.take(size_of::<i64>())?;
        reader.text()?;
        let length = reader.number()?;
        reader.take(usize::try_from(length).unwrap_or(usize::MAX))?;
    }
    if reader.at == body.len() { Ok(dates) } else { Err(damaged("something follows its last entry")) }
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM] {
    let password: Vec<u8> = PASSWORD.encode_utf16().flat_map(u16::to_be_bytes).collect();
    Sha1::new().chain_update(password).chain_update("Mighty Aphrodite").chain_update(body).finalize().into()
}

fn damaged(what: &'static str) -> Fault {
    Fault::TrustStore { what }
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.body.len());
        let end = end.ok_or_else(|| damaged("it ends within an entry"))?;
        let taken = &self.body[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, Fault> {
        Ok(self.take(4)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn text(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.take(2)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;

    /// A store with these entries: alias, time, certificate.
    fn store(entries: &[(&str, i64, &[u8])]) -> Vec<u8> {
        let mut body =
            [&MAGIC[..], &2_u32.to_be_bytes(), &u32::try_from(entries.len()).unwrap().to_be_bytes()].concat();
        for (alias, time, certificate) in entries {
            body.extend(TRUSTED.to_be_bytes());
            for text in [alias.as_bytes(), b"X.509"] {
                body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
                body.extend(text);
                if text == alias.as_bytes() {
                    body.extend(time.to_be_bytes());
                }
            }
            body.extend(u32::try_from(certificate.len()).unwrap().to_be_bytes());
            body.extend(*certificate);
        }
        signed(body)
    }

    fn signed(mut body: Vec<u8>) -> Vec<u8> {
        let checksum = checksum(&body);
        body.extend(checksum);
        body
    }

    fn epoch() -> Epoch {
        Epoch::from_seconds(1_750_000_000).unwrap()
    }

    #[test]
    fn only_the_times_change() {
        let first = store(&[("debian:a.pem", 1_795_260_280_290, b"one"), ("debian:b.pem", 5, b"")]);
        let wanted = store(&[("debian:a.pem", 1_750_000_000_000, b"one"), ("debian:b.pem", 1_750_000_000_000, b"")]);
        assert_eq!(set_dates(&first, epoch()).unwrap(), wanted);
        assert_eq!(set_dates(&wanted, epoch()).unwrap(), wanted);
        assert_eq!(set_dates(&store(&[]), epoch()).unwrap(), store(&[]));
    }

    #[test]
    fn a_store_that_is_not_whole_is_refused() {
        let sound = store(&[("debian:a.pem", 7, b"one")]);
        let what = |bytes: &[u8]| match set_dates(bytes, epoch()) {
            Err(Fault::TrustStore { what }) => what,
            other => panic!("{other:?}"),
        };
        assert_eq!(what(&sound[..19]), "it is too short");
        let mut other = sound.clone();
        other[40] ^= 1;
        assert!(what(&other).starts_with("its checksum is wrong"));
        let body = &sound[..sound.len() - CHECKSUM];
        let edited = |at: usize, byte: u8| {
            let mut body = body.to_vec();
            body[at] = byte;
            signed(body)
        };
        assert_eq!(what(&edited(7, 1)), "its version is not known");
        assert_eq!(what(&edited(8, 0xff)), "it ends within an entry");
        assert_eq!(what(&edited(11, 0)), "something follows its last entry");
        assert_eq!(what(&edited(15, 1)), "an entry is no trusted certificate");
        assert_eq!(what(&edited(16, 0xff)), "it ends within an entry");
        assert_eq!(what(&signed(body[..body.len() - 1].to_vec())), "it ends within an entry");
        assert_eq!(what(&signed([body, b"x"].concat())), "something follows its last entry");
    }

    #[test]
    fn no_mutation_makes_the_reader_panic() {
        let mut random = testkit::Random::from_environment();
        let sound = store(&[("debian:a.pem", 7, b"one"), ("debian:b.pem", 8, b"two")]);
        for _ in 0..20_000 {
            let mut body = sound[..sound.len() - CHECKSUM].to_vec();
            let index = usize::try_from(random.below(body.len() as u64)).unwrap();
            body[index] = random.bits().to_le_bytes()[0];
            body.truncate(usize::try_from(random.below(body.len() as u64 + 1)).unwrap().max(index));
            if let Ok(changed) = set_dates(&signed(body.clone()), epoch()) {
                assert_eq!(changed.len(), body.len() + CHECKSUM);
            }
        }
    }
}
