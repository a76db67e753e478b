//! An S3-compatible bucket, over the crate `object_store`. Who asks and where is said by the usual `AWS_…` variables.

use crate::core::context::Interrupt;
use crate::store::StoreError;
use crate::store::backend::{Backend, Entry, Version};
use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path as Place;
use object_store::{
    BackoffConfig, ClientConfigKey, Error, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    PutPayload, RetryConfig, UpdateVersion,
};
use std::future::Future;
use std::io::Read;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::runtime::Runtime;

/// How often a request that is under way sees whether it is to stop.
const POLL: Duration = Duration::from_millis(50);

/// Bytes that are asked for or sent in one request: some seconds of a slow line.
const PART: u64 = 8 << 20;

/// Requests that failed in the network or the server are tried so often, and for so long. Arbitrary.
const TRIES: usize = 3;
const TRY_FOR: Duration = Duration::from_secs(20);

/// How long a connection may take, and a request. Arbitrary.
const CONNECT: &str = "5 seconds";
const REQUEST: &str = "60 seconds";

/// The most characters of a server's answer that are told. Arbitrary.
const TOLD: usize = 300;

/// A connection to a bucket.
#[derive(Clone)]
pub struct S3 {
    url: String,
    prefix: String,
    client: Arc<AmazonS3>,
    runtime: Arc<Runtime>,
    interrupt: Option<Interrupt>,
}

impl S3 {
    /// The connection as the environment says it. Nothing is asked of the bucket yet.
    pub fn connect(url: &str, bucket: &str, prefix: &str) -> Result<S3, StoreError> {
        let failed = |reason: String| StoreError::Unreachable { url: url.to_owned(), reason };
        let retry = RetryConfig { backoff: BackoffConfig::default(), max_retries: TRIES, retry_timeout: TRY_FOR };
        let client = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::ConnectTimeout), CONNECT)
            .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), REQUEST)
            .with_retry(retry)
            .build()
            .map_err(|error| failed(said(&error)))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("w2s-bucket")
            .enable_all()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        Ok(S3 {
            url: url.trim_end_matches('/').to_owned(),
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
            client: Arc::new(client),
            runtime: Arc::new(runtime),
            interrupt: None,
        })
    }

    /// The same connection, which stops asking when it is to stop.
    pub fn stopped_by(&self, interrupt: &Interrupt) -> S3 {
        S3 { interrupt: Some(interrupt.clone()), ..self.clone() }
    }

    fn at(&self, place: &str) -> Place {
        Place::from(format!("{}{place}", self.prefix))
    }

    /// Waits for the answer; the inner error is one that means something to the caller.
    fn wait<T>(
        &self,
        place: &str,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<Result<T, Refusal>, StoreError> {
        let answer = self.runtime.block_on(async {
            let mut request = pin!(request);
            loop {
                if let Ok(answer) = tokio::time::timeout(POLL, &mut request).await {
                    return Ok(answer);
                }
                if let Some(interrupt) = &self.interrupt {
                    interrupt.check()?;
                }
            }
        });
        answer.map_err(|error: crate::core::context::Interrupted| StoreError::from(error)).and_then(|answer| {
            match answer {
                Ok(value) => Ok(Ok(value)),
                Err(error) => self.told(place, &error).map(Err),
            }
        })
    }

    /// What a failed request means.
    fn told(&self, place: &str, error: &Error) -> Result<Refusal, StoreError> {
        let reason = said(error);
        if reason.contains("NoSuchBucket") {
            return Err(StoreError::NoBucket { url: self.url.clone() });
        }
        match error {
            Error::NotFound { .. } => Ok(Refusal::Missing),
            Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. } => {
                Ok(Refusal::Changed)
            }
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                Err(StoreError::Refused { url: self.shown(place), reason })
            }
            _ if reason.contains("InvalidAccessKeyId") || reason.contains("AccessDenied") => {
                Err(StoreError::Refused { url: self.shown(place), reason })
            }
            _ => Err(StoreError::Unreachable { url: self.url.clone(), reason }),
        }
    }

    fn put_if(&self, place: &str, bytes: Vec<u8>, mode: PutMode) -> Result<Option<Version>, StoreError> {
        let at = self.at(place);
        let options = PutOptions { mode, ..PutOptions::default() };
        let put = self.wait(place, self.client.put_opts(&at, PutPayload::from(bytes), options))?;
        match put {
            Ok(put) => Ok(Some(self.version(place, put.e_tag)?)),
            Err(Refusal::Missing | Refusal::Changed) => Ok(None),
        }
    }

    fn put_whatever(&self, place: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let reason = || "it was not written".to_owned();
        let put = self.put_if(place, bytes, PutMode::Overwrite)?;
        put.map(|_| ()).ok_or_else(|| StoreError::Unreachable { url: self.shown(place), reason: reason() })
    }

    /// Without a tag no lease could be held.
    fn version(&self, place: &str, tag: Option<String>) -> Result<Version, StoreError> {
        let reason = || "the server gives no ETag, without which processes cannot agree".to_owned();
        tag.map(Version).ok_or_else(|| StoreError::Refused { url: self.shown(place), reason: reason() })
    }

    fn entry(&self, meta: &ObjectMeta) -> Option<Entry> {
        let place = meta.location.as_ref().strip_prefix(&self.prefix)?.to_owned();
        Some(Entry { place, n_bytes: meta.size, changed: SystemTime::from(meta.last_modified) })
    }

    /// A file that is too large for one request.
    fn copy_in_parts(&self, place: &str, from: &mut (dyn Read + Send), n_bytes: u64) -> Result<(), StoreError> {
        let changed = |_: Refusal| StoreError::Unreachable {
            url: self.shown(place),
            reason: "it changed while it was written".to_owned(),
        };
        let at = self.at(place);
        let mut upload = self.wait(place, self.client.put_multipart(&at))?.map_err(changed)?;
        let sent = (|| {
            let mut left = n_bytes;
            while left > 0 {
                let part = self.part(place, from, left.min(PART))?;
                left -= part.len() as u64;
                self.wait(place, upload.put_part(part.into()))?.map_err(changed)?;
            }
            self.wait(place, upload.complete())?.map_err(changed).map(|_| ())
        })();
        if sent.is_err() {
            // Parts that stay are the server's to remove, as the bucket's rules say.
            let _ = self.runtime.block_on(tokio::time::timeout(TRY_FOR, upload.abort()));
        }
        sent
    }

    fn part(&self, place: &str, from: &mut (dyn Read + Send), n_bytes: u64) -> Result<Bytes, StoreError> {
        let mut bytes = Vec::with_capacity(n_bytes as usize);
        let read = from.take(n_bytes).read_to_end(&mut bytes);
        let fails = |reason: String| StoreError::File { path: place.to_owned(), reason };
        match read {
            Ok(n) if n as u64 == n_bytes => Ok(bytes.into()),
            Ok(_) => Err(fails("it became shorter while it was sent".to_owned())),
            Err(error) => Err(fails(crate::core::files::plain(&error))),
        }
    }
}

