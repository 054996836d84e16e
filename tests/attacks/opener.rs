//! 3. What comes from outside is opened below a descriptor, and written there.
