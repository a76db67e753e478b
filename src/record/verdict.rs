//! What a verification says: a verdict, what it rests on, and everything that is not equal; and how findings add up to it.

use super::schema::Record;
use super::verify::words;
use serde::Serialize;
use std::collections::BTreeMap;

/// The name and version of the format of a report.
pub const SCHEMA: &str = "w2s-verify/3";

/// What came of a verification.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub schema: &'static str,
    /// As the user named it.
    pub run: String,
    pub script: Option<String>,
    pub verdict: Verdict,
    /// Why it cannot be told, where it cannot.
    pub reason: Option<Reason>,
    /// Whether both ran on one type of machine, so that equal means equal to the bit.
    pub same_machine_type: bool,
    /// Why numbers were compared within intervals and not to the bit, where they were.
    pub within_because: Vec<String>,
    pub recorded: Option<Circumstances>,
    /// Of the rerun, where there was one.
    pub now: Option<Circumstances>,
    pub counts: Counts,
    /// Everything that is not equal.
    pub findings: Vec<Finding>,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that is judged is equal.
    Equal,
    /// On another type of machine: some numbers moved within their recorded intervals, or have none.
    Within,
    /// Nothing differs, and something cannot be judged: it was made with another version of an operation, or shows a number that
    /// does not come again.
    NotJudged,
    Differs,
    /// It was not compared.
    Unknown,
}

/// Why a run was not compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    pub code: String,
    pub message: String,
    pub hint: Option<String>,
}

/// What decides the bits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Circumstances {
    pub program: String,
    pub arch: String,
    pub device: String,
    pub kernels: String,
}

/// How many things were compared, by how they came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub equal: usize,
    pub within: usize,
    pub differs: usize,
    pub not_judged: usize,
    /// Words and layout, which decide nothing.
    pub told: usize,
}

/// One thing that is not equal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    pub judgement: Judgement,
    /// `record`, `page`, `outcome`, `source`, `module`, `read`, `fetched`, `seed`, `printed`, `operation`, `oracle`, `file`,
    /// `number`, `program` or `warning`.
    pub kind: &'static str,
    /// What it is, for a person.
    pub what: String,
    pub recorded: String,
    pub now: String,
}

/// How a thing that is not equal is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// Inside the recorded interval.
    Within,
    Differs,
    NotJudged,
    /// It decides nothing.
    Told,
}

/// A report of nothing yet.
pub(super) fn empty(run: &str, record: Option<&Record>) -> Report {
    Report {
        schema: SCHEMA,
        run: run.to_owned(),
        script: record.map(|record| record.script.clone()),
        verdict: Verdict::Unknown,
        reason: None,
        same_machine_type: false,
        within_because: Vec::new(),
        recorded: record.map(circumstances),
        now: None,
        counts: Counts::default(),
        findings: Vec::new(),
    }
}

