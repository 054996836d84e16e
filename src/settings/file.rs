//! One settings file in TOML: every error of it at once, each with its place.

use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use host::{Dir, Fault, Links};
use model::{Diagnostic, FileName, Position, Severity};
use net::url::redact;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Key, MOST_JOBS, Raw, Reach, Shape};
use super::{Layers, Origin};

/// The largest settings file in bytes; one is a handful of lines.
pub(super) const LIMIT: u64 = 1 << 20;

struct File<'a> {
    name: FileName,
    text: &'a str,
    directory: &'a Path,
    is_module: bool,
}

/// Adds what the file says to `layers`, and what is wrong with it to their findings.
pub(super) fn parse(path: &Path, bytes: Vec<u8>, is_module: bool, layers: &mut Layers) {
    let name = FileName::from(path);
    let before = layers.findings.diagnostics.len();
    if bytes.len() as u64 > LIMIT {
        let whole = whole(&name, "too-large", "the file is over 1 MiB", "a settings file is a handful of lines");
        layers.findings.diagnostics.push(whole);
        return;
    }
    match std::str::from_utf8(&bytes) {
        Err(_) => {
            let whole = whole(&name, "not-utf8", "the file is not UTF-8 text", "write it in UTF-8");
            layers.findings.diagnostics.push(whole);
        }
        Ok(text) => {
            let directory = path.parent().unwrap_or(Path::new(""));
            File { name: name.clone(), text, directory, is_module }.read(layers);
        }
    }
    if layers.findings.diagnostics.len() > before {
        layers.findings.sources.insert(name.to_string(), bytes);
    }
}

fn whole(name: &FileName, code: &'static str, message: &str, cure: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code,
        file: Some(name.clone()),
        position: None,
        span: None,
        field: String::new(),
        text: String::new(),
        message: message.to_owned(),
        cure: cure.to_owned(),
    }
}

impl File<'_> {
    fn read(&self, layers: &mut Layers) {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let is_broken = !errors.is_empty();
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let message = format!("this is not TOML: {}", error.message().replace('\n', ", "));
            layers.findings.diagnostics.push(self.wrong("bad-toml", "", span, message, String::new()));
        }
        if is_broken {
            // What the parser guessed after an error would only give errors of its own.
            return;
        }
        // The parser gives the entries by name; people read files from top to bottom.
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (key, value) in entries {
            match self.entry(key, value) {
                Ok((key, raw)) => {
                    let origin =
                        Origin::File { file: self.name.to_string(), position: self.position(value.span().start) };
                    layers.values.push((key, raw, origin));
                }
                Err(diagnostic) => layers.findings.diagnostics.push(*diagnostic),
            }
        }
    }

    fn entry(
        &self,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(&'static Key, Raw), Box<Diagnostic>> {
        let Some(key) = Key::find(name.get_ref()) else {
            let cure = match Key::near(name.get_ref()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "remove it; `module-builder env` lists every setting".to_owned(),
            };
            let message = format!("unknown setting `{}`", name.get_ref());
            return Err(Box::new(self.wrong("unknown-setting", name.get_ref(), name.span(), message, cure)));
        };
        if key.reach == Reach::Module && !self.is_module {
            let message = format!("`{}` changes the bytes of modules and is not taken from here", key.name);
            let cure = "move it into the module's builder.toml, or give the flag".to_owned();
            return Err(Box::new(self.wrong("misplaced-setting", key.name, name.span(), message, cure)));
        }
        if key.reach == Reach::User && self.is_module {
            let message = format!("`{}` is not for a module to say", key.name);
            return Err(Box::new(self.wrong("misplaced-setting", key.name, name.span(), message, key.user_places())));
        }
        Ok((key, self.value(key, value)?))
    }

    fn value(&self, key: &Key, value: &Spanned<DeValue<'_>>) -> Result<Raw, Box<Diagnostic>> {
        let wrong_type = || {
            let message = format!("`{}` must be {}, not {}", key.name, key.wanted(), value.get_ref().type_str());
            Box::new(self.wrong("wrong-type", key.name, value.span(), message, String::new()))
        };
        match (key.shape, value.get_ref()) {
            (Shape::Names | Shape::Archives, DeValue::Array(items)) => {
                let words = items.iter().map(|item| match item.get_ref() {
                    DeValue::String(text) => self.word(key, text, item.span()),
                    _ => Err(wrong_type()),
                });
                let words = words.collect::<Result<Vec<_>, _>>()?;
                if words.is_empty() {
                    let cure = "name at least one, or remove the key".to_owned();
                    let message = format!("`{}` is empty", key.name);
                    return Err(Box::new(self.wrong("bad-value", key.name, value.span(), message, cure)));
                }
                Ok(Raw::List(words))
            }
            (Shape::Number, DeValue::Integer(number)) => match u64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) if (1..=MOST_JOBS).contains(&number) => Ok(Raw::Number(number)),
                _ => {
                    let (message, cure) =
                        (format!("`{}` cannot be {number}", key.name), format!("give {}", key.wanted()));
                    Err(Box::new(self.wrong("bad-value", key.name, value.span(), message, cure)))
                }
            },
            (Shape::Path, DeValue::String(text)) => {
                // A relative path means the same from whatever directory the program is run.
                let path = PathBuf::from(self.word(key, text, value.span())?);
                if self.is_module && path.is_relative() {
                    self.stays_inside(key, &path, value.span())?;
                }
                Ok(Raw::Path(self.directory.join(path)))
            }
            (Shape::Name | Shape::Url | Shape::Proxy | Shape::Choice(_), DeValue::String(text)) => {
                Ok(Raw::Text(self.word(key, text, value.span())?))
            }
            _ => Err(wrong_type()),
        }
    }

    /// Checks that a relative path of the module's file leads to nothing outside of the module, be it by
    /// `..` or by a link: it would be another file on every machine. An absolute path names a file of the
    /// host, and says so.
    fn stays_inside(&self, key: &Key, path: &Path, span: Range<usize>) -> Result<(), Box<Diagnostic>> {
        let leads_up = path.components().any(|component| component == Component::ParentDir);
        let leads_out = || {
            let found = Dir::open(self.directory).and_then(|module| module.file(path, Links::Below));
            matches!(found, Err(host::Error::Place { fault: Fault::Outside | Fault::Link, .. }))
        };
        if !leads_up && !leads_out() {
            return Ok(());
        }
        let message = format!("`{}` leads out of the module", key.name);
        let cure = "put the file itself into the module, or give the absolute path of a file of the host".to_owned();
        Err(Box::new(self.wrong("bad-value", key.name, span, message, cure)))
    }

    fn word(&self, key: &Key, text: &str, span: Range<usize>) -> Result<String, Box<Diagnostic>> {
        key.check(text).map(|()| text.to_owned()).map_err(|cure| {
            let message = format!("`{}` cannot be `{}`", key.name, redact(text));
            Box::new(self.wrong("bad-value", key.name, span, message, cure))
        })
    }

    fn wrong(&self, code: &'static str, field: &str, span: Range<usize>, message: String, cure: String) -> Diagnostic {
        let text = self.text.get(span.clone()).unwrap_or_default();
        Diagnostic {
            severity: Severity::Error,
            code,
            file: Some(self.name.clone()),
            position: Some(self.position(span.start)),
            span: Some((span.start, span.end)),
            field: field.to_owned(),
            text: redact(text.lines().next().unwrap_or_default()).chars().take(80).collect(),
            message,
            cure,
        }
    }

    fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Position {
            line: number(before.matches('\n').count() + 1),
            column: number(before[line_start..].chars().count() + 1),
        }
    }
}
