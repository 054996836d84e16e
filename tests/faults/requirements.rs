//! What a module says of its base, its packages and its open needs, in each form of its results.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use testkit::run;

use crate::archive::{World, debs, manifest};
use crate::closure::{lock, over};

/// What is done to a text.
type Change = fn(&str) -> String;

const FROZEN: [&str; 3] = ["--frozen", "--allow", "scripts-not-run"];

/// A module that is built from a lock over a base with `lib`.
fn built() -> (World, Value) {
    let world = World::new(&debs("1"));
    over(&world, "\"lib\"");
    fs::create_dir_all(world.path("module/rootfs/usr/lib/systemd/system")).unwrap();
    let unit = "[Service]\nExecStart=/usr/bin/gone\nUser=nobody-here\n";
    fs::write(world.path("module/rootfs/usr/lib/systemd/system/gone.service"), unit).unwrap();
    assert!(lock(&world, &[]).starts_with("exit code: 0"));
    assert!(world.tell(&["fetch", "module"]).starts_with("exit code: 0"));
    let built = world.build(&FROZEN).unwrap();
    (world, built)
}

fn requirements(world: &World) -> Value {
    serde_json::from_slice(&fs::read(world.path("module/dist/requirements.json")).unwrap()).unwrap()
}

/// The layout's blob of this title.
fn blob(world: &World, built: &Value, title: &str) -> PathBuf {
    let path = |digest: &str| world.path("module/dist/oci/blobs/sha256").join(digest.strip_prefix("sha256:").unwrap());
    let manifest: Value = serde_json::from_slice(&fs::read(path(manifest(built))).unwrap()).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    let layer = layers.iter().find(|layer| layer["annotations"]["org.opencontainers.image.title"] == title).unwrap();
    if title == "requirements.json" {
        assert_eq!(layer["mediaType"], "application/vnd.powernode.module.requirements.v1+json");
    }
    path(layer["digest"].as_str().unwrap())
}

#[test]
fn a_module_says_what_it_was_laid_over_and_what_it_leaves_open() {
    let (world, built) = built();
    let bytes = fs::read(world.path("module/dist/requirements.json")).unwrap();
    let said = requirements(&world);
    assert_eq!(said["name"], "small");
    assert_eq!(said["base"]["packages"], json!([{ "arch": "all", "name": "lib", "version": "1" }]));
    assert_eq!(said["packages"], json!([{ "arch": "amd64", "name": "tool", "version": "1" }]));
    assert_eq!(said["units"]["shipped"], json!(["gone.service"]));
    let unit = "/usr/lib/systemd/system/gone.service";
    let need =
        |kind: &str, name: &str| json!({ "by": [unit], "count": 1, "kind": kind, "name": name, "optional": false });
    assert_eq!(said["needs"], json!([need("program", "/usr/bin/gone"), need("user", "nobody-here")]));

    // The layout has it as a layer, the archive has not.
    assert_eq!(fs::read(blob(&world, &built, "requirements.json")).unwrap(), bytes);
    let listed = testkit::stdout(Command::new("tar").arg("-tf").arg(world.path("module/dist/module.tar")));
    assert!(!listed.contains("requirements"), "{listed}");
    let inspected = world.tell(&["inspect", "module/dist", "--format", "json"]);
    assert!(inspected.contains("\"requirements\":{") || inspected.contains("\"requirements\": {"), "{inspected}");
    let told = world.tell(&["inspect", "module/dist/oci"]);
    for words in ["extract of test, 1 package, sha256:", "tool 1", "program /usr/bin/gone, user nobody-here"] {
        assert!(told.contains(words), "{words:?} is not in:\n{told}");
    }

    // The same bytes again, also where nothing is remembered; and nothing is written where nothing changed.
    let dist = world.dist();
    world.build(&[&FROZEN[..], &["--no-cache"]].concat()).unwrap();
    assert_eq!(world.dist(), dist);
    let told = world.tell(&[&["build", "-C", "module", "--arch", "amd64"], &FROZEN[..]].concat());
    assert!(told.contains("nothing changed"), "{told}");
    assert!(world.tell(&["rebuild", "module/dist"]).starts_with("exit code: 0"));

    // A base with another package is another base, and `diff` says so.
    fs::rename(world.path("module/dist"), world.path("first")).unwrap();
    over(&world, "\"lib\", \"tool\"");
    fs::write(world.path("module/manifest.yaml"), "schema_version: 1\nname: small\nlicense: MIT\n").unwrap();
    assert!(lock(&world, &[]).starts_with("exit code: 0"));
    world.build(&["--allow", "scripts-not-run"]).unwrap();
    assert_ne!(requirements(&world)["base"]["digest"], said["base"]["digest"]);
    let told = world.tell(&["diff", "first", "module/dist"]);
    assert!(told.contains("base, packages, accounts, units or open needs differ"), "{told}");
}

