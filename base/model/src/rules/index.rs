//! A list of patterns in which those that may have to do with a given one are found quickly.

use super::Rule;
use crate::pattern::Glob;

/// A rule with what is needed to compare it.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) rule: Rule,
    pub(super) glob: Glob,
    /// Everything that the pattern takes begins with these bytes.
    pub(super) prefix: Vec<u8>,
}

/// The patterns of one prefix.
#[derive(Debug)]
struct Group {
    /// Where they begin in [`List::sorted`]; they end where the next group begins.
    start: usize,
    /// The group with the longest prefix of this group's prefix.
    above: Option<usize>,
}

/// The patterns of one list that can match something.
#[derive(Debug)]
pub(super) struct List {
    /// As they were written.
    reads: Vec<Read>,
    /// Indices into `reads`, by prefix and then as written.
    sorted: Vec<usize>,
    /// By prefix.
    groups: Vec<Group>,
}

impl List {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        let reads: Vec<Read> = rules.into_iter().filter_map(read).collect();
        let mut sorted: Vec<usize> = (0..reads.len()).collect();
        sorted.sort_by(|first, second| reads[*first].prefix.cmp(&reads[*second].prefix));
        let mut list = Self { reads, sorted, groups: Vec::new() };
        // The groups whose prefixes lead to the group at hand, each longer than the one before.
        let mut above: Vec<usize> = Vec::new();
        for start in 0..list.sorted.len() {
            let prefix = list.prefix(start);
            if start > 0 && list.prefix(start - 1) == prefix {
                continue;
            }
            while above.last().is_some_and(|top| !prefix.starts_with(list.prefix(list.groups[*top].start))) {
                above.pop();
            }
            let group = Group { start, above: above.last().copied() };
            above.push(list.groups.len());
            list.groups.push(group);
        }
        list
    }

    /// The patterns as they were written.
    pub(super) fn reads(&self) -> &[Read] {
        &self.reads
    }

    /// The patterns whose prefix begins with `prefix` or is a beginning of it, as they were written.
    /// Each look is taken from `budget`; when nothing is left, some are missing.
    pub(super) fn related(&self, prefix: &[u8], budget: &mut usize) -> Vec<&Read> {
        *budget = budget.saturating_sub(1);
        let first = self.groups.partition_point(|group| self.prefix(group.start) < prefix);
        let mut found: Vec<usize> = Vec::new();
        let below = self.groups[first..].partition_point(|group| self.prefix(group.start).starts_with(prefix));
        self.take(first, first + below, budget, &mut found);
        // What is a beginning of `prefix` is the group before it or stands above that one.
        let mut at = first.checked_sub(1);
        while let Some(group) = at.filter(|_| *budget > 0) {
            *budget -= 1;
            if prefix.starts_with(self.prefix(self.groups[group].start)) {
                self.take(group, group + 1, budget, &mut found);
            }
            at = self.groups[group].above;
        }
        found.sort_unstable();
        found.into_iter().map(|index| &self.reads[index]).collect()
    }

    /// Puts the patterns of the groups from `first` to before `last` behind `found`.
    fn take(&self, first: usize, last: usize, budget: &mut usize, found: &mut Vec<usize>) {
        let start = |group: usize| self.groups.get(group).map_or(self.sorted.len(), |group| group.start);
        let all = &self.sorted[start(first)..start(last)];
        let some = &all[..all.len().min(*budget)];
        found.extend(some);
        *budget -= some.len();
    }

    fn prefix(&self, position: usize) -> &[u8] {
        &self.reads[self.sorted[position]].prefix
    }
}

/// `None` when the pattern can match nothing.
fn read(rule: Rule) -> Option<Read> {
    let glob = rule.pattern.glob();
    glob.tokens()?;
    let mut prefix = glob.prefix();
    // A directory is matched with a slash behind it, which its own path does not have.
    if glob.slash_for_directory && prefix.last() == Some(&b'/') {
        prefix.pop();
    }
    Some(Read { rule, glob, prefix })
}
