//! The long form of every code of a finding: what it means, why it matters on a node, how to fix it, an example.
//!
//! This is the only list of codes: `explain CODE` and docs/findings.md are made from it, and a test looks for each code of the
//! source here.

mod build;
mod closure;
mod document;
mod manifest;
mod neighbours;
mod overlay;
mod settings;
mod trial;

use serde::Serialize;

/// What there is to say about the findings of one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LongForm {
    /// The code, such as `needs-library`.
    pub code: &'static str,
    /// What such a finding says.
    pub means: &'static str,
    /// Why it matters, most often on a node.
    pub why: &'static str,
    /// What to do about it.
    pub fix: &'static str,
    /// What is wrong, or what fixes it, as it is written; may have several lines.
    pub example: &'static str,
}

/// Codes that belong together.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Group {
    /// What they are about.
    pub title: &'static str,
    /// Their long forms.
    pub codes: &'static [LongForm],
}

/// All codes, from what is read first to what is tried last.
pub const GROUPS: [Group; 8] = [
    Group { title: "The text of a manifest", codes: &document::CODES },
    Group { title: "What a manifest says", codes: &manifest::CODES },
    Group { title: "Settings and packages", codes: &settings::CODES },
    Group { title: "Neighbours on the same node", codes: &neighbours::CODES },
    Group { title: "What a module lacks", codes: &build::CODES },
    Group { title: "The module's own files", codes: &overlay::CODES },
    Group { title: "The closure of packages", codes: &closure::CODES },
    Group { title: "A trial", codes: &trial::CODES },
];

/// All codes.
pub fn all() -> impl Iterator<Item = &'static LongForm> {
    GROUPS.iter().flat_map(|group| group.codes)
}

/// The long form of `code`.
#[must_use]
pub fn of(code: &str) -> Option<&'static LongForm> {
    all().find(|form| form.code == code)
}

/// The code that was probably meant by `text`.
#[must_use]
pub fn nearest(text: &str) -> Option<&'static str> {
    let codes: Vec<&'static str> = all().map(|form| form.code).collect();
    let near = crate::document::nearest(text, &codes)?;
    codes.into_iter().find(|code| *code == near)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;
    use crate::record::LINTS;

    #[test]
    fn each_code_stands_once_with_all_that_is_to_be_said() {
        let codes: std::collections::BTreeSet<&str> = all().map(|form| form.code).collect();
        assert_eq!(codes.len(), all().count());
        for form in all() {
            let LongForm { code, means, why, fix, example } = form;
            assert!(
                code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{code}"
            );
            for text in [means, why, fix] {
                assert!(text.len() > 10 && text.ends_with('.') && !text.contains("  "), "{code}: {text}");
            }
            assert!(!example.is_empty() && !example.ends_with('\n'), "{code}");
        }
    }

    #[test]
    fn what_can_be_allowed_has_a_long_form() {
        assert_eq!(LINTS.iter().filter(|code| of(code).is_none()).count(), 0);
        assert_eq!(nearest("needs-libary"), Some("needs-library"));
        assert_eq!((nearest("etc"), of("needs")), (None, None));
    }
}
