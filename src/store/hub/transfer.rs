//! Fetching one file of a hub over HTTP: redirects, what the hub says the file is, going on where a connection broke off,
//! waiting where it asks to, and a comparison of the bytes with the hash that it states.

use super::super::{StoreError, copy_hashed};
use crate::core::context::Context;
use crate::core::digest::hex;
use crate::core::files::plain;
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;
use ureq::http::{HeaderMap, Response, StatusCode};

/// A host that does not answer within this time is taken for absent; a download may take long. Arbitrary.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a file is asked for while the host fails or breaks off. Arbitrary.
const ATTEMPTS: u32 = 6;
/// The longest wait that a host may ask for. Arbitrary.
const LONGEST: Duration = Duration::from_secs(120);
/// The most redirects of one answer: as many as curl's users mostly allow.
const REDIRECTS: usize = 10;

/// How a hub is asked.
#[derive(Debug, Clone)]
pub struct Asking {
    /// Who asks, if the hub is to know (`HF_TOKEN`). Only the hub's own host is told.
    pub token: Option<String>,
    /// Whether no host may be asked (`HF_HUB_OFFLINE`).
    pub offline: bool,
    /// The wait after a first failure, which doubles.
    pub pause: Duration,
}

impl Default for Asking {
    fn default() -> Self {
        Asking { token: None, offline: false, pause: Duration::from_secs(1) }
    }
}

/// A file that was fetched whole, and is not yet in its place.
pub struct Fetched {
    pub part: PathBuf,
    pub sha256: String,
}

/// What one attempt came to.
enum Attempt {
    Whole,
    Absent,
    /// It may go better after a while, which the host may have named.
    Again(StoreError, Option<Duration>),
}

/// Where a file is, and who it is fetched for.
pub struct Transfer<'a> {
    pub asking: &'a Asking,
    pub url: &'a str,
    /// Where its beginning lies, now or from an earlier fetch that was broken off.
    pub part: PathBuf,
    pub most: u64,
    pub ctx: &'a Context,
}

