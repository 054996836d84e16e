#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::collections::BTreeMap;
use std::time::Instant;

use super::*;
use model::file_input::ArchiveFormat;

use crate::error::Kind;
use crate::ui::{Color, Format};

mod accounts;
mod rows;

fn environment(home: &Path, variables: &[(&str, &str)]) -> Environment {
    let mut all: BTreeMap<_, _> = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    all.insert("HOME".into(), home.into());
    Environment {
        arguments: Vec::new(),
        variables: all,
        current_dir: PathBuf::from("/current"),
        processors: 3,
        machine: "aarch64",
        stderr_is_terminal: false,
        clock: Instant::now,
        now: std::time::SystemTime::now,
        apt_sources: || {
            let text = "deb http://mirror.example.org/debian trixie main\n";
            vec![(PathBuf::from("/etc/apt/sources.list"), Ok(text.to_owned()))]
        },
        apt_mirrors: |_| None,
    }
}

const GLOBAL: Global =
    Global { format: Format::Human, progress: None, color: None, quiet: false, verbose: 0, log_file: None };

struct World {
    home: tempfile::TempDir,
}

impl World {
    /// A home directory with a user configuration and a module `m` with a `builder.toml`.
    fn new(user: &str, module: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let write = |folder: &str, name: &str, text: &str| {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
            std::fs::write(home.path().join(folder).join(name), text).unwrap();
        };
        write(".config/module-builder", "config.toml", user);
        write("m", BUILDER_TOML, module);
        Self { home }
    }

    fn settings(&self, variables: &[(&str, &str)], flags: &Flags) -> Result<Settings, Error> {
        let environment = environment(self.home.path(), variables);
        let layers = Layers::read(Some(&self.home.path().join("m")), &environment);
        Settings::new(layers, flags, &GLOBAL, &environment)
    }

    fn codes(&self) -> Vec<(&'static str, String)> {
        let error = self.settings(&[], &Flags::default()).unwrap_err();
        assert_eq!(error.kind, Kind::Input);
        let found = error.findings.diagnostics.iter();
        found.map(|d| (d.code, d.position.map_or_else(String::new, |p| p.to_string()))).collect()
    }
}

