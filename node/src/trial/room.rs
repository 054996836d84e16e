//! The room: layers over each other, and what a program expects around them.

use std::path::{Path, PathBuf};

use host::process::{self, Captured, Invocation, Isolation, Step};
use host::{Dir, Links};

use super::{cgroup, own, privilege};
use crate::Error;

/// Where programs of a tree are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The exit code of this program where it could not come to starting another.
const NOT_STARTED: i32 = 126;
/// The exit code where the program is not in the tree.
const NO_SUCH_PROGRAM: i32 = 127;

/// What would help where namespaces or mounts are refused.
const HINT: &str = "run it as root on the machine itself, in a privileged container, or where user namespaces may be \
                    made; a kernel from 5.11 on has all that is needed";

/// What the layers come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As on a node: nothing can be written to the layers, and `/var` is empty.
    Node,
    /// As on a machine on which packages are installed: everything can be written to, and nothing of it stays.
    Installed,
}

/// A room before something runs in it: the layers are in a directory of this run.
#[derive(Debug)]
pub struct Room {
    /// The directory, by an absolute path.
    directory: PathBuf,
    /// The names of the layers in it, the uppermost first.
    layers: Vec<PathBuf>,
    form: Form,
    /// Whether something was written into the layer that is made here.
    is_prepared: bool,
}

/// The name of the layer that programs of the tree write before the start.
const MADE: &str = "made";
/// A directory beside it, for the kernel.
const WORK: &str = "work";
/// What becomes the root.
const ROOT: &str = "root";
/// The trial's own layer.
const OWN: &str = "own";

impl Room {
    /// A room in `directory`, whose layers are its directories (or links to directories) `layers`, the uppermost first,
    /// below the trial's `own` one.
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub fn new(
        directory: &Dir,
        layers: Vec<PathBuf>,
        own: &std::collections::BTreeMap<String, own::Entry>,
        form: Form,
    ) -> Result<Self, Error> {
        for name in [MADE, WORK, ROOT] {
            directory.create_directory(name, 0o755)?;
        }
        own::write(own, &directory.create_directory(OWN, 0o755)?)?;
        let path = std::path::absolute(directory.path()).map_err(Error::io("find", directory.path()))?;
        Ok(Self { directory: path, layers, form, is_prepared: false })
    }

    /// The layers for the kernel, the uppermost first.
    fn lower(&self, with_made: bool) -> Vec<PathBuf> {
        let made = with_made.then(|| PathBuf::from(MADE));
        made.into_iter().chain([PathBuf::from(OWN)]).chain(self.layers.iter().cloned()).collect()
    }

    /// Runs a program of the tree, which may write to it, before anything is started. None where the tree does not have it.
    ///
    /// # Errors
    /// [`Error::Machine`] where the machine does not allow it.
    pub fn prepare(&mut self, program: Invocation) -> Result<Option<Captured>, Error> {
        self.is_prepared = true;
        let overlay = Step::Overlay { lower: self.lower(false), upper: Some((MADE.into(), WORK.into())) };
        let plan = self.plan(overlay, Form::Installed, None, None)?;
        let invocation = self.invocation(&plan, program)?;
        // A trial has its namespace of users around the whole of it; a build of a user has none.
        let invocation = if privilege::is_enough() { invocation } else { privilege::in_namespace(invocation) };
        let captured = process::capture(&invocation)?;
        self.open_work();
        let said = String::from_utf8_lossy(&captured.stderr).trim().to_owned();
        match captured.status.code() {
            Some(NOT_STARTED) if said.starts_with("cannot ") => Err(refused(&said)),
            Some(NO_SUCH_PROGRAM) if said.starts_with("cannot ") => Ok(None),
            _ => Ok(Some(captured)),
        }
    }

    /// Lets the directory be removed that the kernel keeps beside the layer: its owner may not read it.
    fn open_work(&self) {
        let work = self.directory.join(WORK).join(WORK);
        // Where there is none, nothing is in the way.
        let _ = rustix::fs::chmod(&work, rustix::fs::Mode::RWXU);
    }

