//! The header of one archive member, with all its extensions applied.

use image::tree::{Mtime, Stat, Xattrs};
use model::ImagePath;
use tar::{EntryType, Header};

use super::acl;
use super::number::number;
use super::pax::Records;
use super::sparse::Sparse;
use super::{ArchiveFault, Options};

/// The longest path of a member, as `PATH_MAX` of Linux.
const MAX_PATH: u64 = 4096;
/// The longest target of a symbolic link in Linux.
const MAX_TARGET: u64 = 4095;

/// What a member is.
pub(super) enum MemberKind {
    Regular,
    Directory,
    HardLink(ImagePath),
    Symlink(Box<[u8]>),
    CharDevice(u64),
    BlockDevice(u64),
    Fifo,
}

/// One member of an archive.
pub(super) struct Member {
    pub(super) path: ImagePath,
    pub(super) kind: MemberKind,
    pub(super) stat: Stat,
    /// Bytes of content that follow the header.
    pub(super) size: u64,
    /// Where the content has zeros that the archive leaves out.
    pub(super) sparse: Option<Sparse>,
}

impl Member {
    pub(super) fn new(
        header: &Header,
        long_name: Option<&[u8]>,
        long_link: Option<Vec<u8>>,
        local: &Records,
        global: &Records,
        options: &Options,
    ) -> Result<Self, ArchiveFault> {
        local.refuse_unknown_sparse()?;
        let old = header.as_old();
        let raw_name = name(header, long_name, local);
        let path = member_path(&raw_name)?;
        let link = match local.get(b"linkpath") {
            Some(link) => link.to_vec(),
            None => long_link.unwrap_or_else(|| until_nul(&old.linkname).to_vec()),
        };
        let kind = member_kind(header, &raw_name, link)?;
        let sparse = match header.entry_type() {
            EntryType::GNUSparse => Some(Sparse::old(header.as_bytes())?),
            _ => Sparse::pax(local)?,
        };
        if sparse.is_some() && !matches!(kind, MemberKind::Regular) {
            return Err(ArchiveFault::Sparse);
        }
        let size = match &kind {
            // Nothing follows a link, whatever its header says: some archivers repeat the file's size.
            MemberKind::HardLink(_) => local.decimal("size")?.unwrap_or(0),
            _ => local.decimal("size")?.map_or_else(|| size(header), Ok)?,
        };
        if size != 0 && !matches!(kind, MemberKind::Regular) {
            return Err(ArchiveFault::UnexpectedContent);
        }
        let owner = |key: &'static str, field: &[u8]| {
            let value = match local.decimal(key)?.map_or_else(|| global.decimal(key), |value| Ok(Some(value)))? {
                Some(value) => i128::from(value),
                None => number(field, key)?,
            };
            u32::try_from(value).map_err(|_| ArchiveFault::BadNumber { field: key })
        };
        let mtime = match local.time()?.map_or_else(|| global.time(), |time| Ok(Some(time)))? {
            Some(time) => time,
            None => {
                let seconds = i64::try_from(number(&old.mtime, "mtime")?);
                Mtime { seconds: seconds.map_err(|_| ArchiveFault::BadNumber { field: "mtime" })?, nanoseconds: 0 }
            }
        };
        let mode = u16::try_from(number(&old.mode, "mode")? & 0o7777).unwrap_or(0);
        let xattrs = xattrs(local, options)?;
        // The kernel keeps both in step when an access list is set; libarchive writes the owning
        // group's bits into the mode where the kernel has the mask.
        let listed = xattrs.get(&b"system.posix_acl_access"[..]).and_then(|value| acl::permissions(value));
        let mode = match kind {
            // Linux knows no other mode of a link, whatever the archiver's system did.
            MemberKind::Symlink(_) => 0o777,
            _ => listed.map_or(mode, |bits| (mode & 0o7000) | bits),
        };
        let stat = Stat { mode, uid: owner("uid", &old.uid)?, gid: owner("gid", &old.gid)?, mtime, xattrs };
        Ok(Self { path, kind, stat, size, sparse })
    }
}

/// The member's name as written: from the pax record, the GNU long name, or the header.
pub(super) fn name(header: &Header, long_name: Option<&[u8]>, local: &Records) -> Vec<u8> {
    // A sparse file's own name: the other one is for programs that do not know sparse files.
    if let Some(name) = local.get(b"GNU.sparse.name").or_else(|| local.get(b"path")).or(long_name) {
        return name.to_vec();
    }
    let short = until_nul(&header.as_old().name);
    // Only ustar has a prefix: GNU headers keep other things at that place.
    match header.as_ustar().map(|ustar| until_nul(&ustar.prefix)) {
        Some(prefix) if !prefix.is_empty() => [prefix, b"/", short].concat(),
        _ => short.to_vec(),
    }
}

