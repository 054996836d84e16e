//! 6. What changes during a build is an error.
