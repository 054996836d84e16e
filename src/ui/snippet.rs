//! A finding with the lines of the file that it is about.

use std::fmt::Write as _;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, MietteError, MietteSpanContents, Report,
    SourceCode, SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};
use model::rules::Conflict;
use model::{Diagnostic, Severity};

use crate::error::group::{Finding, MAX_SINGLE};

use super::text::{clean, is_dangerous};

/// One long line is cut by the terminal, not by us: a pattern that is broken in two cannot be copied.
const WIDTH: usize = 400;
/// A line with more characters than this is not shown: it would fill the screen and explain nothing.
const LONGEST_LINE: usize = 300;

/// Renders a finding, with examples where it stands for many.
pub(super) fn finding(found: &Finding, source: Option<&[u8]>, color: bool) -> String {
    if found.each.is_empty() {
        return render(&found.head, source, color);
    }
    let head = painted(headline(&found.head), &found.head, color);
    let mut out = format!("{head}\n  --> {}", clean(&found.head.place()));
    for case in found.each.iter().take(MAX_SINGLE) {
        let _ = write!(out, "\n    | {}", clean(&case.message));
    }
    if found.count > MAX_SINGLE {
        let _ = write!(out, "\n    | and {} more: `--format json` lists them", found.count - MAX_SINGLE);
    }
    if !found.head.hint.is_empty() {
        let _ = write!(out, "\n  help: {}", clean(&found.head.hint));
    }
    out
}

/// Renders `diagnostic` without a trailing line break: severity, code, message, place, the source
/// line with the offending text marked, and the hint.
fn render(diagnostic: &Diagnostic, source: Option<&[u8]>, color: bool) -> String {
    let mut head = MietteDiagnostic::new(headline(diagnostic)).with_severity(match diagnostic.severity {
        Severity::Error => miette::Severity::Error,
        Severity::Warning => miette::Severity::Warning,
        Severity::Note => miette::Severity::Advice,
    });
    let line = diagnostic.position.map(|position| position.line as usize);
    let shown = source.and_then(|source| {
        let span = diagnostic.span.or_else(|| span_of(diagnostic, source))?;
        Shown::new(source, span, line)
    });
    if let Some(shown) = &shown {
        head = head.with_label(LabeledSpan::new_with_span(label(diagnostic), shown.span));
    }
    let mut report = Report::new(head);
    let place = clean(&diagnostic.place());
    let mut out = String::new();
    if let Some(shown) = shown {
        let name = clean(diagnostic.file.as_deref().unwrap_or(""));
        report = report.with_source_code(Window { name, text: shown.text, above: shown.above });
        let handler = GraphicalReportHandler::new_themed(theme(color))
            .with_width(WIDTH)
            .with_wrap_lines(false)
            .with_links(false)
            .with_context_lines(1);
        let _ = handler.render_report(&mut out, report.as_ref());
    } else {
        let _ = write!(out, "{report}\n  --> {place}");
        if !diagnostic.text.is_empty() {
            let _ = write!(out, "\n    | {}", clean(&diagnostic.text));
        }
    }
    let out: String = out.trim().lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let mut out = painted(out, diagnostic, color);
    if !diagnostic.hint.is_empty() {
        let _ = write!(out, "\n  help: {}", clean(&diagnostic.hint));
    }
    out
}

/// The bytes of `source` that a finding is about, where its place and text say which these are.
fn span_of(diagnostic: &Diagnostic, source: &[u8]) -> Option<(usize, usize)> {
    let position = diagnostic.position?;
    let mut start = 0;
    for _ in 1..position.line {
        start = line_end(source, start) + 1;
        source.get(start)?;
    }
    let line = String::from_utf8_lossy(source.get(start..line_end(source, start))?);
    let before: String = line.chars().take(position.column.saturating_sub(1) as usize).collect();
    let rest = &line[before.len()..];
    let quote = rest.chars().next().filter(|first| "'\"".contains(*first)).map_or(0, char::len_utf8);
    let is_there = !diagnostic.text.is_empty() && rest[quote..].starts_with(diagnostic.text.as_str());
    let length = if is_there { 2 * quote + diagnostic.text.len() } else { 0 };
    let start = start + before.len();
    let end = (start + length).min(line_end(source, start));
    // What a byte is that is no text is not known: a line with one is shown without a mark.
    (is_there && std::str::from_utf8(&source[..end]).is_ok()).then_some((start, end))
}

fn headline(diagnostic: &Diagnostic) -> String {
    format!("{}[{}]: {}", diagnostic.severity, diagnostic.code, clean(&diagnostic.message))
}

