//! 3. What comes with a module's repository leads to nothing outside of it, hangs no one and fills no memory.

use std::fs;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use assert_cmd::cargo::cargo_bin_cmd;
use rustix::fs::{CWD, FileType, Mode};

use crate::small::Small;

/// Far more than any of these runs takes, and far less than for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// A text of the host that no message may show.
const SECRET: &str = "root:secret-of-the-host:0:0\n";

/// A module beside a file that is none of its business.
fn world() -> Small {
    let small = Small::new();
    small.write("outside/secret", SECRET);
    small.write("outside/manifest.yaml", "schema_version: 1\nname: other\nfile_spec: [/etc/conf]\n");
    small
}

fn pipe(small: &Small, name: &str) {
    let _ = fs::remove_file(small.path(name));
    rustix::fs::mknodat(CWD, small.path(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

fn socket(small: &Small, name: &str) {
    let _ = fs::remove_file(small.path(name));
    drop(UnixListener::bind(small.path(name)).unwrap());
}

fn directory(small: &Small, name: &str) {
    let _ = fs::remove_file(small.path(name));
    fs::create_dir(small.path(name)).unwrap();
}

/// A terabyte without a block of its own.
fn huge(small: &Small, name: &str) {
    let _ = fs::remove_file(small.path(name));
    fs::File::create(small.path(name)).unwrap().set_len(1 << 40).unwrap();
}

/// Exit code and standard error of a run that must end; nothing of the host may be shown.
fn run_with(small: &Small, arguments: &str, variable: (&str, &str)) -> (i32, String) {
    let mut command = cargo_bin_cmd!("module-builder");
    command.env_clear().env("HOME", small.path("home")).env("SOURCE_DATE_EPOCH", "1700000000").env("COLUMNS", "100");
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env(variable.0, variable.1);
    let output = command.current_dir(small.path(".")).args(arguments.split(' ')).timeout(PATIENCE).output().unwrap();
    let code = output.status.code().unwrap_or_else(|| panic!("`{arguments}` hangs"));
    let text = String::from_utf8(output.stderr).unwrap();
    let shown = text.contains("secret-of-the-host") || String::from_utf8_lossy(&output.stdout).contains("secret-of");
    assert!(!shown, "`{arguments}` shows a file of the host: {text}");
    (code, text.replace(small.path(".").to_str().unwrap().trim_end_matches('.'), "[SMALL]/"))
}

fn run(small: &Small, arguments: &str) -> (i32, String) {
    run_with(small, arguments, ("LC_ALL", "C"))
}

/// The run ends with 1 and a message that says this.
fn refused(small: &Small, arguments: &str, message: &str) {
    let (code, text) = run(small, arguments);
    assert!(code == 1 && text.contains(message), "`{arguments}` ended with {code}: {text}\nwanted: {message}");
}

const BUILD: &str = "build -C m --rootfs root --arch amd64 --quiet";
const LEADS_OUT: &str = "leads out of its directory";
const PIPE: &str = "is a named pipe, not a regular file";

#[test]
fn an_overlay_that_is_a_link_ships_nothing_of_the_host() {
    let small = world();
    fs::remove_dir_all(small.path("m/rootfs")).unwrap();
    small.write("m/own/file", "text");
    small.link("m/way", "../outside");
    let absolute = small.path("m/own").display().to_string();
    for (target, message) in [
        ("../outside", LEADS_OUT),
        ("/etc", LEADS_OUT),
        ("/", LEADS_OUT),
        ("..", LEADS_OUT),
        ("../m", LEADS_OUT),
        ("own/../../m/own", LEADS_OUT),
        (&absolute, LEADS_OUT),
        ("way", LEADS_OUT),
        ("/proc/self/root", LEADS_OUT),
        ("/proc/self/cwd/outside", LEADS_OUT),
        ("nowhere", "m/rootfs is a symbolic link to nothing"),
        ("rootfs", "m/rootfs is, or is reached by, a symbolic link"),
        ("own/file", "m/rootfs is a file, not a directory"),
        (".", "m/rootfs leads to the directory itself that it is in"),
        ("own/..", "m/rootfs leads to the directory itself that it is in"),
    ] {
        small.link("m/rootfs", target);
        for verb in [BUILD, "explain /etc/conf m --rootfs root --arch amd64"] {
            refused(&small, verb, message);
        }
        assert!(!small.path("m/dist").exists(), "{target}");
    }
    small.link("m/rootfs", "/etc");
    // Before anyone is asked for packages.
    small.edit("m/manifest.yaml", |text| text + "package_spec: [hello]\n");
    small.write("m/builder.toml", "mirrors = [\"http://127.0.0.1:9/debian\"]\n");
    refused(&small, "build -C m --arch amd64", "m/rootfs leads out of its directory");
}

#[test]
fn an_overlay_may_be_a_link_inside_of_the_module() {
    let small = world();
    assert_eq!(run(&small, BUILD).0, 0);
    let digest = fs::read(small.path("m/dist/composefs.digest")).unwrap();
    fs::create_dir(small.path("m/files")).unwrap();
    fs::rename(small.path("m/rootfs"), small.path("m/files/web")).unwrap();
    small.link("m/way", "files");
    for target in ["files/web", "way/web", "./files/../way/web"] {
        small.link("m/rootfs", target);
        assert_eq!(run(&small, BUILD).0, 0, "{target}");
        assert_eq!(fs::read(small.path("m/dist/composefs.digest")).unwrap(), digest, "{target}");
        assert_eq!(run(&small, "explain /etc/page.html m --rootfs root --arch amd64").0, 0, "{target}");
        assert_eq!(run(&small, "rebuild m/dist -C m --rootfs root").0, 0, "{target}");
    }
    // Results would become part of the next build.
    small.link("m/rootfs", "dist");
    assert_eq!(run(&small, BUILD).0, 2);
    small.link("m/rootfs", "files");
    assert_eq!(run(&small, &format!("{BUILD} --output m/files/dist")).0, 2);
}

#[test]
fn an_overlay_is_a_directory_and_nothing_else() {
    let small = world();
    fs::remove_dir_all(small.path("m/rootfs")).unwrap();
    small.write("m/rootfs", "text");
    refused(&small, BUILD, "m/rootfs is a file, not a directory");
    pipe(&small, "m/rootfs");
    refused(&small, BUILD, "m/rootfs is a named pipe, not a directory");
    socket(&small, "m/rootfs");
    refused(&small, BUILD, "m/rootfs is a socket, not a directory");
}

#[test]
fn links_in_an_overlay_are_shipped_as_links_and_what_they_lead_to_is_not() {
    let small = world();
    for (name, target) in
        [("file", "/outside/secret"), ("directory", "../../../outside"), ("proc", "/proc/self/environ")]
    {
        small.link(&format!("m/rootfs/etc/{name}"), target);
    }
    // A tree that is deep, but that git and a build can hold.
    let deep = (0..200).map(|_| "d/").collect::<String>();
    small.write(&format!("m/rootfs/etc/{deep}leaf"), "leaf\n");
    assert_eq!(run(&small, BUILD).0, 0);
    let list = fs::read_to_string(small.path("m/dist/file-list.txt")).unwrap();
    assert!(list.contains(&format!("/etc/{deep}leaf")) && list.contains("/etc/directory\n"), "{list}");
    assert!(!list.contains("/etc/directory/"), "{list}");
    let image = fs::read(small.path("m/dist/module.cfs")).unwrap();
    assert!(!image.windows(18).any(|part| part == b"secret-of-the-host"));
}

#[test]
fn a_manifest_leads_nowhere_and_shows_nothing_of_the_host() {
    let small = world();
    let verbs = [
        "validate m",
        "validate m/manifest.yaml",
        "validate outside --with m",
        BUILD,
        "build -C m --dry-run --arch amd64",
        "lock -C m",
        "explain /etc/conf m --rootfs root",
        "explain --summary m --rootfs root",
        "validate m --format json",
    ];
    for target in ["../outside/secret", "../outside/manifest.yaml", "/etc/passwd", "/proc/self/environ"] {
        small.link("m/manifest.yaml", target);
        for verb in verbs {
            refused(&small, verb, LEADS_OUT);
        }
    }
    small.link("m/manifest.yaml", "/dev/zero");
    refused(&small, "validate m", LEADS_OUT);
    // Through a directory of the module that leads out, and by a detour that comes back.
    small.link("m/folder", "../outside");
    small.link("m/manifest.yaml", "folder/manifest.yaml");
    refused(&small, "validate m", LEADS_OUT);
    small.link("m/manifest.yaml", "../m/real.yaml");
    refused(&small, "validate m", LEADS_OUT);
}

#[test]
fn a_manifest_that_is_no_file_is_refused_and_hangs_nobody() {
    let small = world();
    let verbs = [
        "validate m",
        "validate m/manifest.yaml",
        BUILD,
        "lock -C m",
        "build --dry-run -C m",
        "validate m --format json",
    ];
    type Make = fn(&Small, &str);
    for (make, kind) in [(pipe as Make, "a named pipe"), (socket, "a socket"), (directory, "a directory")] {
        make(&small, "m/manifest.yaml");
        for verb in verbs {
            // A directory that is named itself is looked into, and holds no manifest.
            let message = match (kind, verb) {
                ("a directory", "validate m/manifest.yaml") => "cannot read m/manifest.yaml/manifest.yaml".to_owned(),
                _ => format!("m/manifest.yaml is {kind}, not a regular file"),
            };
            refused(&small, verb, &message);
        }
    }
    fs::remove_dir(small.path("m/manifest.yaml")).unwrap();
    huge(&small, "m/manifest.yaml");
    refused(&small, "validate m", "error[file-too-large]");
}

#[test]
fn a_manifest_may_be_a_link_inside_of_the_module_and_the_users_own_paths_may_be_links_anywhere() {
    let small = world();
    fs::create_dir(small.path("m/variants")).unwrap();
    fs::rename(small.path("m/manifest.yaml"), small.path("m/variants/web.yaml")).unwrap();
    small.link("m/manifest.yaml", "variants/web.yaml");
    small.link("linked-module", "m");
    small.link("linked-root", "root");
    small.link("linked.yaml", "outside/manifest.yaml");
    assert_eq!(run(&small, "build -C linked-module --rootfs linked-root --arch amd64 --quiet --with linked.yaml").0, 0);
    assert_eq!(run(&small, "validate linked.yaml").0, 0);
}

#[test]
fn a_neighbours_manifest_is_held_to_the_same() {
    let small = world();
    fs::create_dir(small.path("next")).unwrap();
    small.link("next/manifest.yaml", "../outside/secret");
    for verb in ["validate m --with next", "validate m --with next/manifest.yaml"] {
        refused(&small, verb, LEADS_OUT);
    }
    refused(&small, &format!("{BUILD} --with next"), LEADS_OUT);
    pipe(&small, "next/manifest.yaml");
    refused(&small, &format!("{BUILD} --with next"), PIPE);
    pipe(&small, "pipe.yaml");
    refused(&small, "validate m --with pipe.yaml", PIPE);
    refused(&small, "validate m --with /dev/zero", "is a device, not a regular file");
}

#[test]
fn builder_toml_leads_nowhere_and_hangs_nobody() {
    let small = world();
    let verbs = ["validate m", BUILD, "env -C m", "lock -C m", "fetch -C m", "explain /etc/conf m --rootfs root"];
    for target in ["../outside/secret", "/etc/passwd", "/dev/zero", "/proc/self/environ"] {
        small.link("m/builder.toml", target);
        verbs.iter().for_each(|verb| refused(&small, verb, LEADS_OUT));
    }
    pipe(&small, "m/builder.toml");
    verbs.iter().for_each(|verb| refused(&small, verb, PIPE));
    huge(&small, "m/builder.toml");
    refused(&small, "validate m", "1 MiB");
}

#[test]
fn what_a_link_to_nothing_should_have_said_is_not_left_out() {
    let small = with_packages();
    small.link("m/module.lock", "nowhere.lock");
    refused(&small, "build -C m --arch amd64", "m/module.lock is a symbolic link to nothing");
    small.link("m/builder.toml", "nowhere.toml");
    refused(&small, "validate m", "m/builder.toml is a symbolic link to nothing");
    small.link("m/manifest.yaml", "nowhere.yaml");
    refused(&small, "validate m/manifest.yaml", "m/manifest.yaml is a symbolic link to nothing");
}

#[test]
fn the_users_settings_may_be_links_and_are_never_pipes() {
    let small = world();
    let folder = "home/.config/module-builder";
    small.write("elsewhere/config.toml", "jobs = 3\n");
    fs::create_dir_all(small.path(folder)).unwrap();
    small.link(&format!("{folder}/config.toml"), "../../../elsewhere/config.toml");
    assert_eq!(run(&small, "env -C m").0, 0);
    pipe(&small, &format!("{folder}/config.toml"));
    for verb in ["env -C m", BUILD] {
        refused(&small, verb, PIPE);
    }
    small.link(&format!("{folder}/config.toml"), "/dev/zero");
    let (code, text) = run(&small, "env");
    assert!(code == 0 && text.contains("are not taken: /dev/zero may be written to by others"), "{code}: {text}");
}

fn with_packages() -> Small {
    let small = world();
    small.edit("m/manifest.yaml", |text| text + "package_spec: [hello]\n");
    small.write("m/builder.toml", "mirrors = [\"http://127.0.0.1:9/debian\"]\n");
    small
}

#[test]
fn a_lock_leads_nowhere_hangs_nobody_and_has_a_limit() {
    let small = with_packages();
    let verbs = [
        "build -C m --frozen",
        "build -C m --arch amd64",
        "build -C m --dry-run --frozen",
        "lock -C m",
        "lock -C m --check",
        "fetch -C m",
        "explain /etc/conf m --frozen",
    ];
    for target in ["../outside/secret", "/etc/passwd", "/dev/zero"] {
        small.link("m/module.lock", target);
        verbs.iter().for_each(|verb| refused(&small, verb, LEADS_OUT));
    }
    pipe(&small, "m/module.lock");
    verbs.iter().for_each(|verb| refused(&small, verb, PIPE));
    huge(&small, "m/module.lock");
    refused(&small, "build -C m --frozen", "module.lock is larger than the 8388608 bytes that are read");
}

#[test]
fn the_modules_keyring_stays_in_the_module() {
    let small = with_packages();
    let named = |keyring: &str| {
        small.write("m/builder.toml", &format!("mirrors = [\"http://127.0.0.1:9/debian\"]\nkeyring = \"{keyring}\"\n"));
    };
    let verbs = ["lock -C m", "build -C m --arch amd64"];
    named("../outside/secret");
    verbs.iter().for_each(|verb| refused(&small, verb, "`keyring` leads out of the module"));
    named("key.gpg");
    for target in ["../outside/secret", "/etc/passwd", "/dev/zero"] {
        small.link("m/key.gpg", target);
        verbs.iter().for_each(|verb| refused(&small, verb, "`keyring` leads out of the module"));
    }
    pipe(&small, "m/key.gpg");
    verbs.iter().for_each(|verb| refused(&small, verb, "m/key.gpg is a named pipe, not a regular file"));
    named(".");
    refused(&small, "lock -C m", "is a directory, not a regular file");
    // What the text names for all to see may be elsewhere, but is read as a file only.
    named("/dev/zero");
    refused(&small, "lock -C m", "/dev/zero is a device, not a regular file");
    huge(&small, "m/big.gpg");
    named("big.gpg");
    refused(&small, "lock -C m", "m/big.gpg is larger than the 67108864 bytes that are read");
}

#[test]
fn a_keyring_that_is_named_and_not_there_is_named() {
    let small = with_packages();
    for keyring in ["~/x", "keys/x.gpg", "/nonexistent/x.gpg"] {
        small.write("m/builder.toml", &format!("mirrors = [\"http://127.0.0.1:9/debian\"]\nkeyring = \"{keyring}\"\n"));
        for verb in ["lock -C m", "build -C m --arch amd64"] {
            let (code, said) = run(&small, verb);
            assert!(code == 1 && said.contains("there is no keyring ") && said.contains(keyring), "{code}: {said}");
            assert!(said.contains("help: ") && !said.contains("install debian-archive-keyring"), "{said}");
        }
    }
}

#[test]
fn certificates_that_are_a_pipe_hang_nobody() {
    let small = with_packages();
    pipe(&small, "certificates");
    let path = small.path("certificates").display().to_string();
    for scheme in ["https", "http"] {
        small.write("m/builder.toml", &format!("mirrors = [\"{scheme}://127.0.0.1:9/debian\"]\n"));
        let (code, text) = run_with(&small, "lock -C m --arch amd64", ("SSL_CERT_FILE", &path));
        assert_eq!(code, 4, "{text}");
        assert_eq!(text.contains("it is a named pipe, not a regular file"), scheme == "https", "{text}");
    }
}

#[test]
fn a_root_file_system_is_a_directory_or_a_file() {
    let small = world();
    pipe(&small, "pipe");
    socket(&small, "socket");
    for path in ["pipe", "socket", "/dev/zero"] {
        refused(&small, &BUILD.replace("root ", &format!("{path} ")), "is neither a directory nor a");
    }
}
