//! `[overlay]`: owners and modes in the module's `rootfs/`, by pattern.

use composer::overlay::Rule;

use super::parse::{Entry, Input, Part, Table, meant};

/// The keys of a rule.
const KEYS: [&str; 2] = ["mode", "owner"];
/// What other tools call them.
const SYNONYMS: [(&str, &str); 8] = [
    ("chmod", "mode"),
    ("permissions", "mode"),
    ("perms", "mode"),
    ("chown", "owner"),
    ("gid", "owner"),
    ("group", "owner"),
    ("uid", "owner"),
    ("user", "owner"),
];

/// The rules, in the order of the file.
///
/// # Errors
/// Everything that is wrong with any of them.
pub(super) fn rules(table: &Table<'_>) -> Result<Vec<Rule>, Vec<Part>> {
    let (mut rules, mut wrong) = (Vec::new(), Vec::new());
    for entry in &table.entries {
        match rule(entry) {
            Ok(rule) => rules.push(rule),
            Err(hint) => wrong.push(Part {
                span: entry.name_span.clone(),
                field: format!("overlay.{}", entry.name),
                code: "bad-value",
                message: format!("the rule of `{}` is wrong", entry.name),
                hint,
            }),
        }
    }
    if wrong.is_empty() { Ok(rules) } else { Err(wrong) }
}

fn rule(entry: &Entry<'_>) -> Result<Rule, String> {
    let Input::Table(keys) = &entry.value else {
        return Err("give a table, as in { mode = \"0440\", owner = \"root:root\" }".to_owned());
    };
    if let Some(unknown) = keys.entries.iter().find(|key| !KEYS.contains(&key.name)) {
        let meant = meant(unknown.name, &KEYS, &SYNONYMS);
        let give = meant.map_or("give `mode` or `owner`".to_owned(), |key| format!("did you mean `{key}`?"));
        return Err(format!("`{}` is no key of a rule: {give}", unknown.name));
    }
    let word = |key: &Entry<'_>| match key.value {
        Input::Text(text) => Ok((key.name.to_owned(), text.to_owned())),
        Input::List(_) | Input::Tables(_) | Input::Table(_) | Input::Number(_) | Input::Bool(_) | Input::Other => {
            Err(format!("write `{}` as a string, as in mode = \"0440\"", key.name))
        }
    };
    let words = keys.entries.iter().map(word).collect::<Result<Vec<_>, _>>()?;
    Rule::parse(entry.name, &words.iter().map(|(key, text)| (&**key, &**text)).collect::<Vec<_>>())
}