/// The bytes before the first NUL.
pub(super) fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The size field of a header.
pub(super) fn size(header: &Header) -> Result<u64, ArchiveFault> {
    u64::try_from(number(&header.as_old().size, "size")?).map_err(|_| ArchiveFault::BadNumber { field: "size" })
}

/// Checks the sum over the header. Some old archivers summed signed bytes.
pub(super) fn check(header: &Header) -> Result<(), ArchiveFault> {
    let bytes = header.as_bytes();
    let counted = || bytes[..148].iter().chain(b"        ").chain(&bytes[156..]);
    let unsigned: i128 = counted().map(|byte| i128::from(*byte)).sum();
    let signed: i128 = counted().map(|byte| i128::from(byte.cast_signed())).sum();
    let written = number(&header.as_old().cksum, "checksum").map_err(|_| ArchiveFault::BadChecksum)?;
    if written == unsigned || written == signed { Ok(()) } else { Err(ArchiveFault::BadChecksum) }
}

fn member_path(bytes: &[u8]) -> Result<ImagePath, ArchiveFault> {
    if bytes.is_empty() {
        return Err(ArchiveFault::NoName);
    }
    if bytes.len() as u64 > MAX_PATH {
        return Err(ArchiveFault::TooLong { what: "a path", limit: MAX_PATH });
    }
    ImagePath::new(bytes).map_err(ArchiveFault::Path)
}

fn member_kind(header: &Header, name: &[u8], link: Vec<u8>) -> Result<MemberKind, ArchiveFault> {
    Ok(match header.entry_type() {
        // Before POSIX a directory was a file with a slash at its end.
        EntryType::Regular if name.ends_with(b"/") => MemberKind::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => MemberKind::Regular,
        EntryType::Directory => MemberKind::Directory,
        EntryType::Link => MemberKind::HardLink(member_path(&link)?),
        EntryType::Symlink if link.is_empty() || link.contains(&0) => return Err(ArchiveFault::NoTarget),
        EntryType::Symlink if link.len() as u64 > MAX_TARGET => {
            return Err(ArchiveFault::TooLong { what: "the target of a symbolic link", limit: MAX_TARGET });
        }
        EntryType::Symlink => MemberKind::Symlink(link.into_boxed_slice()),
        EntryType::Char => MemberKind::CharDevice(device(header)?),
        EntryType::Block => MemberKind::BlockDevice(device(header)?),
        EntryType::Fifo => MemberKind::Fifo,
        other => return Err(ArchiveFault::UnknownType { byte: other.as_byte() }),
    })
}

fn device(header: &Header) -> Result<u64, ArchiveFault> {
    let bytes = header.as_bytes();
    // The same place in ustar and GNU headers; the older ones have none.
    if header.as_ustar().is_none() && header.as_gnu().is_none() {
        return Err(ArchiveFault::BadNumber { field: "device" });
    }
    let part =
        |field: &[u8]| u32::try_from(number(field, "device")?).map_err(|_| ArchiveFault::BadNumber { field: "device" });
    Ok(rustix::fs::makedev(part(&bytes[329..337])?, part(&bytes[337..345])?))
}

