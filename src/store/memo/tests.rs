//! The store with an operation whose value is known: damage, processes that die, collections, archives.

use super::files::{key_file, lock_file, object_file};
use super::lock::Lock;
use super::partial::partial_file;
use super::*;
use crate::core::context::{Access, Settings};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// Gives `n_values` numbers that begin with `first`.
pub(super) struct Count {
    first: u32,
    n_values: usize,
    n_computed: AtomicUsize,
    /// Whether it leaves its state on the way, which is flushed to the disk.
    pub(super) leaves: bool,
    untraceable: Option<String>,
}

impl Count {
    pub(super) fn from(first: u32) -> Count {
        Count { first, n_values: 6, n_computed: AtomicUsize::new(0), leaves: false, untraceable: None }
    }

    pub(super) fn times(&self) -> usize {
        self.n_computed.load(Ordering::SeqCst)
    }

    pub(super) fn value(&self) -> Vec<f32> {
        (0..self.n_values).map(|at| self.first as f32 + at as f32).collect()
    }
}

impl Operation for Count {
    type Value = Vec<f32>;
    type Error = StoreError;

    fn step(&self) -> Step {
        Step {
            operation: "count",
            what: format!("from {}", self.first),
            digest: Digest::of("count", 1).int("first", self.first.into()).int("n", self.n_values as i64).finish(),
            inputs: vec![("first", Digest::of_bytes(&self.first.to_le_bytes()))],
            options: String::new(),
            work: 1e6,
            untraceable: self.untraceable.clone(),
        }
    }

    fn compute(&self, _ctx: &Context, partial: &Partial) -> Result<Done<Vec<f32>>, StoreError> {
        self.n_computed.fetch_add(1, Ordering::SeqCst);
        if self.leaves && partial.is_kept() {
            partial.write(&Facts::new(), &[("half".to_owned(), &[0.5])])?;
        }
        Ok(Done { value: self.value(), curve: vec![(1, 0.5), (2, 0.25)] })
    }

    fn pack(&self, value: &Vec<f32>) -> Content {
        Content::default().tensor("numbers", &[self.n_values], value.clone())
    }

    fn unpack(&self, mut content: Content) -> Result<Vec<f32>, String> {
        content.take("numbers", &[self.n_values])
    }

    fn stand_in(&self) -> Vec<f32> {
        vec![-1.0; self.n_values]
    }
}

/// A context over a store in `folder`, and the warnings and operations that it tells.
pub(super) fn context_in(folder: &Path, run_dir: Option<&Path>, memo: Memo) -> (Context, Arc<Mutex<Vec<Event>>>) {
    context_with(StoreSession::default(), folder, run_dir, memo)
}

/// As [`context_in`], with a session of the store.
pub(super) fn context_with(
    session: StoreSession,
    folder: &Path,
    run_dir: Option<&Path>,
    memo: Memo,
) -> (Context, Arc<Mutex<Vec<Event>>>) {
    let plain = Context::for_tests().settings;
    let settings = Settings { store: folder.join("store"), memo, run_dir: run_dir.map(Path::to_owned), ..plain };
    let ctx = Arc::new(session).lend(Context::new(settings, Access::default()));
    let told = Arc::new(Mutex::new(Vec::new()));
    let held = told.clone();
    ctx.listen(move |event| held.lock().expect("whole").push(event));
    (ctx, told)
}

pub(super) fn warnings(told: &Mutex<Vec<Event>>) -> Vec<String> {
    let told = std::mem::take(&mut *told.lock().expect("whole"));
    told.into_iter().filter_map(|event| if let Event::Warning { text } = event { Some(text) } else { None }).collect()
}

/// Where the store has the result of `count`.
pub(super) fn files_of(count: &Count, ctx: &Context) -> (Key, PathBuf, PathBuf) {
    let (store, key) = (Store::of(ctx), count.step().key(ctx));
    let manifest = store.manifest(key).expect("whole").expect("there");
    (key, store.path(&key_file(key)), store.path(&object_file(&manifest.content)))
}

pub(super) fn age(path: &Path, by: Duration) {
    let file = std::fs::OpenOptions::new().append(true).open(path).expect("there");
    file.set_modified(SystemTime::now() - by).expect("aged");
}

pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

#[test]
fn a_result_is_computed_once_and_leaves_no_lock_and_no_state() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ctx, told) = context_in(folder.path(), None, Memo::On);
    let count = Count { leaves: true, ..Count::from(3) };
    for _ in 0..3 {
        assert_eq!(perform(&count, &ctx).expect("computed"), count.value());
    }
    assert_eq!(count.times(), 1);
    let found: Vec<Found> = told
        .lock()
        .expect("whole")
        .iter()
        .filter_map(|event| {
            if let Event::Operation { found, operation, .. } = event {
                assert_eq!(operation.curve.len(), 2);
                Some(*found)
            } else {
                None
            }
        })
        .collect();
    assert!(matches!(found[..], [Found::Computed, Found::Stored { .. }, Found::Stored { .. }]), "{found:?}");
    let store = Store::of(&ctx);
    assert!(!store.path(&lock_file(count.step().key(&ctx))).exists());
    assert!(store.partials().expect("read").is_empty());
    let audit = store.audit(&ctx).expect("read");
    assert_eq!((audit.n_results, audit.n_contents, audit.damaged.len()), (1, 1, 0), "{audit:?}");
}

#[test]
fn any_byte_that_changes_is_noticed_named_and_what_it_held_computed_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ctx, told) = context_in(folder.path(), None, Memo::On);
    let count = Count::from(3);
    perform(&count, &ctx).expect("computed");
    let (_, key_path, object_path) = files_of(&count, &ctx);
    warnings(&told);
    let mut times = count.times();
    for path in [&key_path, &object_path] {
        let whole = std::fs::read(path).expect("there");
        let name = path.file_name().expect("a name").to_string_lossy();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            // A different bit at each place.
            changed[at] ^= 1 << (at % 8);
            std::fs::write(path, &changed).expect("damaged");
            let audit = Store::of(&ctx).audit(&ctx).expect("read");
            assert!(
                audit.damaged.iter().any(|damaged| damaged.file.contains(&*name)),
                "byte {at} of {name}: {audit:?}"
            );
            assert_eq!(perform(&count, &ctx).expect("computed again"), count.value());
            times += 1;
            assert_eq!(count.times(), times, "byte {at} of {name}");
            let said = warnings(&told);
            assert!(matches!(&said[..], [one] if one.contains(&*name)), "byte {at} of {name}: {said:?}");
        }
        for damage in [&whole[..0], &whole[..whole.len() / 2], &[&whole[..], b"x"].concat()] {
            std::fs::write(path, damage).expect("damaged");
            assert_eq!(perform(&count, &ctx).expect("computed again"), count.value());
            times += 1;
            assert_eq!((count.times(), warnings(&told).len()), (times, 1), "{} bytes of {name}", damage.len());
        }
        // What was computed again took the damaged one's place.
        assert!(Store::of(&ctx).audit(&ctx).expect("read").damaged.is_empty());
    }
    std::fs::remove_file(&object_path).expect("there");
    perform(&count, &ctx).expect("computed again");
    assert!(warnings(&told)[0].contains("it is missing"));
}

#[test]
fn any_byte_of_a_state_that_changes_is_noticed_and_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ctx, _) = context_in(folder.path(), None, Memo::On);
    let (store, key) = (Store::of(&ctx), Digest::of_bytes(b"work"));
    let partial = Partial::of(&store, key, false);
    let mut facts = Facts::new();
    facts.insert("step".to_owned(), 7.into());
    partial.write(&facts, &[("a".to_owned(), &[1.0, 2.0]), ("b".to_owned(), &[])]).expect("written");
    let read = partial.read().expect("whole").expect("there");
    assert_eq!((read.facts, read.tensors[0].2.as_slice()), (facts, &[1.0, 2.0][..]));
    let path = store.path(&partial_file(key));
    let whole = std::fs::read(&path).expect("there");
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        std::fs::write(&path, &changed).expect("damaged");
        let why = partial.read().expect_err("damaged");
        assert!(why.contains(&key.to_hex()), "byte {at}: {why}");
    }
    for n_bytes in 0..whole.len() {
        std::fs::write(&path, &whole[..n_bytes]).expect("damaged");
        assert!(partial.read().is_err(), "{n_bytes} bytes");
    }
    // Nor is it taken for the state of other work.
    let other = Digest::of_bytes(b"other work");
    std::fs::write(store.path(&partial_file(other)), &whole).expect("copied");
    assert!(Partial::of(&store, other, false).read().is_err());
}

