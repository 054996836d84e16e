//! Sets of bytes: what `[...]` in a pattern stands for.

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    /// Every byte.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// This byte alone.
    #[must_use]
    pub fn of(byte: u8) -> Self {
        let mut set = Self::default();
        set.insert(byte);
        set
    }

    /// The bytes from `low` to `high`, both included.
    #[must_use]
    pub const fn range(low: u8, high: u8) -> Self {
        let mut set = [0; 4];
        let mut byte = low as usize;
        while byte <= high as usize {
            set[byte >> 6] |= 1 << (byte & 63);
            byte += 1;
        }
        Self(set)
    }

    /// Puts `byte` in.
    pub fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    /// Takes `byte` out.
    pub fn remove(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] &= !(1 << (byte & 63));
    }

    /// Whether `byte` is in.
    #[must_use]
    pub fn contains(self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    /// Whether nothing is in.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// How many bytes are in.
    #[must_use]
    pub fn len(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// The bytes that are not in.
    #[must_use]
    pub fn complement(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    /// The bytes of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] | other.0[at]))
    }

    /// The bytes of both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] & other.0[at]))
    }

    /// The lowest byte.
    #[must_use]
    pub fn first(self) -> Option<u8> {
        let (word, bits) = (0u8..).zip(self.0).find(|(_, bits)| *bits != 0)?;
        u8::try_from(bits.trailing_zeros()).ok().map(|bit| word * 64 + bit)
    }

    /// The bytes in ascending order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        let mut rest = self;
        std::iter::from_fn(move || {
            let byte = rest.first()?;
            rest.remove(byte);
            Some(byte)
        })
    }

    fn insert_where(&mut self, holds: impl Fn(u8) -> bool) {
        (0..=u8::MAX).filter(|byte| holds(*byte)).for_each(|byte| self.insert(byte));
    }

    /// Reads a set behind its opening bracket. Gives back the set, which never holds a slash, and
    /// what follows the closing bracket. `None`: the set is not closed or names an unknown class.
    pub(super) fn read(text: &[u8]) -> Option<(Self, &[u8])> {
        let negated = matches!(text.first(), Some(b'!' | b'^'));
        let mut at = usize::from(negated);
        let mut set = Self::default();
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
    use super::*;

    #[test]
    fn a_set_is_its_bytes() {
        assert_eq!(ByteSet::ALL.iter().collect::<Vec<u8>>(), (0..=u8::MAX).collect::<Vec<u8>>());
        let mut set = ByteSet::default();
        assert!(set.is_empty() && set.first().is_none());
        [0, 63, 64, 127, 128, 191, 192, 255].into_iter().for_each(|byte| set.insert(byte));
        assert_eq!(set.iter().collect::<Vec<u8>>(), [0, 63, 64, 127, 128, 191, 192, 255]);
        set.remove(63);
        assert!(!set.contains(63) && set.contains(64) && set.len() == 7 && set.complement().contains(63));
        assert!(set.intersection(set.complement()).is_empty());
        assert_eq!(set.union(set.complement()), ByteSet::ALL);
    }

    /// What the set between the brackets holds.
    fn bytes(text: &str) -> Vec<u8> {
        ByteSet::read(text.as_bytes()).unwrap().0.iter().collect()
    }

    #[test]
    fn each_class_holds_what_the_c_locale_puts_into_it() {
        // `isalpha` and its likes of the C locale, without the slash, which no set holds.
        let capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let (small, digits) = (capitals.to_lowercase(), "0123456789");
        let marks = "!\"#$%&'()*+,-.:;<=>?@[\\]^_`{|}~";
        let control: String = (0..32).chain([127]).map(char::from).collect();
        for (class, members) in [
            ("alnum", format!("{digits}{capitals}{small}")),
            ("alpha", format!("{capitals}{small}")),
            ("blank", "\t ".to_owned()),
            ("cntrl", control),
            ("digit", digits.to_owned()),
            ("graph", format!("{marks}{digits}{capitals}{small}")),
            ("lower", small.clone()),
            ("print", format!(" {marks}{digits}{capitals}{small}")),
            ("punct", marks.to_owned()),
            ("space", "\t\n\u{b}\u{c}\r ".to_owned()),
            ("upper", capitals.to_owned()),
            ("xdigit", format!("{digits}ABCDEFabcdef")),
        ] {
            let mut members = members.into_bytes();
            members.sort_unstable();
            assert_eq!(bytes(&format!("[:{class}:]]")), members, "{class}");
        }
        for text in ["[:word:]]", "[:Alpha:]]", "[:alpha:]", "[::]]", "a", "", "!", "\\", "a-\\", "a-"] {
            assert_eq!(ByteSet::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn ranges_brackets_and_escapes_make_the_set_that_rsync_makes_of_them() {
        for (text, members) in [
            ("a-c]", &b"abc"[..]),
            ("c-a]", b"c"),
            ("a-a]", b"a"),
            (".-0]", b".0"),
            ("a\\-c]", b"-ac"),
            ("a-\\c]", b"abc"),
            ("\\a-c]", b"abc"),
            ("[:]", b":["),
            ("[:x]", b":[x"),
            ("[:digit:]-a]", b"-0123456789a"),
            ("a-c-e]", b"-abce"),
            ("-a]", b"-a"),
            ("]-a]", b"]^_`a"),
        ] {
            assert_eq!(bytes(text), members, "{text}");
        }
        let (set, rest) = ByteSet::read(b"^]a]rest").unwrap();
        assert_eq!((set.len(), set.contains(b']'), set.contains(b'a'), set.contains(b'/')), (253, false, false, false));
        assert_eq!(rest, b"rest");
        assert_eq!(ByteSet::range(250, 255).iter().collect::<Vec<u8>>(), [250, 251, 252, 253, 254, 255]);
        assert_eq!(ByteSet::of(7).iter().collect::<Vec<u8>>(), [7]);
        assert!(!ByteSet::of(0).is_empty());
    }
}
