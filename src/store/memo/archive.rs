//! Results in one file, to be taken to another store: a zip archive of manifests and contents.
//!
//! Nothing in an archive is believed: names in it decide nothing but what a member claims to be, every hash is checked
//! before the first file is kept, and a look-up key is computed from the manifest. What cannot be checked is whether the
//! numbers are those that the derivation gives: import from people whose results you would cite.

use super::files::object_file;
use super::registration::keys_of;
use super::{Key, Manifest};
use crate::core::context::{Context, Event};
use crate::core::digest::Digest;
use crate::core::files::{self, plain};
use crate::store::backend::PIECE;
use crate::store::{Store, StoreError, TEMPORARY};
use blake3::Hasher;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// The most bytes of a manifest that are read, and the most members of an archive. Arbitrary.
const MAX_MANIFEST: u64 = 16 << 20;
const MAX_MEMBERS: usize = 10_000_000;

/// How many times an archive's own size all its manifests may have as text, beyond [`FREE_TEXT`]. Arbitrary: manifests shrink to about a
/// fifth.
const MAX_GROWTH: u64 = 64;

/// Bytes of manifests that are read whatever the archive's size. Arbitrary.
const FREE_TEXT: u64 = 64 << 20;

/// What an import brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    pub n_new: usize,
    /// Results that were there, whole.
    pub n_known: usize,
    pub n_bytes: u64,
}

impl Store {
    /// The keys of the results that the run in `folder` used.
    pub fn keys_of_run(folder: &Path) -> BTreeSet<Key> {
        keys_of(&folder.join("record.json"))
    }

    /// Writes the results of `keys` into an archive at `to`, whole or not at all; each is checked on the way. How many
    /// bytes they have.
    pub fn export(&self, keys: &BTreeSet<Key>, to: &Path, ctx: &Context) -> Result<u64, StoreError> {
        let fails = |error: &std::io::Error| StoreError::io(to, error);
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = files::temporary(folder, TEMPORARY).map_err(|error| fails(&error))?;
        let mut zip = ZipWriter::new(file);
        let zipped = |error: zip::result::ZipError| match error {
            zip::result::ZipError::Io(error) => fails(&error),
            other => StoreError::File { path: to.display().to_string(), reason: other.to_string() },
        };
        let what = format!("export {}", to.display());
        ctx.tell(Event::Started { what: what.clone(), total: keys.len() as u64 });
        let mut contents = BTreeSet::new();
        let mut n_bytes = 0;
        let written = keys.iter().zip(1u64..).try_for_each(|(key, n_done)| {
            ctx.interrupt.check()?;
            self.bring(*key)?;
            let damaged = |why: String| StoreError::File {
                path: self.path(&super::files::key_file(*key)).display().to_string(),
                reason: why,
            };
            let manifest = self.manifest(*key).map_err(damaged)?;
            let manifest = manifest.ok_or_else(|| StoreError::NoResult { key: key.to_hex() })?;
            let plain = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
            zip.start_file(format!("keys/{key}.json"), plain).map_err(zipped)?;
            zip.write_all(manifest.write()?.as_bytes()).map_err(|error| fails(&error))?;
            if contents.insert(manifest.content.clone()) {
                n_bytes += manifest.bytes;
                let path = self.path(&object_file(&manifest.content));
                let from = File::open(&path).map_err(|error| StoreError::io(&path, &error))?;
                // Weights do not shrink.
                let stored = SimpleFileOptions::default()
                    .compression_method(CompressionMethod::Stored)
                    .large_file(manifest.bytes >= u64::from(u32::MAX));
                zip.start_file(format!("objects/{}.safetensors", manifest.content), stored).map_err(zipped)?;
                let hash = copy(from, &mut zip, manifest.bytes, ctx, &fails)?;
                if hash.as_deref() != Some(&manifest.content) {
                    let reason = "its content does not have the hash that it is named by".to_owned();
                    return Err(StoreError::File { path: path.display().to_string(), reason });
                }
            }
            ctx.tell(Event::Progress { what: what.clone(), done: n_done, note: String::new() });
            Ok(())
        });
        ctx.tell(Event::Ended { what });
        written?;
        let file = zip.finish().map_err(zipped)?;
        file.as_file().sync_all().map_err(|error| fails(&error))?;
        file.persist(to).map_err(|error| fails(&error.error))?;
        Ok(n_bytes)
    }

