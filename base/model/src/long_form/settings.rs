//! Settings, and what is to be had from archives.

use super::LongForm;

pub(super) const CODES: [LongForm; 13] = [
    LongForm {
        code: "bad-toml",
        means: "builder.toml is not TOML.",
        why: "No setting of it can be used.",
        fix: "Correct the line that the finding shows.",
        example: "suite = \"trixie\"",
    },
    LongForm {
        code: "unknown-setting",
        means: "The key is no setting.",
        why: "It would count for nothing, which most often is a spelling mistake in one that matters.",
        fix: "Correct the key as the hint says; `module-builder env` shows all settings.",
        example: "suit = \"trixie\"   # suite",
    },
    LongForm {
        code: "misplaced-setting",
        means: "The setting does not belong in this file.",
        why: "A module must come out the same on every machine, and a machine's own settings must not come with a module.",
        fix: "Move it to the file that the hint names.",
        example: "# ~/.config/module-builder/config.toml\njobs = 2",
    },
    LongForm {
        code: "bad-value",
        means: "The value is none that the setting can have.",
        why: "Nothing is guessed where bytes depend on it.",
        fix: "Correct it as the hint says; docs/formats/builder-toml.md has every setting.",
        example: "[overlay]\n\"/etc/sudoers.d/*\" = { mode = \"0440\" }",
    },
    LongForm {
        code: "too-large",
        means: "The settings file is larger than one can be.",
        why: "A settings file is a handful of lines: this is another file.",
        fix: "Look whether the right file is named builder.toml.",
        example: "ship = \"closure\"",
    },
    LongForm {
        code: "file-unusable",
        means: "A file of [[file]] could not be fetched, or is not what it should be.",
        why: "The module would lack it; a file of another digest may be anyone's.",
        fix: "Correct the address, the sha256 or the form that the finding names.",
        example: "[[file]]\nurl = \"https://example.org/tool.tar.gz\"\nsha256 = \"...\"\ndestination = \"/opt/tool\"\nunpack = \"tar\"",
    },
    LongForm {
        code: "host-apt",
        means: "An entry of this machine's own apt sources does not count, or counts in another way.",
        why: "The packages may come from elsewhere than apt on this machine would take them.",
        fix: "Name the archives in builder.toml, where they are the same on every machine.",
        example: "mirrors = [\"http://deb.example.org/debian\"]",
    },
    LongForm {
        code: "suite-missing",
        means: "The archives have no suite of the name that `suite` of builder.toml gives, with the components that are asked for.",
        why: "Nothing can be resolved from it.",
        fix: "Correct the name, or name mirrors that have the suite.",
        example: "suite = \"trixie\"",
    },
    LongForm {
        code: "package-missing",
        means: "No archive has a package of the name, for this suite and architecture.",
        why: "Nothing can be resolved without it.",
        fix: "Correct the name, or add the component or archive that has it to builder.toml.",
        example: "package_spec: [web]",
    },
    LongForm {
        code: "no-snapshot-archive",
        means: "The manifest wants a state of the archive at a moment, and no archive of past states is set.",
        why: "An ordinary mirror has today's packages only.",
        fix: "Name such an archive in builder.toml, or take the archives as they are by `--snapshot none`.",
        example: "snapshot_mirror = \"https://snapshot.example.org/archive/debian\"",
    },
    LongForm {
        code: "floating-versions",
        means: "There is no module.lock, so that the packages have the versions that the archives have now.",
        why: "The same module built later, or elsewhere, may be another one.",
        fix: "Write a lock, and keep it with the module.",
        example: "module-builder lock",
    },
    LongForm {
        code: "package-without-files",
        means: "A package of package_spec has no files of its own: it only depends on others.",
        why: "With ship = \"owned\" the files of the packages named are shipped, which are none of it.",
        fix: "Name the packages that the finding says it stands for; with ship = \"closure\" they are shipped anyway.",
        example: "package_spec: [web-1.2]   # for web",
    },
    LongForm {
        code: "pattern-too-costly",
        means: "The patterns of a list take more work than is done for one.",
        why: "What is refused here is refused on every machine, however fast.",
        fix: "Write names out where a pattern has many `*`: each further one multiplies what is compared.",
        example: "file_spec: [/usr/lib/*/libfoo.so.1*]",
    },
];
