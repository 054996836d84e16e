//! 4. Readers refuse what the documents promise that they refuse.
