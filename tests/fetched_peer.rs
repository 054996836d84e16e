//! `[[file]]`: what is said where it goes wrong, at its place in `builder.toml`, and what is advised.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

#[allow(dead_code, reason = "other tests use the rest")]
mod small;

use std::fs;
use std::process::Command;

use model::Digest;
use serde_json::Value;
use small::Small;
use testkit::run;

fn world() -> Small {
    let small = Small::new();
    small.edit("m/manifest.yaml", |text| text + "  - /opt/***\n  - /usr/local/***\n");
    small
}

/// A table for the file `name` of the world, whose keys begin on line 5 behind a comment and a blank line.
fn ask(small: &Small, name: &str, keys: &str) {
    let path = small.path(name);
    let hex = Digest::of(&fs::read(&path).unwrap_or_default()).hex();
    let url = path.display();
    let text = format!("# A module.\n\n[[file]]\nurl = \"file:{url}\"\nsha256 = \"{hex}\"\n{keys}\n");
    small.write("m/builder.toml", &text);
}

/// The archive `name` of what is below `from`, by `tar` with `options`.
fn pack(small: &Small, name: &str, from: &str, options: &[&str]) {
    let mut tar = Command::new("tar");
    run(tar.arg("-C").arg(small.path(from)).arg("-cf").arg(small.path(name)).args(options).arg("."));
}

const BUILD: [&str; 7] = ["build", "-C", "m", "--rootfs", "root", "--arch", "amd64"];

fn build(small: &Small, more: &[&str]) -> (i32, String) {
    let (code, out, err) = small.run(&[&BUILD[..], more].concat());
    (code, out + &err)
}

/// The error of a build, for programs.
fn failure(small: &Small) -> Value {
    let (_, _, err) = small.run(&[&BUILD[..], &["--format", "json", "--quiet"]].concat());
    serde_json::from_str(&err).unwrap_or_else(|error| panic!("{error}: {err}"))
}

#[test]
fn every_error_about_a_file_names_its_place() {
    let small = world();
    small.write("pack/a/bin/tool", "#!/bin/sh\n");
    small.write("pack/b/bin/tool", "#!/bin/sh\n");
    pack(&small, "a.tar", "pack", &[]);
    small.write("text", "no archive\n");
    small.write("zeros", &"\0".repeat(100 << 20));
    run(Command::new("gzip").arg("-n").arg(small.path("zeros")));
    let said = |code: i32, place: &str, words: &str| {
        let (found, said) = build(&small, &[]);
        assert!(found == code && said.contains(words), "{words}: {found}: {said}");
        assert!(said.contains("error[file-unusable]: `file[0]` cannot be used"), "{said}");
        assert!(said.contains(&format!("[m/builder.toml:{place}]")), "{place}: {said}");
        let json = failure(&small);
        let at = &json["error"]["diagnostics"][0]["position"];
        assert_eq!(format!("{}:{}", at["line"], at["column"]), place, "{json}");
    };
    let to = "destination = \"/opt/x\"";
    ask(&small, "text", to);
    small.edit("m/builder.toml", |text| text.replace("/text\"", "/gone\""));
    said(4, "4:7", "there is no such file");
    ask(&small, "text", to);
    small.write("text", "another\n");
    said(3, "5:10", "the file there is not the one whose sha256 is wanted");
    ask(&small, "text", &format!("{to}\nunpack = \"zip\""));
    said(1, "7:10", "cannot be unpacked");
    ask(&small, "text", &format!("{to}\nunpack = \"tar\""));
    said(1, "7:10", "is no tar archive");
    ask(&small, "zeros.gz", &format!("{to}\nunpack = \"tar\""));
    said(1, "7:10", "unpacks to more than");
    ask(&small, "a.tar", &format!("{to}\nunpack = \"tar\"\ninclude = [\"/a/bin/tool\", \"/a/lib\"]"));
    said(1, "8:11", "the pattern `/a/lib` of `include` takes nothing");
    ask(&small, "a.tar", &format!("{to}\nunpack = \"tar\"\nstrip = 9"));
    said(1, "8:9", "`strip` leaves no file");
    ask(&small, "a.tar", &format!("{to}\nunpack = \"tar\"\nstrip = 1"));
    said(1, "8:9", "become /bin/tool by `strip = 1`");
    // A place that is taken, by a directory or by what is none.
    ask(&small, "text", "destination = \"/etc\"");
    said(1, "6:15", "it would replace the directory /etc");
    ask(&small, "a.tar", "destination = \"/etc/conf\"\nunpack = \"tar\"");
    said(1, "6:15", "it is a directory");
    // The second of two tables is the second.
    ask(&small, "a.tar", "destination = \"/opt\"\nunpack = \"tar\"");
    let hex = |bytes: &[u8]| Digest::of(bytes).hex();
    let first = hex(&fs::read(small.path("a.tar")).unwrap());
    small.edit("m/builder.toml", |text| text.clone() + &text.replace("/a.tar", "/none").replace(&first, &hex(b"none")));
    let (code, said) = build(&small, &[]);
    assert!(code == 4 && said.contains("`file[1]` cannot be used") && said.contains("m/builder.toml:11:7]"), "{said}");
}

