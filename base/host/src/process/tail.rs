//! The end of a log.

use std::collections::VecDeque;

/// The last lines of a log, for an error message: at most `capacity` of them.
#[derive(Debug, Clone)]
pub struct Tail {
    lines: VecDeque<String>,
    capacity: usize,
}

impl Tail {
    /// Keeps the last `capacity` lines.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { lines: VecDeque::new(), capacity }
    }

    /// Takes one more line; what is no printable text is escaped.
    pub fn push(&mut self, line: &[u8]) {
        if self.capacity == 0 {
            return;
        }
        if self.lines.len() == self.capacity {
            self.lines.pop_front();
        }
        self.lines.push_back(model::path::escape(line));
    }

    /// The lines, oldest first.
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}