/// The attributes that the options keep. `SCHILY.xattr.` holds the bytes as the kernel has them;
/// `SCHILY.acl.` holds access lists as text, which counts only where the bytes are missing.
fn xattrs(local: &Records, options: &Options) -> Result<Xattrs, ArchiveFault> {
    let mut xattrs = Xattrs::new();
    for (key, value) in local.iter() {
        let Some(name) = key.strip_prefix(b"SCHILY.xattr.") else { continue };
        if name.is_empty() || name.len() > 255 || name.contains(&0) {
            return Err(ArchiveFault::BadRecord);
        }
        if options.xattrs.keeps(name) {
            xattrs.insert(Box::from(name), Box::from(value));
        }
    }
    for (key, name) in [
        (&b"SCHILY.acl.access"[..], &b"system.posix_acl_access"[..]),
        (b"SCHILY.acl.default", b"system.posix_acl_default"),
    ] {
        if let Some(text) = local.get(key)
            && options.xattrs.keeps(name)
            && !xattrs.contains_key(name)
            && let Some(value) = acl::from_text(text, name == b"system.posix_acl_access")?
        {
            xattrs.insert(Box::from(name), value);
        }
    }
    Ok(xattrs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

    use super::super::XattrFilter;
    use super::super::pax::tests::written;
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        for (field, value) in [
            (&b"0000644\0"[..], 0o644),
            (b"  644 \0\0", 0o644),
            (b"77777777777\0", 0o77_777_777_777),
            (b"\0\0\0\0", 0),
            (b"\x80\0\0\0\0\0\0\x05", 5),
            (b"\x80\0\0\0\xff\xff\xff\xff", 0xffff_ffff),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", -2),
        ] {
            assert_eq!(number(field, "x").unwrap(), value, "{field:?}");
        }
        assert!(number(b"0000648\0", "x").is_err());
        assert!(number(b"-000001\0", "x").is_err());
    }

    #[test]
    fn the_sum_of_a_header_is_over_signed_or_unsigned_bytes() {
        let with_sum = |sum: i32| {
            let mut header = Header::from_byte_slice(&[0; 512]).clone();
            header.as_old_mut().name[..2].copy_from_slice(&[0xff, b'a']);
            header.as_old_mut().cksum.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            check(&header)
        };
        // Eight blanks for the sum itself, 0xff and `a`.
        assert_eq!(with_sum(8 * 32 + 255 + 97), Ok(()));
        assert_eq!(with_sum(8 * 32 - 1 + 97), Ok(()));
        for wrong in [0, 8 * 32 + 255 + 96, 8 * 32 + 255 + 98, 8 * 32 + 97, 97] {
            assert_eq!(with_sum(wrong), Err(ArchiveFault::BadChecksum));
        }
    }

    #[test]
    fn negative_and_large_numbers_of_gnu_have_their_sign_in_the_second_bit() {
        for (field, value) in [
            (&b"\xc0\0"[..], -64 * 256),
            (b"\xbf\xff", 0x3fff),
            (b"\x80\x01\x00", 256),
            (b"\xff\xff", -1),
            (b"\xfe\x00", -512),
            (b"7 7", 7),
            (b"7\x007", 7),
            (b"", 0),
        ] {
            assert_eq!(number(field, "x").unwrap(), value, "{field:?}");
        }
        assert_eq!(number(b"9", "uid"), Err(ArchiveFault::BadNumber { field: "uid" }));
    }

    /// A member of this type with these fields.
    fn member(kind: EntryType, name: &str, link: &[u8], records: &[(&str, &[u8])]) -> Result<Member, ArchiveFault> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o170_644);
        header.set_device_major(8).unwrap();
        header.set_device_minor(1).unwrap();
        let local = Records::parse(&written(records))?;
        Member::new(
            &header,
            Some(name.as_bytes()),
            Some(link.to_vec()),
            &local,
            &Records::default(),
            &Options::default(),
        )
    }

    #[test]
    fn names_and_targets_are_as_long_as_linux_lets_them_be() {
        // Components of at most 255 bytes.
        let path = |length: usize| "a/".repeat(length / 2) + &"b".repeat(length % 2);
        let file = |length: usize| member(EntryType::Regular, &path(length), b"", &[]).map(|_| ());
        assert_eq!((file(4095), file(4096)), (Ok(()), Ok(())));
        assert_eq!(file(4097), Err(ArchiveFault::TooLong { what: "a path", limit: 4096 }));
        assert_eq!(file(0), Err(ArchiveFault::NoName));
        let link = |target: &[u8]| member(EntryType::Symlink, "a", target, &[]).map(|_| ());
        assert_eq!(link(&[b'a'; 4095]), Ok(()));
        let long = Err(ArchiveFault::TooLong { what: "the target of a symbolic link", limit: 4095 });
        assert_eq!(
            (link(&[b'a'; 4096]), link(b""), link(b"a\0b")),
            (long, Err(ArchiveFault::NoTarget), Err(ArchiveFault::NoTarget))
        );
    }

    #[test]
    fn each_type_of_member_is_what_posix_says() {
        let kind = |kind, name| member(kind, name, b"target", &[]).map(|member| member.kind);
        assert!(matches!(kind(EntryType::Regular, "a"), Ok(MemberKind::Regular)));
        assert!(matches!(kind(EntryType::Continuous, "a/"), Ok(MemberKind::Regular)));
        assert!(matches!(kind(EntryType::Regular, "a/"), Ok(MemberKind::Directory)));
        assert!(matches!(kind(EntryType::Directory, "a"), Ok(MemberKind::Directory)));
        assert!(matches!(kind(EntryType::Link, "a"), Ok(MemberKind::HardLink(path)) if path.to_string() == "/target"));
        assert!(matches!(kind(EntryType::Symlink, "a"), Ok(MemberKind::Symlink(target)) if &*target == b"target"));
        assert!(matches!(kind(EntryType::Char, "a"), Ok(MemberKind::CharDevice(0x801))));
        assert!(matches!(kind(EntryType::Block, "a"), Ok(MemberKind::BlockDevice(0x801))));
        assert!(matches!(kind(EntryType::Fifo, "a"), Ok(MemberKind::Fifo)));
        assert!(matches!(kind(EntryType::GNUSparse, "a"), Ok(MemberKind::Regular)));
        assert!(matches!(kind(EntryType::new(b'V'), "a"), Err(ArchiveFault::UnknownType { byte: b'V' })));
    }

    #[test]
    fn records_go_before_the_header_and_only_files_have_content() {
        let of = |kind, records: &[(&str, &[u8])]| member(kind, "a", b"", records);
        let regular = |records: &[(&str, &[u8])]| of(EntryType::Regular, records);
        let one = regular(&[("uid", b"70"), ("gid", b"80"), ("size", b"9"), ("mtime", b"1.5")]).unwrap();
        let time = Mtime { seconds: 1, nanoseconds: 500_000_000 };
        assert_eq!((one.stat.uid, one.stat.gid, one.size, one.stat.mtime, one.stat.mode), (70, 80, 9, time, 0o644));
        // The long name of GNU, which the member has too, comes after the record.
        assert_eq!(regular(&[("path", b"b")]).unwrap().path.to_string(), "/b");
        assert!(regular(&[("uid", b"4294967295")]).is_ok());
        let beyond = regular(&[("uid", b"4294967296")]);
        assert_eq!(beyond.err(), Some(ArchiveFault::BadNumber { field: "uid" }));
        let directory = of(EntryType::Directory, &[("size", b"1")]);
        assert_eq!(directory.err(), Some(ArchiveFault::UnexpectedContent));
        assert!(of(EntryType::Directory, &[("size", b"0")]).is_ok());
    }

    #[test]
    fn attributes_have_names_that_a_file_system_can_hold() {
        let all = Options { xattrs: XattrFilter::All };
        let of = |name: &str, value: &[u8], options: &Options| {
            xattrs(&Records::parse(&written(&[(name, value)])).unwrap(), options)
        };
        let long = |length: usize| format!("SCHILY.xattr.{}", "a".repeat(length));
        assert_eq!(of(&long(255), b"x", &all).unwrap().len(), 1);
        assert_eq!(
            (of(&long(256), b"x", &all), of(&long(0), b"x", &all)),
            (Err(ArchiveFault::BadRecord), Err(ArchiveFault::BadRecord))
        );
        assert_eq!(of("SCHILY.xattr.a\0", b"x", &all), Err(ArchiveFault::BadRecord));
        assert_eq!(of("SCHILY.xattr.user.x", b"x", &Options::default()).unwrap().len(), 0);
        assert_eq!(of("user.x", b"x", &all).unwrap().len(), 0);
        let acl = b"u::rwx,g::r-x,o::r-x";
        assert_eq!(of("SCHILY.acl.access", acl, &all).unwrap().len(), 0);
        let default = of("SCHILY.acl.default", acl, &all).unwrap();
        assert_eq!(default.keys().map(|name| &**name).collect::<Vec<_>>(), [b"system.posix_acl_default"]);
        let none = Options { xattrs: XattrFilter::none() };
        assert_eq!(of("SCHILY.acl.default", acl, &none).unwrap().len(), 0);
        assert!(none.xattrs.keeps_none() && !all.xattrs.keeps_none() && !Options::default().xattrs.keeps_none());
    }

    #[test]
    fn only_ustar_has_a_prefix() {
        let named = |mut header: Header| {
            header.as_old_mut().name[..1].copy_from_slice(b"n");
            header.as_mut_bytes()[345] = b'p';
            name(&header, None, &Records::default())
        };
        assert_eq!((named(Header::new_ustar()), named(Header::new_gnu())), (b"p/n".to_vec(), b"n".to_vec()));
        let device = |header: &Header| super::device(header);
        assert_eq!(device(&Header::new_old()), Err(ArchiveFault::BadNumber { field: "device" }));
        let mut header = Header::new_ustar();
        header.set_device_major(259).unwrap();
        header.set_device_minor(256).unwrap();
        // `stat -c %Hr,%Lr` of such a node says 259,256; the number is that of `gnu_dev_makedev`.
        assert_eq!(device(&header), Ok(0x0011_0300));
    }
}
