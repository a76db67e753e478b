//! How a worker process is started: this program again, with a task on its standard input.

use super::channel::Task;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A script with everything that it imported so far: name, text, and the file it was read from.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Script {
    /// The script as it was named on the command line.
    pub file: PathBuf,
    pub args: Vec<String>,
    pub texts: Vec<(String, String, Option<PathBuf>)>,
}

type Reader = Box<dyn Fn() -> Script + Send + Sync>;

/// What a process must know to start workers.
pub struct Launcher {
    /// This program.
    pub program: PathBuf,
    /// Arguments that stand before the number of threads: the device and the instructions.
    pub flags: Vec<String>,
    /// The script as it stands now.
    pub script: Reader,
}

impl Launcher {
    /// Starts a worker with `n_threads` threads, whose files go below `folder`, and hands it its task.
    pub(super) fn start(&self, task: &Task, n_threads: usize, folder: PathBuf) -> std::io::Result<Child> {
        let mut task = task.clone();
        task.settings.n_threads = n_threads;
        // A worker writes where nobody looks: what a run leaves is left by the process that was asked for it.
        task.access.read.push(folder.clone());
        task.access.write = vec![folder.clone()];
        task.settings.run_dir = Some(folder);
        let mut child = Command::new(&self.program)
            .args(&self.flags)
            .args(["--threads", &n_threads.to_string(), "worker"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut line = serde_json::to_vec(&task).map_err(std::io::Error::other)?;
        line.push(b'\n');
        if let Some(stdin) = &mut child.stdin {
            // A worker that has died already is noticed by its silence.
            let _ = stdin.write_all(&line).and_then(|()| stdin.flush());
        }
        Ok(child)
    }
}
