#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use super::*;
use crate::composefs::{Backing, Entry};
use crate::tree::{Entries, Stat};

/// A small tree: `/etc/conf` (inline), `/usr/big` (an object) with the hard link `/usr/twin`, `/link`.
struct Sample {
    tree: Tree<Entry>,
    etc: NodeId,
    usr: NodeId,
    conf: NodeId,
    big: NodeId,
    link: NodeId,
}

fn stat(mode: u16) -> Stat {
    Stat::root_owned(mode, Mtime { seconds: 1_700_000_000, nanoseconds: 0 })
}

fn object(content: &[u8]) -> Entry {
    Entry::Object { size: content.len() as u64, digest: verity::digest(content) }
}

fn sample() -> Sample {
    let mut tree = Tree::new(stat(0o755));
    let mut add = |kind, mode| tree.add(Node { stat: stat(mode), kind }).unwrap();
    let etc = add(Kind::Directory(Entries::new()), 0o755);
    let usr = add(Kind::Directory(Entries::new()), 0o755);
    let conf = add(Kind::Regular(Entry::Inline(Box::from(&b"one"[..]))), 0o644);
    let big = add(Kind::Regular(object(&[7; 1000])), 0o755);
    let link = add(Kind::Symlink(Box::from(&b"usr/big"[..])), 0o777);
    for (parent, name, child) in [
        (NodeId::ROOT, "etc", etc),
        (NodeId::ROOT, "usr", usr),
        (NodeId::ROOT, "link", link),
        (etc, "conf", conf),
        (usr, "big", big),
        (usr, "twin", big),
    ] {
        tree.link(parent, name.as_bytes(), child).unwrap();
    }
    Sample { tree, etc, usr, conf, big, link }
}

/// One line for each difference between the sample and the sample after `change`.
fn after(change: impl FnOnce(&mut Sample)) -> Vec<String> {
    let (before, mut after) = (sample(), sample());
    change(&mut after);
    lines(&compare(&before.tree, &after.tree))
}

fn lines(differences: &[Difference]) -> Vec<String> {
    let line = |difference: &Difference| match &difference.change {
        Change::Added { after } => format!("+ {} {}", difference.path, after.kind.name()),
        Change::Removed { before } => format!("- {} {}", difference.path, before.kind.name()),
        Change::Changed { aspects, .. } => {
            let names: Vec<&str> = aspects.iter().map(|aspect| aspect.name()).collect();
            format!("~ {} {}", difference.path, names.join(","))
        }
    };
    differences.iter().map(line).collect()
}

#[test]
fn the_same_tree_has_no_difference_whatever_the_order_of_its_nodes() {
    assert!(after(|_| ()).is_empty());
    let sample = sample();
    let image = crate::composefs::write(&sample.tree).unwrap();
    let read = crate::composefs::read(&image).unwrap();
    assert!(compare(&sample.tree, &read).is_empty());
}

#[test]
fn every_attribute_is_seen_alone() {
    type Edit = Box<dyn FnOnce(&mut Sample)>;
    let node = |edit: fn(&mut Stat)| -> Edit { Box::new(move |s| edit(&mut s.tree.node_mut(s.conf).stat)) };
    let cases: [(&str, Edit); 7] = [
        ("~ /etc/conf mode", node(|stat| stat.mode = 0o600)),
        ("~ /etc/conf owner", node(|stat| stat.uid = 33)),
        ("~ /etc/conf owner", node(|stat| stat.gid = 33)),
        ("~ /etc/conf mtime", node(|stat| stat.mtime.nanoseconds = 1)),
        (
            "~ /etc/conf xattrs",
            node(|stat| {
                stat.xattrs.insert(Box::from(&b"security.capability"[..]), Box::from(&b"\x01"[..]));
            }),
        ),
        ("~ /link target", Box::new(|s| s.tree.node_mut(s.link).kind = Kind::Symlink(Box::from(&b"usr/twin"[..])))),
        ("~ /link kind", Box::new(|s| s.tree.node_mut(s.link).kind = Kind::Fifo)),
    ];
    for (expected, edit) in cases {
        assert_eq!(after(edit), [expected]);
    }
}

