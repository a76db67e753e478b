//! Against a server on this machine that answers as the hub does: redirects with what it says of large files, ranges, broken
//! connections, waits, refusals.

use super::*;
use crate::store::sha256_of;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request: path, and headers by their name in lower case.
struct Request {
    path: String,
    headers: HashMap<String, String>,
}

impl Request {
    /// From which byte on it asks.
    fn from(&self) -> usize {
        let range =
            self.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        range.unwrap_or(0)
    }
}

/// An answer. `cut` breaks the connection off after so many bytes of the body.
#[derive(Default)]
struct Reply {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    cut: Option<usize>,
}

fn reply(status: &'static str, body: &[u8]) -> Reply {
    Reply { status, body: body.to_vec(), ..Reply::default() }
}

impl Reply {
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }
}

/// A file from the byte that is asked for, with its tag.
fn file(request: &Request, body: &[u8], tag: &str) -> Reply {
    let from = request.from();
    let tagged = |reply: Reply| reply.with("ETag", format!("\"{tag}\""));
    match from {
        0 => tagged(reply("200 OK", body)),
        from if from >= body.len() => reply("416 Range Not Satisfiable", b""),
        from => tagged(reply("206 Partial Content", &body[from..]))
            .with("Content-Range", format!("bytes {from}-{}/{}", body.len() - 1, body.len())),
    }
}

type Seen = Arc<Mutex<Vec<Request>>>;

/// A server that answers each request by `answer`, which is told how many there were before it; what it was asked.
fn serve(answer: impl Fn(&Request, usize) -> Reply + Send + 'static) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let seen = Seen::default();
    let asked = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut lines = BufReader::new(stream.try_clone().expect("cloned")).lines();
            let Some(Ok(first)) = lines.next() else { continue };
            let mut headers = HashMap::new();
            while let Some(Ok(line)) = lines.next() {
                let Some((name, value)) = line.split_once(": ") else { break };
                headers.insert(name.to_lowercase(), value.to_owned());
            }
            let path = first.split(' ').nth(1).expect("a path").to_owned();
            let request = Request { path, headers };
            let n = asked.lock().expect("unpoisoned").len();
            let Reply { status, headers, body, cut } = answer(&request, n);
            asked.lock().expect("unpoisoned").push(request);
            let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
            headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
            let sent = &body[..cut.unwrap_or(body.len()).min(body.len())];
            let _ = stream.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| stream.write_all(sent));
        }
    });
    (address, seen)
}

fn hub(address: &str) -> Hub {
    let asking = Asking { pause: Duration::from_millis(1), ..Asking::default() };
    Hub { asking, ..Hub::at(address) }
}

/// A hub with these files of `o/n`, 404 otherwise.
fn with_files(files: &[(&str, &[u8])]) -> Hub {
    let files: Vec<(String, Vec<u8>)> =
        files.iter().map(|(name, body)| (format!("/o/n/resolve/main/{name}"), body.to_vec())).collect();
    let answer = move |request: &Request, _| match files.iter().find(|(path, _)| *path == request.path) {
        Some((path, body)) => file(request, body, path),
        None => reply("404 Not Found", b"").with("X-Error-Code", "EntryNotFound"),
    };
    hub(&serve(answer).0)
}

const WHOLE: &[(&str, &[u8])] = &[("config.json", b"{}"), ("tokenizer.json", b"[]"), ("model.safetensors", b"w")];

/// Like [`WHOLE`], with weights that `large` answers for.
fn with_large(large: impl Fn(&Request, usize) -> Reply + Send + 'static) -> (Hub, Seen) {
    let n_asked = Arc::new(Mutex::new(0));
    let answer = move |request: &Request, _| {
        let small = WHOLE[..2].iter().find(|(name, _)| request.path == format!("/o/n/resolve/main/{name}"));
        match small {
            Some((name, body)) => file(request, body, name),
            None if request.path.ends_with("/model.safetensors") || request.path.starts_with("/cdn") => {
                let mut n = n_asked.lock().expect("unpoisoned");
                *n += 1;
                large(request, *n - 1)
            }
            None => reply("404 Not Found", b"").with("X-Error-Code", "EntryNotFound"),
        }
    };
    let (address, seen) = serve(answer);
    (hub(&address), seen)
}

struct Place {
    _folder: tempfile::TempDir,
    store: Store,
    ctx: Context,
    id: HubId,
}

fn place() -> Place {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::at(folder.path());
    Place { _folder: folder, store, ctx: Context::for_tests(), id: HubId::parse("hub:o/n").expect("an id") }
}

