//! Whole runs of the binary in a cleared environment: standard output, standard error and exit code.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;

/// An empty directory and an environment with nothing but a home below it.
struct World {
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = cargo_bin_cmd!("module-builder");
        command.env_clear().env("HOME", self.path("home")).env("COLUMNS", "100").current_dir(self.directory.path());
        command
    }

    /// Runs the binary and gives everything that came out of it.
    fn run(&self, arguments: &[&str]) -> String {
        self.finish(self.command().args(arguments))
    }

    fn finish(&self, command: &mut Command) -> String {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            text.replace(self.directory.path().to_str().unwrap(), "[WORLD]")
        };
        let code = output.status.code().expect("the program ends by itself");
        format!("exit code: {code}\n--- stdout\n{}--- stderr\n{}", text(output.stdout), text(output.stderr))
    }

    fn json(&self, arguments: &[&str]) -> (i32, serde_json::Value) {
        let output = self.command().args(arguments).output().unwrap();
        (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
    }
}

const GOOD: &str = "schema_version: 1\nname: web\nlicense: MIT\npackage_spec: [nginx]\n\
                    protected_spec: [/etc/nginx/***]\nfile_spec: [/usr/sbin/nginx]\n";
const BAD: &str = "schema_version: 2\nname: Web\nmaks:\n  - /etc/nginx\nfile_spec:\n  - etc/passwd\n  - /a/../b\n\
                   package_spec:\n  - Nginx!\nservices:\n  - name: a\n    restart_policy: sometimes\n";

#[test]
fn validate_says_that_a_good_manifest_is_valid() {
    let world = World::new();
    world.write("manifest.yaml", GOOD);
    insta::assert_snapshot!(world.run(&["validate"]));
    let (code, report) = world.json(&["validate", "--format", "json"]);
    assert_eq!(code, 0);
    assert_eq!(report["valid"], true);
    for list in ["errors", "warnings", "conflicts"] {
        assert_eq!(report[list], serde_json::json!([]), "{list}");
    }
}

#[test]
fn validate_shows_every_error_with_its_line() {
    let world = World::new();
    world.write("m/manifest.yaml", BAD);
    world.write("m/builder.toml", "suit = \"trixie\"\n");
    insta::assert_snapshot!(world.run(&["validate", "m"]));
}

#[test]
fn validate_gives_every_error_as_json_and_fails_all_the_same() {
    let world = World::new();
    world.write("m/manifest.yaml", BAD);
    world.write("m/builder.toml", "suit = \"trixie\"\n");
    insta::assert_snapshot!(world.run(&["validate", "m", "--format", "json"]));
}

#[test]
fn validate_with_a_neighbour_reports_what_both_claim() {
    let world = World::new();
    world.write("manifest.yaml", GOOD);
    world.write("other/manifest.yaml", GOOD.replace("name: web", "name: proxy"));
    insta::assert_snapshot!(world.run(&["validate", "--with", "other"]));
    let (code, report) = world.json(&["validate", "--with", "other/manifest.yaml", "--format", "json"]);
    assert_eq!(code, 1);
    assert_eq!(report["valid"], false);
    assert!(!report["conflicts"].as_array().unwrap().is_empty());
}

#[test]
fn strict_makes_warnings_errors() {
    let world = World::new();
    world.write("manifest.yaml", GOOD.replace("MIT", "Free as in beer"));
    insta::assert_snapshot!("warning", world.run(&["validate"]));
    insta::assert_snapshot!("warning_strict", world.run(&["validate", "--strict"]));
}

#[test]
fn validate_without_a_manifest_says_how_to_make_one() {
    insta::assert_snapshot!(World::new().run(&["validate"]));
}

#[test]
fn the_schema_is_a_valid_one_and_takes_what_validate_takes() {
    let world = World::new();
    let (code, schema) = world.json(&["schema"]);
    assert_eq!(code, 0);
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    assert!(validator.is_valid(&serde_json::json!({ "schema_version": 1, "name": "web" })));
    assert!(!validator.is_valid(&serde_json::json!({ "schema_version": 1, "name": "web", "maks": [] })));
    assert!(!validator.is_valid(&serde_json::json!({ "schema_version": 2, "name": "web" })));
}

