//! A recorded run and its rerun, compared in everything that a record holds except times. Values are judged: on the same
//! type of machine equal means equal to the bit; elsewhere the intervals beside the numbers judge, and what has none is listed.
//! Words and layout are judged between programs of one source alone; of another build they are told, as long as every number
//! that they show comes again.

mod files;
mod fit;
mod operations;
pub(super) mod words;

use super::kept::{Kept, RECORD};
use super::page::pages;
use super::schema::{FileRead, Outcome, Record, What};
use super::verdict::{NONE, Tally, circumstances, empty};
use super::versions::{self, EARLIER_MODULES};
use crate::core::context::{Form, Reading};
use std::collections::{BTreeMap, BTreeSet};

pub use super::verdict::{Circumstances, Counts, Finding, Judgement, Reason, Report, SCHEMA, Verdict};
pub use fit::fit;

/// What is wrong with the texts of a run folder before anything is rerun: a changed copy is not the recorded script.
pub fn integrity(kept: &Kept) -> Vec<Finding> {
    let mut tally = Tally::default();
    for source in &kept.record.sources {
        let now = match kept.read(&source.file) {
            Ok(bytes) => hash_of(&bytes),
            Err(error) => error.to_string(),
        };
        let what = format!("the text of `{}`, kept as `{}`", source.name, source.file);
        tally.judge("source", what, &source.digest, &now, true);
    }
    tally.findings
}

/// A report that says only that nothing was rerun, and why.
pub fn refused(kept: &Kept, findings: Vec<Finding>) -> Report {
    let counts = Counts { differs: findings.len(), ..Counts::default() };
    Report { counts, findings, verdict: Verdict::Differs, ..empty(&kept.name, Some(&kept.record)) }
}

/// A report that says only that it cannot be told, and why.
pub fn unknown(run: &str, record: Option<&Record>, reason: Reason) -> Report {
    Report { reason: Some(reason), ..empty(run, record) }
}

/// Compares the run with its rerun. `library` are the program's own script modules: name and text.
pub fn compare(kept: &Kept, rerun: &Kept, library: &[(&str, &str)]) -> Report {
    let (old, new) = (&kept.record, &rerun.record);
    let (was, is) = (circumstances(old), circumstances(new));
    let mut within_because = fit::apart(&was, &is);
    within_because.extend(fit::apart_on_candle(old, new));
    let mut tally = Tally {
        same: within_because.is_empty(),
        same_build: old.build == new.build,
        moved: versions::moved(old, new),
        ..Tally::default()
    };
    record(&mut tally, kept);
    program(&mut tally, old, new);
    modules(&mut tally, old, new, library);
    made(&mut tally, kept);
    outcome(&mut tally, &old.outcome, &new.outcome);
    inputs(&mut tally, old, new);
    files::files(&mut tally, kept, rerun);
    printed(&mut tally, old, new);
    oracle(&mut tally, old, new);
    seal(&mut tally, old, new);
    operations::operations(&mut tally, old, new);
    warnings(&mut tally, old, new);
    if old.n_events_dropped > 0 {
        tally.tell("record", "events that were not recorded", &old.n_events_dropped.to_string(), "");
    }
    let verdict = tally.verdict();
    let Tally { same, counts, findings, .. } = tally;
    let report = empty(&kept.name, Some(old));
    Report { verdict, same_machine_type: same, within_because, now: Some(is), counts, findings, ..report }
}

/// The modules that the run imported in a text which is neither this program's nor that of an earlier release.
pub fn strange_modules(record: &Record, library: &[(&str, &str)]) -> Vec<String> {
    let own = |name: &str, digest: &str| {
        library.iter().any(|(other, text)| *other == name && hash_of(text.as_bytes()) == digest)
    };
    let strange = record
        .modules()
        .filter(|module| !EARLIER_MODULES.contains(&(module.name.as_str(), module.digest.as_str())))
        .filter(|module| !own(&module.name, &module.digest));
    strange.map(|module| module.name.clone()).collect()
}

