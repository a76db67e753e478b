//! Models and data sets of a hub that speaks the Hugging Face protocol: `hub:OWNER/NAME` or `hub:OWNER/NAME@REVISION`, and
//! `hub:datasets/OWNER/NAME` or, for one configuration of it, `hub:datasets/OWNER/NAME/CONFIG`.
//!
//! A file's SHA-256 is recorded when it is first fetched and checked whenever it is read or fetched again. What the hub's own
//! cache on this machine has (`HF_HOME`) is copied from there. How a file comes over the network is in [`transfer`].

mod cache;
mod datasets;
mod transfer;

use super::{Store, StoreError, copy_hashed};
use crate::core::context::{Context, Event};
use crate::core::files::plain;
pub use cache::Cache;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
pub use transfer::Asking;
use transfer::Transfer;

/// Where the hub is unless `HF_ENDPOINT` names another host: the hub's own address.
const ENDPOINT: &str = "https://huggingface.co";

/// The files of a model repository but for the weights: name, the most bytes that are taken (arbitrary), whether it must be there.
const FILES: [(&str, u64, bool); 6] = [
    ("config.json", 1 << 20, true),
    ("tokenizer.json", 64 << 20, true),
    ("tokenizer_config.json", 16 << 20, false),
    ("chat_template.jinja", 1 << 20, false),
    ("sentence_bert_config.json", 1 << 20, false),
    ("1_Pooling/config.json", 1 << 20, false),
];
/// The weights in one file, or what lists their files.
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const MAX_INDEX: u64 = 16 << 20;
/// The most bytes of one file of weights (arbitrary), and the most such files.
const MAX_WEIGHTS: u64 = 16 << 30;
const MAX_SHARDS: usize = 256;

/// A hub, by its address.
#[derive(Debug, Clone)]
pub struct Hub {
    pub endpoint: String,
    pub asking: Asking,
    /// The hub's own cache on this machine.
    pub cache: Option<Cache>,
}

/// A repository at a revision: of a model, or of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubId {
    owner: String,
    name: String,
    revision: String,
    is_data: bool,
    /// Of a data set the one configuration that is meant.
    config: Option<String>,
}

/// The shards that an index lists, in the order of their names, which are those of files beside it; or what is wrong with it.
pub fn shards_of(index: &[u8]) -> Result<Vec<String>, String> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let index: Index = serde_json::from_slice(index).map_err(|error| error.to_string())?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    let is_plain = |name: &String| {
        let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        letters && name.ends_with(".safetensors") && !name.starts_with('.')
    };
    if let Some(name) = names.iter().find(|name| !is_plain(name)) {
        return Err(format!("`{name}` is not the name of a safetensors file"));
    }
    if names.is_empty() || names.len() > MAX_SHARDS {
        return Err(format!("it lists {} files, from 1 to {MAX_SHARDS} are read", names.len()));
    }
    Ok(names.into_iter().collect())
}

/// What folders of data sets begin with.
const DATASETS: &str = "datasets--";

/// What was fetched: SHA-256 by file name.
type Record = BTreeMap<String, String>;

impl HubId {
    /// Reads an id of one of the forms above; the revision is `main` where none is named. Of a data set none can be named:
    /// the hub converts its main revision alone to Parquet.
    pub fn parse(id: &str) -> Result<HubId, StoreError> {
        let wrong = || StoreError::HubId { id: id.to_owned() };
        let plain = |part: &str| {
            let letters = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
            letters && !part.is_empty() && part.len() <= 96 && !part.starts_with('.')
        };
        let (path, revision) = id.split_once('@').map_or((id, None), |(path, revision)| (path, Some(revision)));
        let parts: Vec<&str> = path.strip_prefix("hub:").ok_or_else(wrong)?.split('/').collect();
        let (owner, name, is_data, config) = match parts.as_slice() {
            ["datasets", owner, name] => (owner, name, true, None),
            ["datasets", owner, name, config] => (owner, name, true, Some(*config)),
            [owner, name] => (owner, name, false, None),
            _ => return Err(wrong()),
        };
        let named = [Some(*owner), Some(*name), config, revision];
        if !named.into_iter().flatten().all(plain) || is_data && revision.is_some() {
            return Err(wrong());
        }
        Ok(HubId {
            owner: (*owner).to_owned(),
            name: (*name).to_owned(),
            revision: revision.unwrap_or("main").to_owned(),
            is_data,
            config: config.map(str::to_owned),
        })
    }

