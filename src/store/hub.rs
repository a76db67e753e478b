//! Models of a hub that speaks the Hugging Face protocol: `hub:OWNER/NAME` or `hub:OWNER/NAME@REVISION`.
//!
//! A file's SHA-256 is recorded when it is first fetched and checked whenever it is read or fetched again.

use super::{Store, StoreError, copy_hashed};
use crate::core::context::{Context, Event};
use crate::core::files::plain;
use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

/// Where the hub is unless `HF_ENDPOINT` names another host: the hub's own address.
const ENDPOINT: &str = "https://huggingface.co";

/// A file of a model repository: its name, the most bytes of it that are taken (arbitrary), and whether it must be there.
const FILES: [(&str, u64, bool); 4] = [
    ("config.json", 1 << 20, true),
    ("tokenizer.json", 64 << 20, true),
    ("sentence_bert_config.json", 1 << 20, false),
    ("model.safetensors", 8 << 30, true),
];

/// A hub, by its address.
#[derive(Debug, Clone)]
pub struct Hub {
    pub endpoint: String,
}

/// A model repository at a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubId {
    owner: String,
    name: String,
    revision: String,
}

/// What was fetched: SHA-256 by file name.
type Record = BTreeMap<String, String>;

impl HubId {
    /// Reads `hub:OWNER/NAME` or `hub:OWNER/NAME@REVISION`; the revision is `main` where none is named.
    pub fn parse(id: &str) -> Result<HubId, StoreError> {
        let wrong = || StoreError::HubId { id: id.to_owned() };
        let (path, revision) = id.split_once('@').unwrap_or((id, "main"));
        let (owner, name) = path.strip_prefix("hub:").and_then(|path| path.split_once('/')).ok_or_else(wrong)?;
        let plain = |part: &str| {
            let letters = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
            letters && !part.is_empty() && part.len() <= 96 && !part.starts_with('.')
        };
        if !(plain(owner) && plain(name) && plain(revision)) {
            return Err(wrong());
        }
        Ok(HubId { owner: owner.to_owned(), name: name.to_owned(), revision: revision.to_owned() })
    }

    /// The model's own name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether every file that must be there was fetched.
    pub fn is_fetched(&self, store: &Store) -> bool {
        let record = self.record(store).unwrap_or_default();
        FILES.iter().all(|(file, _, needed)| !needed || record.contains_key(*file))
    }

    /// One file's bytes, checked against the recorded SHA-256. Fails with the command to type where it was not fetched.
    pub fn read(&self, store: &Store, file: &str) -> Result<Vec<u8>, StoreError> {
        let missing = || StoreError::Missing { id: self.to_string() };
        let record = self.record(store)?;
        let sha256 = record.get(file).ok_or_else(missing)?;
        store.read(&self.place(file), sha256)?.ok_or_else(missing)
    }

    /// As [`HubId::read`], on the record.
    pub fn read_for(&self, ctx: &Context, file: &str) -> Result<Vec<u8>, StoreError> {
        let store = Store::of(ctx);
        let bytes = self.read(&store, file)?;
        if let Some(sha256) = self.record(&store)?.remove(file) {
            let (id, file) = (self.to_string(), file.to_owned());
            ctx.tell(Event::FetchedRead { id, file, sha256, bytes: bytes.len() as u64 });
        }
        Ok(bytes)
    }

    /// Every model that something was fetched of.
    pub fn fetched(store: &Store) -> Vec<HubId> {
        let Ok(folders) = std::fs::read_dir(store.path("hub")) else { return Vec::new() };
        let names = folders.flatten().map(|folder| folder.file_name().to_string_lossy().replacen("--", "/", 1));
        let mut ids: Vec<HubId> = names.filter_map(|name| HubId::parse(&format!("hub:{name}")).ok()).collect();
        ids.sort_by_key(ToString::to_string);
        ids
    }