#[test]
fn a_module_file_that_is_not_as_it_was_read_is_told() {
    let world = World::new("", "suite = \"a\"\n");
    let module = world.home.path().join("m");
    let file = module.join(BUILDER_TOML);
    let read = || world.settings(&[], &Flags::default()).unwrap().of_module(&module).unwrap();
    let one = read();
    one.check_unchanged().unwrap();
    for text in [Some("suite = \"b\"\n"), None] {
        match text {
            Some(text) => std::fs::write(&file, text).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let error = one.check_unchanged().unwrap_err();
        assert!(error.kind == Kind::Input && error.message.ends_with("changed while the module was built"), "{error}");
    }
    // One that was not there and came.
    let none = read();
    none.check_unchanged().unwrap();
    std::fs::write(&file, "").unwrap();
    none.check_unchanged().unwrap_err();
}

#[test]
fn the_strongest_layer_wins_and_is_named() {
    let world =
        World::new("jobs = 6\ncolor = \"never\"\nproxy = \"http://proxy.example.org:3128\"\n", "suite = \"a\"\n");
    let none = Flags::default();
    let jobs = |settings: Settings| (settings.jobs.value, settings.jobs.origin.to_string());
    let user = world.home.path().join(".config/module-builder/config.toml");
    assert_eq!(jobs(world.settings(&[], &none).unwrap()), (6, format!("{}:1:8", user.display())));
    let variables = [("MODULE_BUILDER_JOBS", "7")];
    assert_eq!(jobs(world.settings(&variables, &none).unwrap()), (7, "environment MODULE_BUILDER_JOBS".to_owned()));
    let flags = Flags { jobs: Some(8), ..Flags::default() };
    assert_eq!(jobs(world.settings(&variables, &flags).unwrap()), (8, "flag --jobs".to_owned()));
    let settings = world.settings(&[], &none).unwrap();
    assert_eq!(settings.color.value, Color::Never);
    assert_eq!(settings.proxy.value.unwrap().expose(), "http://proxy.example.org:3128");
    assert_eq!(World::new("", "").settings(&[], &none).unwrap().jobs.value, 3);
}

#[test]
fn what_changes_bytes_comes_from_the_module_and_from_flags_alone() {
    let module = "suite = \"bookworm\"\nvariant = \"essential\"\nkeyring = \"keys/a.gpg\"\n";
    let world = World::new("", module);
    let settings = world.settings(&[], &Flags::default()).unwrap();
    assert_eq!((settings.suite.value.as_str(), settings.variant.value.as_str()), ("bookworm", "essential"));
    assert_eq!(settings.keyring.value, Some(world.home.path().join("m/keys/a.gpg")));
    let flags = Flags { suite: Some("sid".to_owned()), ..Flags::default() };
    assert_eq!(world.settings(&[], &flags).unwrap().suite.value, "sid");

    let user = World::new(module, "");
    let misplaced = "misplaced-setting";
    assert_eq!(user.codes(), [(misplaced, "1:1".into()), (misplaced, "2:1".into()), (misplaced, "3:1".into())]);
    let error = world.settings(&[("MODULE_BUILDER_SUITE", "sid")], &Flags::default()).unwrap_err();
    assert!(error.message.contains("MODULE_BUILDER_SUITE would change the bytes"), "{error}");
}

#[test]
fn a_module_names_no_cache_no_proxy_and_nothing_else_that_is_the_users() {
    let mine =
        "cache_dir = \".cache\"\njobs = 1\nproxy = \"http://p.example.org:1\"\ncolor = \"never\"\nprogress = 3\n";
    let places: Vec<_> = (1..=5).map(|line| ("misplaced-setting", format!("{line}:1"))).collect();
    assert_eq!(World::new("", mine).codes(), places);
    let error = World::new("", mine).settings(&[], &Flags::default()).unwrap_err();
    let hints = error.findings.diagnostics.iter().map(|found| found.hint.as_str()).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(hints);
}

#[test]
fn a_modules_keyring_stays_in_the_module_or_is_the_hosts() {
    let found = |text: &str| World::new("", &format!("keyring = \"{text}\"\n")).settings(&[], &Flags::default());
    for path in ["keys/a.gpg", "./a.gpg", "/usr/share/keyrings/a.gpg"] {
        assert!(found(path).unwrap().keyring.value.unwrap().ends_with(path.trim_start_matches("./")), "{path}");
    }
    for path in ["../a.gpg", "keys/../../a.gpg", "keys/.."] {
        let error = found(path).unwrap_err();
        assert_eq!(error.findings.diagnostics[0].message, "`keyring` leads out of the module", "{path}");
    }
    let world = World::new("", "keyring = \"a.gpg\"\n");
    let link = |target: &str| {
        let place = world.home.path().join("m/a.gpg");
        let _ = std::fs::remove_file(&place);
        std::os::unix::fs::symlink(target, place).unwrap();
    };
    for target in ["/etc/hostname", "../.config/module-builder/config.toml"] {
        link(target);
        assert_eq!(world.codes(), [("bad-value", "1:11".to_owned())], "{target}");
    }
    link("builder.toml");
    assert!(world.settings(&[], &Flags::default()).is_ok(), "a link that stays inside");
}

#[test]
fn every_error_of_a_file_is_told_with_its_place() {
    let module = "suit = \"x\"\nmirrors = [\"http://a.example.org\", \"-o Evil=1\"]\n\"ä\" = 1\nsuite = 0\n\
                  keyring = 3\nvariant = \"minbas\"\nmirrors2 = []\ncomponents = []\nsnapshot_mirror = \"ftp://p\"\n";
    let found = World::new("", module).codes();
    let wanted = [
        ("unknown-setting", "1:1"),
        ("bad-value", "2:36"),
        ("unknown-setting", "3:1"),
        ("wrong-type", "4:9"),
        ("wrong-type", "5:11"),
        ("bad-value", "6:11"),
        ("unknown-setting", "7:1"),
        ("bad-value", "8:14"),
        ("bad-value", "9:19"),
    ];
    assert_eq!(found, wanted.map(|(code, place)| (code, place.to_owned())));
    let user = World::new("jobs = 0\ncache_dir = 3\ncolor = \"alway\"\nproxy = \"file:///p\"\n", "");
    let wanted = [("bad-value", "1:8"), ("wrong-type", "2:13"), ("bad-value", "3:9"), ("bad-value", "4:9")];
    assert_eq!(user.codes(), wanted.map(|(code, place)| (code, place.to_owned())));
    assert_eq!(World::new("", "a = = 1\n").codes()[0].0, "bad-toml");
    assert_eq!(World::new("", "suite = \"a\"\nsuite = \"b\"\n").codes()[0].0, "bad-toml");
    assert_eq!(World::new("", &"#".repeat((1 << 20) + 1)).codes(), [("too-large", String::new())]);
}

#[test]
fn a_proxy_may_hold_a_password_and_is_the_same_for_apt_and_downloads() {
    let settings = |proxy: &str| World::new("", "").settings(&[("MODULE_BUILDER_PROXY", proxy)], &Flags::default());
    for proxy in ["http://proxy.example.org:3128", "https://u:p%40w@proxy.example.org/", "http://u@p.example.org:1"] {
        let settings = settings(proxy).unwrap();
        assert_eq!(settings.access(false).proxy.as_deref(), Some(proxy));
        let shown = settings.entries().into_iter().find(|entry| entry.name == "proxy").unwrap();
        assert_eq!(shown.text(), format!("{:?}", net::url::redact(proxy)));
    }
    for proxy in [
        "proxy.example.org:3128",
        "file:///proxy",
        "socks5h://proxy.example.org:1",
        "http://",
        "http://u:p@",
        "http://u:p@:1",
        "http://proxy.example.org:0",
        "http://proxy.example.org:99999",
        "http://proxy.example.org:a",
        "http://proxy.example.org/path",
        "http://u:p w@proxy.example.org",
        "http://u:p@proxy.example.org\n",
        "http://proxy.example.org\";Acquire::x",
    ] {
        assert_eq!(settings(proxy).unwrap_err().kind, Kind::Input, "{proxy}");
    }
}

#[test]
fn the_certificate_authorities_are_those_of_openssls_variable() {
    let certificates = |value| {
        let settings = World::new("", "").settings(&[("SSL_CERT_FILE", value)], &Flags::default()).unwrap();
        settings.access(false).certificates
    };
    assert_eq!(certificates(""), None);
    assert_eq!(certificates("own.pem"), Some(PathBuf::from("/current/own.pem")));
    assert_eq!(certificates("/etc/own.pem"), Some(PathBuf::from("/etc/own.pem")));
}

#[test]
fn a_file_that_is_no_text_or_no_file_is_an_error() {
    let world = World::new("", "");
    let path = world.home.path().join("m/builder.toml");
    std::fs::write(&path, b"suite = \"\xff\"").unwrap();
    assert_eq!(world.codes()[0].0, "not-utf8");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let refused = |world: &World| {
        let error = world.settings(&[], &Flags::default()).unwrap_err();
        (error.kind, error.message)
    };
    let name = path.display();
    assert_eq!(refused(&world), (Kind::Input, format!("{name} is a directory, not a regular file")));
    std::fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert_eq!(refused(&world), (Kind::Input, format!("{name} leads out of its directory")));
}

#[test]
fn the_modules_keyring_stays_in_the_module_and_the_users_is_where_they_say() {
    let file = |keyring: &str| {
        let world = World::new("", &format!("keyring = \"{keyring}\"\n"));
        let module = world.home.path().join("m");
        (world.settings(&[], &Flags::default()).unwrap().keyring_file().unwrap(), module)
    };
    for text in ["keys/a.gpg", "."] {
        let (found, directory) = file(text);
        assert_eq!(
            found,
            KeyringFile::Below { path: directory.join(text).strip_prefix(&directory).unwrap().to_owned(), directory }
        );
    }
    assert_eq!(file("/keys/a.gpg").0, KeyringFile::At("/keys/a.gpg".into()));
    // A module that is the current directory has no path of its own to begin with.
    let mut settings = World::new("", "keyring = \"a.gpg\"\n").settings(&[], &Flags::default()).unwrap();
    let nowhere = ModuleSettings::read(Path::new("/nowhere")).unwrap();
    settings.own = Some(ModuleSettings { directory: ".".into(), ..nowhere }.into());
    settings.keyring.value = Some("a.gpg".into());
    assert_eq!(settings.keyring_file().unwrap(), KeyringFile::Below { directory: "".into(), path: "a.gpg".into() });
    settings.keyring.value = Some("/keys/a.gpg".into());
    assert_eq!(settings.keyring_file().unwrap(), KeyringFile::At("/keys/a.gpg".into()));
}

#[test]
fn mirrors_come_from_the_hosts_apt_unless_they_are_named() {
    let world = World::new("", "");
    let settings = world.settings(&[], &Flags::default()).unwrap();
    assert_eq!(settings.mirrors.value, ["http://mirror.example.org/debian"]);
    let mirrors = vec!["https://other.example.org/debian trixie-updates main".to_owned()];
    let flags = Flags { mirrors: mirrors.clone(), ..Flags::default() };
    assert_eq!(world.settings(&[], &flags).unwrap().mirrors.value, mirrors);

    let mut bare = environment(world.home.path(), &[]);
    bare.apt_sources = Vec::new;
    let settings = Settings::new(Layers::default(), &Flags::default(), &GLOBAL, &bare).unwrap();
    assert!(require_mirrors(&settings.mirrors.value).unwrap_err().hint.unwrap().contains("--mirror"));
}

const HOST: &str = "deb http://mirror.example.org/debian bookworm main contrib\n\
                    deb http://mirror.example.org/debian bookworm-updates main contrib\n\
                    deb http://mirror.example.org/debian-security bookworm-security main\n\
                    deb [signed-by=/k/v.gpg] https://vendor.example.org ./\n\
                    deb [signed-by=/k/w.gpg] https://other.example.org bookworm main\n";

#[test]
fn the_hosts_archives_are_the_default_as_a_whole() {
    let settings = |module: &str, flags: &Flags| {
        let world = World::new("", module);
        let mut environment = environment(world.home.path(), &[]);
        environment.apt_sources = || vec![(PathBuf::from("/etc/apt/sources.list"), Ok(HOST.to_owned()))];
        Settings::new(Layers::read(Some(&world.home.path().join("m")), &environment), flags, &GLOBAL, &environment)
            .unwrap()
    };
    let none = Flags::default();
    let hosts = settings("suite = \"bookworm\"\n", &none);
    assert_eq!(
        hosts.mirrors.value,
        [
            "http://mirror.example.org/debian bookworm main contrib",
            "http://mirror.example.org/debian bookworm-updates main contrib",
            "http://mirror.example.org/debian-security bookworm-security main",
        ]
    );
    let uris = |settings: &Settings| settings.repositories().into_iter().map(|one| one.uri).collect::<Vec<_>>();
    assert_eq!(uris(&hosts), ["https://vendor.example.org", "https://other.example.org"]);
    assert_eq!(hosts.repository.origin.to_string(), "the host's apt");
    // What the module says of components and of one of the archives counts; the rest of the host's stays.
    let module = "suite = \"bookworm\"\ncomponents = [\"main\"]\n[[repository]]\nuri = \"https://vendor.example.org/\"\n\
                  suite = \"./\"\nkeyring = \"v.gpg\"\n";
    let named = settings(module, &none);
    assert_eq!(
        named.mirrors.value,
        [
            "http://mirror.example.org/debian",
            "http://mirror.example.org/debian bookworm-updates main",
            "http://mirror.example.org/debian-security bookworm-security main",
        ]
    );
    let found: Vec<bool> = named.repositories().iter().map(|one| one.is_hosts).collect();
    assert_eq!(
        (uris(&named), found),
        (vec!["https://vendor.example.org".into(), "https://other.example.org".into()], vec![false, true])
    );
    assert!(matches!(named.repositories()[0].keyring, Some(KeyringFile::Below { .. })));
    // Another suite, and mirrors of the module's own: nothing of a vendor's.
    let trixie = settings("", &none);
    assert!(
        trixie.repositories().is_empty() && trixie.mirrors.value[2].ends_with("debian-security trixie-security main")
    );
    let flags = Flags { suite: Some("bookworm".into()), mirrors: vec!["http://own.example.org ./".into()], ..none };
    let own = settings("", &flags);
    assert!(own.repositories().is_empty() && own.host_keyring().is_none());
}

#[test]
fn what_is_wrong_with_a_repository_has_its_place() {
    let module = "[[repository]]\nuri = \"http://u:hunter2@v.example.org\"\nsuite = \"./\"\ncomponents = [\"main\"]\n\n\
                  [[repository]]\nurl = \"https://v.example.org\"\nsuite = \"-o\"\narchitectures = [\"amd46\"]\n\n\
                  [[repository]]\nuri = \"https://v.example.org\"\nsuite = \"stable\"\nkeyring = 5\n\n\
                  [[repository]]\nuri = \"https://w.example.org\"\nsuite = \"./\"\n\n\
                  [[repository]]\nuri = \"https://w.example.org/\"\nsuite = \"./\"\n";
    let error = World::new("", module).settings(&[], &Flags::default()).unwrap_err();
    let found: Vec<String> = error
        .findings
        .diagnostics
        .iter()
        .map(|found| {
            let position = found.position.unwrap();
            format!("{position} {} {}: {} [{}]", found.code, found.field, found.message, found.hint)
        })
        .collect();
    assert!(!format!("{error:?}").replace(module, "").contains("message: \"hunter2"), "{error:?}");
    insta::assert_snapshot!(found.join("\n"));
    for (module, code) in [
        ("repository = []", "bad-value"),
        ("repository = [\"https://v.example.org ./\"]", "wrong-type"),
        ("repository = 5", "wrong-type"),
        ("[repository]\nuri = \"https://v.example.org\"", "wrong-type"),
        ("[[repository]]\nuri = \"https://v.example.org\"\nsuite = \"./\"\nkeyring = \"../v.gpg\"", "bad-value"),
        ("[[repository]]\nuri = \"https://v.example.org\"\nsuite = \"stable\"\ncomponents = []", "bad-value"),
        ("[[repository]]\nuri = \"https://v.example.org\"\nsuite = \"./\"\narchitectures = []", "bad-value"),
        ("[[repository]]\nuri = \"https://v.example.org\"\nsuite = \"./\"\ntrusted = true", "unknown-setting"),
    ] {
        assert_eq!(
            World::new("", module).codes().iter().map(|(code, _)| *code).collect::<Vec<_>>(),
            [code],
            "{module}"
        );
    }
}

#[test]
fn flags_are_checked_as_files_are() {
    for mirror in [
        "",
        "-x",
        "ftp://a.example.org",
        "http://",
        "http://a.example.org [trusted=yes]",
        "http://a\nb",
        "http://a.example.org ./ main",
    ] {
        let flags = Flags { mirrors: vec![mirror.to_owned()], ..Flags::default() };
        let error = World::new("", "").settings(&[], &flags).unwrap_err();
        assert_eq!(error.kind, Kind::Usage, "{mirror:?}");
    }
}

#[test]
fn places_follow_the_xdg_specification_and_times_the_reproducible_builds_one() {
    let world = World::new("", "");
    let cache = |variables: &[(&str, &str)]| world.settings(variables, &Flags::default()).unwrap().cache_dir.value;
    assert_eq!(cache(&[]), Some(world.home.path().join(".cache/module-builder")));
    assert_eq!(cache(&[("XDG_CACHE_HOME", "/c")]), Some(PathBuf::from("/c/module-builder")));
    assert_eq!(cache(&[("XDG_CACHE_HOME", "relative")]), Some(world.home.path().join(".cache/module-builder")));
    assert_eq!(cache(&[("MODULE_BUILDER_CACHE_DIR", "c")]), Some(PathBuf::from("/current/c")));

    let epoch = |text| world.settings(&[("SOURCE_DATE_EPOCH", text)], &Flags::default());
    assert_eq!(epoch("1700000000").unwrap().epoch.value.unwrap().seconds(), 1_700_000_000);
    assert!(epoch("yesterday").unwrap_err().message.contains("SOURCE_DATE_EPOCH"));
}

#[test]
fn a_misspelt_variable_is_warned_of_and_a_strange_one_is_not() {
    let variables = [("MODULE_BUILDER_JOB", "4"), ("MODULE_BUILDER_PEERS", "/p"), ("MODULE_BUILDER_SEED", "1")];
    let warnings = World::new("", "").settings(&variables, &Flags::default()).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].hint, "did you mean MODULE_BUILDER_JOBS?");
}

