//! The client against servers on loopback: what it asks for, what it takes, and how it says what went wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use net::{Client, Error, Options, Proxy, RedirectFault};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A server that answers the head of each request by `answer` and closes. It ends when it is dropped.
struct Server {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    fn new(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        Self::over(|stream, serve| serve(&mut &stream), answer)
    }

    /// The same by TLS, as `localhost`.
    fn tls(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let certificates =
            CertificateDer::pem_file_iter(fixture("localhost.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(fixture("localhost.key")).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key).unwrap();
        let config = Arc::new(config);
        let wrap = move |stream: TcpStream, serve: &mut dyn FnMut(&mut dyn Both)| {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            serve(&mut stream);
            stream.conn.send_close_notify();
            let _ = stream.flush();
        };
        Self::over(wrap, answer)
    }

    fn over(
        wrap: impl Fn(TcpStream, &mut dyn FnMut(&mut dyn Both)) + Send + 'static,
        answer: impl Fn(&str) -> Vec<u8> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, heads): (Arc<AtomicBool>, Arc<Mutex<Vec<String>>>) = Default::default();
        let (stopping, asked) = (Arc::clone(&stop), Arc::clone(&heads));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                wrap(stream, &mut |stream| {
                    let (mut head, mut byte) = (Vec::new(), [0]);
                    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                        head.push(byte[0]);
                    }
                    let head = String::from_utf8(head).unwrap();
                    // The client may have hung up, before or now; that is its right.
                    if !head.is_empty() {
                        asked.lock().unwrap().push(head.clone());
                        let _ = stream.write_all(&answer(&head));
                    }
                });
            }
        });
        Self { address, heads, stop, thread: Some(thread) }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().iter().map(|head| head.to_ascii_lowercase()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

trait Both: Read + Write {}
impl<T: Read + Write> Both for T {}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n{body}").into_bytes()
}

fn sent_to(location: &str) -> Vec<u8> {
    http("302 Found", &format!("Location: {location}\r\n"), "")
}

fn options() -> Options {
    let (user_agent, patience) = ("test/1".to_owned(), Duration::from_secs(10));
    Options { user_agent, proxy: None, ca_bundle: None, connections: 1, patience }
}

fn get(url: &str, limit: u64) -> Result<String, Error> {
    get_by(options(), url, limit)
}

fn get_by(options: Options, url: &str, limit: u64) -> Result<String, Error> {
    let client = Client::new(options);
    let mut text = String::new();
    let read = client.get(url, limit).send()?.read_to_string(&mut text);
    read.map(|_| text).map_err(|error| Error::of_read(&error).expect("typed").clone())
}

#[test]
fn what_is_larger_than_its_limit_is_not_read() {
    let server = Server::new(|head| match head.split(' ').nth(1).unwrap() {
        "/told" => http("200 OK", "", "12345"),
        _ => [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &[b'x'; 1 << 20]].concat(),
    });
    assert_eq!(get(&server.url("/told"), 5).unwrap(), "12345");
    assert_eq!(get(&server.url("/told"), 4), Err(Error::TooLarge { limit: 4, found: 5 }));
    assert_eq!(get(&server.url("/untold"), 1 << 20).unwrap().len(), 1 << 20);
    let found = get(&server.url("/untold"), (1 << 20) - 1);
    assert!(matches!(found, Err(Error::TooLarge { limit: 1_048_575, .. })), "{found:?}");
}

#[test]
fn a_range_is_taken_where_it_begins_at_the_offset_and_else_all() {
    let server = Server::new(|head| {
        let is_ranged = head.to_ascii_lowercase().contains("\r\nrange: bytes=2-\r\n");
        match head.split(' ').nth(1).unwrap() {
            "/good" => http("206 Partial Content", "Content-Range: bytes 2-4/5\r\nETag: \"a\"\r\n", "345"),
            "/other" if is_ranged => http("206 Partial Content", "Content-Range: bytes 1-4/5\r\n", "2345"),
            "/none" if is_ranged => http("416 Range Not Satisfiable", "", ""),
            _ => http("200 OK", "", "12345"),
        }
    });
    let client = Client::new(options());
    for (path, start) in [("/good", 2), ("/other", 0), ("/none", 0), ("/deaf", 0)] {
        let mut response = client.get(&server.url(path), 5).offset(2).send().unwrap();
        assert_eq!((response.start(), response.total()), (start, Some(5)), "{path}");
        assert_eq!(response.header("etag"), (start == 2).then_some("\"a\""));
        let mut text = String::new();
        response.read_to_string(&mut text).unwrap();
        assert_eq!(text, "12345"[usize::try_from(start).unwrap()..], "{path}");
    }
    let refused = client.get(&server.url("/good"), 4).offset(2).send();
    assert_eq!(refused.unwrap_err(), Error::TooLarge { limit: 4, found: 5 });
}

