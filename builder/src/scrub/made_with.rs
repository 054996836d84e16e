//! Files that are known by what lies beside them: a certificate by its key, a link by what it leads to, a data base by the
//! file that tells what a directory is.

use std::collections::{BTreeMap, BTreeSet};

use image::Readable;
use image::tree::{Kind, Tree};
use model::ImagePath;

use super::formats::is_public_line;
use super::private_key::holds_private_key;
use super::rules::{CERTIFICATES, DATABASES, IDENTIFIERS, LINKS, SCHEDULES, SSH_KEYS, named};
use super::{Error, Match};
use crate::ownership::Ownership;

/// The largest certificate that is looked into.
const LIMIT: u64 = 64 << 10;
/// The line that a certificate begins with (RFC 7468).
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Files that tell what a directory is: the version of a cluster of PostgreSQL, the system table space of InnoDB, the
/// configuration of slapd (`slapd-config(5)`) and its data base (LMDB), the master key of a realm of Heimdal.
pub(crate) const MARKS: [&[u8]; 5] = [b"PG_VERSION", b"ibdata1", b"cn=config.ldif", b"data.mdb", b"m-key"];
/// Where data is.
const PLACES: [&[u8]; 2] = [b"/var/lib/", b"/etc/"];

/// Whether it is a file that tells what its directory is.
pub(super) fn is_mark(path: &ImagePath, is_directory: bool) -> bool {
    !is_directory
        && MARKS.contains(&path.file_name().unwrap_or_default())
        && PLACES.iter().any(|place| path.as_bytes().starts_with(place))
}

/// Adds to `found` what is known by its neighbours; `data` are the directories of data.
pub(super) fn add<C: Readable>(
    found: &mut Vec<Match>,
    data: &BTreeSet<ImagePath>,
    tree: &Tree<C>,
    ownership: &Ownership,
) -> Result<(), Error> {
    let keys = keys(found, tree)?;
    let has_identifiers = found.iter().any(|one| one.rule.name == IDENTIFIERS);
    if data.is_empty() && !has_identifiers && !found.iter().any(|one| one.rule.secret) {
        return Ok(());
    }
    let mut known: BTreeMap<ImagePath, Match> =
        std::mem::take(found).into_iter().map(|one| (one.path.clone(), one)).collect();
    let new = |path: &ImagePath, node, rule, is_empty| Match { path: path.clone(), rule, why: None, node, is_empty };
    let mut certificates = BTreeSet::new();
    for (path, id, node) in tree.walk().skip(1).filter(|(path, ..)| !ownership.is_owned(path)) {
        let is_empty = matches!(&node.kind, Kind::Regular(content) if content.size() == 0);
        let rule = if path.parent().is_some_and(|parent| is_in(&parent, data)) && !leads_out(&node.kind, data) {
            // Data goes whole, whatever a rule says of a file in it.
            named(DATABASES)
        } else if known.contains_key(&path) {
            None
        } else if is_certificate(&node.kind, &path, &keys)? {
            certificates.insert(path.clone());
            named(CERTIFICATES)
        } else if is_public_key(&node.kind, &path, &known)? {
            named(SSH_KEYS)
        } else {
            named(SCHEDULES).filter(|_| is_schedule(&path, &known))
        };
        if let Some(rule) = rule {
            known.insert(path.clone(), new(&path, id, rule, is_empty));
        }
    }
    let links = tree.walk().skip(1).filter(|(path, ..)| !certificates.is_empty() && is_hash(path));
    for (path, id, node) in links.filter(|(path, ..)| !ownership.is_owned(path)) {
        if let (Kind::Symlink(target), Some(rule)) = (&node.kind, named(LINKS))
            && leads(&path, target, &certificates)
        {
            known.entry(path.clone()).or_insert_with(|| new(&path, id, rule, false));
        }
    }
    found.extend(tree.walk().skip(1).filter_map(|(path, ..)| known.remove(&path)));
    Ok(())
}

