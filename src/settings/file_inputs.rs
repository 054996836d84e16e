//! `[[file]]`: files from addresses, as `builder.toml` has them.

use std::collections::BTreeMap;
use std::path::Path;

use composer::overlay::Rule;
use model::file_input::{
    ArchiveFormat, FileInput, FileInputFields, MOST_STRIPPED, Unpack, check_destination, check_url,
};
use model::{Arch, Digest, ImagePath, Pattern};

use super::parse::{Entry, Input, Part, Table};
use super::table::Reading;

/// The keys of an entry, in the order of the documentation.
const KEYS: [&str; 10] =
    ["url", "sha256", "destination", DEST, "mode", "owner", "architectures", "unpack", "strip", "include"];

/// A shorter name of `destination`.
const DEST: &str = "dest";

/// What other tools call them.
const SYNONYMS: [(&str, &str); 27] = [
    ("address", "url"),
    ("href", "url"),
    ("source", "url"),
    ("src", "url"),
    ("uri", "url"),
    ("checksum", "sha256"),
    ("digest", "sha256"),
    ("hash", "sha256"),
    ("dst", "destination"),
    ("into", "destination"),
    ("path", "destination"),
    ("target", "destination"),
    ("to", "destination"),
    ("chmod", "mode"),
    ("permissions", "mode"),
    ("perms", "mode"),
    ("chown", "owner"),
    ("uid", "owner"),
    ("user", "owner"),
    ("archive", "unpack"),
    ("extract", "unpack"),
    ("format", "unpack"),
    ("type", "unpack"),
    ("files", "include"),
    ("members", "include"),
    ("only", "include"),
    ("patterns", "include"),
];

/// The setting.
pub(super) const NAME: &str = "file";

/// The files of the tables.
///
/// # Errors
/// Everything that is wrong with any of them.
pub(super) fn all(tables: &[Table<'_>], _base: &Path) -> Result<Vec<FileInput>, Vec<Part>> {
    let (mut inputs, mut wrong) = (Vec::new(), Vec::new());
    let mut places = BTreeMap::<ImagePath, Vec<(usize, FileInput)>>::new();
    for (number, table) in tables.iter().enumerate() {
        match one(table, number) {
            Ok(input) => {
                if let Some(path) = check_destination(&input.destination).ok().filter(|_| input.unpack.is_none()) {
                    let there = places.entry(path).or_default();
                    let before = there.iter().find(|(_, before)| meet(before, &input));
                    wrong.extend(before.map(|(before, _)| taken(table, number, *before)));
                    there.push((number, input.clone()));
                }
                inputs.push(input);
            }
            Err(mut parts) => wrong.append(&mut parts),
        }
    }
    if wrong.is_empty() { Ok(inputs) } else { Err(wrong) }
}

/// The file of the table of this number.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn one(table: &Table<'_>, number: usize) -> Result<FileInput, Vec<Part>> {
    let mut reading = Reading::new(table, format!("{NAME}[{number}]"), &KEYS, &SYNONYMS);
    let input = input(&mut reading);
    input.filter(|_| reading.wrong.is_empty()).ok_or(reading.wrong)
}

/// Whether two files are for one architecture: nothing is left then of the first, if they have one place.
fn meet(before: &FileInput, later: &FileInput) -> bool {
    let one_for_all = before.architectures.is_empty() || later.architectures.is_empty();
    one_for_all || later.architectures.iter().any(|arch| before.is_for(*arch))
}

/// The place of the table of this number is taken by an earlier one.
fn taken(table: &Table<'_>, number: usize, before: usize) -> Part {
    let entry = table.entries.iter().find(|entry| ["destination", DEST].contains(&entry.name));
    Part {
        span: entry.map_or_else(|| table.span.clone(), |entry| entry.span.clone()),
        field: format!("{NAME}[{number}].destination"),
        code: "bad-value",
        message: format!(
            "`{NAME}[{number}]` has the destination of `{NAME}[{before}]`, of which nothing would be left"
        ),
        hint: "remove one of them, or give each the `architectures` that it is for".to_owned(),
    }
}

