//! What shipped files, units and services need and no one brings, for the record that travels with a module.

use std::collections::{BTreeMap, BTreeSet};

use composer::needs::Need;
use model::ImagePath;
use model::requirements::{MOST_NAMED, NeedKind, OpenNeed, PathText};
use model::unit::AccountKind;

/// Needs by kind and name.
#[derive(Debug, Default)]
pub(crate) struct OpenNeeds(BTreeMap<(NeedKind, String), Whose>);

/// Who needs it.
#[derive(Debug)]
struct Whose {
    files: BTreeSet<ImagePath>,
    is_optional: bool,
}

impl OpenNeeds {
    /// Adds what the files `by` need, or the manifest where there is none. A link to nothing is no need.
    pub(crate) fn add(&mut self, need: Need, name: &str, by: &[ImagePath], is_optional: bool) {
        let kind = match need {
            Need::Library => NeedKind::Library,
            Need::Interpreter | Need::Command => NeedKind::Program,
            Need::File => NeedKind::File,
            Need::Unit => NeedKind::Unit,
            Need::Target => return,
        };
        self.put(kind, name, by, is_optional);
    }

    /// Adds a user or a group.
    pub(crate) fn add_account(&mut self, kind: AccountKind, name: &str, by: &[ImagePath], is_optional: bool) {
        let kind = match kind {
            AccountKind::User => NeedKind::User,
            AccountKind::Group => NeedKind::Group,
        };
        self.put(kind, name, by, is_optional);
    }

    fn put(&mut self, kind: NeedKind, name: &str, by: &[ImagePath], is_optional: bool) {
        // No file, unit or account has another name: whoever asks for it gets nothing anywhere.
        if !model::requirements::is_need(name) {
            return;
        }
        let whose = self.0.entry((kind, name.to_owned()));
        let whose = whose.or_insert(Whose { files: BTreeSet::new(), is_optional: true });
        whose.files.extend(by.iter().cloned());
        // Where one cannot do without it, the module cannot.
        whose.is_optional &= is_optional;
    }

    /// All of them, in order.
    pub(crate) fn into_list(self) -> Vec<OpenNeed> {
        let entry = |((kind, name), Whose { files, is_optional: optional })| OpenNeed {
            kind,
            name,
            optional,
            count: files.len() as u64,
            by: files.into_iter().take(MOST_NAMED).map(PathText).collect(),
        };
        self.0.into_iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn needs_of_several_files_are_one_and_as_hard_as_the_hardest() {
        let path = |text: &str| ImagePath::new(text).unwrap();
        let mut needs = OpenNeeds::default();
        needs.add(Need::Command, "/usr/bin/x", &[path("/b"), path("/a")], true);
        needs.add(Need::Interpreter, "/usr/bin/x", &[path("/c"), path("/d"), path("/a")], false);
        needs.add(Need::Target, "nothing", &[path("/l")], false);
        needs.add(Need::Library, "bad\u{202e}name", &[path("/l")], false);
        needs.add_account(AccountKind::User, "web", &[], true);
        let list = needs.into_list();
        assert_eq!(list.len(), 2, "{list:?}");
        assert_eq!((list[0].kind, list[0].count, list[0].optional), (NeedKind::Program, 4, false));
        assert_eq!(list[0].by, ["/a", "/b", "/c"].map(|text| PathText(path(text))));
        assert_eq!((list[1].kind, list[1].count, list[1].optional), (NeedKind::User, 0, true));
    }
}
