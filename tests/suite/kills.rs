//! The program killed at random instants: what it left behind is whole, and the same command line again takes its run folder
//! over and ends in the same tables, to the bit.
//!
//! What an operation is at is read off the store, and only there: its lock, a temporary file among the objects and how long it
//! is, the content under its name, the manifest under its own. An undisturbed run, watched so, tells how long each stage
//! lasted. A kill is aimed at the stage that was hit least: an instant is drawn from the time that the stage took, the test
//! watches until the stage begins, waits as long as was drawn, and kills; where the kill fell is then read off the disk, which
//! stands as it was left. The program has one thread, so that it and its watcher have a core each and the watcher never
//! sleeps: it sees what lasts some microseconds. The long version takes minutes and runs when it is asked for:
//! `cargo test --release --test suite kills -- --ignored --nocapture`.

use crate::support::files_below;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use w2s::core::context::Context;
use w2s::core::random::Random;
use w2s::store::Store;

const SCRIPT: &str = include_str!("kills.rhai");

/// How long a state of a training is seen while it is written, at most: chosen, some flushes.
const STATE: Duration = Duration::from_micros(1500);

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Pretraining,
    Finetuning,
    Labelling,
    /// A training's state has a temporary name.
    Checkpointing,
    /// A result has a temporary name, and bytes of it are missing.
    Writing,
    /// A result has a temporary name and all of its bytes: it is flushed to the disk, if it took long, and renamed.
    Flushing,
    /// A result has its name, and no manifest names it.
    Naming,
    /// A result has its manifest, and its state and its lock are not given up.
    Ending,
    /// All results are there, and not all tables.
    Tables,
    /// All tables are there: pages and record are written.
    Record,
}

const STAGES: [Stage; 10] = [
    Stage::Pretraining,
    Stage::Finetuning,
    Stage::Labelling,
    Stage::Checkpointing,
    Stage::Writing,
    Stage::Flushing,
    Stage::Naming,
    Stage::Ending,
    Stage::Tables,
    Stage::Record,
];

/// An operation of the script: which stage computing it is, and the files that tell where it is.
struct Operation {
    computing: Stage,
    lock: PathBuf,
    manifest: PathBuf,
    content: PathBuf,
    n_bytes: u64,
}

/// The undisturbed run: its operations in their order, what happened when, and what its end left.
struct Reference {
    operations: Vec<Operation>,
    /// What began in which order and how long it lasted; the operation's place, where it is one's.
    stages: Vec<(Option<usize>, Stage, Duration)>,
    tables: BTreeMap<String, Vec<u8>>,
}

/// The script with stages of this length, in a folder.
struct Bench {
    folder: tempfile::TempDir,
    length: usize,
}

/// A store and a run folder that are looked at from outside.
struct Watch<'r> {
    store: &'r Path,
    run: &'r Path,
    operations: &'r [Operation],
    /// What a killed process left, which tells nothing: locks, temporary files, contents that no manifest names.
    left: BTreeSet<PathBuf>,
}

