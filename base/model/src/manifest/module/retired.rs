//! Keys of older manifests, and where each belongs now (docs/formats/manifest.md, "Retired keys").

use crate::document::Retired;

const STACK: [&str; 7] =
    ["category", "priority", "variety", "parent_module", "parent", "effective_priority", "carve_out"];

/// What to say about a key that older texts show at `field`, the path of the mapping that holds it.
pub(super) fn key(field: &str, key: &str) -> Option<Retired> {
    let top = matches!(field, "" | "identity");
    let retired = |what: &str, hint: String| Some(Retired { message: format!("`{key}` {what}"), hint });
    if top && STACK.contains(&key) {
        let hint = format!("move `{key}` to this module's entry in `stack.yaml`");
        return retired("is no longer part of a manifest", hint);
    }
    if (top || matches!(field, "security" | "build")) && is_trust(key) {
        let hint = "move it to the trust policy of the stack; a module cannot say whom to trust".to_owned();
        return retired("is trust policy, which is no longer part of a manifest", hint);
    }
    match (field, key) {
        ("", "identity") => retired(
            "is a wrapper of older manifests",
            "move the keys in it (`name`, `display_name`, `description`, `license`) to the top level".to_owned(),
        ),
        ("", "exclude" | "excludes") => retired("is called `mask` now", "rename it to `mask`".to_owned()),
        ("", "packages") => retired("is called `package_spec` now", "rename it to `package_spec`".to_owned()),
        ("", "requires" | "provides") => {
            retired("stands below `dependencies`", format!("write it as `dependencies: {{{key}: [...]}}`"))
        }
        ("", "file" | "files" | "repository" | "repositories") => {
            let table = if key.starts_with("file") { "file" } else { "repository" };
            retired("is no part of a manifest", format!("write it into builder.toml beside it, as a table [[{table}]]"))
        }
        ("", "overlay" | "base" | "closure" | "accounts") => {
            retired("is no part of a manifest", format!("write it into builder.toml beside it, as the table [{key}]"))
        }
        ("", "suite" | "components" | "mirrors" | "variant" | "keyring" | "snapshot_mirror" | "ship") => {
            retired("is no part of a manifest", format!("write `{key}` into builder.toml beside it"))
        }
        _ => None,
    }
}

fn is_trust(key: &str) -> bool {
    key.starts_with("cosign_")
        || key.starts_with("trust_")
        || matches!(key, "trust" | "trusted_keys" | "trusted_signers" | "signature_policy" | "certificate_identity")
}
