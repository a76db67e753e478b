//! A bucket behind the folder, played by another folder: machines that share results, damage, a bucket that fails, collections.

use super::*;
use crate::core::context::Memo;
use crate::store::StoreSession;
use crate::store::backend::{Entry, Version};
use crate::store::memo::tests::{Count, DAY, age, context_in, context_with, warnings};
use crate::store::memo::{Collect, Facts, Operation, Partial, perform};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

/// A folder that plays a bucket, and what is the matter with it.
#[derive(Clone)]
struct Played {
    folder: Store,
    state: Arc<AtomicU8>,
}

const WELL: u8 = 0;
const SILENT: u8 = 1;
const READ_ONLY: u8 = 2;

impl Played {
    fn at(path: &Path) -> Played {
        Played { folder: Store::at(path), state: Arc::default() }
    }

    fn is(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
    }

    fn asked(&self) -> Result<&Store, StoreError> {
        match self.state.load(Ordering::SeqCst) {
            SILENT => Err(StoreError::Unreachable { url: self.shown(""), reason: "no route".to_owned() }),
            _ => Ok(&self.folder),
        }
    }

    fn written(&self) -> Result<&Store, StoreError> {
        match self.state.load(Ordering::SeqCst) {
            READ_ONLY => Err(StoreError::Refused { url: self.shown(""), reason: "AccessDenied".to_owned() }),
            _ => self.asked(),
        }
    }
}

impl Backend for Played {
    fn shown(&self, place: &str) -> String {
        format!("s3://played/{place}")
    }
    fn list(&self, folder: &str) -> Result<Vec<Entry>, StoreError> {
        self.asked()?.list(folder)
    }
    fn head(&self, place: &str) -> Result<Option<Entry>, StoreError> {
        self.asked()?.head(place)
    }
    fn get(&self, place: &str, most: u64) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        self.asked()?.get(place, most)
    }
    fn copy_out(&self, place: &str, to: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>) -> Result<bool, StoreError> {
        self.asked()?.copy_out(place, to)
    }
    fn put(&self, place: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.written()?.put(place, bytes)
    }
    fn put_new(&self, place: &str, bytes: Vec<u8>) -> Result<Option<Version>, StoreError> {
        self.written()?.put_new(place, bytes)
    }
    fn put_over(&self, place: &str, bytes: Vec<u8>, version: &Version) -> Result<Option<Version>, StoreError> {
        self.written()?.put_over(place, bytes, version)
    }
    fn copy_in(&self, place: &str, from: &mut (dyn std::io::Read + Send), n_bytes: u64) -> Result<(), StoreError> {
        self.written()?.copy_in(place, from, n_bytes)
    }
    fn delete(&self, place: &str) -> Result<(), StoreError> {
        self.written()?.delete(place)
    }
}

/// A context on a machine of its own over the bucket, and what it tells.
fn machine(folder: &Path, bucket: &Played, run_dir: Option<&Path>) -> (Context, Arc<Mutex<Vec<Event>>>) {
    let own = Store::at(&folder.join("store"));
    let bucket = Bucket::over("s3://played", Box::new(bucket.clone()), Arc::new(bucket.clone()), &own);
    context_with(StoreSession::over(bucket), folder, run_dir, Memo::On)
}

fn folders<const N: usize>() -> [tempfile::TempDir; N] {
    std::array::from_fn(|_| tempfile::tempdir().expect("a folder"))
}

fn finish(ctx: &Context) {
    StoreSession::of(ctx).expect("lent").finish(ctx);
}

