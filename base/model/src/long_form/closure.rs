//! `ship = "closure"`: what packages and their scripts made.

use super::LongForm;

pub(super) const CODES: [LongForm; 12] = [
    LongForm {
        code: "base-changed",
        means: "A package or its script changes or removes a file of the base.",
        why: "The file is every module's: laid over the base, this one would change it for all of them.",
        fix: "Declare it where it is meant, mask it, or take the package away.",
        example: "[closure]\nreplaces = [\"/etc/alternatives/awk\"]",
    },
    LongForm {
        code: "base-recomputed",
        means: "A package brings what a program of the base computes a file from, and the file was computed anew.",
        why: "The module ships the new file over that of the base. Of two modules that do so only the upper one's counts.",
        fix: "Nothing has to be done for one module; of two, lay one over the other by dependencies.requires, and name the file in its closure.replaces.",
        example: "[closure]\nreplaces = [\"/usr/share/glib-2.0/schemas/gschemas.compiled\"]",
    },
    LongForm {
        code: "data-not-shipped",
        means: "A script made files below /var/lib for an account of a service: a data base.",
        why: "Data belongs to a machine: shipped, all machines would begin with the same identifiers and passwords. Without it the service may not start.",
        fix: "Say who makes it at first start.",
        example: "[closure.data]\n\"/var/lib/web\" = { command = [\"/usr/bin/web-init\"], user = \"web\" }",
    },
    LongForm {
        code: "secret-not-shipped",
        means: "A script made a secret, and nothing says how a machine makes its own.",
        why: "Shipped, all machines would share it; without it the service may not start.",
        fix: "Say who makes it at first start, or mask it where nothing needs it.",
        example: "[closure.secrets]\n\"/etc/web/key\" = { command = [\"/usr/bin/web-keygen\", \"/etc/web/key\"] }",
    },
    LongForm {
        code: "first-start-shipped",
        means: "builder.toml has something made at first start, and the module ships a file there.",
        why: "The file is there already, so the command never runs, and all machines share what is shipped.",
        fix: "Leave the file out of the module, or the path out of builder.toml.",
        example: "[closure.secrets]\n\"/etc/web/key\" = { command = [\"/usr/bin/web-keygen\", \"/etc/web/key\"] }   # and no rootfs/etc/web/key",
    },
    LongForm {
        code: "base-without-systemd",
        means: "The module has units, or files of sysusers.d or tmpfiles.d, and the base has not the program that reads them.",
        why: "minbase has no systemd: no account is made, /var stays empty, and no unit starts.",
        fix: "Lay the module over a base that has systemd, as a node's has.",
        example: "[base]\npackages = [\"systemd\", \"dbus\"]",
    },
    LongForm {
        code: "generated-masked",
        means: "A mask keeps out what the build makes for the node: accounts, what is in /var, or a link to what is made at first start.",
        why: "The node makes no account, or finds nothing in /var, and the service does not start.",
        fix: "Narrow the mask.",
        example: "mask: [/usr/lib/sysusers.d/web.conf]   # not /usr/lib/sysusers.d/*",
    },
    LongForm {
        code: "ships-node-program",
        means: "A dependency brings the service manager, the device manager, the message bus or the C library, which the base lacks.",
        why: "Every node has one of its own: laid over it, the module's hides it for all others, in another version at the next update.",
        fix: "Have the base bring it, or name its package in package_spec where the module is about it.",
        example: "[base]\npackages = [\"systemd\", \"dbus\"]",
    },
    LongForm {
        code: "large-closure",
        means: "The module has more than 50 MB, and these packages have most of it.",
        why: "Each node fetches and keeps it, once for every module that has the same packages in other versions.",
        fix: "Have a base that brings what several modules need; leave documentation out.",
        example: "[base]\npackages = [\"systemd\", \"dbus\", \"perl\"]",
    },
    LongForm {
        code: "scripts-not-run",
        means: "The variant unpacks packages and runs no maintainer script.",
        why: "Accounts, configuration and links that scripts make are missing, so that most services do not start.",
        fix: "Leave `variant` out of builder.toml, so that the packages are installed.",
        example: "ship = \"closure\"",
    },
    LongForm {
        code: "not-in-var",
        means: "Something in /var can be made by no line of tmpfiles.d: a device, a pipe, a socket, or a name that is no text.",
        why: "A node begins with an empty /var, and has only what tmpfiles.d makes there.",
        fix: "Mask it, or have the service make it.",
        example: "mask: [/var/lib/web/pipe]",
    },
    LongForm {
        code: "units-not-enabled",
        means: "Scripts enabled units that no service of the module and no package that it names has.",
        why: "They came with dependencies, and start on the node only if the module wants them to.",
        fix: "Name a unit in `services` to enable it.",
        example: "services:\n  - name: web.timer",
    },
];
