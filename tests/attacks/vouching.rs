//! What comes with the sources vouches for nothing: settings, caches, results.

use crate::small::Small;

#[test]
fn a_modules_settings_name_no_cache_and_no_proxy() {
    let small = Small::new();
    for line in ["cache_dir = \".cache\"", "proxy = \"http://proxy.example.org:3128\"", "jobs = 1", "color = \"never\""]
    {
        small.write("m/builder.toml", &format!("suite = \"bookworm\"\n\n{line}\n"));
        for verb in [
            &["build", "-C", "m", "--rootfs", "root"][..],
            &["validate", "m"],
            &["env", "-C", "m"],
            &["lock", "-C", "m"],
        ] {
            let (code, out, err) = small.run(verb);
            assert_eq!((code, out.as_str()), (1, ""), "{verb:?} {err}");
            assert!(err.contains("m/builder.toml:3:1"), "{err}");
            assert!(err.contains("is not for a module to say"), "{err}");
            assert!(err.contains("~/.config/module-builder/config.toml"), "{err}");
        }
    }
    assert!(!small.path("m/.cache").exists());
}

#[test]
fn a_modules_keyring_leads_nowhere_else() {
    let small = Small::new();
    small.write("m/builder.toml", "keyring = \"../../etc/keys.gpg\"\n");
    let told = |small: &Small| small.run(&["build", "-C", "m", "--rootfs", "root"]);
    let (code, _, err) = told(&small);
    assert!(
        code == 1 && err.contains("m/builder.toml:1:11") && err.contains("leads out of the module"),
        "{code} {err}"
    );
    small.write("m/builder.toml", "keyring = \"key.gpg\"\n");
    small.link("m/key.gpg", "/etc/passwd");
    let (code, _, err) = told(&small);
    assert!(code == 1 && err.contains("leads out of the module"), "{code} {err}");
}
