//! By which words of a line it is known what a script lacks.

use super::Lack;

/// What the line says, and whether it says so vaguely: a line with the words of a program counts more than one in
/// which a script gives its own account.
pub(super) fn lack(line: &str) -> Option<(Lack, bool)> {
    if HARMLESS.iter().any(|start| line.starts_with(start)) {
        return None;
    }
    let text = line.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let plain = if has(&SPACE) {
        Some(Lack::Space)
    } else {
        missing(line).map(|what| Lack::Missing { what }).or_else(|| machine(&text)).or_else(|| kernel(&text))
    };
    let vague = || has(&DOWNLOAD).then_some((Lack::Network, true));
    plain.map(|lack| (lack, false)).or_else(vague)
}

/// What a script lacks of the world around it.
fn machine(text: &str) -> Option<Lack> {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let is_failure = has(&FAILURE);
    if has(&INTERFACE) || (has(&["network interface", "/sys/class/net/", "device \""]) && is_failure) {
        Some(Lack::Interface)
    } else if has(&NETWORK) {
        Some(Lack::Network)
    } else if has(&SYSTEMD) || (has(&BUS) && is_failure) {
        Some(Lack::Systemd)
    } else if has(&SERVICE) || (has(&LOCAL) && has(&CONNECT)) {
        Some(Lack::Service)
    } else if has(&TIMEOUT) {
        Some(Lack::Network)
    } else if has(&ANSWER) || (has(&["/dev/tty:", "/dev/tty'", "debconf"]) && is_failure) {
        Some(Lack::Answer)
    } else {
        None
    }
}

/// What a script lacks of the kernel.
fn kernel(text: &str) -> Option<Lack> {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let is_of_kernel = has(&KERNEL) || KERNEL_PATHS.iter().any(|path| has_path(text, path));
    let is_owner = has(&["invalid argument"]) && has(&["ownership", "chown"]);
    if (is_of_kernel && has(&FAILURE)) || has(&["no such device"]) {
        Some(Lack::Device)
    } else if has(&RIGHT) || is_owner {
        Some(Lack::Right)
    } else {
        None
    }
}

/// Whether a path in `text` begins with `start`. What bash takes for a connection is none.
fn has_path(text: &str, start: &str) -> bool {
    let is_within = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    let is_connection = |path: &str| path.starts_with("/dev/tcp/") || path.starts_with("/dev/udp/");
    text.match_indices(start).any(|(at, _)| !text[..at].ends_with(is_within) && !is_connection(&text[at..]))
}

/// How lines begin that are printed where nothing fails, though they hold such words.
const HARMLESS: [&str; 9] = [
    "debconf: delaying",
    "debconf: unable to initialize frontend",
    "debconf: falling back",
    "debconf: (",
    "sudo: unable to resolve host",
    "invoke-rc.d: ",
    "perl: warning: ",
    "Running in chroot, ignoring",
    "mesg: ",
];

/// What is said with all sorts of things that fail. All words here and below are in lower case.
const FAILURE: [&str; 23] = [
    "no such",
    "not found",
    "not find",
    "cannot",
    "can't",
    "could not",
    "couldn't",
    "unable",
    "fail",
    "error",
    "fatal",
    "denied",
    "not permitted",
    "read-only",
    "missing",
    "does not exist",
    "doesn't exist",
    "invalid",
    "not available",
    "not accepted",
    "not running",
    "no active",
    "without a",
];

const SPACE: [&str; 3] = ["no space left on device", "disk quota exceeded", "enospc"];

const INTERFACE: [&str; 6] = [
    "no network interface",
    "no interfaces found",
    "fetching interface information",
    "can't find device '",
    "siocgif",
    "siocsif",
];

const NETWORK: [&str; 26] = [
    "temporary failure in name resolution",
    "temporary failure resolving",
    "name or service not known",
    "no address associated with hostname",
    "nodename nor servname",
    "nameresolutionerror",
    "name resolution failed",
    "unable to resolve host",
    "could not resolve host",
    "couldn't resolve host",
    "could not resolve proxy",
    "could not resolve '",
    "failed to resolve '",
    "failed to lookup address",
    "getaddrinfo",
    "eai_again",
    "unknownhostexception",
    "unknown host",
    "no such host",
    "dial tcp: lookup",
    "wget: bad address",
    "no servers could be reached",
    "network is unreachable",
    "enetunreach",
    "no route to host",
    "keyserver receive failed",
];

const TIMEOUT: [&str; 4] = ["connection timed out", "couldn't connect to server", "dial tcp", "etimedout"];

const DOWNLOAD: [&str; 8] = [
    "internet connection",
    "network connection",
    "download failed",
    "failed to download",
    "could not download",
    "unable to download",
    "failed to fetch",
    "unable to fetch",
];

