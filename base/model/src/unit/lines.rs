//! Lines of a file, and the assignments on them.

/// Section, key, value and line of an assignment.
pub(super) type Line = (String, String, String, usize);

/// The first `limit` assignments of a file. A line that is no UTF-8, or is outside of any section, says nothing.
pub(super) fn assignments(bytes: &[u8], limit: usize) -> Vec<Line> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut section: Option<String> = None;
    let mut found = Vec::new();
    for (number, line) in logical_lines(bytes) {
        let Ok(line) = std::str::from_utf8(&line) else { continue };
        let line = line.trim_matches(is_blank);
        if let Some(header) = line.strip_prefix('[') {
            // Nothing says where the assignments after a damaged header belong.
            section = header.strip_suffix(']').map(str::to_owned);
        } else if let (Some(section), Some((key, value))) = (&section, line.split_once('=')) {
            if found.len() == limit {
                break;
            }
            let (key, value) = (key.trim_matches(is_blank), value.trim_matches(is_blank));
            found.push((section.clone(), key.to_owned(), value.to_owned(), number));
        }
    }
    found
}

pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Lines with those that a backslash continues joined, each with the number on which it begins. Comments are left
/// out, also between continued lines.
fn logical_lines(bytes: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut lines: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut is_open = false;
    for (number, line) in physical_lines(bytes) {
        let first = line.iter().find(|byte| !b" \t\n\r".contains(byte));
        if matches!(first, Some(b'#' | b';')) {
            continue;
        }
        let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
        let is_continued = backslashes % 2 == 1;
        let text = if is_continued { &line[..line.len() - 1] } else { line };
        match lines.last_mut().filter(|_| is_open) {
            Some((_, last)) => last.extend_from_slice(text),
            None => lines.push((number, text.to_vec())),
        }
        if let Some((_, last)) = lines.last_mut().filter(|_| is_continued) {
            last.push(b' ');
        }
        is_open = is_continued;
    }
    lines
}

/// Lines end by a line feed, a carriage return or NUL, or by different ones of these together.
fn physical_lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut rest = Some(bytes);
    let lines = std::iter::from_fn(move || {
        let all = rest.filter(|rest| !rest.is_empty())?;
        let Some(end) = all.iter().position(|byte| is_end(*byte)) else {
            rest = None;
            return Some(all);
        };
        let mut after = end + 1;
        while after < all.len() && is_end(all[after]) && !all[end..after].contains(&all[after]) {
            after += 1;
        }
        rest = Some(&all[after..]);
        Some(&all[..end])
    });
    lines.enumerate().map(|(index, line)| (index + 1, line))
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r' | 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<(String, usize)> {
        let show = |(section, key, value, line): Line| (format!("{section}.{key}={value}"), line);
        assignments(text, 100).into_iter().map(show).collect()
    }

    fn one(text: &str, line: usize) -> (String, usize) {
        (text.to_owned(), line)
    }

    #[test]
    fn assignments_have_their_section_and_line() {
        let text = b"\xef\xbb\xbf# c\nLost=1\n[A]\n  B = c d \r\n\n; e\nnothing\n[B]\nX=\nY==1\n";
        assert_eq!(read(text), [one("A.B=c d", 4), one("B.X=", 9), one("B.Y==1", 10)]);
        assert_eq!(read(b"[A]\nB=1\n[A\nC=2\n[D]\nE=\xff\nF=3"), [one("A.B=1", 2), one("D.F=3", 7)]);
        assert_eq!(read(b"[X-A b]\n=v\n"), [one("X-A b.=v", 2)]);
    }

    #[test]
    fn a_backslash_continues_a_line_past_comments() {
        assert_eq!(read(b"[A]\nB=a\\\n# c\\\n  ;d\n b\\\n\nC=1\n"), [one("A.B=a  b", 2), one("A.C=1", 7)]);
        // Two of them are one that is meant, and a blank after it ends it.
        assert_eq!(read(b"[A]\nB=a\\\\\nC=\\ \nD=1"), [one("A.B=a\\\\", 2), one("A.C=\\", 3), one("A.D=1", 4)]);
        assert_eq!(read(b"[A]\nB=a\\"), [one("A.B=a", 2)]);
        assert_eq!(read(b"[A]\nB=a\\\r\nc\r\n"), [one("A.B=a c", 2)]);
        assert_eq!(read(b"[A]\\\n\nB=1"), [one("A.B=1", 3)]);
    }

    #[test]
    fn any_end_of_a_line_counts_once() {
        assert_eq!(read(b"[A]\rB=1\0\nC=2\n\r\n\rD=3"), [one("A.B=1", 2), one("A.C=2", 3), one("A.D=3", 5)]);
    }

    #[test]
    fn no_more_assignments_are_read_than_there_is_room() {
        assert_eq!(assignments(b"[A]\na=1\nb=2\nc=3", 2).len(), 2);
    }
}