/// Adds what a second rerun gave, in which the program's own modules took the place of the recorded ones, whose texts are
/// those of no release: somebody may have made them up. Where all comes out the same, nothing hangs on them.
pub fn add_own(report: &mut Report, strange: &[String], own: &Report) {
    let names = strange.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let what = |came: &str| {
        format!(
            "the text of the module {names} is of no release, and so it ran with this program's own as well: {came}"
        )
    };
    let kind = "module";
    let finding = |judgement, came: &str, recorded: &str, now: &str| Finding {
        judgement,
        kind,
        what: what(came),
        recorded: recorded.to_owned(),
        now: now.to_owned(),
    };
    if own.counts.differs == 0 && own.verdict != Verdict::NotJudged {
        report.counts.told += 1;
        report.findings.push(finding(Judgement::Told, "nothing differs", "", ""));
        return;
    }
    let first = own.findings.iter().find(|finding| finding.judgement == Judgement::Differs);
    let first = first.or_else(|| own.findings.iter().find(|finding| finding.judgement == Judgement::NotJudged));
    let (recorded, now) = first.map_or(("", ""), |first| (first.recorded.as_str(), first.now.as_str()));
    let came = format!("{} things differ, {}", own.counts.differs, first.map_or("", |first| first.what.as_str()));
    report.counts.not_judged += 1;
    report.findings.push(finding(Judgement::NotJudged, &came, recorded, now));
    if matches!(report.verdict, Verdict::Equal | Verdict::Within) {
        report.verdict = Verdict::NotJudged;
    }
}

fn outcome(tally: &mut Tally, old: &Outcome, new: &Outcome) {
    let kind = |outcome: &Outcome| match outcome {
        Outcome::Failed { code, .. } => format!("failed with the error {code}"),
        other => other.word().to_owned(),
    };
    tally.judge_made("outcome", "how the run ended".to_owned(), &kind(old), &kind(new), true);
    if let (Outcome::Failed { message: was, place: there, .. }, Outcome::Failed { message: is, place: here, .. }) =
        (old, new)
    {
        tally.judge_words("outcome", "how the run ended, in words".to_owned(), was, is, true);
        let place = |place: &Option<String>| place.clone().unwrap_or_else(|| "no place".to_owned());
        tally.judge_look("outcome", "how the run ended, the place".to_owned(), &place(there), &place(here), true);
    }
}

/// The record itself: its seal, and whether its operations were looked up on the machine that it names.
fn record(tally: &mut Tally, kept: &Kept) {
    let now = if kept.is_sealed { "as it was written" } else { "changed by hand" };
    tally.judge("record", format!("`{RECORD}`, its seal"), "as it was written", now, true);
    operations::keys(tally, &kept.record);
}

/// Which program made the record. One source has one version, and other words than its own nobody's.
fn program(tally: &mut Tally, old: &Record, new: &Record) {
    if tally.same_build {
        tally.judge("record", "the program's version".to_owned(), &old.program, &new.program, true);
        return;
    }
    let named = |record: &Record| match record.build.as_str() {
        "" => format!("{}, which did not name its build", record.program),
        build => format!("{}, build {}", record.program, build.get(..12).unwrap_or(build)),
    };
    tally.tell("program", "another build, whose words and layout are not judged", &named(old), &named(new));
    if !tally.moved.is_empty() {
        tally.tell("program", &format!("what cannot be judged: {}", tally.versions()), "", "");
    }
}

/// The script modules that came with the program: the rerun imported the recorded texts.
fn modules(tally: &mut Tally, old: &Record, new: &Record, library: &[(&str, &str)]) {
    for module in old.modules() {
        let what = format!("the text of the program's module `{}`", module.name);
        let stated = old.stdlib.iter().find(|library| library.name == module.name);
        let stated = stated.map_or(NONE, |library| library.digest.as_str());
        tally.judge("module", format!("{what}, as the record states it"), stated, &module.digest, true);
        let ran = new.modules().find(|other| other.name == module.name);
        let ran = ran.map_or(NONE, |other| other.digest.as_str());
        let own = library.iter().find(|(name, _)| *name == module.name);
        let own = own.map_or_else(|| NONE.to_owned(), |(_, text)| hash_of(text.as_bytes()));
        if ran != module.digest {
            tally.tell("module", &what, &module.digest, ran);
        } else if own != module.digest {
            let what =
                format!("{what}: the recorded one was imported again, `{}`; this program has another", module.file);
            tally.tell("module", &what, &module.digest, &own);
        }
    }
}

/// The numbers that a run vouches for apart from its pages: those of its record and of the tables beside it, whose values are
/// judged on their own.
fn evidence_of(kept: &Kept) -> String {
    let written = kept.record.events.iter().filter_map(|event| match &event.what {
        What::Written { files, .. } => Some(files),
        _ => None,
    });
    let tables = written.flatten().filter(|file| file.path.ends_with(".csv")).map(|file| file.path.as_str());
    let texts = std::iter::once(RECORD).chain(tables).filter_map(|path| kept.read(path).ok());
    texts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned() + "\n").collect()
}

