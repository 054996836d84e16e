//! Health checks: a service is asked as the node's agent asks it, from inside the trial's network.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use model::path::escape;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The most bytes of an answer's first line.
const LINE_LIMIT: u64 = 4096;

/// How a service is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is connected to; the first that takes the connection counts.
    pub addresses: Vec<SocketAddr>,
    /// The request; none where the connection alone is the answer.
    pub request: Option<Request>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// A request of HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST` or `PUT`.
    pub method: &'static str,
    /// What stands behind `Host:`.
    pub host: String,
    /// The path and what follows it.
    pub target: String,
}

/// Where a manifest says that a service is to be asked.
///
/// # Errors
/// Why it cannot be asked here.
pub fn check(
    endpoint: &str,
    method: Option<&'static str>,
    first_port: Option<u16>,
    timeout: Duration,
) -> Result<Check, String> {
    let shown = || escape(endpoint.as_bytes());
    let Some(method) = method else {
        let (host, port) = host_and_port(endpoint, first_port).ok_or_else(|| format!("{} names no port", shown()))?;
        return Ok(Check {
            addresses: addresses(&host, port).ok_or_else(|| elsewhere(&host))?,
            request: None,
            timeout,
        });
    };
    if endpoint.starts_with("https:") {
        return Err("an encrypted endpoint is not asked".to_owned());
    }
    let (authority, path) = match endpoint.strip_prefix("http://") {
        Some(rest) => rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len())),
        None if endpoint.starts_with('/') => ("localhost", endpoint),
        None => endpoint.split_at(endpoint.find(['/', '?']).unwrap_or(endpoint.len())),
    };
    let default = if endpoint.starts_with("http://") { Some(80) } else { first_port.or(Some(80)) };
    let (host, port) = host_and_port(authority, default).ok_or_else(|| format!("{} names no port", shown()))?;
    let target = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    if target.bytes().chain(authority.bytes()).any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(format!("{} holds what no request may", shown()));
    }
    let request = Request { method, host: authority.to_owned(), target };
    Ok(Check { addresses: addresses(&host, port).ok_or_else(|| elsewhere(&host))?, request: Some(request), timeout })
}

fn elsewhere(host: &str) -> String {
    format!("{} is another machine, and a trial has no network", escape(host.as_bytes()))
}

/// `host:port`, `[::1]:port`, `:port`, or a host alone with `default`.
fn host_and_port(text: &str, default: Option<u16>) -> Option<(String, u16)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let port = rest.strip_prefix(':').map_or(default, |port| port.parse().ok())?;
        return Some((host.to_owned(), port));
    }
    match text.rsplit_once(':') {
        Some((host, port)) => Some((host.to_owned(), port.parse().ok()?)),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() => {
            Some((String::new(), text.parse().ok()?))
        }
        None => Some((text.to_owned(), default?)),
    }
}

/// The addresses of the trial itself; none for others.
fn addresses(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    let (four, six) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
    let at = |address| SocketAddr::new(address, port);
    match host {
        "" | "localhost" | "*" | super::own::HOST_NAME => Some(vec![at(four), at(six)]),
        host => {
            let address: IpAddr = host.parse().ok()?;
            let address = if address.is_unspecified() { if address.is_ipv4() { four } else { six } } else { address };
            address.is_loopback().then(|| vec![at(address)])
        }
    }
}

/// Asks once, in the network of `process`.
///
/// # Errors
/// Why the service is not well, in a few words.
pub fn ask(process: u32, check: &Check) -> Result<(), String> {
    let asked = thread::scope(|scope| {
        // A thread may be in another network than the rest of the program.
        scope
            .spawn(|| {
                let file = open(Path::new(&format!("/proc/{process}/ns/net"))).map_err(|error| error.to_string())?;
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                    .map_err(|errno| format!("its network cannot be entered: {errno}"))?;
                connect(check)
            })
            .join()
    });
    asked.unwrap_or_else(|_| Err("the check itself failed".to_owned()))
}

#[allow(clippy::disallowed_methods, reason = "a file of the kernel's that stands for a namespace")]
fn open(path: &Path) -> std::io::Result<File> {
    File::open(path)
}

