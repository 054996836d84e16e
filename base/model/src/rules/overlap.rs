//! Whether two patterns take a common path: a walk over the product of their automata, with the
//! paths that masks take left out.
//!
//! The automata are the tokens of [`crate::pattern`] themselves: a place in a pattern is the number
//! of tokens behind it. A path is taken as `composer`'s filter takes it, whose judge is rsync.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use crate::pattern::{ByteSet, Glob, Token};

/// The most states that one question may visit; beyond it the answer is [`Overlap::Unknown`].
const MAX_STATES: usize = 20_000;

/// What a step costs beside the places that it looks at, in the time for one place.
const OVERHEAD: usize = 32;

/// What a pattern does in a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Takes what it matches and everything below it.
    Exclude,
    /// Takes what it matches; one without wildcards may be a directory and takes what is below.
    Include,
}

/// Whether a path is a directory that is shipped for its own sake, or anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    File,
    Directory,
}

/// A place in one of several patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    pattern: usize,
    /// The tokens behind the place. One more than there are stands for everything below a directory
    /// that the pattern took.
    at: usize,
}

/// Where a match can stand, in ascending order, each place once.
type Places = Vec<Place>;

#[derive(Debug)]
struct Pattern<'a> {
    tokens: &'a [Token],
    directory_only: bool,
    slash_for_directory: bool,
    /// Whether everything below a directory that is matched is taken.
    below: bool,
}

/// Patterns of one role that are asked about one kind of path. It takes what any of them takes.
#[derive(Debug)]
pub(super) struct Automaton<'a> {
    patterns: Vec<Pattern<'a>>,
    what: What,
}

impl<'a> Automaton<'a> {
    pub(super) fn new(globs: impl IntoIterator<Item = &'a Glob>, role: Role, what: What) -> Self {
        let pattern = |glob: &'a Glob| {
            let tokens = glob.tokens()?;
            // For its own sake a directory ships only where a trailing slash says so.
            let meant = role == Role::Exclude || glob.directory_only == (what == What::Directory);
            let literal = || tokens.iter().all(|token| matches!(token, Token::Byte(_)));
            meant.then(|| Pattern {
                tokens,
                directory_only: glob.directory_only,
                slash_for_directory: glob.slash_for_directory,
                below: role == Role::Exclude || (!glob.directory_only && literal()),
            })
        };
        Self { patterns: globs.into_iter().filter_map(pattern).collect(), what }
    }

    /// Whether nothing can be taken.
    pub(super) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    fn start(&self) -> Places {
        let mut places = Places::new();
        (0..self.patterns.len()).for_each(|pattern| self.close(Place { pattern, at: 0 }, &mut places));
        places
    }

    fn token(&self, place: Place) -> Option<Token> {
        self.patterns[place.pattern].tokens.get(place.at).copied()
    }

    fn is_end(&self, place: Place) -> bool {
        place.at == self.patterns[place.pattern].tokens.len()
    }

    fn is_below(&self, place: Place) -> bool {
        place.at > self.patterns[place.pattern].tokens.len()
    }

    /// Puts `place`, and where a star leads without a byte, behind `places`.
    ///
    /// Stars never stand side by side. Therefore a place that does not come after the last one is
    /// there already: it is where the star at the place before leads, or a star that the token before
    /// it led to.
    fn close(&self, place: Place, places: &mut Places) {
        if places.last().is_some_and(|last| last.pattern == place.pattern && last.at >= place.at) {
            return;
        }
        places.push(place);
        if self.token(place).is_some_and(Token::repeats) {
            places.push(Place { at: place.at + 1, ..place });
        }
    }

    /// The places after one more byte.
    fn step(&self, from: &[Place], byte: u8) -> Places {
        let mut next = Places::new();
        self.step_into(from, byte, &mut next);
        next
    }

    /// Puts the places after one more byte into `next`. A single place below what was taken stands
    /// for all of them.
    fn step_into(&self, from: &[Place], byte: u8, next: &mut Places) {
        next.clear();
        for &place in from {
            let pattern = &self.patterns[place.pattern];
            let enters =
                |slash_counts: bool| byte == b'/' && pattern.below && pattern.slash_for_directory == slash_counts;
            let all_below = match self.token(place) {
                Some(token) if !token.accepts(byte) => false,
                Some(token) => {
                    self.close(Place { at: if token.repeats() { place.at } else { place.at + 1 }, ..place }, next);
                    let at_end = |last: &Place| last.pattern == place.pattern && self.is_end(*last);
                    enters(true) && next.last().is_some_and(at_end)
                }
                None => self.is_below(place) || enters(false),
            };
            if all_below {
                next.clear();
                next.push(Place { at: pattern.tokens.len() + 1, ..place });
                return;
            }
        }
    }

    /// The bytes over which some place has a step.
    fn bytes(&self, places: &[Place]) -> ByteSet {
        let of = |place: &Place| match self.token(*place) {
            Some(token) => token.bytes(),
            None if self.is_below(*place) => ByteSet::ALL,
            None => ByteSet::of(b'/'),
        };
        places.iter().map(of).fold(ByteSet::default(), ByteSet::union)
    }

    /// Whether a path that ends here is taken.
    fn accepts(&self, places: &[Place]) -> bool {
        let ends = |place: &Place, slash: bool| {
            let pattern = &self.patterns[place.pattern];
            let file_fits = self.what == What::Directory || !pattern.directory_only;
            let slash_fits = (self.what == What::Directory && pattern.slash_for_directory) == slash;
            self.is_below(*place) || (self.is_end(*place) && file_fits && slash_fits)
        };
        places.iter().any(|place| ends(place, false))
            || (self.what == What::Directory && self.step(places, b'/').iter().any(|place| ends(place, true)))
    }

    /// Whether everything that begins like this is taken.
    fn takes_all(&self, places: &[Place]) -> bool {
        places.iter().any(|place| self.is_below(*place))
    }
}