/// What the program made of the run, the page and the appendix: as the record says, and what this program makes of the
/// record and the run's files.
fn made(tally: &mut Tally, kept: &Kept) {
    let again: BTreeMap<&str, String> = pages(kept.folder(), &kept.record).into_iter().collect();
    let mut evidence: Option<String> = None;
    for page in &kept.record.pages {
        let label = format!("the file `{}`", page.path);
        let now = kept.hash(&page.path).unwrap_or_else(|error| error.to_string());
        tally.judge("page", format!("{label}, its hash in the record"), &page.blake3, &now, true);
        if now != page.blake3 {
            continue;
        }
        let text = again.get(page.path.as_str());
        let made = text.map_or_else(|| NONE.to_owned(), |text| hash_of(text.as_bytes()));
        let what = format!("{label}, made anew from the record and the run's files");
        if made == now || tally.same_build {
            tally.judge("page", what, &now, &made, true);
            continue;
        }
        let before = kept.read(&page.path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let shown = |text: &str| if page.path.ends_with(".html") { words::visible(text) } else { text.to_owned() };
        let (before, text) = (before.unwrap_or_default(), text.map(String::as_str).unwrap_or_default());
        // Another layout may leave out a column; then the run's own tables vouch for the number.
        let vouching = evidence.get_or_insert_with(|| evidence_of(kept));
        match words::lost_result(&shown(&before), &format!("{} {vouching}", shown(text))) {
            None => {
                tally.tell("page", &format!("{what}: every number comes again, or is in the run's tables"), &now, &made)
            }
            Some(number) => tally.unjudged("page", format!("{what}: {number} does not come again"), &now, &made),
        }
    }
    let named = |name: &str| kept.record.pages.iter().any(|page| page.path == name);
    for name in again.keys().filter(|name| tally.same_build && !named(name)).copied().collect::<Vec<_>>() {
        tally.judge("page", format!("the file `{name}`, in the record"), NONE, "made by every such run", true);
    }
}

fn hash_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Sources, files read, fetched artefacts, seeds.
fn inputs(tally: &mut Tally, old: &Record, new: &Record) {
    let sources = |record: &Record| -> BTreeMap<String, String> {
        let own = record.sources.iter().filter_map(|source| {
            let path = source.path.as_ref()?;
            Some((format!("the script text `{path}`"), source.digest.clone()))
        });
        own.collect()
    };
    tally.judge_sets("source", sources(old), sources(new));
    // A file that was granted anew lies elsewhere as seen from the rebuilt project: one name and content is one file.
    type Known = BTreeSet<(String, String)>;
    let known =
        |record: &Record| -> Known { record.reads.iter().map(|read| (name_of(read), read.blake3.clone())).collect() };
    let reads = |record: &Record, other: &Known| -> BTreeMap<String, String> {
        let read = record.reads.iter().map(|read| {
            let is_shared = other.contains(&(name_of(read), read.blake3.clone()));
            let path = if is_shared { name_of(read) } else { read.path.clone() };
            (format!("the file `{path}` that was read"), format!("{} bytes, blake3 {}", read.bytes, read.blake3))
        });
        read.collect()
    };
    tally.judge_sets("read", reads(old, &known(new)), reads(new, &known(old)));
    let fetched = |record: &Record| -> BTreeMap<String, String> {
        let file = record.fetched.iter().map(|file| {
            (
                format!("`{}` of the fetched `{}`", file.file, file.id),
                format!("{} bytes, sha256 {}", file.bytes, file.sha256),
            )
        });
        file.collect()
    };
    tally.judge_sets("fetched", fetched(old), fetched(new));
    let seeds = |record: &Record| -> BTreeMap<String, String> {
        record.seeds.iter().map(|seed| (format!("the seed {seed}"), "used".to_owned())).collect()
    };
    tally.judge_sets("seed", seeds(old), seeds(new));
    let offsets = (old.settings.seed_offset.to_string(), new.settings.seed_offset.to_string());
    tally.judge("seed", "what was added to seeds".to_owned(), &offsets.0, &offsets.1, true);
}

fn name_of(read: &FileRead) -> String {
    read.path.rsplit('/').next().unwrap_or_default().to_owned()
}

fn printed(tally: &mut Tally, old: &Record, new: &Record) {
    let (a, b) = (&old.printed, &new.printed);
    let n_before = tally.findings.len();
    for idx in 0..a.lines.len().max(b.lines.len()) {
        let at = |lines: &[String]| lines.get(idx).cloned().unwrap_or_else(|| NONE.to_owned());
        tally.judge_words("printed", format!("printed text {}", idx + 1), &at(&a.lines), &at(&b.lines), false);
    }
    let counts = (a.n_lines.to_string(), b.n_lines.to_string());
    tally.judge_made("printed", "how many texts were printed".to_owned(), &counts.0, &counts.1, false);
    if n_before == tally.findings.len() {
        tally.judge_look("printed", "the hash of all that was printed".to_owned(), &a.blake3, &b.blake3, false);
    }
}

fn shown(reading: &Reading) -> String {
    format!("{} rows of {} by {}", reading.n_rows, reading.data, reading.by)
}

fn readings(record: &Record) -> Vec<&Reading> {
    let events = record.events.iter();
    events.filter_map(|event| if let What::TruthRead(reading) = &event.what { Some(reading) } else { None }).collect()
}

/// Readings of truth in their order. Another build may keep a reading that this record's did not know as one: it is listed.
fn oracle(tally: &mut Tally, old: &Record, new: &Record) {
    let (old, mut new) = (readings(old), readings(new));
    // Programs that did not say on which side rows are told readings of classes alone.
    if !tally.same_build && old.iter().all(|reading| reading.split.is_empty()) {
        for other in new.iter().filter(|reading| reading.form != Form::Classes) {
            let what =
                format!("a reading that earlier programs did not record, {} for {}", other.form.name(), other.purpose);
            tally.tell("oracle", &what, NONE, &shown(other));
        }
        new.retain(|reading| reading.form == Form::Classes);
    }
    let mut next = 0;
    for (idx, was) in old.iter().enumerate() {
        let label = |part: &str| format!("reading {} of truth, {part}", idx + 1);
        let rest = new.get(next..).unwrap_or_default();
        let is_same = |is: &&Reading| (&is.digest, is.n_rows, &is.purpose) == (&was.digest, was.n_rows, &was.purpose);
        let ahead = if tally.same_build || !tally.moved.is_empty() { Some(0) } else { rest.iter().position(is_same) };
        let Some((ahead, is)) = ahead.and_then(|ahead| Some((ahead, rest.get(ahead)?))) else {
            tally.judge_made("oracle", label("whole"), &shown(was), NONE, true);
            continue;
        };
        rest.iter().take(ahead).for_each(|other| unrecorded(tally, other));
        next += ahead + 1;
        let n_rows = (was.n_rows.to_string(), is.n_rows.to_string());
        tally.judge_words("oracle", label("data"), &was.data, &is.data, true);
        tally.judge_made("oracle", label("rows"), &n_rows.0, &n_rows.1, true);
        tally.judge_words("oracle", label("reader"), &was.by, &is.by, true);
        tally.judge("oracle", label("purpose"), &was.purpose, &is.purpose, true);
        tally.judge_made("oracle", label("digest of the rows"), &was.digest, &is.digest, false);
        if !was.split.is_empty() {
            let side = |reading: &Reading| format!("{}, {}", reading.split, reading.form.name());
            tally.judge("oracle", label("split"), &side(was), &side(is), true);
        }
    }
    new.iter().skip(next).for_each(|other| unrecorded(tally, other));
}

/// Uses of truth, test rows that were met again and openings of a vault, which the rerun's own store counts. Another build may tell of
/// others.
fn seal(tally: &mut Tally, old: &Record, new: &Record) {
    if !tally.same_build {
        return;
    }
    let told = |record: &Record| {
        let mut told: BTreeMap<String, usize> = BTreeMap::new();
        for event in &record.events {
            let what = match &event.what {
                What::TruthUsed { reading, by, .. } => {
                    format!(
                        "the use by {by} of {} rows of {} read for {}",
                        reading.split, reading.data, reading.purpose
                    )
                }
                What::TestRows { data, n_rows, known_by, became, .. } => {
                    format!("{n_rows} test rows met again in {data}, known by {known_by}, that became {became} rows")
                }
                What::VaultOpened { data, n_rows, metric, budget, .. } => {
                    format!("an opening of the vault of {data}, {n_rows} rows, by {metric}, of a budget of {budget}")
                }
                _ => continue,
            };
            *told.entry(what).or_default() += 1;
        }
        told.into_iter().map(|(what, n)| (what, format!("{n} times"))).collect()
    };
    tally.judge_sets("oracle", told(old), told(new));
}

fn unrecorded(tally: &mut Tally, reading: &Reading) {
    let what = format!("a reading of truth that was not recorded, for {}", reading.purpose);
    if tally.same_build {
        tally.judge("oracle", what, NONE, &shown(reading), true);
    } else {
        tally.unjudged("oracle", what, NONE, &shown(reading));
    }
}

/// Warnings may come from the machine or the store: they are told, not judged.
fn warnings(tally: &mut Tally, old: &Record, new: &Record) {
    let texts = |record: &Record| -> BTreeSet<String> {
        let text = |what: &What| if let What::Warning { text } = what { Some(text.clone()) } else { None };
        record.events.iter().filter_map(|event| text(&event.what)).collect()
    };
    let (old, new) = (texts(old), texts(new));
    old.difference(&new).for_each(|text| tally.tell("warning", "a warning", text, NONE));
    new.difference(&old).for_each(|text| tally.tell("warning", "a warning", NONE, text));
}