    /// Takes the results of an archive into this store. Every hash is checked before the first one is kept.
    pub fn import(&self, from: &Path, ctx: &Context) -> Result<Imported, StoreError> {
        let file = File::open(from).map_err(|error| StoreError::io(from, &error))?;
        let refused = |reason: String| StoreError::Archive { path: from.display().to_string(), reason };
        let n_file = file.metadata().map_err(|error| StoreError::io(from, &error))?.len();
        let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|error| refused(error.to_string()))?;
        if zip.len() > MAX_MEMBERS {
            return Err(refused(format!("it has {} members, at most {MAX_MEMBERS} are read", zip.len())));
        }
        let n_members = zip.len() as u64;
        let archive = told(ctx, format!("check {}", from.display()), n_members, |step| {
            self.checked(&mut zip, n_file, ctx, &refused, step)
        })?;
        let n_results = archive.manifests.len() as u64;
        told(ctx, format!("import {}", from.display()), n_results, |step| {
            self.take_over(&mut zip, &archive, ctx, &refused, step)
        })
    }

    /// Reads every manifest and hashes every content.
    fn checked(
        &self,
        zip: &mut ZipArchive<impl Read + Seek>,
        n_file: u64,
        ctx: &Context,
        refused: &impl Fn(String) -> StoreError,
        step: &mut dyn FnMut(),
    ) -> Result<Archive, StoreError> {
        let most_text = FREE_TEXT + MAX_GROWTH * n_file;
        let (mut n_text, mut n_content) = (0, 0);
        let mut archive = Archive::default();
        let mut claimed: BTreeMap<String, usize> = BTreeMap::new();
        for idx in 0..zip.len() {
            ctx.interrupt.check()?;
            let member = zip.by_index(idx).map_err(|error| refused(error.to_string()))?;
            let name = String::from_utf8_lossy(member.name_raw()).into_owned();
            if let Some(content) = named(&name, "objects/", ".safetensors") {
                // As `export` writes them. So no archive unpacks to more contents than its own bytes, whatever they say.
                if member.compression() != CompressionMethod::Stored {
                    return Err(refused(format!("`{name}` is compressed, and contents are stored as they are")));
                }
                n_content += member.size();
                if n_content > n_file {
                    return Err(refused(format!("its contents have {n_content} bytes, the file {n_file}")));
                }
                if claimed.insert(content.to_owned(), idx).is_some() {
                    return Err(refused(format!("it has `{name}` twice")));
                }
            } else if named(&name, "keys/", ".json").is_some() {
                let mut text = Vec::new();
                let read = member.take(MAX_MANIFEST).read_to_end(&mut text);
                n_text += read.map_err(|error| refused(format!("`{name}`: {}", plain(&error))))? as u64;
                if n_text > most_text {
                    return Err(refused(format!("its manifests have more than {most_text} bytes")));
                }
                let manifest = Manifest::read_any(&text).map_err(|why| refused(format!("`{name}`: {why}")))?;
                let key = manifest.key().ok_or_else(|| refused(format!("`{name}`: it has no digest")))?;
                if archive.manifests.insert(key, manifest).is_some() {
                    return Err(refused(format!("it has the result `{}` twice", key.short())));
                }
                step();
            } else {
                return Err(refused(format!("`{}` does not belong there", name.escape_debug())));
            }
        }
        for (key, manifest) in &archive.manifests {
            let idx = claimed.remove(&manifest.content);
            if archive.contents.contains_key(&manifest.content) {
                continue;
            }
            let idx = idx.ok_or_else(|| refused(format!("the content of `{}` is missing", key.short())))?;
            archive.contents.insert(manifest.content.clone(), (idx, manifest.bytes));
        }
        if let Some(content) = claimed.keys().next() {
            return Err(refused(format!("no result has the content `{content}`")));
        }
        for manifest in archive.manifests.values() {
            if archive.contents.get(&manifest.content).is_none_or(|(_, n_bytes)| *n_bytes != manifest.bytes) {
                return Err(refused(format!("two results give the content `{}` two lengths", manifest.content)));
            }
        }
        for (content, (idx, n_bytes)) in &archive.contents {
            let member = zip.by_index(*idx).map_err(|error| refused(error.to_string()))?;
            let fails = |error: &std::io::Error| refused(format!("`{content}`: {}", plain(error)));
            if copy(member, &mut std::io::sink(), *n_bytes, ctx, &fails)?.as_deref() != Some(content) {
                return Err(refused(format!("the content `{content}` does not have the hash that it is named by")));
            }
            step();
        }
        Ok(archive)
    }

    /// Keeps what is not there yet, contents first.
    fn take_over(
        &self,
        zip: &mut ZipArchive<impl Read + Seek>,
        archive: &Archive,
        ctx: &Context,
        refused: &impl Fn(String) -> StoreError,
        step: &mut dyn FnMut(),
    ) -> Result<Imported, StoreError> {
        let mut imported = Imported::default();
        let mut written = BTreeSet::new();
        for (key, manifest) in &archive.manifests {
            ctx.interrupt.check()?;
            step();
            if self.holds(*key)? {
                imported.n_known += 1;
                continue;
            }
            let _together = self.adding(&ctx.interrupt)?;
            if let Some((idx, n_bytes)) =
                archive.contents.get(&manifest.content).filter(|_| written.insert(&manifest.content))
            {
                let place = object_file(&manifest.content);
                let path = self.path(&place);
                let member = zip.by_index(*idx).map_err(|error| refused(error.to_string()))?;
                let mut file = self.temporary("objects/new")?;
                let hash = copy(member, &mut file, *n_bytes, ctx, &|error| StoreError::io(&path, error))?;
                if hash.as_deref() != Some(&manifest.content) {
                    return Err(refused(format!("the content `{}` changed while it was read", manifest.content)));
                }
                self.persist(file, &place, true)?;
                imported.n_bytes += n_bytes;
            }
            let manifest = &Manifest { imported: true, ..manifest.clone() };
            self.write_manifest(*key, manifest, true)?;
            if let Some(bucket) = &self.bucket {
                self.send(bucket.backend(), *key, manifest)?;
            }
            imported.n_new += 1;
        }
        Ok(imported)
    }

    /// Whether the result is there, whole.
    fn holds(&self, key: Key) -> Result<bool, StoreError> {
        match self.bring(key) {
            // What is damaged is written anew.
            Err(StoreError::File { .. }) => return Ok(false),
            brought => brought?,
        }
        let is_here = self.manifest(key).ok().flatten().is_some_and(|held| self.own_content(&held).is_ok());
        let is_there = match &self.bucket {
            Some(bucket) if is_here => bucket.backend().head(&super::files::key_file(key))?.is_some(),
            _ => true,
        };
        Ok(is_here && is_there)
    }
}