/// Why a request that the server understood was not done.
enum Refusal {
    Missing,
    /// Something else is there than was expected.
    Changed,
}

impl Backend for S3 {
    fn shown(&self, place: &str) -> String {
        format!("{}/{place}", self.url).trim_end_matches('/').to_owned()
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>, StoreError> {
        let prefix = format!("{}{folder}/", self.prefix);
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let options = PaginatedListOptions { page_token: token, ..PaginatedListOptions::default() };
            let page = self.wait(folder, self.client.list_paginated(Some(&prefix), options))?;
            // Nothing is missing from a listing but the bucket.
            let Ok(page) = page else { return Err(StoreError::NoBucket { url: self.url.clone() }) };
            found.extend(page.result.objects.iter().filter_map(|meta| self.entry(meta)));
            token = page.page_token;
            if token.is_none() {
                break;
            }
        }
        found.sort_by(|one: &Entry, other| one.place.cmp(&other.place));
        Ok(found)
    }

    fn head(&self, place: &str) -> Result<Option<Entry>, StoreError> {
        let at = self.at(place);
        let head = self.wait(place, self.client.head(&at))?;
        Ok(head.ok().and_then(|meta| self.entry(&meta)))
    }

    fn get(&self, place: &str, most: u64) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        let at = self.at(place);
        let got = self.wait(place, async {
            let got = self.client.get_opts(&at, GetOptions::default()).await?;
            let (size, tag) = (got.meta.size, got.meta.e_tag.clone());
            // What is larger than anything that is read whole is not fetched.
            let bytes = if size > most { Bytes::new() } else { got.bytes().await? };
            Ok((bytes, tag))
        })?;
        match got {
            Ok((bytes, tag)) => Ok(Some((bytes.into(), self.version(place, tag)?))),
            Err(Refusal::Missing | Refusal::Changed) => Ok(None),
        }
    }

    fn copy_out(&self, place: &str, to: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>) -> Result<bool, StoreError> {
        let Some(Entry { n_bytes, .. }) = self.head(place)? else { return Ok(false) };
        let at = self.at(place);
        let mut start = 0;
        while start < n_bytes {
            let end = n_bytes.min(start + PART);
            let Ok(piece) = self.wait(place, self.client.get_range(&at, start..end))? else { return Ok(false) };
            to(&piece)?;
            start = end;
        }
        Ok(true)
    }

    fn put(&self, place: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.put_whatever(place, bytes)
    }

    fn put_new(&self, place: &str, bytes: Vec<u8>) -> Result<Option<Version>, StoreError> {
        self.put_if(place, bytes, PutMode::Create)
    }

    fn put_over(&self, place: &str, bytes: Vec<u8>, version: &Version) -> Result<Option<Version>, StoreError> {
        let update = UpdateVersion { e_tag: Some(version.0.clone()), version: None };
        self.put_if(place, bytes, PutMode::Update(update))
    }

    fn copy_in(&self, place: &str, from: &mut (dyn Read + Send), n_bytes: u64) -> Result<(), StoreError> {
        if n_bytes > PART {
            return self.copy_in_parts(place, from, n_bytes);
        }
        let bytes = self.part(place, from, n_bytes)?;
        self.put_whatever(place, bytes.into())
    }

    fn delete(&self, place: &str) -> Result<(), StoreError> {
        let at = self.at(place);
        self.wait(place, self.client.delete(&at)).map(|_| ())
    }
}

/// An error in plain words: the server's own where it gave some, and else the innermost.
fn said(error: &Error) -> String {
    let text = error.to_string();
    let inner = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        rest.split_once(&format!("</{tag}>")).map(|(inner, _)| inner.to_owned())
    };
    if let Some(code) = inner("Code") {
        return inner("Message").map_or_else(|| code.clone(), |message| format!("{code}: {message}"));
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().chars().take(TOLD).collect()
}
