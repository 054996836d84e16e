//! What programs compute from the files of an overlay, with real packages.
//!
//! Needs root, mmdebstrap and the archive.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use image::composefs;
use image::tree::Kind;
use model::ImagePath;

const SCHEMA: &str = "<schemalist><schema id=\"org.site\" path=\"/org/site/\"><key name=\"on\" type=\"b\"><default>true</default></key></schema></schemalist>\n";
const MIME: &str = "<?xml version=\"1.0\"?>\n<mime-info xmlns=\"http://www.freedesktop.org/standards/shared-mime-info\"><mime-type type=\"application/x-site\"><comment>Site</comment><glob pattern=\"*.site\"/></mime-type></mime-info>\n";

struct Module(tempfile::TempDir);

impl Module {
    fn new(packages: &str, settings: &str) -> Self {
        let module = Self(tempfile::tempdir().unwrap());
        module.put("builder.toml", &format!("suite = \"trixie\"\n{settings}"));
        module.packages(packages);
        module
    }

    fn packages(&self, packages: &str) {
        self.put("manifest.yaml", &format!("schema_version: 1\nname: site\npackage_spec: [{packages}]\n"));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    /// A certificate that signed itself.
    fn certificate(&self) {
        let folder = self.path("rootfs/usr/local/share/ca-certificates");
        fs::create_dir_all(&folder).unwrap();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=Site", "-keyout"])
            .arg(self.path("key"))
            .arg("-out")
            .arg(folder.join("site.crt"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_module-builder"));
        command
            .env_remove("SOURCE_DATE_EPOCH")
            .env("MODULE_BUILDER_CACHE_DIR", testkit::warm_cache())
            .current_dir(self.0.path());
        command.args(arguments).output().unwrap()
    }

    /// Builds it; gives what was said.
    #[track_caller]
    fn builds(&self) -> String {
        let output = self.run(&["build", "--progress", "none"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        said
    }

    fn list(&self) -> Vec<String> {
        fs::read_to_string(self.path("dist/file-list.txt")).unwrap().lines().map(str::to_owned).collect()
    }

    fn generated(&self) -> Vec<String> {
        let entries: serde_json::Value =
            serde_json::from_slice(&fs::read(self.path("dist/file-list.json")).unwrap()).unwrap();
        let entries = entries.as_array().unwrap().iter().filter(|entry| entry["from"] == "generated");
        entries.map(|entry| entry["path"].as_str().unwrap().to_owned()).collect()
    }

    fn digest(&self) -> Vec<u8> {
        fs::read(self.path("dist/module.cfs")).unwrap()
    }
}

#[test]
fn what_an_overlay_brings_is_computed_and_ships() {
    let module = Module::new(
        "ca-certificates, libglib2.0-bin, shared-mime-info",
        "ship = \"closure\"\ndocumentation = false\n[base]\n",
    );
    module.certificate();
    module.put("rootfs/usr/share/glib-2.0/schemas/org.site.gschema.xml", SCHEMA);
    module.put("rootfs/usr/share/mime/packages/site.xml", MIME);
    let said = module.builds();
    assert!(!said.contains("generator-not-run"), "{said}");
    let generated = module.generated();
    for path in [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/ssl/certs/site.pem",
        "/usr/share/glib-2.0/schemas/gschemas.compiled",
        "/usr/share/mime/mime.cache",
        "/usr/share/mime/application/x-site.xml",
    ] {
        assert!(generated.iter().any(|other| other == path), "{path}: {generated:?}");
    }
    let hashed = |path: &&String| path.starts_with("/etc/ssl/certs/") && path.ends_with(".0");
    assert_eq!(generated.iter().filter(hashed).count(), 1, "the links of the other certificates are as they were");
    let tree = composefs::read(&module.digest()).unwrap();
    let id = tree.lookup(&ImagePath::new("/etc/ssl/certs/site.pem").unwrap()).unwrap();
    let target = b"/usr/local/share/ca-certificates/site.crt";
    assert!(matches!(&tree.node(id).kind, Kind::Symlink(to) if **to == *target), "{:?}", tree.node(id).kind);
    let told = module.run(&["explain", "/etc/ssl/certs/site.pem", "."]);
    assert!(String::from_utf8_lossy(&told.stdout).contains("the build makes it"), "{told:?}");
    let first = module.digest();
    module.builds();
    assert!(module.digest() == first, "from the cache");
    module.put("rootfs/usr/share/mime/packages/site.xml", &MIME.replace("*.site", "*.other"));
    module.builds();
    assert!(module.digest() != first, "of other files something else is computed");
}

#[test]
fn what_no_program_saw_is_one_finding_that_says_what_to_do() {
    let module = Module::new("hello", "");
    module.certificate();
    let said = module.builds();
    assert_eq!(said.matches("generator-not-run").count(), 1, "{said}");
    assert!(
        said.contains("warning[generator-not-run]: /usr/local/share/ca-certificates/site.crt of the module is read by update-ca-certificates alone, and the root file system has no such program"),
        "{said}"
    );
    assert!(said.contains("add the package that brings update-ca-certificates to package_spec"), "{said}");
    // As it says.
    module.packages("hello, ca-certificates");
    let said = module.builds();
    assert!(!said.contains("generator-not-run"), "{said}");
    assert!(module.list().iter().any(|path| path == "/etc/ssl/certs/ca-certificates.crt"));
    // Where nothing runs.
    module.put("builder.toml", "suite = \"trixie\"\nvariant = \"extract\"\n");
    let said = module.builds();
    assert!(said.contains("which did not run over it: the variant extract runs no program"), "{said}");
    // A schema that is none.
    let module = Module::new("libglib2.0-bin", "");
    module.put("rootfs/usr/share/mime/packages/x.xml", "no");
    module.put("rootfs/usr/share/glib-2.0/schemas/org.site.gschema.xml", SCHEMA);
    let said = module.builds();
    assert!(
        said.contains("is read by update-mime-database alone, and the root file system has no such program"),
        "{said}"
    );
    assert!(module.list().iter().any(|path| path == "/usr/share/glib-2.0/schemas/gschemas.compiled"));
}

#[test]
fn a_packages_file_without_what_is_computed_from_it_is_a_finding() {
    let module = Module::new("ca-certificates", "");
    let said = module.builds();
    assert_eq!(said.matches("generator-not-run").count(), 1, "{said}");
    assert!(said.contains("have no effect without /etc/ssl/certs/ca-certificates.crt, which"), "{said}");
    assert!(said.contains("add `/etc/ssl/certs/**` to file_spec"), "{said}");
    module.put(
        "manifest.yaml",
        "schema_version: 1\nname: site\npackage_spec: [ca-certificates]\nfile_spec: [\"/etc/ssl/certs/**\"]\n",
    );
    let said = module.builds();
    assert!(!said.contains("generator-not-run"), "{said}");
}
