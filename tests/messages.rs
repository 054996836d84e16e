//! What the verbs say to wrong input: what happened, where, and how to fix it.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

#[allow(dead_code, reason = "other tests use the rest")]
mod small;

use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use small::Small;

/// A built module, and things that are none.
fn world() -> Small {
    let small = Small::new();
    small.build("m/dist");
    fs::create_dir(small.path("empty")).unwrap();
    small.write("text", "text\n");
    small.link("broken", "nowhere");
    // As good as a directory that one may not read, and so for root too.
    small.link("loop", "loop");
    small
}

/// Every run, one below the other.
fn transcript(small: &Small, runs: &[&[&str]]) -> String {
    runs.iter().fold(String::new(), |mut text, arguments| {
        let _ = writeln!(text, "$ {}\n{}", arguments.join(" "), small.show(arguments));
        text
    })
}

#[test]
fn a_place_that_is_not_what_the_verb_takes() {
    let small = world();
    for verb in ["inspect", "rebuild", "validate"] {
        let runs = ["nowhere", "empty", "text", "broken", "loop", "m"].map(|place| [verb, place]);
        let runs: Vec<&[&str]> =
            runs.iter().map(<[&str; 2]>::as_slice).filter(|run| run != &["validate", "m"]).collect();
        insta::assert_snapshot!(format!("place_{verb}"), transcript(&small, &runs));
    }
    let runs = ["nowhere", "empty", "text", "broken", "loop"].map(|place| ["explain", "/etc/conf", place]);
    let runs: Vec<&[&str]> = runs.iter().map(<[&str; 3]>::as_slice).collect();
    insta::assert_snapshot!("place_explain", transcript(&small, &runs));
    insta::assert_snapshot!(
        "place_diff",
        transcript(&small, &[&["diff", "m/dist", "nowhere"], &["diff", "text", "m/dist"]])
    );
}

