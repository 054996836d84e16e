//! What is printed: JSON for every path, nothing that a terminal acts on, and answers from what was built.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::small::Small;

/// A name that is no UTF-8, and holds what a terminal acts on.
const ODD: &[u8] = b"d\xff\x1b]0;x\x07\xc2\x9b\xe2\x80\xaee";

fn odd() -> &'static OsStr {
    OsStr::from_bytes(ODD)
}

/// Exit code and both outputs, as bytes.
fn run(small: &Small, arguments: &[&OsStr]) -> (i32, Vec<u8>, Vec<u8>) {
    let output = small.command().args(arguments).output().unwrap();
    (output.status.code().unwrap(), output.stdout, output.stderr)
}

fn words<'a>(text: &'a str, more: &[&'a OsStr]) -> Vec<&'a OsStr> {
    text.split(' ').map(OsStr::new).chain(more.iter().copied()).collect()
}

/// Fails if a terminal would act on `bytes`.
fn assert_clean(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|_| panic!("{what} is no UTF-8"));
    let acts = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.chars().any(acts), "{what}: {text:?}");
}

/// The JSON of a result.
fn json(small: &Small, code: i32, arguments: &[&OsStr]) -> Value {
    let arguments = [arguments, &[OsStr::new("--format"), OsStr::new("json")]].concat();
    let (found, out, err) = run(small, &arguments);
    let shown = || String::from_utf8_lossy(&err).into_owned();
    assert_eq!(found, code, "{arguments:?}: {}", shown());
    assert_clean("JSON", &out);
    assert_clean("messages", &err);
    serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", shown()))
}

fn decoded(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap_or_else(|| panic!("no base64: {value}"))).unwrap()
}

#[test]
fn results_name_paths_that_are_no_text() {
    let small = Small::new();
    let dist = small.path("").join(odd());
    let built = json(&small, 0, &words("build -C m --rootfs root --output", &[dist.as_os_str()]));
    assert_eq!(decoded(&built["output_base64"]), dist.as_os_str().as_bytes());
    assert_eq!(decoded(&built["oci"]["layout_base64"]), dist.join("oci").as_os_str().as_bytes());
    assert!(built.get("output").is_none());
    assert_eq!(built["rootfs"]["archive"], "root");

    json(&small, 0, &words("inspect", &[dist.as_os_str()]));
    let same = json(&small, 0, &words("diff", &[dist.as_os_str(), dist.as_os_str()]));
    assert_eq!(decoded(&same["before"]["path_base64"]), dist.as_os_str().as_bytes());
    let again = json(&small, 0, &words("rebuild -C m --rootfs root", &[dist.as_os_str()]));
    assert_eq!(decoded(&again["path_base64"]), dist.as_os_str().as_bytes());
}

#[test]
fn a_root_file_system_a_module_a_store_and_a_cache_may_have_such_names() {
    let small = Small::new();
    for (from, to) in [("root", "r"), ("m", "m")] {
        fs::rename(small.path(from), small.path("").join(OsStr::from_bytes(&[to.as_bytes(), ODD].concat()))).unwrap();
    }
    let place = |name: &str| OsString::from(OsStr::from_bytes(&[name.as_bytes(), ODD].concat()));
    let (root, module, store, cache) = (place("r"), place("m"), place("s"), place("c"));
    let flag = OsStr::new;
    let arguments = [
        [flag("build"), flag("-C"), &module, flag("--rootfs"), &root, flag("--objects"), &store],
        [flag("--cache-dir"), &cache, flag("--with"), &module, flag("--quiet"), flag("--emit"), flag("tar,oci")],
    ]
    .concat();
    let built = json(&small, 0, &arguments);
    assert_eq!(decoded(&built["rootfs"]["archive_base64"]), root.as_bytes());
    json(&small, 0, &[flag("validate"), &module, flag("--with"), &module][..2]);
    let env = json(&small, 0, &[flag("env"), flag("-C"), &module, flag("--cache-dir"), &cache]);
    assert_eq!(decoded(&env["cache_dir"]["value_base64"]), cache.as_bytes());
    for verb in ["dir", "list", "gc"] {
        let told = json(&small, 0, &[flag("cache"), flag(verb), flag("--cache-dir"), &cache]);
        let is_told = verb == "gc" || decoded(&told["directory_base64"]).ends_with(cache.as_bytes());
        assert!(is_told, "{told}");
    }
    let made = json(&small, 0, &[flag("init"), &place("i")]);
    assert!(made["files"].as_array().unwrap().iter().all(|file| file["path_base64"].is_string()), "{made}");
}

