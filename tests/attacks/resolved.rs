//! 1. What was resolved is checked where it gets its type.
//!
//! A record of a build and a lock may come from anyone. Each test takes one that is read, changes one thing in
//! it, and expects that it is refused before anyone is asked for anything.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use assert_cmd::cargo::cargo_bin_cmd;
use model::Digest;
use serde_json::{Value, json};

use crate::small::Small;

/// A module that was built, and an archive on loopback that says whether anyone asked it for something.
struct World {
    small: Small,
    archive: TcpListener,
}

impl World {
    fn new() -> Self {
        let small = Small::new();
        small.build("m/dist");
        let archive = TcpListener::bind("127.0.0.1:0").unwrap();
        archive.set_nonblocking(true).unwrap();
        Self { small, archive }
    }

    fn uri(&self) -> String {
        format!("http://{}/debian", self.archive.local_addr().unwrap())
    }

    /// Whether someone asked the archive for something since the last time.
    fn was_asked(&self) -> bool {
        let mut asked = false;
        while self.archive.accept().is_ok() {
            asked = true;
        }
        asked
    }

    /// The record of the build, had it been made from one package.
    fn record(&self) -> Value {
        let mut record: Value =
            serde_json::from_slice(&fs::read(self.small.path("m/dist/build.json")).unwrap()).unwrap();
        let zero = Digest::new([0; 32]);
        record["inputs"]["rootfs"] = json!({
            "from": "packages",
            "key": zero,
            "tools": { "apt": "2.6.1", "mmdebstrap": "1.3.5-7" },
            "components": ["main"],
            "resolution": {
                "arch": "amd64",
                "suite": "trixie",
                "variant": "extract",
                "requests": ["plainpkg"],
                "release": {
                    "uri": self.uri(), "path": "trixie", "inrelease": zero, "date": 1_600_000_000, "suite": "stable",
                    "codename": "trixie", "origin": "Debian", "label": "Debian",
                },
                "packages": [{
                    "name": "plainpkg", "arch": "all", "version": "1", "source": "plainpkg", "source_version": "1",
                    "url": format!("{}/pool/plainpkg_1_all.deb", self.uri()), "path": "pool/plainpkg_1_all.deb",
                    "size": 7, "sha256": zero, "reason": "requested",
                }],
            },
        });
        record
    }

    /// What `rebuild` says of the record after `change`; it has ten seconds.
    fn rebuild(&self, change: impl FnOnce(&mut Value)) -> (i32, String) {
        let mut record = self.record();
        change(&mut record);
        fs::write(self.small.path("forged.json"), record.to_string()).unwrap();
        let mut command = cargo_bin_cmd!("module-builder");
        command.env_clear().env("HOME", self.small.path("home")).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.args(["rebuild", "m/dist", "--record", "forged.json"]).current_dir(self.small.path(""));
        let output = command.timeout(Duration::from_secs(10)).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap_or(-1), said)
    }

    /// Fails unless the record after `change` is refused, and no one was asked for anything.
    #[track_caller]
    fn refused(&self, what: &str, change: impl FnOnce(&mut Value)) {
        let (code, said) = self.rebuild(change);
        assert!(code == 3 && said.contains("is no record of a build"), "{what}: exit {code}, {said}");
        assert!(said.len() < 2000 && !said.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{what}: {said:?}");
        assert!(!self.was_asked(), "{what}: the archive was asked");
    }

    /// The first package of the record after `change`.
    #[track_caller]
    fn refused_package(&self, field: &str, text: &Value) {
        self.refused(&format!("{field} {}", shown(&text.to_string())), |record| {
            record["inputs"]["rootfs"]["resolution"]["packages"][0][field] = text.clone();
        });
    }
}

/// As much of a text as a message of this test has room for.
fn shown(text: &str) -> String {
    text.escape_debug().take(60).collect()
}

/// Texts that apt, mmdebstrap or a file of theirs reads as more than one word.
const ODD: [&str; 20] = [
    "-oDPkg::Pre-Invoke::=id${IFS}>/tmp/x",
    "-o",
    "--simulate",
    "--",
    "libc6=1",
    "foo/sid",
    "a,b",
    "a b",
    "foo-",
    "foo^",
    "foo&",
    "?essential",
    "~n",
    "^plainpkg$",
    "Plainpkg",
    "plain\npkg",
    "plain\u{0}pkg",
    "plain\u{1b}[2Jpkg",
    "plain\u{202e}pkg",
    "plaïnpkg",
];