/// The last component so far: a path holds no empty one, no `.` and no `..`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Component {
    Empty,
    Dot,
    Dots,
    Name(u8),
}

impl Component {
    fn step(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (_, 0) | (Self::Empty | Self::Dot | Self::Dots, b'/') | (Self::Name(255), 1..=b'.' | b'0'..) => None,
            (Self::Empty, b'.') => Some(Self::Dot),
            (Self::Dot, b'.') => Some(Self::Dots),
            (Self::Name(_), b'/') => Some(Self::Empty),
            (Self::Name(length), _) => Some(Self::Name(length.saturating_add(1))),
            (Self::Empty, _) => Some(Self::Name(1)),
            (Self::Dot, _) => Some(Self::Name(2)),
            (Self::Dots, _) => Some(Self::Name(3)),
        }
    }
}

/// The answer about two patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Overlap {
    /// No path is taken by both, or masks take all such paths.
    None,
    /// Both take this path, which begins with a slash.
    At(Vec<u8>),
    /// The question was too big.
    Unknown,
}

/// What a path so far says: its last component, and where the two patterns and the masks stand.
#[derive(Debug, PartialEq, Eq, Hash)]
struct State {
    component: Component,
    places: [Places; 3],
}

impl State {
    fn size(&self) -> usize {
        self.places.iter().map(Vec::len).sum()
    }
}

