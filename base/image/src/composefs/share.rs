//! The extended attributes of inodes, and which of them are shared.
//!
//! Attributes that several inodes have stand in one table. Nearly every object's own two attributes
//! are of that object alone, so they are never stored: they are made from its digest where they are
//! needed, and looked for twins by digest.

use std::collections::HashMap;

use model::VerityDigest;

use super::format::{HEX, METACOPY, REDIRECT, SHARED_LIMIT, xattr_entry_size};
use super::plan::{Body, Given, Inode, Plan};

/// An extended attribute of an inode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'p> {
    pub(super) name: &'p [u8],
    pub(super) value: Value<'p>,
    /// Where the shared table has it, in bytes; none for the inode's own.
    pub(super) shared: Option<u64>,
}

/// The value of an extended attribute. Those of one name are ordered by length, then by bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value<'p> {
    /// The length and these bytes.
    Given(usize, &'p [u8]),
    /// Version, length, flags, hash algorithm (sha256), and the digest.
    Metacopy(&'p VerityDigest),
    /// `/xx/` and the other 62 digits.
    Redirect(&'p VerityDigest),
}

/// The length of [`Value::Metacopy`].
const METACOPY_LENGTH: usize = 36;
/// The length of [`Value::Redirect`].
const REDIRECT_LENGTH: usize = 66;

impl<'p> Value<'p> {
    fn given(bytes: &'p [u8]) -> Self {
        Self::Given(bytes.len(), bytes)
    }

    /// The length in bytes.
    pub(super) fn len(self) -> usize {
        match self {
            Self::Given(length, _) => length,
            Self::Metacopy(_) => METACOPY_LENGTH,
            Self::Redirect(_) => REDIRECT_LENGTH,
        }
    }

    /// Appends the bytes to `out`.
    pub(super) fn append_to(self, out: &mut Vec<u8>) {
        match self {
            Self::Given(_, bytes) => out.extend_from_slice(bytes),
            Self::Metacopy(digest) => {
                out.extend_from_slice(&[0, 36, 0, 1]);
                out.extend_from_slice(digest.as_bytes());
            }
            Self::Redirect(digest) => {
                let mut text = [b'/'; REDIRECT_LENGTH];
                let [first, rest @ ..] = digest.as_bytes();
                text[1..3].copy_from_slice(&HEX[usize::from(*first)]);
                for (digits, byte) in text[4..].as_chunks_mut().0.iter_mut().zip(rest) {
                    *digits = HEX[usize::from(*byte)];
                }
                out.extend_from_slice(&text);
            }
        }
    }
}

/// An entry of the shared table.
#[derive(Debug)]
struct Row<'p> {
    name: &'p [u8],
    value: Value<'p>,
    /// For an object's attribute the index of its [`Pair`], else that of the first like attribute of
    /// the plan.
    of: u32,
}

/// Where the table has the two attributes of an object, in bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    metacopy: u64,
    redirect: u64,
}

/// For an inode that has no twin.
const ALONE: u32 = u32::MAX;

/// Which attributes are shared, and the table of those that are.
#[derive(Debug)]
pub(super) struct Shared<'p> {
    plan: &'p Plan<'p>,
    table: Vec<Row<'p>>,
    /// The size of the table in bytes.
    pub(super) size: u64,
    /// Where the table has the attributes of the plan, by their index; nothing for the others.
    given: Vec<Option<u64>>,
    /// The attributes of objects that several inodes have.
    pairs: Vec<Pair>,
    /// The index of each inode's pair, or [`ALONE`]. Empty where there are no pairs.
    twins: Vec<u32>,
}

