//! The table of programs that compute files from others.
//!
//! Each row is what the program's own documentation says of it, named there; no row knows a package.

use super::{Generator, How, Need, Word};

use Word::{Name, Place, Text};

/// Every program that is known.
pub(super) const TABLE: &[Generator] = &[
    // ldconfig(8)
    Generator {
        name: "ldconfig",
        programs: &["/usr/sbin/ldconfig"],
        inputs: &[("/etc/ld.so.conf.d", &["*.conf"])],
        outputs: &["/etc/ld.so.cache"],
        need: Need::Always,
        how: How::Node,
    },
    // systemd-sysusers(8), sysusers.d(5)
    Generator {
        name: "systemd-sysusers",
        programs: &["/usr/bin/systemd-sysusers"],
        inputs: &[("/usr/lib/sysusers.d", &["*.conf"]), ("/etc/sysusers.d", &["*.conf"])],
        outputs: &["/etc/passwd", "/etc/group"],
        need: Need::Always,
        how: How::Node,
    },
    // systemd-tmpfiles(8), tmpfiles.d(5)
    Generator {
        name: "systemd-tmpfiles",
        programs: &["/usr/bin/systemd-tmpfiles"],
        inputs: &[("/usr/lib/tmpfiles.d", &["*.conf"]), ("/etc/tmpfiles.d", &["*.conf"])],
        outputs: &[],
        need: Need::Always,
        how: How::Node,
    },
    // journalctl(1), --update-catalog; systemd-journal-catalog-update.service
    Generator {
        name: "journalctl --update-catalog",
        programs: &["/usr/bin/journalctl"],
        inputs: &[("/usr/lib/systemd/catalog", &["*.catalog"])],
        outputs: &["/var/lib/systemd/catalog/database"],
        need: Need::Faster,
        how: How::Node,
    },
    // systemd-hwdb(8), hwdb(7)
    Generator {
        name: "systemd-hwdb",
        programs: &["/usr/bin/systemd-hwdb"],
        inputs: &[("/usr/lib/udev/hwdb.d", &["*.hwdb"]), ("/etc/udev/hwdb.d", &["*.hwdb"])],
        outputs: &["/usr/lib/udev/hwdb.bin"],
        need: Need::Always,
        how: How::Build(&[Text("--usr"), Text("update")]),
    },
    // locale-gen(8), locale.gen(5)
    Generator {
        name: "locale-gen",
        programs: &["/usr/sbin/locale-gen"],
        inputs: &[("/etc", &["locale.gen"]), ("/usr/local/share/i18n", &["SUPPORTED"])],
        outputs: &["/usr/lib/locale/locale-archive"],
        need: Need::Always,
        how: How::Build(&[]),
    },
    // update-ca-certificates(8). Its hooks in /etc/ca-certificates/update.d write further stores beside its own, such as
    // that of a Java runtime.
    Generator {
        name: "update-ca-certificates",
        programs: &["/usr/sbin/update-ca-certificates"],
        inputs: &[
            ("/usr/local/share/ca-certificates", &["**/*.crt"]),
            ("/usr/share/ca-certificates", &["**/*.crt"]),
            ("/etc", &["ca-certificates.conf", "ca-certificates/update.d/*"]),
        ],
        outputs: &["/etc/ssl/certs/**"],
        need: Need::Always,
        how: How::Build(&[]),
    },
    // pam-auth-update(8): the profiles that packages bring become what every service of PAM includes.
    Generator {
        name: "pam-auth-update",
        programs: &["/usr/sbin/pam-auth-update"],
        inputs: &[("/usr/share/pam-configs", &["*"])],
        outputs: &["/etc/pam.d/common-*"],
        need: Need::Always,
        how: How::Build(&[Text("--package")]),
    },
    // glib-compile-schemas(1)
    Generator {
        name: "glib-compile-schemas",
        programs: &["/usr/bin/glib-compile-schemas", "/usr/lib/*/glib-2.0/glib-compile-schemas"],
        inputs: &[
            ("/usr/share/glib-2.0/schemas", &["*.gschema.xml", "*.enums.xml", "*.gschema.override"]),
            ("/usr/local/share/glib-2.0/schemas", &["*.gschema.xml", "*.enums.xml", "*.gschema.override"]),
        ],
        outputs: &["gschemas.compiled"],
        need: Need::Always,
        how: How::Build(&[Place]),
    },
    // dconf(1), "update"
    Generator {
        name: "dconf",
        programs: &["/usr/bin/dconf"],
        inputs: &[("/etc/dconf/db", &["*.d/**"])],
        outputs: &["*"],
        need: Need::Always,
        how: How::Build(&[Text("update"), Place]),
    },
    // gtk-update-icon-cache(1)
    Generator {
        name: "gtk-update-icon-cache",
        programs: &["/usr/bin/gtk-update-icon-cache", "/usr/bin/gtk4-update-icon-cache"],
        inputs: &[("/usr/share/icons/*", &["**"])],
        outputs: &["icon-theme.cache"],
        need: Need::Faster,
        how: How::Build(&[Text("--force"), Text("--quiet"), Place]),
    },
    // update-mime-database(1), "Shared MIME-info Database" of freedesktop.org
    Generator {
        name: "update-mime-database",
        programs: &["/usr/bin/update-mime-database"],
        inputs: &[("/usr/share/mime", &["packages/*.xml"]), ("/usr/local/share/mime", &["packages/*.xml"])],
        outputs: &["**"],
        need: Need::Always,
        how: How::Build(&[Place]),
    },
    // update-desktop-database(1)
    Generator {
        name: "update-desktop-database",
        programs: &["/usr/bin/update-desktop-database"],
        inputs: &[("/usr/share/applications", &["*.desktop"]), ("/usr/local/share/applications", &["*.desktop"])],
        outputs: &["mimeinfo.cache"],
        need: Need::Always,
        how: How::Build(&[Text("--quiet"), Place]),
    },
    // depmod(8)
    Generator {
        name: "depmod",
        programs: &["/usr/sbin/depmod"],
        inputs: &[("/usr/lib/modules/*", &["**/*.ko", "**/*.ko.xz", "**/*.ko.gz", "**/*.ko.zst"])],
        outputs: &["modules.*"],
        need: Need::Always,
        how: How::Build(&[Name]),
    },
    // iconvconfig(8)
    Generator {
        name: "iconvconfig",
        programs: &["/usr/sbin/iconvconfig"],
        inputs: &[("/usr/lib/*/gconv", &["gconv-modules.d/*.conf"])],
        outputs: &["gconv-modules.cache"],
        need: Need::Faster,
        how: How::Build(&[]),
    },
    // gdk-pixbuf-query-loaders(1), --update-cache
    Generator {
        name: "gdk-pixbuf-query-loaders",
        programs: &["/usr/lib/*/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders", "/usr/bin/gdk-pixbuf-query-loaders"],
        inputs: &[("/usr/lib/*/gdk-pixbuf-2.0/*", &["loaders/*.so"])],
        outputs: &["loaders.cache"],
        need: Need::Always,
        how: How::Unsorted,
    },
    // gio-querymodules(1)
    Generator {
        name: "gio-querymodules",
        programs: &["/usr/lib/*/glib-2.0/gio-querymodules", "/usr/bin/gio-querymodules"],
        inputs: &[("/usr/lib/*/gio/modules", &["*.so"])],
        outputs: &["giomodule.cache"],
        need: Need::Faster,
        how: How::Unsorted,
    },
    // gtk-query-immodules-3.0(1), --update-cache
    Generator {
        name: "gtk-query-immodules-3.0",
        programs: &["/usr/lib/*/libgtk-3-0*/gtk-query-immodules-3.0", "/usr/bin/gtk-query-immodules-3.0"],
        inputs: &[("/usr/lib/*/gtk-3.0/3.0.0", &["immodules/*.so"])],
        outputs: &["immodules.cache"],
        need: Need::Always,
        how: How::Unsorted,
    },
    // fc-cache(1): a program that looks for fonts reads the directories itself where the cache does not have them.
    Generator {
        name: "fc-cache",
        programs: &["/usr/bin/fc-cache"],
        inputs: &[("/usr/share/fonts", &["**"]), ("/usr/local/share/fonts", &["**"])],
        outputs: &["/var/cache/fontconfig/**"],
        need: Need::Faster,
        how: How::Node,
    },
    // mandb(8): man finds a page by its name without.
    Generator {
        name: "mandb",
        programs: &["/usr/bin/mandb"],
        inputs: &[("/usr/share/man", &["**"]), ("/usr/local/share/man", &["**"])],
        outputs: &["/var/cache/man/**"],
        need: Need::Faster,
        how: How::Node,
    },
];
