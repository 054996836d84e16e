//! Every key of the file, for its JSON Schema.

use serde_json::{Value, json};

use crate::document::{Bounds, Field, Shape, Table};

const NAME: &str = "^[a-z](?:[a-z0-9-]{0,62}[a-z0-9])?$";
const DIGEST: Shape = Shape::Text(Some("^sha256:[0-9a-f]{64}$"));
const WORD: Shape = Shape::Text(Some("^[^/]{1,256}$"));
const ACCOUNT: Shape = Shape::Short(32, Some("^[A-Za-z_][A-Za-z0-9_-]*$"));
const NUMBER: Shape = Shape::Integer(Bounds { least: 0, most: u32::MAX as i64 });
const MISSING: &str = "a build always writes it";

/// The words of `kind` of what is not shipped.
fn left_out_kinds() -> Vec<&'static str> {
    vec![
        "openssh-key",
        "dropbear-key",
        "pem-key",
        "tsig-key",
        "uuid",
        "random-bytes",
        "companion",
        "postgres-cluster",
        "innodb",
        "unknown",
    ]
}

/// The words of `kind` of a need.
fn need_kinds() -> Vec<&'static str> {
    vec!["library", "program", "file", "unit", "user", "group"]
}

/// The words of `from` of an account.
fn origins() -> Vec<&'static str> {
    vec!["base", "module"]
}

static PACKAGE: Table = Table {
    description: "A package in one version",
    fields: &[
        Field::new("name", "Its name", Shape::Text(Some("^[a-z0-9][a-z0-9+.-]*$"))).required(MISSING),
        Field::new("version", "Its version", Shape::Text(Some("^[A-Za-z0-9][A-Za-z0-9.+~:-]*$"))).required(MISSING),
        Field::new("arch", "Its architecture, which may be `all`", WORD).required(MISSING),
    ],
};

const VERSION: Shape = Shape::Short(128, Some("^[0-9]+\\.[0-9]+\\.[0-9]+"));

static MODULE: Table = Table {
    description: "A module that this one was laid over",
    fields: &[
        Field::new("name", "Its name", Shape::Text(Some(NAME))).required(MISSING),
        Field::new("version", "Its version, where it has one", VERSION),
        Field::new(
            "digest",
            "The sha256 of what `sha256sum manifest.json module.cfs requirements.json` prints",
            DIGEST,
        )
        .required(MISSING),
    ],
};

static BASE: Table = Table {
    description: "What the module was laid over",
    fields: &[
        Field::new("digest", "The digest over suite, variant, architecture and packages", DIGEST).required(MISSING),
        Field::new("suite", "The code name of the suite", Shape::LINE).required(MISSING),
        Field::new("variant", "The variant, in mmdebstrap's sense", Shape::LINE).required(MISSING),
        Field::section("module", &MODULE),
        Field::new("packages", "Its packages, by name", Shape::List(&Shape::Mapping(&PACKAGE))).required(MISSING),
    ],
};

static ACCOUNTS: Table = Table {
    description: "A user, a group, or both by one name",
    fields: &[
        Field::new("name", "The name", ACCOUNT).required(MISSING),
        Field::new("uid", "The number of the user; absent where there is a group only", NUMBER),
        Field::new("gid", "The number of the group of this name; absent where there is a user only", NUMBER),
        Field::new("from", "Who brings it", Shape::Words(origins)).required(MISSING),
    ],
};

static FIRST_START: Table = Table {
    description: "The unit that makes it once on each node; absent where nothing does",
    fields: &[
        Field::new("unit", "Its name", WORD).required(MISSING),
        Field::new("command", "The program and its arguments", Shape::List(&Shape::TEXT)).required(MISSING),
        Field::new("user", "Who runs it; root where it is absent", ACCOUNT),
    ],
};

static LEFT_OUT: Table = Table {
    description: "What maintainer scripts made and no module ships",
    fields: &[
        Field::new("path", "Where it was made", Shape::Text(Some("^/"))),
        Field::new("path_base64", "The same in base64, where it is no UTF-8", Shape::TEXT),
        Field::new("kind", "What it is, by its content", Shape::Words(left_out_kinds)).required(MISSING),
        Field::section("made_by", &FIRST_START),
    ],
};

static UNITS: Table = Table {
    description: "The names of the module's units",
    fields: &[
        Field::new("enabled", "Those that are started with the node", Shape::List(&WORD)).required(MISSING),
        Field::new("shipped", "All that are shipped", Shape::List(&WORD)).required(MISSING),
        Field::new("not_enabled", "Those that maintainer scripts enabled and the module does not", Shape::List(&WORD))
            .required(MISSING),
    ],
};

static NEED: Table = Table {
    description: "Something that is needed and that nothing brings",
    fields: &[
        Field::new("kind", "What it is", Shape::Words(need_kinds)).required(MISSING),
        Field::new("name", "Its name", Shape::Short(4096, Some("^."))).required(MISSING),
        Field::new("optional", "Whether it can be done without", Shape::Boolean).required(MISSING),
        Field::new(
            "count",
            "How many files need it; 0 where the manifest does",
            Shape::Integer(Bounds { least: 0, most: i64::MAX }),
        )
        .required(MISSING),
        Field::new("by", "The first of these files: paths, or objects with the key path_base64", Shape::OpaqueList)
            .required(MISSING),
    ],
};

pub(super) static ROOT: Table = Table {
    description: "What a module was laid over, what it brings, and what it leaves to others",
    fields: &[
        Field::new("schema_version", "The version of the form", Shape::Version).required(MISSING),
        Field::new("name", "The module's name", Shape::Text(Some(NAME))).required(MISSING),
        Field::new("version", "The module's version, where it has one", VERSION),
        Field::new("arch", "The architecture, by Debian's name", WORD).required(MISSING),
        Field::section("base", &BASE).required(MISSING),
        Field::new("requires", "The required modules, by name", Shape::List(&Shape::Mapping(&MODULE)))
            .required(MISSING),
        Field::new(
            "packages",
            "The packages that neither the base nor a required module has, by name",
            Shape::List(&Shape::Mapping(&PACKAGE)),
        )
        .required(MISSING),
        Field::new("accounts", "Users and groups, by name", Shape::List(&Shape::Mapping(&ACCOUNTS))).required(MISSING),
        Field::new("secrets", "Secrets that are not shipped, by path", Shape::List(&Shape::Mapping(&LEFT_OUT)))
            .required(MISSING),
        Field::new("data", "Directories of data that are shipped empty", Shape::List(&Shape::Mapping(&LEFT_OUT)))
            .required(MISSING),
        Field::section("units", &UNITS).required(MISSING),
        Field::new("needs", "What nothing brings, by kind and name", Shape::List(&Shape::Mapping(&NEED)))
            .required(MISSING),
        Field::new("recommends", "Recommended packages that were not installed", Shape::List(&WORD)).required(MISSING),
    ],
};

/// The JSON Schema (draft 2020-12) of the file.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = ROOT.json_schema("module-builder requirements.json");
    let one_path = json!([{ "required": ["path"] }, { "required": ["path_base64"] }]);
    for list in ["secrets", "data"] {
        schema["properties"][list]["items"]["oneOf"] = one_path.clone();
    }
    schema
}