impl<'r> Watch<'r> {
    /// Looks at a store where a process may have been killed before.
    fn of(store: &'r Path, run: &'r Path, operations: &'r [Operation]) -> Watch<'r> {
        let unnamed = operations.iter().filter(|operation| !operation.manifest.exists());
        let unnamed = unnamed.map(|operation| operation.content.clone());
        let left = operations.iter().map(|operation| operation.lock.clone()).chain(unnamed);
        let left = left.filter(|path| path.exists());
        let temporary = IN_WORK.iter().flat_map(|folder| temporary(&store.join(folder)));
        Watch { store, run, operations, left: left.chain(temporary).collect() }
    }

    /// What the operation is at; `None` before it begins, after it ended, and where that cannot be told.
    fn stage(&self, operation: &Operation) -> Option<Stage> {
        if operation.manifest.exists() {
            return self.is_locked(operation).then_some(Stage::Ending);
        }
        let is_left = self.left.contains(&operation.content);
        if !is_left && operation.content.exists() {
            return Some(Stage::Naming);
        }
        let in_work = |folder: &str| {
            let path = temporary(&self.store.join(folder)).into_iter().find(|path| !self.left.contains(path))?;
            Some(path.metadata().ok()?.len())
        };
        match in_work("objects") {
            Some(n_bytes) if n_bytes == operation.n_bytes => Some(Stage::Flushing),
            Some(_) => Some(Stage::Writing),
            None if in_work("partial").is_some() => Some(Stage::Checkpointing),
            None => (!is_left && self.is_locked(operation)).then_some(operation.computing),
        }
    }

    fn is_locked(&self, operation: &Operation) -> bool {
        !self.left.contains(&operation.lock) && operation.lock.exists()
    }

    /// Whether the operation before this one has ended.
    fn is_next(&self, n_before: usize) -> bool {
        let before = n_before.checked_sub(1).map(|before| &self.operations[before]);
        before.is_none_or(|before| before.manifest.exists() && !self.is_locked(before))
    }

    /// What is under way: by the first operation that has not ended, and where there is none by the files of the run.
    fn now(&self) -> Option<(Option<usize>, Stage)> {
        let n_done = self.operations.iter().take_while(|operation| operation.manifest.exists()).count();
        let ending = n_done.checked_sub(1).filter(|last| self.stage(&self.operations[*last]).is_some());
        match ending.or(Some(n_done).filter(|next| *next < self.operations.len())) {
            Some(idx) => self.stage(&self.operations[idx]).map(|stage| (Some(idx), stage)),
            None if LAST_TABLE.iter().all(|name| self.run.join(name).exists()) => Some((None, Stage::Record)),
            None => Some((None, Stage::Tables)),
        }
    }

    /// Whether the operation, or the run's end, is at this stage or past it.
    fn has_come(&self, idx: Option<usize>, stage: Stage) -> bool {
        let Some(operation) = idx.map(|idx| &self.operations[idx]) else {
            let are_tables = || LAST_TABLE.iter().all(|name| self.run.join(name).exists());
            return self.is_next(self.operations.len()) && (stage == Stage::Tables || are_tables());
        };
        match stage {
            Stage::Ending => operation.manifest.exists(),
            Stage::Naming => operation.content.exists(),
            Stage::Writing | Stage::Flushing | Stage::Checkpointing => {
                self.stage(operation).is_some_and(|now| now >= stage) || operation.manifest.exists()
            }
            // A lock that was left may be taken again unseen: then the operation before it tells.
            _ => operation.lock.exists() && idx.is_some_and(|idx| self.is_next(idx)),
        }
    }
}

/// The folders of the store where results and states are written under temporary names.
const IN_WORK: [&str; 2] = ["objects", "partial"];

/// The files of the table that the script writes last, and the kind that is written last.
const LAST_TABLE: [&str; 4] = ["results.csv", "results.parquet", "results.md", "results.tex"];

impl Bench {
    fn new(length: usize) -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("stages.rhai"), SCRIPT).expect("written");
        Bench { folder, length }
    }

    /// Starts the script, by the same command line for one store; the process and its run folder.
    fn start(&mut self, store: &Path) -> (Child, PathBuf) {
        let run = store.with_extension("run");
        let mut command = Command::new(env!("CARGO_BIN_EXE_w2s"));
        command
            .current_dir(self.folder.path())
            .args(["script", "stages.rhai", "--quiet", "--threads", "1", "--run"])
            .arg(&run);
        command.arg("--store").arg(store).arg("--").arg(self.length.to_string());
        command.env("W2S_CHECKPOINT_SECONDS", "0.02").stdin(Stdio::null()).stdout(Stdio::null());
        (command.spawn().expect("starts"), run)
    }

    /// An undisturbed run, and another one, watched, on an empty store.
    fn reference(&mut self) -> Reference {
        let store = self.folder.path().join("first");
        let (mut child, run) = self.start(&store);
        let mut order: Vec<PathBuf> = Vec::new();
        let done = |child: &mut Child| child.try_wait().expect("waits");
        let status = loop {
            let ended = done(&mut child);
            for path in keys(&store) {
                if !order.contains(&path) {
                    order.push(path);
                }
            }
            if let Some(status) = ended {
                break status;
            }
            std::thread::sleep(Duration::from_micros(300));
        };
        assert!(status.success(), "the undisturbed run failed");
        let tables = tables(&run);
        let results = Store::at(&store).results().expect("a store");
        let found = order.iter().map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let manifest =
                results.iter().find(|listed| listed.key.to_hex() == name).expect("a result").manifest.as_ref();
            let manifest = manifest.expect("whole");
            let computing = match manifest.operation.as_str() {
                "pretrain" => Stage::Pretraining,
                "finetune" => Stage::Finetuning,
                "label" | "predict" => Stage::Labelling,
                other => panic!("which stage is `{other}`?"),
            };
            (computing, name, manifest.content.clone(), manifest.bytes)
        });
        let found: Vec<_> = found.collect();
        let contents: BTreeSet<&String> = found.iter().map(|(_, _, content, _)| content).collect();
        assert_eq!(contents.len(), found.len(), "results are told apart by their contents");
        let operations =
            found.iter().map(|(computing, key, content, n_bytes)| Operation::of(*computing, key, content, *n_bytes));
        let mut reference = Reference { operations: operations.collect(), stages: Vec::new(), tables };
        let store = self.folder.path().join("second");
        let (mut child, run) = self.start(&store);
        let operations = reference.below(&store);
        let watch = Watch::of(&store, &run, &operations);
        let (mut now, mut since) = (None, Instant::now());
        loop {
            let ended = done(&mut child);
            let next = watch.now().filter(|_| ended.is_none());
            if next != now {
                reference.stages.extend(now.map(|(idx, stage)| (idx, stage, since.elapsed())));
                (now, since) = (next, Instant::now());
            }
            if let Some(status) = ended {
                assert!(status.success(), "the undisturbed run failed");
                return reference;
            }
        }
    }

    /// Runs on the store and kills at an instant that was drawn for `aim`; the stage that it fell in, or `None` where it fell
    /// between two operations or the process had ended.
    fn kill(&mut self, store: &Path, aim: Stage, reference: &Reference, random: &mut Random) -> Option<Stage> {
        // What is so short that the reference did not show it is hit by chance alone.
        let was_seen = reference.stages.iter().any(|(_, stage, _)| *stage == aim);
        let candidates = reference.stages.iter().filter(|(_, stage, _)| !was_seen || *stage == aim);
        let candidates: Vec<_> = candidates.collect();
        // By the time that they took, or one like the other.
        let mut drawn = random.uniform() * candidates.iter().map(|(.., took)| took.as_secs_f64()).sum::<f64>();
        let by_time = candidates.iter().find(|(.., took)| {
            drawn -= took.as_secs_f64();
            drawn <= 0.0
        });
        let any = candidates[random.below(candidates.len())];
        let (idx, aim, took) = if random.uniform() < 0.5 { by_time.copied().unwrap_or(any) } else { any };
        let operations = reference.below(store);
        let run = store.with_extension("run");
        let watch = Watch::of(store, &run, &operations);
        let (mut child, _) = self.start(store);
        let mut ended = false;
        if *aim == Stage::Checkpointing {
            // One of an operation's states, not always the first.
            let computing = idx.map(|idx| operations[idx].computing).expect("an operation");
            let all = reference.stages.iter().filter(|(other, stage, _)| other == idx && *stage == computing);
            let all = all.map(|(.., took)| *took).sum::<Duration>();
            ended = wait(&mut child, || watch.has_come(*idx, computing));
            pause(all.mul_f64(random.uniform()));
        }
        ended = ended || wait(&mut child, || watch.has_come(*idx, *aim));
        pause(if *aim == Stage::Checkpointing { STATE.min(*took) } else { *took }.mul_f64(random.uniform()));
        ended = ended || child.try_wait().expect("waits").is_some();
        // SIGKILL: nothing in the process runs after it.
        child.kill().expect("killed");
        let status = child.wait().expect("waits");
        if ended || status.success() {
            // A run that ended keeps its folder.
            std::fs::remove_dir_all(&run).expect("removed");
            return None;
        }
        for path in files_below(&run, "json") {
            let text = std::fs::read(&path).expect("read");
            serde_json::from_slice::<serde_json::Value>(&text).expect("a record is written whole or not at all");
        }
        let fell = watch.now().map(|(_, stage)| stage);
        if outcome(&run).as_deref() == Some("done") {
            // The record is written last: what it says ended is whole, and no second run may take its folder.
            assert!(tables(&run) == reference.tables, "a run whose record says that it ended is not whole");
            std::fs::remove_dir_all(&run).expect("removed");
        }
        fell
    }

    /// Goes on after kills: the tables must be the undisturbed run's and the store whole.
    fn goes_on(&mut self, store: &Path, reference: &Reference) {
        let (mut child, run) = self.start(store);
        assert!(child.wait().expect("waits").success(), "the rerun failed");
        let found = tables(&run);
        assert_eq!(found.keys().collect::<Vec<_>>(), reference.tables.keys().collect::<Vec<_>>());
        for (name, bytes) in &found {
            assert!(*bytes == reference.tables[name], "`{name}` is another one after a kill");
        }
        let mut check = Command::new(env!("CARGO_BIN_EXE_w2s"));
        let check = check.args(["store", "check", "--store"]).arg(store).output().expect("checks");
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
        let audit = Store::at(store).audit(&Context::for_tests()).expect("audited");
        assert!(audit.damaged.is_empty(), "{:?}", audit.damaged);
        assert_eq!(audit.n_results, reference.operations.len());
        std::fs::remove_dir_all(run).expect("removed");
    }

    /// Kills until every stage was hit `each` times and there were `n` in all; how often each was hit.
    fn kills(&mut self, n: usize, each: usize, seed: u64) -> BTreeMap<Stage, usize> {
        let reference = self.reference();
        let mut random = Random::new(seed, "kills");
        let mut hit: BTreeMap<Stage, usize> = STAGES.iter().map(|stage| (*stage, 0)).collect();
        for nth in 0.. {
            let fewest = hit.iter().min_by_key(|(_, n)| **n).map(|(stage, n)| (*stage, *n));
            let Some((rarest, least)) = fewest else { break };
            if least >= each && hit.values().sum::<usize>() >= n {
                break;
            }
            assert!(nth < 20 * n, "after {nth} attempts some stage was not hit often enough: {hit:?}");
            let store = self.folder.path().join(format!("store-{nth}"));
            // Every fourth is killed again while it goes on.
            for again in 0..if nth % 4 == 3 { 2 } else { 1 } {
                let aim = if again == 0 { rarest } else { STAGES[random.below(STAGES.len())] };
                if let Some(stage) = self.kill(&store, aim, &reference, &mut random) {
                    *hit.entry(stage).or_default() += 1;
                }
            }
            if nth % 20 == 19 {
                println!("{} attempts: {hit:?}", nth + 1);
            }
            self.goes_on(&store, &reference);
            std::fs::remove_dir_all(&store).expect("removed");
        }
        hit
    }
}

