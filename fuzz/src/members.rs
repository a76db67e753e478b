//! What lies behind the checksums of bundles and archives: one member is changed, and every checksum, size and seal is made right again,
//! so that a mutation reaches what reads the content.

use std::collections::BTreeSet;
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// The most members, and the most bytes of one, that are changed (arbitrary).
const MAX_MEMBERS: usize = 64;
const MAX_BYTES: u64 = 1 << 20;

/// What stands around the hash that seals a record.
const BEFORE_SEAL: &[u8] = b",\n  \"seal\": \"";
const BEHIND_SEAL: &[u8] = b"\"\n}\n";

/// A bundle or archive whose member number `nth` was changed by `how`; nothing where the bytes are no small zip.
pub fn change(zip: &[u8], nth: usize, how: impl FnOnce(&mut Vec<u8>)) -> Option<Vec<u8>> {
    let mut members = open(zip)?;
    let at = nth.checked_rem(members.len())?;
    for (name, bytes) in &mut members {
        *bytes = bare(name, std::mem::take(bytes));
    }
    let (name, content) = &mut members[at];
    let (hash, length) = (hash_of(content), content.len());
    how(content);
    // A manifest and a record are not named by their hash.
    if !is_manifest(name) && name != RECORD {
        let (new_hash, new_length) = (hash_of(content), content.len());
        let sizes = [length, new_length].map(|n| format!("\"bytes\": {n}"));
        for (name, bytes) in &mut members {
            *name = name.replace(&hash, &new_hash);
            if (is_manifest(name) || name == RECORD) && find(bytes, hash.as_bytes()).is_some() {
                *bytes = replaced(bytes, hash.as_bytes(), new_hash.as_bytes());
                *bytes = replaced(bytes, sizes[0].as_bytes(), sizes[1].as_bytes());
            }
        }
    }
    close(members.into_iter().map(|(name, bytes)| (name.clone(), closed(&name, bytes))).collect())
}

const RECORD: &str = "run/record.json";

fn is_manifest(name: &str) -> bool {
    name.starts_with("keys/")
}

fn hash_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// A member without the checksum that it carries itself.
fn bare(name: &str, mut bytes: Vec<u8>) -> Vec<u8> {
    if is_manifest(name)
        && let Some(end) = bytes.iter().position(|byte| *byte == b'\n')
    {
        bytes.drain(..=end);
    }
    if name == RECORD
        && let Some(start) = find(&bytes, BEFORE_SEAL)
    {
        bytes.truncate(start);
    }
    bytes
}

/// The same with it.
fn closed(name: &str, bytes: Vec<u8>) -> Vec<u8> {
    let hash = hash_of(&bytes);
    if is_manifest(name) {
        return [hash.as_bytes(), b"\n", &bytes].concat();
    }
    if name == RECORD {
        return [&bytes, BEFORE_SEAL, hash.as_bytes(), BEHIND_SEAL].concat();
    }
    bytes
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    let mut whole = Vec::new();
    while let Some(at) = find(rest, from) {
        whole.extend_from_slice(&rest[..at]);
        whole.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    whole.extend_from_slice(rest);
    whole
}

/// The members of a small zip, in its order.
pub fn open(zip: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut zip = ZipArchive::new(Cursor::new(zip)).ok().filter(|zip| zip.len() <= MAX_MEMBERS)?;
    (0..zip.len())
        .map(|idx| {
            let member = zip.by_index(idx).ok()?;
            let name = String::from_utf8(member.name_raw().to_vec()).ok()?;
            let mut bytes = Vec::new();
            member.take(MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
            (bytes.len() as u64 <= MAX_BYTES).then_some((name, bytes))
        })
        .collect()
}

/// Members as a zip: contents stored, which an archive demands, and the rest compressed.
pub fn close(members: Vec<(String, Vec<u8>)>) -> Option<Vec<u8>> {
    zipped(members, CompressionMethod::Stored)
}

/// The same with contents compressed.
pub fn compressed(members: Vec<(String, Vec<u8>)>) -> Option<Vec<u8>> {
    zipped(members, CompressionMethod::Deflated)
}

fn zipped(members: Vec<(String, Vec<u8>)>, of_contents: CompressionMethod) -> Option<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut seen = BTreeSet::new();
    for (name, bytes) in members {
        let method = if name.starts_with("objects/") { of_contents } else { CompressionMethod::Deflated };
        // The library refuses to write a name twice.
        if seen.insert(name.clone()) {
            zip.start_file(name, SimpleFileOptions::default().compression_method(method)).ok()?;
            zip.write_all(&bytes).ok()?;
        }
    }
    Some(zip.finish().ok()?.into_inner())
}
