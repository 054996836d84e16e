//! `inspect` and `diff` of images and dumps that no build made.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

#[allow(dead_code, reason = "other tests use the rest")]
mod small;

use std::fs;

use image::composefs::Foreign;
use serde_json::json;
use small::Small;

const ROOT: &str = "/ 4096 40755 2 0 0 0 0.0 - - -\n";
const DIGEST: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A world with dumps, and the images of them in both versions: `NAME.dump`, `NAME-0.cfs`, `NAME-1.cfs`.
fn world() -> Small {
    let small = Small::new();
    let dump = |name: &str, lines: &str| {
        let text = format!("{ROOT}{lines}");
        small.write(&format!("{name}.dump"), &text);
        let foreign = Foreign::of_dump(text.as_bytes()).unwrap();
        for version in [0, 1] {
            fs::write(small.path(&format!("{name}-{version}.cfs")), foreign.write(version).unwrap()).unwrap();
        }
    };
    dump("plain", "/conf 3 100644 1 0 0 0 5.0 - abc -\n/link 4 120777 1 0 0 0 5.0 conf - -\n");
    let open =
        "/a 100 100644 1 0 0 0 0.0 some/file - -\n/b 70 100644 2 0 33 0 0.0 - - -\n/c 0 @100644 2 0 0 0 0.0 /b - -\n";
    dump("open", open);
    dump("one", "/a 100 100644 1 0 0 0 0.0 some/file - -\n");
    dump("named", &format!("/a 100 100644 1 0 0 0 0.0 other/file - {DIGEST}\n/b 70 100644 1 0 33 0 0.0 - - -\n"));
    // What marks a directory with a whiteout takes the place of attributes of its own.
    dump("marked", "/d 4096 40755 2 0 0 0 0.0 - - - trusted.overlay.opaque=y\n/d/w 0 20000 1 0 0 0 0.0 - - -\n");
    dump("huge", "/bigfile 9000000000000000 100777 1 0 0 0 0.0 - - -\n");
    let most: String = (0..3000).map(|n| format!("/f{n} 9007199254740992 100644 1 0 0 0 0.0 - - -\n")).collect();
    dump("most", &most);
    small
}

#[test]
fn images_of_others_are_shown() {
    let small = world();
    let mut text = String::new();
    for path in ["plain-0.cfs", "plain-1.cfs", "open-0.cfs", "open-1.cfs", "one-1.cfs", "huge-0.cfs", "most-0.cfs"] {
        text += &format!("# inspect {path}\n{}\n", small.show(&["inspect", path]));
    }
    for path in ["plain.dump", "open.dump", "huge.dump"] {
        text += &format!("# inspect {path}\n{}\n", small.show(&["inspect", path]));
    }
    insta::assert_snapshot!("foreign_inspect", text);
    let (code, report) = small.json(&["inspect", "open-0.cfs"]);
    let module = &report["modules"][0];
    assert_eq!((code, &report["kind"], &module["foreign_version"]), (0, &json!("module.cfs"), &json!(0)));
    assert_eq!(module["image"]["without_digest"], 2);
    let (code, report) = small.json(&["inspect", "plain.dump"]);
    let module = &report["modules"][0];
    assert_eq!((code, &report["kind"], &module["foreign_version"]), (0, &json!("dump"), &json!(0)));
    assert_eq!((&module["image"]["without_digest"], &module["blobs"]), (&json!(null), &json!({})));
    // The digests are those of the two images.
    for (key, image) in [("composefs_digest", "plain-1.cfs"), ("version_0_digest", "plain-0.cfs")] {
        assert_eq!(module[key], small.json(&["inspect", image]).1["modules"][0]["composefs_digest"]);
    }
    // Nothing is said of a build's own that was not said before.
    small.build("m/dist");
    let (_, report) = small.json(&["inspect", "m/dist/module.cfs"]);
    let module = report["modules"][0].as_object().unwrap();
    assert!(!module.contains_key("foreign_version") && module["image"].get("without_digest").is_none());
}

#[test]
fn images_of_others_are_compared() {
    let small = world();
    let mut text = String::new();
    for (a, b) in [
        ("plain-0.cfs", "plain-1.cfs"),
        ("plain-0.cfs", "plain.dump"),
        ("plain.dump", "plain-1.cfs"),
        ("marked.dump", "marked-1.cfs"),
        ("marked-0.cfs", "marked.dump"),
        ("open.dump", "open-0.cfs"),
        ("open-0.cfs", "open-1.cfs"),
        ("open-1.cfs", "named-1.cfs"),
        ("plain.dump", "huge.dump"),
        ("most.dump", "most-0.cfs"),
    ] {
        text += &format!("# diff {a} {b}\n{}\n", small.show(&["diff", a, b]));
    }
    insta::assert_snapshot!("foreign_diff", text);
    let (code, report) = small.json(&["diff", "open.dump", "named.dump"]);
    assert_eq!(code, 5);
    let files = &report["modules"][0]["files"];
    assert_eq!((&files["without_digest_before"], &files["without_digest_after"]), (&json!(2), &json!(1)));
    let change = &files["differences"][0];
    assert_eq!((&change["path"], &change["aspects"]), (&json!("/a"), &json!(["content", "backing_file"])));
    assert_eq!(change["before"]["backing_file"], "some/file");
    assert!(change["before"].get("content").is_none());
}