#[test]
fn machines_have_their_debian_architecture() {
    assert_eq!(host::named_arch("x86_64"), Some(Arch::Amd64));
    assert_eq!(host::named_arch("aarch64"), Some(Arch::Arm64));
    assert_eq!(host::named_arch("x86"), Some(Arch::I386));
    assert_eq!(host::named_arch("arm"), Some(Arch::Armhf));
    assert_eq!(host::named_arch("sparc64"), None);
}

#[test]
fn a_key_that_is_none_has_the_one_that_was_meant_in_every_table() {
    let hints = |text: &str| {
        let error = World::new("", text).settings(&[], &Flags::default()).unwrap_err();
        let found = error.findings.diagnostics.iter().filter(|found| found.message.contains(" `"));
        found.map(|found| found.hint.clone()).collect::<Vec<_>>()
    };
    for (before, keys) in [
        (
            "[[file]]\n",
            &[
                ("sha", "sha256"),
                ("sha256sum", "sha256"),
                ("SHA256", "sha256"),
                ("checksum", "sha256"),
                ("target", "destination"),
                ("path", "destination"),
                ("to", "destination"),
                ("uri", "url"),
                ("src", "url"),
                ("permissions", "mode"),
                ("user", "owner"),
                ("arch", "architectures"),
                ("extract", "unpack"),
                ("strip-components", "strip"),
                ("includes", "include"),
            ][..],
        ),
        (
            "[[repository]]\n",
            &[
                ("url", "uri"),
                ("distribution", "suite"),
                ("suites", "suite"),
                ("component", "components"),
                ("signed-by", "keyring"),
                ("key", "keyring"),
                ("arch", "architectures"),
            ],
        ),
        ("", &[("files", "file"), ("repositories", "repository"), ("repo", "repository"), ("source", "repository")]),
    ] {
        for (key, meant) in keys {
            let found = hints(&format!("{before}{key} = \"x\"\n"));
            assert!(found.contains(&format!("did you mean `{meant}`?")), "{before}{key}: {found:?}");
        }
    }
    for (key, meant) in [("perms", "mode"), ("modes", "mode"), ("own", "owner"), ("group", "owner"), ("chown", "owner")]
    {
        let found = hints(&format!("[overlay]\n\"/etc/x\" = {{ {key} = \"0440\" }}\n"));
        assert_eq!(found, [format!("`{key}` is no key of a rule: did you mean `{meant}`?")]);
    }
    // Nothing is guessed of what is near to none, or to several.
    let found = hints("[[file]]\nforce = \"x\"\n");
    assert!(found.iter().any(|hint| hint.starts_with("the keys are url, ")), "{found:?}");
    let found = hints("[overlay]\n\"/etc/x\" = { force = \"x\" }\n");
    assert_eq!(found, ["`force` is no key of a rule: give `mode` or `owner`"]);
    // Of the right name and another type.
    let found = hints("[[file]]\nunpack = 1\nmode = 755\n");
    assert!(found.iter().any(|hint| hint.starts_with("write true, \"tar\", of any compression")), "{found:?}");
    assert!(found.contains(&"write mode = \"755\"".to_owned()), "{found:?}");
}

