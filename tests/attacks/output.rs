//! 8. Results in JSON for every path, and nothing that a terminal acts upon.
