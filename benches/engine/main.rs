//! `cargo bench --bench engine`: this engine against PyTorch on the same shapes, data and first parameters, in turn.
//!
//! `cargo bench --bench engine -- [--quick] [--ours] [WORK…]`. Each side of a work is a process of its own with two threads; pairs
//! of rounds are interleaved, and which side begins alternates. The peer is the fastest of its variants, found first.
//! Prints a table and writes `bench/engine.json` in the target directory. With `--ours` this engine runs alone, without
//! ratios, for a profiler to look at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod limit;
mod ours;
mod peer;
mod work;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use work::{Kind, WORKS, Work};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let answer = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--worker", name, store, folder] => {
            find(name).and_then(|work| ours::worker(work, Path::new(store), Path::new(folder)))
        }
        ["--limit", name] => find(name).map(|work| {
            let products: Vec<[usize; 6]> = limit::products(work).into_iter().map(|(_, product)| product).collect();
            println!("{}", json!({"seconds": limit::gemm_seconds(&products)}));
        }),
        _ => bench(&args),
    };
    if let Err(why) = answer {
        eprintln!("{why}");
        std::process::exit(1);
    }
}

fn find(name: &str) -> Result<&'static Work, String> {
    let names = || WORKS.iter().map(|work| work.name).collect::<Vec<_>>().join(", ");
    WORKS
        .iter()
        .find(|work| work.name == name)
        .ok_or_else(|| format!("no work is called `{name}`; there are {}", names()))
}

/// Where things are.
struct Place {
    bench: PathBuf,
    store: PathBuf,
    python: PathBuf,
}