/// How the run ended, as its record says; `None` where it has none yet.
fn outcome(run: &Path) -> Option<String> {
    let text = std::fs::read(run.join("record.json")).ok()?;
    let record: serde_json::Value = serde_json::from_slice(&text).ok()?;
    record["outcome"]["kind"].as_str().map(str::to_owned)
}

impl Operation {
    /// The operation in a store that is not named yet.
    fn of(computing: Stage, key: &str, content: &str, n_bytes: u64) -> Operation {
        let lock = PathBuf::from(format!("locks/{key}"));
        let manifest = PathBuf::from(format!("keys/{}/{key}.json", &key[..2]));
        let content = PathBuf::from(format!("objects/{}/{content}.safetensors", &content[..2]));
        Operation { computing, lock, manifest, content, n_bytes }
    }
}

impl Reference {
    /// The operations in a store.
    fn below(&self, store: &Path) -> Vec<Operation> {
        let in_store = |operation: &Operation| Operation {
            lock: store.join(&operation.lock),
            manifest: store.join(&operation.manifest),
            content: store.join(&operation.content),
            ..*operation
        };
        self.operations.iter().map(in_store).collect()
    }
}

/// Waits for something without ever sleeping; whether the process ended before it came.
fn wait(child: &mut Child, came: impl Fn() -> bool) -> bool {
    while !came() {
        if child.try_wait().expect("waits").is_some() {
            return true;
        }
    }
    false
}

