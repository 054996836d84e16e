//! One line of a dump.

use model::VerityDigest;

use super::super::format::{
    C_FILE_LIMIT, CONTENT_LIMIT, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, XATTR_LIMIT,
};
use super::super::{Backing, Entry};
use super::fields::{Field, Parsed};
use crate::tree::{Kind, Mtime, Node, Stat, Xattrs};

/// What a line says.
pub(super) enum Line {
    /// An inode at a path, and what the tree does not say of it.
    Node(Node<Entry>, Vec<u8>, More),
    /// Another name of the inode whose line has the path `target`, which stands in this column.
    Link { path: Vec<u8>, target: Vec<u8>, column: usize },
}

/// What C tools take over from the line besides.
pub(super) struct More {
    /// The number of names.
    pub(super) links: u32,
    /// Whether the inode needs the long form for a size that it does not have.
    pub(super) is_long: bool,
}

/// The fields that a line has at least.
const NAMES: [&str; NEEDED] = ["path", "size", "mode", "links", "owner", "group", "device", "time"];
/// See [`NAMES`].
const NEEDED: usize = 8;

/// The fixed fields of a line.
struct Fields<'t> {
    path: Field<'t>,
    size: Field<'t>,
    mode: Field<'t>,
    links: Field<'t>,
    uid: Field<'t>,
    gid: Field<'t>,
    device: Field<'t>,
    time: Field<'t>,
    payload: Field<'t>,
    content: Field<'t>,
    digest: Field<'t>,
    xattrs: Option<Field<'t>>,
}

impl<'t> Fields<'t> {
    fn of(line: Field<'t>) -> Parsed<Self> {
        let mut rest = Some(line);
        let end = Field { bytes: &[], column: line.bytes.len() };
        let mut number = 0;
        let mut next = || {
            let field = match rest {
                Some(field) => field,
                // C tools take what is missing at the end for empty.
                None if number >= NEEDED => end,
                None => {
                    let before = NAMES[number - 1];
                    return Err(end.fault(format!("the line ends after the {before}; {NEEDED} fields are needed")));
                }
            };
            number += 1;
            let (first, after) = field.split(b' ').map_or((field, None), |(first, after)| (first, Some(after)));
            rest = after;
            Ok(first)
        };
        let (path, size, mode, links) = (next()?, next()?, next()?, next()?);
        let (uid, gid, device, time) = (next()?, next()?, next()?, next()?);
        let (payload, content, digest) = (next()?, next()?, next()?);
        Ok(Self { path, size, mode, links, uid, gid, device, time, payload, content, digest, xattrs: rest })
    }
}

/// Reads a line.
pub(super) fn parse_line(line: Field<'_>) -> Parsed<Line> {
    if let Some(at) = line.bytes.iter().position(|byte| *byte == 0) {
        return Err(Field { bytes: &[], column: at }.fault("the line holds a zero byte"));
    }
    if line.bytes.is_empty() {
        return Err(line.fault("the line is empty"));
    }
    let fields = Fields::of(line)?;
    let path = fields.path.unescaped()?;
    if !path.starts_with(b"/") || path.contains(&0) {
        return Err(fields.path.fault("the path must start with / and have no zero byte"));
    }
    if let Some(octal) = fields.mode.bytes.strip_prefix(b"@") {
        // C tools look at nothing else but the mode, which must be that of a file.
        let mode = file_mode(Field { bytes: octal, column: fields.mode.column + 1 })?;
        if mode & S_IFMT == S_IFDIR {
            return Err(fields.mode.fault("a directory cannot be a hard link"));
        }
        let target = fields.payload.text("the target")?.filter(|target| !target.is_empty());
        let target = target.ok_or_else(|| fields.payload.fault("the hard link has no target"))?;
        return Ok(Line::Link { path, target, column: fields.payload.column });
    }
    let mode = file_mode(fields.mode)?;
    let links = fields.links.small("the number of links")?;
    let size = fields.size.number("the size", 10, u64::MAX)?;
    let stat = Stat {
        mode: mode & !S_IFMT,
        uid: fields.uid.small("the owner")?,
        gid: fields.gid.small("the group")?,
        mtime: time(fields.time)?,
        xattrs: xattrs(fields.xattrs)?,
    };
    let kind = kind(mode & S_IFMT, size, &fields)?;
    let is_special = matches!(&kind, Kind::BlockDevice(_) | Kind::Fifo | Kind::Socket)
        || matches!(&kind, Kind::CharDevice(number) if *number > 0);
    let more = More { links, is_long: is_special && size > u32::MAX.into() };
    Ok(Line::Node(Node { stat, kind }, path, more))
}

/// A mode with a file type.
fn file_mode(field: Field<'_>) -> Parsed<u16> {
    // C tools cut what is above; no file has a use for it.
    let mode = u16::try_from(field.number("the mode", 8, u16::MAX.into())?).unwrap_or(0);
    match mode & S_IFMT {
        S_IFDIR | S_IFREG | S_IFLNK | S_IFCHR | S_IFBLK | S_IFIFO | S_IFSOCK => Ok(mode),
        _ => Err(field.fault("the mode has no file type")),
    }
}

