//! Runs cells on workers: starts as many as fit, hands out numbers, hears answers, and ends them.

use super::SweepError;
use super::channel::{Task, WorkerMessage};
use super::launch::Launcher;
use super::queue::Queue;
use super::state::SweepState;
use crate::core::context::{Context, Event};
use crate::core::memory::{Gauge, System};
use crate::core::operation::Operation;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is to be run.
pub struct Sweep<'a> {
    /// The numbers of the cells that are missing.
    pub cells: &'a [usize],
    pub n_workers: usize,
    /// Bytes that the workers may hold together; none: what the machine has free.
    pub memory: Option<u64>,
    /// Whether the first failure ends the sweep.
    pub stop_at_failure: bool,
    /// Which call of the script this is, and the digest of its cells and closure.
    pub call: usize,
    pub digest: String,
}

/// What became of a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum CellOutcome {
    /// All that it needs is in the store.
    Ready,
    Failed {
        message: String,
    },
    /// The process that computed it died, twice.
    Died {
        why: String,
    },
}

/// How long a worker that was asked to stop may take to leave its state behind, before it is killed. Arbitrary.
const GRACE: Duration = Duration::from_secs(10);

/// How often interruption and memory are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How often a cell is tried whose process dies.
const MAX_TRIES: usize = 2;

/// Bytes of a worker's last words on standard error that are kept.
const LAST_WORDS: usize = 2048;

/// How long the last words of a worker that died are waited for. Arbitrary.
const LISTENED: Duration = Duration::from_millis(500);

/// Runs the cells; what became of each. A cell that is missing in the answer was not begun.
pub fn run(
    sweep: &Sweep,
    launcher: &Launcher,
    state: &SweepState,
    ctx: &Context,
) -> Result<BTreeMap<usize, CellOutcome>, SweepError> {
    run_with(sweep, launcher, state, ctx, &System)
}

/// As [`run`], with the memory that `gauge` tells.
fn run_with(
    sweep: &Sweep,
    launcher: &Launcher,
    state: &SweepState,
    ctx: &Context,
    gauge: &dyn Gauge,
) -> Result<BTreeMap<usize, CellOutcome>, SweepError> {
    let task = Task {
        settings: ctx.settings.clone(),
        access: ctx.access.clone(),
        script: (launcher.script)(),
        call: sweep.call,
        digest: sweep.digest.clone(),
    };
    let (messages, heard) = channel();
    let n_workers = sweep.n_workers.clamp(1, sweep.cells.len().max(1));
    let total = sweep.cells.len() as u64;
    ctx.tell(Event::Started { what: BAR.to_owned(), total });
    let mut scheduler = Scheduler {
        sweep,
        launcher,
        state,
        ctx,
        task,
        messages,
        n_threads: (ctx.settings.n_threads / n_workers).max(1),
        wanted: n_workers,
        gauge,
        budget: sweep.memory.or_else(|| gauge.budget()),
        guess: gauge.held(std::process::id()).unwrap_or(0),
        queue: Queue::new(sweep.cells, n_workers),
        workers: BTreeMap::new(),
        n_started: 0,
        n_lost: 0,
        has_arrived: false,
        tries: BTreeMap::new(),
        outcomes: BTreeMap::new(),
    };
    let answer = scheduler.work(&heard);
    scheduler.stop(&heard);
    ctx.tell(Event::Ended { what: BAR.to_owned() });
    answer.map(|()| scheduler.outcomes)
}

/// What the progress bar of the sweep is called.
const BAR: &str = "cells";

