//! The fingerprint of a build: one digest over what its image and archive depend on.
//!
//! The platform compares fingerprints to see whether a module has to be built again. Everything that is recorded
//! is named here, without `..`, so that a new input cannot be added without a decision where it counts.

use std::fmt;

use model::{Digest, VerityDigest};

use super::{Inputs, Options, Packages, RootInput};

/// Lines of a name and a value. A name holds no `=` and a value no line break, so two lists never give one text.
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, value: impl fmt::Display) {
        self.0 += &format!("{name}={value}\n");
    }
}

impl Inputs {
    /// The digest over all inputs that the image and the archive depend on. A root file system that the user gave
    /// has no name of its own: what was shipped from it, which `composefs` measures, stands in for it.
    pub(crate) fn fingerprint(&self, composefs: &VerityDigest) -> Digest {
        // Not counted: the name stands in the manifest, and of the neighbours only those patterns that `rules` counts
        // reach the bytes.
        let Self { tool, name: _, arch, epoch, manifest, overlay, rules, scrub, neighbours: _, rootfs, options } = self;
        // Not counted: which outputs are written, and what only the layout says of them.
        let Options { emit_tar: _, emit_oci: _, compression, tag: _, module_id: _, allow } = options;
        let mut lines = Lines("fingerprint 2\n".to_owned());
        lines.add("tool", tool);
        lines.add("arch", arch);
        lines.add("epoch", epoch);
        lines.add("manifest", manifest);
        lines.add("overlay", overlay);
        lines.add("rules", rules);
        lines.add("scrub", scrub);
        lines.add("compression", compression);
        lines.add("allow", allow.join(","));
        match rootfs {
            RootInput::Given { listing: _ } => lines.add("given", composefs),
            RootInput::Packages(packages) => packages.count(&mut lines),
        }
        Digest::of(lines.0.as_bytes())
    }
}

impl Packages {
    /// What was asked for. Not counted: the programs of the host, on which a module does not depend (decision 9), the
    /// key, of which they are a part, and where the packages came from, which their digests make needless.
    fn count(&self, lines: &mut Lines) {
        let Self { key: _, tools: _, components: _, resolution } = self;
        lines.add("suite", builder::rootfs::plan::codename(resolution));
        lines.add("variant", resolution.variant);
        for resolved in &resolution.packages {
            let package = &resolved.package;
            lines.add(
                "package",
                format_args!("{}:{} {} {}", package.name, package.arch, package.version, resolved.sha256),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use model::Epoch;
    use serde_json::json;

    use super::*;

    fn inputs() -> Inputs {
        let digest = |text: &str| Digest::of(text.as_bytes());
        Inputs {
            tool: "module-builder 0.1.0".to_owned(),
            name: "web".to_owned(),
            arch: "amd64".parse().unwrap(),
            epoch: Epoch::from_seconds(1_700_000_000).unwrap(),
            manifest: digest("manifest"),
            overlay: digest("overlay"),
            rules: digest("rules"),
            scrub: digest("scrub"),
            neighbours: Vec::new(),
            rootfs: RootInput::Given { listing: digest("listing") },
            options: Options {
                emit_tar: true,
                emit_oci: true,
                compression: "zstd".to_owned(),
                tag: "latest".to_owned(),
                module_id: None,
                allow: Vec::new(),
            },
        }
    }

    fn print(inputs: &Inputs) -> Digest {
        inputs.fingerprint(&VerityDigest::new([7; 32]))
    }

    #[test]
    fn each_input_counts_or_is_recorded_only() {
        let before = print(&inputs());
        let other = json!(Digest::of(b"other"));
        let changed = |pointer: &str, value: &serde_json::Value| {
            let mut json = json!(inputs());
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            json.pointer_mut(parent).unwrap()[key] = value.clone();
            print(&serde_json::from_str(&json.to_string()).unwrap())
        };
        for (pointer, value) in [
            ("/tool", json!("module-builder 0.2.0")),
            ("/arch", json!("arm64")),
            ("/epoch", json!(1)),
            ("/manifest", other.clone()),
            ("/overlay", other.clone()),
            ("/rules", other.clone()),
            ("/scrub", other.clone()),
            ("/options/compression", json!("none")),
            ("/options/allow", json!(["needs-library"])),
        ] {
            assert_ne!(changed(pointer, &value), before, "{pointer} counts");
        }
        for (pointer, value) in [
            ("/name", json!("other")),
            ("/rootfs/listing", other),
            ("/options/emit_tar", json!(false)),
            ("/options/emit_oci", json!(false)),
            ("/options/tag", json!("v2")),
            ("/options/module_id", json!("7")),
        ] {
            assert_eq!(changed(pointer, &value), before, "{pointer} is recorded only");
        }
        assert_ne!(inputs().fingerprint(&VerityDigest::new([8; 32])), before, "what a given root ships counts");
    }
}
