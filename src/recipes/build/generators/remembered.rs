//! What generators computed, kept for the next build of the same root file system with the same files of the author.
//!
//! An entry is a line of JSON that lists files and links, and the contents of the files behind it. A cache that cannot be
//! used is none.

use std::io::Read as _;
use std::path::PathBuf;

use builder::cache::{self, Cache};
use composer::overlay::OverlayReport;
use composer::scan::Source;
use host::Dir;
use image::tree::{Kind, Mtime, Stat, Tree};
use model::path::escape;
use model::{Digest, Epoch, ImagePath, canonical};
use serde::{Deserialize, Serialize};

use super::workroom::{Computed, Failure, Run, put};
use crate::error::Error;

/// Counts the ways in which generators are run: what came of another one is not believed.
const FORMAT: u32 = 1;
/// The largest entry that is read, in bytes.
const LIMIT: u64 = 1 << 30;

/// An entry of the cache that may be there.
pub(super) struct Remembered<'a> {
    cache: &'a Cache,
    key: Digest,
}

/// What the key is made from.
#[derive(Serialize)]
struct Key {
    format: u32,
    program: &'static str,
    root: Digest,
    epoch: i64,
    run: Vec<String>,
    author: Vec<String>,
}

/// The line of an entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    files: Vec<KeptFile>,
    failures: Vec<(usize, String)>,
    /// The sha256 of the contents.
    contents: Digest,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptFile {
    path: String,
    mode: u16,
    /// The target of a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    size: u64,
}

impl<'a> Remembered<'a> {
    /// The entry for `run` in a root file system over which the author's files are laid, as `whole` has them.
    ///
    /// # Errors
    /// When one of these cannot be read.
    pub(super) fn of(
        (root, epoch): (Digest, Epoch),
        run: &[Run],
        whole: &Tree<Source>,
        authored: &[&OverlayReport],
        cache: &'a Cache,
    ) -> Result<Self, Error> {
        let mut author = Vec::new();
        for path in authored.iter().flat_map(|laid| laid.added.iter().chain(&laid.replaced)) {
            let Some(node) = whole.lookup(path).map(|id| whole.node(id)) else { continue };
            let body = match &node.kind {
                Kind::Regular(source) => {
                    let mut content = source.open()?;
                    let (digest, _) = host::hash::sha256(&mut content)
                        .map_err(|error| Error::outside(format!("cannot read {path} of the module")).because(&error))?;
                    content.check()?;
                    digest.to_string()
                }
                Kind::Symlink(target) => escape(target),
                Kind::Directory(_) | Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Fifo | Kind::Socket => {
                    String::new()
                }
            };
            author.push(format!("{path} {:o} {body}", node.stat.mode));
        }
        let run = run.iter().map(|(wanted, program, _)| format!("{program} {}", wanted.place)).collect();
        let (program, epoch) = (env!("CARGO_PKG_VERSION"), epoch.seconds());
        let key = canonical::json(&Key { format: FORMAT, program, root, epoch, run, author });
        let key = key.map_err(|error| Error::bug(error.to_string()))?;
        Ok(Self { cache, key: Digest::of(&key) })
    }

    fn place(&self) -> Option<PathBuf> {
        Some(self.cache.computed().ok()?.join(self.key.hex()))
    }

    /// What is kept, where that is whole and this user's own.
    pub(super) fn get(&self) -> Option<Computed> {
        let place = self.place()?;
        let mut bytes = Vec::new();
        self.cache.file(&place).ok()?.take(LIMIT + 1).read_to_end(&mut bytes).ok()?;
        if bytes.len() as u64 > LIMIT {
            return None;
        }
        // Another user's cache may be read without being marked as used.
        let _ = cache::touch(&place);
        parse(&bytes)
    }

    /// Keeps it.
    pub(super) fn put(&self, computed: &Computed) {
        let written = || -> Option<()> {
            let directory = self.cache.computed().ok()?;
            Dir::open(&directory).ok()?.replace(self.key.hex(), &form(computed)?, 0o600).ok()
        };
        if written().is_none() {
            tracing::debug!("what programs computed cannot be kept");
        }
    }
}

/// The bytes of an entry. None where a name is no text.
fn form(computed: &Computed) -> Option<Vec<u8>> {
    let (mut files, mut contents) = (Vec::new(), Vec::new());
    for (path, _, node) in computed.files.walk().skip(1) {
        let (size, target) = match &node.kind {
            Kind::Regular(source) => {
                contents.extend(source.read(LIMIT).ok()?);
                (source.size(), None)
            }
            Kind::Symlink(target) => (0, Some(String::from_utf8(target.to_vec()).ok()?)),
            _ => continue,
        };
        let path = String::from_utf8(path.as_bytes().to_vec()).ok()?;
        files.push(KeptFile { path, mode: node.stat.mode, target, size });
    }
    let failures = computed.failures.iter().map(|failure| (failure.index, failure.said.clone())).collect();
    let mut bytes = serde_json::to_vec(&Kept { files, failures, contents: Digest::of(&contents) }).ok()?;
    bytes.push(b'\n');
    bytes.extend(contents);
    Some(bytes)
}

fn parse(bytes: &[u8]) -> Option<Computed> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, mut contents) = (&bytes[..end], &bytes[end + 1..]);
    let kept: Kept = serde_json::from_slice(line).ok()?;
    if Digest::of(contents) != kept.contents {
        return None;
    }
    let mut files = Tree::new(Stat::root_owned(0o755, Mtime::default()));
    for file in kept.files {
        let path = ImagePath::new(file.path.as_bytes()).ok()?;
        let kind = match file.target {
            Some(target) => Kind::Symlink(target.as_bytes().into()),
            None => {
                let (content, rest) = contents.split_at_checked(usize::try_from(file.size).ok()?)?;
                contents = rest;
                Kind::Regular(Source::from(content.to_vec()))
            }
        };
        put(&mut files, &path, kind, file.mode & 0o7777).ok()?;
    }
    let failures = kept.failures.into_iter().map(|(index, said)| Failure { index, said }).collect();
    contents.is_empty().then_some(Computed { files, failures })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    fn computed() -> Computed {
        let mut files = Tree::new(Stat::root_owned(0o755, Mtime::default()));
        let path = |text: &str| ImagePath::new(text).unwrap();
        put(&mut files, &path("/etc/ssl/a.pem"), Kind::Symlink(b"../x".as_slice().into()), 0o777).unwrap();
        put(&mut files, &path("/etc/ssl/bundle"), Kind::Regular(Source::from(b"one\ntwo".to_vec())), 0o644).unwrap();
        put(&mut files, &path("/usr/x"), Kind::Regular(Source::from(Vec::new())), 0o600).unwrap();
        Computed { files, failures: vec![Failure { index: 3, said: "no".to_owned() }] }
    }

    #[test]
    fn what_is_kept_comes_back_and_nothing_else() {
        let bytes = form(&computed()).unwrap();
        let back = parse(&bytes).unwrap();
        assert_eq!(form(&back).unwrap(), bytes);
        assert_eq!(back.failures, computed().failures);
        assert_eq!(back.files.walk().count(), computed().files.walk().count());
        for end in 0..bytes.len() {
            assert!(parse(&bytes[..end]).is_none(), "{end}");
        }
        let mut longer = bytes.clone();
        longer.push(b'x');
        assert!(parse(&longer).is_none());
        let last = bytes.len() - 1;
        let mut other = bytes;
        other[last] ^= 1;
        assert!(parse(&other).is_none());
    }
}
