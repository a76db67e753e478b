//! `w2s bundle RUN`: the one file that goes with a paper.

use super::line::Global;
use super::{draw, exit, output};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::resolve::shipped;
use crate::record::bundle::{Packing, pack};
use crate::record::{Kept, RecordError, Root, folder};
use std::path::{Path, PathBuf};

/// Writes the bundle and answers the exit code.
pub fn run(global: &Global, path: &Path, out: Option<&Path>, no_data: bool) -> u8 {
    match bundled(global, path, out, no_data) {
        Ok(made) if !global.quiet => {
            let data: String = made.data.iter().map(|path| format!("\n  {path}")).collect();
            let data = if data.is_empty() { data } else { format!(", with the data{data}") };
            let said = format!("{}: {} bytes{data}", made.file.display(), made.n_bytes);
            output::finish(output::line(&draw::plain(&said)))
        }
        Ok(_) => exit::OK,
        Err(refused) => {
            draw::print(&Diagnostic::from_explained(&refused));
            exit::FILE
        }
    }
}

/// A bundle that was written.
struct Made {
    file: PathBuf,
    n_bytes: usize,
    /// The files that the script read and that went in.
    data: Vec<String>,
}

fn bundled(global: &Global, path: &Path, out: Option<&Path>, no_data: bool) -> Result<Made, RecordError> {
    let kept = Kept::open(path)?;
    let modules: Vec<(&str, &str)> = shipped().collect();
    let packing = Packing { with_data: !no_data, project: global.project.as_deref(), stdlib: &modules };
    let bytes = pack(&kept, &packing)?;
    let file = out.map_or_else(|| PathBuf::from(format!("{}.w2s.zip", stem(&kept))), Path::to_owned);
    folder::write(&file, &bytes)?;
    let read = kept.record.reads.iter().filter(|read| read.root == Root::Project && !no_data);
    Ok(Made { file, n_bytes: bytes.len(), data: read.map(|read| read.path.clone()).collect() })
}

/// What the file is called where nobody says: as the run folder was.
fn stem(kept: &Kept) -> String {
    let name = folder::plain_name(&kept.record.name);
    if name.is_empty() { "run".to_owned() } else { name }
}
