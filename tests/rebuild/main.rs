//! `rebuild` of builds from a given root file system: what it says and how it ends.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

mod layers;
#[path = "../small/mod.rs"]
mod small;

use std::fs;

use serde_json::json;
use small::Small;

const REBUILD: [&str; 4] = ["rebuild", "m/dist", "--rootfs", "root"];

fn built() -> Small {
    let small = Small::new();
    small.build("m/dist");
    small
}

#[test]
fn a_build_comes_out_of_its_inputs_again() {
    let small = built();
    let (code, out, err) = small.run(&REBUILD);
    assert_eq!((code, out.as_str()), (0, "m/dist came out again, byte for byte: 15 files\n"), "{err}");
    let left: Vec<_> = fs::read_dir(small.path("m")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "nothing is left beside the module's files: {left:?}");

    let (code, report) = small.json(&["rebuild", "m/dist/oci", "-C", "m", "--rootfs", "root", "--keep", "again"]);
    assert_eq!((code, &report["same"], &report["files"]), (0, &json!(true), &json!(7)));
    assert_eq!(small.run(&["diff", "m/dist", "again"]).0, 0, "the second build is kept");
}

#[test]
fn arguments_that_change_bytes_are_recorded_and_neighbours_need_not_be_there() {
    let small = Small::new();
    small.write("n/manifest.yaml", "schema_version: 1\nname: other\nprotected_spec:\n  - /etc/conf\n");
    small.edit("m/manifest.yaml", |text| text + "mask:\n  - /etc/conf\n");
    let arguments = ["--with", "n", "--tag", "v1", "--module-id", "7", "--compression", "none", "--emit", "oci"];
    small.build_with("m/dist", &arguments);
    small.remove("n/manifest.yaml");
    let (code, out, err) = small.run(&REBUILD);
    assert_eq!(code, 0, "{out}{err}");
    let record = fs::read_to_string(small.path("m/dist/build.json")).unwrap();
    assert!(record.contains("\"/etc/conf\"") && !record.contains("root\""), "{record}");
    assert!(!record.contains(small.path("").to_str().unwrap()), "no path of the host is recorded");
}

#[test]
fn a_build_for_another_architecture_comes_out_again_on_this_machine() {
    let small = Small::new();
    for arch in ["amd64", "arm64"] {
        small.build_with(&format!("m/{arch}"), &["--arch", arch]);
        let (code, out, err) = small.run(&["rebuild", &format!("m/{arch}"), "--rootfs", "root"]);
        assert_eq!(code, 0, "{arch}: {out}{err}");
    }
}

#[test]
fn a_record_that_no_build_can_have_written_is_refused() {
    type Change = fn(String) -> String;
    let cases: [(&str, Change); 4] = [
        ("a tag is at most 118", |text| text.replace("\"tag\": \"latest\"", "\"tag\": \"../up\"")),
        ("unknown variant `gzip`", |text| text.replace("\"compression\": \"zstd\"", "\"compression\": \"gzip\"")),
        ("it is no lint that can be allowed", |text| {
            text.replace("\"tag\": \"latest\"", "\"tag\": \"latest\", \"allow\": [\"all\"]")
        }),
        ("an identifier is one line of 1 to", |text| {
            text.replace("\"tag\": \"latest\"", "\"tag\": \"latest\", \"module_id\": \"\"")
        }),
    ];
    for (cause, change) in cases {
        let small = built();
        small.edit("m/dist/build.json", change);
        let (code, out, err) = small.run(&REBUILD);
        assert_eq!((code, out.as_str()), (3, ""), "{cause}: {err}");
        assert!(err.contains("is no record of a build") && err.contains(cause), "{err}");
    }
}