#[test]
fn a_status_is_told_with_the_time_that_the_server_asks_for() {
    let server = Server::new(|head| {
        let (status, after) = head.split(' ').nth(1).unwrap().trim_start_matches('/').split_once('/').unwrap();
        http(&format!("{status} X"), &format!("Retry-After: {}\r\n", after.replace('_', " ")), "")
    });
    for (path, is_transient, seconds) in [
        ("/503/7", true, Some(7)),
        ("/429/_0_", true, Some(0)),
        ("/503/99999999999999999999", true, None),
        ("/503/-1", true, None),
        ("/503/Fri,_31_Dec_1999_23:59:59_GMT", true, None),
        ("/500/7", true, None),
        ("/408/7", true, None),
        ("/404/7", false, None),
        ("/401/7", false, None),
        ("/206/7", false, None),
    ] {
        let error = get(&server.url(path), 9).unwrap_err();
        let retry_after = seconds.map(Duration::from_secs);
        assert_eq!(error, Error::Status { status: path[1..4].parse().unwrap(), retry_after }, "{path}");
        assert_eq!((error.is_transient(), error.retry_after()), (is_transient, retry_after), "{path}");
    }
}

#[test]
fn a_redirect_leads_nowhere_but_to_the_web_and_takes_no_credentials_along() {
    let other = Server::new(|_| http("200 OK", "", "there"));
    let location = other.url("/there");
    let server = Server::new(move |head| match head.split(' ').nth(1).unwrap() {
        "/other" => sent_to(&location),
        "/file" => sent_to("file:///etc/hostname"),
        "/ftp" => sent_to("ftp://127.0.0.1/x"),
        "/user" => sent_to("http://user:hunter2@127.0.0.1:9/"),
        "/5" => sent_to("/4"),
        "/4" => sent_to("/3"),
        "/3" => sent_to("/2"),
        "/2" => sent_to("/1"),
        "/1" => sent_to("/0"),
        "/0" => http("200 OK", "", "arrived"),
        _ => sent_to("/5"),
    });
    let with_user = format!("http://user:hunter2@{}/other", server.address);
    assert_eq!(get(&with_user, 9).unwrap(), "there");
    assert!(server.heads()[0].contains("\r\nauthorization: basic "), "{:?}", server.heads());
    assert!(
        !other.heads()[0].contains("authorization") && !other.heads()[0].contains("referer"),
        "{:?}",
        other.heads()
    );
    assert_eq!(get(&server.url("/5"), 9).unwrap(), "arrived", "five are followed");
    for (path, fault) in [
        ("/file", RedirectFault::Elsewhere),
        ("/ftp", RedirectFault::Elsewhere),
        ("/user", RedirectFault::Credentials),
        ("/6", RedirectFault::TooMany),
    ] {
        let error = get(&server.url(path), 9).unwrap_err();
        assert_eq!((&error, error.is_transient()), (&Error::Redirect(fault), false), "{path}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[test]
fn a_certificate_is_held_to_the_authorities_that_the_user_names() {
    let plain = Server::new(|_| http("200 OK", "", "plain"));
    let location = plain.url("/");
    let server = Server::tls(move |head| match head.split(' ').nth(1).unwrap() {
        "/down" => sent_to(&location),
        _ => http("200 OK", "", "secure"),
    });
    let by = |bundle: &str| Options { ca_bundle: Some(fixture(bundle)), ..options() };
    let at = |host: &str, path: &str| format!("https://{host}:{}{path}", server.address.port());
    assert_eq!(get_by(by("ca.pem"), &at("localhost", "/"), 9).unwrap(), "secure");
    assert_eq!(get_by(by("ca.pem"), &at("localhost", "/down"), 9), Err(Error::Redirect(RedirectFault::Insecure)));
    // Another name, an authority that has not signed it, and the host's authorities.
    for (options, host) in [(by("ca.pem"), "127.0.0.1"), (by("localhost.pem"), "localhost"), (options(), "localhost")] {
        let error = get_by(options, &at(host, "/"), 9).unwrap_err();
        assert!(matches!(error, Error::Certificate { .. }) && !error.is_transient(), "{error:?}");
    }
    for (bundle, message) in [("none.pem", "No such file"), ("README.md", "it holds no certificate"), ("", "directory")]
    {
        let error = get_by(by(bundle), &at("localhost", "/"), 9).unwrap_err();
        assert!(matches!(error, Error::CaBundle(_)) && error.to_string().contains(message), "{error}");
        assert_eq!(get_by(by(bundle), &plain.url("/"), 9).unwrap(), "plain", "http needs none");
    }
}

/// The library keeps these errors' type to itself: should its words change, this says so.
#[test]
fn a_proxy_that_refuses_a_tunnel_is_told_from_one_that_wants_a_password() {
    for (answer, wanted) in [
        ("407 Proxy Authentication Required", Error::Status { status: 407, retry_after: None }),
        ("403 Forbidden", Error::Connection { message: "the proxy does not let the connection through".to_owned() }),
    ] {
        let proxy = Server::new(move |_| http(answer, "", ""));
        let options = Options { proxy: Some(Proxy::parse(&proxy.url("")).unwrap()), ..options() };
        assert_eq!(get_by(options, "https://mirror.example.org/", 9), Err(wanted));
        assert!(proxy.heads()[0].starts_with("connect mirror.example.org:443 "), "{:?}", proxy.heads());
    }
}

#[test]
fn what_is_no_address_of_the_web_is_not_asked_for() {
    for url in ["", "mirror.example.org", "ftp://mirror.example.org/", "file:///etc/hostname", "http://", "http://["] {
        assert_eq!(get(url, 9), Err(Error::Url), "{url}");
    }
}

#[test]
fn a_server_that_hangs_up_may_be_asked_again() {
    let server = Server::new(|head| match head.split(' ').nth(1).unwrap() {
        "/cut" => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12".to_vec(),
        _ => Vec::new(),
    });
    for path in ["/cut", "/mute"] {
        let error = get(&server.url(path), 9).unwrap_err();
        assert!(matches!(error, Error::Connection { .. }) && error.is_transient(), "{error:?}");
    }
}

/// A server that answers any request by `first`, and then by `rest` again and again, with `pause` in between.
fn endless(first: &'static [u8], rest: &'static [u8], pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let mut sent = stream.write_all(first);
                while sent.is_ok() {
                    thread::sleep(pause);
                    sent = stream.write_all(rest);
                }
            });
        }
    });
    format!("http://{address}/file")
}