impl Place {
    fn fetch(&self, hub: &Hub) -> Result<(), StoreError> {
        hub.fetch(&self.id, &self.store, &self.ctx)
    }

    fn weights(&self) -> Vec<u8> {
        self.id.read(&self.store, "model.safetensors").expect("there")
    }

    fn refused(&self, hub: &Hub) -> String {
        self.fetch(hub).expect_err("refused").to_string()
    }
}

fn ranges(seen: &Seen, ending: &str) -> Vec<usize> {
    let seen = seen.lock().expect("unpoisoned");
    seen.iter().filter(|request| request.path.ends_with(ending)).map(Request::from).collect()
}

#[test]
fn a_model_is_fetched_recorded_and_checked() {
    let at = place();
    let error = at.id.read(&at.store, "config.json").expect_err("not fetched");
    assert_eq!(error.to_string(), "`hub:o/n` was not fetched into the store");
    at.fetch(&with_files(WHOLE)).expect("fetched");
    assert!(at.id.is_fetched(&at.store));
    assert_eq!(at.weights(), b"w");
    // What is there is not asked for again: this hub has nothing but what need not be there.
    at.fetch(&with_files(&[])).expect("nothing to do");
    std::fs::write(at.store.path(&at.id.place("model.safetensors")), b"x").expect("damaged");
    assert!(matches!(at.id.read(&at.store, "model.safetensors"), Err(StoreError::Changed { .. })));
    let other = with_files(&[("config.json", b"{}"), ("tokenizer.json", b"[]"), ("model.safetensors", b"other")]);
    assert!(matches!(at.fetch(&other), Err(StoreError::NotAsRecorded { .. })));
    at.fetch(&with_files(WHOLE)).expect("mended");
    assert_eq!(at.weights(), b"w");
    let left: Vec<_> = std::fs::read_dir(at.store.path(&at.id.folder())).expect("a folder").flatten().collect();
    assert!(left.iter().all(|file| !file.file_name().to_string_lossy().contains("fetching")), "{left:?}");
}

#[test]
fn weights_in_several_files_are_fetched_by_their_index() {
    let at = place();
    let index =
        br#"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#;
    let all: Vec<(&str, &[u8])> = vec![
        WHOLE[0],
        WHOLE[1],
        ("model.safetensors.index.json", index),
        ("model-00001-of-00002.safetensors", b"one"),
        ("model-00002-of-00002.safetensors", b"two"),
    ];
    assert!(at.refused(&with_files(&all[..4])).contains("no such file"), "a shard is missing");
    assert!(!at.id.is_fetched(&at.store));
    at.fetch(&with_files(&all)).expect("fetched");
    assert!(at.id.is_fetched(&at.store));
    assert_eq!(at.id.read(&at.store, "model-00002-of-00002.safetensors").expect("there"), b"two");
    let other = place();
    let pickle = [WHOLE[0], WHOLE[1], ("pytorch_model.bin", b"\x80\x02")];
    assert!(other.refused(&with_files(&pickle)).contains("weights as a pickle are never fetched"));
}

#[test]
fn a_redirect_is_followed_and_the_stated_hash_compared() {
    let body = vec![7u8; 5000];
    let stated = sha256_of(&body);
    let redirect = move |tag: String| {
        let body = vec![7u8; 5000];
        with_large(move |request, _| match request.path.as_str() {
            "/cdn/blob" => file(request, &body, "of the other host"),
            _ => reply("302 Found", b"").with("Location", "/cdn/blob").with("X-Linked-Etag", format!("\"{tag}\"")),
        })
    };
    let at = place();
    at.fetch(&redirect(stated).0).expect("fetched");
    assert_eq!(at.weights(), body);
    let at = place();
    let said = at.refused(&redirect("0".repeat(64)).0);
    assert!(said.contains("the hub states the SHA-256 `000") && said.contains("nothing was stored"), "{said}");
    assert!(!at.id.is_fetched(&at.store));
    let round = with_large(|request, _| reply("302 Found", b"").with("Location", request.path.clone())).0;
    assert!(place().refused(&round).contains("too many redirects"));
}

#[test]
fn only_the_hub_is_told_the_token() {
    let (other, elsewhere) = serve(|request, _| file(request, b"w", "x"));
    let (mut hub, seen) = with_large(move |_, _| reply("302 Found", b"").with("Location", format!("{other}/blob")));
    hub.asking.token = Some("hf_secret".to_owned());
    place().fetch(&hub).expect("fetched");
    let seen = seen.lock().expect("unpoisoned");
    assert!(
        seen.iter().all(|request| request.headers.get("authorization").is_some_and(|told| told == "Bearer hf_secret"))
    );
    let elsewhere = elsewhere.lock().expect("unpoisoned");
    assert!(elsewhere.len() == 1 && elsewhere.iter().all(|request| !request.headers.contains_key("authorization")));
}

