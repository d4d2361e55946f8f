//! `mini-chroot build`: programs of the host, with their loaders and libraries.
//!
//! Read: ld.so(8), elf(5)

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use labs::explain::Explain;
use labs::root::build;

/// Make a directory a root in which these programs run
#[derive(Args)]
pub struct Build {
    /// The directory; made if need be, added to if it is there
    root: PathBuf,

    /// Names of commands, or paths of programs; each ends up in /bin
    #[arg(required = true, value_name = "PROGRAM")]
    programs: Vec<String>,
}

impl Build {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        for file in build(explain, &self.root, &self.programs)? {
            println!("{}", file.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}