#[test]
fn what_is_there_twice_in_other_words_is_wrong_at_its_place() {
    let codes = |text: &str| World::new("", text).codes();
    let made = "{ command = [\"/bin/x\"] }";
    for table in ["secrets", "data"] {
        let text = format!("[closure.{table}]\n\"/etc/x\" = {made}\n\"/etc//x\" = {made}\n");
        assert_eq!(codes(&text), [("bad-value", "3:1".to_owned())], "{text}");
    }
    for packages in ["\"aa\", \"aa\"", "\"aa\", \"bb\", \"aa=1\"", "\"aa/x\", \"aa\""] {
        let text = format!("[base]\npackages = [{packages}]\n");
        let error = World::new("", &text).settings(&[], &Flags::default()).unwrap_err();
        let found: Vec<&str> = error.findings.diagnostics.iter().map(|found| found.message.as_str()).collect();
        assert_eq!(found, ["`base` has the package `aa` more than once in `packages`"]);
    }
    let fine = "[base]\npackages = [\"aa:amd64\", \"aa:i386\"]\n";
    assert!(World::new("", fine).settings(&[], &Flags::default()).is_ok());
}

#[test]
fn a_destination_has_a_short_name_and_an_archive_its_form_by_its_address() {
    let table = |url: &str, keys: &str| {
        let text =
            format!("[[file]]\nurl = \"http://mirror.example.org/{url}\"\nsha256 = \"{}\"\n{keys}\n", "a".repeat(64));
        World::new("", &text)
    };
    let file = |url: &str, keys: &str| {
        let world = table(url, keys);
        let settings = world.settings(&[], &Flags::default()).unwrap();
        settings.of_module(&world.home.path().join("m")).unwrap().files[0].clone()
    };
    for (url, format) in
        [("a.zip?x=1", ArchiveFormat::Zip), ("a.ZIP", ArchiveFormat::Zip), ("a.tar.gz", ArchiveFormat::Tar)]
    {
        let found = file(url, "dest = \"/opt/a\"\nunpack = true\nstrip = 1");
        assert_eq!(found.destination, "/opt/a");
        assert_eq!(found.unpack.as_ref().map(|unpack| (unpack.format, unpack.strip)), Some((format, 1)), "{url}");
    }
    assert_eq!(file("a.zip", "dest = \"/opt/a\"\nunpack = false").unpack, None);
    assert_eq!(table("a", "dest = \"/a\"\ndestination = \"/a\"").codes(), [("bad-value", "5:15".to_owned())]);
    assert_eq!(table("a", "dest = \"/a\"\nunpack = false\nstrip = 1").codes().len(), 1);
}
