//! All patterns of one list as an automaton of two parts.
//!
//! The automaton is a lazily built DFA: a state is a set of places in all the patterns, made when a
//! path first needs it. Its memory is bounded; when the bound is reached the states are thrown away
//! and made anew, so that the worst list costs time like a plain simulation, never memory.
//!
//! A walk keeps a [`Mark`] per directory and goes on from there, so that each name is read once.

use regex_automata::Anchored;
use regex_automata::MatchKind;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::start;

use super::glob::{self, Glob};
use crate::error::Error;

/// The most memory that the states of one list take, in bytes.
const STATE_MEMORY: usize = 16 << 20;

/// The most memory that the patterns of one list take, in bytes. A manifest of 1 MiB stays below.
const PATTERN_MEMORY: usize = 256 << 20;

/// One list of patterns, compiled.
#[derive(Debug, Clone)]
pub(super) struct Automaton {
    /// The patterns that begin with a fixed name, and those that may begin anywhere.
    ///
    /// In one automaton, each state of the second kind would be there once for every directory that the
    /// first kind tells apart: thousands of times. Apart, they are as many as the sum.
    parts: [Part; 2],
    globs: Vec<Glob>,
}

/// Some of the patterns.
#[derive(Debug, Clone)]
struct Part {
    dfa: DFA,
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

    /// A walker with states of its own.
    pub(super) fn runner(&self) -> Runner<'_> {
        Runner { automaton: self, caches: self.parts.each_ref().map(|part| part.dfa.create_cache()) }
    }
}

impl Part {
    fn new(globs: &[Glob], patterns: Vec<usize>) -> Result<Self, Error> {
        let too_large = |source: &dyn std::error::Error| Error::FilterTooLarge {
            patterns: globs.len(),
            reason: source.source().map_or_else(|| source.to_string(), ToString::to_string),
        };
        let hirs: Vec<_> = patterns.iter().map(|index| glob::hir(&globs[*index])).collect();
        let settings = thompson::Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(PATTERN_MEMORY));
        let nfa = thompson::Compiler::new()
            .configure(settings)
            .build_many_from_hir(&hirs)
            .map_err(|error| too_large(&error))?;
        let settings = Config::new()
            .match_kind(MatchKind::All)
            .cache_capacity(STATE_MEMORY)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(None);
        let dfa = DFA::builder().configure(settings).build_from_nfa(nfa).map_err(|error| too_large(&error))?;
        Ok(Self { dfa, patterns })
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

/// Goes over paths. Every call takes the whole path, so that a mark whose state was thrown away can
/// be made again.
#[derive(Debug)]
pub(super) struct Runner<'a> {
    automaton: &'a Automaton,
    caches: [Cache; 2],
}

impl Runner<'_> {
    /// The mark before the first byte.
    pub(super) fn start(&mut self) -> Result<Mark, Error> {
        let [mut rooted, mut floating] = self.parts();
        Ok(Mark([rooted.start()?, floating.start()?]))
    }

    /// The mark after all of `path`, from `mark`, which stands after its first `from` bytes.
    pub(super) fn run(&mut self, mark: Mark, path: &[u8], from: usize) -> Result<Mark, Error> {
        let [mut rooted, mut floating] = self.parts();
        Ok(Mark([rooted.run(mark.0[0], path, from)?, floating.run(mark.0[1], path, from)?]))
    }

    /// Puts the patterns that match the whole of `path`, after which `mark` stands, behind `found`.
    pub(super) fn matches(&mut self, mark: Mark, path: &[u8], what: Text, found: &mut Vec<usize>) -> Result<(), Error> {
        let globs = &self.automaton.globs;
        for (mut part, mark) in self.parts().into_iter().zip(mark.0) {
            part.matches(mark, path, |pattern| {
                if what.concerns(&globs[pattern]) {
                    found.push(pattern);
                }
            })?;
        }
        Ok(())
    }

    fn parts(&mut self) -> [PartRunner<'_>; 2] {
        let Self { automaton: Automaton { parts: [rooted, floating], .. }, caches: [first, second] } = self;
        [PartRunner { part: rooted, cache: first }, PartRunner { part: floating, cache: second }]
    }
}

struct PartRunner<'a> {
    part: &'a Part,
    cache: &'a mut Cache,
}

impl PartRunner<'_> {
    fn start(&mut self) -> Result<PartMark, Error> {
        let config = start::Config::new().anchored(Anchored::Yes);
        let state = self.part.dfa.start_state(self.cache, &config).map_err(|error| self.gave_up(&error))?;
        Ok(PartMark { state, age: self.cache.clear_count() })
    }

    fn run(&mut self, mark: PartMark, path: &[u8], from: usize) -> Result<PartMark, Error> {
        let mut state = self.refresh(mark, path, from)?.state;
        for byte in &path[from..] {
            if state.is_dead() {
                break;
            }
            state = self.step(state, *byte)?;
        }
        Ok(PartMark { state, age: self.cache.clear_count() })
    }

    fn matches(&mut self, mark: PartMark, path: &[u8], mut take: impl FnMut(usize)) -> Result<(), Error> {
        let state = self.refresh(mark, path, path.len())?.state;
        if state.is_dead() {
            return Ok(());
        }
        let Part { dfa, patterns } = self.part;
        let end = dfa.next_eoi_state(self.cache, state).map_err(|error| self.gave_up(&error))?;
        if end.is_match() {
            for index in 0..dfa.match_len(self.cache, end) {
                take(patterns[dfa.match_pattern(self.cache, end, index).as_usize()]);
            }
        }
        Ok(())
    }

    /// A mark that may be used, made again when its state is gone.
    fn refresh(&mut self, mark: PartMark, path: &[u8], from: usize) -> Result<PartMark, Error> {
        if mark.state.is_dead() || mark.age == self.cache.clear_count() {
            return Ok(mark);
        }
        let mut state = self.start()?.state;
        for byte in &path[..from] {
            state = self.step(state, *byte)?;
        }
        Ok(PartMark { state, age: self.cache.clear_count() })
    }

    fn step(&mut self, state: LazyStateID, byte: u8) -> Result<LazyStateID, Error> {
        self.part.dfa.next_state(self.cache, state, byte).map_err(|error| self.gave_up(&error))
    }

    /// The automaton is told never to give up, but its interface could.
    fn gave_up(&self, error: &dyn std::error::Error) -> Error {
        Error::FilterTooLarge { patterns: self.part.patterns.len(), reason: error.to_string() }
    }
}
