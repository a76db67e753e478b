//! Which records can be compared at all, and when equal means equal to the bit.

use super::super::folder::RecordError;
use super::super::schema::{Outcome, Record};
use super::super::verdict::Circumstances;
use crate::kernels::Class;

/// Fails where a record is of no use to compare with: the run did not end, or no machine can have made it.
pub fn fit(record: &Record) -> Result<(), RecordError> {
    let unfit = |reason: &str| Err(RecordError::Unfit { reason: reason.to_owned() });
    possible(record)?;
    match record.outcome {
        Outcome::Running => {
            unfit("according to its record it is still running or was killed: there is nothing to compare")
        }
        Outcome::Interrupted => unfit("it was interrupted: there is no complete result to compare"),
        Outcome::Done | Outcome::Failed { .. } if record.settings.memo == "plan" => unfit("it was only planned"),
        Outcome::Done | Outcome::Failed { .. } => Ok(()),
    }
}

/// Fails where the record names a machine that there cannot be: numbers would be judged by intervals, because of a name
/// that somebody made up.
fn possible(record: &Record) -> Result<(), RecordError> {
    let (class, arch) = (&record.settings.kernels, &record.machine.arch);
    let device = &record.settings.device;
    let unfit = |reason: String| Err(RecordError::Unfit { reason });
    let Some(named) = Class::parse(class) else {
        return unfit(format!("its record names the kernels `{class}`, which this program does not know"));
    };
    match (named.version, Class::parse(named.present()).and_then(|present| present.version)) {
        (None | Some(0), _) => {
            return unfit(format!("its record names the kernels `{class}`, and no program had such a version"));
        }
        (Some(found), Some(known)) if found > known => {
            return unfit(format!("its record names the kernels `{class}`, which only a later program has"));
        }
        _ => {}
    }
    if (device == "cpu") != named.kernels.is_some() {
        return unfit(format!("its record names the kernels `{class}` on the device `{device}`, where they never are"));
    }
    match named.family {
        Some(family) if family != arch => {
            unfit(format!("its record names the kernels `{class}` on `{arch}`, and no such machine has them"))
        }
        _ => Ok(()),
    }
}

/// Why equal cannot mean equal to the bit; nothing where it can.
pub(super) fn apart(was: &Circumstances, is: &Circumstances) -> Vec<String> {
    let pairs = [
        ("the processor family", &was.arch, &is.arch),
        ("the device", &was.device, &is.device),
        ("the kernels", &was.kernels, &is.kernels),
    ];
    let differ = pairs.into_iter().filter(|(_, was, is)| was != is);
    differ.map(|(what, was, is)| format!("{what}: recorded `{was}`, rerun on `{is}`")).collect()
}

/// Why it cannot mean so on a device of candle's.
pub(super) fn apart_on_candle(old: &Record, new: &Record) -> Option<String> {
    let device = new.settings.device.as_str();
    match device {
        "cpu" => None,
        "candle" => {
            let machine = |record: &Record| (record.machine.n_cores, record.machine.features.clone());
            let why = "the machine: candle's operations promise equal bits on one alone";
            (machine(old) != machine(new)).then(|| why.to_owned())
        }
        _ => Some(format!("the device: `{device}` promises no equal bits")),
    }
}