impl<'p> Shared<'p> {
    /// Finds the attributes of `plan` that several inodes have and gives them places in the table.
    ///
    /// The table is sorted from the greatest to the least: by name, then by the length of the value,
    /// then by the value.
    pub(super) fn of(plan: &'p Plan<'_>) -> Self {
        let given = vec![None; plan.attributes.len()];
        let mut shared = Self { plan, table: Vec::new(), size: 0, given, pairs: Vec::new(), twins: Vec::new() };
        let firsts = shared.find_given();
        shared.find_objects();
        shared.table.sort_unstable_by(|a, b| (b.name, b.value).cmp(&(a.name, a.value)));
        for Row { name, value, of } in &shared.table {
            let of = *of as usize;
            match value {
                Value::Given(..) => shared.given[of] = Some(shared.size),
                Value::Metacopy(_) => shared.pairs[of].metacopy = shared.size,
                Value::Redirect(_) => shared.pairs[of].redirect = shared.size,
            }
            shared.size += xattr_entry_size(name, value.len());
        }
        for (index, first) in firsts.into_iter().enumerate() {
            shared.given[index] = shared.given[first as usize];
        }
        shared
    }

    /// Puts each attribute of the plan that comes twice into the table. Gives for each attribute of
    /// the plan the index of its first like.
    fn find_given(&mut self) -> Vec<u32> {
        let attributes = &self.plan.attributes;
        let mut first: HashMap<(&[u8], &[u8]), u32> = HashMap::with_capacity(attributes.len());
        let mut counts = vec![0_u32; attributes.len()];
        let mut firsts = Vec::with_capacity(attributes.len());
        for (index, Given { name, value }) in (0..).zip(attributes) {
            let like = *first.entry((name, value)).or_insert(index);
            counts[like as usize] += 1;
            firsts.push(like);
        }
        let twice = (0..).zip(counts).filter(|(_, count)| *count > 1).map(|(of, _)| {
            let Given { name, value } = &attributes[of as usize];
            Row { name, value: Value::given(value), of }
        });
        self.table.extend(twice);
        firsts
    }

    /// Puts the attributes of each object that several inodes have into the table.
    fn find_objects(&mut self) {
        // Digests are equal if their first bytes are, unless someone took the trouble.
        let mut objects: Vec<(u64, u32)> = Vec::new();
        objects.extend((0..).zip(&self.plan.inodes).filter_map(|(index, inode)| {
            let digest = object(inode)?.as_bytes();
            Some((u64::from_be_bytes(*digest.first_chunk()?), index))
        }));
        objects.sort_unstable();
        let digest = |(_, inode): &(u64, u32)| object(&self.plan.inodes[*inode as usize]);
        for likely in objects.chunk_by_mut(|a, b| a.0 == b.0) {
            likely.sort_unstable_by_key(digest);
            for twins in likely.chunk_by(|a, b| digest(a) == digest(b)).filter(|twins| twins.len() > 1) {
                let Some(digest) = digest(&twins[0]) else { continue };
                // There are fewer pairs than inodes.
                let of = u32::try_from(self.pairs.len()).unwrap_or(ALONE);
                self.pairs.push(Pair::default());
                self.table.push(Row { name: METACOPY, value: Value::Metacopy(digest), of });
                self.table.push(Row { name: REDIRECT, value: Value::Redirect(digest), of });
                self.twins.resize(self.plan.inodes.len(), ALONE);
                twins.iter().for_each(|(_, inode)| self.twins[*inode as usize] = of);
            }
        }
    }

    /// The table, in its order.
    pub(super) fn table(&self) -> impl Iterator<Item = Attribute<'p>> {
        self.table.iter().map(|row| Attribute { name: row.name, value: row.value, shared: None })
    }

    /// The attributes of the inode with this index, sorted by name. It refers to at most
    /// [`SHARED_LIMIT`] entries of the table and holds the rest itself.
    pub(super) fn attributes(&self, index: usize) -> impl Iterator<Item = Attribute<'p>> {
        let inode = &self.plan.inodes[index];
        let (start, end) = (inode.attributes.start as usize, inode.attributes.end as usize);
        let given = &self.plan.attributes[start..end];
        let places = &self.given[start..end];
        let pair = self.twins.get(index).and_then(|pair| self.pairs.get(*pair as usize));
        let object = object(inode);
        let metacopy = object.map(|digest| Attribute {
            name: METACOPY,
            value: Value::Metacopy(digest),
            shared: pair.map(|pair| pair.metacopy),
        });
        let redirect = object.map(|digest| Attribute {
            name: REDIRECT,
            value: Value::Redirect(digest),
            shared: pair.map(|pair| pair.redirect),
        });
        // No attribute of the plan has one of these two names: those of overlayfs are escaped.
        let first = given.partition_point(|given| &*given.name < METACOPY);
        let second = given.partition_point(|given| &*given.name < REDIRECT);
        let part = move |range: std::ops::Range<usize>| {
            given[range.clone()].iter().zip(&places[range]).map(|(Given { name, value }, shared)| Attribute {
                name,
                value: Value::given(value),
                shared: *shared,
            })
        };
        let all = part(0..first).chain(metacopy).chain(part(first..second)).chain(redirect);
        let mut room = SHARED_LIMIT;
        all.chain(part(second..given.len())).map(move |mut attribute| {
            attribute.shared = attribute.shared.filter(|_| room > 0);
            room -= usize::from(attribute.shared.is_some());
            attribute
        })
    }
}

