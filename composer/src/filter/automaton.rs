//! All patterns of one list as an automaton of two parts.
//!
//! The automaton is a lazily built DFA: a state is a set of places in all the patterns, made when a
//! path first needs it. Its memory is bounded; when the bound is reached the states are thrown away
//! and made anew, so that the worst list costs time like a plain simulation, never memory.
//!
//! The time is bounded too. To make a state is to look at each place of the one before it and of the
//! new one; each place that is looked at counts, and [`Runner`] ends with an error when there were more
//! than [`WORK`]. What counts is work and not time, so that a list that is refused is refused everywhere.
//!
//! A walk keeps a [`Mark`] per directory and goes on from there, so that each name is read once.

use std::collections::HashMap;

use regex_automata::Anchored;
use regex_automata::MatchKind;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::util::start;

use super::glob::{self, Glob};
use crate::error::Error;

/// The most memory that the states of one list take, in bytes.
const STATE_MEMORY: usize = 16 << 20;

/// The most memory that the patterns of one list take, in bytes. A manifest of 1 MiB stays below.
const PATTERN_MEMORY: usize = 256 << 20;

/// The most work of one walk with one list, in places that are looked at: a few seconds. A list of 10,000
/// paths takes a hundredth of it.
pub(super) const WORK: u64 = 200_000_000;

/// How much of a path is looked at to find the costliest pattern.
const LOOKED_AT: usize = 256;

/// What it takes to make a state beside looking at its places.
const STATE: usize = 32;

/// The memory that a state takes beside its transitions and its places, about.
const HEAD: usize = 64;

/// Why a path could not be matched.
#[derive(Debug)]
pub(super) enum Fault {
    /// The patterns take more work than [`WORK`].
    TooCostly {
        /// The one that took most of it at the end.
        pattern: usize,
        /// The path at which it was used up, without its first slash.
        path: Vec<u8>,
    },
    /// What cannot be: the automaton is configured never to give up, but its interface could.
    GaveUp(Error),
}

/// One list of patterns, compiled.
#[derive(Debug, Clone)]
pub(super) struct Automaton {
    /// The patterns that begin with a fixed name, and those that may begin anywhere.
    ///
    /// In one automaton, each state of the second kind would be there once for every directory that the
    /// first kind distinguishes: thousands of times. Apart, they are as many as the sum.
    parts: [Part; 2],
    globs: Vec<Glob>,
}

/// Some of the patterns.
#[derive(Debug, Clone)]
struct Part {
    dfa: DFA,
    /// The binary logarithm of how many transitions a state has room for.
    row: u32,
    /// The place of each of its patterns in the list.
    patterns: Vec<usize>,
}

impl Automaton {
    /// Compiles `globs`. The index of a pattern in `globs` is its name in everything that follows.
    pub(super) fn new(globs: Vec<Glob>) -> Result<Self, Error> {
        let (floating, rooted): (Vec<usize>, Vec<usize>) =
            (0..globs.len()).partition(|index| globs[*index].prefix().is_empty());
        Ok(Self { parts: [Part::new(&globs, rooted)?, Part::new(&globs, floating)?], globs })
    }

    /// The patterns.
    pub(super) fn globs(&self) -> &[Glob] {
        &self.globs
    }

    /// A walker with states of its own, and `work` to do at most.
    pub(super) fn runner(&self, work: u64) -> Runner<'_> {
        let states = self.parts.each_ref().map(|part| States::new(part.dfa.create_cache()));
        Runner { automaton: self, states, work }
    }

    /// The pattern that looks at most places on the way along `path`.
    fn costliest(&self, path: &[u8]) -> usize {
        let costs =
            self.globs.iter().enumerate().map(|(index, glob)| (glob.work(&path[..path.len().min(LOOKED_AT)]), index));
        costs.max_by_key(|(cost, index)| (*cost, std::cmp::Reverse(*index))).map_or(0, |(_, index)| index)
    }
}