#[test]
fn the_number_of_jobs_changes_no_byte() {
    let small = Small::new();
    let text: String = (0..400_000).map(|number| format!("line {number}\n")).collect();
    small.write("root/usr/share/web/large", &text);
    for jobs in ["1", "7"] {
        small.build_with(&format!("m/dist-{jobs}"), &["--jobs", jobs, "--paranoid"]);
    }
    // The record has the digest of every output.
    let record = |jobs: &str| fs::read_to_string(small.path(&format!("m/dist-{jobs}/build.json"))).unwrap();
    assert!(record("1").contains("\"oci/index.json\""), "{}", record("1"));
    assert_eq!(record("1"), record("7"));
}

#[test]
fn the_record_is_the_same_wherever_the_build_ran() {
    let (a, b) = (built(), built());
    let record = |small: &Small| fs::read(small.path("m/dist/build.json")).unwrap();
    assert_eq!(record(&a), record(&b));
}

#[test]
fn an_input_that_changed_is_named_and_nothing_is_compared() {
    type Change = fn(&Small);
    let cases: [(&str, Change); 4] = [
        ("the overlay rootfs/: it was sha256:", |small| small.write("m/rootfs/etc/more", "more\n")),
        ("manifest.yaml: it was sha256:", |small| {
            small.edit("m/manifest.yaml", |text| text + "  - /usr/***\n");
        }),
        ("the root file system root: it was sha256:", |small| small.mode("root/etc/conf", 0o600)),
        ("the tool: it was module-builder 0.0.1, and this is module-builder", |small| {
            small.edit("m/dist/build.json", |text| {
                text.replace(concat!("module-builder ", env!("CARGO_PKG_VERSION")), "module-builder 0.0.1")
            });
        }),
    ];
    for (expected, change) in cases {
        let small = built();
        change(&small);
        let (code, out, err) = small.run(&REBUILD);
        assert_eq!((code, out.as_str()), (1, ""), "{expected}: {err}");
        assert!(err.contains(expected) && err.contains("nothing was compared"), "{expected}: {err}");
    }
}

#[test]
fn a_damaged_output_is_found_and_told_by_its_bytes() {
    let small = built();
    let image = small.path("m/dist/module.cfs");
    let mut bytes = fs::read(&image).unwrap();
    let at = bytes.len() - 3;
    bytes[at] ^= 0xff;
    let (before, after) = (format!("{:02x}", bytes[at]), format!("{:02x}", bytes[at] ^ 0xff));
    fs::write(&image, bytes).unwrap();
    small.remove("m/dist/file-list.txt");
    small.write("m/dist/oci/stray", "stray");
    let (code, report) = small.json(&REBUILD);
    assert_eq!(code, 5);
    let size = fs::metadata(&image).unwrap().len();
    let expected = json!([
        { "file": "file-list.txt", "layer": "after_the_build", "size_after": 106 },
        {
            "file": "module.cfs",
            "layer": "after_the_build",
            "size_before": size,
            "size_after": size,
            "bytes": {
                "differing": 1,
                "ranges": [{ "offset": at, "length": 1, "before": before, "after": after }]
            }
        },
        { "file": "oci/stray", "layer": "after_the_build", "size_before": 5 },
    ]);
    assert_eq!(report["differences"], expected);
    insta::assert_snapshot!("rebuild_damaged", small.show(&REBUILD));
}

