//! Fuzz targets of every reader of strangers' bytes. How to run them is in `README.md` beside this crate.

pub mod entry;
pub mod members;
pub mod seeds;

use entry::Entry;

/// Reads `bytes`; an answer that is a fault is a crash.
pub fn read(name: &str, entry: Entry, bytes: &[u8]) {
    if let Some(why) = entry::complaint(name, bytes, &entry(bytes)) {
        panic!("{why}");
    }
}

/// A mutation of a bundle or archive: of the bytes as they are once in four times, else behind the checksums.
pub fn mutate_members(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let member = |bytes: &mut Vec<u8>| {
        let length = bytes.len();
        // Room to grow in.
        bytes.resize(length + 64, 0);
        let most = bytes.len();
        let length = libfuzzer_sys::fuzzer_mutate(bytes, length, most);
        bytes.truncate(length);
    };
    let changed = if seed % 4 == 0 { None } else { members::change(&data[..size], (seed / 4) as usize, member) };
    match changed.filter(|changed| changed.len() <= max_size) {
        Some(changed) => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        None => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
}