#[test]
fn what_one_machine_computed_another_one_finds_and_keeps() {
    let [there, one, other] = folders();
    let bucket = Played::at(there.path());
    let count = Count::from(3);
    let (ctx, told) = machine(one.path(), &bucket, None);
    assert_eq!(perform(&count, &ctx).expect("computed"), count.value());
    assert!(warnings(&told).is_empty());
    let (ctx, told) = machine(other.path(), &bucket, None);
    assert_eq!(perform(&count, &ctx).expect("fetched"), count.value());
    assert_eq!((count.times(), warnings(&told).len()), (1, 0));
    assert!(
        there.path().join("locks").read_dir().expect("there").flatten().all(|entry| entry.file_name() == "together")
    );
    // The bucket is asked no more: what was fetched is read from the folder.
    bucket.is(SILENT);
    assert_eq!(perform(&count, &ctx).expect("looked up"), count.value());
    assert_eq!((count.times(), warnings(&told).len()), (1, 0));
    // What lies in the bucket is what would lie in a folder.
    let plain = tempfile::tempdir().expect("a folder");
    std::fs::rename(there.path(), plain.path().join("store")).expect("moved");
    let (ctx, _) = context_in(plain.path(), None, Memo::On);
    assert_eq!(perform(&count, &ctx).expect("looked up"), count.value());
    assert_eq!(count.times(), 1);
    assert!(Store::of(&ctx).audit(&ctx).expect("read").damaged.is_empty());
}

#[test]
fn any_byte_that_changes_in_a_bucket_is_noticed_named_and_what_it_held_computed_again() {
    let [there, one] = folders();
    let bucket = Played::at(there.path());
    let count = Count::from(3);
    let (ctx, _) = machine(one.path(), &bucket, None);
    perform(&count, &ctx).expect("computed");
    let key = count.step().key(&ctx);
    let manifest = Store::of(&ctx).manifest(key).expect("whole").expect("there");
    let mut times = 1;
    for place in [key_file(key), object_file(&manifest.content)] {
        let path = there.path().join(&place);
        let whole = std::fs::read(&path).expect("there");
        for at in (0..whole.len()).step_by(97).chain([whole.len()]) {
            let mut changed = whole.clone();
            match changed.get_mut(at) {
                Some(byte) => *byte ^= 1 << (at % 8),
                None => changed.truncate(at / 2),
            }
            std::fs::write(&path, &changed).expect("damaged");
            let fresh = tempfile::tempdir().expect("a folder");
            let (ctx, told) = machine(fresh.path(), &bucket, None);
            let audit = Store::of(&ctx).audit(&ctx).expect("read");
            assert!(audit.damaged.iter().any(|damaged| damaged.file == place), "byte {at} of {place}: {audit:?}");
            assert_eq!(perform(&count, &ctx).expect("computed again"), count.value());
            times += 1;
            assert_eq!(count.times(), times, "byte {at} of {place}");
            let said = warnings(&told);
            assert!(
                matches!(&said[..], [said] if said.contains(&format!("s3://played/{place}"))),
                "byte {at} of {place}: {said:?}"
            );
            // What was computed again took the damaged one's place.
            assert!(Store::of(&ctx).audit(&ctx).expect("read").damaged.is_empty());
        }
    }
}

#[test]
fn machines_that_begin_at_once_compute_once() {
    let there = tempfile::tempdir().expect("a folder");
    let bucket = Played::at(there.path());
    let count = Count::from(5);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let own = tempfile::tempdir().expect("a folder");
                let (ctx, _) = machine(own.path(), &bucket, None);
                assert_eq!(perform(&count, &ctx).expect("computed"), count.value());
            });
        }
    });
    assert_eq!(count.times(), 1);
}

#[test]
fn a_bucket_that_stops_answering_costs_a_warning_and_gets_what_was_computed_later() {
    let [there, one, other] = folders();
    let bucket = Played::at(there.path());
    let (ctx, told) = machine(one.path(), &bucket, None);
    perform(&Count::from(1), &ctx).expect("computed");
    bucket.is(SILENT);
    let count = Count::from(2);
    assert_eq!(perform(&count, &ctx).expect("computed"), count.value());
    perform(&Count::from(3), &ctx).expect("computed");
    let said = warnings(&told);
    assert!(matches!(&said[..], [one] if one.contains("s3://played/` does not answer: no route")), "{said:?}");
    bucket.is(WELL);
    // Another session of the machine uses it: now it is sent.
    let (ctx, told) = machine(one.path(), &bucket, None);
    perform(&count, &ctx).expect("looked up");
    assert_eq!(count.times(), 1);
    let (ctx, _) = machine(other.path(), &bucket, None);
    assert_eq!(perform(&count, &ctx).expect("fetched"), count.value());
    assert_eq!((count.times(), warnings(&told).len()), (1, 0));
    // One that never answered ends the run: what it would have answered is not computed for nothing.
    bucket.is(SILENT);
    let (ctx, _) = machine(other.path(), &bucket, None);
    assert!(matches!(perform(&Count::from(4), &ctx), Err(StoreError::Unreachable { .. })));
}

