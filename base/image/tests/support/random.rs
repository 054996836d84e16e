//! Random trees that lean towards the edges of the format.

use image::composefs::Entry;
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree, Xattrs};
use model::VerityDigest;
use testkit::Random;

/// What a random tree may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Several names for one inode.
    pub(crate) links: bool,
    /// Attributes that a dump cannot carry.
    pub(crate) pathological: bool,
    /// Numbers, names and values that no file system takes, but not more than a dump's line.
    pub(crate) dump: bool,
}

struct Maker<'r> {
    random: &'r mut Random,
    shape: Shape,
    times: Vec<Mtime>,
    values: Vec<Vec<u8>>,
    tree: Tree<Entry>,
    files: Vec<NodeId>,
}

/// A random tree.
pub(crate) fn random_tree(random: &mut Random, shape: Shape) -> Tree<Entry> {
    let times = (0..=random.below(3)).map(|_| time(random)).collect();
    let values = (0..4).map(|_| value(random)).collect();
    let tree = Tree::new(Stat::root_owned(0o755, Mtime::default()));
    let mut maker = Maker { random, shape, times, values, tree, files: Vec::new() };
    let root = maker.stat(true);
    *maker.tree.node_mut(NodeId::ROOT) = Node { stat: root, kind: Kind::Directory(Entries::new()) };
    maker.fill(NodeId::ROOT, 0);
    maker.tree
}

fn time(random: &mut Random) -> Mtime {
    let seconds = match random.below(8) {
        0 => 0,
        1 => -1,
        2 => -(random.below(1 << 31) as i64),
        3 => 1 << 32,
        _ => random.below(2_000_000_000) as i64,
    };
    let nanoseconds = if random.one_in(2) { 0 } else { random.below(1_000_000_000) as u32 };
    Mtime { seconds, nanoseconds }
}

fn value(random: &mut Random) -> Vec<u8> {
    let size = match random.below(6) {
        0 => 0,
        1 => random.below(4000) as usize,
        _ => random.below(40) as usize,
    };
    random.bytes(size)
}