#[test]
fn init_writes_a_module_that_validates_without_a_warning() {
    let world = World::new();
    insta::assert_snapshot!("init", world.run(&["init", "web-server"]));
    insta::assert_snapshot!("init_then_validate", world.run(&["validate", "--strict", "web-server"]));
    let manifest = fs::read_to_string(world.path("web-server/manifest.yaml")).unwrap();
    assert!(manifest.contains("\nname: web-server\n"), "{manifest}");
    assert_eq!(world.command().args(["init", "--name", "shop", "x"]).output().unwrap().stdout, b"x\n");
    assert!(fs::read_to_string(world.path("x/manifest.yaml")).unwrap().contains("\nname: shop\n"));
}

#[test]
fn the_template_as_it_lies_in_the_repository_is_what_init_writes() {
    let world = World::new();
    world.command().args(["init", "--name", "nginx", "w"]).assert().success();
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/nginx");
    assert_eq!(files(&world.path("w")), files(&template));
}

#[test]
fn the_empty_template_validates_without_a_warning_and_names_what_one_adds() {
    let world = World::new();
    let said = world.run(&["init", "tool", "--template", "empty"]);
    for verb in ["validate tool", "lock tool", "build --dry-run -C tool", "build -C tool"] {
        assert!(said.contains(&format!("module-builder {verb}\n")), "{verb}: {said}");
    }
    assert!(world.run(&["validate", "--strict", "tool"]).contains("is valid"));
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/empty");
    world.command().args(["init", "empty", "--template", "empty"]).assert().success();
    assert_eq!(files(&world.path("empty")), files(&template));
    // What the templates show as remarks is right once it is none.
    for template in ["empty", "nginx"] {
        world.command().args(["init", &format!("{template}-all"), "--template", template]).assert().success();
        let path = world.path(&format!("{template}-all/builder.toml"));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("# [[file]]") && text.contains("[overlay]"), "{text}");
        let is_key =
            |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b"_0123456789".contains(&b));
        let is_setting = |line: &str| {
            let rest = line.strip_prefix("# ").unwrap_or_default();
            rest.starts_with(['[', '"']) || rest.split_once(" = ").is_some_and(|(key, _)| is_key(key))
        };
        let plain: String = text
            .lines()
            .filter(|line| !line.contains("vendor.gpg") && !line.contains("mirrors = ["))
            .map(|line| format!("{}\n", if is_setting(line) { &line[2..] } else { line }))
            .collect();
        fs::write(&path, plain).unwrap();
        let said = world.run(&["validate", &format!("{template}-all")]);
        assert!(said.contains("is valid"), "{said}");
    }
}

#[test]
fn what_belongs_into_builder_toml_is_sent_there() {
    let world = World::new();
    for (lines, words) in [
        ("file:\n  - url: file:/x", "as a table [[file]]"),
        ("overlay: {}", "as the table [overlay]"),
        ("variant: extract", "write `variant` into builder.toml"),
        ("file_spec: ['file:/srv/tool']", "[[file]] in builder.toml"),
        ("file_spec: ['https://h.example.org/tool']", "[[file]] in builder.toml"),
    ] {
        world.write("m/manifest.yaml", format!("schema_version: 1\nname: m\n{lines}\n"));
        let said = world.run(&["validate", "m"]);
        assert!(said.contains(words), "{lines}: {said}");
    }
}

#[test]
fn each_wrong_address_has_a_hint_of_its_own() {
    let world = World::new();
    world.write("m/manifest.yaml", "schema_version: 1\nname: m\n");
    let sha256 = "0".repeat(64);
    for (url, words) in [
        ("http://127.0.0.1:99999/x", "a port from 1 to 65535"),
        ("ftp://h.example.org/x", "nothing is fetched by another way"),
        ("x.tar", "give a whole address"),
        ("https://h.example.org/../x", "without the `..`"),
        ("http://[::1]/x", "IPv4"),
        ("https://h.example.org/", "ends in a slash"),
    ] {
        let table = format!("[[file]]\nurl = \"{url}\"\nsha256 = \"{sha256}\"\ndestination = \"/x\"\n");
        world.write("m/builder.toml", table);
        let said = world.run(&["validate", "m"]);
        assert!(said.contains("m/builder.toml:2:7") && said.contains(words), "{url}: {said}");
        if url.contains("//") && !url.ends_with("org/") {
            world.write("m/builder.toml", format!("mirrors = [\"{url}\"]\n"));
            let said = world.run(&["validate", "m"]);
            assert!(said.contains("m/builder.toml:1:") && said.contains(words), "{url}: {said}");
        }
    }
    let table = format!("[[file]]\nurl = \"file:/x\"\nsha256 = \"{sha256}\"\ndestination = \"/x\"\nunpack = \"tar\"\n");
    world.write("m/builder.toml", format!("{table}exclude = [\"/doc\"]\n"));
    let said = world.run(&["validate", "m"]);
    assert!(said.contains("by `mask` in manifest.yaml") && !said.contains("did you mean"), "{said}");
}