/// The shortest path that `first` and `second` take and none of `masks` does. All that the two take is
/// known to begin with `stem` and to be longer.
///
/// Every place that a step looks at is taken from `budget`, which many questions share; the answer
/// is [`Overlap::Unknown`] when nothing is left.
pub(super) fn overlap(
    first: &Automaton<'_>,
    second: &Automaton<'_>,
    masks: &Automaton<'_>,
    stem: &[u8],
    budget: &mut usize,
) -> Overlap {
    let automata = [first, second, masks];
    let mut start = State { component: Component::Empty, places: automata.map(Automaton::start) };
    let mut next = Places::new();
    for &byte in stem {
        let Some(component) = start.component.step(byte) else { return Overlap::None };
        *budget = budget.saturating_sub(start.size());
        start.component = component;
        for (automaton, places) in automata.iter().zip(&mut start.places) {
            automaton.step_into(places, byte, &mut next);
            std::mem::swap(places, &mut next);
        }
        if masks.takes_all(&start.places[2]) {
            return Overlap::None;
        }
        if *budget == 0 {
            return Overlap::Unknown;
        }
    }
    let start = Rc::new(start);
    let mut states = vec![(Rc::clone(&start), 0usize, 0u8)];
    let mut known = HashSet::from([start]);
    let mut queue = VecDeque::from([0usize]);
    while let Some(number) = queue.pop_front() {
        let state = Rc::clone(&states[number].0);
        let (bytes, work) = choices(automata, &state);
        *budget = budget.saturating_sub(work);
        for byte in bytes {
            let Some(component) = state.component.step(byte) else { continue };
            *budget = budget.saturating_sub(state.size() + OVERHEAD);
            if *budget == 0 {
                return Overlap::Unknown;
            }
            let places: [Places; 3] = std::array::from_fn(|at| automata[at].step(&state.places[at], byte));
            if places[..2].iter().any(Vec::is_empty) || masks.takes_all(&places[2]) {
                continue;
            }
            let next = Rc::new(State { component, places });
            if !known.insert(Rc::clone(&next)) {
                continue;
            }
            let taken = |at: usize| automata[at].accepts(&next.places[at]);
            let whole = matches!(component, Component::Name(_)) && taken(0) && taken(1) && !taken(2);
            states.push((next, number, byte));
            if whole {
                return Overlap::At(path(stem, &states));
            }
            if states.len() > MAX_STATES {
                return Overlap::Unknown;
            }
            queue.push_back(states.len() - 1);
        }
    }
    Overlap::None
}

/// `stem` and the bytes that lead to the last state, behind the slash of the root.
fn path(stem: &[u8], states: &[(Rc<State>, usize, u8)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut at = states.len() - 1;
    while at != 0 {
        let (_, parent, byte) = &states[at];
        bytes.push(*byte);
        at = *parent;
    }
    bytes.reverse();
    [b"/", stem, &bytes].concat()
}

/// One byte of each class that a state cannot distinguish and both patterns go over, letters first so
/// that an example can be read; and how much was looked at.
fn choices(automata: [&Automaton<'_>; 3], state: &State) -> (Vec<u8>, usize) {
    let both = automata[0].bytes(&state.places[0]).intersection(automata[1].bytes(&state.places[1]));
    if let (Some(only), 1) = (both.first(), both.len()) {
        return (vec![only], state.size() + OVERHEAD);
    }
    let mut single = ByteSet::of(b'/').union(ByteSet::of(b'.'));
    let mut sets = HashSet::new();
    for (automaton, places) in automata.iter().zip(&state.places) {
        for place in places {
            match automaton.token(*place) {
                Some(Token::Byte(byte)) => single.insert(byte),
                Some(Token::Set(set)) => drop(sets.insert(set)),
                _ => {}
            }
        }
    }
    let mut work = state.size() + OVERHEAD;
    let mut blocks = vec![both.intersection(single.complement())];
    for set in sets {
        work += blocks.len();
        let split = |block: &ByteSet| [block.intersection(set), block.intersection(set.complement())];
        blocks = blocks.iter().flat_map(split).filter(|block| !block.is_empty()).collect();
    }
    let mut classes = both.intersection(single);
    blocks.into_iter().filter_map(readable).for_each(|byte| classes.insert(byte));
    let mut bytes = Vec::new();
    for part in by_readability() {
        bytes.extend(classes.intersection(part).iter());
        classes = classes.intersection(part.complement());
    }
    (bytes, work)
}

/// The byte of `block` that can be read best.
fn readable(block: ByteSet) -> Option<u8> {
    by_readability().into_iter().find_map(|part| block.intersection(part).first())
}

/// Letters, digits, other characters, and all bytes.
fn by_readability() -> [ByteSet; 4] {
    const PARTS: [ByteSet; 4] =
        [ByteSet::range(b'a', b'z'), ByteSet::range(b'0', b'9'), ByteSet::range(b'!', b'~'), ByteSet::ALL];
    PARTS
}