#[test]
fn a_wrong_argument_of_a_build() {
    let small = world();
    let build = ["build", "-C", "m", "--rootfs"];
    let with = |more: &[&'static str]| [&build[..], more].concat();
    let runs = [
        with(&["nowhere"]),
        with(&["text"]),
        with(&["/dev/null"]),
        with(&["loop"]),
        with(&["root", "--objects", "text"]),
        vec!["build", "-C", "m/manifest.yaml"],
        vec!["lock", "-C", "m/manifest.yaml"],
        vec!["lock", "-C", "nowhere"],
    ];
    let runs: Vec<&[&str]> = runs.iter().map(Vec::as_slice).collect();
    insta::assert_snapshot!(transcript(&small, &runs));
}

#[test]
fn results_that_are_damaged() {
    let small = world();
    let mut text = String::new();
    let mut damaged = |what: &str, change: &dyn Fn(&Small)| {
        small.build("m/dist");
        change(&small);
        let _ = writeln!(text, "# {what}\n{}", small.show(&["inspect", "m/dist"]));
    };
    damaged("no composefs.digest", &|small| small.remove("m/dist/composefs.digest"));
    damaged("another text in composefs.digest", &|small| small.write("m/dist/composefs.digest", "text\n"));
    damaged("a longer image", &|small| {
        let mut image = fs::read(small.path("m/dist/module.cfs")).unwrap();
        image.extend([0; 4096]);
        fs::write(small.path("m/dist/module.cfs"), image).unwrap();
    });
    damaged("no index.json", &|small| small.remove("m/dist/oci/index.json"));
    damaged("another text in oci-layout", &|small| small.write("m/dist/oci/oci-layout", "text\n"));
    insta::assert_snapshot!(text);
}

#[test]
fn the_file_that_is_wrong_is_the_one_that_is_named() {
    let small = world();
    small.write("m/builder.toml", "suit = \"trixie\"\n");
    let both = [&["validate", "m"][..], &["build", "-C", "m", "--rootfs", "root"], &["lock", "-C", "m"]];
    insta::assert_snapshot!("wrong_setting", transcript(&small, &both));
    small.edit("m/manifest.yaml", |text| text + "nam: x\n");
    let (code, _, err) = small.run(&["validate", "m"]);
    assert_eq!(code, 1);
    assert!(err.ends_with("error: m/builder.toml and m/manifest.yaml are not valid: 2 errors\n"), "{err}");
}

/// What names a keyring that is not there, or that is none, is shown with its line.
#[test]
fn a_keyring_that_cannot_be_used_is_shown_at_its_line() {
    let small = Small::new();
    small.edit("m/manifest.yaml", |text| text + "package_spec: [web]\n");
    small.write("m/none.gpg", "none\n");
    small.write("m/empty.gpg", "");
    small.link("m/broken.gpg", "nowhere");
    fs::create_dir_all(small.path("m/keys")).unwrap();
    let debian =
        |keyring: &str| format!("# the mirror\nmirrors = [\"http://127.0.0.1:9/debian\"]\nkeyring = \"{keyring}\"\n");
    let cases = ["nowhere.gpg", "/nonexistent/x.gpg", "none.gpg", "empty.gpg", "broken.gpg", "keys"];
    let mut text = String::new();
    for keyring in cases {
        small.write("m/builder.toml", &debian(keyring));
        let _ = writeln!(text, "# {keyring}\n{}", small.show(&["lock", "-C", "m", "--arch", "amd64"]));
    }
    // Of an added archive, by each verb that resolves, from within the module too.
    let table = "[[repository]]\nuri = \"http://127.0.0.1:9/vendor\"\nsuite = \"./\"\n";
    for keyring in ["none.gpg", "nowhere.gpg"] {
        small.write("m/builder.toml", &format!("{table}keyring = \"{keyring}\"\n"));
        let _ = writeln!(text, "# {keyring}\n{}", small.show(&["build", "-C", "m", "--arch", "amd64"]));
    }
    let mut within = small.command();
    let within =
        within.args(["lock", "--arch", "amd64", "--format=json"]).current_dir(small.path("m")).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&within.stderr).unwrap();
    assert_eq!(within.status.code(), Some(1), "{json}");
    let place = &json["error"]["diagnostics"][0];
    assert_eq!((&place["file"], &place["position"]["line"]), (&"builder.toml".into(), &4.into()), "{json}");
    insta::assert_snapshot!("keyrings", text);
    // Whoever only looks is told the same.
    for keyring in cases {
        small.write("m/builder.toml", &debian(keyring));
        let (lock, validate) = (small.run(&["lock", "-C", "m", "--arch", "amd64"]), small.run(&["validate", "m"]));
        assert_eq!((lock.0, validate.0), (1, 1), "{}", validate.2);
        let error = lock.2.lines().find_map(|line| line.strip_prefix("error: ")).unwrap();
        // Lines are broken where a terminal's would be.
        let plain = |text: &str| text.split(|c: char| c.is_whitespace() || c == '│').collect::<String>();
        assert!(plain(&validate.2).contains(&plain(error)), "{error}: {}", validate.2);
        assert!(validate.2.contains("[m/builder.toml:3:11]"), "{}", validate.2);
    }
    for keyring in ["none.gpg", "nowhere.gpg"] {
        let own = format!("suite = \"x\"\n{table}keyring = \"{keyring}\"\n");
        small.write("m/builder.toml", &own);
        let (code, _, err) = small.run(&["validate", "m"]);
        assert!(code == 1 && err.contains("[m/builder.toml:5:11]"), "{err}");
    }
    // A key of its own packet form is one.
    fs::write(small.path("m/good.gpg"), [0x98, 8, 4, 0, 0, 0, 0, 1, 0, 1]).unwrap();
    small.write("m/builder.toml", &debian("good.gpg"));
    assert_eq!(small.run(&["validate", "m"]).0, 0);
}