#[test]
fn a_moment_without_an_archive_of_past_states_is_no_valid_module() {
    let world = World::new();
    let manifest =
        "schema_version: 1\nname: m\nlicense: MIT\npackage_spec: [hello]\nbuild: {apt_snapshot: 20260101T000000Z}\n";
    world.write("m/manifest.yaml", manifest);
    let said = world.run(&["validate", "m"]);
    assert!(said.starts_with("exit code: 1") && said.contains("[no-snapshot-archive]"), "{said}");
    assert!(said.contains("m/manifest.yaml:5:") && said.contains("snapshot_mirror = "), "{said}");
    // The hint, followed.
    world.write("m/builder.toml", "snapshot_mirror = \"https://snapshot.example.org/archive/debian\"\n");
    assert!(world.run(&["validate", "--strict", "m"]).starts_with("exit code: 0"));
    // Without packages nothing is taken from an archive.
    fs::remove_file(world.path("m/builder.toml")).unwrap();
    world.write("m/manifest.yaml", manifest.replace("package_spec: [hello]\n", ""));
    assert!(world.run(&["validate", "m"]).starts_with("exit code: 0"));
}

fn files(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                found.push((path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn init_overwrites_nothing_and_names_all_that_is_in_the_way() {
    let world = World::new();
    world.write("manifest.yaml", "mine");
    std::os::unix::fs::symlink("/nowhere", world.path("README.md")).unwrap();
    insta::assert_snapshot!(world.run(&["init"]));
    assert_eq!(fs::read(world.path("manifest.yaml")).unwrap(), b"mine");
    assert!(!world.path("builder.toml").exists());
}

#[test]
fn init_that_fails_half_way_leaves_no_file() {
    let world = World::new();
    world.write("rootfs", "a file where a directory must be");
    let output = world.command().args(["init", "."]).output().unwrap();
    assert_ne!(output.status.code(), Some(0));
    assert_eq!(files(world.directory.path()).len(), 1);
}

#[test]
fn env_shows_every_value_and_where_it_came_from() {
    let world = World::new();
    world.write("m/builder.toml", "suite = \"bookworm\"\n\nkeyring = \"a.gpg\"\n");
    world.write("home/.config/module-builder/config.toml", "proxy = \"http://proxy.example.org:3128\"\n");
    let arguments =
        ["env", "-C", "m", "--mirror", "http://mirror.example.org/debian", "--arch", "arm64", "--jobs", "2"];
    let mut command = world.command();
    command.args(arguments).env("MODULE_BUILDER_COLOR", "never").env("SOURCE_DATE_EPOCH", "1700000000");
    // The table's width must not depend on where the test's directory is.
    command.env("XDG_CACHE_HOME", "/cache");
    insta::assert_snapshot!("env", world.finish(&mut command));
    insta::assert_snapshot!("env_json", world.finish(command.args(["--format", "json"])));
}

#[test]
fn settings_that_are_wrong_stop_every_verb() {
    let world = World::new();
    world.write("builder.toml", "suite = 3\nmirors = []\n");
    world.write("home/.config/module-builder/config.toml", "suite = \"trixie\"\n");
    insta::assert_snapshot!(world.run(&["env"]));
}

#[test]
fn no_password_in_an_address_is_shown_however_wrong_the_rest_is() {
    let world = World::new();
    let proxy = "proxy = \"socks5://user:hush-hush@proxy.example.org\"";
    world.write("home/.config/module-builder/config.toml", format!("{proxy}\njobs = 0\n"));
    world.write("m/builder.toml", "mirrors = [\"http://user:hush-hush@mirror.example.org/debian\"]\n");
    let shown = world.run(&["env", "-C", "m"]);
    insta::assert_snapshot!("no_password", shown);
    let (mirror, variable) = ("http://u:hush-hush@h/debian", "http://u:hush-hush/@h");
    for text in [
        shown,
        world.run(&["env", "-C", "m", "--format", "json"]),
        world.run(&["validate", "m"]),
        world.run(&["validate", "m", "--format", "json"]),
        world.run(&["env", "--mirror", mirror]),
        World::new().run(&["env", "--mirror", mirror]),
        World::new().finish(world.command().env("MODULE_BUILDER_PROXY", variable).arg("env")),
    ] {
        assert!(text.starts_with("exit code: 1\n") || text.starts_with("exit code: 2\n"), "{text}");
        assert!(!text.contains("hush"), "{text}");
    }
}

#[test]
fn the_log_file_grows_is_the_users_alone_is_no_link_and_holds_no_password() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let world = World::new();
    let run = |arguments: &[&str]| world.run(&[&["--log-file", "log"], arguments].concat());
    run(&["env", "--mirror", "http://u:hush-hush@h/debian"]);
    run(&["env"]);
    let path = world.path("log");
    let log = fs::read_to_string(&path).unwrap();
    let mut words = log.lines().filter_map(|line| line.split_once("exit code ")).map(|(_, code)| code);
    assert_eq!((words.next(), words.next(), words.next()), (Some("2"), Some("0"), None), "{log}");
    assert!(log.contains("http://***@h/debian") && !log.contains("hush"), "{log}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    symlink("log", world.path("link")).unwrap();
    let text = world.run(&["env", "--log-file", "link"]);
    assert!(text.starts_with("exit code: 1\n") && text.contains("symbolic link"), "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), log, "nothing is written through a link");
    // A slip of the pen costs no one a file, not its mode either.
    for (name, content) in [("manifest.yaml", "schema_version: 1\n"), ("short", "2026"), ("binary", "\0\0")] {
        let file = world.path(name);
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let text = world.run(&["env", "--log-file", name]);
        assert!(text.starts_with("exit code: 2\n") && text.contains("holds something else than a log"), "{text}");
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
    }
    fs::write(world.path("empty"), "").unwrap();
    assert!(world.run(&["env", "--log-file", "empty"]).starts_with("exit code: 0\n"));
}

#[test]
fn wrong_usage_exits_with_two() {
    let world = World::new();
    insta::assert_snapshot!("unknown_flag", world.run(&["build", "--objekts", "x"]));
    insta::assert_snapshot!("unknown_verb", world.run(&["biuld"]));
    insta::assert_snapshot!("bad_value", world.run(&["build", "--arch", "vax"]));
    for arguments in
        [&["build", "--tag", "-x"][..], &["build", "--dry-run", "--objects", "o"], &["init", "--name", "A"]]
    {
        assert_eq!(world.command().args(arguments).output().unwrap().status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn completions_and_manual_pages_are_results() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = world.command().args(["completions", shell]).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("explain-cache"), "{shell}");
    }
    let page = String::from_utf8(world.command().arg("man").output().unwrap().stdout).unwrap();
    assert!(page.contains(".TH module-builder 1"), "{page}");
    fs::create_dir(world.path("man1")).unwrap();
    world.command().args(["man", "--output", "man1"]).assert().success();
    assert!(fs::read_to_string(world.path("man1/module-builder-build.1")).unwrap().contains("dry\\-run"));
}

#[test]
fn color_is_for_those_who_ask() {
    let world = World::new();
    let stderr = |command: &mut Command| String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(!stderr(world.command().arg("validate")).contains('\x1b'));
    assert!(stderr(world.command().args(["validate", "--color", "always"])).contains('\x1b'));
}

#[test]
fn every_verb_that_takes_a_module_reads_its_builder_toml() {
    let world = World::new();
    world.write("m/builder.toml", "suit = \"x\"\n");
    world.write("m/manifest.yaml", GOOD);
    let help = |arguments: &[&str]| world.run(arguments);
    let top = help(&["--help"]);
    let commands = top.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let verbs = commands.lines().filter_map(|line| line.split_whitespace().next());
    let verbs: Vec<&str> = verbs.filter(|verb| help(&[verb, "--help"]).contains("--directory")).collect();
    assert_eq!(
        verbs,
        ["init", "validate", "lock", "fetch", "build", "inspect", "explain", "diff", "rebuild", "test", "env"]
    );
    let both = |verb: &str, ways: &[&[&str]]| {
        for way in ways {
            let said = world.run(&[&[verb], *way].concat());
            assert!(said.starts_with("exit code: 1") && said.contains("unknown setting `suit`"), "{verb}: {said}");
        }
    };
    for verb in verbs {
        match verb {
            // One makes the file, the others look at results alone.
            "init" | "inspect" | "diff" | "test" => {}
            // What `rebuild` takes is a build.
            "rebuild" => both(verb, &[&["-C", "m"]]),
            "explain" => {
                both(verb, &[&["/x", "-C", "m"], &["/x", "m"], &["--summary", "m"], &["--summary", "-C", "m"]])
            }
            _ => both(verb, &[&["-C", "m"], &["m"]]),
        }
    }
}