#[test]
fn a_manifest_under_another_key_is_not_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ctx, told) = context_in(folder.path(), None, Memo::On);
    let (one, other) = (Count::from(1), Count::from(2));
    perform(&one, &ctx).expect("computed");
    let (_, path, _) = files_of(&one, &ctx);
    let place = Store::of(&ctx).path(&key_file(other.step().key(&ctx)));
    std::fs::create_dir_all(place.parent().expect("a folder")).expect("made");
    std::fs::copy(path, place).expect("copied");
    assert_eq!(perform(&other, &ctx).expect("computed"), other.value());
    assert!(warnings(&told)[0].contains("another key"));
}

#[test]
fn threads_and_takers_over_compute_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let count = Count { n_values: 1000, ..Count::from(5) };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let (ctx, _) = context_in(folder.path(), None, Memo::On);
                assert_eq!(perform(&count, &ctx).expect("computed"), count.value());
            });
        }
    });
    assert_eq!(count.times(), 1);
    // Whoever computes dies: its lock ends with it and another one computes.
    let other = Count::from(6);
    let (ctx, _) = context_in(folder.path(), None, Memo::On);
    let lock = Lock::take(&Store::of(&ctx).path(&lock_file(other.step().key(&ctx)))).expect("locks").expect("free");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| perform(&other, &ctx).expect("computed"));
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(other.times(), 0);
        drop(lock);
        assert_eq!(waiting.join().expect("ends"), other.value());
    });
}

#[test]
fn what_cannot_be_traced_is_neither_kept_nor_looked_up_and_a_plan_computes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ctx, told) = context_in(folder.path(), None, Memo::On);
    let count = Count { untraceable: Some("it reads a clock".to_owned()), ..Count::from(1) };
    perform(&count, &ctx).expect("computed");
    perform(&count, &ctx).expect("computed");
    assert_eq!(count.times(), 2);
    assert!(warnings(&told)[0].contains("it reads a clock"));
    assert!(Store::of(&ctx).results().expect("read").is_empty());
    let (known, unknown) = (Count::from(2), Count::from(3));
    perform(&known, &ctx).expect("computed");
    let (plan, told) = context_in(folder.path(), None, Memo::On);
    let plan = plan.planning();
    assert_eq!(perform(&known, &plan).expect("looked up"), known.value());
    assert_eq!(perform(&unknown, &plan).expect("planned"), unknown.stand_in());
    assert_eq!(unknown.times(), 0);
    let told = told.lock().expect("whole");
    assert!(matches!(
        told[..],
        [Event::Operation { found: Found::Stored { .. }, .. }, Event::Operation { found: Found::Planned, .. }]
    ));
}

#[test]
fn a_collection_takes_the_least_recently_used_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ctx, _) = context_in(folder.path(), None, Memo::On);
    let counts = [Count::from(1), Count::from(2), Count::from(3)];
    for (count, days) in counts.iter().zip([3, 2, 1]) {
        perform(count, &ctx).expect("computed");
        age(&files_of(count, &ctx).1, days * DAY);
    }
    let store = Store::of(&ctx);
    // A use is noted: the oldest becomes the newest.
    perform(&counts[0], &ctx).expect("looked up");
    let all = Collect { max_bytes: Some(0), ..Collect::default() };
    let kept = store.collect(&all, &ctx.interrupt).expect("collected");
    assert_eq!((kept.n_results, kept.n_needed, kept.n_running), (0, 3, 1), "this session needs them all");
    drop(ctx);
    let (ctx, _) = context_in(folder.path(), None, Memo::Off);
    let total = store.n_computed_bytes().expect("read");
    let most = Collect { max_bytes: Some(total - 1), ..Collect::default() };
    let dry = store.collect(&Collect { dry: true, ..most.clone() }, &ctx.interrupt).expect("collected");
    let done = store.collect(&most, &ctx.interrupt).expect("collected");
    assert_eq!(dry, done);
    assert_eq!((done.n_results, done.n_left), (1, 2), "{done:?}");
    assert_eq!(done.n_bytes_left, store.n_computed_bytes().expect("read"));
    assert!(store.manifest(counts[1].step().key(&ctx)).expect("whole").is_none(), "2 was used last the longest ago");
    let old = Collect { older_than: Some(DAY / 2), ..Collect::default() };
    let done = store.collect(&old, &ctx.interrupt).expect("collected");
    assert_eq!((done.n_results, done.n_left), (1, 1), "{done:?}");
    assert!(store.manifest(counts[0].step().key(&ctx)).expect("whole").is_some());
    assert!(store.audit(&ctx).expect("read").damaged.is_empty());
}

