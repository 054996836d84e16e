//! 1. What was resolved is checked where it gets its type.
