//! The command line.

use super::units;
use crate::core::context::NEWEST_WORLD;
use crate::kernels::{KINDS, Kernels, kernels_of};
use crate::lang::limits::Limits;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// A laboratory for weak-to-strong generalization.
///
/// Without a command: the prompt.
#[derive(Debug, Parser)]
#[command(name = "w2s", version, disable_help_subcommand = true, after_help = AFTER)]
pub struct Line {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

const AFTER: &str = "Exit codes: 0 done, 1 an error in a script, 2 a wrong command line, 3 a file or folder that cannot \
be read or made, 4 verified within intervals, 5 verified but for what cannot be judged, 130 stopped by Ctrl-C, 141 the reader of the output went away.";

/// Options that every command takes.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// Seed of everything that a script does not seed itself
    #[arg(long, global = true, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub seed: u64,
    /// The version of the generated world that `world/TASK`, `world::language()` and `model::ladder("world")` mean
    #[arg(long, global = true, value_name = "VERSION", default_value_t = NEWEST_WORLD,
          value_parser = worlds())]
    pub world: usize,
    /// Where models compute
    #[arg(long, global = true, value_enum, default_value_t)]
    pub device: Device,
    /// Worker threads [default: one per core]; results do not depend on it
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Where fetched and computed artefacts live, a folder or s3://BUCKET/PREFIX [default: W2S_STORE, or else the user's
    /// data folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Compute everything anew: look nothing up in the store and keep nothing there
    #[arg(long, global = true)]
    pub no_memo: bool,
    /// The instructions that models compute with [default: the best that the processor has]; results of one kind are
    /// equal to the bit on every processor that has it
    #[arg(long, global = true, value_parser = kernels_parser())]
    pub kernels: Option<Kernels>,
    /// What a script may read, and where its relative paths start [default: the script's own folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub project: Option<PathBuf>,
    /// The run folder, which a script may write [default: runs/NAME-NNN for `script`, none otherwise]
    #[arg(long, global = true, value_name = "DIR")]
    pub run: Option<PathBuf>,
    /// Let the script read this file or folder too
    #[arg(long, global = true, value_name = "PATH")]
    pub allow_read: Vec<PathBuf>,
    /// Let the script write this file or folder too
    #[arg(long, global = true, value_name = "PATH")]
    pub allow_write: Vec<PathBuf>,
    /// Let the script write this many GiB in all [default: 8]
    #[arg(long, global = true, value_name = "GIB", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub allow_disk: Option<u32>,
    /// Let the program hold this many GiB of memory [default: three quarters of what the machine has]
    #[arg(long, global = true, value_name = "GIB", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub allow_memory: Option<u32>,
    /// No progress, only warnings and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Whether the script is only planned.
    #[arg(skip)]
    pub plan: bool,
    /// Texts of the program's modules that are imported in place of its own.
    #[arg(skip)]
    pub modules: Vec<(String, String)>,
}

/// Where models compute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// The CPU, by this program's own kernels: the fastest there
    #[default]
    Cpu,
    /// The CPU, by the operations of the library candle: slower, an independent second opinion on any number
    Candle,
    /// An NVIDIA graphics processor, by candle's operations; in a build with `--features cuda`, never run on one so far
    Cuda,
    /// Apple's graphics processor, by candle's operations; in a build with `--features metal`, never run on one so far
    Metal,
}

impl Global {
    /// What scripts may use up.
    pub fn limits(&self) -> Limits {
        let chosen = Limits::default();
        Limits { memory: self.allow_memory.map_or(chosen.memory, |gib| u64::from(gib) << 30), ..chosen }
    }
}

impl Device {
    /// As settings and records call it.
    pub fn name(self) -> &'static str {
        match self {
            Device::Cpu => "cpu",
            Device::Candle => "candle",
            Device::Cuda => "cuda",
            Device::Metal => "metal",
        }
    }

    /// Whether the own kernels compute there.
    pub fn has_kernels(self) -> bool {
        self == Device::Cpu
    }
}

/// A version of the generated world.
fn worlds() -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u16).range(1..=NEWEST_WORLD as i64).map(usize::from)
}

/// Kernels by their names.
fn kernels_parser() -> impl TypedValueParser<Value = Kernels> {
    let names = PossibleValuesParser::new(KINDS.map(Kernels::name));
    names.try_map(|name| kernels_of(&name).ok_or("this program has no such kernels"))
}

