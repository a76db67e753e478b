//! A bundle: one file with everything that a rerun elsewhere needs. Equal runs give equal bundles.
//!
//! A zip archive. `README.txt` says how to verify it; `run/` is the run folder; `data/` holds the files that the script
//! read, named by hash; `stdlib/` the script modules of the program. Whoever made it is not trusted: only members that
//! the record names are taken, each bounded by the size that the record states, and no name in the archive decides where
//! anything is written.

use super::altered::unaltered;
use super::folder::{RecordError, plain_name};
use super::kept::{Kept, MAX_FILE, MAX_RECORD, RECORD, inside};
use super::schema::{FileRead, Record, Root};
use super::verify::fit;
use super::{BUNDLE, SCHEMA};
use crate::core::context::plain;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

const README: &str = "README.txt";
const RUN: &str = "run/";
const DATA: &str = "data/";
const STDLIB: &str = "stdlib/";

/// The most members of a bundle (arbitrary: far above any run's files).
const MAX_MEMBERS: usize = 100_000;

/// The most bytes of all members together, unpacked (arbitrary: a bundle is laid out on the disk).
const MAX_TOTAL: u64 = 16 << 30;

/// How many times its own size a bundle may unpack to, beyond [`FREE`]. Arbitrary: tables and drawings shrink to between a half and a
/// thirtieth.
const MAX_GROWTH: u64 = 64;

/// Bytes that are unpacked whatever a bundle's size. Arbitrary.
const FREE: u64 = 64 << 20;

/// The largest text beside the run: the README, a module of the program, a page (chosen).
const MAX_TEXT: u64 = 64 << 20;

/// What a bundle is made with.
pub struct Packing<'a> {
    /// Whether the files that the script read go in, or only their digests.
    pub with_data: bool,
    /// Where these files are, if not where the run was made.
    pub project: Option<&'a Path>,
    /// The script modules of the program: name and text.
    pub stdlib: &'a [(&'a str, &'a str)],
}

/// The bytes of a bundle of the run. Fails where it could not be verified: the run did not end, or its files are not what
/// it left.
pub fn pack(kept: &Kept, packing: &Packing) -> Result<Vec<u8>, RecordError> {
    let record = &kept.record;
    fit(record)?;
    unaltered(kept, true)?;
    let mut members: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    members.insert(format!("{RUN}{RECORD}"), kept.read(RECORD)?);
    let files = record.written().into_iter().chain(&record.pages).map(|file| &file.path);
    for path in record.sources.iter().map(|source| &source.file).chain(files) {
        members.insert(format!("{RUN}{path}"), kept.read(path)?);
    }
    for (name, text) in packing.stdlib {
        // The text of another version would be mislabelled.
        let digest = blake3::hash(text.as_bytes()).to_hex();
        if record.stdlib.iter().any(|library| library.name == *name && library.digest == digest.as_str()) {
            members.insert(format!("{STDLIB}{name}.rhai"), text.as_bytes().to_vec());
        }
    }
    let mut left_out = Vec::new();
    for read in record.reads.iter().filter(|read| read.root != Root::Run) {
        if !packing.with_data || read.root == Root::Outside {
            left_out.push(read);
            continue;
        }
        let bytes = kept.data(read, packing.project)?.ok_or_else(|| RecordError::Data { path: read.path.clone() })?;
        members.insert(member_of(read), bytes);
    }
    members.insert(README.to_owned(), readme(record, &left_out).into_bytes());
    archive(members).map_err(|error| RecordError::Write { path: kept.name.clone(), reason: error.to_string() })
}

