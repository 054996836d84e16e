//! Every media type and annotation name that the product writes, in one table.
//!
//! The names of OCI itself are those of the OCI image specification 1.1.

/// `artifactType` of a module's manifest and of the index over its architectures.
pub const ARTIFACT: &str = "application/vnd.powernode.module.v1";
/// The config blob: `manifest.json`.
pub const CONFIG: &str = "application/vnd.powernode.module.manifest.v1+json";
/// `module.cfs`.
pub const COMPOSEFS: &str = "application/vnd.powernode.composefs.v1";
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

/// The files of `dist/` that become blobs: bare file name, media type.
pub const FILES: [(&str, &str); 8] = [
    ("manifest.json", CONFIG),
    ("module.cfs", COMPOSEFS),
    ("module.tar", TAR),
    ("module.tar.zst", TAR_ZSTD),
    ("sbom.cdx.json", CYCLONEDX),
    ("provenance.json", IN_TOTO),
    ("file-list.txt", TEXT),
    ("package-list.txt", TEXT),
];

/// The media type of the file of `dist/` with this bare name.
#[must_use]
pub fn of_file(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(file, _)| *file == name).map(|(_, media_type)| *media_type)
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
    /// The bare file name of a layer.
    pub const TITLE: &str = "org.opencontainers.image.title";
    /// The tag of an entry of a layout's `index.json`.
    pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
    /// When the artifact was made, RFC 3339.
    pub const CREATED: &str = "org.opencontainers.image.created";
    /// What the artifact is, for people.
    pub const DESCRIPTION: &str = "org.opencontainers.image.description";
    /// The licence, an SPDX expression.
    pub const LICENSES: &str = "org.opencontainers.image.licenses";
    /// Where the source lies.
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
    fn every_file_has_one_row() {
        for (index, (name, media_type)) in FILES.iter().enumerate() {
            assert!(FILES[index + 1..].iter().all(|(other, _)| other != name), "{name}");
            assert_eq!(of_file(name), Some(*media_type));
        }
        assert_eq!(of_file("module.iso"), None);
    }
}
