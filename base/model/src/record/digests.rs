//! The digests over parts of a record: the fingerprint of a build, and the key of its root file system in the cache.
//!
//! Everything that is recorded is named here, without `..`, so that a new input cannot be added without a decision
//! where it counts.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::{Inputs, Options, Packages, RootInput};
use crate::closure::{ClosureInput, ClosureRules, FirstStart, Ids};
use crate::file_input::{ArchiveFormat, FileInput, FileInputFields, Unpack};
use crate::package::PackageFields;
use crate::resolution::{Resolution, ResolutionFields, ResolvedFields, Variant};
use crate::rules::Rules;
use crate::{Arch, Digest, Epoch, VerityDigest};

/// Lines of a name and a value with its length, so that two lists never give one text.
struct Lines(String);

impl Lines {
    fn new(kind: &str) -> Self {
        Self(format!("{kind}\n"))
    }

    fn add(&mut self, name: &str, value: impl Display) {
        let value = value.to_string();
        self.0 += &format!("{name} {}:{value}\n", value.len());
    }

    fn file(&mut self, file: &FileInput) {
        // Not counted: where it comes from, and for what other architectures.
        let FileInputFields { url: _, sha256, architectures: _, destination, mode, owner, unpack } = &**file;
        self.add("file", sha256);
        self.add("destination", destination);
        mode.iter().for_each(|mode| self.add("mode", mode));
        owner.iter().for_each(|owner| self.add("owner", owner));
        let Some(Unpack { format, strip, include }) = unpack else { return };
        self.add(
            "unpack",
            match format {
                ArchiveFormat::Tar => "tar",
                ArchiveFormat::Zip => "zip",
            },
        );
        self.add("strip", strip);
        include.iter().for_each(|pattern| self.add("include", pattern));
    }

    fn closure(&mut self, closure: &ClosureInput) {
        let ClosureInput { documentation, rules, accounts } = closure;
        let ClosureRules { replaces, secrets, data } = rules;
        self.add("documentation", documentation);
        replaces.iter().for_each(|path| self.add("replaces", path));
        for (name, commands) in [("secret", secrets), ("data", data)] {
            for (path, FirstStart { command, user }) in commands {
                self.add(name, path);
                command.iter().for_each(|word| self.add("word", word));
                user.iter().for_each(|user| self.add("user", user));
            }
        }
        for (name, Ids { uid, gid }) in accounts.iter() {
            self.add("account", name);
            self.add("uid", uid);
            self.add("gid", gid);
        }
    }

    fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl Inputs {
    /// The fingerprint: the digest over all inputs that the image and the archive depend on. The platform compares it to
    /// see whether a module has to be built again. A root file system that the user gave has no name of its own: what was
    /// shipped from it, which `composefs` measures, stands in for it.
    #[must_use]
    pub fn fingerprint(&self, composefs: &VerityDigest) -> Digest {
        // Not counted: the name stands in the manifest, and of the neighbours only those patterns that `rules` counts
        // reach the bytes.
        let Self {
            tool,
            name: _,
            arch,
            epoch,
            manifest,
            overlay,
            files,
            closure,
            lower,
            rules,
            scrub,
            neighbours: _,
            rootfs,
            options,
        } = self;
        // Not counted: which outputs are written, and what only the layout says of them.
        let Options { emit_tar: _, emit_oci: _, compression, tag: _, module_id: _, version, allow } = options;
        let mut lines = Lines::new("fingerprint 2");
        lines.add("tool", tool);
        lines.add("arch", arch);
        lines.add("epoch", epoch);
        lines.add("manifest", manifest);
        lines.add("overlay", overlay);
        files.iter().for_each(|file| lines.file(file));
        closure.iter().for_each(|closure| lines.closure(closure));
        lower.iter().for_each(|module| lines.add("laid over", format!("{} {}", module.name, module.digest)));
        lines.add("rules", rules);
        lines.add("scrub", scrub);
        version.iter().for_each(|version| lines.add("version", &**version));
        lines.add("compression", compression);
        allow.iter().for_each(|code| lines.add("allow", &**code));
        match rootfs {
            RootInput::Given { listing: _ } => lines.add("given", composefs),
            RootInput::Packages(packages) => {
                // Not counted: the programs of the host, on which a module does not depend (decision 9), the key, of
                // which they are a part, and where the packages were looked for.
                let Packages { key: _, tools: _, components: _, resolution } = &**packages;
                Closure::of(resolution).count(&mut lines);
                // What the base has is not shipped.
                resolution.of_base().iter().for_each(|base| Closure::of(base).count(&mut lines));
            }
        }
        lines.digest()
    }
}

/// Everything that can reach the bytes of a root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootfsInputs {
    /// The version of what the program does to make one.
    pub format: u32,
    /// The one time of the build.
    pub epoch: Epoch,
    /// The versions of the host's programs, by name.
    pub tools: BTreeMap<String, String>,
    /// The packages.
    pub closure: Closure,
    /// The key of the root file system of the base over which the other packages were installed; none where all were
    /// installed from nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Digest>,
}

impl RootfsInputs {
    /// The root file system's key in the cache.
    #[must_use]
    pub fn key(&self) -> Digest {
        let Self { format, epoch, tools, closure, over } = self;
        let mut lines = Lines::new("root file system");
        lines.add("format", format);
        lines.add("epoch", epoch);
        for (name, version) in tools {
            lines.add("tool", name);
            lines.add("version", version);
        }
        closure.count(&mut lines);
        over.iter().for_each(|base| lines.add("over", base));
        lines.digest()
    }
}

/// What of a resolution reaches the bytes of a root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closure {
    /// The suite's code name.
    pub suite: String,
    /// Which packages are there without being asked for.
    pub variant: Variant,
    /// The architecture.
    pub arch: Arch,
    /// Version and sha256 of each package, by name and architecture.
    pub packages: BTreeMap<String, String>,
}

impl Closure {
    /// That part of `resolution`.
    #[must_use]
    pub fn of(resolution: &Resolution) -> Self {
        // Suite and archives count by the code name alone. Not counted: what was asked for, and from where and when it
        // came. The packages' digests say what it is.
        let ResolutionFields { arch, suite: _, variant, requests: _, release: _, more_releases: _, packages } =
            &**resolution;
        let package = |resolved: &ResolvedFields| {
            let ResolvedFields { package, url: _, path: _, size: _, sha256, reason: _, archive: _, base: _, module: _ } =
                resolved;
            let PackageFields { name, arch, version, source: _, source_version: _ } = &**package;
            (format!("{name}:{arch}"), format!("{version} {sha256}"))
        };
        let packages = packages.iter().map(|resolved| package(resolved)).collect();
        Self { suite: resolution.codename().to_owned(), variant: *variant, arch: *arch, packages }
    }

    /// The digest over all of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut lines = Lines::new("base");
        self.count(&mut lines);
        lines.digest()
    }

    fn count(&self, lines: &mut Lines) {
        let Self { suite, variant, arch, packages } = self;
        lines.add("suite", suite);
        lines.add("variant", variant);
        lines.add("closure", arch);
        for (name, file) in packages {
            lines.add("package", name);
            lines.add("file", file);
        }
    }
}

/// The digest over every pattern in order, with its list and module, not where it was written.
#[must_use]
pub fn rules(rules: &Rules) -> Digest {
    let mut text = String::new();
    for (sign, list) in [('-', &rules.excludes), ('+', &rules.includes)] {
        for rule in list {
            text += &format!("{sign} {} {} {}\n", rule.origin.module, rule.origin.field.key(), rule.pattern);
        }
    }
    Digest::of(text.as_bytes())
}
