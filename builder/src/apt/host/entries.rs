//! From what is written to archives that can be used.

use std::path::PathBuf;

use model::{archive, path};

use super::{Entry, File, KeyringFile, MALFORMED, Raw, Signer, Word, choice, mirror_list};

/// Options by which a host's apt takes what it cannot check. They do not count here.
const UNCHECKED: [&str; 4] = ["trusted", "allow-insecure", "allow-weak", "allow-downgrade-to-insecure"];
/// Options by which it takes what is out of date, where they are off.
const UNDATED: [&str; 2] = ["check-valid-until", "check-date"];

const NAMED: &str = "name the archive as `mirrors` or [[repository]] in builder.toml to take packages from it";

/// Adds the archives that `raw` means to `file`, or says why there are none.
pub(super) fn add(raw: &Raw, file: &mut File<'_>) {
    let Ok(options) = options(raw, file) else { return };
    let mut uris = Vec::new();
    for word in &raw.uris {
        uris.extend(uri(word, file));
    }
    for suite in &raw.suites {
        if !archive::is_place(&suite.text) {
            let what = format!("`{}` is no suite and no path of a flat archive", shown(&suite.text));
            file.warn(Some(suite.at), &what, MALFORMED);
            continue;
        }
        let Some(components) = components(raw, suite, file) else { continue };
        for uri in &uris {
            let Options { architectures, without, mut signer } = options.clone();
            if signer == Signer::Unnamed && choice::is_debian_address(uri) {
                signer = Signer::Debian;
            }
            let (uri, suite) = (uri.clone(), suite.text.clone());
            file.entries.push(Entry { uri, suite, components: components.clone(), architectures, without, signer });
        }
    }
}

/// The components of a suite; none where they are wrong.
fn components(raw: &Raw, suite: &Word, file: &mut File<'_>) -> Option<Vec<String>> {
    if archive::is_flat(&suite.text) {
        return match raw.components.first() {
            None => Some(Vec::new()),
            Some(first) => {
                file.warn(Some(first.at), "a suite that ends in a slash has no components", MALFORMED);
                None
            }
        };
    }
    if raw.components.is_empty() {
        file.warn(Some(suite.at), &format!("the suite {} has no components", shown(&suite.text)), MALFORMED);
        return None;
    }
    if let Some(odd) = raw.components.iter().find(|word| !archive::is_component(&word.text)) {
        file.warn(Some(odd.at), &format!("`{}` is no component", shown(&odd.text)), MALFORMED);
        return None;
    }
    Some(raw.components.iter().map(|word| word.text.clone()).collect())
}

/// What the options say of where and by whose keys packages are taken.
#[derive(Clone)]
struct Options {
    architectures: Vec<String>,
    without: Vec<String>,
    signer: Signer,
}

/// The archives are not used.
struct Unusable;

fn options(raw: &Raw, file: &mut File<'_>) -> Result<Options, Unusable> {
    let mut options = Options { architectures: Vec::new(), without: Vec::new(), signer: Signer::Unnamed };
    for (name, word) in &raw.options {
        let value = word.text.trim();
        match name.as_str() {
            "arch" => options.architectures = list(value),
            "arch-" => options.without = list(value),
            "signed-by" => options.signer = signer(word, file)?,
            "snapshot" if boolean(value) != Some(false) => {
                file.note(
                    Some(word.at),
                    "the host takes a past state of this archive, which does not count here",
                    NAMED,
                );
                return Err(Unusable);
            }
            name if UNCHECKED.contains(&name) && boolean(value) != Some(false) => {
                let what = format!("the option {name} does not count here: the archive is checked as any other");
                file.note(Some(word.at), &what, "");
            }
            name if UNDATED.contains(&name) && boolean(value) == Some(false) => {
                let what = format!("the option {name} does not count here: the archive has to be in date");
                file.note(Some(word.at), &what, "");
            }
            // Translations, ways to fetch, and what a later apt may know.
            _ => {}
        }
    }
    Ok(options)
}

fn list(value: &str) -> Vec<String> {
    let words = value.split(|c: char| c == ',' || c.is_whitespace());
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// A yes or no as apt reads it.
pub(super) fn boolean(value: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    if is(&["yes", "true", "1", "with", "on", "enable"]) {
        Some(true)
    } else if is(&["no", "false", "0", "without", "off", "disable"]) {
        Some(false)
    } else {
        None
    }
}

/// Whose keys are named: in a file, in the text itself, or by a fingerprint in what the host trusts for every archive.
fn signer(word: &Word, file: &mut File<'_>) -> Result<Signer, Unusable> {
    if word.text.contains("-----BEGIN") {
        let text = inline(&word.text);
        return Ok(Signer::Own(vec![KeyringFile::Inline { file: file.path.to_owned(), text }]));
    }
    let names = list(&word.text);
    if names.iter().any(|name| !name.starts_with('/')) {
        let what = "the archive is not taken: its key is named by a fingerprint, and the host's own keyring does not count here";
        file.note(Some(word.at), what, NAMED);
        return Err(Unusable);
    }
    let is_debians = |name: &String| name.starts_with("/usr/share/keyrings/debian-archive-");
    match names.iter().all(is_debians) {
        true => Ok(Signer::Debian),
        false => Ok(Signer::Own(names.into_iter().map(|name| KeyringFile::At(PathBuf::from(name))).collect())),
    }
}

/// A key block of a field: each line without its leading blank, and a dot for an empty one.
fn inline(value: &str) -> String {
    let lines = value.lines().map(str::trim).skip_while(|line| line.is_empty());
    lines.map(|line| if line == "." { "\n".to_owned() } else { format!("{line}\n") }).collect()
}

/// The URI in its one form. One that holds a password is not repeated.
fn uri(word: &Word, file: &mut File<'_>) -> Option<String> {
    let text = match word.text.strip_prefix("mirror+file:") {
        Some(list) => mirror_list::first(list, file, word)?,
        None => word.text.clone(),
    };
    match archive::uri(&text) {
        Ok(uri) => Some(uri),
        Err(archive::UriFault::Scheme) => {
            let scheme = text.split(':').next().unwrap_or_default();
            let what = format!("the archive is not taken: nothing is fetched by `{}:` here", shown(scheme));
            file.note(Some(word.at), &what, NAMED);
            None
        }
        Err(fault) => {
            file.warn(Some(word.at), &format!("the archive is not taken: {fault}"), MALFORMED);
            None
        }
    }
}

/// As much of a text as a message has room for.
pub(super) fn shown(text: &str) -> String {
    path::escape(text.as_bytes()).chars().take(80).collect()
}
