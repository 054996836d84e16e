//! One rsync pattern, read as rsync reads it.
//!
//! The meaning was taken from rsync's manual and settled with the rsync binary where the manual is
//! silent; `tests/peer_filter.rs` compares the two on random patterns. What is not obvious:
//!
//! - A pattern without `*`, `?` and `[` is compared literally, and a backslash in it is a backslash.
//! - A run of two or more stars is `**`. A pattern that ends in `***` matches a directory's path with
//!   a slash behind it, so that `dir/***` takes the directory itself.
//! - A set that is not closed, an unknown class (`[[:foo:]]`) and a trailing backslash never match.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, Repetition};

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    fn remove(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] &= !(1 << (byte & 63));
    }

    fn insert_where(&mut self, holds: impl Fn(u8) -> bool) {
        (0..=u8::MAX).filter(|byte| holds(*byte)).for_each(|byte| self.insert(byte));
    }

    fn complement(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    fn contains(self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    fn class(self) -> Hir {
        let bytes = (0..=u8::MAX).filter(|byte| self.contains(*byte));
        Hir::class(Class::Bytes(ClassBytes::new(bytes.map(|byte| ClassBytesRange::new(byte, byte)))))
    }
}

/// One element of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// This byte.
    Byte(u8),
    /// `?`: any byte but a slash.
    One,
    /// `*`: any bytes but slashes.
    Star,
    /// `**`: any bytes.
    DoubleStar,
    /// `[...]`: one byte of the set, which never holds a slash.
    Set(ByteSet),
}

impl Token {
    /// Whether a path step over `byte` may use this token.
    fn accepts(self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => own == byte,
            Self::One | Self::Star => byte != b'/',
            Self::DoubleStar => true,
            Self::Set(set) => set.contains(byte),
        }
    }

    fn repeats(self) -> bool {
        matches!(self, Self::Star | Self::DoubleStar)
    }

    fn hir(self) -> Hir {
        let class = |set: ByteSet| set.class();
        let any = ByteSet::default().complement();
        let mut no_slash = any;
        no_slash.remove(b'/');
        let repeat = |sub: Hir| Hir::repetition(Repetition { min: 0, max: None, greedy: true, sub: Box::new(sub) });
        match self {
            Self::Byte(byte) => Hir::literal([byte]),
            Self::One => class(no_slash),
            Self::Star => repeat(class(no_slash)),
            Self::DoubleStar => repeat(class(any)),
            Self::Set(set) => class(set),
        }
    }
}

/// A pattern after reading: what it matches, against the path from the root without its first slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    /// The elements; `None` when the pattern can match nothing at all.
    tokens: Option<Vec<Token>>,
    /// The pattern ended in a slash: it takes directories only.
    pub(super) directory_only: bool,
    /// The pattern ends in `***`: a directory is matched as its path with a slash behind it.
    pub(super) slash_for_directory: bool,
}

impl Glob {
    /// Reads `text`, which begins with a slash as every [`model::Pattern`] does.
    pub(super) fn parse(text: &[u8]) -> Self {
        let directory_only = text.len() > 1 && text.ends_with(b"/");
        let text = if directory_only { &text[..text.len() - 1] } else { text };
        let wild = text.iter().any(|byte| b"*?[".contains(byte));
        let body = text.strip_prefix(b"/").unwrap_or(text);
        let tokens = if wild { read_wild(body) } else { Some(body.iter().copied().map(Token::Byte).collect()) };
        Self {
            // The root itself is never filtered, so a pattern of nothing matches nothing.
            tokens: tokens.filter(|tokens| !tokens.is_empty()),
            directory_only,
            slash_for_directory: text.ends_with(b"***"),
        }
    }

    /// The bytes that the pattern matches, when it can match only one path.
    pub(super) fn literal(&self) -> Option<Vec<u8>> {
        let byte = |token: &Token| if let Token::Byte(byte) = token { Some(*byte) } else { None };
        self.tokens.as_ref()?.iter().map(byte).collect()
    }

    /// The name that one component of a pattern with wildcards stands for, if it is one name.
    pub(super) fn parse_component(component: &[u8]) -> Option<Vec<u8>> {
        let glob = Self { tokens: read_wild(component), directory_only: false, slash_for_directory: false };
        glob.literal()
    }

    /// The directories before the first wildcard or, without one, before the last component: bytes
    /// without slashes around them. `None` when there is no such directory.
    pub(super) fn leading_directory(&self) -> Option<Vec<u8>> {
        let bytes: Vec<u8> = self
            .tokens
            .as_ref()?
            .iter()
            .map_while(|token| if let Token::Byte(byte) = token { Some(*byte) } else { None })
            .collect();
        let end = bytes.iter().rposition(|byte| *byte == b'/').filter(|end| *end > 0)?;
        Some(bytes[..end].to_vec())
    }

