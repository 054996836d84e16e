//! What C tools make of a dump and of an image.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use testkit::{peer, run};

/// How many random cases to run, of which `usual` make a run of some seconds.
pub(crate) fn cases(usual: u64) -> u64 {
    std::env::var("MODULE_BUILDER_CASES").ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(1) * usual
}

/// The image that C tools make of a dump, or their complaint.
pub(crate) fn c_image(dump: &[u8], arguments: &[&str], folder: &Path) -> Result<Vec<u8>, String> {
    let out = folder.join("c.cfs");
    let mut command = peer("mkcomposefs");
    command.args(arguments).args(["--from-file", "-"]).arg(&out);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    // A refusal may come before the end of the text.
    let written = child.stdin.take().unwrap().write_all(dump);
    let output = child.wait_with_output().unwrap();
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    written.unwrap();
    Ok(fs::read(out).unwrap())
}

/// The dump that C tools make of an image.
pub(crate) fn c_dump(image: &[u8], folder: &Path) -> Vec<u8> {
    let path = folder.join("ours.cfs");
    fs::write(&path, image).unwrap();
    run(peer("composefs-info").arg("dump").arg(path)).stdout
}

/// Fails with the first difference.
pub(crate) fn assert_same(ours: &[u8], theirs: &[u8], what: &str) {
    if ours == theirs {
        return;
    }
    let at = ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or_else(|| ours.len().min(theirs.len()));
    let window = |bytes: &[u8]| {
        let bytes = &bytes[at.saturating_sub(80).min(bytes.len())..(at + 80).min(bytes.len())];
        String::from_utf8_lossy(bytes).escape_debug().to_string()
    };
    panic!(
        "{what}: {} bytes of ours and {} of theirs differ at {at}:\nours   {}\ntheirs {}",
        ours.len(),
        theirs.len(),
        window(ours),
        window(theirs)
    );
}

/// Fails where `fsck.erofs` finds an error.
pub(crate) fn fsck(image: &[u8], folder: &Path) {
    let path = folder.join("fsck.cfs");
    fs::write(&path, image).unwrap();
    // Without the sizes of files, since objects are not in the image: they read as zeros.
    let output = run(peer("fsck.erofs").arg(path));
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("<E>"), "{text}");
}
