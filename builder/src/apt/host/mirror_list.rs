//! Lists of mirrors on the host, which `mirror+file:` names (apt-transport-mirror(1)); Debian's cloud images have them.

use std::path::Path;

use model::archive;

use super::{File, MALFORMED, Word};

/// The mirror of the list at `place` that apt would try first: of those with the lowest priority the first.
pub(super) fn first(place: &str, file: &mut File<'_>, word: &Word) -> Option<String> {
    let list = archive::local_path(&format!("file:/{}", place.trim_start_matches('/')));
    let text = list.filter(|_| place.starts_with('/')).and_then(|path| (file.read)(Path::new(&path)));
    let best = text.as_deref().and_then(best);
    if best.is_none() {
        file.warn(
            Some(word.at),
            "the archive is not taken: its list of mirrors cannot be read, or has none",
            MALFORMED,
        );
    }
    best
}

fn best(text: &str) -> Option<String> {
    let mirror = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let uri = words.next()?.to_owned();
        let priority = words.find_map(|word| word.strip_prefix("priority:")?.parse::<u32>().ok());
        // apt tries a mirror without a number last.
        Some((priority.unwrap_or(u32::MAX), uri))
    };
    text.lines().filter_map(mirror).min_by_key(|(priority, _)| *priority).map(|(_, uri)| uri)
}