#[test]
fn contents_are_compared_by_digest_wherever_they_lie() {
    let inline = |s: &mut Sample, bytes: &[u8]| {
        s.tree.node_mut(s.conf).kind = Kind::Regular(Entry::Inline(Box::from(bytes)));
    };
    assert_eq!(after(|s| inline(s, b"two")), ["~ /etc/conf content"]);
    assert_eq!(after(|s| s.tree.node_mut(s.conf).kind = Kind::Regular(Entry::Empty)), ["~ /etc/conf content"]);
    assert!(after(|s| s.tree.node_mut(s.conf).kind = Kind::Regular(object(b"one"))).is_empty());
    // Both names of a hard-linked file change with it.
    let changed = after(|s| s.tree.node_mut(s.big).kind = Kind::Regular(object(&[8; 1000])));
    assert_eq!(changed, ["~ /usr/big content", "~ /usr/twin content"]);
}

/// Images of others: what no digest vouches for is compared by all that is known of it.
#[test]
fn contents_without_a_digest_are_compared_by_size_and_backing_file() {
    let backing = |size, content: Option<&[u8]>, path: Option<&str>| {
        let path = path.map(|path| Box::from(path.as_bytes()));
        let backing = Backing { size, digest: content.map(verity::digest), path };
        let mut sample = sample();
        sample.tree.node_mut(sample.conf).kind = Kind::Regular(Entry::Backing(Box::new(backing)));
        sample.tree
    };
    let compare = |a: &Tree<Entry>, b: &Tree<Entry>| lines(&compare(a, b));
    let open = backing(3, None, Some("x"));
    assert!(compare(&open, &open).is_empty());
    assert_eq!(compare(&open, &backing(4, None, Some("x"))), ["~ /etc/conf content"]);
    assert_eq!(compare(&open, &backing(3, None, Some("y"))), ["~ /etc/conf backing file"]);
    assert_eq!(compare(&open, &backing(3, None, None)), ["~ /etc/conf backing file"]);
    assert_eq!(compare(&open, &backing(3, Some(b"one"), Some("x"))), ["~ /etc/conf content"]);
    assert_eq!(compare(&open, &sample().tree), ["~ /etc/conf content,backing file"]);
    assert_eq!(compare(&sample().tree, &backing(3, Some(b"one"), Some("x"))), ["~ /etc/conf backing file"]);
    assert_eq!(compare(&sample().tree, &backing(3, Some(b"two"), None)), ["~ /etc/conf content"]);
}

#[test]
fn device_numbers_and_device_types_count() {
    let device = |kind: fn(u64) -> Kind<Entry>, number| {
        let mut sample = sample();
        sample.tree.node_mut(sample.link).kind = kind(number);
        sample.tree
    };
    let compare = |a, b| lines(&compare(&a, &b));
    assert_eq!(compare(device(Kind::CharDevice, 1), device(Kind::CharDevice, 2)), ["~ /link device"]);
    assert_eq!(compare(device(Kind::CharDevice, 1), device(Kind::BlockDevice, 1)), ["~ /link kind"]);
}

#[test]
fn paths_come_and_go_in_the_order_of_a_walk() {
    let changed = after(|s| {
        s.tree.unlink(s.etc, b"conf");
        let new = s.tree.add(Node { stat: stat(0o644), kind: Kind::Regular(Entry::Empty) }).unwrap();
        s.tree.link(NodeId::ROOT, b"etc-new", new).unwrap();
        s.tree.link(s.usr, b"a", new).unwrap();
    });
    assert_eq!(changed, ["- /etc/conf file", "+ /etc-new file", "+ /usr/a file"]);
    let replaced = after(|s| s.tree.node_mut(s.etc).kind = Kind::Fifo);
    assert_eq!(replaced, ["~ /etc kind", "- /etc/conf file"]);
}

