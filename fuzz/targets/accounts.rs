//! The account files of a root file system and of its base: who is there, which numbers the new ones get, and what
//! systemd-sysusers makes of the lines that are written for them. The input is the files, each begun by the byte 0xff:
//! passwd, group, the base's passwd and group, shadow, gshadow.

#![no_main]

use builder::accounts::{Accounts, Added, Tables, assign, sysusers};
use builder::ownership::Ownership;
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use libfuzzer_sys::fuzz_target;
use model::observe::Silent;
use model::sysusers::{Line, MAX_LINES, lines};
use model::{Epoch, ImagePath};

fuzz_target!(|bytes: &[u8]| {
    let files: Vec<&[u8]> = bytes.split(|byte| *byte == 0xff).collect();
    let file = |number: usize| files.get(number).copied().unwrap_or_default();
    let text = |number: usize| String::from_utf8_lossy(file(number)).into_owned();
    let (full, base) = (Accounts::parse(&text(0), &text(1)), Accounts::parse(&text(2), &text(3)));
    let tree = etc(&[("passwd", file(0)), ("group", file(1)), ("shadow", file(4)), ("gshadow", file(5))]);
    assert_eq!(Accounts::read(&tree).ok().as_ref(), Some(&full));
    lines_make_the_accounts(&full, &base);
    the_clamped_shadow_stays(tree);
});

/// What is written for accounts beyond the base asks for exactly these, each with its number.
fn lines_make_the_accounts(full: &Accounts, base: &Accounts) {
    let added = full.beyond(base);
    assert!(added.names().iter().all(|name| full.users.contains_key(*name) || full.groups.contains_key(*name)));
    assert_eq!(base.beyond(base), Added::default());
    let none = model::closure::Accounts::default();
    let Ok(assigned) = assign((full, &added), base, Tables { declared: &none, locked: &none }) else { return };
    assert!(added.names().iter().all(|name| assigned.ids.get(name).is_some()));
    assert!(assigned.ids.clash().is_none());
    let text = sysusers(&added, base, &assigned.ids);
    let read = lines(text.as_bytes());
    if read.len() == MAX_LINES || text.len() > model::sysusers::MAX_BYTES {
        return;
    }
    assert_eq!(read.len(), added.users.len() + added.groups.len() + added.members.len(), "{text}");
    for line in &read {
        let (name, id) = match line {
            Line::User { name, uid, .. } => (name, *uid),
            Line::Group { name, gid, .. } => (name, *gid),
            Line::Member { .. } => continue,
        };
        let ids = assigned.ids.iter().find(|(known, _)| known.as_str() == name).map(|(_, ids)| ids);
        assert!(ids.is_some_and(|ids| id == Some(ids.uid) || id == Some(ids.gid)), "{line:?}");
    }
}

/// A change of a password that is never later than the build is no other one afterwards.
fn the_clamped_shadow_stays(mut tree: Tree<Vec<u8>>) {
    let Ok(ownership) = Ownership::read(&tree) else { return };
    let epoch = Epoch::from_seconds(1_700_000_000).expect("it is an epoch");
    let scrub = |tree: &mut Tree<Vec<u8>>| builder::scrub::apply(tree, &ownership, epoch, &Silent);
    if scrub(&mut tree).is_ok() {
        assert_eq!(scrub(&mut tree).expect("what was read once is read again").len(), 0);
    }
}

/// A tree with these files in `/etc`.
fn etc(files: &[(&str, &[u8])]) -> Tree<Vec<u8>> {
    let stat = || Stat::root_owned(0o755, Mtime::default());
    let mut tree = Tree::new(stat());
    let etc = tree.add(Node { stat: stat(), kind: Kind::Directory(Entries::new()) }).expect("there is room");
    tree.link(NodeId::ROOT, b"etc", etc).expect("the root is a directory");
    for (name, content) in files {
        let node = tree.add(Node { stat: stat(), kind: Kind::Regular(content.to_vec()) }).expect("there is room");
        tree.link(etc, name.as_bytes(), node).expect("it is a directory");
        assert!(tree.lookup(&ImagePath::new(format!("/etc/{name}")).expect("it is a path")).is_some());
    }
    tree
}
