//! Real servers on loopback: a mirror (busybox), the same by TLS (socat, with certificates made by
//! openssl) and a forward proxy (tinyproxy). Each ends with the test that started it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use testkit::run;

use crate::archive::World;

/// A host name that no one can look up but [`Proxy`].
pub const HIDDEN: &str = "mirror.example.invalid";

/// The user and password of [`Proxy`], as they stand in an address.
pub const USER: &str = "tester:s%33cret-word";

/// What must never be seen of [`USER`]: the password in each of its forms.
pub const SECRETS: [&str; 3] = ["s%33cret-word", "s3cret-word", "dGVzdGVyOnMzY3JldC13b3Jk"];

/// A program that listens on a port, killed when dropped or when its test ends.
pub struct Server {
    child: Child,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
}

impl Server {
    fn start(port: u16, program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", program]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let server = Self { child, port };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "{program} does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// A mirror of the world's archive.
    pub fn mirror(world: &World) -> Self {
        let port = free_port();
        let archive = world.path("archive");
        let address = format!("127.0.0.1:{port}");
        Self::start(port, "busybox", &["httpd", "-f", "-p", &address, "-h", archive.to_str().unwrap()])
    }

    /// What `mirror` serves, by TLS with the certificate `name` of [`Authority`].
    pub fn tls(port: u16, mirror: &Self, authority: &Authority, name: &str) -> Self {
        let file = |ending: &str| authority.path(&format!("{name}.{ending}")).display().to_string();
        let listen = format!(
            "OPENSSL-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,verify=0,cert={},key={}",
            file("pem"),
            file("key")
        );
        Self::start(port, "socat", &[&listen, &format!("TCP:127.0.0.1:{}", mirror.port)])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A certificate authority, and what it signed.
pub struct Authority {
    folder: PathBuf,
}

impl Authority {
    /// An authority with its own key, in the world's folder `name`.
    pub fn new(world: &World, name: &str) -> Self {
        let authority = Self { folder: world.path(name) };
        fs::create_dir_all(&authority.folder).unwrap();
        let subject = format!("/CN={name}");
        let request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let files = ["-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", &subject];
        run(authority.command(&["openssl"]).args(request).args(files));
        authority
    }

    /// Signs a certificate `name` for the host names `hosts`, with `openssl` started by `wrapper`.
    pub fn sign(&self, name: &str, hosts: &[&str], wrapper: &[&str]) {
        let (key, request, out) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        let names: Vec<String> = hosts.iter().map(|host| format!("DNS:{host}")).collect();
        let extensions = format!("subjectAltName={}\nextendedKeyUsage=serverAuth\n", names.join(","));
        fs::write(self.path("extensions"), extensions).unwrap();
        let new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=server"];
        run(self.command(&["openssl"]).args(new).args(["-keyout", &key, "-out", &request]));
        let sign = ["x509", "-req", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1"];
        let files = ["-in", &request, "-out", &out, "-extfile", "extensions"];
        run(self.command(&[wrapper, &["openssl"]].concat()).args(sign).args(files));
    }

    /// A file of the authority.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(&self.folder);
        command
    }
}

/// A proxy that asks for a password, and knows where [`HIDDEN`] is.
pub struct Proxy {
    server: Server,
    log: PathBuf,
}

impl Proxy {
    /// Starts tinyproxy; it lets connections through to the ports in `tls`.
    pub fn new(world: &World, tls: &[u16]) -> Self {
        let port = free_port();
        let (log, settings, hosts) = (world.path("proxy.log"), world.path("proxy.conf"), world.path("hosts"));
        let user = "BasicAuth tester s3cret-word";
        let mut text = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 20\nMaxClients 50\nLogLevel Connect\nLogFile \"{}\"\n{user}\n",
            log.display()
        );
        text.extend(tls.iter().map(|port| format!("ConnectPort {port}\n")));
        fs::write(&settings, text).unwrap();
        fs::write(&hosts, format!("127.0.0.1 localhost {HIDDEN}\n")).unwrap();
        let script = "mount --bind \"$0\" /etc/hosts && exec tinyproxy -d -c \"$1\"";
        let files = [&hosts, &settings].map(|path| path.to_str().unwrap());
        let server = Server::start(port, "unshare", &["--mount", "--", "sh", "-c", script, files[0], files[1]]);
        Self { server, log }
    }

    /// Its address with `user` and a password in it.
    pub fn url(&self, user: &str) -> String {
        format!("http://{user}@127.0.0.1:{}", self.server.port)
    }

    /// What it was asked since the last call, such as `GET http://...`, sorted.
    pub fn requests(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).unwrap();
        fs::write(&self.log, "").unwrap();
        let request = |line: &str| {
            let (_, rest) = line.split_once("Request (")?;
            let (_, request) = rest.split_once("): ")?;
            Some(request.trim_end_matches(" HTTP/1.1").to_owned())
        };
        let mut found: Vec<String> = text.lines().filter_map(request).collect();
        found.sort();
        found
    }
}

/// Fails the test when a file below `folder` holds one of [`SECRETS`].
pub fn holds_no_secret(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holds_no_secret(&path);
        } else if path.is_file() {
            is_no_secret(&path.display().to_string(), &fs::read(&path).unwrap());
        }
    }
}

/// Fails the test when `bytes` hold one of [`SECRETS`].
pub fn is_no_secret(name: &str, bytes: &[u8]) {
    for secret in SECRETS {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{name} holds the password of the proxy");
    }
}