/// Tells of work in `total` steps, each of which it says itself.
fn told<T>(ctx: &Context, what: String, total: u64, work: impl FnOnce(&mut dyn FnMut()) -> T) -> T {
    ctx.tell(Event::Started { what: what.clone(), total });
    let mut done = 0;
    let answer = work(&mut || {
        done += 1;
        ctx.tell(Event::Progress { what: what.clone(), done, note: String::new() });
    });
    ctx.tell(Event::Ended { what });
    answer
}

/// An archive whose every byte was checked.
#[derive(Default)]
struct Archive {
    manifests: BTreeMap<Key, Manifest>,
    /// Number of the member and bytes, by hash.
    contents: BTreeMap<String, (usize, u64)>,
}

/// What stands between `before` and `after` in a member's name, if it is a digest.
fn named<'a>(name: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let inner = name.strip_prefix(before)?.strip_suffix(after)?;
    Digest::from_hex(inner).map(|_| inner)
}

/// Copies `n_bytes` bytes; their BLAKE3 hash, `None` if there are more or fewer.
fn copy(
    mut from: impl Read,
    to: &mut impl Write,
    n_bytes: u64,
    ctx: &Context,
    fails: &impl Fn(&std::io::Error) -> StoreError,
) -> Result<Option<String>, StoreError> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; PIECE];
    let mut left = n_bytes;
    loop {
        ctx.interrupt.check()?;
        let n = match from.read(&mut buffer) {
            Ok(n) => n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(fails(&error)),
        };
        let Some(piece) = buffer.get(..n).filter(|piece| !piece.is_empty()) else { break };
        let Some(rest) = left.checked_sub(n as u64) else { return Ok(None) };
        left = rest;
        hasher.update(piece);
        to.write_all(piece).map_err(|error| fails(&error))?;
    }
    Ok((left == 0).then(|| hasher.finalize().to_hex().to_string()))
}
