//! `[[file]]`: files from addresses, single or unpacked, as tar and Python's zipfile write them.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

#[allow(dead_code, reason = "other tests use the rest")]
mod small;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use image::composefs;
use model::{Digest, ImagePath};
use serde_json::Value;
use small::Small;
use testkit::run;

const BUILD: [&str; 7] = ["build", "-C", "m", "--rootfs", "root", "--arch", "amd64"];

/// A server on loopback that gives the same answer to every request, and counts them. It ends with the test.
fn serve(status: &'static str, body: Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            counted.fetch_add(1, Ordering::SeqCst);
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    (address, count)
}

fn world() -> Small {
    let small = Small::new();
    small.edit("m/manifest.yaml", |text| text + "  - /opt/***\n  - /usr/local/***\n");
    small
}

/// Writes `[[file]]` with `keys` for the file `content` at `url`.
fn ask(small: &Small, url: &str, content: &[u8], keys: &str) {
    let hex = Digest::of(content).hex();
    small.write("m/builder.toml", &format!("[[file]]\nurl = \"{url}\"\nsha256 = \"{hex}\"\n{keys}\n"));
}

fn build(small: &Small, more: &[&str]) -> (i32, String) {
    let (code, out, err) = small.run(&[&BUILD[..], more].concat());
    (code, out + &err)
}

fn tree(small: &Small) -> Vec<(String, u16, u32, u32)> {
    let tree = composefs::read(&fs::read(small.path("m/dist/module.cfs")).unwrap()).unwrap();
    let all = tree.walk().filter(|(path, _, node)| {
        !node.is_directory() && ["/opt", "/usr/local"].iter().any(|top| path.starts_with(&ImagePath::new(top).unwrap()))
    });
    all.map(|(path, _, node)| (path.to_string(), node.stat.mode, node.stat.uid, node.stat.gid)).collect()
}

fn entry(small: &Small, path: &str) -> Value {
    let entries: Value = serde_json::from_slice(&fs::read(small.path("m/dist/file-list.json")).unwrap()).unwrap();
    entries.as_array().unwrap().iter().find(|entry| entry["path"] == path).cloned().unwrap()
}