/// Lets time pass, to the microsecond.
fn pause(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// The files that name results.
fn keys(store: &Path) -> Vec<PathBuf> {
    files_below(&store.join("keys"), "json")
}

/// The temporary files in a folder of the store.
fn temporary(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let temporary = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".part-"));
    temporary.map(|entry| entry.path()).collect()
}

/// Everything in the run folder but the record, which tells times.
fn tables(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let kinds = ["csv", "parquet", "md", "tex", "svg"];
    let files = kinds.iter().flat_map(|kind| files_below(run, kind));
    let named = files.map(|path| {
        let name = path.strip_prefix(run).expect("below").to_string_lossy().into_owned();
        (name, std::fs::read(path).expect("read"))
    });
    // An appendix tells how long its run took.
    let found: BTreeMap<_, _> = named.filter(|(name, _)| !name.starts_with("appendix")).collect();
    assert!(found.len() >= 20, "{:?}", found.keys());
    found
}

#[test]
fn a_killed_script_goes_on_to_the_same_tables() {
    let hit = Bench::new(1).kills(6, 0, 0);
    assert!(hit.values().sum::<usize>() >= 6, "{hit:?}");
}

#[test]
#[ignore = "minutes of kills"]
fn a_hundred_kills_at_least_ten_in_each_stage() {
    let started = Instant::now();
    let seed = std::env::var("W2S_KILL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let hit = Bench::new(4).kills(100, 10, seed);
    println!("{hit:?} in {:.0} s, seed {seed}", started.elapsed().as_secs_f64());
}