    /// The model's own name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether every file that must be there was fetched.
    pub fn is_fetched(&self, store: &Store) -> bool {
        let record = self.record(store).unwrap_or_default();
        if self.is_data {
            return record
                .keys()
                .any(|file| self.config.as_ref().is_none_or(|config| file.starts_with(&format!("{config}/"))));
        }
        let has = |file: &str| record.contains_key(file);
        let shards = || self.read(store, INDEX).ok().and_then(|index| shards_of(&index).ok());
        FILES.iter().all(|(file, _, needed)| !needed || has(file))
            && (has(WEIGHTS) || shards().is_some_and(|shards| shards.iter().all(|shard| has(shard))))
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
        let names = folders.flatten().map(|folder| folder.file_name().to_string_lossy().into_owned());
        let id = |name: String| match name.strip_prefix(DATASETS) {
            Some(data) if data.contains("--") => {
                HubId::parse(&format!("hub:datasets/{}", data.replacen("--", "/", 1))).ok()
            }
            _ => HubId::parse(&format!("hub:{}", name.replacen("--", "/", 1))).ok(),
        };
        let mut ids: Vec<HubId> = names.filter_map(id).collect();
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

    /// The folder, from the store's own.
    pub fn folder(&self) -> String {
        if self.is_data {
            return format!("hub/{DATASETS}{}--{}", self.owner, self.name);
        }
        format!("hub/{}--{}@{}", self.owner, self.name, self.revision)
    }

    fn place(&self, file: &str) -> String {
        format!("{}/{file}", self.folder())
    }
}

impl std::fmt::Display for HubId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let revision = if self.revision == "main" { String::new() } else { format!("@{}", self.revision) };
        let (kind, config) = (if self.is_data { "datasets/" } else { "" }, self.config.as_deref());
        let config = config.map_or(String::new(), |config| format!("/{config}"));
        write!(f, "hub:{kind}{}/{}{config}{revision}", self.owner, self.name)
    }
}

impl Hub {
    /// A hub at an address, without a token and without the cache.
    pub fn at(endpoint: impl Into<String>) -> Hub {
        Hub { endpoint: endpoint.into(), asking: Asking::default(), cache: None }
    }