impl Transfer<'_> {
    /// Fetches the file; `None` where it is not there and need not be.
    pub fn run(&self, needed: bool) -> Result<Option<Fetched>, StoreError> {
        if self.asking.offline {
            return Err(self.fails("no host is asked, because HF_HUB_OFFLINE is set".to_owned()));
        }
        let lock = OpenOptions::new().create(true).append(true).open(self.beside("lock"));
        let lock = lock.map_err(|error| StoreError::io(&self.part, &error))?;
        lock.try_lock().map_err(|_| self.fails("another process is fetching it".to_owned()))?;
        let mut pause = self.asking.pause;
        for attempt in 1.. {
            match self.attempt(needed)? {
                Attempt::Absent => {
                    self.forget();
                    return Ok(None);
                }
                Attempt::Whole => break,
                Attempt::Again(error, _) if attempt == ATTEMPTS => return Err(error),
                Attempt::Again(_, asked) => {
                    self.wait(asked.unwrap_or(pause))?;
                    pause = (pause * 2).min(LONGEST);
                }
            }
        }
        let sha256 = self.hash()?;
        let stated = self.stated().filter(|tag| is_sha256(tag));
        if let Some(stated) = stated.filter(|stated| *stated != sha256) {
            self.forget();
            let reason = format!("the hub states the SHA-256 `{stated}`, and `{sha256}` arrived: nothing was stored");
            return Err(self.fails(reason));
        }
        let _ = std::fs::remove_file(self.beside("etag"));
        let _ = std::fs::remove_file(self.beside("lock"));
        Ok(Some(Fetched { part: self.part.clone(), sha256 }))
    }

    fn attempt(&self, needed: bool) -> Result<Attempt, StoreError> {
        let stated = self.stated();
        let have = stated.as_ref().map_or(0, |_| self.part.metadata().map_or(0, |part| part.len()));
        let (answer, tag) = match self.ask(have) {
            Ok(asked) => asked,
            Err(error) => return Ok(Attempt::Again(self.fails(error.to_string()), None)),
        };
        let status = answer.status();
        let resumed = status == StatusCode::PARTIAL_CONTENT;
        match status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => (),
            StatusCode::RANGE_NOT_SATISFIABLE => {
                self.forget();
                return Ok(Attempt::Again(
                    self.fails("what was fetched of it before is of another file".to_owned()),
                    None,
                ));
            }
            status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                return Ok(Attempt::Again(
                    self.fails(format!("http status: {}", status.as_u16())),
                    asked_wait(answer.headers()),
                ));
            }
            StatusCode::NOT_FOUND if !needed && !is_about_repository(answer.headers()) => return Ok(Attempt::Absent),
            status => return Err(self.fails(reason(status, answer.headers(), self.asking.token.is_some()))),
        }
        if resumed && (tag != stated || !begins_at(answer.headers(), have)) {
            // The file changed since its beginning was fetched.
            self.forget();
            return Ok(Attempt::Again(self.fails("it changed while it was fetched".to_owned()), Some(Duration::ZERO)));
        }
        let from = if resumed { have } else { 0 };
        let length = header(answer.headers(), "content-length").and_then(|n| n.parse::<u64>().ok());
        if length.is_some_and(|n| from + n > self.most) {
            self.forget();
            return Err(StoreError::TooLarge { url: self.url.to_owned(), most: self.most });
        }
        self.append(answer, from, length, tag.as_deref())
    }

    /// Writes the answer's body behind the first `from` bytes.
    fn append(
        &self,
        answer: Response<ureq::Body>,
        from: u64,
        length: Option<u64>,
        tag: Option<&str>,
    ) -> Result<Attempt, StoreError> {
        let kept = |error: &std::io::Error| StoreError::io(&self.part, error);
        // A beginning is worth something only with the tag of the file that it is of.
        let etag = self.beside("etag");
        match tag {
            Some(tag) => std::fs::write(&etag, tag).map_err(|error| kept(&error))?,
            None => _ = std::fs::remove_file(&etag),
        }
        let mut file =
            OpenOptions::new().create(true).truncate(false).write(true).open(&self.part).map_err(|e| kept(&e))?;
        file.set_len(from).and_then(|()| file.seek(SeekFrom::Start(from))).map_err(|error| kept(&error))?;
        let look = |_| self.ctx.interrupt.check().map_err(StoreError::from);
        let fails = |error: &std::io::Error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::io(&self.part, error),
            _ => self.fails(plain(error)),
        };
        match copy_hashed(answer.into_body().into_reader(), &mut file, self.most - from, look, fails) {
            Err(StoreError::Download { url, reason }) => Ok(Attempt::Again(StoreError::Download { url, reason }, None)),
            Err(error) => Err(error),
            Ok(None) => {
                self.forget();
                Err(StoreError::TooLarge { url: self.url.to_owned(), most: self.most })
            }
            Ok(Some((n, _))) => match length.filter(|length| *length != n) {
                Some(length) => {
                    let reason = format!("the connection ended after {n} of {length} bytes");
                    Ok(Attempt::Again(self.fails(reason), None))
                }
                None => Ok(Attempt::Whole),
            },
        }
    }

    /// The answer behind all redirects, and the tag that the hub gives the file: of a large one its SHA-256, which only the
    /// answer before the redirect states.
    fn ask(&self, have: u64) -> Result<(Response<ureq::Body>, Option<String>), ureq::Error> {
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .max_redirects(0)
            .http_status_as_error(false)
            .build();
        let agent = ureq::Agent::new_with_config(config);
        let (mut url, mut linked) = (self.url.to_owned(), None);
        for _ in 0..REDIRECTS {
            let mut request = agent.get(&url);
            if let Some(token) = self.asking.token.as_ref().filter(|_| host(&url) == host(self.url)) {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            if have > 0 {
                request = request.header("Range", format!("bytes={have}-"));
            }
            let answer = request.call()?;
            linked = linked.or_else(|| header(answer.headers(), "x-linked-etag").map(|tag| bare(&tag)));
            let moved = answer.status().is_redirection().then(|| header(answer.headers(), "location")).flatten();
            let Some(place) = moved else {
                let tag = linked.or_else(|| header(answer.headers(), "etag").map(|tag| bare(&tag)));
                return Ok((answer, tag));
            };
            url = if place.starts_with('/') { format!("{}{place}", host(&url)) } else { place };
        }
        Err(ureq::Error::TooManyRedirects)
    }

    fn wait(&self, how_long: Duration) -> Result<(), StoreError> {
        let mut left = how_long.min(LONGEST);
        while !left.is_zero() {
            self.ctx.interrupt.check()?;
            let step = left.min(Duration::from_millis(50));
            std::thread::sleep(step);
            left -= step;
        }
        Ok(())
    }

    fn hash(&self) -> Result<String, StoreError> {
        let kept = |error: std::io::Error| StoreError::io(&self.part, &error);
        let (mut file, mut hasher, mut buffer) =
            (File::open(&self.part).map_err(kept)?, Sha256::new(), vec![0; 1 << 16]);
        loop {
            let n = file.read(&mut buffer).map_err(kept)?;
            self.ctx.interrupt.check()?;
            match buffer.get(..n).filter(|piece| !piece.is_empty()) {
                Some(piece) => hasher.update(piece),
                None => return Ok(hex(&hasher.finalize())),
            }
        }
    }

    /// The tag of the file that the part is the beginning of.
    fn stated(&self) -> Option<String> {
        std::fs::read_to_string(self.beside("etag")).ok().filter(|tag| !tag.is_empty())
    }

    fn forget(&self) {
        for file in [self.part.clone(), self.beside("etag"), self.beside("lock")] {
            let _ = std::fs::remove_file(file);
        }
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.part.clone().into_os_string();
        path.push(format!(".{ending}"));
        path.into()
    }

    fn fails(&self, reason: String) -> StoreError {
        StoreError::Download { url: self.url.to_owned(), reason }
    }
}