/// A file; none where a part of it is missing or wrong, which is reported then.
fn input(reading: &mut Reading<'_>) -> Option<FileInput> {
    let url = reading.word("url", |text| check_url(text).map(|()| text.to_owned()));
    let sha256 = reading.word("sha256", sha256);
    let place = if reading.entry(DEST).is_some() { DEST } else { "destination" };
    let destination = reading.word(place, |text| check_destination(text).map(|_| text.to_owned()));
    if let (DEST, Some(entry)) = (place, reading.entry("destination")) {
        let hint = "remove one of them: they are one";
        reading.report(entry.span.clone(), "bad-value", DEST, "has both `dest` and `destination`", hint);
    }
    let rule = |key: &'static str| move |text: &str| Rule::parse("/x", &[(key, text)]).map(|_| text.to_owned());
    let (mode, owner) = (reading.word("mode", rule("mode")), reading.word("owner", rule("owner")));
    let architectures = reading.words("architectures", |text| {
        text.parse::<Arch>().map_err(|_| "give architectures by Debian's names, such as amd64".to_owned())
    });
    let unpack = unpack(reading);
    reading.require(&["url", "sha256", place]);
    if let (Some(_), Some(entry)) = (&unpack, reading.entry("mode")) {
        let hint = "remove it: the files of an archive have modes of their own";
        reading.report(entry.span.clone(), "bad-value", "mode", "has both `unpack` and `mode`", hint);
    }
    let (url, sha256, destination) = (url?, sha256?, destination?);
    let fields = FileInputFields { url, sha256, architectures, destination, mode, owner, unpack };
    let made = FileInput::new(fields);
    made.map_err(|fault| {
        let part = if fault.part == "destination" { place } else { fault.part };
        let span = reading.entry(part).map_or_else(|| reading.table.span.clone(), |entry| entry.span.clone());
        reading.report(span, "bad-value", part, &format!("has a wrong {part}"), &fault.hint);
    })
    .ok()
}

/// The digits alone, or with their name before them.
fn sha256(text: &str) -> Result<Digest, String> {
    let text = text.to_ascii_lowercase();
    let named = if text.contains(':') { text } else { format!("sha256:{text}") };
    named.parse().map_err(|_| "give the 64 hexadecimal digits that `sha256sum` prints for the file".to_owned())
}

/// The form of an archive by the end of its address: a zip has one name, a tar has many.
fn named_format(reading: &Reading<'_>) -> ArchiveFormat {
    let url = match reading.entry("url").map(|entry| &entry.value) {
        Some(Input::Text(url)) => url.split(['?', '#']).next().unwrap_or_default(),
        _ => "",
    };
    if url.to_ascii_lowercase().ends_with(".zip") { ArchiveFormat::Zip } else { ArchiveFormat::Tar }
}

fn unpack(reading: &mut Reading<'_>) -> Option<Unpack> {
    const FORMS: &str =
        "write true, \"tar\", of any compression, or \"zip\"; without `unpack` the file is taken as it is";
    let format = match reading.entry("unpack") {
        Some(Entry { value: Input::Bool(true), .. }) => Some(named_format(reading)),
        Some(Entry { value: Input::Bool(false), .. }) => None,
        Some(entry) if !matches!(entry.value, Input::Text(_)) => {
            reading.report(entry.span.clone(), "wrong-type", "unpack", "must have true or a string as `unpack`", FORMS);
            None
        }
        Some(_) | None => reading.word("unpack", |text| match text {
            "tar" => Ok(ArchiveFormat::Tar),
            "zip" => Ok(ArchiveFormat::Zip),
            _ => Err(FORMS.to_owned()),
        }),
    };
    let strip = reading.number("strip", MOST_STRIPPED);
    let include = reading.words("include", |text| match Pattern::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("write a path or pattern from `/`: {error}")),
    });
    if reading.entry("unpack").is_none_or(|entry| matches!(entry.value, Input::Bool(false))) {
        for key in ["strip", "include"] {
            if let Some(entry) = reading.entry(key) {
                let hint = "add unpack = \"tar\" or \"zip\"";
                reading.report(entry.span.clone(), "bad-value", key, &format!("has `{key}` and no `unpack`"), hint);
            }
        }
    }
    Some(Unpack { format: format?, strip: strip.unwrap_or(0), include })
}