#[test]
fn a_kept_run_needs_its_results_until_its_folder_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("runs/one-001");
    std::fs::create_dir_all(&run).expect("made");
    std::fs::write(run.join("record.json"), "{}").expect("written");
    let count = Count::from(1);
    let (ctx, _) = context_in(folder.path(), Some(&run), Memo::On);
    perform(&count, &ctx).expect("computed");
    let (store, key) = (Store::of(&ctx), count.step().key(&ctx));
    drop(ctx);
    // A worker of the run is known by the record only.
    let other = Count::from(2);
    let (ctx, _) = context_in(folder.path(), None, Memo::On);
    perform(&other, &ctx).expect("computed");
    let record = serde_json::json!({ "events": [{ "key": other.step().key(&ctx).to_hex() }] });
    std::fs::write(run.join("record.json"), record.to_string()).expect("written");
    drop(ctx);
    let interrupt = crate::core::context::Interrupt::default();
    let all = Collect { max_bytes: Some(0), ..Collect::default() };
    let done = store.collect(&all, &interrupt).expect("collected");
    assert_eq!((done.n_results, done.n_needed, done.n_kept_runs), (0, 2, 1), "{done:?}");
    assert!(store.manifest(key).expect("whole").is_some());
    std::fs::remove_dir_all(&run).expect("removed");
    let done = store.collect(&all, &interrupt).expect("collected");
    assert_eq!((done.n_results, done.n_rubbish, done.n_bytes_left), (2, 1, 0), "{done:?}");
    assert_eq!(store.n_computed_bytes().expect("read"), 0);
}

#[test]
fn what_died_leaves_is_collected_and_what_lives_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ctx, _) = context_in(folder.path(), None, Memo::Off);
    let store = Store::of(&ctx);
    let write = |file: &str| store.write(file, b"x").expect("written");
    let (dead, alive) = (Digest::of_bytes(b"dead"), Digest::of_bytes(b"alive"));
    for place in ["objects/.part-old", "objects/ab/.part-old", "partial/.part-new"] {
        write(place);
    }
    age(&store.path("objects/.part-old"), DAY);
    age(&store.path("objects/ab/.part-old"), DAY);
    for key in [dead, alive] {
        Partial::of(&store, key, false).write(&Facts::new(), &[]).expect("written");
        age(&store.path(&partial_file(key)), 60 * DAY);
        write(&lock_file(key));
    }
    write(&object_file(&dead.to_hex()));
    write("fetched/minilm/config.json");
    let _held = Lock::take(&store.path(&lock_file(alive))).expect("locks").expect("free");
    let done = store.collect(&Collect::default(), &ctx.interrupt).expect("collected");
    assert_eq!(done.n_partials, 1, "{done:?}");
    let left = |place: &str| store.path(place).exists();
    assert!(!left("objects/.part-old") && !left("objects/ab/.part-old") && left("partial/.part-new"));
    assert!(!left(&partial_file(dead)) && left(&partial_file(alive)));
    assert!(!left(&lock_file(dead)) && left(&lock_file(alive)));
    assert!(!left(&object_file(&dead.to_hex())) && left("fetched/minilm/config.json"));
}

