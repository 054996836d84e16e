//! The errors of `node`.

use model::ImagePath;
use node::Error as E;
use rustix::io::Errno;

use crate::files::system;
use crate::rows;

fn path() -> ImagePath {
    ImagePath::new("/x").unwrap()
}

pub(crate) fn rows() -> Vec<String> {
    let process = || host::process::Error::Io { program: "x".to_owned(), source: Errno::IO.into() };
    let image = || image::Error::ChangedMeanwhile { path: "x".into() };
    rows!("node", E:
        E::Host(_) => E::Host(system(Errno::IO)),
        E::Image(_) => E::Image(image()),
        E::Process(_) => E::Process(process()),
        E::TooDeep { .. } => E::TooDeep { path: path(), limit: 1 },
        E::Digest { .. } => E::Digest { path: path() },
        E::Machine { .. } => E::Machine { what: "x".to_owned(), hint: "what the machine needs" },
        E::Words { .. } => E::Words { program: "x", what: "y".to_owned() },
    )
}
