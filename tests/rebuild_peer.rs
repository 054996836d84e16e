//! A real build is repeated: mmdebstrap runs again over exactly the recorded packages.
//!
//! Needs root or user namespaces, mmdebstrap and the archive.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn module_builder(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_module-builder"));
    command.env_remove("SOURCE_DATE_EPOCH").env("MODULE_BUILDER_CACHE_DIR", testkit::warm_cache()).args(arguments);
    command.output().unwrap()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_template_module_comes_out_again_and_lost_packages_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("nginx");
    let (module, dist) = (module.to_str().unwrap(), module.join("dist"));
    let dist = dist.to_str().unwrap();
    for arguments in [&["init", "--name", "again-nginx", module][..], &["build", "-C", module]] {
        let output = module_builder(arguments);
        assert!(output.status.success(), "{}", told(&output));
    }
    let record = fs::read_to_string(Path::new(dist).join("build.json")).unwrap();
    assert!(record.contains("\"name\": \"nginx\"") && !record.contains(folder.path().to_str().unwrap()), "{record}");

    let output = module_builder(&["rebuild", dist]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("came out again, byte for byte"), "{}", told(&output));
    assert!(told(&output).contains("build root file system"), "mmdebstrap ran: {}", told(&output));

    blames_the_step(Path::new(dist));

    // The layout alone, from the record in the module's own dist directory.
    let elsewhere = folder.path().join("layout");
    fs::rename(Path::new(dist).join("oci"), &elsewhere).unwrap();
    let output = module_builder(&["rebuild", "--offline", "-C", module, elsewhere.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));

    let empty = folder.path().join("cache");
    let output = module_builder(&["rebuild", dist, "--offline", "--cache-dir", empty.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let told = told(&output);
    assert!(told.contains("recorded packages are no longer available") && told.contains("nginx"), "{told}");
}

/// A first build by a tool that writes the image differently, and one by a tool that also makes another
/// root file system, are made up; the true record comes back.
fn blames_the_step(dist: &Path) {
    let (image, record) = (dist.join("module.cfs"), dist.join("build.json"));
    let kept = (fs::read(&image).unwrap(), fs::read_to_string(&record).unwrap());
    let mut other = kept.0.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&image, other).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&kept.1).unwrap();
    value["outputs"]["module.cfs"]["sha256"] = oci::layout::digest(&image).unwrap().0.to_string().into();
    for (stage, expected) in [(None, "image"), (Some("rootfs"), "rootfs")] {
        if let Some(stage) = stage {
            value["stages"][stage] = format!("sha256:{}", "5".repeat(64)).into();
        }
        fs::write(&record, value.to_string()).unwrap();
        let output = module_builder(&["rebuild", dist.to_str().unwrap(), "--offline", "--format", "json"]);
        assert_eq!(output.status.code(), Some(5), "{}", told(&output));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let layers: Vec<(&str, &str)> = report["differences"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (it["file"].as_str().unwrap(), it["layer"].as_str().unwrap()))
            .collect();
        assert_eq!(layers, [("build.json", expected), ("module.cfs", expected)]);
    }
    fs::write(&image, kept.0).unwrap();
    fs::write(&record, kept.1).unwrap();
}

/// munge draws a key when it is installed: the root file system is another each time, and what is shipped
/// is not.
#[test]
fn what_scrubbing_takes_is_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = "schema_version: 1\nname: again-munge\npackage_spec: [munge]\nfile_spec: [/etc/***]\n";
    fs::write(folder.path().join("manifest.yaml"), manifest).unwrap();
    let output = module_builder(&["build", "-C", folder.path().to_str().unwrap()]);
    assert!(told(&output).contains("left out /etc/munge/munge.key"), "{}", told(&output));
    let output = module_builder(&["rebuild", folder.path().join("dist").to_str().unwrap()]);
    assert!(told(&output).contains("came out differently than it is in the cache"), "{}", told(&output));
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
}