#[test]
fn a_check_names_what_is_damaged_and_removes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ctx, told) = context_in(folder.path(), None, Memo::On);
    let (one, other) = (Count::from(1), Count::from(2));
    perform(&one, &ctx).expect("computed");
    perform(&other, &ctx).expect("computed");
    let store = Store::of(&ctx);
    let (_, _, object) = files_of(&one, &ctx);
    std::fs::write(&object, b"nothing").expect("damaged");
    store.write("fetched/minilm/config.json", b"{}").expect("written");
    let audit = store.audit(&ctx).expect("read");
    let files: Vec<&str> = audit.damaged.iter().map(|damaged| damaged.file.as_str()).collect();
    assert_eq!(files.len(), 2, "{audit:?}");
    assert!(files[0].starts_with("objects/") && files[1] == "fetched/minilm/config.json");
    assert_eq!(store.remove_damaged(&audit, &ctx).expect("removed"), 2, "manifest and content");
    warnings(&told);
    assert_eq!(perform(&one, &ctx).expect("computed again"), one.value());
    assert_eq!((one.times(), other.times(), warnings(&told).len()), (2, 1, 0));
}

#[test]
fn results_travel_in_an_archive_that_is_not_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ctx, _) = context_in(folder.path(), None, Memo::On);
    let count = Count::from(1);
    perform(&count, &ctx).expect("computed");
    let (key, ..) = files_of(&count, &ctx);
    let archive = folder.path().join("results.zip");
    let n_bytes = Store::of(&ctx).export(&[key].into(), &archive, &ctx).expect("written");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let (other, told) = context_in(elsewhere.path(), None, Memo::On);
    let there = Store::of(&other);
    // Every byte of it that means something is checked before anything is kept; names of members are among them.
    let whole = std::fs::read(&archive).expect("there");
    let damaged = elsewhere.path().join("damaged.zip");
    let mut n_refused = 0;
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        std::fs::write(&damaged, &changed).expect("written");
        match there.import(&damaged, &other) {
            // Times and other attributes of members mean nothing here.
            Ok(imported) => {
                assert_eq!((imported.n_new + imported.n_known, imported.n_new.min(1)), (1, imported.n_new));
                assert_eq!(perform(&Count::from(1), &other).expect("looked up"), count.value(), "byte {at}");
            }
            Err(_) => n_refused += 1,
        }
        assert!(there.audit(&other).expect("read").damaged.is_empty(), "byte {at}");
    }
    assert!(n_refused > whole.len() / 2, "{n_refused} of {}", whole.len());
    std::fs::remove_dir_all(there.root()).expect("removed");
    told.lock().expect("whole").clear();
    assert_eq!(there.import(&archive, &other).expect("taken"), Imported { n_new: 1, n_known: 0, n_bytes });
    // Whoever watches sees each of its two parts begin, go on to its end, and end.
    let seen: Vec<(u64, &str)> = std::mem::take(&mut *told.lock().expect("whole"))
        .iter()
        .map(|event| match event {
            Event::Started { total, .. } => (*total, "of"),
            Event::Progress { done, .. } => (*done, "done"),
            Event::Ended { .. } => (0, "ended"),
            other => panic!("{other:?}"),
        })
        .collect();
    let (check, import) = ([(2, "of"), (1, "done"), (2, "done"), (0, "ended")], [(1, "of"), (1, "done"), (0, "ended")]);
    assert_eq!(seen, [&check[..], &import].concat());
    assert_eq!(there.import(&archive, &other).expect("taken"), Imported { n_new: 0, n_known: 1, n_bytes: 0 });
    let again = Count::from(1);
    assert_eq!(perform(&again, &other).expect("looked up"), count.value());
    assert_eq!(again.times(), 0);
    let missing = Store::of(&ctx).export(&[Digest::of_bytes(b"none")].into(), &archive, &ctx);
    assert!(matches!(missing, Err(StoreError::NoResult { .. })));
}

