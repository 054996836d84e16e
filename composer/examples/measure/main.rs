//! The composer's steps, each by itself, for `cargo xtask bench compose`.
//!
//! Every verb prints `name value` lines: seconds with six digits, and `peak_mib`, the most memory
//! that the process ever held. See `docs/performance.md`.

#![allow(clippy::disallowed_methods, reason = "a measurement reads its own files")]
#![allow(clippy::print_stdout, reason = "figures for the program that started this one")]

mod generate;

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use composer::filter::Filter;
use composer::hashing::{self, Hashed};
use composer::scan::{self, Options, Source};
use image::archive::{self, Parts, Plan, Targets};
use image::store::Store;
use image::tree::Tree;
use image::{composefs, verity};
use model::observe::Silent;
use model::rules::Rules;
use model::{Epoch, Manifest};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const USAGE: &str = "\
measure tree DIR                     generate 150,000 files of 3 GB in 30,000 directories and links
measure file FILE                    generate 4 GB
measure patterns COUNT FILE          write a manifest and, as FILE.rsync, the same rules for rsync
measure build ROOT MANIFEST OUT MODE filter, image, store, tar, digests; durable; MODE is tar, or
                                     zstd for module.tar.zst as well
measure digest ROOT                  the image's digest alone
measure scan ROOT                    names, owners, attributes
measure filter ROOT MANIFEST         scan and filter
measure image RUNS                   writing the image of 180,000 entries
measure verity FILE THREADS          fs-verity of one file";

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tree", directory] => return generate::tree(Path::new(directory)),
        ["file", file] => return generate::file(Path::new(file)),
        ["patterns", count, file] => return generate::patterns(count.parse()?, Path::new(file)),
        ["build", root, manifest, out, mode @ ("tar" | "zstd")] => {
            build(Path::new(root), Path::new(manifest), Path::new(out), mode == "zstd")?;
        }
        ["digest", root] => digest(Path::new(root))?,
        ["scan", root] => println!("names {}", scanned(Path::new(root))?.walk().count()),
        ["filter", root, manifest] => filter(Path::new(root), Path::new(manifest))?,
        ["image", runs] => write_image(runs.parse()?)?,
        ["verity", file, threads] => verity_of(Path::new(file), threads.parse()?)?,
        _ => return Err(USAGE.into()),
    }
    println!("peak_mib {}", peak()?);
    Ok(())
}

/// Prints how long `work` takes.
fn timed<T>(name: &str, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let start = Instant::now();
    let result = work()?;
    println!("{name} {:.6}", start.elapsed().as_secs_f64());
    Ok(result)
}

/// The peak of resident memory in MiB, as the kernel counted it.
fn peak() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}

fn scanned(root: &Path) -> Outcome<Tree<Source>> {
    timed("scan", || Ok(scan::rootfs(root, &Options::default())?))
}

fn rules(manifest: &Path) -> Outcome<Rules> {
    let parsed = Manifest::parse(&fs::read(manifest)?);
    let manifest = parsed.manifest.ok_or_else(|| format!("{:?}", parsed.diagnostics.first()))?;
    Ok(Rules::new(manifest.lists(&"manifest.yaml".into()), &[]))
}

fn filtered(root: &Path, manifest: &Path) -> Outcome<Tree<Source>> {
    let tree = scanned(root)?;
    let rules = rules(manifest)?;
    timed("filter", || Ok(Filter::new(&rules, &tree)?.apply(&tree)?.tree))
}

fn filter(root: &Path, manifest: &Path) -> Outcome {
    println!("kept {}", filtered(root, manifest)?.walk().count());
    Ok(())
}

fn build(root: &Path, manifest: &Path, out: &Path, zstd: bool) -> Outcome {
    let epoch = Epoch::from_seconds(1_700_000_000)?;
    let tree = filtered(root, manifest)?;
    fs::create_dir_all(out)?;
    let directory = host::Dir::open(out)?;
    let store = Store::create(directory.directory_or_new("objects", 0o755)?)?;
    let hashed = timed("seal", || Ok(hashing::hash_files(tree, &[&store], None, &Silent)?))?;
    let image = timed("image", || Ok(composefs::write(&hashed)?))?;
    let digest = verity::digest(&image);
    fs::write(out.join("module.cfs"), &image)?;
    fs::write(out.join("sha256"), sums(&hashed))?;
    let manifest = fs::read(manifest)?;
    let plan = Plan::new(&Parts { manifest: &manifest, image: &image, image_digest: &digest }, &hashed, &store, epoch);
    let place = |name| archive::Place { directory: &directory, name };
    let targets =
        Targets { tar: Some(place("module.tar")), packed: zstd.then_some((place("module.tar.zst"), archive::LEVEL)) };
    let written = timed("archive", || {
        let (stored, written) = rayon::join(|| store.sync(), || archive::write(&plan, targets));
        stored?;
        Ok(written?)
    })?;
    timed("sync", || Ok(store.sync()?))?;
    fs::write(out.join("digests"), format!("{digest}\n{written:?}\n"))?;
    Ok(())
}

fn sums(tree: &Tree<Hashed>) -> Vec<u8> {
    let mut text = Vec::new();
    for (path, _, node) in tree.walk() {
        if let image::tree::Kind::Regular(file) = &node.kind {
            let _ = writeln!(text, "{}  {path}", file.sha256);
        }
    }
    text
}

fn digest(root: &Path) -> Outcome {
    let tree = scanned(root)?;
    let measured = timed("seal", || Ok(hashing::measure(tree, &Silent)?))?;
    let image = timed("image", || Ok(composefs::write(&measured)?))?;
    println!("digest {}", verity::digest(&image));
    Ok(())
}

fn write_image(runs: usize) -> Outcome {
    let tree = generate::hashed()?;
    println!("names {}", tree.walk().count());
    for _ in 0..runs {
        let image = timed("image", || Ok(composefs::write(&tree)?))?;
        println!("bytes {}", image.len());
    }
    Ok(())
}

fn verity_of(path: &Path, threads: usize) -> Outcome {
    let file = fs::File::open(path)?;
    let size = file.metadata()?.len();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    println!("digest {}", pool.install(|| verity::digest_of_file(&file, size))?);
    Ok(())
}