#[test]
fn a_dump_is_the_image_again() {
    let small = world();
    small.build("m/dist");
    let dump = |path: &str| {
        let (code, out, err) = small.run(&["inspect", "--dump", path]);
        assert_eq!((code, err.as_str()), (0, ""), "{path}");
        out
    };
    let own = dump("m/dist/module.cfs");
    assert!(own.starts_with("/ 4096 40755 4 ") && own.ends_with('\n'), "{own}");
    for form in ["m/dist", "m/dist/oci", "m/dist/module.tar"] {
        assert_eq!(dump(form), own, "{form}");
    }
    small.write("own", &own);
    assert_eq!(dump("own"), own);
    for other in ["m/dist", "m/dist/module.cfs", "m/dist/module.tar"] {
        assert_eq!(small.run(&["diff", "own", other]).1, "the builds are the same\n");
    }
    let digest = |path: &str| small.json(&["inspect", path]).1["modules"][0]["composefs_digest"].clone();
    assert_eq!(digest("own"), digest("m/dist"));
    // For a program the dump is the same text.
    assert_eq!(small.run(&["inspect", "--dump", "own", "--format", "json"]).1, own);
    assert_eq!(dump("open-0.cfs"), dump("open.dump"));
    assert_eq!(
        dump("open.dump"),
        fs::read_to_string(small.path("open.dump"))
            .unwrap()
            .replace("/c 0 @", "/c 70 @")
            .replace("@100644 2 0 0 0", "@100644 2 0 33 0")
    );
}

#[test]
fn what_is_no_dump_says_where() {
    let small = world();
    small.write("bad.dump", &format!("{ROOT}/a 0 644 1 0 0 0 0.0 - - -\n"));
    small.write("escape", &format!("{ROOT}/a\\q\u{1b}[31m 0 100644 1 0 0 0 0.0 - - -\n"));
    small.write("empty.dump", "");
    small.write("text.dump", "hello\n");
    let marks = "trusted.overlay.opaque=longer user.overlay.opaque=longer trusted.overlay.whiteouts=longer";
    small.write("marks.dump", &format!("{} {marks}\n/w 0 20644 1 0 0 0 0.0 - - -\n", ROOT.trim_end()));
    let mut text = String::new();
    for arguments in [
        &["inspect", "bad.dump"][..],
        &["inspect", "escape"],
        &["inspect", "empty.dump"],
        &["inspect", "--dump", "text.dump"],
        &["inspect", "marks.dump"],
        &["diff", "plain.dump", "bad.dump"],
    ] {
        text += &format!("# {}\n{}\n", arguments.join(" "), small.show(arguments));
    }
    insta::assert_snapshot!("foreign_errors", text);
}

/// More links than there is memory for are no crash.
#[test]
fn a_dump_of_any_kind_is_no_crash() {
    let small = Small::new();
    let links: String = (0..600_000).map(|n| format!("/{n} 0 @100644 1 0 0 0 0.0 /a - -\n")).collect();
    let attributes: String = (0..3000).map(|n| format!(" {n}=")).collect();
    let many = format!("/a 0 100644 1 0 0 0 0.0 - - -{attributes}\n");
    let attributes: String = (0..1200).map(|n| many.replace("/a ", &format!("/{n} "))).collect();
    for (name, lines) in [("links", links), ("attributes", attributes)] {
        small.write(name, &format!("{ROOT}{lines}"));
        let script = format!("ulimit -v 200000; exec \"$0\" inspect {name}");
        let binary = assert_cmd::cargo::cargo_bin("module-builder");
        let output =
            std::process::Command::new("sh").arg("-c").arg(script).arg(binary).current_dir(small.path("")).output();
        let output = output.unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{name}: {text}");
        assert!(text.contains("memory"), "{name}: {text}");
    }
}

/// What is in no form that a tool writes hides nothing: a changed bit is refused or is another image.
#[test]
fn a_changed_image_of_others_is_refused_or_another() {
    let small = world();
    let digest = |path: &str| small.json(&["inspect", path]).1["modules"][0]["composefs_digest"].clone();
    let truth = digest("open-0.cfs");
    let good = fs::read(small.path("open-0.cfs")).unwrap();
    let mut random = testkit::Random::from_environment();
    for _ in 0..60 {
        let mut bad = good.clone();
        let at = usize::try_from(random.below(good.len() as u64)).unwrap();
        bad[at] ^= 1 << random.below(8);
        fs::write(small.path("mutant"), &bad).unwrap();
        let (code, text, _) = small.run(&["inspect", "mutant"]);
        assert!(code == 3 || (code == 0 && digest("mutant") != truth), "{at}: {code} {text}");
    }
    for length in [1, good.len() / 2, good.len() - 1] {
        fs::write(small.path("cut.cfs"), &good[..length]).unwrap();
        assert_eq!(small.run(&["inspect", "cut.cfs"]).0, 3, "{length}");
    }
    // A build's results hold no image but that of a build, even where all digests beside it say so.
    small.build("m/dist");
    fs::copy(small.path("plain-0.cfs"), small.path("m/dist/module.cfs")).unwrap();
    let digest = truth_of(&small, "plain-0.cfs");
    fs::write(small.path("m/dist/composefs.digest"), format!("{digest}\n")).unwrap();
    assert_eq!(small.run(&["inspect", "m/dist"]).0, 3);
}

fn truth_of(small: &Small, path: &str) -> String {
    small.json(&["inspect", path]).1["modules"][0]["composefs_digest"].as_str().unwrap().to_owned()
}
