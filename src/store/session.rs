//! One session's part in the store: the bucket behind the folder, and the note of which results the session needs.
//!
//! Whoever sets a session up opens it and lends it to the context; the store finds it there. A context without one has the
//! store's folder alone, and a collection does not know what it needs.

use super::bucket::Bucket;
use super::memo::Registration;
use super::{Store, StoreError};
use crate::core::context::Context;
use std::path::Path;
use std::sync::Arc;

/// A session's part in the store.
#[derive(Default)]
pub struct StoreSession {
    pub(super) bucket: Option<Arc<Bucket>>,
    pub(super) registration: Registration,
}

impl StoreSession {
    /// A session over the store's folder and the bucket behind it, if there is one. Nothing is asked of the bucket yet.
    pub fn open(folder: &Path, bucket: Option<&str>) -> Result<StoreSession, StoreError> {
        let bucket = bucket.map(|url| Bucket::open(url, &Store::at(folder))).transpose()?;
        Ok(bucket.map(StoreSession::over).unwrap_or_default())
    }

    /// A session over a bucket.
    pub(super) fn over(bucket: Bucket) -> StoreSession {
        StoreSession { bucket: Some(Arc::new(bucket)), registration: Registration::default() }
    }

    /// The session that was lent to the context.
    pub(super) fn of(ctx: &Context) -> Option<&StoreSession> {
        ctx.extension()
    }

    /// Lends the session to a context. What stops the context's work then stops what is asked of the bucket.
    #[must_use]
    pub fn lend(self: &Arc<Self>, mut ctx: Context) -> Context {
        if let Some(bucket) = &self.bucket {
            ctx.interrupt = bucket.interrupt().clone();
        }
        ctx.with(self.clone())
    }

    /// Asks the bucket for the first time: fails where it is not there or does not let us in.
    pub fn connect(&self, folder: &Path) -> Result<(), StoreError> {
        self.bucket.as_ref().map_or(Ok(()), |bucket| bucket.connect(&Store::at(folder)))
    }

    /// Whether the session added to the store.
    pub fn has_added(&self) -> bool {
        self.registration.has_added()
    }

    /// Ends the session's part in the store: what it needs is written where others see it. Tells what went wrong.
    pub fn finish(&self, ctx: &Context) {
        if let Some(bucket) = &self.bucket {
            bucket.finish();
            Store::of(ctx).tell_troubles(ctx);
        }
    }
}