/// `text`, which begins with the headline, with its severity in colour: miette colours only a sign of it, of which there is
/// none here.
fn painted(text: String, diagnostic: &Diagnostic, color: bool) -> String {
    let style = match diagnostic.severity {
        Severity::Error => "1;31",
        Severity::Warning => "1;33",
        Severity::Note => "1;36",
    };
    let severity = format!("{}[{}]:", diagnostic.severity, diagnostic.code);
    match text.split_once(&severity).filter(|_| color) {
        Some((_, rest)) => format!("\x1b[{style}m{severity}\x1b[0m{rest}"),
        None => text,
    }
}

fn label(diagnostic: &Diagnostic) -> Option<String> {
    // Where the field is the text that is marked, its name would only be said twice.
    Some(clean(&diagnostic.field)).filter(|field| !field.is_empty() && *field != clean(&diagnostic.text))
}

fn theme(color: bool) -> GraphicalTheme {
    let mut characters = ThemeCharacters::unicode();
    // The headline says the severity in words.
    (characters.error, characters.warning, characters.advice) = (String::new(), String::new(), String::new());
    let styles = if color { ThemeStyles::ansi() } else { ThemeStyles::none() };
    GraphicalTheme { characters, styles }
}

/// Some lines of a file.
#[derive(Debug)]
struct Window {
    /// The file.
    name: String,
    /// The lines.
    text: String,
    /// How many lines the file has above them.
    above: usize,
}

impl SourceCode for Window {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let found = self.text.read_span(span, before, after)?;
        let (line, column) = (found.line() + self.above, found.column());
        let (name, lines) = (self.name.clone(), found.line_count());
        Ok(Box::new(MietteSpanContents::new_named(name, found.data(), *found.span(), line, column, lines)))
    }
}

/// The lines around an offending text as they may be shown, and where it is in them. A file with
/// thousands of findings is not shown as a whole for each.
struct Shown {
    text: String,
    span: SourceSpan,
    /// How many lines the file has above.
    above: usize,
}

impl Shown {
    /// Replaces what a terminal would act on, byte by byte of the source, and moves `span` along.
    /// None when the line is too long to be of use, or the span is outside. `line` is the number of the line
    /// in which it begins, where it is known.
    fn new(source: &[u8], (start, end): (usize, usize), line: Option<usize>) -> Option<Self> {
        if start > source.len() || end > source.len() || start > end {
            return None;
        }
        let (line_start, line_end) = (line_start(source, start), line_end(source, start));
        if line_end - line_start > LONGEST_LINE {
            return None;
        }
        // A span over several lines is shown by its first one.
        let end = end.min(line_end).max(start);
        let first = if line_start == 0 { 0 } else { self::line_start(source, line_start - 1) };
        let last = if line_end == source.len() { line_end } else { self::line_end(source, line_end + 1) };
        let line = line.unwrap_or_else(|| 1 + source[..line_start].iter().filter(|b| **b == b'\n').count());
        let (before, marked) = (show(&source[first..start]), show(&source[start..end]));
        let span = SourceSpan::new(before.len().into(), marked.len());
        let above = line.saturating_sub(if line_start == 0 { 1 } else { 2 });
        Some(Self { text: before + &marked + &show(&source[end..last]), span, above })
    }
}

fn line_start(source: &[u8], at: usize) -> usize {
    source[..at].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)
}

fn line_end(source: &[u8], at: usize) -> usize {
    source[at..].iter().position(|b| *b == b'\n').map_or(source.len(), |found| at + found)
}

fn show(bytes: &[u8]) -> String {
    net::url::redact(&String::from_utf8_lossy(bytes))
        .chars()
        .filter(|c| *c != '\r')
        .map(|c| match c {
            '\n' | '\t' => c,
            '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
            c if is_dangerous(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// What two modules both claim: the module's own pattern in its line, and the place of the neighbour's.
pub(super) fn conflict(conflict: &Conflict, source: Option<&[u8]>, color: bool) -> String {
    let (own, neighbour) = (&conflict.own, &conflict.neighbour);
    let found = Diagnostic::new(conflict.severity, conflict.code, conflict.message.clone(), "")
        .in_file(own.origin.file.clone())
        .at(own.origin.position)
        .in_field(own.origin.field.key())
        .quoting(own.pattern.to_string());
    let mut out = render(&found, source, color);
    let origin = &neighbour.origin;
    let place = origin.position.map_or_else(String::new, |position| format!(":{position}"));
    let (field, pattern) = (origin.field.key(), clean(neighbour.pattern.as_str()));
    let _ = write!(out, "\n  --> {}{place}", clean(&origin.file));
    let _ = write!(out, "\n    | {}: {field}: {pattern}", clean(&origin.module));
    if !conflict.hint.is_empty() {
        let _ = write!(out, "\n  help: {}", clean(&conflict.hint));
    }
    out.push('\n');
    out
}
