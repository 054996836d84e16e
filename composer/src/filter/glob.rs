//! A pattern as a regular expression. What a pattern means is read in [`model::pattern`].

pub(super) use model::pattern::Glob;
use model::pattern::{ByteSet, Token};
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, Repetition};

/// The regular expression of `glob`, to be matched from the first byte to the last.
pub(super) fn hir(glob: &Glob) -> Hir {
    match glob.tokens() {
        Some(tokens) => Hir::concat(tokens.iter().map(|token| element(*token)).collect()),
        None => Hir::fail(),
    }
}

fn element(token: Token) -> Hir {
    match token {
        Token::Byte(byte) => Hir::literal([byte]),
        token if token.repeats() => {
            Hir::repetition(Repetition { min: 0, max: None, greedy: true, sub: Box::new(class(token.bytes())) })
        }
        token => class(token.bytes()),
    }
}

fn class(set: ByteSet) -> Hir {
    Hir::class(Class::Bytes(ClassBytes::new(set.iter().map(|byte| ClassBytesRange::new(byte, byte)))))
}
