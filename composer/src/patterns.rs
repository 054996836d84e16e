//! Patterns that are asked one by one, with an end to the work: they may come with anyone's module.

use model::{ImagePath, Pattern};

use crate::Error;

/// How many places of patterns are looked at. Ten patterns and a hundred thousand ordinary names are below.
const WORK: usize = 1 << 28;

/// What is left of the work.
#[derive(Debug)]
pub struct Budget {
    left: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: WORK }
    }
}

impl Budget {
    /// Whether `pattern` takes `path`.
    ///
    /// # Errors
    /// When nothing is left.
    pub fn takes(&mut self, pattern: &Pattern, path: &ImagePath, is_directory: bool) -> Result<bool, Error> {
        let glob = pattern.glob();
        // Making the pattern ready costs as well.
        let work = glob.work(path.relative()).saturating_add(pattern.as_str().len());
        let costly = || Error::PatternTooCostly { pattern: pattern.clone(), path: path.to_string() };
        self.left = self.left.checked_sub(work).ok_or_else(costly)?;
        Ok(glob.test(path.relative(), is_directory).taken)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn the_work_has_an_end() {
        let path = ImagePath::new("/a/b").unwrap();
        let takes = |text: &str, left| Budget { left }.takes(&Pattern::parse(text).unwrap(), &path, false);
        assert!(takes("/a/*", 1000).unwrap() && !takes("/b", 1000).unwrap());
        for text in ["/a/*", "/**a**b"] {
            let error = takes(text, 5).unwrap_err();
            assert!(matches!(&error, Error::PatternTooCostly { pattern, .. } if pattern.as_str() == text), "{error}");
        }
    }
}
