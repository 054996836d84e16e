//! What listens in a trial, as the kernel lists it in `/proc/net`.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use model::path::escape;
use serde::{Serialize, Serializer};

/// The most bytes of one list that are read.
pub(super) const LIMIT: u64 = 16 << 20;

/// The lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// `tcp` and `tcp6`.
    Tcp,
    /// `udp` and `udp6`.
    Udp,
    /// `unix`.
    Unix,
}

/// The lists by the names of their files.
pub const LISTS: [(&str, List); 5] =
    [("tcp", List::Tcp), ("tcp6", List::Tcp), ("udp", List::Udp), ("udp6", List::Udp), ("unix", List::Unix)];

/// Where something listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A port of TCP.
    Tcp(SocketAddr),
    /// A port of UDP.
    Udp(SocketAddr),
    /// A socket of the file system, by its path, or one without a file, by its name behind an `@`.
    Unix(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp {address}"),
            Self::Udp(address) => write!(f, "udp {address}"),
            Self::Unix(path) => write!(f, "unix {path}"),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::str::FromStr for Address {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (kind, rest) = text.split_once(' ').ok_or(())?;
        match kind {
            "tcp" => Ok(Self::Tcp(rest.parse().map_err(drop)?)),
            "udp" => Ok(Self::Udp(rest.parse().map_err(drop)?)),
            "unix" => Ok(Self::Unix(rest.to_owned())),
            _ => Err(()),
        }
    }
}

/// Something that listens, and the number by which processes hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// Where.
    pub address: Address,
    /// The inode of the socket.
    pub inode: u64,
}

/// Reads one list of the kernel's.
///
/// # Errors
/// The first line that is none of such a list.
pub fn parse(list: List, text: &str) -> Result<Vec<Listening>, String> {
    let mut found = Vec::new();
    for line in text.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        let read = match list {
            List::Tcp => internet(line, "0A", Address::Tcp),
            List::Udp => internet(line, "07", Address::Udp),
            List::Unix => unix(line),
        };
        found.extend(read.ok_or_else(|| escape(line.as_bytes()))?);
    }
    Ok(found)
}

/// A line of `tcp` or `udp`; the inner value is none where the state is another than `wanted`.
fn internet(line: &str, wanted: &str, address: fn(SocketAddr) -> Address) -> Option<Option<Listening>> {
    let mut words = line.split_ascii_whitespace();
    let local = socket_address(words.nth(1)?)?;
    let _peer = words.next()?;
    let state = words.next()?;
    let inode = words.nth(5)?.parse().ok()?;
    Some((state == wanted).then(|| Listening { address: address(local), inode }))
}

/// `0100007F:1F90`: the words of the address in the machine's own order of bytes.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for at in 0..4 {
                bytes[at * 4..at * 4 + 4].copy_from_slice(&word(at)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

/// A line of `unix`: what accepts connections, or takes datagrams, under a name.
fn unix(line: &str) -> Option<Option<Listening>> {
    /// The socket accepts connections.
    const ACCEPTS: u32 = 0x1_0000;
    const DATAGRAM: u32 = 2;
    let mut rest = line;
    let mut word = || {
        rest = rest.trim_start_matches(' ');
        let end = rest.find(' ').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        (!word.is_empty()).then_some(word)
    };
    let (_number, _references, _protocol) = (word()?, word()?, word()?);
    let flags = u32::from_str_radix(word()?, 16).ok()?;
    let kind = u32::from_str_radix(word()?, 16).ok()?;
    let _state = word()?;
    let inode = word()?.parse().ok()?;
    // The path is all that follows one blank: it may hold blanks itself.
    let path = rest.strip_prefix(' ').unwrap_or_default();
    let listens = flags & ACCEPTS != 0 || kind == DATAGRAM;
    Some((listens && !path.is_empty()).then(|| Listening { address: Address::Unix(escape(path.as_bytes())), inode }))
}

/// How what listens in one run differs from another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where something listens that did not in the other run.
    pub wider: BTreeSet<Address>,
    /// Where nothing listens that did in the other run.
    pub missing: BTreeSet<Address>,
}