fn connect(check: &Check) -> Result<(), String> {
    let mut last = "it has no address".to_owned();
    for address in &check.addresses {
        match TcpStream::connect_timeout(address, check.timeout) {
            Ok(stream) => {
                return check.request.as_ref().map_or(Ok(()), |request| exchange(stream, request, check.timeout));
            }
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    Err(last)
}

fn exchange(mut stream: TcpStream, request: &Request, timeout: Duration) -> Result<(), String> {
    let Request { method, host, target } = request;
    let text = format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: module-builder\r\nAccept: */*\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let asked = || -> std::io::Result<Vec<u8>> {
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        stream.write_all(text.as_bytes())?;
        let mut answer = Vec::new();
        let mut limited = (&mut stream).take(LINE_LIMIT);
        let mut buffer = [0; 512];
        while !answer.contains(&b'\n') {
            match limited.read(&mut buffer)? {
                0 => break,
                count => answer.extend_from_slice(&buffer[..count]),
            }
        }
        Ok(answer)
    };
    let mut asked = asked;
    status(&asked().map_err(|error| format!("{method} {target}: {error}"))?)
        .map_err(|why| format!("{method} {target}: {why}"))
}

/// Whether the first line of an answer says that all is well: a status below 400.
fn status(answer: &[u8]) -> Result<(), String> {
    let line = answer.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let shown = || escape(line.trim_ascii_end());
    let text = std::str::from_utf8(line).map_err(|_| shown())?;
    let mut words = text.split_ascii_whitespace();
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/"));
    let status =
        words.next().and_then(|word| word.parse::<u16>().ok()).filter(|status| is_http && (100..600).contains(status));
    match status {
        Some(status) if status < 400 => Ok(()),
        Some(status) => Err(format!("it answers {status}")),
        None => Err(format!("its answer is none of HTTP: {}", shown())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(endpoint: &str, method: Option<&'static str>, port: Option<u16>) -> Result<String, String> {
        let check = check(endpoint, method, port, Duration::from_secs(1))?;
        let addresses: Vec<String> = check.addresses.iter().map(ToString::to_string).collect();
        let request = check.request.map_or_else(String::new, |it| format!(" {} {} {}", it.method, it.host, it.target));
        Ok(addresses.join(",") + &request)
    }

    #[test]
    fn an_endpoint_is_a_url_a_path_or_a_port() {
        let ok = |endpoint, method, port| described(endpoint, method, port).unwrap();
        assert_eq!(
            ok("http://localhost:8080/health?x", Some("GET"), None),
            "127.0.0.1:8080,[::1]:8080 GET localhost:8080 /health?x"
        );
        assert_eq!(ok("/status", Some("POST"), Some(9100)), "127.0.0.1:9100,[::1]:9100 POST localhost /status");
        assert_eq!(ok("http://127.0.0.1", Some("GET"), Some(9)), "127.0.0.1:80 GET 127.0.0.1 /");
        assert_eq!(ok("0.0.0.0:6379", None, None), "127.0.0.1:6379");
        assert_eq!(ok("[::1]:6379", None, None), "[::1]:6379");
        assert_eq!(ok("6379", None, None), "127.0.0.1:6379,[::1]:6379");
        assert_eq!(ok("localhost", None, Some(5)), "127.0.0.1:5,[::1]:5");
        for (endpoint, method) in [
            ("https://localhost/", Some("GET")),
            ("http://example.org/", Some("GET")),
            ("localhost", None),
            ("/a b", Some("GET")),
            ("192.0.2.1:80", None),
            ("x:y", None),
        ] {
            assert!(described(endpoint, method, None).is_err(), "{endpoint}");
        }
    }

    #[test]
    fn a_status_below_400_is_well() {
        for (answer, well) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.0 302 Found\r\n", true),
            ("HTTP/1.1 404 Not Found\r\n", false),
            ("HTTP/1.1 503\r\n", false),
            ("HTTP/1.1 abc\r\n", false),
            ("200 OK\r\n", false),
            ("", false),
            ("HTTP/1.1 7 x\r\n", false),
        ] {
            assert_eq!(status(answer.as_bytes()).is_ok(), well, "{answer}");
        }
        assert_eq!(status(b"-ERR wrong\r\n"), Err("its answer is none of HTTP: -ERR wrong".to_owned()));
        assert!(status(b"\xff\xfe\n").is_err());
    }
}