    /// The hub that `HF_ENDPOINT` names, or the public one; with `HF_TOKEN` or the token in `HF_HOME`, `HF_HUB_OFFLINE`, and the
    /// cache in `HF_HOME`.
    pub fn from_env() -> Hub {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let file = || {
            let home = set("HF_HOME").or_else(|| Some(format!("{}/.cache/huggingface", set("HOME")?)))?;
            std::fs::read_to_string(Path::new(&home).join("token")).ok()
        };
        let token = set("HF_TOKEN").or_else(file).map(|token| token.trim().to_owned());
        let offline =
            set("HF_HUB_OFFLINE").is_some_and(|value| ["1", "true", "yes", "on"].contains(&&*value.to_lowercase()));
        Hub {
            endpoint: set("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned()),
            asking: Asking { token: token.filter(|token| !token.is_empty()), offline, ..Asking::default() },
            cache: Cache::from_env(),
        }
    }

    /// Fetches the files of a model, or of a data set, that are not in the store.
    pub fn fetch(&self, id: &HubId, store: &Store, ctx: &Context) -> Result<(), StoreError> {
        if id.is_data {
            return self.fetch_data(id, store, ctx);
        }
        let what = format!("fetch {id}");
        let total = FILES.len() as u64 + 1;
        ctx.tell(Event::Started { what: what.clone(), total });
        let fetched = (1u64..).zip(FILES).try_for_each(|(done, (file, most, needed))| {
            self.fetch_file(id, file, most, needed, store, ctx)?;
            ctx.tell(Event::Progress { what: what.clone(), done, note: file.to_owned() });
            Ok(())
        });
        let fetched = fetched.and_then(|()| self.fetch_weights(id, store, ctx));
        ctx.tell(Event::Ended { what });
        fetched
    }

    /// The weights, in one file or in those that an index lists.
    fn fetch_weights(&self, id: &HubId, store: &Store, ctx: &Context) -> Result<(), StoreError> {
        if self.fetch_file(id, WEIGHTS, MAX_WEIGHTS, false, store, ctx)? {
            return Ok(());
        }
        if !self.fetch_file(id, INDEX, MAX_INDEX, false, store, ctx)? {
            let reason = format!("it has neither {WEIGHTS} nor {INDEX}: weights as a pickle are never fetched");
            return Err(StoreError::Download { url: self.url(id, WEIGHTS), reason });
        }
        let broken = |reason| StoreError::Download { url: self.url(id, INDEX), reason };
        for shard in shards_of(&id.read(store, INDEX)?).map_err(broken)? {
            self.fetch_file(id, &shard, MAX_WEIGHTS, true, store, ctx)?;
        }
        Ok(())
    }

    fn url(&self, id: &HubId, file: &str) -> String {
        format!("{}/{}/{}/resolve/{}/{file}", self.endpoint.trim_end_matches('/'), id.owner, id.name, id.revision)
    }

    /// Brings one file of a model into the store; whether it is there.
    fn fetch_file(
        &self,
        id: &HubId,
        file: &str,
        most: u64,
        needed: bool,
        store: &Store,
        ctx: &Context,
    ) -> Result<bool, StoreError> {
        self.fetch_from(self.url(id, file), id, file, (most, needed), store, ctx)
    }

    /// Brings the file at `url` into the store as `file`; whether it is there.
    fn fetch_from(
        &self,
        url: String,
        id: &HubId,
        file: &str,
        (most, needed): (u64, bool),
        store: &Store,
        ctx: &Context,
    ) -> Result<bool, StoreError> {
        let mut record = id.record(store)?;
        if record.get(file).is_some_and(|sha256| matches!(store.read(&id.place(file), sha256), Ok(Some(_)))) {
            return Ok(true);
        }
        let cache = self.cache.as_ref().filter(|_| !id.is_data);
        let cached = cache.and_then(|cache| cache.find(&id.owner, &id.name, &id.revision, file));
        let as_recorded = |sha256: &String| match record.get(file).filter(|recorded| *recorded != sha256) {
            None => Ok(()),
            Some(recorded) => {
                let (recorded, found) = (recorded.clone(), sha256.clone());
                Err(StoreError::NotAsRecorded { url: url.clone(), recorded, found })
            }
        };
        let path = store.path(&id.place(file));
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| StoreError::io(folder, &error))?;
        let sha256 = if let Some(cached) = cached {
            let source = std::fs::File::open(&cached).map_err(|error| StoreError::io(&cached, &error))?;
            let mut part = store.temporary(&id.place(file))?;
            let look = |_| ctx.interrupt.check().map_err(StoreError::from);
            let fails = |error: &std::io::Error| StoreError::Download { url: url.clone(), reason: plain(error) };
            let copied = copy_hashed(source, &mut part, most, look, fails)?;
            let (_, sha256) = copied.ok_or_else(|| StoreError::TooLarge { url: url.clone(), most })?;
            as_recorded(&sha256)?;
            store.persist_flushed(part, &id.place(file))?;
            sha256
        } else {
            if self.asking.offline && !needed {
                return Ok(false);
            }
            let part = store.path(&format!("{}.fetching", id.place(file)));
            let transfer = Transfer { asking: &self.asking, url: &url, part, most, ctx };
            let Some(fetched) = transfer.run(needed)? else { return Ok(false) };
            if let Err(error) = as_recorded(&fetched.sha256) {
                let _ = std::fs::remove_file(&fetched.part);
                return Err(error);
            }
            store.place_flushed(&fetched.part, &id.place(file))?;
            fetched.sha256
        };
        record.insert(file.to_owned(), sha256);
        let bytes = serde_json::to_vec_pretty(&record).unwrap_or_default();
        store.write(&id.place("digests.json"), &bytes)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