/// Why the hub refuses, in words that say what to do: it names the cause in a header.
fn reason(status: StatusCode, headers: &HeaderMap, has_token: bool) -> String {
    let token = if has_token { "the token of HF_TOKEN may not read it" } else { "set HF_TOKEN if it is private" };
    match (header(headers, "x-error-code").as_deref(), status) {
        (Some("RevisionNotFound"), _) => "the repository has no such revision".to_owned(),
        (Some("RepoNotFound"), _) => format!("there is no such repository; {token}"),
        (Some("EntryNotFound"), _) => "the repository has no such file".to_owned(),
        (Some("GatedRepo"), _) => format!("its owner asks for a consent on its page first; then {token}"),
        (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => format!("http status: {}; {token}", status.as_u16()),
        _ => format!("http status: {}", status.as_u16()),
    }
}

/// Whether a 404 is about the repository or its revision, not about the file.
fn is_about_repository(headers: &HeaderMap) -> bool {
    matches!(header(headers, "x-error-code").as_deref(), Some("RevisionNotFound" | "RepoNotFound" | "GatedRepo"))
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// An entity tag without its marks.
fn bare(tag: &str) -> String {
    tag.trim_start_matches("W/").trim_matches('"').to_owned()
}

fn is_sha256(tag: &str) -> bool {
    tag.len() == 64 && tag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    header(headers, "retry-after")?.parse().ok().map(Duration::from_secs)
}

/// Whether a partial answer begins at this byte.
fn begins_at(headers: &HeaderMap, from: u64) -> bool {
    let range = header(headers, "content-range").unwrap_or_default();
    let first = range.strip_prefix("bytes ").and_then(|range| range.split('-').next());
    first.and_then(|first| first.parse().ok()) == Some(from)
}

/// Scheme and host of an address.
fn host(url: &str) -> &str {
    let behind = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(behind..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| behind + at);
    url.get(..end).unwrap_or(url)
}
