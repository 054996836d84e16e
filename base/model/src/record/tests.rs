use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::VerityDigest;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// The record of a build from one package, by its text: what is read is what this form is.
fn record() -> Value {
    json!({
        "format": 1,
        "inputs": {
            "tool": "module-builder 0.1.0", "name": "web", "arch": "amd64", "epoch": 1_700_000_000,
            "manifest": digest("manifest"), "overlay": digest("overlay"), "rules": digest("rules"),
            "scrub": digest("scrub"), "neighbours": [{"name": "other", "schema_version": 1}],
            "rootfs": {
                "from": "packages", "key": digest("key"), "tools": {"apt": "2.6.1", "tar": ""}, "components": ["main"],
                "resolution": {
                    "arch": "amd64", "suite": "stable", "variant": "minbase", "requests": ["plainpkg"],
                    "release": {
                        "uri": "http://mirror.example.org/debian", "path": "stable", "inrelease": digest("inrelease"),
                        "date": 1_600_000_000, "codename": "trixie",
                    },
                    "packages": [{
                        "name": "plainpkg", "arch": "all", "version": "1", "source": "plainpkg", "source_version": "1",
                        "url": "http://mirror.example.org/debian/pool/plainpkg_1_all.deb",
                        "path": "pool/plainpkg_1_all.deb", "size": 7, "sha256": digest("deb"), "reason": "requested",
                    }],
                },
            },
            "options": {
                "emit_tar": true, "emit_oci": true, "compression": "zstd", "tag": "latest", "module_id": "7",
                "allow": ["needs-library"],
            },
        },
        "stages": {
            "rootfs": digest("1"), "scrub": digest("2"), "overlay": digest("3"), "filter": digest("4"),
        },
        "outputs": {"module.cfs": {"sha256": digest("cfs"), "size": 3}},
    })
}

fn read(value: &Value) -> Result<BuildRecord, ReadError> {
    BuildRecord::parse(value.to_string().as_bytes())
}

/// The record with another value at `pointer`, which need not be there.
fn with(pointer: &str, value: Value) -> Value {
    let mut record = record();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    record.pointer_mut(parent).unwrap()[key] = value;
    record
}

fn print(record: &BuildRecord) -> String {
    record.inputs.fingerprint(&VerityDigest::new([7; 32])).to_string()
}

fn rootfs(record: &BuildRecord) -> RootfsInputs {
    let RootInput::Packages(packages) = &record.inputs.rootfs else { panic!("it is of packages") };
    let (epoch, tools) = (record.inputs.epoch, packages.tools.clone());
    RootfsInputs { format: 5, epoch, tools, closure: Closure::of(&packages.resolution), over: None }
}

/// Who changes one of these has every module of every user built again.
#[test]
fn fingerprint_and_key_of_a_known_record_stay_what_they_are() {
    let record = read(&record()).unwrap();
    assert_eq!(print(&record), "sha256:71ef40cc7d35cb4d9df95dae6e3038a045766ab2ee1be7d8beb158d08c73ad83");
    assert_eq!(
        rootfs(&record).key().to_string(),
        "sha256:71cf78538a73654b4f4872dcad495469c7759364af4d2b8e8226f29e550ab525"
    );
}

#[test]
fn each_input_counts_or_is_recorded_only() {
    let (before, key) = (read(&record()).unwrap(), rootfs(&read(&record()).unwrap()).key());
    let other = json!(digest("other"));
    let package = "/inputs/rootfs/resolution/packages/0";
    // Whether it counts in the fingerprint, and in the key.
    for (pointer, value, counts, is_in_key) in [
        ("/inputs/tool", json!("module-builder 0.2.0"), true, false),
        ("/inputs/epoch", json!(1), true, true),
        ("/inputs/manifest", other.clone(), true, false),
        ("/inputs/overlay", other.clone(), true, false),
        ("/inputs/rules", other.clone(), true, false),
        ("/inputs/scrub", other.clone(), true, false),
        ("/inputs/options/compression", json!("none"), true, false),
        ("/inputs/options/allow", json!(["needs-command"]), true, false),
        ("/inputs/options/version", json!("1.2.3"), true, false),
        ("/inputs/lower", json!([{ "name": "under", "digest": other }]), true, false),
        ("/inputs/options/allow", json!(["needs-library", "dangling-link"]), true, false),
        ("/inputs/rootfs/resolution/variant", json!("extract"), true, true),
        ("/inputs/rootfs/resolution/release/codename", json!("forky"), true, true),
        (&format!("{package}/version"), json!("2"), true, true),
        (&format!("{package}/arch"), json!("amd64"), true, true),
        (&format!("{package}/sha256"), other.clone(), true, true),
        ("/inputs/rootfs/tools/apt", json!("2.6.2"), false, true),
        ("/inputs/rootfs/tools/dpkg", json!("1"), false, true),
        ("/inputs/name", json!("other"), false, false),
        ("/inputs/neighbours", json!([]), false, false),
        ("/inputs/rootfs/key", other.clone(), false, false),
        ("/inputs/rootfs/components", json!(["main", "contrib"]), false, false),
        ("/inputs/rootfs/resolution/suite", json!("trixie"), false, false),
        ("/inputs/rootfs/resolution/requests", json!([]), false, false),
        ("/inputs/rootfs/resolution/release/inrelease", other.clone(), false, false),
        (&format!("{package}/source"), json!("src"), false, false),
        (&format!("{package}/size"), json!(8), false, false),
        (&format!("{package}/reason"), json!("base: x"), false, false),
        ("/inputs/options/emit_tar", json!(false), false, false),
        ("/inputs/options/emit_oci", json!(false), false, false),
        ("/inputs/options/tag", json!("v2"), false, false),
        ("/inputs/options/module_id", json!("8"), false, false),
        ("/stages/filter", other.clone(), false, false),
    ] {
        let now = read(&with(pointer, value)).unwrap();
        assert_ne!(now, before, "{pointer}");
        assert_eq!(print(&now) != print(&before), counts, "{pointer}");
        assert_eq!(rootfs(&now).key() != key, is_in_key, "{pointer}");
    }
    let given = read(&with("/inputs/rootfs", json!({"from": "given", "listing": other}))).unwrap();
    let again = read(&with("/inputs/rootfs", json!({"from": "given", "listing": digest("again")}))).unwrap();
    assert_eq!(print(&given), print(&again), "a listing is recorded only");
    let shipped = |byte| given.inputs.fingerprint(&VerityDigest::new([byte; 32]));
    assert_ne!(shipped(7), shipped(8), "what a given root file system ships counts");
}