    /// Puts `directory` in the place of the leading directory, which was `old_len` bytes long.
    pub(super) fn replace_leading_directory(&mut self, old_len: usize, directory: &[u8]) {
        if let Some(tokens) = &mut self.tokens {
            // Below the root there is no slash to keep.
            let end = if directory.is_empty() { old_len + 1 } else { old_len };
            tokens.splice(..end, directory.iter().copied().map(Token::Byte));
        }
    }

    /// Makes `dir` into `dir/***`.
    pub(super) fn extend_below(&mut self) {
        if let Some(tokens) = &mut self.tokens {
            tokens.extend([Token::Byte(b'/'), Token::DoubleStar]);
            self.slash_for_directory = true;
        }
    }

    /// The regular expression, to be matched from the first byte to the last.
    pub(super) fn hir(&self) -> Hir {
        match &self.tokens {
            Some(tokens) => Hir::concat(tokens.iter().map(|token| token.hir()).collect()),
            None => Hir::fail(),
        }
    }

    /// Whether the pattern takes `path` (no slash in front nor behind), and whether it could take
    /// something below it. For single questions; whole trees go through the automaton.
    pub(super) fn test(&self, path: &[u8], is_directory: bool) -> Test {
        let Some(tokens) = &self.tokens else { return Test::default() };
        let mut places = Places::new(tokens);
        path.iter().for_each(|byte| places.step(*byte));
        let plain = places.at_end();
        if !is_directory {
            return Test { taken: plain && !self.directory_only, below: false };
        }
        places.step(b'/');
        Test { taken: if self.slash_for_directory { places.at_end() } else { plain }, below: places.alive() }
    }
}

/// What a pattern says about one path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Test {
    /// It takes the path.
    pub(super) taken: bool,
    /// The path is a directory and there could be something below it that the pattern takes.
    pub(super) below: bool,
}

/// All the places in a pattern where a match can stand after some bytes. Time is bounded by the
/// length of the pattern times the length of the path.
struct Places<'a> {
    tokens: &'a [Token],
    at: Vec<bool>,
}

impl<'a> Places<'a> {
    fn new(tokens: &'a [Token]) -> Self {
        let mut places = Self { tokens, at: vec![false; tokens.len() + 1] };
        places.at[0] = true;
        places.skip_stars();
        places
    }

    /// A star may stand for nothing.
    fn skip_stars(&mut self) {
        for place in 0..self.tokens.len() {
            if self.at[place] && self.tokens[place].repeats() {
                self.at[place + 1] = true;
            }
        }
    }

    fn step(&mut self, byte: u8) {
        let mut next = vec![false; self.at.len()];
        for (place, token) in self.tokens.iter().enumerate() {
            if self.at[place] && token.accepts(byte) {
                next[if token.repeats() { place } else { place + 1 }] = true;
            }
        }
        self.at = next;
        self.skip_stars();
    }

    fn at_end(&self) -> bool {
        self.at[self.tokens.len()]
    }

    /// Whether more bytes can lead to a match.
    fn alive(&self) -> bool {
        self.at[..self.tokens.len()].contains(&true)
    }
}

/// Reads a pattern that has a wildcard. `None`: it can never match.
fn read_wild(text: &[u8]) -> Option<Vec<Token>> {
    let mut tokens = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        tokens.push(match first {
            b'\\' => {
                let (escaped, after) = rest.split_first()?;
                rest = after;
                Token::Byte(*escaped)
            }
            b'?' => Token::One,
            b'*' => {
                let more = rest.iter().take_while(|byte| **byte == b'*').count();
                rest = &rest[more..];
                if more > 0 { Token::DoubleStar } else { Token::Star }
            }
            b'[' => {
                let (set, after) = read_set(rest)?;
                rest = after;
                Token::Set(set)
            }
            byte => Token::Byte(*byte),
        });
    }
    Some(tokens)
}