#[test]
fn from_a_bucket_that_may_only_be_read_results_are_fetched_and_none_is_lost() {
    let [there, one, other] = folders();
    let bucket = Played::at(there.path());
    let (ctx, _) = machine(one.path(), &bucket, None);
    let known = Count::from(1);
    perform(&known, &ctx).expect("computed");
    bucket.is(READ_ONLY);
    let (ctx, told) = machine(other.path(), &bucket, None);
    perform(&known, &ctx).expect("fetched");
    assert_eq!((known.times(), warnings(&told).len()), (1, 0));
    let new = Count::from(2);
    for _ in 0..2 {
        assert_eq!(perform(&new, &ctx).expect("computed"), new.value());
    }
    perform(&Count::from(3), &ctx).expect("computed");
    let said = warnings(&told);
    assert!(matches!(&said[..], [one] if one.contains("AccessDenied") && one.contains("stays in the store's folder")));
    assert_eq!(new.times(), 1);
    finish(&ctx);
    assert!(warnings(&told).is_empty());
}

#[test]
fn a_state_goes_on_on_another_machine_once_its_holder_is_dead() {
    let [there, one, other] = folders();
    let bucket = Played::at(there.path());
    let (first, _) = machine(one.path(), &bucket, None);
    let (second, _) = machine(other.path(), &bucket, None);
    let mut count = Count::from(9);
    count.leaves = true;
    let key = count.step().key(&first);
    let mut facts = Facts::new();
    facts.insert("step".to_owned(), 7.into());
    Partial::of(&Store::of(&first), key, false).write(&facts, &[("a".to_owned(), &[1.0])]).expect("written");
    let partial = Partial::of(&Store::of(&second), key, false);
    assert_eq!(partial.read().expect("whole").expect("there").facts, facts);
    // With the result the state goes, there too.
    perform(&count, &second).expect("computed");
    assert!(
        Bucket::backend(Store::of(&second).bucket.as_ref().expect("one")).list("partial").expect("read").is_empty()
    );
    // A damaged one is named and not used.
    let state = there.path().join(partial_file(key));
    std::fs::create_dir_all(state.parent().expect("a folder")).expect("made");
    std::fs::write(&state, b"nothing").expect("written");
    let [third] = folders();
    let (third, _) = machine(third.path(), &bucket, None);
    let why = Partial::of(&Store::of(&third), key, true).read().expect_err("damaged");
    assert!(why.contains(&key.to_hex()), "{why}");
}

