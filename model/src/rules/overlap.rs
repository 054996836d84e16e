//! Whether two patterns take a common path: a walk over the product of their automata, with the
//! paths that the module's own mask takes left out.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;

use super::glob::{Glob, Token};

/// The most states that one question may visit; beyond it the answer is [`Overlap::Unknown`].
const MAX_STATES: usize = 20_000;

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

/// Where the end of a path may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// After the last token.
    Exact,
    /// There, or anywhere below.
    OrBelow,
    /// Only below.
    Below,
}

/// A pattern as a nondeterministic automaton: position `tokens.len()` is behind the last token, the
/// next one below it.
#[derive(Debug)]
pub(super) struct Automaton {
    tokens: Vec<Token>,
    tail: Tail,
}

impl Automaton {
    /// `None` when the pattern takes nothing of this kind.
    pub(super) fn new(glob: &Glob, role: Role, what: What) -> Option<Self> {
        let directory = what == What::Directory;
        let tail = match role {
            _ if glob.and_below => {
                if directory {
                    Tail::OrBelow
                } else {
                    Tail::Below
                }
            }
            Role::Exclude if glob.directory_only && !directory => Tail::Below,
            Role::Exclude => Tail::OrBelow,
            Role::Include if glob.directory_only => {
                if directory {
                    Tail::Exact
                } else {
                    return None;
                }
            }
            Role::Include if glob.is_literal() => Tail::OrBelow,
            Role::Include => Tail::Exact,
        };
        Some(Self { tokens: glob.tokens.clone()?, tail })
    }

    /// Puts `position` and all that stars lead to without a byte into `set`.
    fn close(&self, mut position: usize, set: &mut BTreeSet<usize>) {
        while set.insert(position) && self.tokens.get(position).is_some_and(Token::repeats) {
            position += 1;
        }
    }

    fn start(&self) -> BTreeSet<usize> {
        let mut set = BTreeSet::new();
        self.close(0, &mut set);
        set
    }

    fn step(&self, from: &BTreeSet<usize>, byte: u8) -> BTreeSet<usize> {
        let mut next = BTreeSet::new();
        for &position in from {
            match self.tokens.get(position) {
                Some(token) if !token.accepts(byte) => {}
                Some(token) if token.repeats() => self.close(position, &mut next),
                Some(_) => self.close(position + 1, &mut next),
                None if position > self.tokens.len() => self.close(position, &mut next),
                None if self.tail != Tail::Exact && byte == b'/' => self.close(position + 1, &mut next),
                None => {}
            }
        }
        next
    }

    fn accepts(&self, positions: &BTreeSet<usize>) -> bool {
        let (at_end, below) = (positions.contains(&self.tokens.len()), positions.contains(&(self.tokens.len() + 1)));
        match self.tail {
            Tail::Exact => at_end,
            Tail::OrBelow => at_end || below,
            Tail::Below => below,
        }
    }
}

/// The last component so far: a path holds no empty one, no `.` and no `..`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Component {
    Outside,
    Empty,
    Dot,
    Dots,
    Name(u8),
}

impl Component {
    fn step(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Outside, b'/') => Some(Self::Empty),
            (Self::Outside, _)
            | (Self::Empty | Self::Dot | Self::Dots, b'/')
            | (Self::Name(255), 1..=b'.' | b'0'..) => None,
            (_, 0) => None,
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
    /// Both take this path.
    At(Vec<u8>),
    /// The question was too big.
    Unknown,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    component: Component,
    sets: Rc<[BTreeSet<usize>]>,
}

/// The shortest path that `first` and `second` take and none of `masks` does.
///
/// Every position that a step looks at is taken from `budget`, which many questions share.
pub(super) fn overlap(first: &Automaton, second: &Automaton, masks: &[&Automaton], budget: &mut usize) -> Overlap {
    let automata: Vec<&Automaton> = [first, second].into_iter().chain(masks.iter().copied()).collect();
    let bytes = representatives(&automata);
    let start = State { component: Component::Outside, sets: automata.iter().map(|one| one.start()).collect() };
    let mut states = vec![(start.clone(), 0usize, 0u8)];
    let mut known = HashMap::from([(start, ())]);
    let mut queue = VecDeque::from([0usize]);
    while let Some(number) = queue.pop_front() {
        let state = states[number].0.clone();
        for &byte in &bytes {
            let Some(component) = state.component.step(byte) else { continue };
            *budget = budget.saturating_sub(state.sets.iter().map(|set| set.len() + 1).sum());
            if *budget == 0 {
                return Overlap::Unknown;
            }
            let step = |(one, set): (&&Automaton, &BTreeSet<usize>)| one.step(set, byte);
            let sets: Rc<[BTreeSet<usize>]> = automata.iter().zip(state.sets.iter()).map(step).collect();
            if sets[0].is_empty() || sets[1].is_empty() {
                continue;
            }
            let next = State { component, sets };
            if known.contains_key(&next) {
                continue;
            }
            let taken = |at: usize| automata[at].accepts(&next.sets[at]);
            let whole = matches!(component, Component::Name(_));
            states.push((next.clone(), number, byte));
            if whole && taken(0) && taken(1) && !(2..automata.len()).any(taken) {
                return Overlap::At(path(&states));
            }
            if states.len() > MAX_STATES {
                return Overlap::Unknown;
            }
            known.insert(next, ());
            queue.push_back(states.len() - 1);
        }
    }
    Overlap::None
}

/// The bytes that lead to the last state.
fn path(states: &[(State, usize, u8)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut at = states.len() - 1;
    while at != 0 {
        let (_, parent, byte) = &states[at];
        bytes.push(*byte);
        at = *parent;
    }
    bytes.reverse();
    bytes
}

/// One byte of each class that the automata cannot tell apart, letters first so that an example
/// can be read.
fn representatives(automata: &[&Automaton]) -> Vec<u8> {
    let mut class = [0u32; 256];
    let mut classes = 1;
    let mut split = |test: &dyn Fn(u8) -> bool| {
        let mut renamed: HashMap<u32, u32> = HashMap::new();
        for byte in 0..=u8::MAX {
            if test(byte) {
                let new = *renamed.entry(class[usize::from(byte)]).or_insert_with(|| {
                    classes += 1;
                    classes
                });
                class[usize::from(byte)] = new;
            }
        }
    };
    let mut literal = [false; 256];
    [0, b'/', b'.'].into_iter().for_each(|byte: u8| literal[usize::from(byte)] = true);
    for token in automata.iter().flat_map(|one| &one.tokens) {
        match token {
            Token::Byte(byte) => literal[usize::from(*byte)] = true,
            Token::Set(set) => split(&|byte| set.contains(byte)),
            _ => {}
        }
    }
    (0..=u8::MAX).filter(|byte| literal[usize::from(*byte)]).for_each(|byte| split(&|other| other == byte));
    let order = (b'a'..=b'z').chain(b'0'..=b'9').chain(b'!'..=b'~').chain(1..=u8::MAX);
    let mut seen = BTreeSet::new();
    order.filter(|byte| seen.insert(class[usize::from(*byte)])).collect()
}