/// Reads a set behind its opening bracket. Gives back the set and what follows the closing bracket.
fn read_set(text: &[u8]) -> Option<(ByteSet, &[u8])> {
    let negated = matches!(text.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let mut set = ByteSet::default();
    // The byte before, if a range may begin with it.
    let mut previous: Option<u8> = None;
    let mut first = true;
    loop {
        let byte = *text.get(at)?;
        if byte == b']' && !first {
            break;
        }
        first = false;
        match (byte, previous, text.get(at + 1)) {
            (b'\\', _, escaped) => {
                let escaped = *escaped?;
                set.insert(escaped);
                previous = Some(escaped);
                at += 2;
            }
            (b'-', Some(low), Some(next)) if *next != b']' => {
                let escaped = *next == b'\\';
                let high = if escaped { *text.get(at + 2)? } else { *next };
                (low..=high).for_each(|byte| set.insert(byte));
                previous = None;
                at += if escaped { 3 } else { 2 };
            }
            (b'[', _, Some(b':')) => {
                let end = at + 2 + text[at + 2..].iter().position(|byte| *byte == b']')?;
                if end > at + 2 && text[end - 1] == b':' {
                    set.insert_where(class(&text[at + 2..end - 1])?);
                    previous = None;
                    at = end + 1;
                } else {
                    // No `:]` before the next bracket: an ordinary bracket in the set.
                    set.insert(b'[');
                    previous = Some(b'[');
                    at += 1;
                }
            }
            _ => {
                set.insert(byte);
                previous = Some(byte);
                at += 1;
            }
        }
    }
    let mut set = if negated { set.complement() } else { set };
    set.remove(b'/');
    Some((set, &text[at + 1..]))
}

/// The named classes, for ASCII as in the C locale.
fn class(name: &[u8]) -> Option<fn(u8) -> bool> {
    Some(match name {
        b"alnum" => |b| b.is_ascii_alphanumeric(),
        b"alpha" => |b| b.is_ascii_alphabetic(),
        b"blank" => |b| b == b' ' || b == b'\t',
        b"cntrl" => |b| b.is_ascii_control(),
        b"digit" => |b| b.is_ascii_digit(),
        b"graph" => |b| b.is_ascii_graphic(),
        b"lower" => |b| b.is_ascii_lowercase(),
        b"print" => |b| b.is_ascii_graphic() || b == b' ',
        b"punct" => |b| b.is_ascii_punctuation(),
        b"space" => |b| b == b' ' || (9..=13).contains(&b),
        b"upper" => |b| b.is_ascii_uppercase(),
        b"xdigit" => |b| b.is_ascii_hexdigit(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    fn takes(pattern: &str, path: &str) -> bool {
        Glob::parse(pattern.as_bytes()).test(path.as_bytes(), false).taken
    }

    fn takes_directory(pattern: &str, path: &str) -> bool {
        Glob::parse(pattern.as_bytes()).test(path.as_bytes(), true).taken
    }

    #[test]
    fn stars_and_question_marks_know_slashes() {
        for (pattern, path, wanted) in [
            ("/a/*", "a/b", true),
            ("/a/*", "a/b/c", false),
            ("/a/**", "a/b/c", true),
            ("/a/**", "a", false),
            ("/a**c", "a/b/c", true),
            ("/a?b", "a/b", false),
            ("/a?b", "a\u{e9}b", false),
            ("/a??b", "a\u{e9}b", true),
            ("/**/c", "c", false),
            ("/**", "x", true),
        ] {
            assert_eq!(takes(pattern, path), wanted, "{pattern} {path}");
        }
    }

    #[test]
    fn a_backslash_escapes_only_beside_a_wildcard() {
        assert!(takes("/a\\b", "a\\b"));
        assert!(!takes("/a\\\\b", "a\\b"));
        assert!(takes("/a\\\\b*", "a\\b"));
        assert!(!takes("/a\\b*", "a\\b"));
        assert!(takes("/usr/bin/\\[", "usr/bin/["));
        assert!(!takes("/usr/bin/[", "usr/bin/["));
        assert!(!takes("/*\\", "a\\"));
    }

    #[test]
    fn sets_are_read_as_rsync_reads_them() {
        for (pattern, path, wanted) in [
            ("/[abc]", "b", true),
            ("/[!abc]", "b", false),
            ("/[^abc]", "d", true),
            ("/[]a]", "]", true),
            ("/[!]a]", "]", false),
            ("/[a-c]", "b", true),
            ("/[a-]", "-", true),
            ("/[--0]", ".", true),
            ("/[a-c-e]", "d", false),
            ("/[a-c-e]", "-", true),
            ("/[\\]]", "]", true),
            ("/[a\\-c]", "b", false),
            ("/[[:digit:]x]", "7", true),
            ("/[[:digit:]x]", "x", true),
            ("/[[:foo:]]", "f", false),
            ("/[[:]", ":", true),
            ("/[[:]", "[", true),
            ("/[abc", "a", false),
            ("/[abc", "[abc", false),
            ("/a[!b]c", "a/c", false),
            ("/a[.-0]c", "a/c", false),
            ("/[!a]", "\u{1}", true),
        ] {
            assert_eq!(takes(pattern, path), wanted, "{pattern} {path}");
        }
    }

    #[test]
    fn directories_have_their_own_endings() {
        assert!(takes_directory("/a/", "a") && !takes("/a/", "a"));
        assert!(takes_directory("/a/***", "a") && takes("/a/***", "a/b") && !takes("/a/***", "a"));
        assert!(!takes_directory("/a/**", "a"));
        assert!(!takes_directory("/", "a") && !takes("//", "a"));
    }

    #[test]
    fn a_leading_directory_ends_before_the_first_wildcard() {
        let leading = |text: &str| Glob::parse(text.as_bytes()).leading_directory();
        assert_eq!(leading("/lib/systemd/x*").unwrap(), b"lib/systemd");
        assert_eq!(leading("/lib/x").unwrap(), b"lib");
        assert_eq!(leading("/lib"), None);
        assert_eq!(leading("/lib*/x"), None);
        let mut glob = Glob::parse(b"/lib/x*");
        glob.replace_leading_directory(3, b"usr/lib");
        assert!(glob.test(b"usr/lib/xy", false).taken);
        let mut glob = Glob::parse(b"/link/x*");
        glob.replace_leading_directory(4, b"");
        assert!(glob.test(b"xy", false).taken);
    }
}
