#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

use serde_json::{Value, json};

use super::*;

/// A file that has every key.
fn sample() -> Value {
    let digest = format!("sha256:{}", "a".repeat(64));
    let package = json!({ "name": "lib", "version": "1:2-3", "arch": "all" });
    let module = json!({ "name": "under", "version": "1.2.3", "digest": digest });
    json!({
        "schema_version": 1,
        "name": "web",
        "version": "1.0.0",
        "arch": "amd64",
        "base": { "digest": digest, "suite": "trixie", "variant": "minbase", "module": module, "packages": [package] },
        "requires": [module],
        "packages": [{ "name": "web", "version": "1", "arch": "amd64" }],
        "accounts": [
            { "name": "nogroup", "gid": 65534, "from": "base" },
            { "name": "web", "uid": 312, "gid": 312, "from": "module" },
        ],
        "secrets": [
            {
                "path": "/etc/web/key",
                "kind": "pem-key",
                "made_by": { "unit": "module-web-key.service", "command": ["/usr/bin/make", "-k"], "user": "web" },
            },
            { "path_base64": "L2V0Yy94/w==", "kind": "unknown" },
        ],
        "data": [],
        "units": { "enabled": ["web.service"], "shipped": ["web.service"], "not_enabled": ["other.timer"] },
        "needs": [
            { "kind": "library", "name": "libx.so.1", "optional": false, "count": 4, "by": ["/a", "/b", "/c"] },
            { "kind": "user", "name": "x", "optional": true, "count": 1, "by": [{ "path_base64": "L3j/" }] },
        ],
        "recommends": ["tools"],
    })
}

fn written(value: &Value) -> Vec<u8> {
    canonical::json(value).unwrap()
}

#[test]
fn what_a_build_writes_is_read_and_written_alike() {
    let bytes = written(&sample());
    let read = Requirements::parse(&bytes).unwrap();
    assert_eq!(read.to_json().unwrap(), bytes);
    assert_eq!(read.secrets[1].path, ImagePath::new(b"/etc/x\xff").unwrap());
    // The same in other bytes is not what a build wrote.
    let pretty = serde_json::to_vec_pretty(&sample()).unwrap();
    assert!(matches!(Requirements::parse(&pretty), Err(ReadError::Form)));
    assert!(matches!(Requirements::parse(&[bytes, b"\n".to_vec()].concat()), Err(ReadError::Form)));
    assert!(matches!(Requirements::parse(&vec![b' '; 4 << 20 | 1]), Err(ReadError::Size)));
}

#[test]
fn what_no_build_writes_is_refused() {
    let changes: [(&str, Value); 27] = [
        ("/schema_version", json!(2)),
        ("/name", json!("Web")),
        ("/version", json!("1")),
        ("/arch", json!("pdp11")),
        ("/base/suite", json!("a b")),
        ("/base/variant", json!("big")),
        ("/base/digest", json!("sha256:00")),
        ("/base/module/name", json!("..")),
        ("/base/packages/0/name", json!("-o")),
        ("/base/packages/0/arch", json!("arm64")),
        ("/packages/0/version", json!("; id")),
        ("/packages/0/more", json!(1)),
        ("/requires/0/version", json!("x")),
        ("/accounts/0/gid", Value::Null),
        ("/accounts/0/name", json!("z")),
        ("/accounts/1/from", json!("nobody")),
        ("/secrets/0/path", json!("etc/x")),
        ("/secrets/0/path", json!("/etc/../x")),
        ("/secrets/0/path_base64", json!("L2V0Yy94/w==")),
        ("/secrets/0/made_by/unit", json!("../x.service")),
        ("/secrets/0/made_by/command", json!(["make"])),
        ("/secrets/1/path_base64", json!("L2V0Yy94")),
        ("/units/enabled", json!(["a\u{1b}[1m.service"])),
        ("/needs/0/name", json!("")),
        ("/needs/0/count", json!(2)),
        ("/needs/1/count", json!(2)),
        ("/recommends", json!(["b-tools", "a-tools"])),
    ];
    for (pointer, value) in changes {
        let mut other = sample();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match other.pointer_mut(parent).unwrap() {
            Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
            parent => parent[key] = value,
        }
        assert!(Requirements::parse(&written(&other)).is_err(), "{pointer}: {other}");
    }
}

/// Every key of every mapping of the schema or of the sample, by its place.
fn keys(value: &Value, at: &str, found: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            found.insert(format!("{at}/{key}"));
            keys(value, &format!("{at}/{key}"), found);
        }),
        Value::Array(list) => list.iter().for_each(|value| keys(value, at, found)),
        _ => {}
    }
}

fn schema_keys(schema: &Value, at: &str, found: &mut std::collections::BTreeSet<String>) {
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        found.insert(format!("{at}/{key}"));
        schema_keys(value, &format!("{at}/{key}"), found);
        schema_keys(&value["items"], &format!("{at}/{key}"), found);
    }
}

#[test]
fn the_schema_has_every_key_and_no_other() {
    let mut of_sample = std::collections::BTreeSet::new();
    let mut sample = sample();
    sample["data"] = sample["secrets"].clone();
    keys(&sample, "", &mut of_sample);
    // A path in a list that is no text; the schema leaves the form of its entries open.
    of_sample.remove("/needs/by/path_base64");
    let mut of_schema = std::collections::BTreeSet::new();
    schema_keys(&json_schema(), "", &mut of_schema);
    assert_eq!(of_sample, of_schema);
    assert!(jsonschema::meta::is_valid(&json_schema()));
    let validator = jsonschema::draft202012::new(&json_schema()).unwrap();
    assert!(validator.is_valid(&sample));
    for wrong in [("/secrets/0/path_base64", json!("L3j/")), ("/units/more", json!([])), ("/needs/0/kind", json!("x"))]
    {
        let mut other = sample.clone();
        let (parent, key) = wrong.0.rsplit_once('/').unwrap();
        other.pointer_mut(parent).unwrap()[key] = wrong.1;
        assert!(!validator.is_valid(&other), "{}", wrong.0);
    }
}