#[test]
fn a_broken_connection_goes_on_where_it_ended() {
    let body: Vec<u8> = (0..200_000u32).map(|at| (at % 251) as u8).collect();
    let expected = body.clone();
    let (hub, seen) = with_large(move |request, n| {
        let cut = (n < 2).then_some(70_000);
        Reply { cut, ..file(request, &body, "v1") }
    });
    let at = place();
    at.fetch(&hub).expect("fetched in three pieces");
    assert_eq!(at.weights(), expected);
    let ranges = ranges(&seen, "model.safetensors");
    assert!(ranges.len() == 3 && ranges[0] == 0 && ranges[1] > 0 && ranges[2] > ranges[1], "{ranges:?}");
}

#[test]
fn a_fetch_that_was_given_up_goes_on_another_time_unless_the_file_changed() {
    let body: Vec<u8> = (0..100_000u32).map(|at| (at % 13) as u8).collect();
    let other: Vec<u8> = body.iter().map(|byte| byte + 1).collect();
    let begun = |at: &Place| {
        let body = body.clone();
        // Breaks off once, and then fails for good.
        let (hub, _) = with_large(move |request, n| match n {
            0 => Reply { cut: Some(30_000), ..file(request, &body, "v1") },
            _ => reply("503 Service Unavailable", b""),
        });
        assert!(at.refused(&hub).contains("http status: 503"));
    };
    let at = place();
    begun(&at);
    let whole = body.clone();
    let (hub, seen) = with_large(move |request, _| file(request, &whole, "v1"));
    at.fetch(&hub).expect("fetched");
    assert_eq!((at.weights(), ranges(&seen, "model.safetensors")), (body.clone(), vec![30_000]));

    let at = place();
    begun(&at);
    let (changed, whole) = (other.clone(), other);
    let (hub, seen) = with_large(move |request, _| file(request, &changed, "v2"));
    at.fetch(&hub).expect("fetched anew");
    assert_eq!((at.weights(), ranges(&seen, "model.safetensors")), (whole, vec![30_000, 0]));
}

#[test]
fn a_host_that_asks_to_wait_is_waited_for() {
    let (hub, seen) = with_large(|request, n| match n {
        0 => reply("429 Too Many Requests", b"").with("Retry-After", "0"),
        1 => reply("500 Internal Server Error", b""),
        _ => file(request, b"w", "x"),
    });
    let at = place();
    at.fetch(&hub).expect("fetched");
    assert_eq!((at.weights(), ranges(&seen, "model.safetensors").len()), (b"w".to_vec(), 3));
    let (never, seen) = with_large(|_, _| reply("429 Too Many Requests", b"").with("Retry-After", "0"));
    let at = place();
    assert!(at.refused(&never).contains("http status: 429"));
    assert_eq!(ranges(&seen, "model.safetensors").len(), 6);
    // A wait ends when the user stops it.
    let (slow, _) = with_large(|_, _| reply("429 Too Many Requests", b"").with("Retry-After", "60"));
    let at = place();
    let interrupt = at.ctx.interrupt.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        interrupt.raise();
    });
    assert!(matches!(at.fetch(&slow), Err(StoreError::Interrupted(_))));
}

#[test]
fn what_cannot_be_fetched_says_why() {
    let refusing = |status: &'static str, code: &'static str| {
        hub(&serve(move |_, _| reply(status, b"").with("X-Error-Code", code)).0)
    };
    let said = place().refused(&refusing("404 Not Found", "RevisionNotFound"));
    assert!(said.contains("the repository has no such revision"), "{said}");
    let said = place().refused(&refusing("401 Unauthorized", "RepoNotFound"));
    assert!(said.contains("no such repository; set HF_TOKEN if it is private"), "{said}");
    let said = place().refused(&refusing("403 Forbidden", "GatedRepo"));
    assert!(said.contains("asks for a consent on its page first"), "{said}");
    let said = place().refused(&with_files(&[]));
    assert!(said.contains("config.json` could not be fetched: the repository has no such file"), "{said}");
    let at = place();
    let offline = at.fetch(&hub("http://127.0.0.1:1")).expect_err("nobody listens");
    assert!(matches!(offline, StoreError::Download { .. }), "{offline}");
    let large = vec![b' '; (1 << 20) + 1];
    assert!(matches!(at.fetch(&with_files(&[("config.json", &large)])), Err(StoreError::TooLarge { .. })));
    assert!(!at.id.is_fetched(&at.store));
    at.ctx.interrupt.raise();
    assert!(matches!(at.fetch(&with_files(WHOLE)), Err(StoreError::Interrupted(_))));
}