/// Members in order of their names, all of one time, so that equal content gives equal bytes.
fn archive(members: BTreeMap<String, Vec<u8>>) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(6))
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(0o644)
            .large_file(bytes.len() > u32::MAX as usize);
        archive.start_file(name, options)?;
        archive.write_all(&bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// The member that holds a file which the script read: its hash, and its name for a person.
fn member_of(read: &FileRead) -> String {
    let name = read.path.rsplit('/').next().unwrap_or_default();
    format!("{DATA}{}-{}", read.blake3, plain_name(name))
}

fn readme(record: &Record, left_out: &[&FileRead]) -> String {
    let mut text = format!(
        "A run of `{}`, recorded by {} on {}.\n\n\
         To run the script again from nothing and compare every number, table, figure and printed line:\n\n    \
         w2s verify THIS-FILE\n\n\
         run/       what the run left: record.json, the script, what it imported, tables, figures, report.html, and\n           \
                    the appendix for a paper\n\
         data/      the files that the script read, named by their blake3 hash\n\
         stdlib/    the script modules that came with the program\n",
        record.script, record.program, record.started
    );
    if !left_out.is_empty() {
        text += "\nNot in this file; give their folder with --project DIR:\n\n";
        for read in left_out {
            text += &format!("    {} ({} bytes, blake3 {})\n", read.path, read.bytes, read.blake3);
        }
    }
    let ids: BTreeSet<&str> = record.fetched.iter().map(|file| file.id.as_str()).collect();
    if !ids.is_empty() {
        let ids: Vec<&str> = ids.into_iter().collect();
        text += &format!("\nFetched first, each file checked by its digest:\n\n    w2s fetch {}\n", ids.join(" "));
    }
    text += &format!("\nFormats: {BUNDLE}, {SCHEMA}.\n");
    text
}

/// A bundle laid out in a temporary folder, which is removed when dropped.
pub struct Unpacked {
    place: tempfile::TempDir,
    run: PathBuf,
    /// What is there of `data/`, by member.
    data: BTreeSet<String>,
}

impl Unpacked {
    /// The run folder.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// The content of a file that the script read, `None` where the bundle does not hold it.
    pub fn data(&self, read: &FileRead) -> Result<Option<Vec<u8>>, RecordError> {
        if !self.data.contains(&member_of(read)) {
            return Ok(None);
        }
        let file = self.place.path().join(DATA).join(&read.blake3);
        let fails = |error: std::io::Error| RecordError::Read { path: read.path.clone(), reason: plain(&error) };
        std::fs::read(file).map(Some).map_err(fails)
    }
}

/// Lays a bundle out. Fails where it holds anything that its record does not name.
pub fn unpack(path: &Path, name: &str) -> Result<Unpacked, RecordError> {
    let broken = |reason: String| RecordError::Bundle { path: name.to_owned(), reason };
    let fails = |reason: String| RecordError::Read { path: name.to_owned(), reason };
    // Opening a pipe would wait for whoever writes into it.
    if !std::fs::metadata(path).map_err(|error| fails(plain(&error)))?.is_file() {
        return Err(fails("is not a file".to_owned()));
    }
    let file = std::fs::File::open(path).map_err(|error| fails(plain(&error)))?;
    let n_file = file.metadata().map_err(|error| fails(plain(&error)))?.len();
    let most = MAX_TOTAL.min(FREE + MAX_GROWTH.saturating_mul(n_file));
    let archive = ZipArchive::new(std::io::BufReader::new(file));
    let mut archive = archive.map_err(|error| broken(error.to_string().to_lowercase()))?;
    if archive.len() > MAX_MEMBERS {
        return Err(broken(format!("it has {} members, a bundle has at most {MAX_MEMBERS}", archive.len())));
    }
    let mut names = BTreeSet::new();
    for idx in 0..archive.len() {
        let member = archive.by_index(idx).map_err(|error| broken(error.to_string()))?;
        let called = member.name().map_err(|error| broken(error.to_string()))?.into_owned();
        if inside(&called).is_err() || !member.is_file() || member.encrypted() {
            return Err(broken(format!("its member `{called}` is not a plain file with a plain name")));
        }
        names.insert(called);
    }
    let mut taking = Taking { archive, name, most, total: 0 };
    let text = taking.take(&format!("{RUN}{RECORD}"), MAX_RECORD)?;
    let record = Record::parse(name, &text)?;
    let wanted = wanted(&record)?;
    if let Some(foreign) = names.iter().find(|name| !wanted.contains_key(*name)) {
        return Err(broken(format!("its member `{foreign}` is not named by its record")));
    }
    let io =
        |error: std::io::Error| RecordError::Write { path: "a temporary folder".to_owned(), reason: plain(&error) };
    let place = tempfile::Builder::new().prefix("w2s-bundle-").tempdir().map_err(io)?;
    let mut data = BTreeSet::new();
    for (member, Wanted { most, at, blake3 }) in &wanted {
        let Some(at) = at.as_ref().filter(|_| names.contains(member)) else { continue };
        let bytes = taking.take(member, *most)?;
        if let Some(blake3) = blake3 {
            if blake3::hash(&bytes).to_hex().as_str() != blake3 {
                return Err(broken(format!("its member `{member}` is not the data that its record names")));
            }
            data.insert(member.clone());
        }
        let to = place.path().join(at);
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        std::fs::write(&to, bytes).map_err(io)?;
    }
    let run = place.path().join(RUN).canonicalize().map_err(io)?;
    Ok(Unpacked { run, place, data })
}

/// What a bundle may hold under one name.
struct Wanted {
    most: u64,
    /// Where it goes, below the temporary folder; nowhere if nobody needs it.
    at: Option<PathBuf>,
    /// The hash that it must have.
    blake3: Option<String>,
}

/// Every member that a bundle of this record may hold.
fn wanted(record: &Record) -> Result<BTreeMap<String, Wanted>, RecordError> {
    let mut wanted = BTreeMap::new();
    let run = |path: &str, most: u64| -> Result<(String, Wanted), RecordError> {
        let at = Some(Path::new(RUN).join(inside(path)?));
        Ok((format!("{RUN}{path}"), Wanted { most, at, blake3: None }))
    };
    wanted.extend([run(RECORD, MAX_RECORD)?]);
    for path in record.sources.iter().map(|source| &source.file).chain(record.pages.iter().map(|page| &page.path)) {
        wanted.extend([run(path, MAX_TEXT)?]);
    }
    for file in record.written() {
        wanted.extend([run(&file.path, MAX_FILE)?]);
    }
    for read in record.reads.iter().filter(|read| read.root == Root::Project) {
        let is_hash = read.blake3.len() == 64 && read.blake3.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hash {
            let reason = format!("`{}` is not a blake3 hash", read.blake3);
            return Err(RecordError::Damaged { path: RECORD.to_owned(), reason });
        }
        let at = Some(Path::new(DATA).join(&read.blake3));
        let held = Wanted { most: read.bytes.min(MAX_FILE), at, blake3: Some(read.blake3.clone()) };
        wanted.insert(member_of(read), held);
    }
    for name in record.stdlib.iter().map(|library| format!("{STDLIB}{}.rhai", library.name)) {
        wanted.insert(name, Wanted { most: MAX_TEXT, at: None, blake3: None });
    }
    wanted.insert(README.to_owned(), Wanted { most: MAX_TEXT, at: None, blake3: None });
    Ok(wanted)
}

/// An archive that is read within bounds.
struct Taking<'a, R> {
    archive: ZipArchive<R>,
    name: &'a str,
    /// The most bytes in all.
    most: u64,
    /// Bytes so far.
    total: u64,
}

