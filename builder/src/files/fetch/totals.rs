//! How much there is to fetch in all, said when all of it is known.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use model::observe::Task;

/// The lengths of the files that come, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Totals {
    lengths: Mutex<BTreeMap<usize, Option<u64>>>,
}

impl Totals {
    /// These files will come.
    pub(super) fn begin(&self, numbers: impl Iterator<Item = usize>) {
        let mut lengths = self.lengths.lock().unwrap_or_else(PoisonError::into_inner);
        lengths.extend(numbers.map(|number| (number, None)));
    }

    /// A file has so many bytes. The sum is said once no file is without one, and again only where one was wrong.
    pub(super) fn learn(&self, number: usize, length: u64, task: &Task<'_>) {
        let mut lengths = self.lengths.lock().unwrap_or_else(PoisonError::into_inner);
        if lengths.insert(number, Some(length)) == Some(Some(length)) {
            return;
        }
        if let Some(sum) = lengths.values().copied().sum::<Option<u64>>() {
            task.expect(sum);
        }
    }
}
