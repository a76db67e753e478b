//! What a verification says: a verdict, what it rests on, and everything that is not equal; and how findings add up to it.

use super::schema::Record;
use serde::Serialize;
use std::collections::BTreeMap;

/// The name and version of the format of a report.
pub const SCHEMA: &str = "w2s-verify/2";

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
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything that was compared is equal.
    Equal,
    /// Some numbers moved within their recorded intervals, or something could not be judged.
    Within,
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
}

/// One thing that is not equal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    pub judgement: Judgement,
    /// `record`, `page`, `outcome`, `source`, `read`, `fetched`, `seed`, `printed`, `operation`, `oracle`, `file`, `number` or `note`.
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
    /// Whether equal means equal to the bit.
    pub(super) same: bool,
    pub(super) counts: Counts,
    pub(super) findings: Vec<Finding>,
}

impl Tally {
    pub(super) fn add(&mut self, judgement: Judgement, kind: &'static str, what: String, recorded: &str, now: &str) {
        match judgement {
            Judgement::Within => self.counts.within += 1,
            Judgement::Differs => self.counts.differs += 1,
            Judgement::NotJudged => self.counts.not_judged += 1,
        }
        let (recorded, now) = (recorded.to_owned(), now.to_owned());
        self.findings.push(Finding { judgement, kind, what, recorded, now });
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

    /// Something worth knowing that is no result: it decides nothing, so it is not counted.
    pub(super) fn note(&mut self, what: &str, recorded: &str, now: &str) {
        let (recorded, now) = (recorded.to_owned(), now.to_owned());
        self.findings.push(Finding {
            judgement: Judgement::NotJudged,
            kind: "note",
            what: what.to_owned(),
            recorded,
            now,
        });
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
}

/// What stands where something is missing.
pub(super) const NONE: &str = "none";
