//! Inputs that are the same at every run.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use composer::hashing::Hashed;
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use model::{Digest, VerityDigest};

use crate::Outcome;

const DIRECTORIES: u64 = 12_000;
const FILES: u64 = 150_000;
const LINKS: u64 = 18_000;

/// What the files of the tree hold together, about, in bytes.
const TOTAL: u64 = 3_000_000_000;

/// The size of the one large file in bytes.
const LARGE: u64 = 4_000_000_000;

/// The generator splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A size such that every doubling is as frequent as any other, from 16 bytes to 256 KiB.
    fn size(&mut self) -> u64 {
        let magnitude = self.below(14 << 10);
        (16 << (magnitude >> 10)) * (1024 + (magnitude & 1023)) / 1024
    }

    /// Words of eight bytes out of 1024, which compress as programs do: to about two fifths.
    fn fill(&mut self, words: &[u64], buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(48) {
            let mut bits = self.next();
            for word in chunk.chunks_mut(8) {
                let mask = words[(bits & 1023) as usize];
                word.copy_from_slice(&mask.to_le_bytes()[..word.len()]);
                bits >>= 10;
            }
        }
    }

    fn words(&mut self) -> Vec<u64> {
        (0..1024).map(|_| self.next()).collect()
    }
}

/// Where the file, directory or link with this number is. Ten thousand of them in a flat heap would
/// be no root file system: directories are four deep.
fn directory(number: u64) -> String {
    format!("usr/share/d{:02}/e{:02}/f{}", number % 40, number / 40 % 30, number / 1200)
}

pub(crate) fn tree(root: &Path) -> Outcome {
    let mut random = Random(1);
    let words = random.words();
    for number in 0..DIRECTORIES {
        fs::create_dir_all(root.join(directory(number)))?;
    }
    let sizes: Vec<u64> = (0..FILES).map(|_| random.size()).collect();
    // Scaled, so that the sum is what was promised.
    let sum: u64 = sizes.iter().sum();
    let mut buffer = vec![0; 1 << 20];
    for (number, size) in (0..FILES).zip(sizes) {
        let scaled = u128::from(size) * u128::from(TOTAL) / u128::from(sum);
        let content = &mut buffer[..usize::try_from(scaled)?];
        random.fill(&words, content);
        fs::write(root.join(directory(number % DIRECTORIES)).join(format!("file-{number}.so")), content)?;
    }
    for number in 0..LINKS {
        let target = format!("file-{}.so", number % DIRECTORIES);
        symlink(target, root.join(directory(number % DIRECTORIES)).join(format!("link-{number}")))?;
    }
    Ok(())
}

pub(crate) fn file(path: &Path) -> Outcome {
    let mut random = Random(2);
    let words = random.words();
    let mut file = fs::File::create(path)?;
    let mut buffer = vec![0; 1 << 20];
    let mut left = LARGE;
    while left > 0 {
        let part = &mut buffer[..usize::try_from(left.min(1 << 20))?];
        random.fill(&words, part);
        file.write_all(part)?;
        left -= part.len() as u64;
    }
    Ok(())
}

/// A manifest with `count` patterns, and the same rules as rsync reads them.
pub(crate) fn patterns(count: u64, path: &Path) -> Outcome {
    let mut random = Random(3);
    let (mut mask, mut files, mut excludes, mut includes) = Default::default();
    let add = |yaml: &mut String, rsync: &mut String, sign: char, pattern: &str| {
        let _ = writeln!(yaml, "  - \"{pattern}\"");
        let _ = writeln!(rsync, "{sign} {pattern}");
    };
    for number in 0..count / 5 {
        let pattern = match number % 2 {
            0 => format!("/usr/share/d{:02}/e{:02}/f?/file-*{}.so", random.below(40), random.below(30), number),
            _ => format!("/**/file-{}[0-3]*.so", random.below(FILES / 10)),
        };
        add(&mut mask, &mut excludes, '-', &pattern);
    }
    for number in count / 5..count {
        let (a, b) = (random.below(40), random.below(30));
        let pattern = match number % 4 {
            0 => format!("/usr/share/d{a:02}/e{b:02}/***"),
            1 => format!("/usr/share/d{a:02}/**/file-{}*.so", random.below(10)),
            2 => format!("/usr/share/d{a:02}/e{b:02}/f?/link-*"),
            _ => format!("/**/e{b:02}/f{}/file-?{}*", random.below(10), random.below(100)),
        };
        add(&mut files, &mut includes, '+', &pattern);
    }
    fs::write(path, format!("schema_version: 1\nname: bench\nmask:\n{mask}file_spec:\n{files}"))?;
    fs::write(path.with_extension("rsync"), format!("{excludes}+ */\n{includes}- *\n"))?;
    Ok(())
}

/// A tree of 180,000 entries whose files are hashed already.
pub(crate) fn hashed() -> Outcome<Tree<Hashed>> {
    let stat = || Stat::root_owned(0o755, Mtime { seconds: 1_700_000_000, nanoseconds: 0 });
    let mut tree = Tree::new(stat());
    let mut directories = Vec::new();
    for number in 0..DIRECTORIES {
        let mut at = NodeId::ROOT;
        for name in directory(number).split('/') {
            let known = tree.node(at).entries().and_then(|entries| entries.get(name.as_bytes()).copied());
            at = match known {
                Some(id) => id,
                None => {
                    let id = tree.add(Node { stat: stat(), kind: Kind::Directory(Entries::new()) })?;
                    tree.link(at, name.as_bytes(), id)?;
                    id
                }
            };
        }
        directories.push(at);
    }
    let mut random = Random(4);
    for number in 0..FILES + LINKS {
        let kind = if number < FILES {
            let name = Digest::of(&number.to_le_bytes());
            let verity = VerityDigest::new(*name.as_bytes());
            Kind::Regular(Hashed { size: 65 + random.size(), sha256: name, verity, inline: None })
        } else {
            Kind::Symlink(Box::from(format!("file-{number}.so").as_bytes()))
        };
        let id = tree.add(Node { stat: stat(), kind })?;
        let at = directories[usize::try_from(number % DIRECTORIES)?];
        tree.link(at, format!("file-{number}.so").as_bytes(), id)?;
    }
    Ok(tree)
}
