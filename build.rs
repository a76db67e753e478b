//! Names the source that the program is built from: `W2S_BUILD` is a hash of it. A record holds the hash, so that `verify` knows
//! whether words and layout must be equal to the byte, or may be those of another build.

use std::path::{Path, PathBuf};

/// Everything that decides what the program says.
const SOURCE: [&str; 4] = ["src", "stdlib", "Cargo.lock", "Cargo.toml"];

fn main() {
    let mut files = Vec::new();
    for path in SOURCE {
        println!("cargo:rerun-if-changed={path}");
        collect(Path::new(path), &mut files);
    }
    files.sort();
    let mut hash = Fnv::default();
    for file in files {
        hash.add(file.to_string_lossy().replace('\\', "/").as_bytes());
        // A file that cannot be read fails the compiler itself.
        hash.add(&std::fs::read(&file).unwrap_or_default());
    }
    println!("cargo:rustc-env=W2S_BUILD={:016x}{:016x}", hash.forward, hash.mixed);
    list_tasks();
}

/// Lists the task files of the script stdlib, each as a module `tasks/NAME`, for the program to carry: a task is added without
/// a line of Rust.
fn list_tasks() {
    let mut files = Vec::new();
    collect(Path::new("stdlib/tasks"), &mut files);
    files.retain(|file| file.extension().is_some_and(|ending| ending == "rhai"));
    files.sort();
    let mut list = "&[".to_owned();
    for file in files {
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        list.push_str(&format!(
            "(\"tasks/{stem}\", include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/stdlib/tasks/{stem}.rhai\"))),\n"
        ));
    }
    list.push(']');
    let place = std::env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default().join("tasks.rs");
    // Without the list the compiler says that it is missing.
    let _ = std::fs::write(place, list);
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(path) else {
        files.push(path.to_owned());
        return;
    };
    entries.flatten().for_each(|entry| collect(&entry.path(), files));
}

/// Two FNV-1a hashes of 64 bits (Fowler, Noll and Vo), the second over the bytes turned: enough to tell builds apart, which
/// nobody forges this way. The standard library's hasher may change between compilers.
struct Fnv {
    forward: u64,
    mixed: u64,
}

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv { forward: 0xcbf2_9ce4_8422_2325, mixed: 0x6c62_272e_07bb_0142 }
    }
}

impl Fnv {
    /// Adds bytes and their number, so that no two lists of files collide by their joints.
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&(bytes.len() as u64).to_le_bytes()) {
            self.forward = (self.forward ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            self.mixed = (self.mixed ^ u64::from(byte.rotate_left(3))).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