#[test]
fn a_file_is_fetched_once_checked_and_shipped_where_it_is_wanted() {
    let small = world();
    let program = b"#!/bin/sh\necho from elsewhere\n".to_vec();
    let (address, count) = serve("200 OK", program.clone());
    let url = format!("{address}/tool-1.2");
    ask(&small, &url, &program, "destination = \"/usr/local/bin/tool\"\nmode = \"0755\"\nowner = \"0:42\"");
    let (code, said) = build(&small, &[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(tree(&small), [("/usr/local/bin/tool".to_owned(), 0o755, 0, 42)]);
    let listed = entry(&small, "/usr/local/bin/tool");
    assert_eq!((&listed["from"], &listed["url"]), (&"file".into(), &url.as_str().into()));
    assert_eq!(listed["sha256"], Digest::of(&program).to_string());
    let record: Value = serde_json::from_slice(&fs::read(small.path("m/dist/build.json")).unwrap()).unwrap();
    assert_eq!(record["inputs"]["files"][0]["url"], url.as_str());
    let first = fs::read(small.path("m/dist/composefs.digest")).unwrap();
    // Again, without network: the cache has it, and the bytes are the same.
    fs::remove_dir_all(small.path("m/dist")).unwrap();
    assert_eq!(build(&small, &["--offline"]).0, 0);
    assert_eq!(fs::read(small.path("m/dist/composefs.digest")).unwrap(), first);
    assert_eq!(small.run(&["rebuild", "m/dist", "--rootfs", "root"]).0, 0);
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let (_, out, _) = small.run(&["explain", "/usr/local/bin/tool", "m", "--rootfs", "root"]);
    assert!(out.contains("is shipped") && out.contains(&url), "{out}");
    // The overlay lies over it.
    small.write("m/rootfs/usr/local/bin/tool", "the author's own\n");
    assert_eq!(build(&small, &[]).0, 0);
    assert_eq!(entry(&small, "/usr/local/bin/tool")["from"], "overlay");
    // A dry run knows the name.
    fs::remove_dir_all(small.path("m/rootfs/usr")).unwrap();
    small.build_with("dry", &["--dry-run"]);
    assert!(fs::read_to_string(small.path("dry/file-list.txt")).unwrap().contains("/usr/local/bin/tool\n"));
}

#[test]
fn the_fingerprint_counts_what_is_fetched_and_not_from_where() {
    let small = world();
    let fingerprint = |content: &str, keys: &str, name: &str| {
        small.write(name, content);
        ask(&small, &format!("file:{}", small.path(name).display()), content.as_bytes(), keys);
        let (code, result) = small.json(&BUILD);
        assert_eq!(code, 0, "{result}");
        result["fingerprint"].as_str().unwrap().to_owned()
    };
    let to = "destination = \"/opt/x\"";
    let first = fingerprint("one", to, "served");
    assert_eq!(fingerprint("one", to, "elsewhere"), first);
    for (content, keys) in [
        ("two", to),
        ("one", "destination = \"/opt/y\""),
        ("one", "destination = \"/opt/x\"\nmode = \"0600\""),
        ("one", "destination = \"/opt/x\"\nowner = \"1:1\""),
    ] {
        assert_ne!(fingerprint(content, keys, "served"), first, "{content} {keys}");
    }
}

#[test]
fn archives_of_tar_and_zip_are_unpacked() {
    let small = world();
    small.write("pack/tool-1/bin/tool", "#!/bin/sh\n");
    small.mode("pack/tool-1/bin/tool", 0o755);
    small.write("pack/tool-1/share/doc/README", "read me\n");
    small.link("pack/tool-1/bin/alias", "tool");
    let pack = |name: &str, option: &str| {
        run(Command::new("tar")
            .arg("-C")
            .arg(small.path("pack"))
            .arg(option)
            .arg("-cf")
            .arg(small.path(name))
            .arg("tool-1"));
    };
    for (name, option) in [
        ("a.tar", "--sparse"),
        ("a.tgz", "-z"),
        ("a.txz", "-J"),
        ("a.tzst", "--zstd"),
        ("a.tbz", "-j"),
        ("p.tar", "--posix"),
    ] {
        pack(name, option);
    }
    let script = "import os, stat, sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as out:
    for top, folders, files in os.walk('tool-1'):
        for name in files + folders:
            path = os.path.join(top, name)
            if os.path.islink(path):
                info = zipfile.ZipInfo(path)
                info.create_system = 3
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
                out.writestr(info, os.readlink(path))
            else:
                out.write(path)
";
    let mut python = Command::new("python3");
    run(python.args(["-c", script]).arg(small.path("a.zip")).current_dir(small.path("pack")));
    let mut images = Vec::new();
    for (name, format) in [
        ("a.tar", "tar"),
        ("a.tgz", "tar"),
        ("a.txz", "tar"),
        ("a.tzst", "tar"),
        ("a.tbz", "tar"),
        ("p.tar", "tar"),
        ("a.zip", "zip"),
    ] {
        let content = fs::read(small.path(name)).unwrap();
        let url = format!("file:{}", small.path(name).display());
        let keys = format!("destination = \"/opt/tool\"\nunpack = \"{format}\"\nstrip = 1\nowner = \"7:8\"");
        ask(&small, &url, &content, &keys);
        let (code, said) = build(&small, &[]);
        assert_eq!(code, 0, "{name}: {said}");
        let wanted =
            [("alias", 0o777), ("tool", 0o755)].map(|(name, mode)| (format!("/opt/tool/bin/{name}"), mode, 7, 8));
        assert_eq!(tree(&small)[..2], wanted, "{name}");
        assert_eq!(tree(&small)[2].0, "/opt/tool/share/doc/README");
        images.push(fs::read(small.path("m/dist/composefs.digest")).unwrap());
    }
    assert!(images.windows(2).all(|pair| pair[0] == pair[1]), "one tree, whatever holds it");
    // What an archive would give rights of its own is said.
    small.mode("pack/tool-1/bin/tool", 0o4755);
    pack("suid.tar", "--sparse");
    let content = fs::read(small.path("suid.tar")).unwrap();
    let url = format!("file:{}", small.path("suid.tar").display());
    ask(&small, &url, &content, "destination = \"/opt/tool\"\nunpack = \"tar\"\nstrip = 1");
    let (code, said) = build(&small, &["--strict"]);
    assert!(code == 1 && said.contains("[special-rights]: /opt/tool/bin/tool of [[file]]"), "{said}");
    assert_eq!(build(&small, &["--allow", "special-rights"]).0, 0);
    // A part of it, and what takes nothing.
    let content = fs::read(small.path("a.tgz")).unwrap();
    let url = format!("file:{}", small.path("a.tgz").display());
    let with = |keys: &str| {
        ask(&small, &url, &content, &format!("destination = \"/opt\"\nunpack = \"tar\"\n{keys}"));
        build(&small, &[])
    };
    assert_eq!(with("strip = 1\ninclude = [\"/bin/tool\"]").0, 0);
    assert_eq!(tree(&small).iter().map(|one| one.0.as_str()).collect::<Vec<_>>(), ["/opt/bin/tool"]);
    for (keys, why) in [
        ("include = [\"/lib/**\"]", "takes nothing of file:"),
        ("strip = 9", "`strip` leaves no file"),
        ("mode = \"0755\"", "has both `unpack` and `mode`"),
    ] {
        let (code, said) = with(keys);
        assert!(code == 1 && said.contains(why), "{keys}: {said}");
    }
}

#[test]
fn what_is_not_what_was_asked_for_is_refused_and_nothing_is_kept() {
    let small = world();
    let to = "destination = \"/opt/x\"";
    let refused = |code: i32, why: &str| {
        let (found, said) = build(&small, &[]);
        assert!(found == code && said.contains(why), "{why}: {found}: {said}");
        assert!(!small.path("m/dist").exists());
    };
    let (address, _) = serve("200 OK", b"evil".to_vec());
    ask(&small, &format!("{address}/x"), b"good", to);
    refused(3, "and sha256:");
    small.write("secret", "a secret of this machine");
    ask(&small, &format!("file:{}", small.path("secret").display()), b"good", to);
    let digest = Digest::of(b"a secret of this machine").hex();
    refused(3, "the file there is not the one whose sha256 is wanted");
    assert!(!build(&small, &[]).1.contains(&digest));
    let (address, count) = serve("404 Not Found", Vec::new());
    ask(&small, &format!("{address}/x"), b"good", to);
    refused(4, "404");
    assert_eq!(count.load(Ordering::SeqCst), 1, "a file that is not there is not asked for again");
    ask(&small, "http://127.0.0.1:1/x", b"good", to);
    let (code, said) = build(&small, &["--offline"]);
    assert!(
        code == 4
            && said.contains("offline, and the cache does not hold it")
            && said.contains("`module-builder fetch`"),
        "{said}"
    );
    // Of several nothing is said twice, and nothing of the tables, which are right.
    let table = |name: &str| {
        let digest = Digest::of(name.as_bytes());
        format!(
            "[[file]]\nurl = \"http://127.0.0.1:1/{name}?x=1\"\nsha256 = \"{}\"\ndestination = \"/opt/{name}\"\n",
            digest.hex()
        )
    };
    let tables: String = ["one", "two", "three"].map(table).concat();
    small.write("m/builder.toml", &tables);
    let (code, said) = build(&small, &["--offline"]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(code == 4 && lines.len() == 3, "{said}");
    assert!(lines[1].ends_with("offline, and the cache does not hold one, two and three"), "{said}");
    // What lies in the cache counts by its digest.
    let (address, count) = serve("200 OK", b"good".to_vec());
    ask(&small, &format!("{address}/x"), b"good", to);
    assert_eq!(build(&small, &[]).0, 0);
    let cached = small.path("home/.cache/module-builder/files").join(Digest::of(b"good").hex());
    fs::write(&cached, "evil").unwrap();
    let (code, said) = build(&small, &[]);
    assert!(code == 0 && said.contains("is damaged"), "{said}");
    assert_eq!((fs::read(&cached).unwrap(), count.load(Ordering::SeqCst)), (b"good".to_vec(), 2));
}

#[test]
fn what_an_author_may_not_mean_is_a_finding() {
    let small = world();
    for (content, keys, code) in [
        ("#!/bin/sh\n", "", Some("file-mode")),
        ("\u{7f}ELF\u{1}", "", Some("file-mode")),
        ("#!/bin/sh\n", "mode = \"0755\"", None),
        ("#!/bin/sh\n", "mode = \"0644\"", None),
        ("text\n", "", None),
        ("text\n", "owner = \"noone:nogroup\"", Some("file-owner")),
        ("text\n", "owner = \"7:8\"", None),
    ] {
        small.write("served", content);
        let url = format!("file:{}", small.path("served").display());
        ask(&small, &url, content.as_bytes(), &format!("destination = \"/opt/tool\"\n{keys}"));
        let (exit, said) = build(&small, &[]);
        assert_eq!(exit, 0, "{said}");
        for one in ["file-mode", "file-owner"] {
            assert_eq!(said.contains(&format!("warning[{one}]")), code == Some(one), "{content:?} {keys}: {said}");
        }
    }
    // Digits are digits in capitals, too.
    let hex = Digest::of(b"text\n").hex().to_uppercase();
    let url = small.path("served").display().to_string();
    small.write(
        "m/builder.toml",
        &format!("[[file]]\nurl = \"file:{url}\"\nsha256 = \"{hex}\"\ndestination = \"/opt/x\"\n"),
    );
    assert_eq!(build(&small, &[]).0, 0);
}

#[test]
fn a_key_and_a_closed_file_of_an_address_are_named_as_those_of_the_overlay_are() {
    let small = world();
    const KEY: &str = "remark\n-----BEGIN EC PRIVATE KEY-----\nx\n";
    const SSH: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n";
    for (content, mode, code) in [
        (KEY, "0644", Some("possible-secret")),
        (SSH, "0600", Some("possible-secret")),
        ("-----BEGIN CERTIFICATE-----\nx\n", "0644", None),
        ("text\n", "0600", None),
    ] {
        small.write("served", content);
        let url = format!("file:{}", small.path("served").display());
        ask(&small, &url, content.as_bytes(), &format!("destination = \"/opt/it\"\nmode = \"{mode}\""));
        let (exit, said) = build(&small, &[]);
        assert_eq!(exit, 0, "{said}");
        assert_eq!(said.contains("warning[possible-secret]: /opt/it of [[file]]"), code.is_some(), "{content}: {said}");
        assert!(!said.contains("file-closed"), "a mode that is given is meant: {said}");
        let (_, said) = build(&small, &["--allow", "possible-secret"]);
        assert!(!said.contains("possible-secret"), "{said}");
    }
    // In an archive, whose files have modes of their own.
    for (name, text, mode) in
        [("key", KEY, 0o640), ("closed", "x\n", 0o600), ("open", "x\n", 0o644), ("left", KEY, 0o600)]
    {
        small.write(&format!("packed/{name}"), text);
        small.mode(&format!("packed/{name}"), mode);
    }
    let tar = small.path("served.tar");
    let mut packed = std::process::Command::new("tar");
    testkit::run(packed.arg("-cf").arg(&tar).arg("-C").arg(small.path("packed")).arg("."));
    let content = fs::read(&tar).unwrap();
    let url = format!("file:{}", tar.display());
    let keys = "destination = \"/opt/all\"\nunpack = \"tar\"\ninclude = [\"/key\", \"/closed\", \"/open\"]";
    ask(&small, &url, &content, keys);
    let (exit, said) = build(&small, &[]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("warning[possible-secret]: /opt/all/key of [[file]]"), "{said}");
    assert!(said.contains("warning[file-closed]: /opt/all/closed of [[file]]"), "{said}");
    assert!(!said.contains("/open") && !said.contains("/left of"), "{said}");
    let (_, said) = build(&small, &["--allow", "possible-secret", "--allow", "file-closed"]);
    assert!(!said.contains("of [[file]]"), "{said}");
}

/// `cap_net_bind_service` permitted and effective, as `struct vfs_cap_data` of Linux' `uapi/linux/capability.h`.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn attributes_of_an_archive_are_not_kept_and_that_is_said() {
    let small = world();
    for (name, attribute, expected) in
        [("security.capability", &CAPABILITY[..], Some("warning")), ("user.note", b"x", Some("note")), ("", b"", None)]
    {
        small.write("packed/tool", "x\n");
        if !name.is_empty() {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(small.path("packed/tool"), name, attribute, flags).unwrap();
        }
        let tar = small.path("served.tar");
        let mut pack = Command::new("tar");
        run(pack
            .args(["--xattrs", "--xattrs-include=*", "-cf"])
            .arg(&tar)
            .arg("-C")
            .arg(small.path("packed"))
            .arg("tool"));
        fs::remove_file(small.path("packed/tool")).unwrap();
        let keys = "destination = \"/opt\"\nunpack = \"tar\"";
        ask(&small, &format!("file:{}", tar.display()), &fs::read(&tar).unwrap(), keys);
        let (code, said) = build(&small, &[]);
        assert_eq!(code, 0, "{said}");
        let told = expected
            .map(|severity| format!("{severity}[file-attributes]: the extended attributes of /opt/tool in file:"));
        match told {
            Some(told) => assert!(said.contains(&told) && said.contains(name), "{said}"),
            None => assert!(!said.contains("file-attributes"), "{said}"),
        }
        let read = composefs::read(&fs::read(small.path("m/dist/module.cfs")).unwrap()).unwrap();
        let tool = read.lookup(&ImagePath::new("/opt/tool").unwrap()).unwrap();
        let kept = read.node(tool).stat.xattrs.keys().any(|kept| **kept == *name.as_bytes());
        assert!(!kept);
    }
}

#[test]
fn every_mistake_in_the_settings_is_named_at_its_place() {
    let small = world();
    small.write(
        "m/builder.toml",
        "[[file]]\nurl = \"https://user:word@h.example.org/x\"\nsha256 = \"abc\"\ndestination = \"opt/../x\"\nmode = \"rwx\"\nstrip = 2\nforce = \"yes\"\n[[file]]\nunpack = \"rar\"\n",
    );
    let (code, _, err) = small.run(&["validate", "m"]);
    assert_eq!(code, 1);
    for said in [
        "m/builder.toml:2:7",
        "m/builder.toml:3:10",
        "64 hexadecimal digits",
        "m/builder.toml:4:15",
        "three or four octal digits",
        "has `strip` and no `unpack`",
        "has no setting `force`",
        "`file[1]` has no `url`",
        "write true, \"tar\"",
    ] {
        assert!(err.contains(said), "{said}: {err}");
    }
    assert!(!err.contains("word@"), "{err}");
    for (text, said) in [
        ("[file]\nurl = \"https://h.example.org/x\"\n", "begins with [[file]]"),
        ("[[file]]\nmode = 0640\n", "a mode is a string: write \"0640\""),
        ("[overlay]\n\"/etc/x\" = { mode = 0440 }\n", "write \"0440\""),
    ] {
        small.write("m/builder.toml", text);
        let (code, _, err) = small.run(&["validate", "m"]);
        assert!(code == 1 && err.contains(said), "{said}: {err}");
    }
}

#[test]
fn hostile_archives_put_nothing_elsewhere() {
    let small = world();
    let script = "import io, sys, tarfile
kind, path = sys.argv[1:]
out = tarfile.open(path, 'w')
def add(name, type=tarfile.REGTYPE, link='', data=b'x'):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type, link
    info.size = len(data) if type == tarfile.REGTYPE else 0
    out.addfile(info, io.BytesIO(data))
if kind == 'up': add('../../etc/passwd')
if kind == 'through': add('a', tarfile.SYMTYPE, '/etc'); add('a/passwd')
if kind == 'device': add('a', tarfile.CHRTYPE)
if kind == 'pipe': add('a', tarfile.FIFOTYPE)
if kind == 'nothing': add('a', tarfile.LNKTYPE, 'none')
if kind == 'absolute': add('/abs')
if kind == 'hard': add('a', tarfile.LNKTYPE, '/etc/passwd')
if kind == 'bomb':
    import gzip
    add('zeros', data=bytes(100 << 20))
out.close()
if kind == 'bomb': open(path + '.gz', 'wb').write(gzip.compress(open(path, 'rb').read()))
if kind == 'text': open(path, 'w').write('no archive')
if kind.startswith('zip'):
    import stat, zipfile
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as zip:
        def put(name, mode=0o100644, data=b'x'):
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr, info.compress_type = 3, mode << 16, 8
            zip.writestr(info, data)
        if kind == 'zip-up': put('../../etc/passwd')
        if kind == 'zip-absolute': put('/etc/passwd')
        if kind == 'zip-device': put('null', 0o020644)
        if kind == 'zip-through': put('a', 0o120777, b'/etc'); put('a/passwd')
        if kind == 'zip-bomb': put('zeros', data=bytes(100 << 20))
        if kind == 'zip-root': put('/')
        if kind == 'zip-bombs': [put(str(n), data=bytes(20 << 20)) for n in range(9)]
if kind == 'sparse':
    import os
    with open(path + '.sparse', 'wb') as file: file.truncate(40 << 30)
    os.system('tar -cSf %s -C %s evil.tar.sparse' % (path, os.path.dirname(path)))
if kind == 'lzma':
    import lzma
    open(path, 'wb').write(lzma.compress(open(path, 'rb').read(), lzma.FORMAT_ALONE))
if kind == 'twice':
    import gzip
    open(path + '.gz', 'wb').write(gzip.compress(gzip.compress(open(path, 'rb').read())))
if kind == 'zip-cut': open(path, 'wb').write(b'PK\\x03\\x04' + bytes(99))
";
    let attempt = |kind: &str| {
        let path = small.path("evil.tar");
        let packed = small.path("evil.tar.gz");
        let _ = fs::remove_file(&packed);
        run(Command::new("python3").args(["-c", script, kind]).arg(&path));
        let path = if packed.exists() { packed } else { path };
        let format = if kind.starts_with("zip") { "zip" } else { "tar" };
        let keys = format!("destination = \"/opt\"\nunpack = \"{format}\"");
        ask(&small, &format!("file:{}", path.display()), &fs::read(&path).unwrap(), &keys);
        build(&small, &[])
    };
    for (kind, why) in [
        ("up", "`..`"),
        ("through", "leads through the symbolic link"),
        ("device", "neither a file, a directory nor a symbolic link"),
        ("sparse", "its files have more than"),
        ("lzma", "it is compressed by lzma, which is not read"),
        ("twice", "compressed again, with gzip"),
        ("pipe", "neither a file, a directory nor a symbolic link"),
        ("nothing", "evil.tar"),
        ("hard", "evil.tar"),
        ("bomb", "unpacks to more than"),
        ("text", "is no tar archive"),
        ("zip-up", "../../etc/passwd in it leads out of it"),
        ("zip-root", "holds no file"),
        ("zip-device", "neither a file, a directory nor a symbolic link"),
        ("zip-through", "leads through the symbolic link"),
        ("zip-bomb", "unpacks to more than"),
        ("zip-bombs", "unpacks to more than"),
        ("zip-cut", "cannot be unpacked"),
    ] {
        let (code, said) = attempt(kind);
        assert_eq!(code, 1, "{kind}: {said}");
        assert!(said.contains(why) && said.contains("evil.tar"), "{kind}: {said}");
        // The archive is to blame, and not where it is to go.
        assert!(!said.contains("^ destination") && !said.contains("| destination"), "{kind}: {said}");
        assert!(!small.path("m/dist").exists(), "{kind}");
    }
    // As tar does it: below the directory where it is unpacked.
    for (kind, path) in [("absolute", "/opt/abs"), ("zip-absolute", "/opt/etc/passwd")] {
        assert_eq!(attempt(kind).0, 0);
        assert_eq!(tree(&small)[0].0, path);
    }
}

#[test]
fn mode_and_owner_hold_wherever_the_root_file_systems_links_lead() {
    let small = world();
    small.write("root/usr/local/lib/there", "x");
    small.write("root/opt/real/there", "x");
    small.link("root/local", "usr/local");
    small.link("root/opt/alias", "real");
    small.write("tool", "#!/bin/sh\n");
    let url = format!("file:{}", small.path("tool").display());
    for (destination, at) in [
        ("/local/bin/tool", "/usr/local/bin/tool"),
        ("/opt/alias/tool", "/opt/real/tool"),
        ("/opt//a/./tool", "/opt/a/tool"),
        ("/opt/tool/", "/opt/tool"),
        ("/opt/to[o]l", "/opt/to[o]l"),
        ("/opt/t*", "/opt/t*"),
        ("/opt/t\\\\\\\\ol", "/opt/t\\\\ol"),
    ] {
        ask(
            &small,
            &url,
            b"#!/bin/sh\n",
            &format!("destination = \"{destination}\"\nmode = \"0755\"\nowner = \"7:8\""),
        );
        let (code, said) = build(&small, &[]);
        assert_eq!(code, 0, "{destination}: {said}");
        assert!(tree(&small).contains(&(at.replace('\\', "\\\\"), 0o755, 7, 8)), "{destination}: {:?}", tree(&small));
    }
    run(Command::new("tar").arg("-C").arg(small.path("")).args(["-cf"]).arg(small.path("a.tar")).arg("tool"));
    let content = fs::read(small.path("a.tar")).unwrap();
    let url = format!("file:{}", small.path("a.tar").display());
    for (destination, at) in
        [("/local/x", "/usr/local/x/tool"), ("/opt/[", "/opt/[/tool"), ("/opt/a*", "/opt/a*/tool"), ("/", "/tool")]
    {
        ask(&small, &url, &content, &format!("destination = \"{destination}\"\nowner = \"7:8\"\nunpack = \"tar\""));
        let (code, said) = build(&small, &["--output", "dist"]);
        assert_eq!(code, 0, "{destination}: {said}");
        let listed = composefs::read(&fs::read(small.path("dist/module.cfs")).unwrap()).unwrap();
        let found =
            listed.lookup(&ImagePath::new(at).unwrap()).map(|id| (listed.node(id).stat.uid, listed.node(id).stat.gid));
        assert_eq!(found.unwrap_or((7, 8)), (7, 8), "{destination}");
        assert!(found.is_some() || destination == "/", "{destination}");
    }
}

#[test]
fn no_file_of_an_archive_is_lost_because_of_strip() {
    let small = world();
    small.write("one/a/x", "1");
    small.write("one/b/x/y", "2");
    run(Command::new("tar").arg("-C").arg(small.path("one")).arg("-cf").arg(small.path("a.tar")).args(["a", "b"]));
    let content = fs::read(small.path("a.tar")).unwrap();
    let url = format!("file:{}", small.path("a.tar").display());
    ask(&small, &url, &content, "destination = \"/opt\"\nunpack = \"tar\"\nstrip = 1");
    let (code, said) = build(&small, &[]);
    assert!(code == 1 && said.contains("become /x by `strip = 1`"), "{code}: {said}");
    fs::create_dir(small.path("none")).unwrap();
    run(Command::new("tar").arg("-C").arg(small.path("none")).arg("-cf").arg(small.path("a.tar")).arg("."));
    let content = fs::read(small.path("a.tar")).unwrap();
    ask(&small, &url, &content, "destination = \"/opt\"\nunpack = \"tar\"");
    let (code, said) = build(&small, &[]);
    assert!(code == 1 && said.contains("a.tar holds no file"), "{code}: {said}");
}

#[test]
fn an_owner_that_no_one_knows_is_said() {
    let small = world();
    small.write("tool", "x");
    let url = format!("file:{}", small.path("tool").display());
    for (owner, name) in [("keeper:root", "keeper"), ("0:keepers", "keepers")] {
        ask(&small, &url, b"x", &format!("destination = \"/opt/x\"\nowner = \"{owner}\""));
        let (code, said) = build(&small, &[]);
        let wanted = format!("is `{name}`, whom the root file system does not know: it is root's");
        assert!(code == 0 && said.contains("warning[file-owner]") && said.contains(&wanted), "{said}");
    }
    // Nor is a destination the program's own fault.
    for destination in ["/opt/a\\nb", "/opt/a ", "/opt/a\\u001b[31m", &"/a".repeat(600)] {
        ask(&small, &url, b"x", &format!("destination = \"{destination}\"\nmode = \"0755\""));
        let (code, said) = build(&small, &[]);
        assert!(code == 1 && said.contains("give the whole path in the image"), "{destination:?}: {code}: {said}");
    }
}

#[test]
fn attributes_of_a_given_root_file_system_that_are_not_kept_are_said() {
    let small = Small::new();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(small.path("root/etc/conf"), "user.origin", b"x", flags).unwrap();
    let (code, said) = build(&small, &["--output", "one"]);
    assert_eq!(code, 0, "{said}");
    let message =
        "note[file-attributes]: the extended attributes of /etc/conf in the root file system are not kept: user.origin";
    assert!(said.contains(message), "{said}");
    // The same bytes without it, and nothing to say.
    rustix::fs::removexattr(small.path("root/etc/conf"), "user.origin").unwrap();
    let (_, said) = build(&small, &["--output", "two"]);
    assert!(!said.contains("file-attributes"), "{said}");
    let image = |output: &str| fs::read(small.path(output).join("module.cfs")).unwrap();
    assert!(image("one") == image("two"));
}