/// A worker process.
struct Worker {
    child: Child,
    /// Closed to ask it to stop.
    stdin: Option<ChildStdin>,
    arrived: bool,
    cell: Option<usize>,
    /// Progress bars that it has open.
    bars: BTreeSet<String>,
    last_words: Arc<Mutex<String>>,
    /// Let go for want of memory: that is not the cell's fault.
    evicted: bool,
    _folder: tempfile::TempDir,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both fail where it has ended by itself, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What reaches the first process: who, and what; `None` when that worker's output has ended.
type Heard = (usize, Option<WorkerMessage>);

struct Scheduler<'a> {
    sweep: &'a Sweep<'a>,
    launcher: &'a Launcher,
    state: &'a SweepState,
    ctx: &'a Context,
    task: Task,
    messages: Sender<Heard>,
    n_threads: usize,
    wanted: usize,
    gauge: &'a dyn Gauge,
    budget: Option<u64>,
    /// What a worker is expected to hold: the most that was seen, at first what this process holds.
    guess: u64,
    queue: Queue,
    workers: BTreeMap<usize, Worker>,
    n_started: usize,
    /// Workers that died before they arrived.
    n_lost: usize,
    has_arrived: bool,
    tries: BTreeMap<usize, usize>,
    outcomes: BTreeMap<usize, CellOutcome>,
}