impl Part {
    fn new(globs: &[Glob], patterns: Vec<usize>) -> Result<Self, Error> {
        let too_large = |source: &dyn std::error::Error| Error::FilterTooLarge {
            patterns: globs.len(),
            reason: source.source().map_or_else(|| source.to_string(), ToString::to_string),
        };
        let own = patterns.iter().map(|index| &globs[*index]);
        let nfa = glob::automaton(own, PATTERN_MEMORY).map_err(|error| too_large(&error))?;
        let settings = Config::new()
            .match_kind(MatchKind::All)
            .cache_capacity(STATE_MEMORY)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(None);
        let dfa = DFA::builder().configure(settings).build_from_nfa(nfa).map_err(|error| too_large(&error))?;
        let row = dfa.byte_classes().alphabet_len().next_power_of_two().trailing_zeros();
        Ok(Self { dfa, row, patterns })
    }
}

/// Where matching stands after some bytes of a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark([PartMark; 2]);

#[derive(Debug, Clone, Copy)]
struct PartMark {
    state: LazyStateID,
    /// How often states had been thrown away when `state` was made; it means nothing after the next time.
    age: usize,
}

impl Mark {
    /// Whether nothing that begins with these bytes can match any more.
    pub(super) fn is_dead(self) -> bool {
        self.0.iter().all(|mark| mark.state.is_dead())
    }
}

/// What a path is matched as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// The path of something that is no directory.
    File,
    /// The path of a directory.
    Directory,
    /// The path of a directory with a slash behind it.
    DirectoryWithSlash,
}

impl Text {
    /// Whether a match by `glob` counts.
    fn concerns(self, glob: &Glob) -> bool {
        match self {
            Self::File => !glob.directory_only,
            Self::Directory => !glob.slash_for_directory,
            Self::DirectoryWithSlash => glob.slash_for_directory,
        }
    }
}

/// The states that were made so far.
#[derive(Debug)]
struct States {
    cache: Cache,
    /// The memory that the cache takes without any.
    empty: usize,
    /// How many places a state has; none for one that has next to none.
    sizes: HashMap<LazyStateID, usize>,
}

impl States {
    fn new(cache: Cache) -> Self {
        Self { empty: cache.memory_usage(), cache, sizes: HashMap::new() }
    }
}

/// Goes over paths. Every call takes the whole path, so that a mark whose state was thrown away can
/// be made again.
#[derive(Debug)]
pub(super) struct Runner<'a> {
    automaton: &'a Automaton,
    states: [States; 2],
    /// How much more work may be done.
    work: u64,
}

impl Runner<'_> {
    /// The mark before the first byte.
    pub(super) fn start(&mut self) -> Result<Mark, Fault> {
        let [mut rooted, mut floating] = self.parts();
        let mark = Mark([rooted.start()?, floating.start()?]);
        let used = rooted.used + floating.used;
        self.pay(used, &[])?;
        Ok(mark)
    }

    /// The mark after all of `path`, from `mark`, which stands after its first `from` bytes.
    pub(super) fn run(&mut self, mark: Mark, path: &[u8], from: usize) -> Result<Mark, Fault> {
        let [mut rooted, mut floating] = self.parts();
        let mark = Mark([rooted.run(mark.0[0], path, from)?, floating.run(mark.0[1], path, from)?]);
        let used = rooted.used + floating.used;
        self.pay(used, path)?;
        Ok(mark)
    }

    /// Puts the patterns that match the whole of `path`, after which `mark` stands, behind `found`.
    pub(super) fn matches(&mut self, mark: Mark, path: &[u8], what: Text, found: &mut Vec<usize>) -> Result<(), Fault> {
        let globs = &self.automaton.globs;
        let mut used = 0;
        for (mut part, mark) in self.parts().into_iter().zip(mark.0) {
            part.matches(mark, path, |pattern| {
                if what.concerns(&globs[pattern]) {
                    found.push(pattern);
                }
            })?;
            used += part.used;
        }
        self.pay(used, path)
    }

    fn parts(&mut self) -> [PartRunner<'_>; 2] {
        let Self { automaton: Automaton { parts: [rooted, floating], .. }, states: [first, second], .. } = self;
        [PartRunner { part: rooted, states: first, used: 0 }, PartRunner { part: floating, states: second, used: 0 }]
    }

    /// Takes `used` from the work that may be done.
    fn pay(&mut self, used: usize, path: &[u8]) -> Result<(), Fault> {
        match self.work.checked_sub(used as u64) {
            Some(left) => {
                self.work = left;
                Ok(())
            }
            None => Err(Fault::TooCostly { pattern: self.automaton.costliest(path), path: path.to_vec() }),
        }
    }
}