#[test]
fn a_collection_in_a_bucket_keeps_what_runs_of_any_machine_need_and_takes_the_least_recently_used() {
    let [there, one, other] = folders();
    let bucket = Played::at(there.path());
    let run = one.path().join("runs/one");
    std::fs::create_dir_all(&run).expect("made");
    std::fs::write(run.join("record.json"), "{}").expect("written");
    let (ctx, _) = machine(one.path(), &bucket, Some(&run));
    let (needed, old) = (Count::from(1), Count::from(2));
    perform(&needed, &ctx).expect("computed");
    finish(&ctx);
    drop(ctx);
    let (second, _) = machine(other.path(), &bucket, None);
    perform(&old, &second).expect("computed");
    finish(&second);
    let store = Store::of(&second);
    let everything = Collect { max_bytes: Some(0), ..Collect::default() };
    // This session lives, by the lock on its file; the other machine's is over, and its run is kept.
    let done = store.collect(&everything, &second.interrupt).expect("collected");
    assert_eq!((done.n_results, done.n_left, done.n_running, done.n_kept_runs), (0, 2, 1, 1), "{done:?}");
    assert_eq!(done.others.values().copied().collect::<Vec<_>>(), [1]);
    drop((store, second));
    for entry in there.path().join("runs").read_dir().expect("there").flatten() {
        age(&entry.path(), 2 * DAY);
    }
    // On the other machine its run is kept for its record; the session without a folder is over.
    let (third, _) = machine(other.path(), &bucket, None);
    let store = Store::of(&third);
    let dry = Collect { dry: true, ..everything.clone() };
    let done = store.collect(&dry, &third.interrupt).expect("collected");
    assert_eq!((done.n_results, done.n_kept_runs, done.n_rubbish), (1, 1, 1), "{done:?}");
    let done = store.collect(&everything, &third.interrupt).expect("collected");
    assert_eq!((done.n_results, done.n_left), (1, 1), "{done:?}");
    // Nobody but its own machine sees that its folder is gone.
    std::fs::remove_dir_all(&run).expect("removed");
    assert_eq!(store.collect(&everything, &third.interrupt).expect("collected").n_left, 1);
    let (first, _) = machine(one.path(), &bucket, None);
    let done = Store::of(&first).collect(&dry, &first.interrupt).expect("collected");
    assert_eq!((done.n_results, done.n_left), (1, 0), "{done:?}");
    let forget = Collect { forget: Some(crate::store::bucket::host()), ..everything };
    let done = store.collect(&forget, &third.interrupt).expect("collected");
    assert_eq!((done.n_results, done.n_left), (1, 0), "{done:?}");
    assert!(
        there.path().join("locks").read_dir().expect("there").flatten().all(|entry| entry.file_name() == "together")
    );
}

#[test]
fn the_last_use_decides_what_a_collection_takes_though_a_bucket_does_not_note_it() {
    let [there, one, other] = folders();
    let bucket = Played::at(there.path());
    let (ctx, _) = machine(one.path(), &bucket, None);
    let (first, second) = (Count::from(1), Count::from(2));
    for count in [&first, &second] {
        perform(count, &ctx).expect("computed");
    }
    let place = |count: &Count| there.path().join(key_file(count.step().key(&ctx)));
    age(&place(&first), 9 * DAY);
    age(&place(&second), 8 * DAY);
    // Sessions that are over; the later one used the older result.
    let (reader, _) = machine(other.path(), &bucket, None);
    perform(&first, &reader).expect("fetched");
    finish(&reader);
    drop(reader);
    for entry in there.path().join("runs").read_dir().expect("there").flatten() {
        age(&entry.path(), 2 * DAY);
    }
    drop(ctx);
    let (ctx, _) = machine(other.path(), &bucket, None);
    let store = Store::of(&ctx);
    let all = store.n_computed_bytes().expect("read");
    let collect = Collect { max_bytes: Some(all - 1), ..Collect::default() };
    let done = store.collect(&collect, &ctx.interrupt).expect("collected");
    assert_eq!((done.n_results, done.n_left), (1, 1), "{done:?}");
    let left = store.results().expect("read");
    assert_eq!(left[0].key, first.step().key(&ctx));
    // The use is noted where the registration that knew it is gone.
    assert!(left[0].used.elapsed().expect("past") < DAY);
}

#[test]
fn results_travel_into_a_bucket_and_out_of_it() {
    let [there, one, other, plain] = folders();
    let bucket = Played::at(there.path());
    let (ctx, _) = machine(one.path(), &bucket, None);
    let count = Count::from(4);
    perform(&count, &ctx).expect("computed");
    let key = count.step().key(&ctx);
    // From a machine that never saw it.
    let (second, _) = machine(other.path(), &bucket, None);
    let archive = other.path().join("results.zip");
    Store::of(&second).export(&[key].into(), &archive, &second).expect("written");
    let (own, _) = context_in(plain.path(), None, Memo::On);
    assert_eq!(Store::of(&own).import(&archive, &own).expect("taken").n_new, 1);
    let [empty, third] = folders();
    let (third, _) = machine(third.path(), &Played::at(empty.path()), None);
    assert_eq!(Store::of(&third).import(&archive, &third).expect("taken").n_new, 1);
    assert_eq!(Store::of(&third).import(&archive, &third).expect("taken").n_known, 1);
    assert!(empty.path().join(key_file(key)).is_file());
    perform(&count, &own).expect("looked up");
    assert_eq!(count.times(), 1);
}