/// What to do with the store.
#[derive(Debug, Clone, Subcommand)]
pub enum StoreCommand {
    /// List results, the last used first
    Ls {
        /// Only those of one operation, such as `finetune`
        #[arg(long, value_name = "NAME")]
        operation: Option<String>,
        /// Only those used since so long ago, such as 12h or 7d
        #[arg(long, value_name = "TIME", value_parser = units::parse_time)]
        since: Option<Duration>,
    },
    /// Show one result: how it was made, from what, its losses
    Show {
        /// The beginning of its key or of its value's digest
        key: String,
    },
    /// Remove leftovers, and results from the least recently used on until the rest fits; never what a kept run needs
    Gc {
        /// What results may take, such as 5GB [default: W2S_STORE_MAX, or else 20GB; in a bucket, as much as there is]
        #[arg(long, value_name = "SIZE", value_parser = units::parse_size)]
        max_size: Option<u64>,
        /// Remove results whose last use is longer ago, such as 30d
        #[arg(long, value_name = "TIME", value_parser = units::parse_time)]
        older_than: Option<Duration>,
        /// Keep nothing any more for the runs of another machine that uses the bucket
        #[arg(long, value_name = "HOST")]
        forget: Option<String>,
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
    },
    /// Read everything and compare it with its hashes; names what is damaged (exit code 1)
    Check {
        /// Remove what is damaged and can be computed again
        #[arg(long)]
        remove: bool,
    },
    /// Write results into an archive for another store: everything, some, or what a run used (`--run RUN`: its
    /// folder, its record.json, a bundle, or a name below `runs`)
    Export {
        /// The archive, replaced if it exists
        file: PathBuf,
        /// The beginnings of keys
        keys: Vec<String>,
    },
    /// Take the results of an archive in, after checking every hash
    Import {
        /// The archive
        file: PathBuf,
    },
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run a script; leaves a run folder with its record
    Script {
        /// Train nothing and write nothing: say what the store would answer, what would be computed, and about how long
        #[arg(long)]
        plan: bool,
        /// The script
        file: PathBuf,
        /// What the script finds in `args`
        #[arg(last = true)]
        args: Vec<String>,
        /// It reruns a record, in a folder that will be removed
        #[arg(long, hide = true)]
        rerun: bool,
        /// A folder with texts of the program's modules, which are imported in place of its own
        #[arg(long, hide = true, requires = "rerun", value_name = "DIR")]
        modules: Option<PathBuf>,
    },
    /// Write a run's appendix for a paper: script, tables, figures and where they come from, as LaTeX and Markdown
    Appendix {
        /// A run folder, its record.json, a bundle, or a name below `runs`
        run: PathBuf,
        /// Where to write [default: the run's folder; `appendix` for a bundle, a run that did not end well, and one of another
        /// version of w2s]
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// The prompt
    Repl,
    /// Evaluate an expression and print its value
    Eval {
        /// Such as 'metric::pgr_percent(0.65, 0.78, 0.95)'
        #[arg(value_name = "EXPR", allow_hyphen_values = true)]
        code: String,
    },
    /// Check scripts without running them: syntax, imports, names, arity, literal options
    Check {
        /// The scripts
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Explain a function, a module, a type or an option
    Help {
        /// Such as `metric::pgr` or `Frame`; nothing for the overview
        name: Option<String>,
    },
    /// Look at computed results, check them, make room, take them elsewhere
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Bring models and data sets into the store; without names, list what there is
    Fetch {
        /// Such as `minilm`, `sarcasm` or `hub:sentence-transformers/all-MiniLM-L6-v2`
        #[arg(value_name = "ID")]
        ids: Vec<String>,
    },
    /// List runs: when, which script, how it ended, how long it took, what was computed, which tables
    Runs {
        /// The folder that holds the run folders
        #[arg(value_name = "DIR", default_value = "runs")]
        folder: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a run: settings, operations, readings of truth, tables, warnings
    Show {
        /// A run folder, its record.json, a bundle, or a name below `runs`
        run: PathBuf,
        /// The record as JSON
        #[arg(long)]
        json: bool,
        /// List every operation, not the kinds and the slowest alone
        #[arg(long)]
        operations: bool,
    },
    /// Compare two runs: which options, data and code differ; which numbers moved, within noise or beyond. Exit code 1
    /// if anything but times differs
    Diff {
        /// A run folder, its record.json, a bundle, or a name below `runs`
        before: PathBuf,
        /// Another one
        after: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a recorded script again from nothing and compare every number, table, figure and printed line. Exit code 0 if
    /// everything is equal, 1 if something differs, 3 if it cannot be told, 4 if numbers were compared within intervals (another
    /// type of machine), 5 if something cannot be judged (another version of an operation)
    Verify {
        /// A run folder, its record.json, a bundle, or a name below `runs`
        run: PathBuf,
        /// Write the whole report into this file
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Make one file of a run, which verifies elsewhere: script, record, tables, figures, appendix, data
    Bundle {
        /// A run folder, its record.json, a bundle, or a name below `runs`
        run: PathBuf,
        /// The file [default: NAME.w2s.zip, here]
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Leave the data out; their digests stay
        #[arg(long)]
        no_data: bool,
    },
    /// Write the reference and the editor definitions again from the records of the functions
    #[command(hide = true)]
    Docs {
        /// The folder that holds `reference` and `definitions`
        #[arg(default_value = "docs")]
        folder: PathBuf,
    },
    /// Compute cells of `sweep::map` for another process of w2s
    #[command(hide = true)]
    Worker,
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}