#[test]
fn what_never_ends_is_given_up() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\n";
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    const LINE: &[u8] = b"X-More: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
    let (at_once, slowly) = (Duration::ZERO, Duration::from_millis(100));
    let of_length = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    for (what, first, rest, pause) in [
        ("a head", HEAD, LINE, at_once),
        ("a head, a byte at a time", HEAD, b"X", slowly),
        ("answers before the answer", b"", b"HTTP/1.1 100 Continue\r\n\r\n", slowly),
        ("a body", b"HTTP/1.1 200 OK\r\n\r\n", LINE, at_once),
        ("a body, a byte at a time", of_length, b"a", slowly),
        ("a body in chunks", CHUNKED, b"4\r\naaaa\r\n", at_once),
        ("what comes behind a body", CHUNKED, b"0\r\nX-More: a\r\n", at_once),
        ("the length of a chunk", CHUNKED, b"0", at_once),
        ("what a chunk says of itself", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=", b"aaaa", at_once),
        ("nothing at all", b"", b"", slowly),
    ] {
        let url = endless(first, rest, pause);
        let patient = Options { patience: Duration::from_secs(1), ..options() };
        let (ended, end) = std::sync::mpsc::channel();
        thread::spawn(move || ended.send(get_by(patient, &url, 1 << 20)));
        let got = end.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| panic!("{what}: no end in a minute"));
        assert!(got.is_err(), "{what}: {got:?}");
    }
}
