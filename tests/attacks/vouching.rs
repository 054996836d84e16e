//! 2. What comes with the sources vouches for nothing.