#[test]
fn a_record_that_is_as_it_was_written_is_taken() {
    let world = World::new();
    let (code, said) = world.rebuild(|_| {});
    assert!(world.was_asked(), "exit {code}: {said}");
    assert!(!said.contains("no record of a build"), "{said}");
}

#[test]
fn no_odd_name_of_a_record_reaches_a_program() {
    let world = World::new();
    let long = "a".repeat(1 << 20);
    for odd in ODD.into_iter().chain(["", "a", &long]) {
        world.refused_package("name", &odd.into());
        world.refused_package("source", &odd.into());
        if !["Plainpkg", "foo-", "a"].contains(&odd) {
            world.refused_package("version", &odd.into());
            world.refused_package("source_version", &odd.into());
        }
        world.refused_package("reason", &format!("required by {odd}").into());
    }
    for odd in ["-1", "", "because", "base: ", "base: a\nb", "required by"] {
        world.refused_package("reason", &odd.into());
    }
    for odd in ["arm64", "--simulate", "all,amd64", "any", "", "amd64\n"] {
        world.refused_package("arch", &odd.into());
        world.refused(odd, |record| record["inputs"]["rootfs"]["resolution"]["arch"] = odd.into());
    }
}

#[test]
fn a_record_that_runs_a_command_by_a_packages_name_is_refused() {
    // The package is there, and says of itself what the record says of it: nothing but its name is wrong.
    let world = World::new();
    let mark = world.small.path("mark");
    let name = format!("-oDPkg::Pre-Invoke::=id${{IFS}}>{}", mark.display());
    let control =
        format!("Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n");
    let deb = deb(&control);
    fs::create_dir(world.small.path("pool")).unwrap();
    fs::write(world.small.path("pool/0.deb"), &deb).unwrap();
    let uri = format!("file:{}", world.small.path("pool").display());
    world.refused("a name that is an option", |record| {
        let resolution = &mut record["inputs"]["rootfs"]["resolution"];
        resolution["release"]["uri"] = uri.clone().into();
        let package = &mut resolution["packages"][0];
        (package["name"], package["path"]) = (name.into(), "0.deb".into());
        (package["url"], package["size"]) = (format!("{uri}/0.deb").into(), deb.len().into());
        package["sha256"] = json!(Digest::of(&deb));
    });
    assert!(!mark.exists());
}

/// A package whose control file is `control`, and which has no files.
fn deb(control: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(control.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "./control", control.as_bytes()).unwrap();
    let empty = tar::Builder::new(Vec::new()).into_inner().unwrap();
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, member) in
        [("debian-binary", b"2.0\n".to_vec()), ("control.tar", builder.into_inner().unwrap()), ("data.tar", empty)]
    {
        bytes.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, member.len()).bytes());
        bytes.extend(&member);
        bytes.extend(vec![b'\n'; member.len() % 2]);
    }
    bytes
}

#[test]
fn a_refusal_says_what_is_wrong_and_what_to_do() {
    let world = World::new();
    let mut told = String::new();
    let mut tell = |change: &dyn Fn(&mut Value)| {
        let (code, said) = world.rebuild(change);
        told += &format!("exit code: {code}\n{said}\n");
    };
    tell(&|record| record["inputs"]["rootfs"]["resolution"]["packages"][0]["name"] = "-oDPkg::Pre-Invoke::=id".into());
    tell(&|record| record["inputs"]["rootfs"]["resolution"]["packages"][0]["url"] = "file:///etc/shadow".into());
    tell(&|record| record["inputs"]["rootfs"]["resolution"]["release"]["codename"] = "--simulate".into());
    tell(&|record| record["outputs"]["../x"] = json!({ "sha256": Digest::of(b""), "size": 0 }));
    insta::assert_snapshot!(told);
}