/// Compares what listens in a trial with what does in the full tree. Ports that the kernel gives to whoever asks for any are
/// other ones each time, and so are names without a file; both say nothing. Numbers in the names of sockets are those of
/// processes. What listens on all addresses of a port is wider than one of them, and misses none. Another reserved port for
/// datagrams on the same address says nothing either: bindresvport(3) takes one of these by the process's number.
#[must_use]
pub fn compare(found: &BTreeSet<Address>, control: &BTreeSet<Address>, ephemeral: (u16, u16)) -> Difference {
    let is_fixed = |address: &&Address| match address {
        Address::Tcp(address) | Address::Udp(address) => !(ephemeral.0..=ephemeral.1).contains(&address.port()),
        Address::Unix(path) => path.starts_with('/'),
    };
    let is_network = |address: &&Address| !matches!(address, Address::Unix(_));
    let is_there = |wanted: &&Address| found.iter().any(|address| same(address, wanted) || covers(address, wanted));
    let wider = found.iter().filter(is_fixed).filter(is_network).filter(|address| !control.contains(address));
    let missing = control.iter().filter(is_fixed).filter(|address| !is_there(address));
    let mut difference = Difference { wider: wider.cloned().collect(), missing: missing.cloned().collect() };
    difference.pass_over_reserved();
    difference
}

impl Difference {
    /// Takes out pairs of which one is reserved in the one run, and the other in the other.
    fn pass_over_reserved(&mut self) {
        let taken: Vec<Address> = self.wider.iter().filter(|address| reserved(address).is_some()).cloned().collect();
        for address in taken {
            let other = self.missing.iter().find(|other| reserved(other) == reserved(&address)).cloned();
            if let Some(other) = other {
                self.wider.remove(&address);
                self.missing.remove(&other);
            }
        }
    }
}

/// The address of a reserved port for datagrams, such as bindresvport(3) gives to whoever asks for any.
fn reserved(address: &Address) -> Option<IpAddr> {
    const PORTS: std::ops::RangeInclusive<u16> = 512..=1023;
    match address {
        Address::Udp(address) if PORTS.contains(&address.port()) => Some(address.ip()),
        Address::Udp(_) | Address::Tcp(_) | Address::Unix(_) => None,
    }
}