struct PartRunner<'a> {
    part: &'a Part,
    states: &'a mut States,
    /// The work that was done.
    used: usize,
}

impl PartRunner<'_> {
    fn start(&mut self) -> Result<PartMark, Fault> {
        let config = start::Config::new().anchored(Anchored::Yes);
        let before = self.measure();
        let state = self.part.dfa.start_state(&mut self.states.cache, &config).map_err(|error| self.gave_up(&error))?;
        self.account(before, state);
        Ok(PartMark { state, age: self.states.cache.clear_count() })
    }

    fn run(&mut self, mark: PartMark, path: &[u8], from: usize) -> Result<PartMark, Fault> {
        let state = self.refresh(mark, path, from)?.state;
        let state = self.steps(state, &path[from..])?;
        Ok(PartMark { state, age: self.states.cache.clear_count() })
    }

    fn matches(&mut self, mark: PartMark, path: &[u8], mut take: impl FnMut(usize)) -> Result<(), Fault> {
        let state = self.refresh(mark, path, path.len())?.state;
        if state.is_dead() {
            return Ok(());
        }
        let state = self.step(state, glob::END)?;
        if state.is_dead() {
            return Ok(());
        }
        let Part { dfa, patterns, .. } = self.part;
        let end = dfa.next_eoi_state(&mut self.states.cache, state).map_err(|error| self.gave_up(&error))?;
        if end.is_match() {
            let count = dfa.match_len(&self.states.cache, end);
            self.used += count;
            for index in 0..count {
                take(patterns[dfa.match_pattern(&self.states.cache, end, index).as_usize()]);
            }
        }
        Ok(())
    }

    /// A mark that may be used, made again when its state is gone.
    fn refresh(&mut self, mark: PartMark, path: &[u8], from: usize) -> Result<PartMark, Fault> {
        if mark.state.is_dead() || mark.age == self.states.cache.clear_count() {
            return Ok(mark);
        }
        let state = self.start()?.state;
        let state = self.steps(state, &path[..from])?;
        Ok(PartMark { state, age: self.states.cache.clear_count() })
    }

    fn steps(&mut self, mut state: LazyStateID, bytes: &[u8]) -> Result<LazyStateID, Fault> {
        for byte in bytes {
            if state.is_dead() {
                break;
            }
            state = self.step(state, *byte)?;
        }
        Ok(state)
    }

    fn step(&mut self, state: LazyStateID, byte: u8) -> Result<LazyStateID, Fault> {
        // No path holds an END, so that no state on the way is one of a match, which alone is tagged.
        let known = self.part.dfa.next_state_untagged(&self.states.cache, state, byte);
        if !known.is_unknown() {
            return Ok(known);
        }
        let before = self.measure();
        self.used += self.states.sizes.get(&state).copied().unwrap_or_default();
        let cache = &mut self.states.cache;
        let next = self.part.dfa.next_state(cache, state, byte).map_err(|error| self.gave_up(&error))?;
        self.account(before, next);
        Ok(next)
    }

    /// What there was before a state was made: memory, and how often states had been thrown away.
    fn measure(&self) -> (usize, usize) {
        (self.states.cache.memory_usage(), self.states.cache.clear_count())
    }

    /// Counts what was looked at to make `state`, after which there was more than `before`. A place takes
    /// at least one byte of a state; that is as near as the automaton can say.
    fn account(&mut self, (memory, age): (usize, usize), state: LazyStateID) {
        let States { cache, empty, sizes } = &mut *self.states;
        let memory = if cache.clear_count() == age {
            memory
        } else {
            sizes.clear();
            *empty
        };
        let row = size_of::<LazyStateID>() << self.part.row;
        let grown = cache.memory_usage().saturating_sub(memory + row + HEAD);
        if grown > 0 {
            sizes.insert(state, grown);
        }
        self.used += STATE + sizes.get(&state).copied().unwrap_or_default();
    }

    fn gave_up(&self, error: &dyn std::error::Error) -> Fault {
        Fault::GaveUp(Error::FilterTooLarge { patterns: self.part.patterns.len(), reason: error.to_string() })
    }
}
