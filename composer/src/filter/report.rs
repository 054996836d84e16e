//! What a filter did, rule by rule.

use model::ImagePath;
use serde::Serialize;

/// Which of the two lists of [`model::rules::Rules`] a rule stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum List {
    /// The excludes.
    Exclude,
    /// The includes.
    Include,
}

/// One rule, by its place. Its pattern and origin are in the [`model::rules::Rules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RuleRef {
    /// The list.
    pub list: List,
    /// The index in the list, from 0.
    pub index: usize,
}

impl RuleRef {
    /// The exclude with this index.
    #[must_use]
    pub fn exclude(index: usize) -> Self {
        Self { list: List::Exclude, index }
    }

    /// The include with this index.
    #[must_use]
    pub fn include(index: usize) -> Self {
        Self { list: List::Include, index }
    }
}

/// How much something took. A file with several names counts as one file for each name, and its
/// bytes count once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Names of anything but directories.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Bytes of content.
    pub bytes: u64,
}

impl Amount {
    /// Whether it is nothing at all.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.files == 0 && self.directories == 0
    }
}

/// What one rule did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RuleReport {
    /// An include: what it shipped. An exclude: what it kept out that some include names.
    /// Directories count where they are named themselves, not as parents.
    #[serde(flatten)]
    pub amount: Amount,
    /// Whether the pattern matches anything in the tree, taken or not.
    pub matched: bool,
    /// When the rule decided nothing and matched something: the rules that were asked before it,
    /// at most eight. Empty for any other rule.
    pub shadowed_by: Vec<RuleRef>,
    /// Patterns or paths that may have been meant, at most three; only for a rule that matches nothing.
    pub suggestions: Vec<String>,
    #[serde(skip)]
    pub(super) decided: bool,
}

impl RuleReport {
    /// The most rules that [`Self::shadowed_by`] names.
    const MAX_SHADOWS: usize = 8;

    pub(super) fn shadow(&mut self, by: RuleRef) {
        if self.shadowed_by.len() < Self::MAX_SHADOWS && !self.shadowed_by.contains(&by) {
            self.shadowed_by.push(by);
        }
    }
}

/// Where the filter read a pattern in another way than rsync, or in a way that surprises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// An include names a directory without a wildcard and is read as `directory/***`.
    BareDirectory {
        /// The include.
        rule: RuleRef,
        /// The directory.
        directory: ImagePath,
    },
    /// The leading directories of a pattern pass through a symbolic link of the tree.
    ThroughLink {
        /// The rule.
        rule: RuleRef,
        /// The leading directories as the pattern has them.
        written: ImagePath,
        /// The real directory.
        resolved: ImagePath,
    },
    /// An include with a trailing slash ships a directory alone, though it holds something.
    DirectoryAlone {
        /// The include.
        rule: RuleRef,
        /// The directory.
        directory: ImagePath,
    },
}

/// What a filter did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// One for each exclude, in order.
    pub excludes: Vec<RuleReport>,
    /// One for each include, in order.
    pub includes: Vec<RuleReport>,
    /// What was shipped because the module's packages or overlay own it and there is no `file_spec`.
    pub owned: Amount,
    /// Everything that is shipped, parents too, but for the root directory.
    pub total: Amount,
    /// What the user should know.
    pub notes: Vec<Note>,
}

impl Report {
    /// The report of one rule.
    #[must_use]
    pub fn rule(&self, rule: RuleRef) -> Option<&RuleReport> {
        match rule.list {
            List::Exclude => self.excludes.get(rule.index),
            List::Include => self.includes.get(rule.index),
        }
    }

    /// What may have been meant by a rule that matches nothing: at most three patterns or paths.
    #[must_use]
    pub fn suggestions(&self, rule: RuleRef) -> &[String] {
        self.rule(rule).map_or(&[], |report| &report.suggestions)
    }

    /// The rules that match nothing in the tree: excludes, then includes.
    pub fn unmatched(&self) -> impl Iterator<Item = RuleRef> {
        self.rules(|report| !report.matched)
    }

    /// The rules that match something, all of which was decided by rules before them.
    pub fn shadowed(&self) -> impl Iterator<Item = RuleRef> {
        self.rules(|report| !report.shadowed_by.is_empty())
    }

    fn rules(&self, holds: impl Fn(&RuleReport) -> bool + Copy) -> impl Iterator<Item = RuleRef> {
        let of = move |list: List, reports: &[RuleReport]| {
            let indices = reports.iter().enumerate().filter(|(_, report)| holds(report)).map(|(index, _)| index);
            indices.map(|index| RuleRef { list, index }).collect::<Vec<_>>()
        };
        of(List::Exclude, &self.excludes).into_iter().chain(of(List::Include, &self.includes))
    }
}
