//! A bucket behind the store's folder: what the folder lacks is fetched from it, what is computed is sent to it, and who
//! computes is agreed on there.
//!
//! The folder stays what every look-up reads, so a look-up of what was fetched once costs what it costs without a bucket, and
//! a bucket that stops answering costs a warning and no result. What lies in the bucket has the places and the bytes that
//! it has in a folder: the one can be copied to the other with any tool.

mod lease;
#[cfg(feature = "object_store")]
mod s3;

use lease::Leases;
pub(super) use lease::{ENDED, Lease};

use super::backend::Backend;
use super::{Store, StoreError};
use crate::core::context::Interrupt;
use crate::core::digest::Digest;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long a lease holds that nobody renews: long against a pause of the network.
const TERM: Duration = Duration::from_secs(30);

/// How long a bucket that does not answer is left alone. Arbitrary.
const BACKOFF: Duration = Duration::from_secs(30);

/// The most bytes of a small file of ours in the bucket: a registration of a million keys.
pub(super) const MAX_SMALL: u64 = 64 << 20;

/// A bucket, and what this session knows of it.
pub struct Bucket {
    url: String,
    /// Asked on behalf of the script: it stops when the script is to stop.
    backend: Box<dyn Backend>,
    leases: Arc<Leases>,
    state: Mutex<BucketState>,
    interrupt: Interrupt,
}

#[derive(Default)]
struct BucketState {
    is_connected: bool,
    is_read_only: bool,
    /// Left alone until then.
    backoff_until: Option<Instant>,
    /// What went wrong and was not told yet.
    troubles: Vec<String>,
    /// Results that are in the bucket, and the file of the folder that remembers them.
    known: BTreeSet<Digest>,
    known_file: Option<std::path::PathBuf>,
    /// States of work under way that others left, as they were listed when.
    partials: Option<(Instant, BTreeSet<String>)>,
}

/// Bucket and prefix of an address, the prefix without slashes around it.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "object_store"), allow(dead_code))]
struct Address {
    bucket: String,
    prefix: String,
}

/// Whether `--store` names a bucket and no folder.
pub fn is_url(store: &Path) -> bool {
    store.to_str().is_some_and(|text| text.contains("://"))
}

impl Bucket {
    /// The bucket behind the store's folder. Nothing is asked of it yet.
    pub fn open(url: &str, folder: &Store) -> Result<Bucket, StoreError> {
        let (address, interrupt) = (address(url)?, Interrupt::default());
        let [backend, patient] = connect(url, &address, &interrupt)?;
        Ok(Bucket { interrupt, ..Bucket::over(url, backend, patient.into(), folder) })
    }