#[test]
fn a_path_of_the_image_that_is_no_text_is_explained_and_compared() {
    let small = Small::new();
    small.build("one");
    let name = Path::new("root/etc").join(odd());
    fs::write(small.path("").join(&name), "x\n").unwrap();
    std::os::unix::fs::symlink(odd(), small.path("root/etc/odd-link")).unwrap();
    small.build("two");
    let inside = [b"/etc/", ODD].concat();
    let told = json(&small, 0, &words("explain --rootfs root", &[OsStr::from_bytes(&inside), OsStr::new("m")]));
    assert_eq!(decoded(&told["path_base64"]), inside);
    assert_eq!(decoded(&told["asked_base64"]), inside);
    let told = json(&small, 0, &words("explain --rootfs root /etc/odd-link m", &[]));
    assert_eq!(decoded(&told["found"]["target_base64"]), ODD);
    let changes = json(&small, 5, &words("diff one two", &[]));
    let differences = changes["modules"][0]["files"]["differences"].as_array().unwrap();
    assert!(
        differences.iter().any(|one| one.get("path_base64").is_some_and(|path| decoded(path) == inside)),
        "{changes}"
    );
}

#[test]
fn no_format_of_any_verb_lets_through_what_a_terminal_acts_upon() {
    let small = Small::new();
    small.build("before");
    for name in ["up\u{202e}fdp.exe", "bell\u{7}", "c1\u{9b}31m", "line\nbreak", "iso\u{2066}late", "para\u{2029}graph"]
    {
        small.write(&format!("root/etc/{name}"), "x\n");
        small.write(&format!("m/rootfs/etc/o{name}"), "x\n");
        small.link(&format!("root/etc/l{name}"), &format!("gone\u{202e}{name}"));
    }
    let hostile = "a\u{202e}b\u{9b}31m\u{7}";
    small.write(
        "h/manifest.yaml",
        "schema_version: 1\nname: web\u{202e}\nfile_spec: [\"/etc/a\u{202e}\u{9b}*\", /x]\n\u{202e}k: 1\n",
    );
    small.write("p/manifest.yaml", "schema_version: 1\nname: web\nfile_spec: [\"/etc/a\\u202e*\", /etc/***]\n");
    let spaced = |text: &'static str| text.split(' ').collect::<Vec<_>>();
    let mut runs: Vec<Vec<&str>> = vec![
        spaced("build -C m --rootfs root --output after"),
        spaced("build -C p --rootfs root --output after-p"),
        spaced("inspect after"),
        spaced("inspect before"),
        spaced("diff before after"),
        spaced("diff --content before after"),
        spaced("rebuild after -C m --rootfs root"),
        spaced("explain --summary m --rootfs root"),
        spaced("validate h"),
        spaced("build -C h --rootfs root"),
        spaced("cache list"),
    ];
    let odd = ["build", "-C", hostile, "--rootfs", hostile];
    runs.push(odd.to_vec());
    runs.extend([vec!["inspect", hostile], vec!["validate", hostile], vec!["env", "-C", "m", "--cache-dir", hostile]]);
    runs.extend([vec!["build", "--no-such\u{202e}\x1b[31m"], vec![hostile], vec!["build", "--tag", hostile]]);
    runs.extend([vec!["explain", "/etc/up\u{202e}fdp.exe", "m", "--rootfs", "root"], vec!["lock", "-C", hostile]]);
    runs.extend([vec!["build", "-C", "m", "--rootfs", "root", "--module-id", hostile]]);
    runs.extend([vec!["build", "-C", "m", "--rootfs", "root", "--record", hostile], vec!["rebuild", hostile]]);
    for run in runs {
        for more in [&[][..], &["--format", "json"], &["--progress", "json"], &["--color", "always", "--quiet"]] {
            let arguments: Vec<&OsStr> = run.iter().chain(more).map(OsStr::new).collect();
            let (code, out, err) = self::run(&small, &arguments);
            assert_ne!(code, 70, "{arguments:?}");
            assert_clean(&format!("{arguments:?} on standard output"), &out);
            // Our own colours are the one exception.
            let err = String::from_utf8(err).unwrap();
            let own = |err: String, style: &str| err.replace(style, "");
            let styles = ["\x1b[1;31m", "\x1b[1;33m", "\x1b[1;36m", "\x1b[0m"];
            let plain = if more.contains(&"always") { styles.into_iter().fold(err, own) } else { err };
            let plain = if more.contains(&"always") { strip_styles(&plain) } else { plain };
            assert_clean(&format!("{arguments:?} on standard error"), plain.as_bytes());
        }
    }
}

