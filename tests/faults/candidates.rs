//! The archives of the host's apt as the default.

use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::{run, stdout};

use crate::archive::{World, debs};
use crate::repositories::Vendor;

/// `suite` of the host, by its own name.
fn codename() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap();
    line.trim_matches('"').to_owned()
}

/// The version that the host's apt calls the candidate of each of `names`, with lists that are fetched now and nothing
/// installed.
fn candidates(world: &World, names: &[String]) -> Vec<(String, String)> {
    let lists = world.path("lists");
    fs::create_dir_all(lists.join("partial")).unwrap();
    let own = [
        format!("-oDir::State::lists={}", lists.display()),
        format!("-oDir::Cache={}", world.path("apt-cache").display()),
        "-oDir::State::status=/dev/null".to_owned(),
        "-oAPT::Sandbox::User=root".to_owned(),
    ];
    if fs::read_dir(&lists).unwrap().count() == 1 {
        run(Command::new("apt-get").args(&own).args(["-q", "update"]));
    }
    let text = stdout(Command::new("apt-cache").args(&own).arg("policy").args(names));
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|line| !line.starts_with(' ')) {
            found.push((name.to_owned(), String::new()));
        } else if let (Some(version), Some(last)) = (line.trim().strip_prefix("Candidate: "), found.last_mut()) {
            version.clone_into(&mut last.1);
        }
    }
    found
}

#[test]
fn what_is_locked_is_what_the_hosts_apt_calls_the_candidate() {
    let world = World::new(&debs("1"));
    let settings = format!("suite = \"{}\"\ncomponents = [\"main\"]\n", codename());
    fs::write(world.path("module/builder.toml"), settings).unwrap();
    let mut secure = 0;
    for packages in ["libssl3", "nginx, openssh-server", "python3, curl, git"] {
        world.ask_for(packages);
        let said = world.tell(&["lock", "-C", "module", "--update"]);
        assert!(said.starts_with("exit code: 0"), "{said}");
        let text = fs::read_to_string(world.path("module/module.lock")).unwrap();
        let lock: toml::Table = text.parse().unwrap();
        let locked = lock["architecture"][0]["package"].as_array().unwrap();
        let part = |name: &str| -> Vec<String> {
            locked.iter().map(|package| package[name].as_str().unwrap().to_owned()).collect()
        };
        let locked: Vec<(String, String)> = part("name").into_iter().zip(part("version")).collect();
        let names = part("name");
        assert!(names.len() > 60, "{names:?}");
        assert_eq!(candidates(&world, &names), locked);
        secure += text.matches("archive = 2").count();
        for suite in ["", "-updates", "-security"] {
            assert!(text.contains(&format!("path = \"{}{suite}\"", codename())), "{text}");
        }
    }
    assert!(secure > 0, "no package is from the security archive");
}

/// Runs the program on a host whose `/etc/apt` is the world's directory `apt`.
fn on_host(world: &World, arguments: &[&str]) -> (i32, String) {
    let apt = world.path("apt");
    fs::create_dir_all(apt.join("sources.list.d")).unwrap();
    let script = format!("mount --bind '{}' /etc/apt && exec \"$@\"", apt.display());
    let output = world.wrapped(&["unshare", "--mount", "sh", "-c", &script, "sh"]).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&text).into_owned())
}