/// A setting that no file has is answered by where it belongs.
#[test]
fn a_setting_that_belongs_elsewhere_is_answered_by_where() {
    let small = Small::new();
    for (line, place) in [
        ("snapshot = \"20250101T000000Z\"", "`build.apt_snapshot` in manifest.yaml"),
        ("apt_snapshot = \"20250101T000000Z\"", "`--snapshot TIME`"),
        ("snapshot = \"none\"", "`--snapshot TIME`"),
        ("arch = \"arm64\"", "give `--arch` to the run"),
        ("snapshot_miror = \"http://127.0.0.1\"", "did you mean `snapshot_mirror`?"),
    ] {
        small.write("m/builder.toml", &format!("{line}\n"));
        for verb in [&["validate", "m"][..], &["build", "m"], &["lock", "m"]] {
            let (code, _, err) = small.run(verb);
            let one_line = err.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(code == 1 && one_line.contains(place), "{line}: {err}");
        }
    }
}

#[test]
fn a_program_that_asks_for_json_gets_it_for_every_error() {
    let small = world();
    let wrong: [(&[&str], i32, &str); 9] = [
        (&["validate", "nowhere"], 1, "cannot read nowhere"),
        (&["validate", "--stric"], 2, "unexpected argument '--stric' found"),
        (&["biuld"], 2, "unrecognized subcommand 'biuld'"),
        (&["build", "--arch", "vax"], 2, "invalid value 'vax' for '--arch <ARCH>'"),
        (&["build", "--dry-run", "--objects", "x"], 2, "cannot be used with"),
        (&["diff"], 2, "the following required arguments were not provided: <A>"),
        (&["cache"], 2, "requires a subcommand but one was not provided"),
        (&["rebuild", "loop"], 1, "cannot read loop"),
        (&["explain", "/etc/conf", "empty"], 1, "is neither a module's repository"),
    ];
    for (arguments, code, message) in wrong {
        for format in [&["--format", "json"][..], &["--format=json"]] {
            let (found, out, err) = small.run(&[arguments, format].concat());
            assert_eq!((found, out.as_str()), (code, ""), "{arguments:?}: {err}");
            let json: serde_json::Value = serde_json::from_str(&err).unwrap_or_else(|error| panic!("{error}: {err}"));
            assert_eq!(json["error"]["exit_code"], code);
            assert!(json["error"]["message"].as_str().unwrap().contains(message), "{json}");
            assert!(!json["error"]["hint"].as_str().unwrap_or_default().is_empty(), "{arguments:?} has a hint: {json}");
        }
    }
    let (code, out, _) = small.run(&["--format", "json", "--help"]);
    assert!(code == 0 && out.contains("Commands:"), "help stays what it is");
    let (_, _, err) = small.run(&["validate", "--stric", "--", "--format=json"]);
    assert!(err.starts_with("error: unexpected argument"), "behind `--` there are files: {err}");
}