impl<R: Read + Seek> Taking<'_, R> {
    /// The bytes of a member, whose own statement of its size is not believed.
    fn take(&mut self, member: &str, most: u64) -> Result<Vec<u8>, RecordError> {
        let broken = |reason: String| RecordError::Bundle { path: self.name.to_owned(), reason };
        let left = self.most.saturating_sub(self.total);
        let (most, is_last) = (most.min(left), left < most);
        let entry = self.archive.by_name(member);
        let entry = entry.map_err(|error| broken(format!("`{member}`: {}", error.to_string().to_lowercase())))?;
        let mut bytes = Vec::new();
        let read = entry.take(most + 1).read_to_end(&mut bytes);
        read.map_err(|error| broken(format!("its member `{member}` is damaged: {}", plain(&error))))?;
        if bytes.len() as u64 > most && is_last {
            return Err(broken(format!(
                "it unpacks to more than {} bytes, more than {MAX_GROWTH} times its size",
                self.most
            )));
        }
        if bytes.len() as u64 > most {
            return Err(broken(format!("its member `{member}` has more than {most} bytes")));
        }
        self.total += bytes.len() as u64;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Outcome, Recorder};
    use super::*;
    use crate::core::context::Event;

    /// A run that read `d.csv` and wrote `t.csv`, in a folder of its own.
    fn run(here: &Path) -> Kept {
        let folder = here.join("run");
        std::fs::create_dir_all(&folder).expect("made");
        let folder = folder.canonicalize().expect("real");
        let recorder = Recorder::for_tests(&folder, &[]);
        std::fs::write(folder.join("t.csv"), "a\n1\n").expect("written");
        let files = vec![folder.join("t.csv")];
        let (kind, name, caption) = ("table".to_owned(), "t".to_owned(), String::new());
        recorder.note(&Event::Written { kind, name, caption, files });
        recorder.write(Outcome::Done).expect("written");
        Kept::open(&folder).expect("opens")
    }

    fn packing() -> Packing<'static> {
        Packing { with_data: true, project: None, stdlib: &[("lib", "fn f() {}"), ("other", "2")] }
    }

    fn file_with(here: &Path, bytes: &[u8]) -> PathBuf {
        let path = here.join("b.zip");
        std::fs::write(&path, bytes).expect("written");
        path
    }

    #[test]
    fn a_bundle_holds_the_run_and_comes_out_the_same() {
        let here = tempfile::tempdir().expect("a folder");
        let kept = run(here.path());
        let bytes = pack(&kept, &packing()).expect("packed");
        assert_eq!(bytes, pack(&kept, &packing()).expect("packed"), "the same run, the same bytes");
        let names = ZipArchive::new(Cursor::new(&bytes)).expect("zip");
        let names: Vec<String> = names.file_names().map(|name| name.expect("a name").into_owned()).collect();
        let run = ["appendix-standalone.tex", "appendix.md", "appendix.tex", "record.json", "report.html", "t.csv"];
        let run = run.map(|name| format!("run/{name}"));
        assert_eq!(names, [&["README.txt".to_owned()], &run[..], &["stdlib/lib.rhai".to_owned()]].concat());
        let back = Kept::open(&file_with(here.path(), &bytes)).expect("opens");
        assert_eq!((back.record.clone(), back.is_bundle()), (kept.record.clone(), true));
        assert_eq!(back.read("t.csv").expect("there"), b"a\n1\n");
        assert_eq!(back.project(), None, "a bundle says nothing about this machine's folders");
    }

    #[test]
    fn what_could_not_be_verified_is_not_packed() {
        let here = tempfile::tempdir().expect("a folder");
        let kept = run(here.path());
        let said = |kept: &Kept| pack(kept, &packing()).expect_err("refused").to_string();
        let folder = kept.folder().to_owned();
        for (file, text) in [("t.csv", "a\n2\n"), ("appendix.md", "nothing"), ("record.json", "{}")] {
            let before = std::fs::read(folder.join(file)).expect("there");
            let text = if file == RECORD { [&before[..], b" "].concat() } else { text.as_bytes().to_vec() };
            std::fs::write(folder.join(file), text).expect("written");
            let error = said(&Kept::open(&folder).expect("opens"));
            assert!(error.contains(&format!("`{file}`")), "{error}");
            std::fs::write(folder.join(file), before).expect("written");
        }
        for outcome in [Outcome::Running, Outcome::Interrupted] {
            let record = Record { outcome, ..kept.record.clone() };
            std::fs::write(folder.join(RECORD), record.to_text().expect("text")).expect("written");
            assert!(said(&Kept::open(&folder).expect("opens")).contains("cannot be verified"));
        }
    }

    /// A bundle of the run with members added or replaced.
    fn forged(kept: &Kept, extra: &[(&str, &[u8])]) -> Vec<u8> {
        let mut members = BTreeMap::from([("run/record.json".to_owned(), kept.read(RECORD).expect("there"))]);
        members.extend(extra.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())));
        archive(members).expect("zip")
    }

    #[test]
    fn hostile_members_are_refused_and_nothing_is_written() {
        let here = tempfile::tempdir().expect("a folder");
        let kept = run(here.path());
        let said = |bytes: &[u8]| match Kept::open(&file_with(here.path(), bytes)) {
            Ok(_) => "opened".to_owned(),
            Err(error) => error.to_string(),
        };
        for name in ["../evil", "/evil", "run/../../evil", "run\\..\\evil", "C:/evil", "run/"] {
            let error = said(&forged(&kept, &[(name, b"x")]));
            assert!(error.contains("plain file with a plain name"), "{name}: {error}");
        }
        assert!(said(&forged(&kept, &[("run/evil.csv", b"x")])).contains("not named by its record"));
        assert!(said(b"no zip").contains("b.zip` is not a usable bundle"));
        let long = vec![0; (MAX_TEXT + 1) as usize];
        let error = said(&forged(&kept, &[("run/report.html", &long)]));
        assert!(error.contains("more than 67108864 bytes"), "{error}");
        // A hundred megabytes of nothing in a hundred kilobytes.
        let error = said(&forged(&kept, &[("run/t.csv", &vec![0; 100 << 20])]));
        assert!(error.contains("it unpacks to more than") && error.contains("64 times its size"), "{error}");
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        archive.add_symlink("run/t.csv", "/etc/passwd", SimpleFileOptions::default()).expect("added");
        let error = said(&archive.finish().expect("zip").into_inner());
        assert!(error.contains("plain file with a plain name"), "{error}");
        // A record that names paths of this machine.
        let text = String::from_utf8(kept.read(RECORD).expect("there")).expect("text");
        let text = text.replace("\"t.csv\"", "\"../../t.csv\"");
        let error = said(&forged(&kept, &[("run/record.json", text.as_bytes())]));
        assert!(error.contains("leave the run's folder"), "{error}");
        assert_eq!(std::fs::read_dir(here.path()).expect("there").count(), 2, "the run and the bundle, nothing else");
    }
}
