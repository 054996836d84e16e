//! Mirrors by https: apt and the downloads trust the same authorities, and say the same when they
//! do not.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::archive::{Failed, World, debs, finished, manifest};
use crate::server::{Authority, Server, free_port};

/// An archive by TLS, and certificates of all kinds for it.
struct Secure {
    world: World,
    mirror: Server,
    own: Authority,
    other: Authority,
    port: u16,
}

impl Secure {
    fn new() -> Self {
        let world = World::new(&debs("1"));
        let (own, other) = (Authority::new(&world, "own"), Authority::new(&world, "other"));
        own.sign("good", &["localhost"], &[]);
        own.sign("elsewhere", &["elsewhere.example.org"], &[]);
        own.sign("expired", &["localhost"], &["datefudge", "--static", "2020-01-01"]);
        let mirror = Server::mirror(&world);
        Self { world, mirror, own, other, port: free_port() }
    }

    fn serve(&self, certificate: &str) -> Server {
        Server::tls(self.port, &self.mirror, &self.own, certificate)
    }

    /// The program, which trusts what is signed by the authorities in `trusted`.
    fn command(&self, trusted: Option<&Path>) -> Command {
        let mut command = self.world.command();
        command.envs(trusted.map(|path| ("SSL_CERT_FILE", path)));
        command
    }

    fn lock(&self, trusted: Option<&Path>) -> Result<serde_json::Value, Failed> {
        self.world.take_from(&format!("https://localhost:{}", self.port));
        let arguments = ["lock", "-C", "module", "--arch", "amd64", "--format=json"];
        finished(&self.command(trusted).args(arguments).output().unwrap())
    }

    fn fetch(&self, trusted: Option<&Path>) -> Result<serde_json::Value, Failed> {
        finished(&self.command(trusted).args(["fetch", "-C", "module", "--format=json"]).output().unwrap())
    }

    /// What came from the archive and is in the cache.
    fn kept(&self) -> Vec<String> {
        let found =
            Command::new("find").arg(self.world.path("cache")).args(["-type", "f", "-size", "+0"]).output().unwrap();
        let text = String::from_utf8(found.stdout).unwrap();
        let kept = |line: &&str| line.contains("/debs/") || line.contains("_InRelease") || line.contains("_Packages");
        text.lines().filter(kept).map(str::to_owned).collect()
    }
}

#[test]
fn an_authority_of_ones_own_is_trusted_by_apt_and_by_downloads() {
    let secure = Secure::new();
    let sound = manifest(&secure.world.build(&[]).unwrap()).to_owned();
    fs::remove_dir_all(secure.world.path("cache")).unwrap();
    let _server = secure.serve("good");
    let trusted = secure.own.path("ca.pem");
    secure.lock(Some(&trusted)).unwrap();
    let locked = fs::read_to_string(secure.world.path("module/module.lock")).unwrap();
    assert!(locked.contains(&format!("\"https://localhost:{}\"", secure.port)), "{locked}");
    secure.fetch(Some(&trusted)).unwrap();
    assert_eq!(manifest(&secure.world.build(&["--frozen"]).unwrap()), sound, "by which road they came does not count");
}

#[test]
fn a_certificate_that_is_wrong_is_refused_with_nothing_kept() {
    let secure = Secure::new();
    let trusted = secure.own.path("ca.pem");
    let foreign = secure.other.path("ca.pem");
    let cases =
        [("good", None), ("good", Some(&*foreign)), ("elsewhere", Some(&*trusted)), ("expired", Some(&*trusted))];
    for (certificate, authority) in cases {
        let _server = secure.serve(certificate);
        let refused = secure.lock(authority).unwrap_err();
        refused.is(4, "the archive's certificate is refused");
        refused.is(4, "SSL_CERT_FILE");
        assert!(!secure.world.path("module/module.lock").exists(), "{certificate}");
        assert_eq!(secure.kept(), [""; 0], "{certificate}");
    }
    let server = secure.serve("good");
    secure.lock(Some(&trusted)).unwrap();
    drop(server);
    let before = secure.kept();
    for (certificate, authority) in cases {
        let _server = secure.serve(certificate);
        let began = Instant::now();
        let refused = secure.fetch(authority).unwrap_err();
        refused.is(4, "the server's certificate is refused");
        refused.is(4, "SSL_CERT_FILE");
        assert!(began.elapsed() < Duration::from_secs(4), "{certificate}: another try would be refused too");
        assert_eq!(secure.kept(), before, "{certificate}");
    }
    let _server = secure.serve("good");
    secure.fetch(Some(&trusted)).unwrap();
}

#[test]
fn authorities_that_cannot_be_read_are_named() {
    let secure = Secure::new();
    let by_file = fs::read_to_string(secure.world.path("module/builder.toml")).unwrap();
    let _server = secure.serve("good");
    let (none, empty) = (secure.world.path("none.pem"), secure.world.path("Release"));
    for file in [&none, &empty] {
        let failed = secure.lock(Some(file)).unwrap_err();
        failed.is(4, file.to_str().unwrap());
        failed.is(4, "name a file of certificates in PEM by SSL_CERT_FILE");
    }
    secure.lock(Some(&secure.own.path("ca.pem"))).unwrap();
    for file in [&none, &empty] {
        let failed = secure.fetch(Some(file)).unwrap_err();
        failed.is(4, file.to_str().unwrap());
        failed.is(4, "name a file of certificates in PEM by SSL_CERT_FILE");
    }
    // Who needs no certificate need not have one.
    fs::remove_file(secure.world.path("module/module.lock")).unwrap();
    fs::write(secure.world.path("module/builder.toml"), by_file).unwrap();
    let arguments = ["build", "-C", "module", "--arch", "amd64", "--format=json"];
    finished(&secure.command(Some(&none)).args(arguments).output().unwrap()).unwrap();
}