    /// What stops whatever the script asks of it.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// A bucket that two connections lead to: one that stops when the script is to stop, and one for what must be done then.
    pub(super) fn over(url: &str, backend: Box<dyn Backend>, patient: Arc<dyn Backend>, folder: &Store) -> Bucket {
        let leases = Leases::new(patient, machine(folder), term());
        let (url, leases) = (url.trim_end_matches('/').to_owned(), Arc::new(leases));
        Bucket { url, backend, leases, state: Mutex::default(), interrupt: Interrupt::default() }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The bucket itself, for commands that work at nothing else.
    pub(super) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    pub(super) fn leases(&self) -> &Arc<Leases> {
        &self.leases
    }

    /// Asks the bucket for the first time: fails where it is not there or does not let us in.
    pub fn connect(&self, folder: &Store) -> Result<(), StoreError> {
        if self.state().is_connected {
            return Ok(());
        }
        // A bucket that was emptied has another identity: what was known of it is forgotten.
        let place = "identity";
        let mut identity = self.backend.get(place, 64)?;
        if identity.is_none() {
            match self.backend.put_new(place, unique().into_bytes()) {
                Ok(_) => identity = self.backend.get(place, 64)?,
                Err(error @ StoreError::Refused { .. }) => self.only_read(&error),
                Err(error) => return Err(error),
            }
        }
        let name = Digest::of_bytes(&identity.map_or_else(|| self.url.clone().into_bytes(), |(bytes, _)| bytes));
        let file = folder.path(&format!("known/{}", name.short()));
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let mut state = self.state();
        state.known = text.lines().filter_map(Digest::from_hex).collect();
        state.known_file = Some(file);
        state.is_connected = true;
        Ok(())
    }

    /// Asks the bucket; `None` where it does not answer, which is told and not tried again for a while.
    pub(super) fn ask<T>(
        &self,
        folder: &Store,
        question: impl FnOnce(&dyn Backend) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        // The first time decides whether the session can work with it at all.
        self.connect(folder)?;
        if self.state().backoff_until.is_some_and(|until| Instant::now() < until) {
            return Ok(None);
        }
        match question(&*self.backend) {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.is_of_bucket() => {
                self.back_off(&error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// As [`Bucket::ask`], to write: `None` also where the bucket takes nothing from us.
    pub(super) fn send<T>(
        &self,
        folder: &Store,
        message: impl FnOnce(&dyn Backend) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.connect(folder)?;
        if self.state().is_read_only {
            return Ok(None);
        }
        let sent = self.ask(folder, |backend| match message(backend) {
            Err(error @ StoreError::Refused { .. }) => {
                self.only_read(&error);
                Ok(None)
            }
            answer => answer.map(Some),
        });
        sent.map(Option::flatten)
    }

    fn back_off(&self, error: &StoreError) {
        let mut state = self.state();
        state.backoff_until = Some(Instant::now() + BACKOFF);
        state.troubles.push(format!(
            "{error}; the run continues with the local store, and uploads results when they are used next"
        ));
    }

    fn only_read(&self, error: &StoreError) {
        let mut state = self.state();
        state.is_read_only = true;
        state.troubles.push(format!("{error}; what is computed stays in the store's folder and is not shared"));
    }

    /// What went wrong since this was last asked.
    pub(super) fn troubles(&self) -> Vec<String> {
        std::mem::take(&mut self.state().troubles)
    }

    /// Whether the result was sent to the bucket or fetched from it before.
    pub(super) fn knows(&self, key: Digest) -> bool {
        self.state().known.contains(&key)
    }

    /// Notes that the result is in the bucket.
    pub(super) fn note(&self, key: Digest) {
        let mut state = self.state();
        if !state.known.insert(key) {
            return;
        }
        let Some(file) = &state.known_file else { return };
        // What is not noted is asked for once more.
        let folder = file.parent().unwrap_or(Path::new("."));
        let opened = std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::OpenOptions::new().create(true).append(true).open(file));
        let _ = opened.and_then(|mut file| file.write_all(format!("{key}\n").as_bytes()));
    }

    /// Names the file of the bucket that says what this session needs, and how it begins. It is sent now and then.
    pub(super) fn register(&self, place: &str, head: &[u8]) {
        self.leases.begin_run(place, head);
    }

    /// Adds to that file.
    pub(super) fn note_use(&self, line: &str) {
        self.leases.note_run(line.as_bytes());
    }

    /// Sends what was not sent of that file. What goes wrong is among the troubles.
    pub(super) fn finish(&self) {
        let state = self.state();
        let is_quiet = state.is_read_only
            || !state.is_connected
            || state.backoff_until.is_some_and(|until| Instant::now() < until);
        drop(state);
        match if is_quiet { Ok(()) } else { self.leases.finish() } {
            // Who may not write has what it needs in the folder.
            Ok(()) | Err(StoreError::Refused { .. }) => {}
            Err(error) => self.state().troubles.push(format!(
                "{error}; `w2s store gc` on another machine may remove what this run needs, for the bucket does not know it"
            )),
        }
    }

    /// Whether somebody left a state of the work called `place` lately; asked of the bucket now and then.
    pub(super) fn may_have(&self, folder: &Store, place: &str) -> Result<bool, StoreError> {
        let fresh = |listed: &Option<(Instant, BTreeSet<String>)>| {
            listed.as_ref().filter(|(when, _)| when.elapsed() < BACKOFF).map(|(_, places)| places.contains(place))
        };
        if let Some(has) = fresh(&self.state().partials) {
            return Ok(has);
        }
        let listed = self.ask(folder, |backend| backend.list("partial"))?.unwrap_or_default();
        let places: BTreeSet<String> = listed.into_iter().map(|entry| entry.place).collect();
        let has = places.contains(place);
        self.state().partials = Some((Instant::now(), places));
        Ok(has)
    }

    fn state(&self) -> MutexGuard<'_, BucketState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `W2S_LEASE_SECONDS`: how long a lease holds that nobody renews. For tests of taking over.
fn term() -> Duration {
    let said = std::env::var("W2S_LEASE_SECONDS").ok().and_then(|text| text.parse().ok());
    said.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(TERM)
}

/// What tells the machine, or rather its folder, from others that use the bucket.
fn machine(folder: &Store) -> String {
    let own = unique();
    // Where the folder cannot be written to, the session stands for itself.
    let _ = folder.put_new("machine", own.clone().into_bytes());
    let read = folder.get("machine", 64).ok().flatten();
    read.and_then(|(bytes, _)| String::from_utf8(bytes).ok()).filter(|text| !text.is_empty()).unwrap_or(own)
}

/// A name that no other session takes.
pub(super) fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (count, process) = (COUNT.fetch_add(1, Ordering::Relaxed), std::process::id());
    let text = format!("{process} {count} {} {}", since.as_nanos(), host());
    Digest::of_bytes(text.as_bytes()).to_hex().chars().take(32).collect()
}

/// What people call this machine.
#[cfg(unix)]
pub(super) fn host() -> String {
    let mut name = [0u8; 256];
    // SAFETY: the buffer is writable for the length that is named; the last byte stays zero.
    let failed = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) } != 0;
    let end = name.iter().position(|byte| *byte == 0).filter(|_| !failed).unwrap_or(0);
    String::from_utf8_lossy(name.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(not(unix))]
pub(super) fn host() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

/// Reads `s3://BUCKET/PREFIX`.
fn address(url: &str) -> Result<Address, StoreError> {
    let refused = |reason: &str| StoreError::BucketUrl { url: url.to_owned(), reason: reason.to_owned() };
    let rest = url.strip_prefix("s3://").ok_or_else(|| refused("it does not begin with `s3://`"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(plain) {
        return Err(refused("a bucket's name has 3 to 63 characters of a to z, 0 to 9, `.` and `-`"));
    }
    let prefix = prefix.trim_matches('/');
    let fits = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '=' | '+' | '@');
        !matches!(part, "" | "." | "..") && part.chars().all(plain)
    };
    if !prefix.is_empty() && !prefix.split('/').all(fits) {
        return Err(refused("its prefix has something else than letters, digits and `-_.=+@` between slashes"));
    }
    Ok(Address { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

#[cfg(feature = "object_store")]
fn connect(url: &str, address: &Address, interrupt: &Interrupt) -> Result<[Box<dyn Backend>; 2], StoreError> {
    let connection = s3::S3::connect(url, &address.bucket, &address.prefix)?;
    Ok([Box::new(connection.stopped_by(interrupt)), Box::new(connection)])
}

#[cfg(not(feature = "object_store"))]
fn connect(url: &str, _address: &Address, _interrupt: &Interrupt) -> Result<[Box<dyn Backend>; 2], StoreError> {
    Err(StoreError::NoBuckets { url: url.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_odd_ones_refused() {
        let read = |url: &str| address(url).map(|address| (address.bucket, address.prefix)).ok();
        let both = |bucket: &str, prefix: &str| Some((bucket.to_owned(), prefix.to_owned()));
        assert_eq!(read("s3://team"), both("team", ""));
        assert_eq!(read("s3://team/"), both("team", ""));
        assert_eq!(read("s3://my.team-1/w2s/a_b/"), both("my.team-1", "w2s/a_b"));
        for odd in ["s3://", "s3://ab", "s3://Team", "gs://team", "s3://team/a//b", "s3://team/../b", "s3://team/a b"] {
            assert_eq!(read(odd), None, "{odd}");
        }
        assert!(is_url(Path::new("s3://team")) && !is_url(Path::new("/a/b")) && !is_url(Path::new("s3:team")));
    }

    #[cfg(not(feature = "object_store"))]
    #[test]
    fn a_build_without_buckets_says_how_to_build_one() {
        use crate::core::explain::Explain;
        let folder = tempfile::tempdir().expect("a folder");
        let opened = Bucket::open("s3://team/w2s", &Store::at(folder.path()));
        let error = opened.map(|_| ()).expect_err("there are none");
        assert_eq!(error.code(), "store/no-buckets");
        assert!(error.hint().is_some_and(|hint| hint.contains("cargo build --release --features object_store")));
    }
}