#[test]
fn hard_links_are_groups_and_a_lost_name_does_not_change_the_rest() {
    let separate = after(|s| {
        let node = s.tree.node(s.big).clone();
        let copy = s.tree.add(node).unwrap();
        s.tree.link(s.usr, b"twin", copy).unwrap();
    });
    assert_eq!(separate, ["~ /usr/twin hard link"]);
    let lost = after(|s| {
        s.tree.unlink(s.usr, b"big");
    });
    assert_eq!(lost, ["- /usr/big file"]);

    let (before, mut third) = (sample(), sample());
    third.tree.link(third.etc, b"third", third.big).unwrap();
    let differences = compare(&before.tree, &third.tree);
    assert_eq!(lines(&differences), ["+ /etc/third file"]);
    let back = compare(&third.tree, &before.tree);
    assert_eq!(lines(&back), ["- /etc/third file"]);
    let [Difference { change: Change::Added { after }, .. }] = &differences[..] else { panic!("{differences:?}") };
    assert_eq!(after.hard_link, ImagePath::new("/usr/big").ok());
}

#[test]
fn json_has_every_fact_of_both_sides() {
    let (before, mut after) = (sample(), sample());
    after.tree.node_mut(after.conf).stat.mode = 0o4755;
    let json = serde_json::to_value(compare(&before.tree, &after.tree)).unwrap();
    let facts = |mode: &str| {
        serde_json::json!({
            "type": "file", "mode": mode, "uid": 0, "gid": 0, "mtime": "1700000000.000000000", "size": 3,
            "content": verity::digest(b"one"),
        })
    };
    let expected = serde_json::json!([{
        "path": "/etc/conf", "change": "changed", "aspects": ["mode"],
        "before": facts("0644"), "after": facts("4755"),
    }]);
    assert_eq!(json, expected);
}

#[test]
fn facts_name_attributes_targets_devices_and_kinds() {
    let mut after = sample();
    let mut add = |name: &str, kind, xattrs: &[(&str, &[u8])]| {
        let xattrs = xattrs.iter().map(|(name, value)| (Box::from(name.as_bytes()), Box::from(*value))).collect();
        let id = after.tree.add(Node { stat: Stat { xattrs, ..stat(0o644) }, kind }).unwrap();
        after.tree.link(NodeId::ROOT, name.as_bytes(), id).unwrap();
    };
    add("p", Kind::Fifo, &[("user.\u{1}", &[0, 0xff]), ("user.x", b"a")]);
    add("q", Kind::Symlink(Box::from(&b"to"[..])), &[]);
    add("r", Kind::CharDevice(7), &[]);
    add("s", Kind::BlockDevice(8), &[]);
    add("t", Kind::Socket, &[]);
    add("u", Kind::Directory(Entries::new()), &[]);
    let differences = serde_json::to_value(compare(&sample().tree, &after.tree)).unwrap();
    let facts: Vec<_> = differences.as_array().unwrap().iter().map(|one| one["after"].clone()).collect();
    let types: Vec<_> = facts.iter().map(|facts| facts["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["fifo", "symlink", "char_device", "block_device", "socket", "directory"]);
    assert_eq!(facts[0]["xattrs"], serde_json::json!({"user.\\x01": "00ff", "user.x": "61"}));
    assert_eq!((&facts[1]["target"], &facts[2]["device"], &facts[3]["device"]), (&"to".into(), &7.into(), &8.into()));
    assert!(facts[1].get("xattrs").is_none() && facts[1].get("size").is_none());
}

#[test]
fn aspects_and_types_have_names_for_people() {
    use {Aspect as A, Type as T};
    let aspects = [A::Kind, A::Content, A::Target, A::Device, A::Mode, A::Owner, A::Mtime, A::Xattrs, A::HardLink];
    let names = ["kind", "content", "target", "device", "mode", "owner", "mtime", "xattrs", "hard link"];
    assert_eq!(aspects.map(A::name), names);
    assert_eq!(A::BackingFile.name(), "backing file");
    let types = [T::Directory, T::File, T::Symlink, T::CharDevice, T::BlockDevice, T::Fifo, T::Socket];
    let names = ["directory", "file", "link", "character device", "block device", "pipe", "socket"];
    assert_eq!(types.map(T::name), names);
    assert_eq!(digest(&Entry::Empty), Some(verity::digest(b"")));
    assert_eq!(digest(&Entry::Inline(Box::from(&b"x"[..]))), Some(verity::digest(b"x")));
}