/// The object of an inode, if it has one.
fn object<'a>(inode: &Inode<'a>) -> Option<&'a VerityDigest> {
    match inode.body {
        Body::Object(_, digest) => Some(digest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

    use super::super::survey::Survey;
    use super::*;
    use crate::composefs;
    use crate::tree::{Kind, Mtime, Node, NodeId, Stat, Tree};

    #[test]
    fn the_values_of_an_object_are_as_long_as_they_say_and_name_the_object() {
        let digest = crate::verity::digest(&[1; 65]);
        let bytes = |value: Value<'_>| {
            let mut out = Vec::new();
            value.append_to(&mut out);
            assert_eq!(out.len(), value.len());
            out
        };
        assert_eq!(bytes(Value::Redirect(&digest)), format!("/{}", digest.object_path()).into_bytes());
        assert_eq!(bytes(Value::Metacopy(&digest)), [&[0, 36, 0, 1], &digest.as_bytes()[..]].concat());
        assert_eq!(bytes(Value::given(b"abc")), b"abc");
        assert!(Value::given(b"b") < Value::given(b"aa"), "length counts first");
    }

    #[test]
    fn only_objects_of_equal_digests_share_their_attributes() {
        let stat = || Stat::root_owned(0o644, Mtime::default());
        // The first bytes, by which twins are looked for, are the same in all but one.
        let digest = |first: u8, last: u8| VerityDigest::new([[first; 16], [last; 16]].concat().try_into().unwrap());
        let digests =
            [digest(1, 1), digest(1, 2), digest(1, 1), digest(2, 1), digest(1, 3), digest(1, 2), digest(1, 1)];
        let mut tree = Tree::new(stat());
        for (name, digest) in (b'p'..).zip(digests) {
            let kind = Kind::Regular(composefs::Entry::Object { size: 100, digest });
            let id = tree.add(Node { stat: stat(), kind }).unwrap();
            tree.link(NodeId::ROOT, &[name], id).unwrap();
        }
        let plan = Plan::of(&Survey::of(&tree).unwrap()).unwrap();
        let shared = Shared::of(&plan);
        let table: Vec<_> = shared.table().map(|row| (row.name, row.value)).collect();
        let [one, two] = [digests[0], digests[1]];
        let redirects = [(REDIRECT, Value::Redirect(&two)), (REDIRECT, Value::Redirect(&one))];
        let metacopies = [(METACOPY, Value::Metacopy(&two)), (METACOPY, Value::Metacopy(&one))];
        assert_eq!(table, [redirects, metacopies].concat());
        let of = |letter: u8| {
            let name = plan.names.iter().find(|name| name.name == [letter]).unwrap();
            shared.attributes(name.inode as usize).map(|attribute| attribute.shared).collect::<Vec<_>>()
        };
        let (redirect, metacopy) = (88, 56);
        let (first, second) = ([2 * redirect + metacopy, redirect].map(Some), [2 * redirect, 0].map(Some));
        for (letter, wanted) in (b'p'..).zip([first, second, first, [None; 2], [None; 2], second, first]) {
            assert_eq!(of(letter), wanted, "{}", char::from(letter));
        }
    }
}