fn host_file(world: &World, name: &str, text: &str) {
    let path = world.path("apt").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn key(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn the_hosts_sources_count_each_by_its_own_key_and_the_lock_serves_other_hosts() {
    let world = World::new(&debs("1"));
    let vendor = Vendor::new(&world, "vendor");
    vendor.publish("", &[vendor.deb("agent", "3", "agent", "")], "");
    world.ask_for("tool, agent");
    fs::write(world.path("module/builder.toml"), "suite = \"test\"\nvariant = \"extract\"\n").unwrap();
    let archive = format!("file:{}", world.path("archive").display());
    let own = key(&world.path("module/key.gpg"));
    host_file(
        &world,
        "sources.list",
        &format!("deb-src {archive} test main\ndeb [ trusted=yes signed-by={own} ] {archive} test main\nnonsense\n"),
    );
    let armoured = String::from_utf8(run(vendor.gpg().args(["--armor", "--export"])).stdout).unwrap();
    let lines: Vec<String> =
        armoured.lines().map(|line| format!(" {}", if line.is_empty() { "." } else { line })).collect();
    let stanza = format!("Types: deb\nURIs: {}\nSuites: ./\nSigned-By:\n{}\n", vendor.uri(), lines.join("\n"));
    host_file(&world, "sources.list.d/vendor.sources", &stanza);
    let (code, said) = on_host(&world, &["env", "-C", "module"]);
    assert_eq!(code, 0, "{said}");
    for words in [
        "/archive test main",
        "\"suite\":\"./\"",
        "# the host's apt",
        "sources.list:2:7: the option trusted",
        "sources.list:3:1: ",
    ] {
        let words = words.replace("/archive test main", &format!("{archive}\""));
        assert!(said.contains(&words), "{words}: {said}");
    }
    let lock = ["lock", "-C", "module", "--arch", "amd64"];
    let (code, said) = on_host(&world, &lock);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("sources.list:3:1: the line is no source of apt") && said.contains("/vendor ./: 1 package"),
        "{said}"
    );
    let text = fs::read_to_string(world.path("module/module.lock")).unwrap();
    assert!(text.contains("host = true") && text.contains("archive = 1"), "{text}");
    assert!(on_host(&world, &lock).1.contains("the lock fits"));
    // Each key exchanged for the other.
    let exchanged = key(&world.path("module/vendor.gpg"));
    host_file(&world, "sources.list", &format!("deb [trusted=yes signed-by={exchanged}] {archive} test main\n"));
    let (code, said) = on_host(&world, &[&lock[..], &["--update"]].concat());
    assert!(code == 3 && said.contains("a key that is not in the keyring"), "{code} {said}");
    host_file(&world, "sources.list", &format!("deb [signed-by={own}] {archive} test main\n"));
    host_file(
        &world,
        "sources.list.d/vendor.sources",
        &format!("Types: deb\nURIs: {}\nSuites: ./\nTrusted: yes\nSigned-By: {own}\n", vendor.uri()),
    );
    let (code, said) = on_host(&world, &[&lock[..], &["--update"]].concat());
    assert!(code == 3 && said.contains("a key that is not in the keyring"), "{code} {said}");
    // A host that knows neither builds by the lock, and says which archive it lacks when it is to lock anew.
    fs::remove_dir_all(world.path("apt")).unwrap();
    let (code, said) = on_host(&world, &["build", "-C", "module", "--locked"]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = on_host(&world, &[&lock[..], &["--update"]].concat());
    assert!(code == 1 && said.contains("of another host's apt"), "{code} {said}");
    // An unreadable and a huge file are said.
    host_file(&world, "sources.list", &"#".repeat(2 << 20));
    fs::create_dir_all(world.path("apt/sources.list.d/x.list")).unwrap();
    let (_, said) = on_host(&world, &["env", "-C", "module"]);
    assert!(said.contains("sources.list is larger than") && said.contains("x.list is a directory"), "{said}");
}

#[test]
fn a_lock_without_what_the_hosts_apt_has_is_warned_of_and_an_update_of_everything_takes_it() {
    let world = World::new(&debs("1"));
    fs::write(world.path("module/builder.toml"), "suite = \"test\"\nvariant = \"extract\"\n").unwrap();
    let line = |suite: &str| {
        let (own, archive) = (key(&world.path("module/key.gpg")), world.path("archive"));
        format!("deb [signed-by={own}] file:{} {suite} main\n", archive.display())
    };
    host_file(&world, "sources.list", &line("test"));
    let lock = ["lock", "-C", "module", "--arch", "amd64"];
    assert_eq!(on_host(&world, &lock).0, 0);
    // Security updates come, and the host takes them.
    let dists = world.path("archive/dists");
    run(Command::new("cp").arg("-a").arg(dists.join("test")).arg(dists.join("test-security")));
    host_file(&world, "sources.list", &(line("test") + &line("test-security")));
    let (code, said) = on_host(&world, &lock);
    assert!(code == 0 && said.contains("the host's apt has test-security, and the lock was made without"), "{said}");
    let locked = || fs::read_to_string(world.path("module/module.lock")).unwrap();
    assert!(!locked().contains("test-security"));
    let (code, said) = on_host(&world, &[&lock[..], &["--update"]].concat());
    assert!(code == 0 && locked().contains("path = \"test-security\""), "{said}");
    // What the lock has stays where another host has less, or another mirror.
    host_file(&world, "sources.list", "deb http://127.0.0.1:9/debian test main\n");
    let (code, said) = on_host(&world, &[&lock[..], &["--update"]].concat());
    assert!(code == 3 && !said.contains("127.0.0.1:9"), "{code} {said}");
    assert!(on_host(&world, &lock).1.contains("the lock fits"));
}
