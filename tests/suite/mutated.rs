//! Mutated seeds of every reader of strangers' bytes, the same each time: no panic, no abort, no hang, bounded memory, and an error
//! that says something. The readers and their seeds are those of the fuzz targets in `fuzz/`.

#[path = "../../fuzz/src/entry.rs"]
mod entry;
#[path = "../../fuzz/src/members.rs"]
mod members;
#[path = "../../fuzz/src/seeds.rs"]
mod seeds;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use w2s::core::guard::guarded;
use w2s::core::random::Random;

/// Which reader the child replays.
const READER: &str = "W2S_MUTATED_READER";
/// The most memory of a child that replays one reader: its own code and polars take a tenth.
const MEMORY: u64 = 1 << 30;
/// The longest that a child may take; each takes a second or two alone.
const PATIENCE: Duration = Duration::from_secs(120);
/// The longest that one input may take: none takes a tenth of a second alone.
const SLOW: Duration = Duration::from_secs(10);

/// How many mutations of each reader: what takes it one or two seconds.
fn n_mutations(reader: &str) -> usize {
    match reader {
        "bundle" | "archive" | "script" => 150,
        "record" => 300,
        "parquet" | "safetensors" | "gguf" | "onnx" => 1500,
        _ => 2500,
    }
}

/// Numbers that readers multiply, allocate and index by.
const NUMBERS: [u64; 12] = [
    0,
    1,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 40,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// The same as text, and what is not such a number.
const WORDS: [&str; 12] = [
    "0",
    "-1",
    "4294967296",
    "9223372036854775808",
    "1e308",
    "1e999",
    "-0.0",
    "NaN",
    "null",
    "\"\"",
    "[]",
    "18446744073709551615",
];

fn below(random: &mut Random, n: usize) -> usize {
    random.below(n.max(1))
}

/// One mutation of `bytes`.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = below(random, bytes.len());
    let some = |random: &mut Random, n: usize| (1 + below(random, 16)).min(n);
    match random.below(12) {
        0..=2 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        3 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.below(256) as u8;
            }
        }
        4 => bytes.truncate(at),
        5 => {
            let n = some(random, bytes.len() - at);
            bytes.drain(at..at + n);
        }
        6 => {
            let n = some(random, bytes.len() - at);
            let again = bytes[at..at + n].to_vec();
            let to = below(random, bytes.len());
            bytes.splice(to..to, again);
        }
        7 => overwrite(bytes, at, &NUMBERS[random.below(NUMBERS.len())].to_le_bytes()[..4 << random.below(2)]),
        8 => replace_number(bytes, at, WORDS[random.below(WORDS.len())].as_bytes()),
        9 => {
            let open: &[u8] = [&b"["[..], b"{\"a\":", b"(", b"\"", b"#{a:", b"!"][random.below(6)];
            let deep = open.repeat([3, 30, 300, 30_000][random.below(4)]);
            bytes.splice(at..at, deep);
        }
        10 => {
            let part: &[u8] = [&b"\r\n"[..], b"\n", b"\"", b",", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe6\xbc\xa2"]
                [random.below(8)];
            bytes.splice(at..at, part.iter().copied());
        }
        _ => {
            // A part from elsewhere in the same input.
            let n = some(random, bytes.len() - at);
            let from = below(random, bytes.len() - n.min(bytes.len()));
            let part = bytes[from..from + n.min(bytes.len() - from)].to_vec();
            overwrite(bytes, at, &part);
        }
    }
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    bytes.iter_mut().skip(at).zip(with).for_each(|(byte, new)| *byte = *new);
}

/// The next number written in digits behind `at` becomes another.
fn replace_number(bytes: &mut Vec<u8>, at: usize, with: &[u8]) {
    let Some(start) = bytes.iter().skip(at).position(u8::is_ascii_digit).map(|n| at + n) else { return };
    let end = start + bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    bytes.splice(start..end, with.iter().copied());
}

