//! What two modules of one node both claim.

use super::LongForm;

pub(super) const CODES: [LongForm; 11] = [
    LongForm {
        code: "both-protect",
        means: "This module and a neighbour protect the same path.",
        why: "Each keeps the other from shipping it, so that no module ships it and the node does not have it.",
        fix: "Decide whose it is: take the pattern out of the other's protected_spec, or put the path into the other's mask.",
        example: "protected_spec: [/etc/web/***]   # in one of the two",
    },
    LongForm {
        code: "protected-file",
        means: "One module protects a path that another names in its file_spec.",
        why: "The other does not ship what its manifest says that it does; where the first does not have the file, no module ships it.",
        fix: "Narrow one of the two patterns, or put the path into the mask of the module that it does not belong to.",
        example: "file_spec: [/etc/***]\nmask: [/etc/web/***]",
    },
    LongForm {
        code: "both-ship",
        means: "Two modules name the same path in their file_spec.",
        why: "The module that is mounted higher hides the other's file, and which one that is the manifests do not say.",
        fix: "Narrow one of the two patterns, or put the path into the mask of the module that it does not belong to.",
        example: "mask: [/usr/sbin/web]",
    },
    LongForm {
        code: "port-conflict",
        means: "Two services of this module, or one of it and one of a neighbour, declare the same port.",
        why: "The one that starts second cannot listen there, and fails.",
        fix: "Have one of the two listen on another port, or each on an address of its own.",
        example: "exposed_ports:\n  - port: 8081",
    },
    LongForm {
        code: "conflicts-too-costly",
        means: "The lists of two modules are too long and too much alike to be compared to the end.",
        why: "There may be conflicts that are not listed.",
        fix: "Put the wildcards further back in the patterns, or fewer patterns into the lists.",
        example: "protected_spec: [/etc/web/***]",
    },
    LongForm {
        code: "protected-by-neighbour",
        means: "A neighbour protects files that this module's packages brought and that its manifest does not name.",
        why: "They are not shipped here. That is what protecting is for: the neighbour's are the ones that count.",
        fix: "Nothing has to be done where the neighbour ships the same; else narrow its pattern.",
        example: "protected_spec: [/etc/ssl/web.cnf]   # in the neighbour",
    },
    LongForm {
        code: "account-conflict",
        means: "Two modules give one number to two names, or two numbers to one name.",
        why: "Files of one account would be another's on the node.",
        fix: "Give each name one number in the whole fleet.",
        example: "[accounts]\nweb = 312",
    },
    LongForm {
        code: "accounts-unknown",
        means: "It is not known which numbers a module with ship = \"closure\" gives to the accounts of its packages.",
        why: "A build proposes them when the packages are installed. Two modules may have proposed one number for two names.",
        fix: "Build the module, best with a module.lock, and compare once more.",
        example: "module-builder lock web && module-builder build -C web",
    },
    LongForm {
        code: "requires-missing",
        means: "A module that dependencies.requires names is not in the directories of --modules, or not built.",
        why: "What it brings cannot be left to it: the module would ship it again, or lack it.",
        fix: "Name the directory in which the module or its repository is by --modules, and build that module first.",
        example: "module-builder build web --modules modules/",
    },
    LongForm {
        code: "requires-version",
        means: "A module that dependencies.requires names is there in another version than the range asks for.",
        why: "The module was written for what other versions bring.",
        fix: "Build the version that is asked for, or correct the range; a module without a version satisfies only `*`.",
        example: "dependencies:\n  requires: [\"redis-tools ^1.0\"]",
    },
    LongForm {
        code: "requires-ambiguous",
        means: "Several modules in the directories of --modules are what dependencies.requires names.",
        why: "Which of them the node has decides what this module ships.",
        fix: "Leave one of them in the directories of --modules.",
        example: "module-builder build web --modules modules/",
    },
];