    /// What runs `program` as the first process of the room, and the room's cgroup; where it runs nothing, the room is held.
    pub(super) fn start(&self, report: &Path, program: Option<Invocation>) -> Result<(Invocation, PathBuf), Error> {
        let overlay = match self.form {
            Form::Node => Step::Overlay { lower: self.lower(self.is_prepared), upper: None },
            Form::Installed => Step::Overlay { lower: self.lower(false), upper: Some((MADE.into(), WORK.into())) },
        };
        let cgroup = cgroup::place()?;
        let plan = self.plan(overlay, self.form, Some(cgroup.clone()), Some(report.to_owned()))?;
        let invocation = match program {
            Some(program) => self.invocation(&plan, program)?,
            None => in_directory(&self.directory, Invocation::confined(&plan)?),
        };
        Ok((invocation, cgroup))
    }

    fn invocation(&self, plan: &Isolation, program: Invocation) -> Result<Invocation, Error> {
        Ok(in_directory(&self.directory, Invocation::confined(plan)?.runs(program)))
    }

    fn plan(
        &self,
        overlay: Step,
        form: Form,
        cgroup: Option<PathBuf>,
        report: Option<PathBuf>,
    ) -> Result<Isolation, Error> {
        let mut steps = vec![overlay];
        if form == Form::Node {
            steps.push(tmpfs("var", "mode=755"));
        }
        steps.extend(devices());
        steps.extend([tmpfs("run", "mode=755"), tmpfs("tmp", "mode=1777")]);
        steps.push(mount("proc", "proc", "", true, false));
        for name in ["sys", "irq", "bus", "sysrq-trigger"] {
            // What is written there is the machine's own business.
            if Dir::open(Path::new("/proc"))?.kind(name)?.is_some() {
                steps.push(Step::Seal { at: Path::new("proc").join(name) });
            }
        }
        steps.push(mount("sysfs", "sys", "", true, true));
        if cgroup.is_some() {
            steps.push(mount("cgroup2", "sys/fs/cgroup", "", true, false));
        }
        let host_name = own::HOST_NAME.to_owned();
        Ok(Isolation { host_name, root: ROOT.into(), steps, cgroup, report, no_devices: true })
    }

    /// A file that programs of the tree have made before the start; none where they did not.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn made(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let made = Dir::open(&self.directory.join(MADE))?;
        Ok(made.read_if_there(path, Links::Refuse, limit)?)
    }

    /// The directory with all that programs of the tree wrote before the start.
    #[must_use]
    pub fn made_directory(&self) -> PathBuf {
        self.directory.join(MADE)
    }

    /// The directory of the room.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Runs in the room's directory, with what every program of a tree sees.
fn in_directory(directory: &Path, invocation: Invocation) -> Invocation {
    environment(invocation.within(directory))
}

/// What every program of a tree sees in its environment.
pub(super) fn environment(invocation: Invocation) -> Invocation {
    let invocation = invocation.variable("PATH", PATH).variable("LANG", "C.UTF-8").variable("HOME", "/root");
    invocation.variable("container", "module-builder").variable("TERM", "dumb")
}

/// What it means that the set-up failed.
pub(super) fn refused(said: &str) -> Error {
    let hint = if said.contains("cgroup") { cgroup::HINT } else { HINT };
    Error::Machine { what: model::path::escape(said.as_bytes()), hint }
}

fn mount(kind: &str, at: &str, options: &str, no_programs: bool, read_only: bool) -> Step {
    Step::Mount { kind: kind.to_owned(), at: at.into(), options: options.to_owned(), no_programs, read_only }
}

fn tmpfs(at: &str, options: &str) -> Step {
    mount("tmpfs", at, options, false, false)
}

/// `/dev` with what every program may expect, and nothing of the machine's disks and terminals.
fn devices() -> Vec<Step> {
    let mut steps = vec![tmpfs("dev", "mode=755,size=4m")];
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let at = Path::new("dev").join(name);
        steps.extend([
            Step::File { at: at.clone() },
            Step::Bind { from: Path::new("/dev").join(name), at, read_only: false },
        ]);
    }
    for (name, mode) in [("pts", 0o755), ("shm", 0o1777), ("mqueue", 0o1777), ("hugepages", 0o755)] {
        steps.push(Step::Directory { at: Path::new("dev").join(name), mode });
    }
    steps.push(mount("devpts", "dev/pts", "newinstance,ptmxmode=0666,mode=620,gid=5", true, false));
    steps.push(tmpfs("dev/shm", "mode=1777"));
    for (name, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("core", "/proc/kcore"),
    ] {
        steps.push(Step::Link { at: Path::new("dev").join(name), target: target.into() });
    }
    steps
}