/// `text` without the sequences that set colours.
fn strip_styles(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(0);
        out + if part[end..].starts_with('m') { &part[end + 1..] } else { "\x1b" }
    })
}

#[test]
fn a_build_is_explained_from_the_root_file_system_that_it_took() {
    let small = Small::new();
    small.build("m/dist");
    let (code, out, err) = small.run(&["explain", "/etc/conf", "m/dist"]);
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("the build took a root file system that the user named, not packages"), "{err}");
    assert!(err.contains("name the same one by --rootfs PATH"), "{err}");

    let (code, out, err) = small.run(&["explain", "/etc/conf", "m/dist", "--rootfs", "root"]);
    assert_eq!((code, err.contains("warning")), (0, false), "{err}");
    assert!(out.starts_with("/etc/conf is shipped"), "{out}");
    assert_eq!(small.run(&["explain", "--summary", "m/dist", "--rootfs", "root"]).0, 0);
    assert_eq!(small.run(&["explain", "--summary", "m/dist"]).0, 1);

    small.write("root/etc/conf", "another\n");
    let (code, _, err) = small.run(&["explain", "/etc/conf", "m/dist", "--rootfs", "root"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("the root file system root: it was sha256:"), "{err}");
}

#[test]
fn what_changed_since_the_build_is_not_explained_from_other_files() {
    let small = Small::new();
    small.build("m/dist");
    small.write("m/rootfs/etc/page.html", "<h1>other</h1>\n");
    small.edit("m/manifest.yaml", |text| text + "mask: [/etc/conf]\n");
    let (code, out, err) = small.run(&["explain", "/etc/conf", "m/dist", "--rootfs", "root"]);
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(
        err.contains("error: m/dist was made from other inputs than there are now: manifest.yaml: it was"),
        "{err}"
    );
    assert!(err.contains("help: name the module itself"), "{err}");
    assert!(err.contains("the overlay rootfs/: it was"), "{err}");
}

#[test]
fn a_record_of_a_build_that_is_damaged_explains_nothing() {
    let small = Small::new();
    small.build("m/dist");
    small.write("m/dist/build.json", "{\"format\": 1}");
    let (code, out, err) = small.run(&["explain", "/etc/conf", "m/dist", "--rootfs", "root"]);
    assert_eq!((code, out.as_str()), (3, ""), "{err}");
}

#[test]
fn the_files_of_findings_and_rules_have_their_bytes_in_json() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let small = Small::new();
    let odd = |name: &[u8]| small.path(".").join(OsStr::from_bytes(name));
    std::fs::rename(small.path("m"), odd(b"m\xff")).unwrap();
    let json = |arguments: &[&OsStr]| -> serde_json::Value {
        let output = small.command().args(arguments).args(["--format", "json"]).output().unwrap();
        let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&text)))
    };
    // `m\xff/manifest.yaml` and `m\xff/builder.toml`.
    let (manifest, settings) = ("bf8vbWFuaWZlc3QueWFtbA==", "bf8vYnVpbGRlci50b21s");
    let module = OsStr::from_bytes(b"m\xff");
    let explained = json(
        &["explain", "/etc/conf"]
            .map(OsStr::new)
            .into_iter()
            .chain([module])
            .chain(["--rootfs", "root"].map(OsStr::new))
            .collect::<Vec<_>>(),
    );
    assert!(explained.to_string().contains(&format!("\"file_base64\":\"{manifest}\"")), "{explained}");
    assert!(!explained.to_string().contains('\u{fffd}'), "{explained}");
    std::fs::write(odd(b"m\xff/manifest.yaml"), "schema_version: 1\nname: web\nfile_spek: []\n").unwrap();
    std::fs::write(odd(b"m\xff/builder.toml"), "sweet = 1\n").unwrap();
    let validated = json(&[OsStr::new("validate"), module]);
    let text = validated.to_string();
    assert!(text.contains(&format!("\"file_base64\":\"{manifest}\"")), "{text}");
    assert!(text.contains(&format!("\"file_base64\":\"{settings}\"")), "{text}");
}
