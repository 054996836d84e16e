//! Files that the author brings: the overlay, and those of `[[file]]`.

use super::LongForm;

pub(super) const CODES: [LongForm; 11] = [
    LongForm {
        code: "overlay-closed",
        means: "A file of the overlay is for its owner alone.",
        why: "git keeps no such mode: another checkout gives another module.",
        fix: "Say the mode in builder.toml.",
        example: "[overlay]\n\"/etc/web/key\" = { mode = \"0600\" }",
    },
    LongForm {
        code: "machine-file",
        means: "The author's files have one that belongs to a single machine, such as /etc/machine-id or /etc/hostname, or one where a node mounts something else, such as /run.",
        why: "All machines would be one and the same, or no node sees the file.",
        fix: "Remove it: the machine makes its own, or a line of tmpfiles.d makes it when the node starts.",
        example: "[Service]\nRuntimeDirectory=web   # in place of rootfs/run/web",
    },
    LongForm {
        code: "overlay-not-shipped",
        means: "A new file of the overlay is taken by no rule.",
        why: "Where there is a file_spec, only what it names ships.",
        fix: "Name it in file_spec, or leave it out by mask.",
        example: "file_spec: [/etc/web/***]",
    },
    LongForm {
        code: "overlay-attributes",
        means: "A file of the overlay has extended attributes, which are not kept.",
        why: "They come from the machine of the checkout, and differ from one to the next.",
        fix: "Remove them from the file, or set them on the machine.",
        example: "setfattr -x user.comment rootfs/etc/web/web.conf",
    },
    LongForm {
        code: "overlay-rule",
        means: "A rule of [overlay] takes no file of the overlay, or names an owner whom the root file system does not know.",
        why: "The mode or owner that it is meant to give is not given.",
        fix: "Name a file below rootfs/ as it lies in the image; give an owner by number, or have a package bring the name.",
        example: "[overlay]\n\"/etc/sudoers.d/*\" = { mode = \"0440\", owner = \"root:root\" }",
    },
    LongForm {
        code: "overlay-writable",
        means: "Files that others may write to in the checkout are not writable for them in the image.",
        why: "Such modes come from the umask of the checkout, and a module must not depend on that.",
        fix: "Say the mode in builder.toml where it is meant.",
        example: "[overlay]\n\"/srv/shared\" = { mode = \"0775\" }",
    },
    LongForm {
        code: "file-mode",
        means: "A program of [[file]] has no mode, and no one may run it.",
        why: "An address gives no mode: the file is 0644.",
        fix: "Give it a mode.",
        example: "[[file]]\nmode = \"0755\"",
    },
    LongForm {
        code: "file-attributes",
        means: "Files of an archive of [[file]] have extended attributes, such as capabilities or access lists; or those of a root file system that is named have others than these.",
        why: "They are not kept: a program that needs a capability starts without it.",
        fix: "Have the service get what it needs, such as AmbientCapabilities= in its unit, or pass the finding where nothing needs them.",
        example: "module-builder build --allow file-attributes",
    },
    LongForm {
        code: "file-owner",
        means: "The owner of a [[file]] is a name that the root file system does not know.",
        why: "The file belongs to root then.",
        fix: "Give the number, or have a package bring the name.",
        example: "[[file]]\nowner = \"33:33\"",
    },
    LongForm {
        code: "file-packed",
        means: "A [[file]] looks like an archive and is taken as it is.",
        why: "The module has the archive, and not what is in it.",
        fix: "Say in which form it is packed, where its files are meant.",
        example: "[[file]]\nunpack = \"tar\"",
    },
    LongForm {
        code: "file-closed",
        means: "A file of [[file]] ships that its owner alone may read, and no `mode` says that it is meant so.",
        why: "What is closed in an archive is often a secret, and whoever has the module can read it.",
        fix: "Leave it out by `include` or by the mask, or give its `mode` where [[file]] is one file.",
        example: "[[file]]\nmode = \"0600\"",
    },
];