/// The most memory that this process ever held, in bytes; 0 where the system does not say.
fn high_water() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// What is wrong with what a reader answers to an input, if anything.
fn fault(reader: &str, read: entry::Entry, bytes: &[u8]) -> Result<bool, String> {
    let started = Instant::now();
    let answer = guarded(|| read(bytes)).map_err(|said| format!("it panics: {said}"))?;
    let took = started.elapsed();
    if took > SLOW {
        return Err(format!("it takes {took:?}"));
    }
    match entry::complaint(reader, bytes, &answer) {
        Some(why) => Err(why),
        None => Ok(answer.is_ok()),
    }
}

/// Replays one reader in this process.
fn replay(reader: &str, read: entry::Entry) {
    let seeds = seeds::of(reader);
    for (nth, seed) in seeds.iter().enumerate() {
        let answer = read(seed);
        assert!(answer.is_ok(), "seed {nth} of {reader}: {answer:?}");
    }
    for (nth, seed) in seeds::refused(reader).iter().enumerate() {
        let read = fault(reader, read, seed).unwrap_or_else(|why| panic!("refused seed {nth} of {reader}, {why}"));
        assert!(!read, "refused seed {nth} of {reader} is read");
    }
    // What fuzzing found, minimised.
    let kept = crate::support::files_below(&crate::support::root().join("fuzz/kept").join(reader), "bin");
    for path in &kept {
        if let Err(why) = fault(reader, read, &std::fs::read(path).expect("there")) {
            panic!("{}, {why}", path.display());
        }
    }
    let (mut n_read, mut n_refused) = (0, 0);
    for nth in 0..n_mutations(reader) {
        let mut random = Random::new(nth as u64, &format!("mutated/{reader}"));
        let mut bytes = seeds[nth % seeds.len()].clone();
        for _ in 0..=random.below(3) {
            // Of what has checksums two of three behind them, the rest as it is.
            let is_zip = ["bundle", "archive"].contains(&reader) && nth % 3 > 0;
            let member = random.below(1000);
            match is_zip.then(|| members::change(&bytes, member, |content| mutate(content, &mut random))).flatten() {
                Some(changed) => bytes = changed,
                None => mutate(&mut bytes, &mut random),
            }
        }
        match fault(reader, read, &bytes) {
            Ok(true) => n_read += 1,
            Ok(false) => n_refused += 1,
            Err(why) => {
                let kept = std::env::temp_dir().join(format!("w2s-mutated-{reader}-{nth}"));
                std::fs::write(&kept, &bytes).expect("written");
                panic!("mutation {nth} of {reader}, {why}\nthe input is {}", kept.display());
            }
        }
    }
    let most = high_water();
    println!("{reader}: {n_read} read, {n_refused} refused, {} kept ones, {} MiB", kept.len(), most >> 20);
    assert!(most < MEMORY, "{reader} took {} MiB", most >> 20);
    assert!(n_refused > n_mutations(reader) / 10, "mutations of {reader} are hardly ever noticed: {n_refused}");
}

/// A process for each reader: an abort, a hang or much memory is then a reader's own.
#[test]
fn every_reader_answers_mutated_input_with_a_value_or_an_error() {
    let this = std::env::current_exe().expect("a path");
    let mut failed = Vec::new();
    for (reader, _) in entry::ALL {
        let mut command = Command::new(&this);
        command.args(["mutated::the_child_of_the_replay", "--exact", "--ignored", "--nocapture"]).env(READER, reader);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let started = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if started.elapsed() > PATIENCE {
                child.kill().expect("killed");
                failed.push(format!("{reader}: it hangs"));
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let done = child.wait_with_output().expect("ends");
        if !done.status.success() {
            let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
            failed.push(format!("{reader}: {}\n{out}{err}", done.status));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
#[ignore = "each reader by itself, in a process of the test above; without W2S_MUTATED_READER all of them"]
fn the_child_of_the_replay() {
    let asked = std::env::var(READER).ok();
    let readers = entry::ALL.iter().filter(|(name, _)| asked.as_deref().is_none_or(|asked| asked == *name));
    readers.for_each(|(name, read)| replay(name, *read));
}