const SYSTEMD: [&str; 7] = [
    "system has not been booted with systemd",
    "systemd is not running",
    "failed to connect to bus",
    "failed to connect to system scope bus",
    "failed to create bus connection",
    // So says GLib of the socket of D-Bus.
    "could not connect: no such file or directory",
    "initctl: unable to connect",
];

const BUS: [&str; 8] = [
    "/run/systemd/",
    "system_bus_socket",
    "message bus",
    "d-bus",
    "dbus",
    "system bus",
    "session bus",
    "org.freedesktop.",
];

/// Where no one else can be reached, only the loopback refuses.
const SERVICE: [&str; 4] =
    ["connection refused", "econnrefused", "can't contact ldap server", "connection to server on socket"];

/// Who is spoken to on the machine itself.
const LOCAL: [&str; 5] = ["localhost", "127.0.0.1", "::1", "socket", ".sock"];

const CONNECT: [&str; 5] =
    ["can't connect", "cannot connect", "could not connect", "failed to connect", "unable to connect"];

const ANSWER: [&str; 17] = [
    "other than noninteractive",
    "noninteractive frontend",
    "license must be",
    "license has not been accepted",
    "licence has not been accepted",
    "accept the licen",
    "agree to the licen",
    " eula",
    "eula ",
    "-eula",
    "eof when reading a line",
    "eoferror",
    "no tty present",
    "a terminal is required",
    "not a tty",
    "not a terminal",
    "inappropriate ioctl for device",
];

const KERNEL_PATHS: [&str; 4] = ["/dev/", "/proc/sys/", "/sys/", "/lib/modules"];

const KERNEL: [&str; 11] = [
    "hardware clock",
    "modprobe",
    "insmod",
    "depmod",
    "kernel module",
    "mknod",
    "losetup",
    "loop device",
    "sysctl",
    "iptables",
    "nf_tables",
];

const RIGHT: [&str; 8] = [
    "operation not permitted",
    "permission denied",
    "read-only file system",
    "must be superuser",
    "must be root",
    "must be run as root",
    "are you root",
    "not allowed to",
];

/// The program, library or module that the line says is not there.
fn missing(line: &str) -> Option<String> {
    // dpkg says it itself. The script is there, so that it is the interpreter in its first line that is not.
    if line.contains("unable to execute ") && line.contains(" script (") && line.ends_with("No such file or directory")
    {
        return Some("the script's interpreter".to_owned());
    }
    program(line).map(|name| format!("the program `{name}`")).or_else(|| library(line)).or_else(|| module(line))
}

fn program(line: &str) -> Option<&str> {
    let parts: Vec<&str> = line.split(": ").collect();
    let name = match parts.as_slice() {
        // bash and its kin, and sudo.
        [.., name, "command not found"] | ["zsh", "command not found", name] => name,
        // dash and busybox count the lines.
        [.., line, name, "not found"] if is_line(line) => name,
        [.., line, "exec", name, "not found"] if is_line(line) => name,
        ["sh" | "/bin/sh", name, "not found"] => name,
        [.., name, "bad interpreter", _] => name,
        ["env" | "/usr/bin/env" | "xargs" | "make", name, "No such file or directory"] => name,
        // Python, where what is not there is no path.
        ["FileNotFoundError", "[Errno 2] No such file or directory", name] if !name.contains(['/', '.']) => name,
        [.., what, rest] if rest.starts_with("No such file or directory") => started(what)?,
        _ => return None,
    };
    let name = bare(name);
    let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control());
    is_name.then_some(name)
}

/// What could not be started, by those that start others.
fn started(what: &str) -> Option<&str> {
    let after = |words: &str| what.split_once(words).map(|(_, name)| name);
    after("failed to run command ").or_else(|| after("Can't exec "))
}

fn is_line(text: &str) -> bool {
    let number = text.strip_prefix("line ").unwrap_or(text);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn library(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("error while loading shared libraries: ")?;
    let (name, _) = rest.split_once(": cannot open shared object file")?;
    Some(format!("the library `{}`", bare(name)))
}

/// A module of Python, Perl, Ruby or JavaScript.
fn module(line: &str) -> Option<String> {
    let after = |words: &str| line.split_once(words).map(|(_, rest)| rest);
    let perl = after("Can't locate ").filter(|rest| rest.contains(" in @INC"));
    let others = ["ModuleNotFoundError: No module named ", "cannot load such file -- ", "Cannot find module "];
    let name = perl.or_else(|| others.into_iter().find_map(after))?.split_ascii_whitespace().next()?;
    Some(format!("the module `{}`", bare(name)))
}

/// A name without the quotes of any program, or what stands around it.
fn bare(name: &str) -> &str {
    name.trim_matches(|c: char| matches!(c, '\'' | '"' | '`' | '\u{2018}' | '\u{2019}' | '(' | ')'))
}
