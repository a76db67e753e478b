//! What the first process and its workers say to each other: a task, then the numbers of cells, one line of JSON each;
//! the answers come as [`WorkerMessage`]s.

use super::launch::Script;
use crate::core::context::{Access, Context, Event, Found, Settings};
use crate::core::operation::Operation;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a worker works at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    pub settings: Settings,
    pub access: Access,
    pub script: Script,
    /// Which call of `sweep::map` it serves, counted from 0.
    pub call: usize,
    /// The digest of that call's cells and closure.
    pub digest: String,
}

/// What a worker says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "snake_case")]
pub enum WorkerMessage {
    /// It stands at the same call with the same cells.
    Arrived,
    /// It does not, and ends.
    Refused {
        why: String,
    },
    Started {
        what: String,
        total: u64,
    },
    Progress {
        what: String,
        done: u64,
        note: String,
    },
    Ended {
        what: String,
    },
    Warning {
        text: String,
    },
    /// It computed a result.
    Computed(Operation),
    /// All that the cell needs is in the store.
    Ready {
        cell: usize,
    },
    Failed {
        cell: usize,
        message: String,
    },
}

/// How often the same progress bar speaks. Arbitrary.
const SPEAK: Duration = Duration::from_millis(100);

/// A worker's end of the line.
pub struct WorkerChannel {
    pub task: Task,
    cells: Mutex<Receiver<usize>>,
    out: Mutex<Box<dyn Write + Send>>,
    spoke: Mutex<Instant>,
}

impl WorkerChannel {
    /// Reads the task from the first line of `input`; why not, otherwise.
    pub fn open(
        input: &mut impl BufRead,
        out: Box<dyn Write + Send>,
    ) -> Result<(Arc<WorkerChannel>, Sender<usize>), String> {
        let mut line = String::new();
        input.read_line(&mut line).map_err(|error| error.to_string())?;
        let task = serde_json::from_str(&line).map_err(|error| format!("no task: {error}"))?;
        let (sender, receiver) = channel();
        let (cells, out, spoke) = (Mutex::new(receiver), Mutex::new(out), Mutex::new(Instant::now()));
        Ok((Arc::new(WorkerChannel { task, cells, out, spoke }), sender))
    }

    /// Hands on the numbers that come in, until the other end closes: then the work is stopped.
    pub fn listen(input: impl BufRead, cells: Sender<usize>, ctx: &Context) {
        for line in input.lines() {
            let Some(cell) = line.ok().and_then(|line| line.trim().parse().ok()) else { break };
            if cells.send(cell).is_err() {
                break;
            }
        }
        ctx.interrupt.raise();
        drop(cells);
    }

    /// The next cell; `None` when there is none any more.
    pub fn next(&self, ctx: &Context) -> Option<usize> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match cells.recv_timeout(Duration::from_millis(50)) {
                Ok(cell) => return Some(cell),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) if ctx.interrupt.is_raised() => return None,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Says something. If nobody hears it, the end of the input will tell.
    pub fn say(&self, message: &WorkerMessage) {
        let Ok(mut line) = serde_json::to_vec(message) else { return };
        line.push(b'\n');
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }

    /// Says that this process does not serve, and why.
    pub fn refuse(&self, why: &str) {
        self.say(&WorkerMessage::Refused { why: why.to_owned() });
    }

    /// Passes on what of an event the first process wants to know.
    pub fn pass_on(&self, event: Event) {
        let message = match event {
            Event::Started { what, total } => WorkerMessage::Started { what, total },
            Event::Progress { what, done, note } => {
                let mut spoke = self.spoke.lock().unwrap_or_else(PoisonError::into_inner);
                if spoke.elapsed() < SPEAK {
                    return;
                }
                *spoke = Instant::now();
                WorkerMessage::Progress { what, done, note }
            }
            Event::Ended { what } => WorkerMessage::Ended { what },
            Event::Warning { text } => WorkerMessage::Warning { text },
            Event::Operation { operation, work: _, found: Found::Computed } => WorkerMessage::Computed(operation),
            // The first process goes through the cell itself afterwards, and tells these then.
            Event::Operation { .. }
            | Event::Ahead(_)
            | Event::TruthRead(_)
            | Event::TruthUsed { .. }
            | Event::TestRows { .. }
            | Event::VaultOpened { .. }
            | Event::Written { .. }
            | Event::FileRead { .. }
            | Event::FetchedRead { .. }
            | Event::Seed { .. } => return,
        };
        self.say(&message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_and_numbers_come_in_and_words_go_out() {
        let Context { settings, access, .. } = Context::for_tests();
        let task = Task { settings, access, script: Script::default(), call: 2, digest: "d".to_owned() };
        let text = format!("{}\n4\n7\n", serde_json::to_string(&task).expect("json"));
        let mut input = text.as_bytes();
        let said = Arc::new(Mutex::new(Vec::new()));
        struct Shared(Arc<Mutex<Vec<u8>>>);
        impl Write for Shared {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().expect("whole").write(bytes)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let (channel, sender) = WorkerChannel::open(&mut input, Box::new(Shared(said.clone()))).expect("a task");
        assert_eq!(channel.task.call, 2);
        let ctx = Context::for_tests();
        WorkerChannel::listen(input, sender, &ctx);
        assert_eq!((channel.next(&ctx), channel.next(&ctx), channel.next(&ctx)), (Some(4), Some(7), None));
        channel.say(&WorkerMessage::Ready { cell: 4 });
        let line = String::from_utf8(said.lock().expect("whole").clone()).expect("text");
        assert_eq!(line, "{\"word\":\"ready\",\"cell\":4}\n");
        assert!(WorkerChannel::open(&mut &b"nonsense\n"[..], Box::new(std::io::sink())).is_err());
    }
}
