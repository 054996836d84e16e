//! Writes the first inputs of every target, made by our own writers: `seeds DIRECTORY`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use composer::hashing::{DigestCache, Known, hash_files};
use composer::scan::Source;
use image::archive::{Parts, Plan, Spool, Targets};
use image::identity::Identity;
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use model::observe::Silent;
use model::{Arch, Digest, Epoch, VerityDigest};
use oci::layout::{Artifact, Blob, Content};

mod tars;
mod texts;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// passwd, group, the base's passwd and group, shadow and gshadow.
const ACCOUNTS: [&[u8]; 6] = [
    b"root:x:0:0:root:/root:/bin/bash\nmail:x:8:8::/var/mail:\nredis:x:100:102:a \"b\" 50%:/var/lib/redis:/bin/false\n",
    b"root:x:0:\nmail:x:8:redis\nssl-cert:x:101:redis,mail\nredis:x:102:\n",
    b"root:x:0:0:root:/root:/bin/bash\nmail:x:8:8::/var/mail:\n",
    b"root:x:0:\nmail:x:8:\n",
    b"root:*:20000:0:99999:7:::\nredis:!:9:::::: \n",
    b"root:*::\nredis:!::\n",
];

fn main() -> Outcome {
    let directory = std::env::args_os().nth(1).ok_or("say where to: seeds DIRECTORY")?;
    let seeds = Seeds { directory: directory.as_ref() };
    seeds.images_and_archives()?;
    seeds.tars()?;
    seeds.put("needs", "unit", b"[Service]\nExecStart=-/bin/a $X ; b\n[Install]\nWantedBy=x.target\n")?;
    seeds.put("accounts", "base_and_more", &ACCOUNTS.join(&0xff))?;
    seeds.put("needs", "script", b"#!/usr/bin/env -S A=1 python3\n")?;
    for (wide, big_endian) in [(true, false), (true, true), (false, false), (false, true)] {
        let elf =
            testkit::elf::build(wide, big_endian, "/lib/ld.so", &["libc.so.6", "libz.so.1"], "$ORIGIN/../lib:/opt");
        seeds.put("needs", &format!("elf-{wide}-{big_endian}"), &elf)?;
    }
    seeds.digests()?;
    seeds.listing()?;
    seeds.initramfs()?;
    seeds.layout()?;
    seeds.texts()
}

struct Seeds<'a> {
    directory: &'a Path,
}

