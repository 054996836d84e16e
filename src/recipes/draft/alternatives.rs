//! Defaults that packages of a closure take over from others, by what their scripts say of alternatives.

use std::collections::BTreeSet;

use builder::relation::{alternatives, groups};

use super::choice::Read;

/// Where the chosen ones are.
const PLACE: &str = "/etc/alternatives";

/// The paths that the packages may change although another package has them: those of alternatives whose name is one that
/// several packages provide. Others are new with the package.
pub(super) fn replaced(packages: &[Read]) -> Vec<String> {
    let found: BTreeSet<String> = packages.iter().flat_map(of).collect();
    found.into_iter().map(|name| format!("{PLACE}/{name}")).collect()
}

fn of(package: &Read) -> Vec<String> {
    let provides = package.texts.control.get("Provides").unwrap_or_default();
    let provided: BTreeSet<&str> = groups(provides).flat_map(alternatives).map(|relation| relation.name).collect();
    let script = package.texts.scripts.get("postinst").map(|bytes| String::from_utf8_lossy(bytes));
    script
        .map(|script| groups_of(&script))
        .unwrap_or_default()
        .into_iter()
        .filter(|names| provided.contains(names[0].as_str()))
        .flatten()
        .collect()
}

/// The names of each group that the script installs, the first of which is the group's own.
fn groups_of(script: &str) -> Vec<Vec<String>> {
    let joined = script.replace("\\\n", " ");
    let mut groups: Vec<Vec<String>> = Vec::new();
    for line in joined.lines().filter(|line| line.contains("update-alternatives")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for (at, word) in words.iter().enumerate() {
            let Some(name) = words.get(at + 2).filter(|name| is_name(name)) else { continue };
            match (*word, groups.last_mut()) {
                ("--install", _) => groups.push(vec![(*name).to_owned()]),
                ("--slave", Some(group)) => group.push((*name).to_owned()),
                _ => {}
            }
        }
    }
    groups
}

/// Whether it is a name as it stands, and not what a shell makes of it.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_with_what_goes_with_them() {
        let script = "#!/bin/sh\nset -e\nif [ \"$1\" = configure ]; then\n  update-alternatives --install /usr/bin/awk awk /usr/bin/gawk 10 \\\n    \
                      --slave /usr/share/man/man1/awk.1.gz awk.1.gz /usr/share/man/man1/gawk.1.gz \\\n    --slave /usr/bin/nawk nawk /usr/bin/gawk\n  \
                      update-alternatives --install /usr/bin/x $name /usr/bin/y 1\nfi\n";
        assert_eq!(groups_of(script), [["awk", "awk.1.gz", "nawk"]]);
        assert!(groups_of("update-alternatives --remove awk /usr/bin/gawk\n--install a b c\n").is_empty());
        assert!(groups_of("update-alternatives --slave /usr/bin/a a\nupdate-alternatives --install").is_empty());
    }
}