/// The commands that `init` says come next, run by two shells from where it ran: each argument is the directory that was named.
#[test]
fn a_printed_command_means_to_a_shell_what_it_says() {
    let small = Small::new();
    small.write("bin/module-builder", "#!/bin/sh\nfor word; do printf '%s\\0' \"$word\"; done\n");
    small.mode("bin/module-builder", 0o755);
    let said = |command: &str, shell: &str, program: &str| {
        let mut run = std::process::Command::new(shell);
        run.args(["-c", command]).current_dir(small.path("")).env("PATH", format!("{program}:/usr/bin:/bin"));
        run.output().unwrap()
    };
    let real = assert_cmd::cargo::cargo_bin!("module-builder").parent().unwrap().display().to_string();
    let ours = small.path("bin").display().to_string();
    let names: [&[u8]; 14] = [
        b"plain/web-1.0",
        b"my web",
        b"it's \"odd\"",
        b"-web",
        b"--name=x y",
        b"a;touch made",
        b"$(touch made)`touch made`",
        b"~root",
        b"#a&b|c>made",
        b"a*[b]?\\!",
        b"two\nlines 100% \\ 'odd' \"$(touch made)\"",
        b"ends\n",
        b"\xff\xfe",
        "gr\u{f6}\u{df}e\u{202e}".as_bytes(),
    ];
    for name in names {
        let directory = std::ffi::OsStr::from_bytes(name);
        let output = small.command().args(["init", "--name", "web", "--"]).arg(directory).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        let next: Vec<&str> = text.lines().skip_while(|line| *line != "next:").skip(1).map(str::trim).collect();
        assert_eq!(next.len(), 4, "{text}");
        for (command, shell) in next.iter().flat_map(|command| [(command, "sh"), (command, "bash")]) {
            let words = said(command, shell, &ours).stdout;
            let word = words.strip_suffix(b"\0").unwrap().rsplit(|byte| *byte == 0).next().unwrap();
            let word = word.strip_prefix(b"./").unwrap_or(word);
            assert_eq!(word.strip_suffix(b"/").unwrap_or(word), name, "{shell}: {command}");
        }
        let valid = said(next[0], "sh", &real);
        assert!(valid.status.success(), "{}: {}", next[0], String::from_utf8_lossy(&valid.stderr));
    }
    assert!(!small.path("made").exists());
}

/// A build that fails after its files were found wanting says both, to people and to programs.
#[test]
fn what_was_found_before_a_failure_is_shown_with_it() {
    let small = Small::new();
    let ships = "schema_version: 1\nname: base\nfile_spec: [/opt/***, /etc/***]\n";
    small.write("base/manifest.yaml", ships);
    // The first is refused before a manifest is read, the second for want of a lock.
    let build = ["build", "-C", "m", "--rootfs", "root", "--with", "base", "--objects", "m/manifest.yaml/x"];
    let late = ["build", "-C", "m", "--frozen", "--with", "base", "--arch", "amd64"];
    for (arguments, is_found) in [(&build[..], false), (&late[..], true)] {
        let (code, _, err) = small.run(arguments);
        assert_ne!(code, 0, "{err}");
        assert_eq!(err.contains("both-ship]: "), is_found, "{err}");
        assert!(err.contains("error: "), "{err}");
        let (_, _, err) = small.run(&[arguments, &["--format", "json"]].concat());
        let error: serde_json::Value = serde_json::from_str(err.lines().last().unwrap()).unwrap();
        assert_eq!(error["error"]["conflicts"].as_array().unwrap().is_empty(), !is_found, "{err}");
        assert!(!err.contains("both-ship]: "), "{err}");
    }
}

#[test]
fn a_pattern_for_what_is_scrubbed_names_the_rule() {
    let small = Small::new();
    for name in ["resolv.conf", ".resolv.conf.systemd-resolved.bak", "ssh/ssh_host_ed25519_key"] {
        small.write(&format!("root/etc/{name}"), "x\n");
    }
    let rules = "  - /etc/.resolv.conf.systemd-resolved.bak\n  - /etc/ssh/ssh_host_*\n  - /etc/none\n";
    small.edit("m/manifest.yaml", |text| text + rules);
    for more in [&[][..], &["--dry-run"]] {
        let arguments = [&["build", "-C", "m", "--rootfs", "root", "--arch", "amd64"], more].concat();
        let (code, _, err) = small.run(&arguments);
        assert_eq!(code, 0, "{err}");
        for path in ["/etc/.resolv.conf.systemd-resolved.bak", "/etc/ssh/ssh_host_ed25519_key"] {
            assert!(
                err.contains(&format!("the pattern takes nothing: {path} is in no module, by the scrub rule ")),
                "{err}"
            );
        }
        assert!(err.contains("by the scrub rule resolv-conf") && err.contains("remove the pattern: "), "{err}");
        assert_eq!(err.matches("nothing in the root file system has such a name").count(), 1, "{err}");
    }
}