impl Seeds<'_> {
    fn put(&self, target: &str, name: &str, bytes: &[u8]) -> Outcome {
        let directory = self.directory.join(target);
        fs::create_dir_all(&directory)?;
        Ok(fs::write(directory.join(format!("seed-{name}")), bytes)?)
    }

    /// A tree with every kind of file, as an image and as `module.tar`, plain and compressed.
    fn images_and_archives(&self) -> Outcome {
        let work = tempfile::tempdir()?;
        let directory = host::Dir::open(work.path())?;
        let spool = Spool::create(&directory)?;
        let hashed = hash_files(tree()?, &[&spool], None, &Silent)?;
        let image = image::composefs::write(&hashed)?;
        self.put("read_image", "kinds", &image)?;
        self.put("dump", "kinds", &image::composefs::dump(&hashed)?)?;
        self.foreign()?;
        let bare = hash_files(Tree::<Source>::new(stat()), &[], None, &Silent)?;
        self.put("read_image", "empty", &image::composefs::write(&bare)?)?;
        self.put("read_archive", "image", &image)?;
        let digest = image::verity::digest(&image);
        let parts = Parts { manifest: b"{\"name\":\"x\"}", image: &image, image_digest: &digest };
        let path = work.path().join("module.tar");
        let plan = Plan::new(&parts, &hashed, &spool, Epoch::from_seconds(1_700_000_000)?);
        let tar = image::archive::Place { directory: &directory, name: "module.tar" };
        image::archive::write(&plan, Targets { tar: Some(tar), packed: None })?;
        let plain = fs::read(&path)?;
        self.put("read_archive", "tar", &plain)?;
        self.put("read_archive", "zst", &zstd::encode_all(plain.as_slice(), 3)?)
    }

    /// Dumps that no build makes, and their images in both versions.
    fn foreign(&self) -> Outcome {
        for (name, lines) in texts::DUMPS {
            let text = format!("/ 4096 40755 2 0 0 0 0.0 - - -\n{lines}");
            self.put("dump", name, text.as_bytes())?;
            let foreign = image::composefs::Foreign::of_dump(text.as_bytes())?;
            for version in [0, 1] {
                self.put("read_image", &format!("{name}-{version}"), &foreign.write(version)?)?;
            }
        }
        Ok(())
    }

    /// Root file systems and packages.
    fn tars(&self) -> Outcome {
        let (ustar, gnu, pax) = (tars::ustar()?, tars::gnu()?, tars::pax()?);
        for (name, bytes) in [("ustar", &ustar), ("gnu", &gnu), ("pax", &pax)] {
            self.put("scan_archive", name, bytes)?;
            self.put("deb", name, bytes)?;
            self.put("file_archive", name, bytes)?;
        }
        self.put("file_archive", "zst", &zstd::encode_all(gnu.as_slice(), 3)?)?;
        self.put("file_archive", "zip", &tars::zip()?)?;
        let control = tars::control()?;
        self.put("deb", "control", &control)?;
        self.put("deb", "plain", &tars::deb(("", &control), ("", &gnu)))?;
        let packed = |tar: &[u8]| -> Outcome<Vec<u8>> {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(tar)?;
            Ok(encoder.finish()?)
        };
        let zst = zstd::encode_all(gnu.as_slice(), 3)?;
        self.put("deb", "packed", &tars::deb((".gz", &packed(&control)?), (".zst", &zst)))?;
        self.put("deb", "fields", b"Package: a\nVersion: 1:2-3\nDescription: x\n more\n .\n")
    }

    fn digests(&self) -> Outcome {
        let work = tempfile::tempdir()?;
        let path = work.path().join("digests");
        let cache = DigestCache::open(&path)?;
        for number in 0..6 {
            let time = Mtime { seconds: 1, nanoseconds: 0 };
            let identity =
                Identity { device: 1, inode: number, file_size: 9, modified: time, changed: time, offset: 0, size: 9 };
            let known = Known { sha256: Digest::of(&[1]), verity: VerityDigest::new([2; 32]) };
            cache.remember_own(&identity, &known);
        }
        cache.save()?;
        let bytes = fs::read(&path)?;
        self.put("digest_cache", "whole", &bytes)?;
        self.put("digest_cache", "entries", &bytes[12..bytes.len() - 32])
    }

    /// What a package with every kind of file lists.
    fn listing(&self) -> Outcome {
        let file = tempfile::NamedTempFile::new()?;
        let bytes = tars::deb(("", &tars::control()?), ("", &tars::ustar()?));
        fs::write(file.path(), &bytes)?;
        let listing = builder::rootfs::deb::listing(file.path(), &Digest::of(&bytes))?;
        let kept = builder::rootfs::deb_contents::encode(&listing, &Digest::new([7; 32])).ok_or("it is too long")?;
        self.put("package_listing", "whole", &kept)?;
        self.put("package_listing", "body", &kept[44..kept.len() - 32])
    }

    /// An initramfs whose second archive is compressed, and the same without.
    fn initramfs(&self) -> Outcome {
        let member = |name: &str, mode: u32, content: &str| {
            let fields = [1, mode, 0, 0, 1, 0, content.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
            let digits: String = fields.iter().map(|field| format!("{field:08x}")).collect();
            let pad = |text: String| text.clone() + &"\0".repeat(text.len().next_multiple_of(4) - text.len());
            pad(pad(format!("070701{digits}{name}\0")) + content)
        };
        let plain = member("etc", 0o040_755, "") + &member("etc/a", 0o100_644, "one") + &member("TRAILER!!!", 0, "");
        self.put("initramfs", "plain", plain.as_bytes())?;
        let packed = zstd::encode_all(plain.as_bytes(), 1)?;
        self.put("initramfs", "packed", &[plain.as_bytes(), &[0; 8], &packed].concat())
    }

    /// A layout of our own with `$D` and `$S` where its digests and sizes stand.
    fn layout(&self) -> Outcome {
        let work = tempfile::tempdir()?;
        let directory = work.path().join("oci");
        let blob = |media: &str, text: &str| Blob {
            media_type: media.to_owned(),
            title: Some("x".to_owned()),
            content: Content::Bytes(text.into()),
        };
        let artifact = Artifact {
            kind: model::manifest::Kind::Module,
            arch: Arch::Amd64,
            config: blob("application/json", "{}"),
            layers: vec![blob("application/octet-stream", "layer")],
            annotations: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        };
        let written = oci::layout::write(&host::Dir::open(work.path())?, "oci", "tag", &[artifact])?;
        let manifest = *written.manifests.get(&Arch::Amd64).ok_or("no manifest was written")?;
        let blobs = [written.index, manifest, Digest::of(b"{}"), Digest::of(b"layer")];
        let mut documents = vec![fs::read_to_string(directory.join("oci-layout"))?];
        documents.push(fs::read_to_string(directory.join("index.json"))?);
        for digest in &blobs {
            documents.push(fs::read_to_string(directory.join("blobs/sha256").join(digest.hex()))?);
        }
        let sizes: Vec<usize> = documents[2..].iter().map(String::len).collect();
        for document in &mut documents {
            for (number, (digest, size)) in blobs.iter().zip(&sizes).enumerate() {
                let number = number + 2;
                *document = document.replace(&digest.to_string(), &format!("$D{number}"));
                *document = document.replace(&format!("\"size\":{size}"), &format!("\"size\":$S{number}"));
            }
        }
        let bytes: Vec<&[u8]> = documents.iter().map(|text| text.as_bytes()).collect();
        self.put("oci_layout", "own", &bytes.join(&0xff))?;
        self.put("oci_documents", "reference", b"registry.example.com:5000/os/nginx:v1")?;
        for (name, digest) in [("index", written.index), ("manifest", manifest)] {
            self.put("oci_documents", name, &fs::read(directory.join("blobs/sha256").join(digest.hex()))?)?;
        }
        Ok(())
    }

    fn texts(&self) -> Outcome {
        for (target, name, text) in texts::TEXTS {
            self.put(target, name, text.as_bytes())?;
        }
        for kind in ["valid", "invalid"] {
            let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../base/model/tests/manifests").join(kind);
            for entry in fs::read_dir(manifests)? {
                let entry = entry?;
                self.put("manifest", &entry.file_name().to_string_lossy(), &fs::read(entry.path())?)?;
            }
        }
        let bytes: Vec<&[u8]> = texts::DATABASE.iter().map(|text| text.as_bytes()).collect();
        self.put("dpkg_database", "files", &bytes.join(&0xff))?;
        let key = [&[0x99, 0, 12, 4, 1, 2, 3, 4, 22][..], b"abcdef"].concat();
        self.put("keyring", "v4", &key)?;
        let v6 = [&[0xc6, 12, 6, 1, 2, 3, 4, 22][..], b"abcdef", &[0xcd, 1, b'x']].concat();
        self.put("keyring", "v6", &v6)
    }
}

fn stat() -> Stat {
    let mut stat = Stat::root_owned(0o755, Mtime { seconds: 1_700_000_000, nanoseconds: 5 });
    stat.xattrs.insert(b"user.a"[..].into(), b"b"[..].into());
    stat
}

/// A tree with every kind of file.
fn tree() -> Outcome<Tree<Source>> {
    let mut tree = Tree::new(stat());
    let content = |size: usize| Kind::Regular(Source::Bytes(vec![b'x'; size].into()));
    let kinds = [
        ("empty", content(0)),
        ("inline", content(60)),
        ("object", content(5000)),
        ("directory", Kind::Directory(Entries::new())),
        ("link", Kind::Symlink(b"inline"[..].into())),
        ("null", Kind::CharDevice(259)),
        ("whiteout", Kind::CharDevice(0)),
        ("disk", Kind::BlockDevice(2049)),
        ("pipe", Kind::Fifo),
        ("socket", Kind::Socket),
    ];
    for (name, kind) in kinds {
        let id = tree.add(Node { stat: stat(), kind })?;
        tree.link(NodeId::ROOT, name.as_bytes(), id)?;
        if name == "object" {
            tree.link(NodeId::ROOT, b"again", id)?;
        }
    }
    Ok(tree)
}