#[test]
fn the_hubs_cache_is_read_and_no_host_is_asked_offline() {
    let cache = tempfile::tempdir().expect("a folder");
    let snapshot = cache.path().join("models--o--n/snapshots/abc123");
    std::fs::create_dir_all(&snapshot).expect("made");
    std::fs::create_dir_all(cache.path().join("models--o--n/refs")).expect("made");
    std::fs::write(cache.path().join("models--o--n/refs/main"), "abc123\n").expect("written");
    let nobody = Hub::at("http://127.0.0.1:1");
    let hub = |offline| Hub {
        cache: Some(Cache::at(cache.path())),
        asking: Asking { offline, pause: Duration::from_millis(1), ..Asking::default() },
        ..nobody.clone()
    };
    for (name, body) in &WHOLE[..2] {
        std::fs::write(snapshot.join(name), body).expect("written");
    }
    let at = place();
    let said = at.refused(&hub(true));
    assert!(said.contains("has neither model.safetensors nor"), "{said}");
    std::fs::write(snapshot.join(WHOLE[2].0), WHOLE[2].1).expect("written");
    at.fetch(&hub(true)).expect("copied");
    assert_eq!(at.weights(), b"w");
    // By the commit itself, and not another one.
    let at = Place { id: HubId::parse("hub:o/n@abc123").expect("an id"), ..place() };
    at.fetch(&hub(true)).expect("copied");
    let at = Place { id: HubId::parse("hub:o/n@other").expect("an id"), ..place() };
    assert!(at.refused(&hub(true)).contains("no host is asked, because HF_HUB_OFFLINE is set"));
}

#[test]
fn a_data_set_is_fetched_as_the_parquet_files_that_the_hub_lists() {
    let body = |request: &Request, _| match request.path.as_str() {
        "/api/datasets/o/n/parquet" => {
            let urls = |n: usize| vec!["https://elsewhere.example/x.parquet"; n];
            let listing =
                serde_json::json!({"plain": {"train": urls(2), "test": urls(1)}, "other": {"train": urls(1)}});
            reply("200 OK", listing.to_string().as_bytes())
        }
        path if path.starts_with("/api/datasets/o/n/parquet/plain/") => file(request, path.as_bytes(), path),
        _ => reply("404 Not Found", b"").with("X-Error-Code", "EntryNotFound"),
    };
    let (address, _) = serve(body);
    let at = Place { id: HubId::parse("hub:datasets/o/n/plain").expect("an id"), ..place() };
    assert!(!at.id.is_fetched(&at.store));
    at.fetch(&hub(&address)).expect("fetched");
    assert!(at.id.is_fetched(&at.store));
    let whole = HubId::parse("hub:datasets/o/n").expect("an id");
    assert_eq!(
        whole.files_of(&at.store, None, "train").expect("there"),
        ["plain/train/0000.parquet", "plain/train/0001.parquet"]
    );
    assert_eq!(whole.files_of(&at.store, Some("other"), "train").expect("there"), [""; 0]);
    let read = whole.read(&at.store, "plain/test/0000.parquet").expect("there");
    assert_eq!(read, b"/api/datasets/o/n/parquet/plain/test/0.parquet");
    assert_eq!(HubId::fetched(&at.store), std::slice::from_ref(&whole));
    let at = Place { id: HubId::parse("hub:datasets/o/n/third").expect("an id"), ..place() };
    assert!(at.refused(&hub(&address)).contains("no configuration `third`; there are other, plain"));
    assert!(matches!(whole.files_of(&at.store, None, "train"), Err(StoreError::Missing { .. })));
    assert!(HubId::parse("hub:datasets/o/n@v1").is_err() && HubId::parse("hub:datasets/o/n/../x").is_err());
}

#[test]
fn ids_cannot_lead_out_of_the_store() {
    assert_eq!(HubId::parse("hub:a/b@v1.0").expect("an id").to_string(), "hub:a/b@v1.0");
    for wrong in ["a/b", "hub:a", "hub:a/../b", "hub:../b", "hub:a/b@..", "hub:/b", "hub:a/b c", "hub:a/b@"] {
        assert!(HubId::parse(wrong).is_err(), "{wrong}");
    }
}
