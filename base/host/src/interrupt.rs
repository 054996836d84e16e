//! What a run undoes when a signal ends it: the programs that it started are ended, and what it had on disk for
//! itself is removed.
//!
//! Nothing is dropped in a process that a signal ends. So whoever holds something that is not to stay
//! registers it here as long as it is held ([`on_interrupt`]), and whoever takes the signal calls [`undo`]. From then
//! on a thread that registers something, or lets go of it, waits for the end of the process: what a killed
//! child did to its caller is not reported as if the child had failed. What must not be ended in its middle
//! is done under [`whole`].
//!
//! A process that is killed undoes nothing; the next run removes what it left.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// The longest time for which the end waits for what must not be ended in its middle.
const PATIENCE: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() + Send>;

/// What is registered, and whether the end has begun.
struct State {
    next: u64,
    work: BTreeMap<u64, Work>,
    /// How many do what must not be ended in its middle.
    whole: usize,
    /// The thread that ends this process.
    ending: Option<ThreadId>,
}

static STATE: Mutex<State> = Mutex::new(State { next: 0, work: BTreeMap::new(), whole: 0, ending: None });
static IDLE: Condvar = Condvar::new();

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state, for a thread that may go on; none for the one that ends the process, which undoes nothing of its own.
fn living() -> Option<MutexGuard<'static, State>> {
    let state = state();
    match state.ending {
        None => Some(state),
        Some(thread) if thread == thread::current().id() => None,
        Some(_) => {
            drop(state);
            loop {
                thread::park();
            }
        }
    }
}

/// Something that is undone when a signal ends the run while this lives.
#[derive(Debug)]
#[must_use = "nothing is undone once this is dropped"]
pub struct OnInterrupt {
    number: u64,
}

/// Has `work` done when a signal ends the run before the value is dropped.
pub fn on_interrupt(work: impl FnOnce() + Send + 'static) -> OnInterrupt {
    let Some(mut state) = living() else { return OnInterrupt { number: u64::MAX } };
    let number = state.next;
    state.next += 1;
    state.work.insert(number, Box::new(work));
    OnInterrupt { number }
}

impl Drop for OnInterrupt {
    fn drop(&mut self) {
        // What it holds is dropped when no lock is held any more.
        let work = living().and_then(|mut state| state.work.remove(&self.number));
        drop(work);
    }
}

/// Keeps the end away while this lives.
#[derive(Debug)]
#[must_use = "the end is kept away as long as this lives"]
pub struct Whole(());

/// What follows is not ended in its middle, if it takes no longer than some seconds.
pub fn whole() -> Whole {
    if let Some(mut state) = living() {
        state.whole += 1;
    }
    Whole(())
}

impl Drop for Whole {
    fn drop(&mut self) {
        // The end may be about to begin, so this does not wait for it.
        let mut state = state();
        state.whole = state.whole.saturating_sub(1);
        IDLE.notify_all();
    }
}

/// Undoes everything that is registered, what came last first. Whoever calls this ends the process.
pub fn undo() {
    let state = state();
    let waited = IDLE.wait_timeout_while(state, PATIENCE, |state| state.whole > 0);
    let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
    state.ending = Some(thread::current().id());
    let work = std::mem::take(&mut state.work);
    drop(state);
    work.into_values().rev().for_each(|work| work());
}
