//! What a verified look-up costs, against reading and hashing its bytes; and hashing, against copying memory.
//!
//! `cargo bench --bench store` prints medians of interleaved rounds with their quartiles. Files are read from the system's
//! cache: a disk would make every ratio smaller.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods)]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;
use w2s::core::context::{Access, Context, Memo, Settings};
use w2s::core::digest::Digest;
use w2s::store::StoreError;
use w2s::store::hash::hash;
use w2s::store::memo::{Content, Done, Operation, Partial, Step, perform};

/// Rounds of each comparison: chosen, odd.
const ROUNDS: usize = 31;

/// An operation whose result has so many numbers.
struct Numbers(usize);

impl Operation for Numbers {
    type Value = Vec<f32>;
    type Error = StoreError;

    fn step(&self) -> Step {
        Step {
            operation: "numbers",
            what: format!("{} of them", self.0),
            digest: Digest::of("numbers", 1).int("n", self.0 as i64).finish(),
            inputs: Vec::new(),
            options: String::new(),
            work: 1.0,
            untraceable: None,
        }
    }

    fn compute(&self, _lab: &Context, _partial: &Partial) -> Result<Done<Vec<f32>>, StoreError> {
        Ok(Done { value: (0..self.0).map(|at| at as f32).collect(), curve: Vec::new() })
    }

    fn pack(&self, value: &Vec<f32>) -> Content {
        Content::default().tensor("numbers", &[self.0], value.clone())
    }

    fn unpack(&self, mut content: Content) -> Result<Vec<f32>, String> {
        content.take("numbers", &[self.0])
    }

    fn stand_in(&self) -> Vec<f32> {
        Vec::new()
    }
}

fn main() {
    // As the program does: large buffers are not given back to the system each time.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` only sets two parameters of the allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 512 << 20);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { store: folder.path().to_owned(), memo: Memo::On, ..Context::for_tests().settings };
    let ctx = Context::new(settings, Access::default());
    println!("{} threads\n", rayon::current_num_threads());
    println!("look-up, over reading and hashing the same bytes (at most 1.25 is wanted)");
    for n_bytes in [100 << 10, 1 << 20, 16 << 20, 128 << 20] {
        let numbers = Numbers(n_bytes / 4);
        let value = perform(&numbers, &ctx).expect("computed");
        assert_eq!(perform(&numbers, &ctx).expect("looked up"), value);
        let files = files_of(folder.path(), n_bytes as u64);
        let ratios = (0..ROUNDS).map(|_| {
            let looked_up = time(|| drop(black_box(perform(&numbers, &ctx).expect("looked up"))));
            let read = time(|| files.iter().for_each(|file| _ = black_box(hash(&std::fs::read(file).expect("there")))));
            (looked_up, read)
        });
        show(&format!("{:>6} kB", n_bytes >> 10), ratios.collect());
    }
    println!("\nhashing, GB/s, and its speed over that of copying memory");
    let bytes = vec![7u8; 128 << 20];
    let mut copy = vec![0u8; bytes.len()];
    let rounds: Vec<(f64, f64)> = (0..ROUNDS)
        .map(|_| {
            (time(|| _ = black_box(hash(&bytes))), time(|| black_box(&mut copy).copy_from_slice(black_box(&bytes))))
        })
        .collect();
    let speed = |seconds: f64| bytes.len() as f64 / seconds / 1e9;
    let (mut hashed, mut copied): (Vec<f64>, Vec<f64>) = rounds.iter().copied().unzip();
    println!("  hash {:.1} GB/s, copy {:.1} GB/s", speed(median(&mut hashed)), speed(median(&mut copied)));
    show("copy time / hash time", rounds.iter().map(|(hashed, copied)| (*copied, *hashed)).collect());
}

/// The files of the result with so many bytes: manifest and content.
fn files_of(store: &Path, n_bytes: u64) -> Vec<PathBuf> {
    let below = |folder: &str| {
        let inner = std::fs::read_dir(store.join(folder)).expect("a folder").flatten();
        inner.flat_map(|inner| std::fs::read_dir(inner.path()).expect("a folder").flatten()).map(|file| file.path())
    };
    let content =
        below("objects").find(|path| (n_bytes..n_bytes + 4096).contains(&path.metadata().expect("there").len()));
    let content = content.expect("the content");
    let name = content.file_stem().expect("a name").to_string_lossy().into_owned();
    let manifest = below("keys").find(|path| std::fs::read_to_string(path).expect("text").contains(&name));
    vec![manifest.expect("the manifest"), content]
}

fn time(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The first time over the second: median and quartiles of the rounds.
fn show(what: &str, rounds: Vec<(f64, f64)>) {
    let mut ratios: Vec<f64> = rounds.iter().map(|(one, other)| one / other).collect();
    let middle = median(&mut ratios);
    let (low, high) = (ratios[ratios.len() / 4], ratios[ratios.len() * 3 / 4]);
    let (mut ones, mut others): (Vec<f64>, Vec<f64>) = rounds.into_iter().unzip();
    let (one, other) = (median(&mut ones) * 1e3, median(&mut others) * 1e3);
    println!("  {what}: {middle:.2} [{low:.2}, {high:.2}]  ({one:.3} ms, {other:.3} ms)");
}