fn bench(args: &[String]) -> Result<(), String> {
    // `cargo test --benches` runs this without `--bench`: nothing is measured then.
    if !args.iter().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let quick = args.iter().any(|arg| arg == "--quick");
    let named: Vec<&Work> =
        args.iter().filter(|arg| !arg.starts_with("--")).map(|name| find(name)).collect::<Result<_, _>>()?;
    let chosen: Vec<&Work> = if named.is_empty() { WORKS.iter().collect() } else { named };

    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let bench = tmp.parent().unwrap_or(tmp).join("bench");
    std::fs::create_dir_all(&bench).map_err(|error| error.to_string())?;
    let store = std::env::var_os("W2S_STORE").map_or_else(|| tmp.join("store"), PathBuf::from);
    if args.iter().any(|arg| arg == "--ours") {
        return chosen.into_iter().try_for_each(|work| alone(work, &bench, &store, if quick { 3 } else { 9 }));
    }
    let place = Place { python: peer::python(&bench)?, bench, store };

    let mut rows = Vec::new();
    println!("{}", heading());
    for work in chosen {
        let row = measure(work, &place, if quick { 2 } else { 5 })?;
        println!("{}", line(&row));
        rows.push(row);
    }
    let file = place.bench.join("engine.json");
    let text = serde_json::to_string_pretty(&json!({"threads": peer::N_THREADS, "quick": quick, "rows": rows}));
    std::fs::write(&file, text.map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
    println!(
        "\nspeedup: PyTorch's seconds over ours, median of pairs [least, greatest]. memory: ours over PyTorch's, above the"
    );
    println!(
        "size after imports (in all). limit: time of the step's matrix products in the better of the gemm crate and"
    );
    println!("PyTorch, over our whole step.\n{}", file.display());
    Ok(())
}

/// Runs and prints our side of a work.
fn alone(work: &Work, bench: &Path, store: &Path, n_rounds: usize) -> Result<(), String> {
    let folder = bench.join(work.name);
    work::prepare(work, store, &folder)?;
    let args = ["--worker".as_ref(), std::ffi::OsStr::new(work.name), store.as_ref(), folder.as_ref()];
    let mut we = Side::start(ours(&args)?)?;
    we.hear()?;
    we.ask("go")?;
    let seconds: Vec<f64> = (0..n_rounds).map(|_| number(&we.ask("go")?, "seconds")).collect::<Result<_, _>>()?;
    let end = we.ask("end")?;
    let least = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let above = number(&end, "peak")? - number(&end, "base")?;
    println!("{}: {:.3} ms (least {:.3}), {above:.0} MB", work.name, 1e3 * median(&seconds), 1e3 * least);
    Ok(())
}

/// One side's process.
struct Side {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Side {
    fn start(mut command: Command) -> Result<Side, String> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        let to = child.stdin.take().ok_or("no input")?;
        let from = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Side { child, to, from })
    }

    /// The next line of JSON; lines that say something else are passed over.
    fn hear(&mut self) -> Result<Value, String> {
        loop {
            let mut line = String::new();
            if self.from.read_line(&mut line).map_err(|error| error.to_string())? == 0 {
                let status = self.child.wait().map_err(|error| error.to_string())?;
                return Err(format!("a side ended without an answer: {status}"));
            }
            if line.starts_with('{') {
                return serde_json::from_str(&line).map_err(|error| format!("an answer is no JSON ({error}): {line}"));
            }
        }
    }

    fn ask(&mut self, what: &str) -> Result<Value, String> {
        writeln!(self.to, "{what}").and_then(|()| self.to.flush()).map_err(|error| error.to_string())?;
        self.hear()
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ours(args: &[&std::ffi::OsStr]) -> Result<Command, String> {
    let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
    command.args(args).env("RAYON_NUM_THREADS", peer::N_THREADS);
    Ok(command)
}

fn number(value: &Value, name: &str) -> Result<f64, String> {
    value.get(name).and_then(Value::as_f64).ok_or_else(|| format!("an answer lacks `{name}`: {value}"))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { 0.5 * (sorted[middle - 1] + sorted[middle]) }
}

fn measure(work: &Work, place: &Place, n_pairs: usize) -> Result<Value, String> {
    let folder = place.bench.join(work.name);
    work::prepare(work, &place.store, &folder)?;
    let peer = |mode: &str| peer::command(&place.python, &place.bench, &folder, mode);

    let found = Side::start(peer("choose")?)?.hear()?;
    let seconds = found.get("seconds").and_then(Value::as_object).ok_or("the peer timed nothing")?;
    let fastest =
        seconds.iter().min_by(|a, b| a.1.as_f64().unwrap_or(f64::MAX).total_cmp(&b.1.as_f64().unwrap_or(f64::MAX)));
    let (variant, _) = fastest.ok_or_else(|| format!("no variant of the peer runs: {found}"))?;

    let name = std::ffi::OsStr::new(work.name);
    let mut we = Side::start(ours(&["--worker".as_ref(), name, place.store.as_ref(), folder.as_ref()])?)?;
    let mut they = Side::start(peer(variant)?)?;
    we.hear()?;
    they.hear()?;
    // One round each to warm up, then pairs.
    let mut rounds = Vec::new();
    for pair in 0..=n_pairs {
        let (our, their) = if pair % 2 == 0 {
            let our = we.ask("go")?;
            (our, they.ask("go")?)
        } else {
            let their = they.ask("go")?;
            (we.ask("go")?, their)
        };
        rounds.push([
            number(&our, "seconds")?,
            number(&their, "seconds")?,
            number(&our, "loss")?,
            number(&their, "loss")?,
        ]);
    }
    let (our_end, their_end) = (we.ask("end")?, they.ask("end")?);
    drop((we, they));

    let column = |idx: usize| rounds[1..].iter().map(|round| round[idx]).collect::<Vec<f64>>();
    let ratios: Vec<f64> = rounds[1..].iter().map(|round| round[1] / round[0]).collect();
    let memory = |what: &Value| Ok::<_, String>((number(what, "peak")? - number(what, "base")?, number(what, "peak")?));
    let ((our_above, our_all), (their_above, their_all)) = (memory(&our_end)?, memory(&their_end)?);
    let [_, _, our_loss, their_loss] = rounds[rounds.len() - 1];
    let mut row = json!({
        "work": work.name,
        "speedup": median(&ratios),
        "speedup_min": ratios.iter().copied().fold(f64::INFINITY, f64::min),
        "speedup_max": ratios.iter().copied().fold(0.0, f64::max),
        "speedup_target": work.speedup,
        "pairs": n_pairs,
        "seconds": median(&column(0)),
        "peer_seconds": median(&column(1)),
        "peer_variant": variant,
        "peer_variants": found,
        "memory_ratio": our_above / their_above,
        "memory_ratio_total": our_all / their_all,
        "memory_target": work.memory,
        "memory_mb": our_above,
        "memory_mb_total": our_all,
        "peer_memory_mb": their_above,
        "peer_memory_mb_total": their_all,
        "loss": our_loss,
        "peer_loss": their_loss,
    });
    if (our_loss - their_loss).abs() > 2e-3 * their_loss.abs().max(0.1) {
        return Err(format!("{}: our loss is {our_loss}, the peer's {their_loss}: not the same work", work.name));
    }
    if work.kind == Kind::Label {
        let (our, their) = (
            work::read(&folder, "ours.f32", f32::from_le_bytes)?,
            work::read(&folder, "peer.f32", f32::from_le_bytes)?,
        );
        let same = our.chunks(2).zip(their.chunks(2)).filter(|(a, b)| (a[0] < a[1]) == (b[0] < b[1])).count();
        row["hard_labels_equal"] = json!(same as f64 / (our.len() / 2) as f64);
        let second = |row: &[f32]| 1.0 / (1.0 + f64::from(row[0] - row[1]).exp());
        let apart = our.chunks(2).zip(their.chunks(2)).map(|(a, b)| (second(a) - second(b)).abs());
        row["probabilities_apart"] = json!(apart.fold(0.0, f64::max));
        row["rows_per_second"] = json!(work.rows as f64 / median(&column(0)));
    }
    if work.kind == Kind::Finetune {
        row["rows_per_second"] = json!(work.rows as f64 / median(&column(0)));
    }
    let products = limit::products(work);
    if !products.is_empty() {
        let seconds = |value: Value| -> Result<Vec<f64>, String> {
            serde_json::from_value(value["seconds"].clone()).map_err(|error| error.to_string())
        };
        let gemm = seconds(Side::start(ours(&["--limit".as_ref(), name])?)?.hear()?)?;
        let torch = seconds(Side::start(peer("limit")?)?.hear()?)?;
        let total =
            |of: &dyn Fn(usize) -> f64| products.iter().enumerate().map(|(i, (count, _))| count * of(i)).sum::<f64>();
        let flops = total(&|i| limit::flops(&products[i].1));
        let least = total(&|i| gemm[i].min(torch[i]));
        row["limit_gflops"] = json!(flops / least / 1e9);
        row["gemm_gflops"] = json!(flops / total(&|i| gemm[i]) / 1e9);
        row["torch_gflops"] = json!(flops / total(&|i| torch[i]) / 1e9);
        row["gflops"] = json!(flops / median(&column(0)) / 1e9);
        row["share_of_gemm_limit"] = json!(least / median(&column(0)));
        row["share_target"] = json!(work.share);
    }
    Ok(row)
}

fn heading() -> String {
    format!(
        "{:<22} {:>24} {:>10} {:>10} {:>16} {:>10} {:>8}  peer",
        "work", "speedup (target)", "ours", "PyTorch", "memory (total)", "MB", "limit"
    )
}

fn line(row: &Value) -> String {
    let get = |name: &str| row[name].as_f64().unwrap_or(f64::NAN);
    let speedup = format!(
        "{:.2} [{:.2}, {:.2}] ({})",
        get("speedup"),
        get("speedup_min"),
        get("speedup_max"),
        get("speedup_target")
    );
    let memory = format!("{:.2} ({:.2})", get("memory_ratio"), get("memory_ratio_total"));
    let share = row["share_of_gemm_limit"].as_f64().map_or(String::new(), |share| format!("{:.0} %", 100.0 * share));
    let time =
        |seconds: f64| if seconds < 0.1 { format!("{:.3} ms", 1e3 * seconds) } else { format!("{seconds:.3} s") };
    format!(
        "{:<22} {speedup:>24} {:>10} {:>10} {memory:>16} {:>10.0} {share:>8}  {}",
        row["work"].as_str().unwrap_or_default(),
        time(get("seconds")),
        time(get("peer_seconds")),
        get("memory_mb"),
        row["peer_variant"].as_str().unwrap_or_default(),
    )
}