fn time(field: Field<'_>) -> Parsed<Mtime> {
    let split = field.split(b'.');
    let (seconds, nanoseconds) = split.ok_or_else(|| field.fault("the time has no point before the nanoseconds"))?;
    Ok(Mtime { seconds: seconds.seconds()?, nanoseconds: nanoseconds.small("the number of nanoseconds")? })
}

/// What the line makes, of one of the seven file types.
fn kind(kind: u16, size: u64, fields: &Fields<'_>) -> Parsed<Kind<Entry>> {
    let payload = fields.payload.text("the payload")?;
    if payload.as_ref().is_some_and(|payload| payload.len() > 4095) {
        return Err(fields.payload.fault("the payload has more than 4095 bytes"));
    }
    let content = fields.content.optional()?;
    if content.as_ref().is_some_and(|content| content.len() as u64 != size) {
        return Err(fields.content.fault(format!("the content does not have the {size} bytes of the size")));
    }
    let device = || fields.device.number("the device", 10, u32::MAX.into());
    let digest = digest(fields.digest, kind == S_IFREG && size > 0)?;
    Ok(match kind {
        S_IFDIR => super::directory(),
        S_IFLNK => {
            let target = payload.filter(|target| !target.is_empty());
            Kind::Symlink(target.ok_or_else(|| fields.payload.fault("the symbolic link has no target"))?.into())
        }
        S_IFCHR => Kind::CharDevice(device()?),
        S_IFBLK => Kind::BlockDevice(device()?),
        S_IFIFO => Kind::Fifo,
        S_IFSOCK => Kind::Socket,
        _ => Kind::Regular(regular(size, (payload, content, digest), fields)?),
    })
}

/// A regular file: its backing file's path, its content and its digest, each if there is one.
fn regular(
    size: u64,
    (payload, content, digest): (Option<Vec<u8>>, Option<Vec<u8>>, Option<VerityDigest>),
    fields: &Fields<'_>,
) -> Parsed<Entry> {
    if let Some(content) = content.filter(|content| !content.is_empty()) {
        return match content.len() as u64 > CONTENT_LIMIT {
            true => Err(fields.content.fault(format!("the content has more than {CONTENT_LIMIT} bytes"))),
            false => Ok(Entry::Inline(content.into_boxed_slice())),
        };
    }
    match size {
        0 => Ok(Entry::Empty),
        size if size > C_FILE_LIMIT => Err(fields.size.fault(format!("a file has at most {C_FILE_LIMIT} bytes"))),
        size => {
            let path = payload.filter(|path| !path.is_empty()).map(Vec::into_boxed_slice);
            Ok(Entry::of_backing(Backing { size, digest, path }))
        }
    }
}

/// The digest, which may be empty where none is needed.
fn digest(field: Field<'_>, is_wanted: bool) -> Parsed<Option<VerityDigest>> {
    if field.bytes == b"-" || (field.bytes.is_empty() && !is_wanted) {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(field.bytes).to_ascii_lowercase();
    let digest = VerityDigest::from_hex(&text);
    digest.map(Some).ok_or_else(|| field.fault("the digest must have 64 hexadecimal digits"))
}

/// The longest text of extended attributes in bytes: room for as many as an inode holds, with every byte escaped.
const XATTRS_LIMIT: usize = 1 << 18;

fn xattrs(field: Option<Field<'_>>) -> Parsed<Xattrs> {
    let mut xattrs = Xattrs::new();
    if let Some(field) = field.filter(|field| field.bytes.len() > XATTRS_LIMIT) {
        return Err(field.fault(format!("the extended attributes have more than {XATTRS_LIMIT} bytes")));
    }
    let mut rest = field.filter(|field| !field.bytes.is_empty());
    while let Some(field) = rest {
        let (xattr, after) = field.split(b' ').map_or((field, None), |(xattr, after)| (xattr, Some(after)));
        rest = after.filter(|field| !field.bytes.is_empty());
        let split = xattr.split(b'=');
        let (name, value) = split.ok_or_else(|| xattr.fault("an extended attribute has no ="))?;
        let key = name.unescaped()?;
        if !matches!(key.len(), 1..=255) || key.contains(&0) {
            return Err(name.fault("the name of an extended attribute must have 1 to 255 bytes, none of them zero"));
        }
        xattrs.insert(key.into(), value.unescaped()?.into());
    }
    // As C tools count, a little more than they take.
    let size = xattrs.iter().fold(12, |sum, (name, value)| sum + 7 + name.len() + value.len());
    match field {
        Some(field) if i64::try_from(size).unwrap_or(i64::MAX) > XATTR_LIMIT && !xattrs.is_empty() => {
            Err(field.fault(format!("the extended attributes take {size} bytes; {XATTR_LIMIT} are possible")))
        }
        _ => Ok(xattrs),
    }
}
