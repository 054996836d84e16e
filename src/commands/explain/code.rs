//! `explain CODE`: the long form of a finding's code.

use std::ffi::OsStr;

use model::long_form::{self, LongForm};
use model::record::LINTS;
use serde::Serialize;

use crate::error::Error;

/// The columns of a line: a narrow terminal shows it whole.
const WIDTH: usize = 60;

/// A long form, and whether a build can let such findings pass.
#[derive(Debug, Serialize)]
pub(super) struct Code {
    #[serde(flatten)]
    form: &'static LongForm,
    /// Whether `--allow` takes the code.
    allowable: bool,
}

/// The code that `text` names, where it names one: a path begins with `/`, or has one in it.
///
/// # Errors
/// When it is neither.
pub(super) fn of(text: &OsStr) -> Result<Option<Code>, Error> {
    if text.as_encoded_bytes().contains(&b'/') {
        return Ok(None);
    }
    let text = text.to_string_lossy();
    match long_form::of(&text) {
        Some(form) => Ok(Some(Code { form, allowable: LINTS.contains(&form.code) })),
        None => {
            let path = format!("a path begins with `/`, as in `/{text}`");
            let hint = long_form::nearest(&text).map_or(path.clone(), |near| format!("did you mean `{near}`? {path}"));
            Err(Error::usage(format!("`{text}` is no code of a finding")).hint(hint))
        }
    }
}

/// Whether `text` is meant as a code.
pub(super) fn is_meant(text: &OsStr) -> bool {
    !text.as_encoded_bytes().contains(&b'/')
}

impl Code {
    /// The text for people.
    pub(super) fn describe(&self) -> String {
        let LongForm { code, means, why, fix, example } = self.form;
        let mut text = format!("{code}\n{}", wrapped(means));
        for (title, what) in [("Why it matters", why), ("What to do", fix)] {
            text.push_str(&format!("\n\n{title}\n{}", wrapped(what)));
        }
        let example: Vec<String> = example.lines().map(|line| format!("    {line}")).collect();
        text.push_str(&format!("\n\nExample\n{}", example.join("\n")));
        if self.allowable {
            text.push_str(&format!("\n\n{}", wrapped(&format!("`build --allow {code}` lets such findings pass."))));
        }
        text
    }
}

/// Lines of at most [`WIDTH`] columns, each with a margin.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("  {word}")),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_shows_every_long_form_whole() {
        for form in long_form::all() {
            let text = Code { form, allowable: true }.describe();
            let prose = text.split("\n\nExample\n").next().unwrap_or_default();
            assert!(prose.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        }
    }

    #[test]
    fn a_path_is_no_code() {
        let named = |text: &str| of(OsStr::new(text)).map(|code| code.map(|code| code.form.code));
        assert_eq!(named("needs-user").ok(), Some(Some("needs-user")));
        assert_eq!([named("/etc").ok(), named("usr/bin/x").ok()], [Some(None), Some(None)]);
        assert!(named("needs-usr").is_err() && named("etc").is_err());
    }
}
