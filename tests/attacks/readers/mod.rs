//! 4. Readers refuse what the documents promise that they refuse.

mod archives;
mod damage;
mod dist;
mod layouts;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::cargo::{cargo_bin, cargo_bin_cmd};
use model::Digest;
use serde_json::Value;

use crate::small::Small;

/// A module with one object, built with everything.
fn built() -> Small {
    let small = Small::new();
    small.build("m/dist");
    small
}

/// Exit code and all output of a run that must end soon; the code of one that is killed is -1.
fn ends(command: &mut Command, small: &Small) -> (i32, String) {
    command.env_clear().env("HOME", small.path("home")).current_dir(small.path("")).timeout(Duration::from_secs(60));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), text.into_owned())
}

fn run(small: &Small, arguments: &[&str]) -> (i32, String) {
    ends(cargo_bin_cmd!("module-builder").args(arguments), small)
}

/// The same under limits of the shell's `ulimit`.
fn limited(small: &Small, limits: &str, arguments: &[&str]) -> (i32, String) {
    let script = format!("{limits}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    ends(command.arg("-c").arg(script).arg(cargo_bin("module-builder")).args(arguments), small)
}

/// Every verb that reads results must refuse what is at `path`, and say why.
fn refused(small: &Small, path: &str, why: &str) {
    for arguments in [&["inspect", path][..], &["diff", path, "m/dist/module.cfs"]] {
        let (code, text) = run(small, arguments);
        assert_eq!(code, 3, "{arguments:?} {why}: {text}");
        assert!(text.contains(why), "{arguments:?} {why}: {text}");
        assert!(text.contains("help: "), "{text}");
    }
}

fn accepted(small: &Small, path: &str) {
    let (code, text) = run(small, &["inspect", path]);
    assert_eq!(code, 0, "{path}: {text}");
}

/// JSON without blanks, the keys in byte order.
fn canonical(value: &Value) -> Vec<u8> {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                Value::Object(entries.into_iter().collect())
            }
            Value::Array(values) => Value::Array(values.iter().map(sorted).collect()),
            other => other.clone(),
        }
    }
    serde_json::to_vec(&sorted(value)).unwrap()
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A layout that is forged, with every digest made anew.
struct Forgery {
    root: PathBuf,
    /// `index.json`.
    top: Value,
    /// The index at the tag.
    index: Value,
    /// The manifest of the one architecture.
    manifest: Value,
    /// What is written for the manifest, where it is not its canonical JSON.
    raw_manifest: Option<Vec<u8>>,
}

impl Forgery {
    fn new(small: &Small, layout: &str) -> Self {
        let root = small.path(layout);
        let top = read_json(&root.join("index.json"));
        let blob = |descriptor: &Value| root.join("blobs/sha256").join(&descriptor["digest"].as_str().unwrap()[7..]);
        let index = read_json(&blob(&top["manifests"][0]));
        let manifest = read_json(&blob(&index["manifests"][0]));
        Self { root, top, index, manifest, raw_manifest: None }
    }

    /// Puts a blob into the layout; gives digest and size into `descriptor`.
    fn put(&self, descriptor: &mut Value, bytes: &[u8]) {
        let digest = Digest::of(bytes);
        fs::write(self.root.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        descriptor["digest"] = digest.to_string().into();
        descriptor["size"] = bytes.len().into();
    }

    fn blob(&self, descriptor: &Value) -> Vec<u8> {
        fs::read(self.root.join("blobs/sha256").join(&descriptor["digest"].as_str().unwrap()[7..])).unwrap()
    }

    /// The layer of this title.
    fn layer(&mut self, title: &str) -> &mut Value {
        let layers = self.manifest["layers"].as_array_mut().unwrap();
        layers.iter_mut().find(|layer| layer["annotations"]["org.opencontainers.image.title"] == title).unwrap()
    }

    /// Replaces what the layer of this title holds.
    fn fill(&mut self, title: &str, bytes: &[u8]) {
        let mut layer = self.layer(title).take();
        self.put(&mut layer, bytes);
        let layers = self.manifest["layers"].as_array_mut().unwrap();
        *layers.iter_mut().find(|layer| layer.is_null()).unwrap() = layer;
    }

    /// Puts a layer behind the others.
    fn add(&mut self, title: &str, media_type: &str, bytes: &[u8]) {
        let mut layer = serde_json::json!({ "mediaType": media_type });
        layer["annotations"] = serde_json::json!({ "org.opencontainers.image.title": title });
        self.put(&mut layer, bytes);
        self.manifest["layers"].as_array_mut().unwrap().push(layer);
    }

    /// Sets an annotation on the manifest and on all descriptors of it.
    fn annotate(&mut self, name: &str, value: &str) {
        self.manifest["annotations"][name] = value.into();
        self.index["manifests"][0]["annotations"][name] = value.into();
        self.top["manifests"][1]["annotations"][name] = value.into();
    }

    /// Writes manifest, index and `index.json`, and with them the digests that lead to them.
    fn write(mut self) {
        let manifest = self.raw_manifest.take().unwrap_or_else(|| canonical(&self.manifest));
        let mut listed = self.index["manifests"][0].take();
        self.put(&mut listed, &manifest);
        let mut tagged = self.top["manifests"][1].take();
        (tagged["digest"], tagged["size"]) = (listed["digest"].clone(), listed["size"].clone());
        self.index["manifests"][0] = listed;
        self.top["manifests"][1] = tagged;
        let mut top = self.top["manifests"][0].take();
        self.put(&mut top, &canonical(&self.index));
        self.top["manifests"][0] = top;
        fs::write(self.root.join("index.json"), canonical(&self.top)).unwrap();
        record_again(self.root.parent().unwrap());
    }
}

/// Records the outputs of the build in `dist` as they are now: the files have to show it by themselves.
fn record_again(dist: &Path) {
    let path = dist.join("build.json");
    let mut record = read_json(&path);
    let outputs = record["outputs"].as_object_mut().unwrap();
    outputs.retain(|name, _| dist.join(name).is_file());
    for (name, output) in outputs {
        let bytes = fs::read(dist.join(name)).unwrap();
        *output = serde_json::json!({ "sha256": Digest::of(&bytes), "size": bytes.len() });
    }
    fs::write(path, record.to_string()).unwrap();
}

/// Forges the layout of a fresh build; it must be refused by itself and in its dist directory.
fn forged(why: &str, change: impl Fn(&Small, &mut Forgery)) {
    let small = built();
    let mut forgery = Forgery::new(&small, "m/dist/oci");
    change(&small, &mut forgery);
    forgery.write();
    refused(&small, "m/dist/oci", why);
    refused(&small, "m/dist", why);
}