/// Whether it is a certificate with the name of a key.
fn is_certificate<C: Readable>(kind: &Kind<C>, path: &ImagePath, keys: &BTreeSet<Vec<u8>>) -> Result<bool, Error> {
    let Kind::Regular(content) = kind else { return Ok(false) };
    Ok(keys.contains(stem(path)) && content.size() <= LIMIT && content.read(LIMIT)?.starts_with(BEGIN))
}

/// Whether it is the public key of SSH of a secret beside it, whose name it has with `.pub`.
fn is_public_key<C: Readable>(
    kind: &Kind<C>,
    path: &ImagePath,
    known: &BTreeMap<ImagePath, Match>,
) -> Result<bool, Error> {
    let Kind::Regular(content) = kind else { return Ok(false) };
    let private = path.as_bytes().strip_suffix(b".pub").and_then(|path| ImagePath::new(path).ok());
    let has_private = private.is_some_and(|path| known.get(&path).is_some_and(|one| one.rule.secret));
    Ok(has_private && content.size() <= LIMIT && is_public_line(&content.read(LIMIT)?))
}

/// Whether it is a link to something that is no data.
fn leads_out<C>(kind: &Kind<C>, data: &BTreeSet<ImagePath>) -> bool {
    match kind {
        Kind::Symlink(target) if target.starts_with(b"/") => {
            ImagePath::new(target).map_or(true, |target| !is_in(&target, data))
        }
        _ => false,
    }
}

fn is_in(path: &ImagePath, data: &BTreeSet<ImagePath>) -> bool {
    let mut at = Some(path.clone());
    while let Some(path) = at {
        if data.contains(&path) {
            return true;
        }
        at = path.parent();
    }
    false
}

/// The names, without their endings, of the files among `found` that hold a private key.
fn keys<C: Readable>(found: &[Match], tree: &Tree<C>) -> Result<BTreeSet<Vec<u8>>, Error> {
    let mut names = BTreeSet::new();
    for one in found.iter().filter(|one| one.rule.secret) {
        let Some(Kind::Regular(content)) = tree.lookup(&one.path).map(|id| &tree.node(id).kind) else { continue };
        if content.size() <= LIMIT && holds_private_key(&content.read(LIMIT)?) {
            names.insert(stem(&one.path).to_vec());
        }
    }
    Ok(names)
}

/// Whether it is named as `openssl-rehash(1)` names links to certificates: eight hexadecimal digits, a point, a number.
fn is_hash(path: &ImagePath) -> bool {
    let name = path.file_name().unwrap_or_default();
    let (hash, number) = name.split_at_checked(8).unwrap_or_default();
    let is_number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    hash.iter().all(u8::is_ascii_hexdigit) && number.strip_prefix(b".").is_some_and(is_number)
}

fn leads(path: &ImagePath, target: &[u8], certificates: &BTreeSet<ImagePath>) -> bool {
    let absolute = match path.parent() {
        Some(parent) if !target.starts_with(b"/") => parent.join(target).ok(),
        _ => ImagePath::new(target).ok(),
    };
    absolute.is_some_and(|target| certificates.contains(&target))
}

/// Whether it is the crontab of whoever drew an identifier of the host in `/etc/NAME.conf`: it drew its time, too.
fn is_schedule(path: &ImagePath, known: &BTreeMap<ImagePath, Match>) -> bool {
    let Some(name) = path.as_bytes().strip_prefix(b"/etc/cron.d/") else { return false };
    let settings = ImagePath::new([b"/etc/", name, b".conf"].concat());
    settings.is_ok_and(|settings| known.get(&settings).is_some_and(|one| one.rule.name == IDENTIFIERS))
}

fn stem(path: &ImagePath) -> &[u8] {
    let name = path.file_name().unwrap_or_default();
    name.iter().rposition(|byte| *byte == b'.').map_or(name, |end| &name[..end])
}