#[test]
fn a_neighbour_of_a_record_is_a_manifest() {
    let world = World::new();
    for odd in [json!({ "name": "x" }), json!({}), json!([]), json!(1), json!({ "": 0 })] {
        world.refused(&odd.to_string(), |record| record["inputs"]["neighbours"] = json!([odd]));
    }
    let whole = json!({ "schema_version": 1, "name": "other", "mask": ["/a b \" c/***"] });
    let (code, said) = world.rebuild(|record| record["inputs"]["neighbours"] = json!([whole]));
    assert!(code != 3 || !said.contains("neighbour"), "{code}: {said}");
    world.was_asked();
    world.refused("too many", |record| record["inputs"]["neighbours"] = json!(vec![whole.clone(); 1001]));
}

#[test]
fn a_refusal_names_the_field_of_a_package_that_is_none() {
    let world = World::new();
    for (field, text, shown) in [
        ("source", "Plain_Pkg", "the source \\\"Plain_Pkg\\\""),
        ("source_version", "", "the source version \\\"\\\""),
        ("version", "", "the version"),
        ("name", "Plain_Pkg", "the name"),
    ] {
        let (code, said) = world.rebuild(|record| {
            record["inputs"]["rootfs"]["resolution"]["packages"][0][field] = text.into();
        });
        assert!(code == 3 && said.contains(&shown.replace('\\', "")), "{field}: {code}, {said}");
    }
}

#[test]
fn nothing_is_fetched_but_packages_below_the_recorded_archives() {
    let world = World::new();
    let uri = world.uri();
    let secret = world.small.path("secret");
    fs::write(&secret, "secret\n").unwrap();
    for (path, url) in [
        ("plainpkg.deb", format!("file://{}", secret.display())),
        ("plainpkg.deb", "file:///etc/shadow".to_owned()),
        ("plainpkg.deb", "http://127.0.0.1:9/debian/plainpkg.deb".to_owned()),
        ("plainpkg.deb", format!("{uri}/other.deb")),
        ("plainpkg.deb", format!("{uri}/plainpkg.deb#")),
        ("plainpkg.deb", format!("{uri}/plainpkg.deb?x")),
        ("plainpkg.deb", format!("{uri}/plainpkg.deb\n")),
        ("plainpkg.deb", format!("{uri}//plainpkg.deb")),
        ("plainpkg.deb", format!("{uri}/%2e%2e/plainpkg.deb")),
        ("plainpkg.deb", uri.replace("http://", "http://user:word@") + "/plainpkg.deb"),
        ("../plainpkg.deb", format!("{uri}/../plainpkg.deb")),
        ("/plainpkg.deb", format!("{uri}//plainpkg.deb")),
        ("pool//plainpkg.deb", format!("{uri}/pool//plainpkg.deb")),
        ("pool/./plainpkg.deb", format!("{uri}/pool/./plainpkg.deb")),
        ("shadow", format!("{uri}/shadow")),
        ("", format!("{uri}/")),
    ] {
        world.refused(&format!("{path:?} {url:?}"), |record| {
            let package = &mut record["inputs"]["rootfs"]["resolution"]["packages"][0];
            (package["path"], package["url"]) = (path.into(), url.clone().into());
        });
    }
    // The archive is the directory of the secret, which is no package.
    for (uri, path) in [("file:/etc", "shadow"), ("file:/", "etc/shadow"), ("copy:/etc", "passwd")] {
        world.refused(&format!("{uri} {path}"), |record| {
            let resolution = &mut record["inputs"]["rootfs"]["resolution"];
            resolution["release"]["uri"] = uri.into();
            (resolution["packages"][0]["path"], resolution["packages"][0]["url"]) =
                (path.into(), format!("{uri}/{path}").into());
        });
    }
    for size in [json!((32_u64 << 30) + 1), json!(1_u64 << 60), json!(1_u64 << 63), json!(-1), json!(1.5)] {
        world.refused_package("size", &size);
    }
}