#[test]
fn a_place_is_shown_without_the_secret_of_its_address_and_without_another_files_digest() {
    let small = world();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            use std::io::{Read as _, Write as _};
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nevil");
        }
    });
    let hex = Digest::of(b"good").hex();
    small.write(
        "m/builder.toml",
        &format!("[[file]]\nurl = \"http://127.0.0.1:{port}/x?token=hunter2&v=1\"\nsha256 = \"{hex}\"\ndestination = \"/opt/x\"\n"),
    );
    let (code, said) = build(&small, &[]);
    assert!(code == 3 && said.contains("m/builder.toml:3:10") && said.contains("token=***"), "{said}");
    assert!(said.contains(&Digest::of(b"evil").hex()) && !said.contains("hunter2"), "{said}");
    let json = failure(&small);
    assert!(!json.to_string().contains("hunter2"), "{json}");
    small.write("secret", "a secret of this machine");
    small.write(
        "m/builder.toml",
        &format!(
            "[[file]]\nurl = \"file:{}\"\nsha256 = \"{hex}\"\ndestination = \"/opt/x\"\n",
            small.path("secret").display()
        ),
    );
    let (code, said) = build(&small, &[]);
    assert!(code == 3 && said.contains("m/builder.toml:3:10"), "{said}");
    assert!(!said.contains(&Digest::of(b"a secret of this machine").hex()), "{said}");
}

#[test]
fn of_two_files_with_one_destination_none_is_lost_without_a_word() {
    let small = world();
    small.write("one", "1\n");
    let two = |first: &str, second: &str| {
        ask(&small, "one", first);
        small.edit("m/builder.toml", |text| text.clone() + &text.replace(first, second));
        build(&small, &[])
    };
    for (first, second) in [
        ("destination = \"/opt/x\"", "destination = \"/opt/x\"\nmode = \"0755\""),
        ("destination = \"/opt/x\"", "destination = \"/opt/./x/\""),
        (
            "destination = \"/opt/x\"\narchitectures = [\"amd64\", \"arm64\"]",
            "destination = \"/opt/x\"\narchitectures = [\"arm64\"]",
        ),
    ] {
        let (code, said) = two(first, second);
        assert!(code == 1 && said.contains("`file[1]` has the destination of `file[0]`"), "{second}: {said}");
    }
    for (first, second) in [
        ("destination = \"/opt/x\"", "destination = \"/opt/y\""),
        (
            "destination = \"/opt/x\"\narchitectures = [\"amd64\"]",
            "destination = \"/opt/x\"\narchitectures = [\"arm64\"]",
        ),
    ] {
        let (code, said) = two(first, second);
        assert_eq!(code, 0, "{second}: {said}");
    }
}

#[test]
fn an_archive_that_is_not_unpacked_is_a_note_that_says_how() {
    let small = world();
    small.write("pack/tool", "#!/bin/sh\n");
    for (name, destination, more, form) in [
        ("a.tar.gz", "/opt/tool", "", Some("tar")),
        ("a.TGZ", "/opt/tool/", "", Some("tar")),
        ("a.tar", "/opt/a.bin", "", Some("tar")),
        ("a.zip", "/opt/tool", "", Some("zip")),
        ("a.zip", "/opt/a.zip", "", None),
        ("a.tar.xz", "/opt/b.tgz", "", None),
        ("a.tar", "/opt/tool", "\nunpack = \"tar\"", None),
        ("a.gz", "/opt/a", "", None),
        ("atar", "/opt/a", "", None),
    ] {
        pack(&small, name, "pack", &[]);
        ask(&small, name, &format!("destination = \"{destination}\"{more}"));
        // A note is no error under --strict.
        let (_, said) = build(&small, &["--allow", "pattern-takes-nothing", "--strict"]);
        let hint = form.map(|form| format!("add unpack = \"{form}\""));
        assert_eq!(said.contains("note[file-packed]"), form.is_some(), "{name} {destination}: {said}");
        assert!(hint.is_none_or(|hint| said.contains(&hint) && said.contains("m/builder.toml:4:7")), "{said}");
        assert!(said.contains("built web"), "{said}");
    }
    let (_, said) = build(&small, &["--allow", "file-packed"]);
    assert!(!said.contains("file-packed"), "{said}");
}

#[test]
fn what_include_leaves_out_is_explained_by_it() {
    let small = world();
    for file in ["bin/tool", "bin/other", "share/doc/README"] {
        small.write(&format!("pack/{file}"), "x\n");
    }
    small.write("root/opt/keep", "x\n");
    small.link("root/alias", "opt");
    pack(&small, "a.tar", "pack", &[]);
    let explain = |path: &str| {
        let (code, out, err) = small.run(&["explain", path, "m", "--rootfs", "root", "--arch", "amd64"]);
        assert_eq!(code, 0, "{err}");
        out
    };
    for destination in ["/opt/t", "/alias/t"] {
        ask(&small, "a.tar", &format!("destination = \"{destination}\"\nunpack = \"tar\"\ninclude = [\"/bin/tool\"]"));
        for path in ["/opt/t/bin/other", "/opt/t/share/doc/README", "/opt/t/share", "/alias/t/bin/other"] {
            let said = explain(path);
            let because = "file[0].include (m/builder.toml:8:11) leaves it out of file:[SMALL]/a.tar";
            assert!(said.contains("is not shipped") && said.contains(because), "{path}: {said}");
        }
        assert!(explain("/opt/t/bin/tool").contains("is shipped"));
        assert!(explain("/opt/t/bin/none").contains("the root file system does not have it"));
    }
    let (_, json) = small.json(&["explain", "/opt/t/share", "m", "--rootfs", "root", "--arch", "amd64"]);
    assert_eq!(json["reason"], "not_included", "{json}");
    // The overlay's own file is there all the same.
    small.write("m/rootfs/opt/t/bin/other", "mine\n");
    assert!(explain("/opt/t/bin/other").contains("is shipped"));
}