impl Scheduler<'_> {
    fn work(&mut self, heard: &Receiver<Heard>) -> Result<(), SweepError> {
        loop {
            self.ctx.interrupt.check()?;
            while self.n_live() < self.wanted.min(self.n_open()) && self.fits()? {
                self.start()?;
            }
            if self.workers.is_empty() {
                return Ok(());
            }
            match heard.recv_timeout(LOOK) {
                Ok((id, Some(message))) => self.hear(id, message)?,
                Ok((id, None)) => self.gone(id)?,
                Err(RecvTimeoutError::Timeout) => self.watch_memory(),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// Cells that wait or are being computed.
    fn n_open(&self) -> usize {
        self.queue.len() + self.workers.values().filter(|worker| worker.cell.is_some()).count()
    }

    /// Workers that were not asked to end.
    fn n_live(&self) -> usize {
        self.workers.values().filter(|worker| worker.stdin.is_some()).count()
    }

    /// Whether one more worker fits into the memory; an error where not even one does.
    fn fits(&self) -> Result<bool, SweepError> {
        if self.queue.is_empty() {
            return Ok(false);
        }
        let Some(budget) = self.budget else { return Ok(true) };
        let held = |worker: &Worker| self.gauge.held(worker.child.id()).unwrap_or(0).max(self.guess);
        let need = self.workers.values().map(held).sum::<u64>() + self.guess;
        if need > budget && self.workers.is_empty() {
            return Err(SweepError::Memory { need: need >> 20, budget: budget >> 20 });
        }
        Ok(need <= budget)
    }

    fn start(&mut self) -> Result<(), SweepError> {
        let failed = |error: std::io::Error| SweepError::Start { reason: crate::core::files::plain(&error) };
        let folder = tempfile::Builder::new().prefix("w2s-worker-").tempdir().map_err(failed)?;
        let place = folder.path().canonicalize().map_err(failed)?;
        let mut child = self.launcher.start(&self.task, self.n_threads, place).map_err(failed)?;
        let (id, last_words) = (self.n_started, Arc::new(Mutex::new(String::new())));
        self.n_started += 1;
        if let Some(stdout) = child.stdout.take() {
            let messages = self.messages.clone();
            spawn("w2s-hears", move || {
                for line in BufReader::new(stdout).lines() {
                    let Ok(line) = line else { break };
                    // What is not a message was not said by a worker.
                    let Ok(message) = serde_json::from_str(&line) else { continue };
                    if messages.send((id, Some(message))).is_err() {
                        return;
                    }
                }
                let _ = messages.send((id, None));
            })
            .map_err(failed)?;
        }
        if let Some(mut stderr) = child.stderr.take() {
            let kept = last_words.clone();
            spawn("w2s-last-messages", move || {
                let mut buffer = [0u8; 512];
                while let Ok(n) = stderr.read(&mut buffer) {
                    let Some(piece) = buffer.get(..n).filter(|piece| !piece.is_empty()) else { break };
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.push_str(&String::from_utf8_lossy(piece));
                    let extra = kept.len().saturating_sub(LAST_WORDS);
                    let cut = (extra..=kept.len()).find(|at| kept.is_char_boundary(*at)).unwrap_or(0);
                    kept.drain(..cut);
                }
            })
            .map_err(failed)?;
        }
        let stdin = child.stdin.take();
        let (bars, cell) = (BTreeSet::new(), None);
        let worker = Worker { child, stdin, arrived: false, cell, bars, last_words, evicted: false, _folder: folder };
        self.workers.insert(id, worker);
        Ok(())
    }

    fn hear(&mut self, id: usize, message: WorkerMessage) -> Result<(), SweepError> {
        let Some(worker) = self.workers.get_mut(&id) else { return Ok(()) };
        let cell = worker.cell;
        let name = |what: String| cell.map_or_else(|| what.clone(), |cell| format!("cell {cell}: {what}"));
        match message {
            WorkerMessage::Arrived => {
                worker.arrived = true;
                self.has_arrived = true;
                self.hand_out(id);
            }
            WorkerMessage::Refused { why } => return Err(SweepError::Refused { why }),
            WorkerMessage::Started { what, total } if worker.arrived => {
                let what = name(what);
                worker.bars.insert(what.clone());
                self.ctx.tell(Event::Started { what, total });
            }
            WorkerMessage::Progress { what, done, note } if worker.arrived => {
                self.ctx.tell(Event::Progress { what: name(what), done, note });
            }
            WorkerMessage::Ended { what } if worker.arrived => {
                let what = name(what);
                worker.bars.remove(&what);
                self.ctx.tell(Event::Ended { what });
            }
            WorkerMessage::Warning { text } if worker.arrived => self.state.pass_on(text, self.ctx),
            WorkerMessage::Started { .. }
            | WorkerMessage::Progress { .. }
            | WorkerMessage::Ended { .. }
            | WorkerMessage::Warning { .. } => {}
            WorkerMessage::Computed(computed) => self.note(computed),
            WorkerMessage::Ready { cell } => {
                worker.cell = None;
                self.finish(cell, CellOutcome::Ready);
                self.hand_out(id);
            }
            WorkerMessage::Failed { cell, message } => {
                worker.cell = None;
                self.finish(cell, CellOutcome::Failed { message });
                if self.sweep.stop_at_failure {
                    self.queue.clear();
                    self.workers.values_mut().for_each(|worker| worker.stdin = None);
                } else {
                    self.hand_out(id);
                }
            }
        }
        Ok(())
    }

    /// A worker computed something: said at once, for the script may never come to it.
    fn note(&self, computed: Operation) {
        // What the store does not keep is computed again where it is needed.
        if computed.key.is_empty() {
            return;
        }
        self.state.note_computed(computed.key.clone(), computed.seconds);
        self.ctx.tell(Event::Ahead(Box::new(computed)));
    }

    fn finish(&mut self, cell: usize, outcome: CellOutcome) {
        self.outcomes.insert(cell, outcome);
        let n_workers = self.wanted;
        let note = if n_workers == 1 { "1 worker".to_owned() } else { format!("{n_workers} workers") };
        self.ctx.tell(Event::Progress { what: BAR.to_owned(), done: self.outcomes.len() as u64, note });
    }

    /// Gives a worker its next cell, or asks it to end.
    fn hand_out(&mut self, id: usize) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.cell = worker.stdin.is_some().then(|| self.queue.next(id)).flatten();
        match (worker.cell, &mut worker.stdin) {
            // If it cannot be told, it has died, which its silence will say.
            (Some(cell), Some(stdin)) => {
                let _ = writeln!(stdin, "{cell}").and_then(|()| stdin.flush());
            }
            _ => worker.stdin = None,
        }
    }

    /// A worker's output has ended: its work was done, or it died.
    fn gone(&mut self, id: usize) -> Result<(), SweepError> {
        let Some(mut worker) = self.workers.remove(&id) else { return Ok(()) };
        let status = worker.child.wait();
        for what in std::mem::take(&mut worker.bars) {
            self.ctx.tell(Event::Ended { what });
        }
        let asked = worker.stdin.is_none() && !worker.evicted;
        // Its listener lets go of the words when it has heard all; a process that the worker left behind may keep it.
        let until = Instant::now() + LISTENED;
        while !asked && Arc::strong_count(&worker.last_words) > 1 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        let last_words = worker.last_words.lock().unwrap_or_else(PoisonError::into_inner).trim().to_owned();
        let mut why = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        if !last_words.is_empty() {
            why = format!("{why}: {last_words}");
        }
        let Some(cell) = worker.cell else {
            // Dying on the way again is no accident.
            self.n_lost += usize::from(!worker.arrived && !worker.evicted && !asked);
            return if self.n_lost < MAX_TRIES { Ok(()) } else { Err(SweepError::Start { reason: why }) };
        };
        if asked {
            return Ok(());
        }
        if worker.evicted {
            self.queue.put_back(id, cell);
            return Ok(());
        }
        let tries = self.tries.entry(cell).or_insert(0);
        *tries += 1;
        if *tries < MAX_TRIES {
            self.ctx.warn(format!("the worker process of cell {cell} died; the cell is retried ({why})"));
            self.queue.put_back(id, cell);
            return Ok(());
        }
        self.finish(cell, CellOutcome::Died { why });
        if self.sweep.stop_at_failure {
            self.queue.clear();
            self.workers.values_mut().for_each(|worker| worker.stdin = None);
        }
        Ok(())
    }

    /// Learns what workers hold; above the budget the youngest is let go and its cell waits.
    fn watch_memory(&mut self) {
        let Some(budget) = self.budget else { return };
        let held: Vec<u64> = self.workers.values().filter_map(|worker| self.gauge.held(worker.child.id())).collect();
        let most = held.iter().copied().max().unwrap_or(0);
        // The first guess is this process's own size; what workers really hold replaces it.
        self.guess = if self.has_arrived { self.guess.max(most) } else { self.guess };
        if held.iter().sum::<u64>() <= budget || self.workers.len() < 2 {
            return;
        }
        self.wanted = self.workers.len() - 1;
        if let Some(worker) = self.workers.values_mut().next_back().filter(|worker| !worker.evicted) {
            worker.evicted = true;
            let _ = worker.child.kill();
            let text = format!("the workers hold more than {} MiB: from here on {} run", budget >> 20, self.wanted);
            self.ctx.warn(text);
        }
    }

    /// Asks every worker to leave its state behind and end; kills what does not.
    fn stop(&mut self, heard: &Receiver<Heard>) {
        self.workers.values_mut().for_each(|worker| worker.stdin = None);
        let asked = Instant::now();
        while !self.workers.is_empty() && asked.elapsed() < GRACE {
            match heard.recv_timeout(LOOK) {
                Ok((id, None)) => {
                    if let Some(worker) = self.workers.remove(&id) {
                        worker.bars.iter().for_each(|what| self.ctx.tell(Event::Ended { what: what.clone() }));
                    }
                }
                Ok((_, Some(WorkerMessage::Computed(computed)))) => self.note(computed),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.workers.clear();
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::sweep::Script;
    use std::path::PathBuf;

    /// Runs cells on workers that are shell scripts: `body` is run for each cell number in `$cell`, after the task in
    /// `$task` was read and `here` is a folder that all share.
    fn with_shell(
        body: &str,
        sweep: &Sweep,
        ctx: &Context,
    ) -> (Result<BTreeMap<usize, CellOutcome>, SweepError>, tempfile::TempDir) {
        with_memory(body, sweep, ctx, &System)
    }

    fn with_memory(
        body: &str,
        sweep: &Sweep,
        ctx: &Context,
        gauge: &dyn Gauge,
    ) -> (Result<BTreeMap<usize, CellOutcome>, SweepError>, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("worker.sh");
        let here = folder.path().display();
        let text = format!("here='{here}'\nread -r task\n{body}\n");
        std::fs::write(&file, text).expect("written");
        let launcher = Launcher {
            program: PathBuf::from("/bin/sh"),
            flags: vec![file.display().to_string()],
            script: Box::new(Script::default),
        };
        (run_with(sweep, &launcher, &SweepState::default(), ctx, gauge), folder)
    }

    const ARRIVE: &str = "echo '{\"word\":\"arrived\"}'\n";

    fn sweep(cells: &[usize], n_workers: usize) -> Sweep<'_> {
        Sweep { cells, n_workers, memory: None, stop_at_failure: false, call: 0, digest: String::new() }
    }

    #[test]
    fn every_cell_is_run_once_and_failures_are_told() {
        let body = format!(
            "{ARRIVE}while read -r cell; do echo $cell >> $here/ran\n\
             if [ $cell = 3 ]; then echo '{{\"word\":\"failed\",\"cell\":3,\"message\":\"bad\"}}'\n\
             else echo \"{{\\\"word\\\":\\\"ready\\\",\\\"cell\\\":$cell}}\"; fi; done"
        );
        let ctx = Context::for_tests();
        let (outcomes, folder) = with_shell(&body, &sweep(&[0, 1, 2, 3, 4, 5, 6, 7], 2), &ctx);
        let outcomes = outcomes.expect("runs");
        assert_eq!(outcomes.len(), 8);
        assert_eq!(outcomes[&3], CellOutcome::Failed { message: "bad".to_owned() });
        let mut ran: Vec<String> =
            std::fs::read_to_string(folder.path().join("ran")).expect("ran").lines().map(str::to_owned).collect();
        ran.sort();
        assert_eq!(ran.join(" "), "0 1 2 3 4 5 6 7");
    }

    #[test]
    fn a_cell_whose_worker_dies_is_tried_once_more() {
        let body = format!(
            "{ARRIVE}while read -r cell; do echo $cell >> $here/ran\n\
             if [ $cell = 1 ]; then echo out of memory >&2; kill -9 $$; fi\n\
             if [ $cell = 2 ] && [ ! -e $here/once ]; then touch $here/once; kill -9 $$; fi\n\
             echo \"{{\\\"word\\\":\\\"ready\\\",\\\"cell\\\":$cell}}\"; done"
        );
        let ctx = Context::for_tests();
        let (outcomes, folder) = with_shell(&body, &sweep(&[0, 1, 2, 3], 1), &ctx);
        let outcomes = outcomes.expect("runs");
        assert_eq!([&outcomes[&0], &outcomes[&2], &outcomes[&3]], [&CellOutcome::Ready; 3]);
        assert!(
            matches!(&outcomes[&1], CellOutcome::Died { why } if why.contains("signal: 9") && why.contains("out of memory"))
        );
        let ran = std::fs::read_to_string(folder.path().join("ran")).expect("ran");
        assert_eq!(ran.split_whitespace().collect::<Vec<_>>(), ["0", "1", "1", "2", "2", "3"]);
    }

    #[test]
    fn workers_that_refuse_or_never_arrive_end_the_sweep() {
        let ctx = Context::for_tests();
        let refusal = "echo '{\"word\":\"refused\",\"why\":\"other cells\"}'; cat > /dev/null";
        let (refused, _folder) = with_shell(refusal, &sweep(&[0, 1], 2), &ctx);
        assert!(matches!(refused, Err(SweepError::Refused { why }) if why == "other cells"));
        let (dead, _folder) = with_shell("exit 3", &sweep(&[0, 1], 1), &ctx);
        assert!(matches!(dead, Err(SweepError::Start { reason }) if reason.contains('3')));
        let little = Sweep { memory: Some(1), ..sweep(&[0, 1], 2) };
        let (none, _folder) = with_shell("exit 0", &little, &ctx);
        assert!(!cfg!(target_os = "linux") || matches!(none, Err(SweepError::Memory { .. })));
    }

    /// Workers that grow: each holds little when it is looked at first, and 60 MiB after `n_before` looks.
    #[derive(Default)]
    struct Swelling {
        looks: Mutex<BTreeMap<u32, usize>>,
        n_before: usize,
    }

    impl Gauge for Swelling {
        fn budget(&self) -> Option<u64> {
            Some(100 << 20)
        }

        /// Small for the first looks, so that two fit; then too much for two and enough for one.
        fn held(&self, id: u32) -> Option<u64> {
            if id == std::process::id() {
                return Some(1 << 20);
            }
            let mut looks = self.looks.lock().expect("whole");
            let looked = looks.entry(id).or_default();
            *looked += 1;
            Some(if *looked > self.n_before { 60 << 20 } else { 1 << 20 })
        }
    }

    #[test]
    fn under_memory_pressure_the_youngest_worker_goes_and_its_cell_waits() {
        let shared = tempfile::tempdir().expect("a folder");
        let at = shared.path().display();
        // The first worker's cell lasts until a worker was let go; the second's would never end if it were not let go.
        let body = format!(
            "{ARRIVE}while read -r cell; do echo \"$$ $cell\" >> {at}/began\n\
             if [ $cell = 1 ] && mkdir {at}/once; then exec sleep 60; fi\n\
             while [ $cell = 0 ] && [ ! -e {at}/warned ]; do sleep 0.02; done\n\
             echo \"{{\\\"word\\\":\\\"ready\\\",\\\"cell\\\":$cell}}\"; done"
        );
        let ctx = Context::for_tests();
        let warned = Arc::new(Mutex::new(Vec::new()));
        let (sink, file) = (warned.clone(), shared.path().join("warned"));
        ctx.listen(move |event| {
            if let Event::Warning { text } = event {
                sink.lock().expect("whole").push(text);
                std::fs::write(&file, "").expect("written");
            }
        });
        let gauge = Swelling { n_before: 4, ..Swelling::default() };
        let (outcomes, _folder) = with_memory(&body, &sweep(&[0, 1], 2), &ctx, &gauge);
        assert_eq!(outcomes.expect("runs").values().collect::<Vec<_>>(), [&CellOutcome::Ready; 2]);
        assert_eq!(*warned.lock().expect("whole"), ["the workers hold more than 100 MiB: from here on 1 run"]);
        let began = std::fs::read_to_string(shared.path().join("began")).expect("there");
        let who = |cell: &str| -> Vec<&str> {
            began
                .lines()
                .filter_map(|line| line.split_once(' '))
                .filter(|(_, c)| *c == cell)
                .map(|(id, _)| id)
                .collect()
        };
        let (zero, one) = (who("0"), who("1"));
        assert_eq!((zero.len(), one.len()), (1, 2), "{began}");
        assert_eq!(
            one.iter().filter(|id| **id == zero[0]).count(),
            1,
            "the older one did what the younger began: {began}"
        );
    }

    #[test]
    fn an_interruption_lets_workers_end_by_themselves() {
        let body = format!("{ARRIVE}while read -r cell; do touch $here/began; done; touch $here/ended");
        let ctx = Context::for_tests();
        let interrupt = ctx.interrupt.clone();
        let raiser = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(400));
            interrupt.raise();
        });
        let (stopped, folder) = with_shell(&body, &sweep(&[0], 1), &ctx);
        raiser.join().expect("raised");
        assert!(matches!(stopped, Err(SweepError::Interrupted)));
        assert!(folder.path().join("began").exists() && folder.path().join("ended").exists());
    }
}
