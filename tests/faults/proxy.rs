//! The setting `proxy`: apt and the downloads both go through it, by http and by https, and no one
//! gets to see its password.

use std::fs;
use std::process::{Command, Output};

use crate::archive::{Failed, World, debs, finished};
use crate::server::{Authority, HIDDEN, Proxy, Server, USER, free_port, holds_no_secret, is_no_secret};

/// A mirror, by http and by https, that can be reached through a proxy alone.
struct Behind {
    world: World,
    mirror: Server,
    tls: Server,
    authority: Authority,
    proxy: Proxy,
}

impl Behind {
    fn new() -> Self {
        let world = World::new(&debs("1"));
        let authority = Authority::new(&world, "own");
        authority.sign("hidden", &[HIDDEN], &[]);
        let mirror = Server::mirror(&world);
        let tls = Server::tls(free_port(), &mirror, &authority, "hidden");
        let proxy = Proxy::new(&world, &[tls.port]);
        Self { world, mirror, tls, authority, proxy }
    }

    fn http(&self) -> String {
        format!("http://{HIDDEN}:{}", self.mirror.port)
    }

    fn https(&self) -> String {
        format!("https://{HIDDEN}:{}", self.tls.port)
    }

    fn command(&self, proxy: &str) -> Command {
        let mut command = self.world.command();
        command.env("SSL_CERT_FILE", self.authority.path("ca.pem")).env("MODULE_BUILDER_PROXY", proxy);
        // None of these counts, neither for apt nor for downloads.
        for name in ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy"] {
            command.env(name, "http://127.0.0.1:9");
        }
        command.env("no_proxy", "*").args(["-vv", "--log-file", "log"]);
        command
    }

    /// What every run so far said of its work, without a password.
    fn log(&self) -> String {
        let log = fs::read(self.world.path("log")).unwrap();
        is_no_secret("the log", &log);
        let log = String::from_utf8(log).unwrap();
        assert!(!log.contains("wrong-word"), "{log}");
        log
    }

    fn lock(&self, proxy: &str, mirror: &str) -> Result<serde_json::Value, Failed> {
        self.world.take_from(mirror);
        let arguments = ["lock", "-C", "module", "--arch", "amd64", "--format=json", "--update"];
        checked(&self.command(proxy).args(arguments).output().unwrap())
    }

    fn fetch(&self, proxy: &str) -> Result<serde_json::Value, Failed> {
        checked(&self.command(proxy).args(["fetch", "-C", "module", "--format=json"]).output().unwrap())
    }
}

/// What a run gave, after a look for passwords in all that it said.
fn checked(output: &Output) -> Result<serde_json::Value, Failed> {
    is_no_secret("standard output", &output.stdout);
    is_no_secret("standard error", &output.stderr);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("wrong-word"), "{output:?}");
    finished(output)
}

#[test]
fn apt_and_downloads_go_through_the_proxy_and_keep_its_password() {
    let behind = Behind::new();
    let proxy = behind.proxy.url(USER);
    let (http, https) = (behind.http(), behind.https());
    behind.lock(&proxy, &http).unwrap();
    let index = format!("GET {http}/dists/test/main/binary-amd64/Packages");
    assert_eq!(behind.proxy.requests(), [format!("GET {http}/dists/test/InRelease"), index]);
    behind.fetch(&proxy).unwrap();
    let debs = ["lib_1_all", "tool_1_amd64"].map(|name| format!("GET {http}/pool/{name}.deb"));
    assert_eq!(behind.proxy.requests(), debs);

    fs::remove_dir_all(behind.world.path("cache/debs")).unwrap();
    let tunnel = format!("CONNECT {HIDDEN}:{}", behind.tls.port);
    for verb in ["lock", "fetch"] {
        if verb == "lock" { behind.lock(&proxy, &https) } else { behind.fetch(&proxy) }.unwrap();
        let requests = behind.proxy.requests();
        assert!(!requests.is_empty() && requests.iter().all(|request| *request == tunnel), "{requests:?}");
    }
    let log = behind.log();
    for line in
        [" apt-get -q update", "net: GET url=http", " status=200 after ", "builder: the cache's file of lib: Nothing"]
    {
        assert!(log.contains(line), "{line}: {log}");
    }
    let shown = behind.command(&proxy).arg("env").output().unwrap();
    is_no_secret("env", &shown.stdout);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("\"http://***@127.0.0.1:"), "{shown:?}");
    for folder in ["cache", "module", "home"].map(|name| behind.world.path(name)).iter().filter(|path| path.exists()) {
        holds_no_secret(folder);
    }
}

#[test]
fn a_proxy_that_refuses_is_told() {
    let behind = Behind::new();
    let (proxy, wrong) = (behind.proxy.url(USER), behind.proxy.url("tester:wrong-word"));
    for mirror in [behind.http(), behind.https()] {
        behind.lock(&wrong, &mirror).unwrap_err().is(4, "check the user and the password in the setting `proxy`");
        behind.lock(&proxy, &mirror).unwrap();
        behind.fetch(&wrong).unwrap_err().is(4, "the setting `proxy`");
    }
    behind.fetch(&proxy).unwrap();
    assert!(behind.log().contains("status=401"), "{}", behind.log());
}

#[test]
fn a_proxy_that_is_not_there_is_told() {
    let behind = Behind::new();
    let (proxy, dead) = (behind.proxy.url(USER), format!("http://tester:wrong-word@127.0.0.1:{}", free_port()));
    behind.lock(&dead, &behind.http()).unwrap_err().is(4, "the mirror's name and the setting `proxy`");
    behind.lock(&proxy, &behind.http()).unwrap();
    behind.fetch(&dead).unwrap_err().is(4, "the mirror and the setting `proxy`");
    behind.fetch(&proxy).unwrap();
}

#[test]
fn without_the_setting_there_is_no_proxy() {
    let behind = Behind::new();
    let direct = format!("http://localhost:{}", behind.mirror.port);
    behind.lock("", &direct).unwrap();
    behind.fetch("").unwrap();
    assert_eq!(behind.proxy.requests(), [""; 0]);
}