#[test]
fn what_a_root_file_system_gave_differently_is_told_from_later_steps() {
    let small = built();
    // The same size and time, so that only the second build sees it.
    small.edit("root/usr/share/web/twin", |text| text.replace("twin", "town"));
    let aged = ["touch", "-d", "@1600000000"];
    let status =
        std::process::Command::new(aged[0]).args(&aged[1..]).arg(small.path("root/usr/share/web/twin")).status();
    assert!(status.unwrap().success());
    let (code, report) = small.json(&REBUILD);
    assert_eq!(code, 5);
    let layers: Vec<(&str, &str)> = report["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| (difference["file"].as_str().unwrap(), difference["layer"].as_str().unwrap()))
        .collect();
    assert!(
        layers.contains(&("module.cfs", "rootfs")) && layers.contains(&("oci/manifest of amd64", "rootfs")),
        "{layers:?}"
    );
}

#[test]
fn what_cannot_be_repeated_is_refused_with_a_hint() {
    let small = built();
    let (code, _, err) = small.run(&["rebuild", "m/dist"]);
    assert!(code == 1 && err.contains("--rootfs PATH"), "{err}");
    small.edit("m/dist/build.json", |text| text.replacen("\"format\": 1", "\"format\": 2", 1));
    let (code, _, err) = small.run(&REBUILD);
    assert!(code == 3 && err.contains("has the format 2, and 1 is known"), "{err}");
    small.remove("m/dist/build.json");
    let (code, _, err) = small.run(&REBUILD);
    assert!(code == 1 && err.contains("has no record of its build"), "{err}");
    insta::assert_snapshot!("no_record", small.show(&REBUILD));
}

#[test]
fn a_layout_without_its_record_says_where_it_was_looked_for_and_how_to_name_it() {
    let small = built();
    fs::rename(small.path("m/dist/oci"), small.path("layout")).unwrap();
    fs::rename(small.path("m/dist/build.json"), small.path("record")).unwrap();
    let layout = ["rebuild", "layout", "--rootfs", "root"];
    let more = |more: &[&'static str]| [&layout[..], more].concat();
    insta::assert_snapshot!("layout_no_record", small.show(&layout));
    insta::assert_snapshot!("layout_no_record_in_the_module", small.show(&more(&["-C", "m"])));
    insta::assert_snapshot!("layout_wrong_record", small.show(&more(&["-C", "m", "--record", "nowhere"])));
    let (code, _, err) = small.run(&more(&["--record", "record"]));
    assert!(code == 1 && err.contains("holds no manifest.yaml to build again from"), "{err}");
    assert!(err.contains("name the module's repository by -C DIR"), "{err}");
    assert_eq!(small.run(&more(&["-C", "m", "--record", "record"])).0, 0, "the hint works");
    fs::rename(small.path("record"), small.path("m/dist/build.json")).unwrap();
    assert_eq!(small.run(&more(&["-C", "m"])).0, 0, "and so does the other one");
}

#[test]
fn the_second_build_never_takes_the_place_of_the_first() {
    let small = built();
    small.write("m/dist/stray", "stray");
    for keep in ["m/dist", "m/dist/oci", "m/../m/dist/", "m"] {
        let (code, out, err) = small.run(&["rebuild", "m/dist", "--rootfs", "root", "--keep", keep]);
        assert!(code == 2 && out.is_empty() && err.contains("would overwrite the build"), "{keep}: {err}");
    }
    assert!(small.path("m/dist/stray").is_file());
}

#[test]
fn warnings_of_the_manifest_are_shown_once() {
    let small = Small::new();
    small.edit("m/manifest.yaml", |text| text + "license: Free as in beer\n");
    small.write("n/manifest.yaml", "schema_version: 1\nname: other\nfile_spec:\n  - /etc/page.html\n");
    small.build_with("m/dist", &["--with", "n"]);
    let (code, _, err) = small.run(&REBUILD);
    let conflicts: Vec<&str> = err.lines().filter(|line| line.starts_with("warning[both-ship]")).collect();
    let once: std::collections::BTreeSet<&str> = conflicts.iter().copied().collect();
    assert_eq!((code, err.matches("license-not-spdx").count(), conflicts.len()), (0, 1, once.len()), "{err}");
    assert!(!once.is_empty(), "{err}");
}

#[test]
fn what_is_no_file_in_a_dist_directory_is_refused() {
    let small = built();
    small.link("m/dist/endless", "/dev/zero");
    let (code, out, err) = small.run(&REBUILD);
    assert!(code == 3 && out.is_empty() && err.contains("m/dist/endless is no regular file"), "{err}");
}
