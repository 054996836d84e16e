//! One rsync pattern, read as rsync reads it.
//!
//! The meaning was taken from rsync's manual and settled with the rsync binary where the manual is
//! silent; composer's `tests/peer_filter.rs` compares the two on random patterns. What is not obvious:
//!
//! - A pattern without `*`, `?` and `[` is compared literally, and a backslash in it is a backslash.
//! - A run of two or more stars is `**`. A pattern that ends in `***` matches a directory's path with
//!   a slash behind it, so that `dir/***` takes the directory itself.
//! - A set that is not closed, an unknown class (`[[:foo:]]`) and a trailing backslash never match.

use super::set::ByteSet;

/// One element of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Token {
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
    /// The bytes over which this token goes in one step.
    #[must_use]
    pub fn bytes(self) -> ByteSet {
        match self {
            Self::Byte(byte) => ByteSet::of(byte),
            Self::One | Self::Star => ByteSet::of(b'/').complement(),
            Self::DoubleStar => ByteSet::ALL,
            Self::Set(set) => set,
        }
    }

    /// Whether it goes over `byte` in one step.
    #[must_use]
    pub fn accepts(self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => own == byte,
            Self::One | Self::Star => byte != b'/',
            Self::DoubleStar => true,
            Self::Set(set) => set.contains(byte),
        }
    }

    /// Whether it stands for any number of steps, none included.
    #[must_use]
    pub fn repeats(self) -> bool {
        matches!(self, Self::Star | Self::DoubleStar)
    }
}

/// A pattern after reading: what it matches, against the path from the root without its first slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    /// The elements; `None` when the pattern can match nothing at all. Two tokens that repeat never
    /// stand side by side.
    tokens: Option<Vec<Token>>,
    /// The pattern ended in a slash: it takes directories only.
    pub directory_only: bool,
    /// The pattern ends in `***`: a directory is matched as its path with a slash behind it.
    pub slash_for_directory: bool,
}

impl Glob {
    /// Reads `text`, which begins with a slash as every [`super::Pattern`] does.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
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

    /// The elements; `None` when the pattern can match nothing at all.
    #[must_use]
    pub fn tokens(&self) -> Option<&[Token]> {
        self.tokens.as_deref()
    }

    /// The bytes that the pattern matches, when it can match only one path.
    #[must_use]
    pub fn literal(&self) -> Option<Vec<u8>> {
        let prefix = self.prefix();
        (prefix.len() == self.tokens.as_ref()?.len()).then_some(prefix)
    }

    /// The bytes before the first wildcard: every path that the pattern matches begins with them.
    #[must_use]
    pub fn prefix(&self) -> Vec<u8> {
        let byte = |token: &Token| if let Token::Byte(byte) = token { Some(*byte) } else { None };
        self.tokens.iter().flatten().map_while(byte).collect()
    }

    /// The name that one component of a pattern with wildcards stands for, if it is one name.
    #[must_use]
    pub fn parse_component(component: &[u8]) -> Option<Vec<u8>> {
        let glob = Self { tokens: read_wild(component), directory_only: false, slash_for_directory: false };
        glob.literal()
    }

    /// The directories before the first wildcard or, without one, before the last component: bytes
    /// without slashes around them. `None` when there is no such directory.
    #[must_use]
    pub fn leading_directory(&self) -> Option<Vec<u8>> {
        let mut bytes = self.prefix();
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'/').filter(|end| *end > 0)?);
        Some(bytes)
    }

    /// Puts `directory` in the place of the leading directory, which was `old_len` bytes long.
    pub fn replace_leading_directory(&mut self, old_len: usize, directory: &[u8]) {
        if let Some(tokens) = &mut self.tokens {
            // Below the root there is no slash to keep.
            let end = if directory.is_empty() { old_len + 1 } else { old_len };
            tokens.splice(..end.min(tokens.len()), directory.iter().copied().map(Token::Byte));
        }
    }

    /// Makes `dir` into `dir/***`.
    pub fn extend_below(&mut self) {
        if let Some(tokens) = &mut self.tokens {
            tokens.extend([Token::Byte(b'/'), Token::DoubleStar]);
            self.slash_for_directory = true;
        }
    }

    /// Whether the pattern takes `path` (no slash in front nor behind), and whether it could take
    /// something below it. For single questions; whole trees go through the automaton.
    #[must_use]
    pub fn test(&self, path: &[u8], is_directory: bool) -> Test {
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

impl Glob {
    /// How many places of the pattern have to be looked at on the way along `path`, which is what it costs.
    #[must_use]
    pub fn work(&self, path: &[u8]) -> usize {
        let Some(tokens) = &self.tokens else { return 0 };
        let mut places = Places::new(tokens);
        let count = |places: &Places<'_>| places.at.iter().filter(|at| **at).count();
        path.iter().fold(count(&places), |work, byte| {
            places.step(*byte);
            work + count(&places)
        })
    }
}

/// What a pattern says about one path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Test {
    /// It takes the path.
    pub taken: bool,
    /// The path is a directory and there could be something below it that the pattern takes.
    pub below: bool,
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
                let (set, after) = ByteSet::read(rest)?;
                rest = after;
                Token::Set(set)
            }
            byte => Token::Byte(*byte),
        });
    }
    Some(tokens)
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