#[test]
fn what_no_build_writes_is_no_record() {
    let many: Vec<String> = (0..1001).map(|number| format!("c{number}")).collect();
    for (pointer, value, why) in [
        ("/new", json!(1), "unknown field"),
        ("/inputs/new", json!(1), "unknown field"),
        ("/inputs/options/new", json!(1), "unknown field"),
        ("/inputs/rootfs/new", json!(1), "unknown field"),
        ("/stages/new", json!(1), "unknown field"),
        ("/outputs/module.cfs", json!({"sha256": digest(""), "size": 1, "new": 1}), "unknown field"),
        ("/outputs/..~1x", json!({"sha256": digest(""), "size": 1}), "no output"),
        ("/inputs/tool", json!(""), "no program"),
        ("/inputs/tool", json!("a\u{1b}[2J"), "no program"),
        ("/inputs/name", json!("../x"), "no name of a module"),
        ("/inputs/arch", json!("arm64"), "the packages are for amd64"),
        ("/inputs/neighbours", json!([{}]), "the neighbour 0 is no valid manifest: "),
        ("/inputs/rootfs/from", json!("nowhere"), "unknown variant"),
        ("/inputs/rootfs/components", json!([]), "no component"),
        ("/inputs/rootfs/components", json!(many), "too many"),
        ("/inputs/rootfs/components", json!(["-o"]), "no component of an archive"),
        ("/inputs/rootfs/tools", json!({"-o": "1"}), "no names and versions"),
        ("/inputs/options/tag", json!("../up"), "a tag is"),
        ("/inputs/options/tag", json!("a".repeat(119)), "a tag is"),
        ("/inputs/options/module_id", json!(""), "an identifier is"),
        ("/inputs/options/module_id", json!("a\nb"), "an identifier is"),
        ("/inputs/options/allow", json!(["all"]), "it is no lint"),
        ("/inputs/options/allow", json!([""]), "it is no lint"),
        ("/inputs/options/compression", json!("gzip"), "unknown variant"),
    ] {
        let error = read(&with(pointer, value)).unwrap_err().to_string();
        assert!(error.contains(why), "{pointer}: {error}");
    }
    assert!(matches!(read(&with("/format", json!(2))), Err(ReadError::Format { found: 2 })));
    let whole = read(&record()).unwrap();
    assert!(whole.changed(|fields| fields.format = 2).is_err(), "none is made of another form either");
    assert!(read(&json!({})).is_err() && BuildRecord::parse(b"").is_err());
    assert!(["zstd", "none"].map(|word| word.parse::<Compression>().unwrap().to_string()) == ["zstd", "none"]);
    assert!("gzip".parse::<Compression>().is_err());
}

proptest! {
    #[test]
    fn a_record_leads_back_to_itself(
        (tag, id, allow) in ("[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,117}", proptest::option::of("[^\\p{C}\\p{Z}]{1,30}"),
                             proptest::sample::subsequence(LINTS.to_vec(), 0..4)),
        (epoch, size) in (0u32.., any::<u64>()),
        (given, emit_tar, is_packed) in any::<(bool, bool, bool)>(),
        names in proptest::sample::subsequence(OUTPUTS.to_vec(), 0..=OUTPUTS.len()),
    ) {
        let mut value = record();
        value["inputs"]["epoch"] = json!(epoch);
        if given {
            value["inputs"]["rootfs"] = json!({"from": "given", "listing": digest(&tag)});
        }
        let compression = if is_packed { "zstd" } else { "none" };
        let options = json!({"emit_tar": emit_tar, "emit_oci": true, "compression": compression, "tag": tag});
        value["inputs"]["options"] = options;
        if !allow.is_empty() {
            value["inputs"]["options"]["allow"] = json!(allow);
        }
        let is_shown = id.as_deref().is_none_or(crate::words::is_showable);
        if let Some(id) = id {
            value["inputs"]["options"]["module_id"] = json!(id);
        }
        value["outputs"] = names.iter().map(|name| ((*name).to_owned(), json!({"sha256": digest(name), "size": size}))).collect();
        prop_assume!(is_shown);
        let read = read(&value).unwrap();
        let text = read.to_json().unwrap();
        prop_assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), value);
        let again = BuildRecord::parse(&text).unwrap();
        prop_assert_eq!(again.to_json().unwrap(), text);
        prop_assert_eq!(again, read);
    }
}

#[test]
fn files_belong_to_at_most_a_thousand_accounts() {
    let named = |count: u32| (0..count).map(|id| (format!("a{id}"), id)).collect::<std::collections::BTreeMap<_, _>>();
    for key in ["users", "groups"] {
        let with_owners = |count: u32| with("/owners", json!({ key: named(count) }));
        assert!(read(&with_owners(1000)).is_ok());
        let error = read(&with_owners(1001)).unwrap_err().to_string();
        assert!(error.contains("its files belong to too many accounts"), "{error}");
    }
}
