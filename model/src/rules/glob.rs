//! One rsync pattern, read as rsync reads it (`lib/wildmatch.c` and `exclude.c` of rsync; CONTRACT
//! section 2), for the question whether two patterns can take one path.

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteSet([bool; 256]);

impl ByteSet {
    fn of(test: impl Fn(u8) -> bool) -> Self {
        let mut set = [false; 256];
        (0..=u8::MAX).for_each(|byte| set[usize::from(byte)] = test(byte));
        Self(set)
    }

    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }
}

/// One element of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Byte(u8),
    /// `?`
    One,
    /// `*`
    Star,
    /// `**`
    DoubleStar,
    /// `[...]`, which never holds a slash.
    Set(Box<ByteSet>),
}

impl Token {
    pub(super) fn accepts(&self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => *own == byte,
            Self::One | Self::Star => byte != b'/',
            Self::DoubleStar => true,
            Self::Set(set) => set.contains(byte),
        }
    }

    pub(super) fn repeats(&self) -> bool {
        matches!(self, Self::Star | Self::DoubleStar)
    }
}

/// A pattern after reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    /// The elements without a trailing slash or `/***`; `None` when nothing can match.
    pub(super) tokens: Option<Vec<Token>>,
    /// The pattern ended in a slash.
    pub(super) directory_only: bool,
    /// The pattern ended in `/***`.
    pub(super) and_below: bool,
}

impl Glob {
    pub(crate) fn parse(text: &str) -> Self {
        let directory_only = text.len() > 1 && text.ends_with('/');
        let text = if directory_only { &text[..text.len() - 1] } else { text };
        let wild = text.contains(['*', '?', '[']);
        let stem = if directory_only { None } else { text.strip_suffix("/***") };
        let body = stem.unwrap_or(text).as_bytes();
        // Without a wildcard rsync compares strings, and a backslash is a backslash.
        let tokens = if wild { read(body) } else { Some(body.iter().copied().map(Token::Byte).collect()) };
        Self { tokens, directory_only, and_below: stem.is_some() }
    }

    /// Whether the pattern can match nothing, such as one whose set is not closed.
    pub(crate) fn is_dead(&self) -> bool {
        self.tokens.is_none()
    }

    /// Whether there is no wildcard: an include of such a directory is read as all below it.
    pub(super) fn is_literal(&self) -> bool {
        let byte = |token: &Token| matches!(token, Token::Byte(_));
        !self.and_below && self.tokens.as_ref().is_some_and(|tokens| tokens.iter().all(byte))
    }
}

fn read(text: &[u8]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'*' => {
                let stars = text[at..].iter().take_while(|byte| **byte == b'*').count();
                at += stars;
                tokens.push(if stars == 0 { Token::Star } else { Token::DoubleStar });
            }
            b'?' => tokens.push(Token::One),
            b'\\' => {
                tokens.push(Token::Byte(*text.get(at)?));
                at += 1;
            }
            b'[' => {
                let (set, end) = read_set(text, at)?;
                at = end;
                tokens.push(Token::Set(Box::new(set)));
            }
            byte => tokens.push(Token::Byte(byte)),
        }
    }
    Some(tokens)
}

/// Reads a set from behind its `[` to behind its `]`.
fn read_set(text: &[u8], mut at: usize) -> Option<(ByteSet, usize)> {
    let negated = matches!(text.get(at)?, b'!' | b'^');
    at += usize::from(negated);
    let mut members = [false; 256];
    let mut first = true;
    let mut previous: Option<u8> = None;
    loop {
        let byte = *text.get(at)?;
        at += 1;
        match byte {
            b']' if !first => break,
            b'-' if previous.is_some() && text.get(at).is_some_and(|next| *next != b']') => {
                let (end, next) = member(text, at)?;
                at = next;
                (previous?..=end).for_each(|byte| members[usize::from(byte)] = true);
                previous = None;
            }
            b'[' if text.get(at) == Some(&b':') => {
                let length = text[at + 1..].iter().position(|byte| *byte == b']')?;
                let name = &text[at + 1..at + 1 + length];
                if let Some(name) = name.strip_suffix(b":") {
                    let class = class(name)?;
                    (0..=u8::MAX).filter(|byte| class(*byte)).for_each(|byte| members[usize::from(byte)] = true);
                    at += length + 2;
                } else {
                    // Not a class after all: the bracket stands for itself.
                    members[usize::from(b'[')] = true;
                }
                previous = None;
            }
            _ => {
                let (byte, next) = member(text, at - 1)?;
                at = next;
                members[usize::from(byte)] = true;
                previous = Some(byte);
            }
        }
        first = false;
    }
    Some((ByteSet::of(|byte| byte != b'/' && members[usize::from(byte)] != negated), at))
}

/// A member of a set, which a backslash may escape, and where the next begins.
fn member(text: &[u8], at: usize) -> Option<(u8, usize)> {
    match *text.get(at)? {
        b'\\' => Some((*text.get(at + 1)?, at + 2)),
        byte => Some((byte, at + 1)),
    }
}

fn class(name: &[u8]) -> Option<fn(u8) -> bool> {
    Some(match name {
        b"alnum" => |b| b.is_ascii_alphanumeric(),
        b"alpha" => |b| b.is_ascii_alphabetic(),
        b"blank" => |b| matches!(b, b' ' | b'\t'),
        b"cntrl" => |b| b.is_ascii_control(),
        b"digit" => |b| b.is_ascii_digit(),
        b"graph" => |b| b.is_ascii_graphic(),
        b"lower" => |b| b.is_ascii_lowercase(),
        b"print" => |b| b.is_ascii_graphic() || b == b' ',
        b"punct" => |b| b.is_ascii_punctuation(),
        b"space" => |b| b.is_ascii_whitespace() || b == 0x0b,
        b"upper" => |b| b.is_ascii_uppercase(),
        b"xdigit" => |b| b.is_ascii_hexdigit(),
        _ => return None,
    })
}
