//! What is shown of a file on its way.

use std::cell::{Cell, RefCell};

use model::observe::{Task, Unit};
use net::url::place;

use super::totals::Totals;
use crate::apt::Came;

/// What is shown of a file on its way.
pub(super) struct Transfer<'a> {
    whole: &'a Task<'a>,
    totals: &'a Totals,
    /// Which one of the files it is.
    number: usize,
    /// The last part of its address.
    name: String,
    part: RefCell<Option<Task<'a>>>,
    /// How far it is now.
    at: Cell<u64>,
    /// How far it was: what comes a second time does not count twice.
    most: Cell<u64>,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(whole: &'a Task<'a>, totals: &'a Totals, number: usize, url: &str) -> Self {
        let place = place(url);
        let name = place.rsplit('/').next().unwrap_or_default().to_owned();
        let (part, at, most) = (RefCell::default(), Cell::new(0), Cell::new(0));
        Self { whole, totals, number, name, part, at, most }
    }

    pub(super) fn take(&self, came: Came) {
        let (start, count) = match came {
            Came::Start { at, total } => {
                let part = self.whole.child(self.name.clone(), total, Unit::Bytes);
                if let Some(total) = total {
                    self.totals.learn(self.number, total, self.whole);
                }
                if at > 0 {
                    part.advance(at);
                }
                self.part.replace(Some(part));
                (0, at)
            }
            Came::Bytes(count) => {
                self.part.borrow().iter().for_each(|part| part.advance(count));
                (self.at.get(), count)
            }
        };
        self.at.set(start.saturating_add(count));
        let more = self.at.get().saturating_sub(self.most.get());
        self.most.set(self.most.get() + more);
        if more > 0 {
            self.whole.advance(more);
        }
    }
}
