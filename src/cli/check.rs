//! `w2s check FILE…`: findings without a run. Warnings do not make it fail.

use super::line::Global;
use super::runtime::Runtime;
use super::{draw, exit};
use crate::lang::Session;
use crate::lang::diagnostic::Severity;
use std::path::{Path, PathBuf};

/// Checks every file and answers the exit code: a file that cannot be read weighs more than a finding.
pub fn run(global: &Global, files: &[PathBuf]) -> u8 {
    let mut code = exit::OK;
    let (mut n_findings, mut n_errors) = (0, 0);
    for file in files {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let checked = Runtime::new(&Global { run: None, ..global.clone() }, folder, None)
            .and_then(|runtime| Session::for_scripts(runtime.ctx).check(file));
        match checked {
            Ok(findings) => {
                findings.iter().for_each(draw::print);
                n_findings += findings.len();
                n_errors += findings.iter().filter(|finding| finding.severity == Severity::Error).count();
            }
            Err(refused) => {
                draw::print(&refused);
                code = exit::FILE;
            }
        }
    }
    if n_findings > 0 && !global.quiet {
        eprintln!("{n_findings} {}", if n_findings == 1 { "finding" } else { "findings" });
    }
    if code == exit::OK && n_errors > 0 { exit::SCRIPT } else { code }
}
