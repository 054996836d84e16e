//! 5. Only what is ours is removed or replaced.
