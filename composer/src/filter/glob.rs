//! Patterns as an automaton. What a pattern means is read in [`model::pattern`].

pub(super) use model::pattern::Glob;
use model::pattern::{ByteSet, Token};
use regex_automata::nfa::thompson::{BuildError, Builder, NFA, Transition};
use regex_automata::util::primitives::StateID;

/// What stands behind each path that is matched. No path holds it, so that a match is seen where it is
/// asked for and nowhere on the way.
pub(super) const END: u8 = 0;

/// The automaton of `globs`, each to be matched from the first byte of a path to its [`END`].
///
/// Patterns that begin alike share what they have in common, so that thousands of them below one
/// directory, or behind one `**/`, are one place there and not thousands. It is built from the tokens,
/// last to first, without a syntax tree between them: that would take hundreds of bytes for each byte
/// of a manifest.
pub(super) fn automaton<'a>(globs: impl Iterator<Item = &'a Glob>, memory: usize) -> Result<NFA, BuildError> {
    let mut builder = Builder::new();
    builder.set_utf8(false);
    builder.set_size_limit(Some(memory))?;
    let mut patterns: Vec<(&[Token], StateID)> = Vec::new();
    for glob in globs {
        builder.start_pattern()?;
        let end = builder.add_match()?;
        let end = builder.add_range(Transition { start: END, end: END, next: end })?;
        builder.finish_pattern(end)?;
        patterns.extend(glob.tokens().map(|tokens| (tokens, end)));
    }
    patterns.sort_unstable();
    let mut open = Open { builder, stack: Vec::new(), starts: Vec::new() };
    let mut before: &[Token] = &[];
    for (tokens, end) in patterns {
        let common = before.iter().zip(tokens).take_while(|(one, other)| one == other).count();
        open.close(common)?;
        open.stack.extend(tokens[common..].iter().map(|token| (*token, Vec::new())));
        open.next().push(end);
        before = tokens;
    }
    open.close(0)?;
    let start = open.builder.add_union(open.starts)?;
    open.builder.build(start, start)
}

/// An automaton whose patterns are added in order.
struct Open {
    builder: Builder,
    /// The tokens of the last pattern, each with what may follow it so far.
    stack: Vec<(Token, Vec<StateID>)>,
    /// What paths may begin with.
    starts: Vec<StateID>,
}

impl Open {
    /// What may follow the last token.
    fn next(&mut self) -> &mut Vec<StateID> {
        self.stack.last_mut().map_or(&mut self.starts, |(_, next)| next)
    }

    /// Finishes all tokens but the first `kept`: no further pattern has them.
    fn close(&mut self, kept: usize) -> Result<(), BuildError> {
        while self.stack.len() > kept
            && let Some((token, next)) = self.stack.pop()
        {
            let state = step(&mut self.builder, token, next)?;
            self.next().push(state);
        }
        Ok(())
    }
}

/// The state from which `token` leads to any of `next`.
fn step(builder: &mut Builder, token: Token, mut next: Vec<StateID>) -> Result<StateID, BuildError> {
    if token.repeats() {
        let again = builder.add_union(next)?;
        let once = bytes(builder, token, again)?;
        builder.patch(again, once)?;
        return Ok(again);
    }
    let next = match (next.pop(), next.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            next.extend(last);
            builder.add_union(next)?
        }
    };
    bytes(builder, token, next)
}

/// One step over a byte of `token`.
fn bytes(builder: &mut Builder, token: Token, next: StateID) -> Result<StateID, BuildError> {
    const NAMES: [(u8, u8); 2] = [(END, b'/' - 1), (b'/' + 1, u8::MAX)];
    let ranges = match token {
        Token::Byte(byte) => vec![(byte, byte)],
        Token::One | Token::Star => NAMES.to_vec(),
        Token::DoubleStar => vec![(END, u8::MAX)],
        Token::Set(set) => ranges(set),
    };
    let inside = ranges.into_iter().filter(|(_, last)| *last != END).map(|(first, last)| (first.max(END + 1), last));
    let transitions: Vec<Transition> = inside.map(|(start, end)| Transition { start, end, next }).collect();
    match *transitions {
        [] => builder.add_fail(),
        [only] => builder.add_range(only),
        _ => builder.add_sparse(transitions),
    }
}

/// The runs of bytes that follow each other, first and last byte of each.
fn ranges(set: ByteSet) -> Vec<(u8, u8)> {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for byte in set.iter() {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(byte) => *last = byte,
            _ => ranges.push((byte, byte)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_as_few_ranges_as_it_can_be() {
        assert_eq!(ranges(ByteSet::ALL), [(0, 255)]);
        assert_eq!(ranges(ByteSet::of(b'/').complement()), [(0, b'.'), (b'0', 255)]);
        assert_eq!(ranges(ByteSet::default()), []);
    }
}