#[test]
fn an_archive_with_other_things_in_it_is_refused_whole() {
    use std::io::Write;
    let folder = tempfile::tempdir().expect("a folder");
    let (ctx, _) = context_in(folder.path(), None, Memo::On);
    let content = "ab".repeat(32);
    for name in ["../escaped", "/keys/x.json", "keys/../../x.json", &format!("objects/{content}.safetensors")] {
        let path = folder.path().join("odd.zip");
        let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).expect("made"));
        zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("begun");
        zip.write_all(b"x").expect("written");
        zip.finish().expect("written");
        let error = Store::of(&ctx).import(&path, &ctx).expect_err("refused");
        assert!(matches!(error, StoreError::Archive { .. }), "{name}: {error}");
    }
    assert!(!folder.path().join("escaped").exists() && Store::of(&ctx).results().expect("read").is_empty());
}

#[test]
fn contents_that_would_grow_are_refused_before_they_are_read() {
    use std::io::Write;
    let folder = tempfile::tempdir().expect("a folder");
    let (ctx, _) = context_in(folder.path(), None, Memo::On);
    let path = folder.path().join("bomb.zip");
    let name = format!("objects/{}.safetensors", "ab".repeat(32));
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).expect("made"));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    zip.start_file(&name, options).expect("begun");
    zip.write_all(&vec![0; 32 << 20]).expect("written");
    zip.finish().expect("written");
    let error = Store::of(&ctx).import(&path, &ctx).expect_err("refused").to_string();
    assert!(error.contains(&format!("`{name}` is compressed, and contents are stored as they are")), "{error}");
}

#[test]
fn a_store_that_cannot_be_written_says_what_to_do() {
    use crate::core::explain::Explain;
    use std::io::{Error, ErrorKind};
    for (kind, code) in [
        (ErrorKind::StorageFull, "store/full"),
        (ErrorKind::QuotaExceeded, "store/full"),
        (ErrorKind::ReadOnlyFilesystem, "store/read-only"),
        (ErrorKind::PermissionDenied, "store/permission"),
    ] {
        let error = StoreError::io(Path::new("x"), &Error::from(kind));
        assert_eq!(error.code(), code);
        assert!(error.hint().is_some_and(|hint| hint.contains("--store DIR") && hint.contains("--no-memo")));
    }
}

#[test]
fn a_folder_in_a_files_place_is_named_moved_aside_and_what_was_there_computed_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ctx, told) = context_in(folder.path(), None, Memo::On);
    let count = Count { leaves: true, ..Count::from(3) };
    perform(&count, &ctx).expect("computed");
    let (key, key_path, object_path) = files_of(&count, &ctx);
    let store = Store::of(&ctx);
    let mut times = count.times();
    for path in [&key_path, &object_path, &store.path(&lock_file(key)), &store.path(&partial_file(key))] {
        let is_result = path.is_file();
        if is_result {
            std::fs::remove_file(path).expect("removed");
        } else {
            // Without the result the lock and the state are needed.
            std::fs::remove_file(&key_path).expect("removed");
        }
        std::fs::create_dir_all(path.join("inner")).expect("made");
        std::fs::write(path.join("inner/mine"), "mine").expect("written");
        warnings(&told);
        assert_eq!(perform(&count, &ctx).expect("computed again"), count.value(), "{}", path.display());
        times += 1;
        assert_eq!(count.times(), times, "{}", path.display());
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if is_result {
            let said = warnings(&told);
            assert!(matches!(&said[..], [one] if one.contains(&name) && one.contains("is a folder")), "{said:?}");
        }
        let beside = std::fs::read_dir(path.parent().expect("a folder")).expect("read").flatten();
        let aside = beside.map(|entry| entry.path()).find(|found| found.to_string_lossy().contains(".aside-"));
        let aside = aside.expect("moved aside");
        assert_eq!(std::fs::read(aside.join("inner/mine")).expect("kept"), b"mine");
        std::fs::remove_dir_all(aside).expect("removed");
        assert!(store.audit(&ctx).expect("read").damaged.is_empty());
    }
    std::fs::remove_file(&object_path).expect("removed");
    std::fs::create_dir_all(&object_path).expect("made");
    let audit = store.audit(&ctx).expect("read");
    assert!(matches!(&audit.damaged[..], [one] if one.why.contains("folder")), "{audit:?}");
    assert_eq!(store.remove_damaged(&audit, &ctx).expect("removed"), 2);
    assert!(store.audit(&ctx).expect("read").damaged.is_empty());
}