#[test]
fn a_module_of_owned_files_has_none() {
    let world = World::new(&debs("1"));
    let built = world.build(&[]).unwrap();
    assert!(!world.path("module/dist/requirements.json").exists());
    let index = fs::read_to_string(world.path("module/dist/oci/index.json")).unwrap();
    assert!(index.contains(manifest(&built).strip_prefix("sha256:").unwrap()), "{index}");
    // What is no build's is not taken away with it.
    fs::write(world.path("module/dist/requirements.json"), "mine").unwrap();
    let told = world.tell(&["inspect", "module/dist"]);
    assert!(told.starts_with("exit code: 3"), "{told}");
    world.build(&["--no-cache"]).unwrap_err().is(1, "requirements.json");
    assert_eq!(fs::read_to_string(world.path("module/dist/requirements.json")).unwrap(), "mine");
}

#[test]
fn requirements_that_no_build_wrote_are_refused_in_every_form() {
    let (world, built) = built();
    let sound = fs::read_to_string(world.path("module/dist/requirements.json")).unwrap();
    // What `oras pull` leaves.
    let pulled = world.path("pulled");
    fs::create_dir(&pulled).unwrap();
    for name in ["manifest.json", "module.cfs", "requirements.json"] {
        fs::copy(world.path("module/dist").join(name), pulled.join(name)).unwrap();
    }
    fs::copy(blob(&world, &built, "module.tar.zst"), pulled.join("module.tar.zst")).unwrap();
    let inspect = |path: &Path| world.tell(&["inspect", path.to_str().unwrap()]);
    let told = inspect(&pulled);
    assert!(told.starts_with("exit code: 0") && told.contains("extract of test, 1 package"), "{told}");
    assert!(world.tell(&["rebuild", "pulled", "-C", "module"]).starts_with("exit code: 0"));

    let changes: [(Change, &str); 6] = [
        (|text| text.to_owned() + "\n", "no requirements as a build writes them"),
        (|text| text.replacen("\"schema_version\":1", "\"schema_version\":2", 1), "a version that is not known"),
        (|text| text.replacen("\"name\":\"small\"", "\"name\":\"other\"", 1), "of another module"),
        (|text| text.replacen("\"needs\":", "\"more\":1,\"needs\":", 1), "no requirements as a build writes them"),
        (|text| text.replacen("\"version\":\"1\"", "\"version\":\";\"", 1), "no requirements as a build writes them"),
        (|text| " ".repeat(5 << 20) + text, "requirements.json"),
    ];
    for (change, words) in changes {
        let changed = change(&sound);
        assert_ne!(changed, sound, "{words}");
        for directory in [&pulled, &world.path("module/dist")] {
            fs::write(directory.join("requirements.json"), &changed).unwrap();
            let told = inspect(directory);
            assert!(told.starts_with("exit code: 3") && told.contains(words), "{words:?} is not in:\n{told}");
        }
    }
    // Of another build: well formed, and not what the record and the layout say.
    let other = sound.replacen("\"name\":\"tool\",\"version\":\"1\"", "\"name\":\"tool\",\"version\":\"2\"", 1);
    assert_ne!(other, sound);
    fs::write(world.path("module/dist/requirements.json"), &other).unwrap();
    let told = inspect(&world.path("module/dist"));
    assert!(told.starts_with("exit code: 3") && told.contains("holds other requirements"), "{told}");
    fs::remove_dir_all(world.path("module/dist/oci")).unwrap();
    assert!(inspect(&world.path("module/dist")).starts_with("exit code: 3"));
    // A blob that is not what its descriptor says, and a file that is gone.
    fs::remove_file(world.path("module/dist/requirements.json")).unwrap();
    assert!(inspect(&world.path("module/dist")).starts_with("exit code: 3"));
    let again = world.build(&FROZEN).unwrap();
    fs::write(blob(&world, &again, "requirements.json"), &other).unwrap();
    assert!(inspect(&world.path("module/dist/oci")).starts_with("exit code: 3"));
    // A link is not followed.
    fs::remove_file(pulled.join("requirements.json")).unwrap();
    run(Command::new("ln").args(["-s", "/etc/passwd"]).arg(pulled.join("requirements.json")));
    assert!(inspect(&pulled).starts_with("exit code: 3"));
}