#[test]
fn a_file_of_this_machine_tells_nothing_of_itself() {
    let world = World::new();
    let folder = world.small.path("home/private");
    fs::create_dir_all(&folder).unwrap();
    let uri = format!("file:{}", folder.display());
    let of_size = |size: u64| {
        world.rebuild(|record| {
            let resolution = &mut record["inputs"]["rootfs"]["resolution"];
            resolution["release"]["uri"] = uri.clone().into();
            let package = &mut resolution["packages"][0];
            (package["path"], package["url"]) = ("own.deb".into(), format!("{uri}/own.deb").into());
            package["size"] = size.into();
        })
    };
    let text = "private words\n";
    fs::write(folder.join("own.deb"), text).unwrap();
    for size in [7, text.len() as u64] {
        let (code, said) = of_size(size);
        assert!(code == 3 && said.contains("the file there is not the one that is locked"), "exit {code}: {said}");
        let digest = Digest::of(text.as_bytes());
        assert!(!said.contains("14") && !said.contains(&digest.hex()), "{said}");
    }
    fs::remove_file(folder.join("own.deb")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, folder.join("own.deb"), rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
    let (code, said) = of_size(7);
    assert!(code == 3 && said.contains("is a named pipe, not a regular file"), "exit {code}: {said}");
    fs::remove_file(folder.join("own.deb")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.join("own.deb")).unwrap();
    let (code, said) = of_size(7);
    assert!(code == 3 && said.contains("is a device, not a regular file"), "exit {code}: {said}");
}

#[test]
fn no_odd_text_about_an_archive_reaches_a_program() {
    let world = World::new();
    let long = "a".repeat(1 << 20);
    for odd in ["--simulate", "-h", "../x", "a b", "a\nSuite: b", "a\u{0}", "a,b", "[trusted=yes]", "ä", &long] {
        for field in ["path", "suite", "codename"] {
            world.refused(&format!("{field} {}", shown(odd)), |record| {
                record["inputs"]["rootfs"]["resolution"]["release"][field] = odd.into();
            });
        }
        world.refused(&shown(odd), |record| record["inputs"]["rootfs"]["resolution"]["suite"] = odd.into());
        world.refused(&shown(odd), |record| record["inputs"]["rootfs"]["components"][0] = odd.into());
    }
    for odd in ["a\nb", "\u{1b}[2J", "a\u{202e}b", &long] {
        for field in ["origin", "label"] {
            world.refused(field, |record| record["inputs"]["rootfs"]["resolution"]["release"][field] = odd.into());
        }
    }
    for uri in
        ["http://u:p@mirror.example.org/x", "ftp://x/y", "http://a b/", "file:/srv/%2e%2e/etc", "file:///srv", "-o"]
    {
        world.refused(uri, |record| {
            let resolution = &mut record["inputs"]["rootfs"]["resolution"];
            resolution["release"]["uri"] = uri.into();
            resolution["packages"][0]["url"] = format!("{uri}/pool/plainpkg_1_all.deb").into();
        });
    }
    for variant in ["buildd", "--simulate", ""] {
        world.refused(variant, |record| record["inputs"]["rootfs"]["resolution"]["variant"] = variant.into());
    }
    for request in ["-o", "a b", "nginx=1/sid", "~n", ""] {
        world.refused(request, |record| record["inputs"]["rootfs"]["resolution"]["requests"][0] = request.into());
    }
}

#[test]
fn packages_of_a_record_are_few_sorted_and_there_once() {
    let world = World::new();
    let packages = |record: &mut Value, names: &[&str]| {
        let uri = record["inputs"]["rootfs"]["resolution"]["release"]["uri"].as_str().unwrap().to_owned();
        let list = record["inputs"]["rootfs"]["resolution"]["packages"].as_array_mut().unwrap();
        let one = list.pop().unwrap();
        for name in names {
            let mut package = one.clone();
            package["name"] = (*name).into();
            (package["path"], package["url"]) = (format!("{name}.deb").into(), format!("{uri}/{name}.deb").into());
            list.push(package);
        }
    };
    world.refused("twice", |record| packages(record, &["one", "one"]));
    world.refused("unsorted", |record| packages(record, &["two", "one"]));
    world.refused("too large together", |record| {
        let names: Vec<String> = (100..200).map(|number| format!("p{number}")).collect();
        packages(record, &names.iter().map(String::as_str).collect::<Vec<_>>());
        for package in record["inputs"]["rootfs"]["resolution"]["packages"].as_array_mut().unwrap() {
            package["size"] = (32_u64 << 30).into();
        }
    });
    world.refused("archives without end", |record| {
        let resolution = &mut record["inputs"]["rootfs"]["resolution"];
        resolution["more_releases"] = vec![resolution["release"].clone(); 100].into();
    });
    world.refused_package("more", &"an unknown key".into());
}

#[test]
fn what_else_a_record_says_is_what_a_build_can_have_written() {
    let world = World::new();
    let long = "a".repeat(1 << 20);
    let set = |pointer: &str, value: Value| {
        let pointer = pointer.to_owned();
        move |record: &mut Value| *record.pointer_mut(&pointer).unwrap() = value
    };
    for (pointer, odd) in [
        ("/inputs/tool", json!("")),
        ("/inputs/tool", json!("a\nb")),
        ("/inputs/tool", json!(long)),
        ("/inputs/name", json!("../web")),
        ("/inputs/name", json!("-o")),
        ("/inputs/name", json!("Web")),
        ("/inputs/arch", json!("arm64")),
        ("/inputs/arch", json!("--simulate")),
        ("/inputs/epoch", json!(-1)),
        ("/inputs/rootfs/components", json!([])),
        ("/inputs/rootfs/components", json!(["-o"])),
        ("/inputs/rootfs/components", json!(["main contrib"])),
        ("/inputs/rootfs/tools", json!({ "-o": "1" })),
        ("/inputs/rootfs/tools", json!({ "tar": "1\n2" })),
        ("/inputs/rootfs/tools", json!({ "tar": long })),
        ("/inputs/options/tag", json!("-o")),
        ("/inputs/options/tag", json!("../up")),
        ("/inputs/options/tag", json!("a\nb")),
        ("/inputs/options/compression", json!("gzip")),
        ("/inputs/options/compression", json!(long)),
        (
            "/inputs/options",
            json!({ "emit_tar": true, "emit_oci": true, "compression": "zstd", "tag": "v1", "allow": ["all"] }),
        ),
        (
            "/inputs/options",
            json!({ "emit_tar": true, "emit_oci": true, "compression": "zstd", "tag": "v1", "allow": [long] }),
        ),
        (
            "/inputs/options",
            json!({ "emit_tar": true, "emit_oci": true, "compression": "zstd", "tag": "v1", "module_id": "" }),
        ),
        (
            "/inputs/options",
            json!({ "emit_tar": true, "emit_oci": true, "compression": "zstd", "tag": "v1", "module_id": "a\nb" }),
        ),
        ("/outputs", json!({ "../../etc/x": { "sha256": Digest::of(b""), "size": 0 } })),
        ("/outputs", json!({ "/etc/passwd": { "sha256": Digest::of(b""), "size": 0 } })),
        ("/outputs", json!({ "signing.key": { "sha256": Digest::of(b""), "size": 0 } })),
    ] {
        world.refused(&format!("{pointer} {}", shown(&odd.to_string())), set(pointer, odd));
    }
    world.refused("neighbours", |record| record["inputs"]["neighbours"] = json!(["text"]));
    world.refused("a key without end", |record| record["inputs"]["rootfs"][&long] = json!(1));
}

/// The text of a lock of one package, before it is changed.
const LOCK: &str = r#"version = 1
manifest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
settings = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

[inputs]
suite = "trixie"
variant = "extract"
components = ["main"]
mirrors = ["http://mirror.example.org/debian"]
keyring = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

[[architecture]]
arch = "amd64"
requests = ["plainpkg"]

[[architecture.archive]]
uri = "http://mirror.example.org/debian"
path = "trixie"
inrelease = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
date = 1600000000
suite = "stable"
codename = "trixie"
origin = "Debian"

[[architecture.package]]
name = "plainpkg"
version = "1"
arch = "all"
source = "plainpkg"
source_version = "1"
path = "pool/plainpkg_1_all.deb"
size = 7
sha256 = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
reason = "requested"
"#;

#[test]
fn a_lock_is_held_to_the_same_rules() {
    let small = Small::new();
    small.write("m/manifest.yaml", "schema_version: 1\nname: web\nfile_spec: [/usr/***]\npackage_spec: [plainpkg]\n");
    small.write("m/builder.toml", "suite = \"trixie\"\nvariant = \"extract\"\n");
    let frozen = |lock: &str| {
        small.write("m/module.lock", lock);
        let (code, _, err) = small.run(&["build", "-C", "m", "--frozen", "--arch", "amd64"]);
        (code, err)
    };
    let (code, err) = frozen(LOCK);
    assert!(code == 1 && !err.contains("module.lock cannot be used"), "exit {code}: {err}");
    let mut cases = Vec::new();
    for odd in ODD {
        for (field, value) in [("name = ", "\"plainpkg\""), ("\nsource = ", "\"plainpkg\"")] {
            cases.push((format!("{field}{value}"), format!("{field}{}", toml_string(odd))));
        }
        if !["Plainpkg", "foo-"].contains(&odd) {
            cases.push(("version = \"1\"".to_owned(), format!("version = {}", toml_string(odd))));
        }
        cases.push(("\"requested\"".to_owned(), toml_string(&format!("required by {odd}"))));
    }
    for odd in ["--simulate", "-h", "a b", "a\nSuite: b", "../x", "ä"] {
        cases.push(("codename = \"trixie\"".to_owned(), format!("codename = {}", toml_string(odd))));
        cases.push(("suite = \"stable\"".to_owned(), format!("suite = {}", toml_string(odd))));
        cases.push(("components = [\"main\"]".to_owned(), format!("components = [{}]", toml_string(odd))));
        cases.push(("suite = \"trixie\"".to_owned(), format!("suite = {}", toml_string(odd))));
    }
    for (from, to) in [
        ("origin = \"Debian\"", "origin = \"a\\u001b[2J\""),
        ("origin = \"Debian\"", "label = \"a\\nb\""),
        ("arch = \"all\"", "arch = \"--simulate\""),
        ("arch = \"all\"", "arch = \"all,amd64\""),
        ("path = \"pool/plainpkg_1_all.deb\"", "path = \"shadow\""),
        ("path = \"pool/plainpkg_1_all.deb\"", "path = \"../x.deb\""),
        ("path = \"pool/plainpkg_1_all.deb\"", "path = \"pool//x.deb\""),
        ("size = 7", "size = 9223372036854775807"),
        ("keyring = ", "snapshot = \"../x\"\nkeyring = "),
        ("reason = ", "more = 1\nreason = "),
    ] {
        cases.push((from.to_owned(), to.to_owned()));
    }
    for (from, to) in cases {
        let lock = LOCK.replacen(&from, &to, 1);
        assert_ne!(lock, LOCK, "{from}");
        let (code, err) = frozen(&lock);
        assert!(code == 1 && err.contains("module.lock cannot be used"), "{to:?}: exit {code}, {err}");
        assert!(err.len() < 2000 && !err.contains(['\u{1b}', '\u{202e}']), "{to:?}: {err:?}");
    }
    let both = |uri: &str| LOCK.replace("http://mirror.example.org/debian", uri);
    for uri in
        ["http://u:p@mirror.example.org/x", "ftp://mirror.example.org", "file:/srv/%2e%2e/etc", "-o", "file:/srv/a%0ab"]
    {
        let (code, err) = frozen(&both(uri));
        assert!(code == 1 && err.contains("module.lock cannot be used"), "{uri}: exit {code}, {err}");
    }
}

/// `text` as a string of TOML.
fn toml_string(text: &str) -> String {
    let escaped: String = text.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
    format!("\"{escaped}\"")
}

/// What a signed archive says is still someone else's. Needs gpg, apt and mmdebstrap, as the tests of faults do.
#[cfg(feature = "peer-tests")]
mod mirror {
    use std::fs;

    use crate::archive::{World, debs};

    #[test]
    fn a_signed_index_that_names_odd_things_is_not_used() {
        for (from, to) in [
            ("Package: lib\n", "Package: -oDPkg::Pre-Invoke::=id\n"),
            ("Package: lib\n", "Package: lib/sid\n"),
            ("Package: lib\n", "Package: lib=1\n"),
            ("Package: lib\n", "Package: Lib\n"),
            ("Package: lib\n", "Package: lib-\n"),
            ("Version: 1\n", "Version: -1\n"),
            ("Version: 1\n", "Version: 1 2\n"),
            ("Architecture: all\n", "Architecture: --simulate\n"),
            ("Architecture: all\n", "Architecture: all,amd64\n"),
            ("Filename: pool/lib_1_all.deb", "Filename: ../../../../etc/shadow"),
            ("Filename: pool/lib_1_all.deb", "Filename: /etc/shadow"),
            ("Filename: pool/lib_1_all.deb", "Filename: pool/shadow"),
            ("Filename: pool/lib_1_all.deb", "Filename: pool//lib_1_all.deb"),
            ("Size: ", "Size: 9223372036854775808"),
        ] {
            let world = World::new(&debs("1"));
            world.publish_changed(&debs("1"), "", &|index| {
                let changed = index.replace(from, to);
                assert_ne!(index, changed, "{from}");
                changed
            });
            let failed = world.build(&[]).unwrap_err();
            assert!(matches!(failed.code, Some(1 | 3 | 4)), "{to}: {failed:?}");
            assert!(!world.path("module/dist").exists() && !failed.stderr.contains("shadow:"), "{to}: {failed:?}");
        }
    }

    #[test]
    fn a_local_archive_of_devices_and_pipes_is_refused_before_apt_reads_it() {
        for scheme in ["file", "copy"] {
            for name in ["InRelease", "Release", "Release.gpg", "main/binary-amd64/Packages.xz"] {
                let world = World::new(&debs("1"));
                world.take_from(&format!("{scheme}:{}", world.path("archive").display()));
                let path = world.path("archive/dists/test").join(name);
                let refused = |what: &str| {
                    let mut command = world.wrapped(&["timeout", "-s", "KILL", "20"]);
                    let output = command.args(["lock", "-C", "module", "--arch", "amd64"]).output().unwrap();
                    let said = String::from_utf8_lossy(&output.stderr).into_owned();
                    assert_eq!(output.status.code(), Some(1), "{name}: {said}");
                    assert!(said.contains(&format!("{name} is {what}, not a regular file")), "{said}");
                    assert!(said.contains("help: "), "{said}");
                };
                let _ = fs::remove_file(&path);
                std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
                refused("a device");
                fs::remove_file(&path).unwrap();
                assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
                refused("a named pipe");
            }
        }
    }

    #[test]
    fn a_record_that_gives_a_package_another_name_is_refused() {
        let world = World::new(&debs("1"));
        world.build(&[]).unwrap();
        let record = fs::read_to_string(world.path("module/dist/build.json")).unwrap();
        let rebuild = |record: &str| {
            fs::write(world.path("forged.json"), record).unwrap();
            let arguments = ["rebuild", "-C", "module", "module/dist", "--record", "forged.json"];
            let output = world.command().args(arguments).output().unwrap();
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let (code, said) = rebuild(&record);
        assert_eq!(code, Some(0), "{said}");
        for (from, to) in [("\"name\": \"lib\"", "\"name\": \"lic\""), ("\"version\": \"1\"", "\"version\": \"2\"")] {
            let forged = record.replace(from, to);
            assert_ne!(forged, record);
            let (code, said) = rebuild(&forged);
            assert!(code == Some(3) && said.contains("not the one that the record names"), "{code:?}: {said}");
        }
    }

    #[test]
    fn what_an_archive_calls_itself_is_left_out_where_it_is_no_name() {
        let world = World::new(&debs("1"));
        world.publish(&debs("1"), "Suite: -o\nCodename: --simulate\nLabel: \u{1b}[2J\nOrigin: \u{202e}Debian\n");
        world.build(&[]).unwrap();
        let record = fs::read_to_string(world.path("module/dist/build.json")).unwrap();
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        let release = &record["inputs"]["rootfs"]["resolution"]["release"];
        for field in ["suite", "codename", "label", "origin"] {
            assert!(release[field].is_null(), "{release}");
        }
        // It is a record that is read again, and a lock.
        let output = world.command().args(["rebuild", "-C", "module", "module/dist"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        for _ in 0..2 {
            let output = world.command().args(["lock", "-C", "module", "--arch", "amd64"]).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
    }
}
