//! Keys of older manifests, and where each belongs now (docs/formats/manifest.md, "Retired keys").

use super::check::{Check, Cursor};
use super::lists;
use super::yaml::Value;

const STACK: [&str; 7] =
    ["category", "priority", "variety", "parent_module", "parent", "effective_priority", "carve_out"];
const LIST_KEYS: [&str; 4] = ["include", "mask", "exclude", "protected"];

/// What to say about a key that older texts show at `field`, the path of the mapping that holds it.
pub(super) fn key(field: &str, key: &str) -> Option<(String, String)> {
    let top = matches!(field, "" | "identity");
    let message = |what: &str| format!("`{key}` {what}");
    if top && STACK.contains(&key) {
        return Some((
            message("is no longer part of a manifest"),
            format!("move `{key}` to this module's entry in `stack.yaml`"),
        ));
    }
    if (top || matches!(field, "security" | "build")) && is_trust(key) {
        return Some((
            message("is trust policy, which is no longer part of a manifest"),
            "move it to the trust policy of the stack; a module cannot say whom to trust".to_owned(),
        ));
    }
    match (field, key) {
        ("", "identity") => Some((
            message("is a wrapper of older manifests"),
            "move the keys in it (`name`, `display_name`, `description`, `license`) to the top level".to_owned(),
        )),
        ("", "exclude" | "excludes") => Some((message("is called `mask` now"), "rename it to `mask`".to_owned())),
        ("", "packages") => Some((message("is called `package_spec` now"), "rename it to `package_spec`".to_owned())),
        ("", "requires" | "provides") => {
            Some((message("stands below `dependencies`"), format!("write it as `dependencies: {{{key}: [...]}}`")))
        }
        _ => None,
    }
}

fn is_trust(key: &str) -> bool {
    key.starts_with("cosign_")
        || key.starts_with("trust_")
        || matches!(key, "trust" | "trusted_keys" | "trusted_signers" | "signature_policy" | "certificate_identity")
}

/// Reports `file_spec: {include: [...], mask: [...]}`, and whatever is wrong with the patterns in it.
pub(super) fn nested_list(check: &mut Check<'_>, at: &Cursor<'_>) {
    let Value::Mapping(entries) = &at.node.value else { return };
    let field = &at.field;
    let cure = format!(
        "write `{field}` as a flat list: put what stands under `include` there, and what stands under `mask` into the top-level `mask`"
    );
    check.error("retired-form", at.node.place, field, format!("`{field}` is a mapping, as in older manifests"), cure);
    for (key, node) in entries {
        if LIST_KEYS.contains(&key.text.as_str()) {
            lists::patterns(check, &Cursor { node, field: format!("{field}.{}", key.text) });
        }
    }
}
