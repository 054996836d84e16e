//! How the documents of a module can contradict each other.

use model::{Arch, Digest};

/// How the documents of a module contradict each other, or what they promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A descriptor or document names another artifact type.
    #[error("names the artifactType {found:?} for a module")]
    ArtifactType {
        /// What it names; empty where it names none.
        found: String,
    },
    /// A descriptor of a manifest has an annotation that the manifest has not, or has otherwise.
    #[error("gives the manifest {digest} the annotation {name:?}, which the manifest itself does not have so")]
    Annotation {
        /// The manifest.
        digest: Digest,
        /// The annotation.
        name: String,
    },
    /// The descriptor of an index does not repeat an annotation of the manifest.
    #[error("does not repeat the annotation {name:?} of the manifest {digest}")]
    MissingAnnotation {
        /// The manifest.
        digest: Digest,
        /// The annotation.
        name: String,
    },
    /// A manifest is not given a platform that modules are made for.
    #[error("gives the manifest {digest} no platform that is known, of the system linux")]
    Platform {
        /// The manifest.
        digest: Digest,
    },
    /// A manifest has two platforms.
    #[error("gives the manifest {digest} another platform than another descriptor does")]
    TwoPlatforms {
        /// The manifest.
        digest: Digest,
    },
    /// An index lists two manifests of one architecture.
    #[error("lists two manifests for {arch}")]
    TwiceInIndex {
        /// The architecture.
        arch: Arch,
    },
    /// An index lists something else beside modules.
    #[error("lists the manifest {digest}, which is no module, beside modules")]
    NoModule {
        /// The manifest.
        digest: Digest,
    },
    /// The tag of one architecture leads elsewhere than the index does.
    #[error("leads the tag {tag:?} elsewhere than the index of {index:?} does")]
    Tag {
        /// The tag of one architecture.
        tag: String,
        /// The tag of the index.
        index: String,
    },
    /// A descriptor carries contents, or names other places for them.
    #[error("has a descriptor with contents or addresses of its own")]
    Embedded,
    /// The descriptor of a file says more of it than its name, type, digest and size.
    #[error("says of its file {title:?} what no build says")]
    Said {
        /// The file's title.
        title: String,
    },
    /// A module refers to another manifest, as a signature does.
    #[error("has a subject, which no module has")]
    Subject,
    /// The config is no manifest of a module.
    #[error("has a config that is no manifest.json of a module")]
    Config,
    /// A layer has no file name, or one that leads elsewhere.
    #[error("has a layer whose title {title:?} is no plain file name")]
    Title {
        /// The title; empty where there is none.
        title: String,
    },
    /// Two layers have one file name.
    #[error("has two layers with the title {title:?}")]
    TwoTitles {
        /// The title.
        title: String,
    },
    /// A file name and a media type do not go together.
    #[error("has a layer {title:?} of the media type {media_type:?}, which do not go together")]
    Layer {
        /// The title.
        title: String,
        /// The media type.
        media_type: String,
    },
    /// The layers stand in another order than a build writes.
    #[error("has layers in another order than the archive, the image and then the others")]
    Order,
    /// An image or archive is missing or comes twice.
    #[error("has {count} layers that are {what}; a module has one")]
    Count {
        /// `the image` or `the archive`.
        what: &'static str,
        /// How many there are.
        count: usize,
    },
}