    /// Every recorded file with its place in the store, read and checked.
    pub(super) fn read_all(&self, store: &Store) -> Vec<(String, Result<Vec<u8>, StoreError>)> {
        match self.record(store) {
            Ok(record) => record.keys().map(|file| (self.place(file), self.read(store, file))).collect(),
            Err(error) => vec![(self.place("digests.json"), Err(error))],
        }
    }

    fn record(&self, store: &Store) -> Result<Record, StoreError> {
        let path = store.path(&self.place("digests.json"));
        match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Record::new()),
            Err(error) => Err(StoreError::io(&path, &error)),
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| StoreError::File { path: path.display().to_string(), reason: error.to_string() }),
        }
    }

    /// The model's folder, from the store's own.
    pub fn folder(&self) -> String {
        format!("hub/{}--{}@{}", self.owner, self.name, self.revision)
    }

    fn place(&self, file: &str) -> String {
        format!("{}/{file}", self.folder())
    }
}

impl std::fmt::Display for HubId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let revision = if self.revision == "main" { String::new() } else { format!("@{}", self.revision) };
        write!(f, "hub:{}/{}{revision}", self.owner, self.name)
    }
}

impl Hub {
    /// The hub that `HF_ENDPOINT` names, or the public one.
    pub fn from_env() -> Hub {
        let endpoint = std::env::var("HF_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
        Hub { endpoint: endpoint.unwrap_or_else(|| ENDPOINT.to_owned()) }
    }

    /// Fetches the files of a model that are not in the store.
    pub fn fetch(&self, id: &HubId, store: &Store, ctx: &Context) -> Result<(), StoreError> {
        let what = format!("fetch {id}");
        ctx.tell(Event::Started { what: what.clone(), total: FILES.len() as u64 });
        let fetched = (1u64..).zip(FILES).try_for_each(|(done, (file, most, needed))| {
            self.fetch_file(id, file, most, needed, store, ctx)?;
            ctx.tell(Event::Progress { what: what.clone(), done, note: file.to_owned() });
            Ok(())
        });
        ctx.tell(Event::Ended { what });
        fetched
    }

    fn fetch_file(
        &self,
        id: &HubId,
        file: &str,
        most: u64,
        needed: bool,
        store: &Store,
        ctx: &Context,
    ) -> Result<(), StoreError> {
        let mut record = id.record(store)?;
        if record.get(file).is_some_and(|sha256| matches!(store.read(&id.place(file), sha256), Ok(Some(_)))) {
            return Ok(());
        }
        let endpoint = self.endpoint.trim_end_matches('/');
        let url = format!("{endpoint}/{}/{}/resolve/{}/{file}", id.owner, id.name, id.revision);
        let Some(body) = get(&url, needed)? else { return Ok(()) };
        let mut part = store.temporary(&id.place(file))?;
        let look = |_| ctx.interrupt.check().map_err(StoreError::from);
        let fails = |error: &std::io::Error| StoreError::Download { url: url.clone(), reason: plain(error) };
        let copied = copy_hashed(body, &mut part, most, look, fails)?;
        let (_, sha256) = copied.ok_or_else(|| StoreError::TooLarge { url: url.clone(), most })?;
        if let Some(recorded) = record.get(file).filter(|recorded| **recorded != sha256) {
            return Err(StoreError::NotAsRecorded { url, recorded: recorded.clone(), found: sha256 });
        }
        store.persist_flushed(part, &id.place(file))?;
        record.insert(file.to_owned(), sha256);
        let bytes = serde_json::to_vec_pretty(&record).unwrap_or_default();
        store.write(&id.place("digests.json"), &bytes)
    }
}

/// The body of an answer; `None` where the file is not there and need not be.
fn get(url: &str, needed: bool) -> Result<Option<impl Read + use<>>, StoreError> {
    // Chosen: a host that does not answer within half a minute is taken for absent; a download may take long.
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(30)))
        .build();
    match ureq::Agent::new_with_config(config).get(url).call() {
        Ok(answer) => Ok(Some(answer.into_body().into_reader())),
        Err(ureq::Error::StatusCode(404)) if !needed => Ok(None),
        Err(error) => Err(StoreError::Download { url: url.to_owned(), reason: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    /// A hub on this machine that answers each request with what `files` says, 404 otherwise.
    fn serve(files: &'static [(&'static str, &'static [u8])]) -> Hub {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut lines = BufReader::new(stream.try_clone().expect("cloned")).lines();
                let request = lines.next().expect("a request").expect("text");
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let path = request.split(' ').nth(1).expect("a path").to_owned();
                let found = files.iter().find(|(name, _)| path == format!("/o/n/resolve/main/{name}"));
                let (status, body): (&str, &[u8]) = found.map_or(("404 Not Found", b""), |(_, body)| ("200 OK", body));
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
            }
        });
        Hub { endpoint }
    }

    const WHOLE: &[(&str, &[u8])] = &[("config.json", b"{}"), ("tokenizer.json", b"[]"), ("model.safetensors", b"w")];

    #[test]
    fn a_model_is_fetched_recorded_and_checked() {
        let folder = tempfile::tempdir().expect("a folder");
        let (ctx, store) = (Context::for_tests(), Store::at(folder.path()));
        let id = HubId::parse("hub:o/n").expect("an id");
        assert_eq!(
            id.read(&store, "config.json").expect_err("not fetched").to_string(),
            "`hub:o/n` was not fetched into the store"
        );
        serve(WHOLE).fetch(&id, &store, &ctx).expect("fetched");
        assert!(id.is_fetched(&store));
        assert_eq!(id.read(&store, "model.safetensors").expect("there"), b"w");
        // What is there is not asked for again: this hub has nothing.
        serve(&[]).fetch(&id, &store, &ctx).expect("nothing to do");
        std::fs::write(folder.path().join(id.place("model.safetensors")), b"x").expect("damaged");
        assert!(matches!(id.read(&store, "model.safetensors"), Err(StoreError::Changed { .. })));
        let other = serve(&[("config.json", b"{}"), ("tokenizer.json", b"[]"), ("model.safetensors", b"other")]);
        assert!(matches!(other.fetch(&id, &store, &ctx), Err(StoreError::NotAsRecorded { .. })));
        serve(WHOLE).fetch(&id, &store, &ctx).expect("mended");
        assert_eq!(id.read(&store, "model.safetensors").expect("there"), b"w");
    }

    #[test]
    fn what_cannot_be_fetched_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let (ctx, store) = (Context::for_tests(), Store::at(folder.path()));
        let id = HubId::parse("hub:o/n").expect("an id");
        let absent = serve(&[]).fetch(&id, &store, &ctx).expect_err("absent");
        assert!(absent.to_string().contains("config.json` could not be fetched: http status: 404"), "{absent}");
        let nobody = Hub { endpoint: "http://127.0.0.1:1".into() };
        let offline = nobody.fetch(&id, &store, &ctx).expect_err("nobody listens");
        assert!(matches!(offline, StoreError::Download { .. }), "{offline}");
        let large: &'static [u8] = Box::leak(vec![b' '; (1 << 20) + 1].into_boxed_slice());
        let large = serve(Box::leak(Box::new([("config.json", large)])));
        assert!(matches!(large.fetch(&id, &store, &ctx), Err(StoreError::TooLarge { .. })));
        assert!(!id.is_fetched(&store));
        ctx.interrupt.raise();
        assert!(matches!(serve(WHOLE).fetch(&id, &store, &ctx), Err(StoreError::Interrupted)));
    }

    #[test]
    fn ids_cannot_lead_out_of_the_store() {
        assert_eq!(HubId::parse("hub:a/b@v1.0").expect("an id").to_string(), "hub:a/b@v1.0");
        for wrong in ["a/b", "hub:a", "hub:a/../b", "hub:../b", "hub:a/b@..", "hub:/b", "hub:a/b c", "hub:a/b@"] {
            assert!(HubId::parse(wrong).is_err(), "{wrong}");
        }
    }
}