impl Maker<'_> {
    fn stat(&mut self, is_file_or_directory: bool) -> Stat {
        let id = |random: &mut Random| match random.below(6) {
            0 => 65_535,
            1 => 65_536,
            2 => random.below(u64::from(u32::MAX)) as u32,
            _ => 0,
        };
        let (uid, gid) = (id(self.random), id(self.random));
        let mtime = if self.random.one_in(6) { time(self.random) } else { *self.random.pick(&self.times) };
        let mode = if self.random.one_in(4) { self.random.below(0o10000) as u16 } else { 0o644 };
        Stat { mode, uid, gid, mtime, xattrs: self.xattrs(is_file_or_directory) }
    }

    fn xattrs(&mut self, is_file_or_directory: bool) -> Xattrs {
        let mut xattrs = Xattrs::new();
        let count = match self.random.below(40) {
            0 => 140,
            1..15 => self.random.below(4),
            _ => 0,
        };
        let mut size = 0;
        for number in 0..count {
            let (name, mut value) = self.xattr(number, count > 100);
            if !is_file_or_directory && name.starts_with(b"user.") && !self.shape.dump {
                continue;
            }
            if count > 100 {
                value.truncate(20);
            }
            size += name.len() + value.len() + 7;
            // Escaped for a dump, a byte takes up to four.
            if size < 12_000 {
                xattrs.insert(name.into_boxed_slice(), value.into_boxed_slice());
            }
        }
        xattrs
    }

    fn xattr(&mut self, number: u64, many: bool) -> (Vec<u8>, Vec<u8>) {
        const OVERLAY: [&str; 6] = ["metacopy", "redirect", "opaque", "origin", "overlay.opaque", "overlay.overlay.x"];
        const PATHOLOGICAL: [&str; 4] = ["whiteout", "whiteouts", "overlay.whiteout", "overlay.whiteouts"];
        let value = if self.random.one_in(3) { value(self.random) } else { self.random.pick(&self.values).clone() };
        let mut value = value;
        let name = match self.random.below(if many { 1 } else { 12 }) {
            0 => format!("user.number{number}"),
            1 => format!("trusted.{}", "t".repeat(1 + self.random.below(240) as usize)),
            2 => format!("security.s{}", self.random.below(3)),
            3 => return (b"security.selinux".to_vec(), b"system_u:object_r:etc_t:s0\0".to_vec()),
            4 => return (b"security.capability".to_vec(), capability(self.random)),
            5 => return (b"system.posix_acl_access".to_vec(), acl(self.random)),
            6 => format!("trusted.overlay.{}", self.random.pick(&OVERLAY)),
            7 => format!("user.overlay.{}", self.random.pick(&OVERLAY)),
            8 if self.shape.pathological => {
                let prefix = self.random.pick(&["trusted", "user"]);
                format!("{prefix}.overlay.{}", self.random.pick(&PATHOLOGICAL))
            }
            9 if self.shape.dump => (*self.random.pick(&["odd", "lustre.x", "system.nfs4_acl", "user.a=b"])).to_owned(),
            10 => "user.".to_owned() + &"u".repeat(1 + self.random.below(250) as usize),
            _ => "user.common".to_owned(),
        };
        if name.ends_with(".overlay.opaque") && !self.shape.pathological {
            // C tools refuse to replace longer ones by the marks of directories that hold whiteouts.
            value.truncate(1);
        }
        (name.into_bytes(), value)
    }

    fn fill(&mut self, directory: NodeId, depth: u32) {
        let count = match self.random.below(12) {
            0 => 0,
            1 if depth < 2 => self.random.below(500),
            _ => self.random.below(10),
        };
        let long = self.random.one_in(2);
        for _ in 0..count {
            let name = self.name(long);
            let is_taken = self.tree.node(directory).entries().is_some_and(|entries| entries.contains_key(&*name));
            if is_taken || name == b"." || name == b".." {
                continue;
            }
            if self.shape.links && !self.files.is_empty() && self.random.one_in(8) {
                let target = *self.random.pick(&self.files);
                self.tree.link(directory, &name, target).unwrap();
                continue;
            }
            let kind = self.kind(depth);
            let can_link = !matches!(kind, Kind::Directory(_) | Kind::CharDevice(0));
            let is_directory = matches!(kind, Kind::Directory(_));
            let stat = self.stat(is_directory || matches!(kind, Kind::Regular(_)));
            let id = self.tree.add(Node { stat, kind }).unwrap();
            self.tree.link(directory, &name, id).unwrap();
            if can_link {
                self.files.push(id);
            }
            if is_directory {
                self.fill(id, depth + 1);
            }
        }
    }

    fn name(&mut self, long: bool) -> Vec<u8> {
        let length = match self.random.below(10) {
            0 => 255,
            1 => 1,
            2 => 2,
            _ if long => 20 + self.random.below(100) as usize,
            _ => 1 + self.random.below(20) as usize,
        };
        match self.random.below(4) {
            0 => self
                .random
                .bytes(length)
                .iter()
                .map(|byte| if matches!(byte, 0 | b'/') { b'-' } else { *byte })
                .collect(),
            1 => (0..length).map(|_| *self.random.pick(b"ab01!-. \\=@\n\t")).collect(),
            2 => format!("{:02x}", self.random.below(256)).into_bytes(),
            _ => (0..length).map(|_| *self.random.pick(b"abcdefghijklmnop")).collect(),
        }
    }

    fn kind(&mut self, depth: u32) -> Kind<Entry> {
        match self.random.below(24) {
            0..4 if depth < 4 => Kind::Directory(Entries::new()),
            4..8 => Kind::Symlink(self.target().into_boxed_slice()),
            8 | 9 => Kind::CharDevice(0),
            10 => Kind::CharDevice(1 + self.random.below(0xfff_ffff)),
            11 => Kind::BlockDevice(self.random.below(0xfff_ffff)),
            12 => Kind::Fifo,
            13 => Kind::Socket,
            _ => Kind::Regular(self.content()),
        }
    }

    fn target(&mut self) -> Vec<u8> {
        let length = match self.random.below(6) {
            0 => 4095,
            1 => 3900 + self.random.below(196) as usize,
            2 => 1,
            _ => 1 + self.random.below(60) as usize,
        };
        if self.random.one_in(20) {
            return b"-".to_vec();
        }
        self.random.bytes(length).iter().map(|byte| if *byte == 0 { b'/' } else { *byte }).collect()
    }

    /// Sizes at the edges; on disk the digest follows from the size, as the content does.
    fn content(&mut self) -> Entry {
        let edge = *self.random.pick(&[0_u64, 1, 64, 65, 4095, 4096, 4097, 8192, 524_288, 524_289]);
        let size = if self.random.one_in(3) { self.random.below(200) } else { edge };
        let inline_limit = if self.shape.dump && self.random.one_in(4) { 5000 } else { 64 };
        if size == 0 {
            Entry::Empty
        } else if size <= inline_limit {
            Entry::Inline(self.random.bytes(size as usize).into_boxed_slice())
        } else {
            let digest = VerityDigest::new(self.random.bytes(32).try_into().unwrap());
            let large = [size, 1 << 32, (1 << 43) + 1, 1 << 50, 1 << 52];
            let size = if self.shape.dump && self.random.one_in(4) { *self.random.pick(&large) } else { size };
            Entry::Object { size, digest }
        }
    }
}

/// A version 2 capability set, which the kernel takes.
fn capability(random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![1, 0, 0, 2];
    bytes.extend_from_slice(&(random.below(1 << 20) as u32).to_le_bytes());
    bytes.extend_from_slice(&[0; 12]);
    bytes
}

/// An access control list with one named user, which the kernel takes.
fn acl(random: &mut Random) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    let user = 1 + random.below(3) as u32;
    for (tag, permissions, id) in
        [(1, 6, u32::MAX), (2, 4, user), (4, 4, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)]
    {
        bytes.extend_from_slice(&u16::to_le_bytes(tag));
        bytes.extend_from_slice(&u16::to_le_bytes(permissions));
        bytes.extend_from_slice(&u32::to_le_bytes(id));
    }
    bytes
}
