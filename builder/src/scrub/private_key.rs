//! A private key by its label, in a text or in a file of another form.

/// Whether the beginning of a file shows that it holds a private key: RFC 7468 labels (`PRIVATE KEY`, `ENCRYPTED
/// PRIVATE KEY`, and the older `RSA PRIVATE KEY`, `OPENSSH PRIVATE KEY`, `PGP PRIVATE KEY BLOCK` and so on) in a line of their own,
/// or in a string with the key behind them, as JSON and YAML have it; or what age and PuTTY write.
#[must_use]
pub fn holds_private_key(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii).any(|line| {
        label(line).is_some_and(|(before, after)| before.is_empty() && after.is_empty() || begins_with_key(after))
            || line.starts_with(b"AGE-SECRET-KEY-1")
            || line.starts_with(b"PuTTY-User-Key-File-")
    }) || holds_inside(head)
}

/// Whether a file that is no text, such as an archive or a data base, has a label of a private key somewhere and the key behind
/// it.
fn holds_inside(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut before: &[u8] = b"";
    head.contains(&0)
        && lines.any(|line| {
            let is_label = label(before).is_some_and(|(_, after)| after.trim_ascii().is_empty());
            before = line;
            is_label && (is_key(line) || line.starts_with(b"Proc-Type:"))
        })
}

/// How many characters of a key are looked at.
const SOME: usize = 16;

/// Whether it begins with base64.
fn is_key(text: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    text.get(..SOME).is_some_and(|begin| begin.iter().all(is_base64))
}

/// What stands before and behind the first label of a private key in a line.
fn label(line: &[u8]) -> Option<(&[u8], &[u8])> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    const END: &[u8] = b"-----";
    let find = |text: &[u8], wanted: &[u8]| text.windows(wanted.len()).position(|part| part == wanted);
    let mut from = 0;
    while let Some(at) = find(line.get(from..)?, BEGIN).map(|at| from + at) {
        let rest = &line[at + BEGIN.len()..];
        let end = find(rest, END)?;
        let name = &rest[..end];
        if name.ends_with(b"PRIVATE KEY") || name == b"PGP PRIVATE KEY BLOCK" {
            return Some((&line[..at], &rest[end + END.len()..]));
        }
        from = at + BEGIN.len();
    }
    None
}

/// Whether what follows a label in its line is a key: the break of a line as strings have it, or a blank, and base64.
fn begins_with_key(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(after) = [&b"\\r"[..], b"\\n", b" ", b"\t"].iter().find_map(|between| rest.strip_prefix(*between)) {
        rest = after;
    }
    rest.len() < text.len() && is_key(rest)
}