/// What a record says of its machine.
pub(super) fn circumstances(record: &Record) -> Circumstances {
    Circumstances {
        program: record.program.clone(),
        arch: record.machine.arch.clone(),
        device: record.settings.device.clone(),
        kernels: record.settings.kernels.clone(),
    }
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Tally {
    /// Whether both ran on one type of machine, so that equal means equal to the bit.
    pub(super) same: bool,
    /// Whether both were made by programs of one source, so that words and layout are equal too.
    pub(super) same_build: bool,
    /// Derivations whose version is another one now: name, recorded, now.
    pub(super) moved: BTreeMap<String, (u32, u32)>,
    pub(super) counts: Counts,
    /// Those of `counts.not_judged` that another type of machine does not explain.
    pub(super) n_unjudged: usize,
    pub(super) findings: Vec<Finding>,
}

impl Tally {
    /// Adds something that is not equal.
    pub(super) fn add(&mut self, judgement: Judgement, kind: &'static str, what: String, recorded: &str, now: &str) {
        match judgement {
            Judgement::Within => self.counts.within += 1,
            Judgement::Differs => self.counts.differs += 1,
            Judgement::NotJudged => self.counts.not_judged += 1,
            Judgement::Told => self.counts.told += 1,
        }
        let (recorded, now) = (recorded.to_owned(), now.to_owned());
        self.findings.push(Finding { judgement, kind, what, recorded, now });
    }

    /// Adds something that cannot be judged, for a reason that is not the machine.
    pub(super) fn unjudged(&mut self, kind: &'static str, what: String, recorded: &str, now: &str) {
        self.n_unjudged += 1;
        self.add(Judgement::NotJudged, kind, what, recorded, now);
    }

    /// Judges two texts. What is not `portable` may differ on another type of machine.
    pub(super) fn judge(&mut self, kind: &'static str, what: String, recorded: &str, now: &str, portable: bool) {
        if recorded == now {
            self.counts.equal += 1;
        } else {
            let judgement = if portable || self.same { Judgement::Differs } else { Judgement::NotJudged };
            self.add(judgement, kind, what, recorded, now);
        }
    }

    /// As [`Tally::judge`], of what operations and data sets decide: it cannot be judged where the version of one moved.
    pub(super) fn judge_made(&mut self, kind: &'static str, what: String, recorded: &str, now: &str, portable: bool) {
        if recorded == now || self.moved.is_empty() {
            self.judge(kind, what, recorded, now, portable);
        } else {
            self.unjudged(kind, format!("{what}: {}", self.versions()), recorded, now);
        }
    }

    /// Judges what a text says, which is told where another build only says it otherwise. A number that the record shows
    /// and that does not come again cannot be judged.
    pub(super) fn judge_words(&mut self, kind: &'static str, what: String, recorded: &str, now: &str, portable: bool) {
        if recorded == now || self.same_build {
            return self.judge(kind, what, recorded, now, portable);
        }
        match words::lost(recorded, now) {
            None => self.add(Judgement::Told, kind, what, recorded, now),
            Some(number) if self.same || portable => {
                self.unjudged(kind, format!("{what}: {number} does not come again"), recorded, now);
            }
            Some(_) => self.add(Judgement::NotJudged, kind, what, recorded, now),
        }
    }

    /// Judges what only says how something is drawn or called: equal within one build, told otherwise.
    pub(super) fn judge_look(&mut self, kind: &'static str, what: String, recorded: &str, now: &str, portable: bool) {
        if recorded == now || self.same_build {
            self.judge(kind, what, recorded, now, portable);
        } else {
            self.add(Judgement::Told, kind, what, recorded, now);
        }
    }

    /// Something worth knowing that decides nothing.
    pub(super) fn tell(&mut self, kind: &'static str, what: &str, recorded: &str, now: &str) {
        self.add(Judgement::Told, kind, what.to_owned(), recorded, now);
    }

    /// Judges two sets of things, each with a name and what it is.
    pub(super) fn judge_sets(
        &mut self,
        kind: &'static str,
        old: BTreeMap<String, String>,
        mut new: BTreeMap<String, String>,
    ) {
        for (name, recorded) in old {
            let now = new.remove(&name).unwrap_or_else(|| NONE.to_owned());
            self.judge(kind, name, &recorded, &now, true);
        }
        for (name, now) in new {
            self.judge(kind, name, NONE, &now, true);
        }
    }

    /// Which versions moved, for a person: `closure` version 3 → 4.
    pub(super) fn versions(&self) -> String {
        let one = |(name, (then, now)): (&String, &(u32, u32))| format!("`{name}` version {}", moved_to(*then, *now));
        self.moved.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// The answer that everything adds up to.
    pub(super) fn verdict(&self) -> Verdict {
        match self.counts {
            Counts { differs: 1.., .. } => Verdict::Differs,
            _ if self.n_unjudged > 0 => Verdict::NotJudged,
            Counts { within: 0, not_judged: 0, .. } => Verdict::Equal,
            _ => Verdict::Within,
        }
    }
}

/// `4 → 5`; a version that is gone has no number.
pub(super) fn moved_to(then: u32, now: u32) -> String {
    if now == 0 { format!("{then} → none") } else { format!("{then} → {now}") }
}

/// What stands where something is missing.
pub(super) const NONE: &str = "none";