/// Whether both are one address, but for numbers in the name of a socket.
fn same(a: &Address, b: &Address) -> bool {
    let pattern = |path: &str| {
        path.split(|c: char| c.is_ascii_digit()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("0")
    };
    match (a, b) {
        (Address::Unix(a), Address::Unix(b)) => pattern(a) == pattern(b),
        (a, b) => a == b,
    }
}

/// Whether what listens at `a` takes what comes to `b`.
fn covers(a: &Address, b: &Address) -> bool {
    match (a, b) {
        (Address::Tcp(a), Address::Tcp(b)) | (Address::Udp(a), Address::Udp(b)) => {
            a.port() == b.port() && a.ip().is_unspecified() && (a.is_ipv6() || b.is_ipv4())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: List, text: &str) -> Vec<String> {
        parse(list, text).unwrap().into_iter().map(|found| format!("{} {}", found.address, found.inode)).collect()
    }

    #[test]
    fn what_listens_on_ports_is_read() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   100        0 2201 1 0 100 0 0 10 0\n   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2202 1 0\n   2: 0100007F:18EB 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 2203 1 0\n";
        let expected =
            if cfg!(target_endian = "little") { "tcp 127.0.0.1:6379 2201" } else { "tcp 1.0.0.127:6379 2201" };
        assert_eq!(addresses(List::Tcp, text), [expected, "tcp 0.0.0.0:22 2202"]);
        let six = "head\n   0: 00000000000000000000000001000000:18EB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000   100        0 77 1\n   1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 78 1\n";
        if cfg!(target_endian = "little") {
            assert_eq!(addresses(List::Tcp, six), ["tcp [::1]:6379 77", "tcp [::]:80 78"]);
        }
        let udp = "head\n  10: 00000000:0143 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5 2 0 0\n";
        assert_eq!(addresses(List::Udp, udp), ["udp 0.0.0.0:323 5"]);
    }

    #[test]
    fn sockets_of_the_file_system_are_read_with_blanks_in_their_names() {
        let text = "Num       RefCount Protocol Flags    Type St Inode Path\n0000000000000000: 00000002 00000000 00010000 0001 01 31 /run/a b.sock\n0000000000000000: 00000003 00000000 00000000 0001 03 32\n0000000000000000: 00000002 00000000 00000000 0002 01    33 /run/log\n0000000000000000: 00000002 00000000 00010000 0005 01 34 @name\n0000000000000000: 00000003 00000000 00000000 0001 03 35 /run/a b.sock\n";
        assert_eq!(addresses(List::Unix, text), ["unix /run/a b.sock 31", "unix /run/log 33", "unix @name 34"]);
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        for (list, line) in [
            (List::Tcp, "0: x"),
            (List::Tcp, "0: 0100007F:18EB 0:0 0A 0 0 0 0 0 inode"),
            (List::Tcp, "0: 01:18EB 0:0 0A 0 0 0 0 0 1"),
            (List::Udp, "0: 0100007F 0:0 07 0 0 0 0 0 1"),
            (List::Tcp, "0: 00\u{20ac}0007F:18EB 0:0 0A 0 0 0 0 0 1"),
            (List::Unix, "0: 1 0 zz 1 1 1 /x"),
        ] {
            assert_eq!(parse(list, &format!("head\n{line}\n")), Err(escape(line.as_bytes())), "{line}");
        }
        assert_eq!(parse(List::Tcp, ""), Ok(Vec::new()));
    }

    #[test]
    fn no_text_makes_the_reader_panic() {
        let mut random = testkit::Random::from_environment();
        for _ in 0..20_000 {
            let length = random.below(80);
            let bytes: Vec<u8> = (0..length).map(|_| *random.pick(b"0123456789ABCDEF: :: /x\n\xc3\xa9")).collect();
            let text = format!("head\n{}", String::from_utf8_lossy(&bytes));
            for (_, list) in LISTS {
                let _ = parse(list, &text);
            }
        }
    }

    #[test]
    fn wider_and_missing_are_seen_and_ports_of_chance_are_not() {
        let set = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<BTreeSet<Address>>();
        let control = set(&["tcp 127.0.0.1:11211", "udp 127.0.0.1:40000", "unix /run/x", "unix @abc", "unix /run/y"]);
        let found = set(&["tcp 0.0.0.0:11211", "udp 0.0.0.0:50000", "unix @def", "unix /run/z", "unix /run/y"]);
        let difference = compare(&found, &control, (32768, 60999));
        assert_eq!(difference.wider, set(&["tcp 0.0.0.0:11211"]));
        assert_eq!(difference.missing, set(&["unix /run/x"]));
        let named = |text: &str| set(&[text]);
        assert_eq!(compare(&named("unix /run/a.40.tmp"), &named("unix /run/a.7.tmp"), (1, 0)), Difference::default());
        let narrower = compare(&named("tcp 127.0.0.1:80"), &named("tcp [::]:80"), (1, 0));
        assert_eq!((narrower.wider, narrower.missing), (named("tcp 127.0.0.1:80"), named("tcp [::]:80")));
        let six = compare(&named("tcp 0.0.0.0:80"), &named("tcp [::1]:80"), (1, 0));
        assert_eq!(six.missing, named("tcp [::1]:80"));
        assert_eq!(compare(&control, &control, (32768, 60999)), Difference::default());
        // One that bindresvport(3) gave out for one that it gave out, and no more.
        let reserved = |found: &[&str], control: &[&str]| compare(&set(found), &set(control), (1, 0));
        assert_eq!(reserved(&["udp 127.0.0.1:650"], &["udp 127.0.0.1:656"]), Difference::default());
        let two = reserved(&["udp 127.0.0.1:650", "udp 127.0.0.1:651"], &["udp 127.0.0.1:656"]);
        assert_eq!((two.wider.len(), two.missing.len()), (1, 0));
        for (a, b) in [("udp 0.0.0.0:650", "udp 127.0.0.1:656"), ("tcp 127.0.0.1:873", "tcp 127.0.0.1:874")] {
            let other = reserved(&[a], &[b]);
            assert_eq!((other.wider, other.missing), (named(a), named(b)));
        }
    }
}
