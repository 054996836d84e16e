//! Modules whose program is of no package, by `[[file]]`: they come up over a base, whatever they ship besides.
//!
//! Needs root, mmdebstrap, the archive, rustc with a static C library, and a cgroup file system of version 2.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::env;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use model::Digest;
use serde_json::Value;
use testkit::run;

/// A web server, linked statically.
const WEB: &str = r#"use std::io::{Read, Write};
fn main() {
    let at = std::env::args().nth(1).expect("an address");
    for stream in std::net::TcpListener::bind(&at).expect("the address is free").incoming() {
        let mut stream = stream.expect("a peer");
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nwell\n");
    }
}
"#;

struct Web {
    folder: tempfile::TempDir,
    address: String,
    sha256: String,
}

impl Web {
    /// The program, which is served on loopback as long as the test runs.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("web.rs"), WEB).unwrap();
        let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args([
            "--edition",
            "2021",
            "-C",
            "target-feature=+crt-static",
            "-C",
            "strip=symbols",
            "web.rs",
            "-o",
            "web",
        ]);
        run(rustc.current_dir(folder.path()));
        let body = fs::read(folder.path().join("web")).unwrap();
        let sha256 = Digest::of(&body).hex();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/web", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Self { folder, address, sha256 }
    }

    /// A module with the program, and `more` in its manifest and around its table `[[file]]`.
    fn module(&self, name: &str, more: &str, (before, behind): (&str, &str)) -> PathBuf {
        let path = self.folder.path().join("modules").join(name);
        let put = |file: &str, text: String| {
            let file = path.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        let service = format!(
            "services:\n  - name: {name}\n    start_command: /usr/local/bin/{name} 127.0.0.1:8080\n    user: daemon\n    \
             exposed_ports: [{{port: 8080}}]\n    health: {{endpoint: \"http://localhost:8080/\", method: GET}}\n"
        );
        put("manifest.yaml", format!("schema_version: 1\nname: {name}\n{more}{service}"));
        let (url, sha256) = (&self.address, &self.sha256);
        let file = format!(
            "[[file]]\nurl = \"{url}\"\nsha256 = \"{sha256}\"\ndestination = \"/usr/local/bin/{name}\"\nmode = \"0755\"\n"
        );
        put("builder.toml", format!("{before}{file}{behind}"));
        path
    }
}

fn tell(arguments: &[&str], module: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_module-builder"));
    command.env_remove("SOURCE_DATE_EPOCH").env("MODULE_BUILDER_CACHE_DIR", testkit::warm_cache());
    command.args(&arguments[..1]).args(["--progress", "none", "--format", "json"]).args(&arguments[1..]).arg(module);
    command.output().unwrap()
}

#[track_caller]
fn result(output: &Output, code: i32) -> Value {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

const SYSTEMD: &str = "[base]\npackages = [\"systemd\", \"dbus\"]\n";

#[test]
fn a_program_of_no_package_comes_up_in_the_trial_and_in_the_full_tree() {
    let web = Web::new();
    // No package at all, over a base with systemd and over one without.
    for (name, base) in [("web", SYSTEMD), ("bare", "")] {
        let module = web.module(name, "", ("ship = \"closure\"\n", base));
        let built = result(&tell(&["build", "-C"], &module), 0);
        let tried = result(&tell(&["test", "--settle", "1"], &module), 0);
        let service = &tried["services"][0];
        assert_eq!((&service["state"], &service["health"]), (&"up".into(), &"well".into()), "{tried:#}");
        assert_eq!(service["control"]["listening"][0], "tcp 127.0.0.1:8080", "{tried:#}");
        // The same without a closure, over a base that is named.
        let base = built["rootfs"]["archive"].as_str().unwrap();
        let module = web.module("owned", "", ("", ""));
        result(&tell(&["build", "-C"], &module), 0);
        let tried = result(&tell(&["test", "--settle", "1", "--base", base], &module), 0);
        assert_eq!(tried["services"][0]["health"], "well", "{tried:#}");
    }
}

#[test]
fn what_the_author_brought_and_fails_in_the_full_tree_too_excuses_nothing() {
    let web = Web::new();
    let module = web.module("web", "", ("ship = \"closure\"\n", SYSTEMD));
    let units = module.join("rootfs/usr/lib/systemd/system");
    fs::create_dir_all(units.join("multi-user.target.wants")).unwrap();
    let unit =
        |command: &str| fs::write(units.join("own.service"), format!("[Service]\nExecStart={command}\n")).unwrap();
    std::os::unix::fs::symlink("../own.service", units.join("multi-user.target.wants/own.service")).unwrap();
    unit("/usr/local/bin/lacking");
    result(&tell(&["build", "-C"], &module), 0);
    let tried = result(&tell(&["test", "--settle", "1"], &module), 3);
    assert_eq!(tried["services"].as_array().unwrap().iter().filter(|it| it["good"] == false).count(), 1, "{tried:#}");
    assert!(tried["diagnostics"].to_string().contains("\"service-down\""), "{tried:#}");
    unit("/usr/local/bin/web 127.0.0.1:8081");
    result(&tell(&["build", "-C"], &module), 0);
    result(&tell(&["test", "--settle", "1"], &module), 0);
}
