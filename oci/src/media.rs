//! Every media type and annotation name that the product writes, in one table.
//!
//! The names of OCI itself are those of the OCI image specification 1.1.

use model::manifest::Kind;

/// `artifactType` of a module's manifest and of the index over its architectures.
pub const ARTIFACT: &str = "application/vnd.powernode.module.v1";
/// The config blob: `manifest.json`.
pub const CONFIG: &str = "application/vnd.powernode.module.manifest.v1+json";
/// `module.cfs`.
pub const COMPOSEFS: &str = "application/vnd.powernode.composefs.v1";
/// `requirements.json`.
pub const REQUIREMENTS: &str = "application/vnd.powernode.module.requirements.v1+json";
/// `module.tar` as it is.
pub const TAR: &str = "application/vnd.powernode.module.v1+tar";
/// `module.tar`, compressed as independent zstd frames.
pub const TAR_ZSTD: &str = "application/vnd.powernode.module.v1+tar+zstd";
/// A CycloneDX document: SBOM or VEX.
pub const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
/// An in-toto statement.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// The file and package lists.
pub const TEXT: &str = "text/plain";

/// An OCI image manifest.
pub const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index.
pub const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What the artifacts of one kind of manifest are made of: bare file names and media types.
#[derive(Debug)]
pub struct Parts {
    /// `artifactType` of the manifest and of the index over its architectures.
    pub artifact: &'static str,
    /// The config.
    pub config: (&'static str, &'static str),
    /// The forms of the archive, of which it has one.
    pub archives: [(&'static str, &'static str); 2],
    /// The image.
    pub image: (&'static str, &'static str),
    /// What it was laid over, brings, and leaves to others; not every one has it.
    pub requirements: (&'static str, &'static str),
    /// What else may come after these.
    pub others: [(&'static str, &'static str); 4],
    /// Names that no layer may have, since something else has them where the files are together.
    pub reserved: [&'static str; 5],
}

static MODULE: Parts = Parts {
    artifact: ARTIFACT,
    config: ("manifest.json", CONFIG),
    archives: [("module.tar", TAR), ("module.tar.zst", TAR_ZSTD)],
    image: ("module.cfs", COMPOSEFS),
    requirements: ("requirements.json", REQUIREMENTS),
    others: [
        ("sbom.cdx.json", CYCLONEDX),
        ("provenance.json", IN_TOTO),
        ("file-list.txt", TEXT),
        ("package-list.txt", TEXT),
    ],
    reserved: ["composefs.digest", "build.json", "oci", "objects", "dry-run"],
};

/// What the artifacts of this kind are made of.
#[must_use]
pub fn parts(kind: Kind) -> &'static Parts {
    match kind {
        Kind::Module => &MODULE,
    }
}

/// The kind whose artifacts have this `artifactType`.
#[must_use]
pub fn kind(artifact_type: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| parts(*kind).artifact == artifact_type)
}

impl Parts {
    /// The layers that are known by their media type alone: the archive, the image and the requirements.
    pub fn fixed(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.archives.into_iter().chain([self.image, self.requirements])
    }

    /// The media type of the file with this bare name.
    #[must_use]
    pub fn media_type(&self, name: &str) -> Option<&'static str> {
        let mut all = self.fixed().chain([self.config]).chain(self.others);
        all.find_map(|(file, media_type)| (file == name).then_some(media_type))
    }
}

/// Names of annotations.
pub mod annotation {
    /// The fs-verity digest of `module.cfs`: 64 lowercase hexadecimal digits, no prefix.
    pub const FSVERITY: &str = "io.powernode.fsverity_root_hash";
    /// The hash of every input of the build.
    pub const FINGERPRINT: &str = "io.powernode.fingerprint";
    /// The platform's identifier of the module.
    pub const MODULE_ID: &str = "io.powernode.module_id";
    /// The build's one epoch, RFC 3339 in UTC.
    pub const BUILT_AT: &str = "io.powernode.built_at";
    /// The codes of the build's findings that were let pass, sorted, separated by commas.
    pub const ALLOWED_LINTS: &str = "io.powernode.allowed_lints";
    /// The digest reference of the SBOM's layer.
    pub const SBOM_URI: &str = "io.powernode.sbom_uri";
    /// The digest reference of the provenance's layer.
    pub const PROVENANCE_URI: &str = "io.powernode.provenance_uri";
    /// The digest reference of the VEX blob, where there is one.
    pub const VEX_URI: &str = "io.powernode.vex_uri";
    /// The artifact's name for people.
    pub const DISPLAY_NAME: &str = "io.powernode.display_name";
    /// The bare file name of a layer or a config. On a manifest, `oras pull` would take it for a file to write.
    pub const TITLE: &str = "org.opencontainers.image.title";
    /// The tag of an entry of a layout's `index.json`.
    pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
    /// When the artifact was made, RFC 3339.
    pub const CREATED: &str = "org.opencontainers.image.created";
    /// What the artifact is, for people.
    pub const DESCRIPTION: &str = "org.opencontainers.image.description";
    /// The licence, an SPDX expression.
    pub const LICENSES: &str = "org.opencontainers.image.licenses";
    /// Where the source is.
    pub const SOURCE: &str = "org.opencontainers.image.source";
    /// The commit of the source.
    pub const REVISION: &str = "org.opencontainers.image.revision";
    /// The version of the artifact.
    pub const VERSION: &str = "org.opencontainers.image.version";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_one_row_and_no_reserved_name() {
        for kind in Kind::ALL {
            let parts = parts(kind);
            let mut names: Vec<&str> =
                parts.fixed().chain([parts.config]).chain(parts.others).map(|(name, _)| name).collect();
            names.extend(parts.reserved);
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
            assert_eq!(super::kind(parts.artifact), Some(kind));
        }
        assert_eq!(parts(Kind::Module).media_type("module.tar"), Some(TAR));
        assert_eq!(parts(Kind::Module).media_type("module.iso"), None);
        assert_eq!(kind("application/vnd.example"), None);
    }
}
