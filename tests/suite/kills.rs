//! The program killed at random instants: what it left behind is whole, and the same command line again takes its run folder
//! over and ends in the same tables, to the bit.
//!
//! An instant is drawn from the time that a stage took in an undisturbed run. In which stage it fell is read off the
//! disk, which stands as the kill left it: a temporary file among the results is a write cut short, one among the states a
//! checkpoint cut short; otherwise it is the first operation whose result is not there yet, or, where all are, the
//! writing of tables and record. The long version takes minutes and runs when it is asked for:
//! `cargo test --release --test suite kills -- --ignored --nocapture`.

use crate::support::files_below;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use w2s::host::lab::Lab;
use w2s::host::random::Random;
use w2s::host::store::Store;

const SCRIPT: &str = include_str!("kills.rhai");

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Pretraining,
    Finetuning,
    Labelling,
    Checkpointing,
    Storing,
    Recording,
}

const STAGES: [Stage; 6] =
    [Stage::Pretraining, Stage::Finetuning, Stage::Labelling, Stage::Checkpointing, Stage::Storing, Stage::Recording];

/// The operations of the script in their order, as the undisturbed run stored them, and what its end left.
struct Reference {
    /// The operation's stage, and how long after the one before its result was there.
    operations: Vec<(Stage, Duration)>,
    /// From the last result to the end.
    rest: Duration,
    tables: BTreeMap<String, Vec<u8>>,
}

/// The script with stages of this length, in a folder.
struct Bench {
    folder: tempfile::TempDir,
    length: usize,
}

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
        command.current_dir(self.folder.path()).args(["script", "stages.rhai", "--quiet", "--run"]).arg(&run);
        command.arg("--store").arg(store).arg("--").arg(self.length.to_string());
        command.env("W2S_CHECKPOINT_SECONDS", "0.01").stdin(Stdio::null()).stdout(Stdio::null());
        (command.spawn().expect("starts"), run)
    }

    /// An undisturbed run, watched.
    fn reference(&mut self) -> Reference {
        let store = self.folder.path().join("reference");
        let (mut child, run) = self.start(&store);
        let (mut seen, mut last) = (Vec::new(), Instant::now());
        loop {
            let ended = child.try_wait().expect("waits");
            for path in keys(&store) {
                if !seen.iter().any(|(held, _)| *held == path) {
                    seen.push((path, last.elapsed()));
                    last = Instant::now();
                }
            }
            if let Some(status) = ended {
                assert!(status.success(), "the undisturbed run failed");
                break;
            }
            std::thread::sleep(Duration::from_micros(300));
        }
        let rest = last.elapsed();
        let results = Store::at(&store).results().expect("a store");
        let stage = |path: &Path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let found = results.iter().find(|listed| listed.key.to_hex() == name).expect("a result");
            match found.manifest.as_ref().expect("whole").operation.as_str() {
                "pretrain" => Stage::Pretraining,
                "finetune" => Stage::Finetuning,
                "label" | "predict" => Stage::Labelling,
                other => panic!("which stage is `{other}`?"),
            }
        };
        let operations = seen.iter().map(|(path, took)| (stage(path), *took)).collect();
        Reference { operations, rest, tables: tables(&run) }
    }

    /// Runs on the store and kills at an instant that was drawn for `aim`; the stage that it fell in, or `None` where the
    /// process had ended.
    fn kill(&mut self, store: &Path, aim: Stage, reference: &Reference, random: &mut Random) -> Option<Stage> {
        let n_operations = reference.operations.len();
        let of =
            |stage: Stage| (0..n_operations).filter(|idx| reference.operations[*idx].0 == stage).collect::<Vec<_>>();
        // After how many results, and then how long or for what to wait.
        let candidates = match aim {
            Stage::Recording => vec![n_operations],
            Stage::Storing => (0..n_operations).collect(),
            Stage::Checkpointing => [of(Stage::Pretraining), of(Stage::Finetuning)].concat(),
            stage => of(stage),
        };
        let n_done = candidates[random.below(candidates.len())];
        let window = reference.operations.get(n_done).map_or(reference.rest, |(_, took)| *took);
        let (mut child, run) = self.start(store);
        let mut ended = wait(&mut child, || keys(store).len() >= n_done);
        if matches!(aim, Stage::Storing | Stage::Checkpointing) {
            ended = ended || wait(&mut child, || cut_short(store) == Some(aim));
            std::thread::sleep(Duration::from_micros(random.below(1500) as u64));
        } else {
            std::thread::sleep(window.mul_f64(random.uniform()));
        }
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
        if outcome(&run).as_deref() == Some("done") {
            // The record is written last: what it says ended is whole, and no second run may take its folder.
            assert!(tables(&run) == reference.tables, "a run whose record says that it ended is not whole");
            std::fs::remove_dir_all(&run).expect("removed");
        }
        let n_done = keys(store).len();
        let computing = reference.operations.get(n_done).map_or(Stage::Recording, |(stage, _)| *stage);
        Some(cut_short(store).unwrap_or(computing))
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
        let audit = Store::at(store).audit(&Lab::for_tests()).expect("audited");
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
            if nth % 100 == 99 {
                println!("{nth} attempts: {hit:?}");
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

/// Waits for something; whether the process ended before it came.
fn wait(child: &mut Child, came: impl Fn() -> bool) -> bool {
    while !came() {
        if child.try_wait().expect("waits").is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    false
}

/// The files that name results.
fn keys(store: &Path) -> Vec<PathBuf> {
    files_below(&store.join("keys"), "json")
}

/// Which write a temporary file in the store belongs to.
fn cut_short(store: &Path) -> Option<Stage> {
    let in_work = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(".part-"))
    };
    let below = |folder: &str| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(store.join(folder)).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    if [below("objects"), below("keys")].concat().iter().any(|folder| in_work(folder)) {
        return Some(Stage::Storing);
    }
    in_work(&store.join("partial")).then_some(Stage::Checkpointing)
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
