//! The peer's Python: made once under the target directory, or the interpreter that `W2S_BENCH_PYTHON` names.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The script that every peer process runs.
pub const SCRIPT: &str = include_str!("peer.py");
/// Both sides use so many threads.
pub const N_THREADS: &str = "2";

/// An interpreter with PyTorch and transformers.
pub fn python(bench: &Path) -> Result<PathBuf, String> {
    if let Some(said) = std::env::var_os("W2S_BENCH_PYTHON").filter(|said| !said.is_empty()) {
        let said = PathBuf::from(said);
        return if usable(&said) { Ok(said) } else { Err(format!("`{}` lacks torch or transformers", said.display())) };
    }
    let folder = bench.join("python");
    let made = folder.join("bin/python");
    if usable(&made) {
        return Ok(made);
    }
    eprintln!("making the peer's Python environment in {} (PyTorch with its libraries: 5.6 GB)", folder.display());
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    // The wheel of the package index links CUDA's libraries and does not import without them, though nothing here uses
    // them; `numpy` is what the script reads files with, `setuptools` is what compiling asks for.
    let packages = ["torch==2.15.0", "transformers==5.23.0", "numpy", "setuptools"];
    run(Command::new(&made).args(["-m", "pip", "install", "--quiet"]).args(packages))?;
    if usable(&made) { Ok(made) } else { Err("the environment was made but does not import torch".to_owned()) }
}

fn usable(python: &Path) -> bool {
    let mut command = Command::new(python);
    command.args([
        "-c",
        "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ('torch', 'transformers', 'numpy'))))",
    ]);
    command.status().is_ok_and(|status| status.success())
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown}: {status}")),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}

/// A peer process: `mode` is `choose`, `limit` or a variant.
pub fn command(python: &Path, bench: &Path, folder: &Path, mode: &str) -> Result<Command, String> {
    let script = bench.join("peer.py");
    std::fs::write(&script, SCRIPT).map_err(|error| error.to_string())?;
    let mut command = Command::new(python);
    command.arg(script).arg(folder).arg(mode);
    command.env("OMP_NUM_THREADS", N_THREADS).env("MKL_NUM_THREADS", N_THREADS);
    command.env("TORCHINDUCTOR_CACHE_DIR", bench.join("inductor")).env("HF_HUB_OFFLINE", "1");
    Ok(command)
}
