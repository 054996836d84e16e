#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

use std::collections::BTreeSet;

use super::*;

fn path(text: &str) -> ImagePath {
    ImagePath::new(text).unwrap()
}

/// The generators that read what is at a path, each with the directory.
fn readers(text: &str) -> Vec<String> {
    let path = path(text);
    let read = |generator: &Generator| Some(format!("{} {}", generator.name, generator.place(&path)?));
    Generator::all().iter().filter_map(read).collect()
}

fn generator(name: &str) -> &'static Generator {
    Generator::all().iter().find(|generator| generator.name == name).unwrap()
}

#[test]
fn a_file_is_read_by_the_program_that_computes_others_from_it() {
    for (file, reader) in [
        ("/etc/ld.so.conf.d/x.conf", "ldconfig /etc/ld.so.conf.d"),
        ("/usr/lib/sysusers.d/x.conf", "systemd-sysusers /usr/lib/sysusers.d"),
        ("/etc/tmpfiles.d/x.conf", "systemd-tmpfiles /etc/tmpfiles.d"),
        ("/etc/udev/hwdb.d/60-x.hwdb", "systemd-hwdb /etc/udev/hwdb.d"),
        ("/etc/locale.gen", "locale-gen /etc"),
        ("/usr/local/share/ca-certificates/x/y.crt", "update-ca-certificates /usr/local/share/ca-certificates"),
        ("/etc/ca-certificates.conf", "update-ca-certificates /etc"),
        ("/usr/share/pam-configs/x", "pam-auth-update /usr/share/pam-configs"),
        ("/usr/share/glib-2.0/schemas/a.gschema.xml", "glib-compile-schemas /usr/share/glib-2.0/schemas"),
        ("/etc/dconf/db/site.d/00-x", "dconf /etc/dconf/db"),
        ("/usr/share/icons/hicolor/48x48/apps/x.png", "gtk-update-icon-cache /usr/share/icons/hicolor"),
        ("/usr/share/mime/packages/x.xml", "update-mime-database /usr/share/mime"),
        ("/usr/share/applications/x.desktop", "update-desktop-database /usr/share/applications"),
        ("/usr/lib/modules/6.12.1/kernel/x.ko.xz", "depmod /usr/lib/modules/6.12.1"),
        (
            "/usr/lib/x86_64-linux-gnu/gdk-pixbuf-2.0/2.10.0/loaders/x.so",
            "gdk-pixbuf-query-loaders /usr/lib/x86_64-linux-gnu/gdk-pixbuf-2.0/2.10.0",
        ),
        ("/usr/lib/x86_64-linux-gnu/gio/modules/x.so", "gio-querymodules /usr/lib/x86_64-linux-gnu/gio/modules"),
        ("/usr/share/man/man1/x.1.gz", "mandb /usr/share/man"),
        ("/usr/share/fonts/truetype/x.ttf", "fc-cache /usr/share/fonts"),
    ] {
        assert_eq!(readers(file), [reader], "{file}");
    }
    for other in [
        "/etc/ssl/x.crt",
        "/usr/local/share/ca-certificates/x.pem",
        "/usr/share/icons/hicolor/icon-theme.cache",
        "/usr/share/icons/x.png",
        "/usr/share/mime/text/x.xml",
        "/usr/share/glib-2.0/schemas/gschemas.compiled",
        "/usr/share/glib-2.0/schemas/below/a.gschema.xml",
        "/etc/locale.gen.d/x",
    ] {
        assert_eq!(readers(other), [""; 0], "{other}");
    }
}

#[test]
fn what_a_program_writes_is_no_input_of_it() {
    let writes = |name: &str, place: &str, file: &str| generator(name).writes(&path(place), &path(file));
    let mime = "/usr/share/mime";
    assert!(writes("update-mime-database", mime, "/usr/share/mime/text/x.xml"));
    assert!(!writes("update-mime-database", mime, "/usr/share/mime/packages/x.xml"));
    assert!(!writes("update-mime-database", mime, "/usr/share/mimes"));
    assert!(writes("update-ca-certificates", "/etc", "/etc/ssl/certs/java/cacerts"));
    let icons = "/usr/share/icons/hicolor";
    assert!(writes("gtk-update-icon-cache", icons, "/usr/share/icons/hicolor/icon-theme.cache"));
    assert!(!writes("gtk-update-icon-cache", icons, "/usr/share/icons/other/icon-theme.cache"));
}

#[test]
fn arguments_and_outputs_are_those_of_the_directory() {
    let place = path("/usr/lib/modules/6.12.1");
    let depmod = generator("depmod");
    let How::Build(words) = depmod.how else { panic!("the build runs it") };
    assert_eq!(words.iter().map(|word| word.text(&place)).collect::<Vec<_>>(), ["6.12.1"]);
    assert_eq!(Word::Place.text(&place), "/usr/lib/modules/6.12.1");
    assert_eq!(depmod.output(&place).as_deref(), Some("/usr/lib/modules/6.12.1/modules.*"));
    assert_eq!(generator("ldconfig").output(&place).as_deref(), Some("/etc/ld.so.cache"));
}

#[test]
fn each_row_says_all_that_it_has_to() {
    let names: BTreeSet<&str> = Generator::all().iter().map(|generator| generator.name).collect();
    assert_eq!(names.len(), Generator::all().len(), "a name stands for one program");
    for generator in Generator::all() {
        let places = generator.inputs.iter().map(|(place, _)| place);
        assert!(generator.programs.iter().chain(places).all(|path| path.starts_with('/') && !path.ends_with('/')));
        assert!(!generator.inputs.is_empty() && generator.inputs.iter().all(|(_, names)| !names.is_empty()));
        let writes = !generator.outputs.is_empty();
        assert!(writes || generator.how == How::Node, "{} writes what?", generator.name);
    }
}
