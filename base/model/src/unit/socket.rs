//! What a socket listens on (`systemd.socket(5)`).

use super::{At, Unit, Value, is_yes};

/// How a socket is listened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListenKind {
    /// `ListenStream=`: TCP, or a stream socket of the file system.
    Stream,
    /// `ListenDatagram=`: UDP, or a datagram socket of the file system.
    Datagram,
    /// `ListenSequentialPacket=`
    SequentialPacket,
    /// `ListenFIFO=`
    Fifo,
    /// `ListenSpecial=`
    Special,
    /// `ListenNetlink=`
    Netlink,
    /// `ListenMessageQueue=`
    MessageQueue,
    /// `ListenUSBFunction=`
    UsbFunction,
}

/// An address that a socket listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// How.
    pub kind: ListenKind,
    /// Where: a path, `@` with an abstract name, a port, or an address with a port.
    pub address: Value,
    /// Where it stands.
    pub at: At,
}

impl Listen {
    /// The port, where it is one of the internet: `80`, `127.0.0.1:80`, `[::1]:80`.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        let is_internet = matches!(self.kind, ListenKind::Stream | ListenKind::Datagram);
        let address = self.address.known().filter(|_| is_internet)?;
        if address.starts_with(['/', '@']) || address.starts_with("vsock") {
            return None;
        }
        let port = address.rsplit(':').next().unwrap_or(address);
        port.parse().ok().filter(|port| *port != 0 && address.bytes().all(|byte| byte != b'+'))
    }
}

fn kind(key: &str) -> Option<ListenKind> {
    Some(match key {
        "ListenStream" => ListenKind::Stream,
        "ListenDatagram" => ListenKind::Datagram,
        "ListenSequentialPacket" => ListenKind::SequentialPacket,
        "ListenFIFO" => ListenKind::Fifo,
        "ListenSpecial" => ListenKind::Special,
        "ListenNetlink" => ListenKind::Netlink,
        "ListenMessageQueue" => ListenKind::MessageQueue,
        "ListenUSBFunction" => ListenKind::UsbFunction,
        _ => return None,
    })
}

impl Unit {
    /// What the socket listens on. An empty value of any `Listen...=` takes back all of them.
    #[must_use]
    pub fn listens(&self) -> Vec<Listen> {
        let lines = self.matching(&["Socket"], &|key| kind(key).is_some()).into_iter();
        let read = lines.filter_map(|line| {
            let kind = kind(&line.key)?;
            Some(Listen { kind, address: self.resolve(&line.value), at: line.at })
        });
        read.collect()
    }

    /// `Accept=`: an instance of the service is started for each connection.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.last("Socket", "Accept").is_some_and(|line| is_yes(&line.value))
    }
}
