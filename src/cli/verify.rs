//! `w2s verify RUN`: reruns the recorded script from nothing and compares everything that the record holds.

use super::line::{Device, Global};
use super::runtime::store_of;
use super::{draw, exit, output, start};
use crate::core::explain::Explain;
use crate::kernels::{Kernels, kernels_of};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::resolve::shipped;
use crate::record::rebuild::{Rebuilt, rebuild};
use crate::record::verify::{self, Finding, Judgement, Reason, Report, Verdict};
use crate::record::{Kept, RecordError, folder};
use crate::store::Store;
use clap::ValueEnum;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Findings that are shown of each kind of judgement (chosen); the report in JSON has all.
const MAX_SHOWN: usize = 40;

/// Verifies and answers the exit code: 0 where everything is equal, 1 where something differs, 3 where it cannot be told, 4
/// where numbers were compared within intervals, 5 where something could not be judged. The report in JSON is written
/// whichever it is.
pub fn run(global: &Global, path: &Path, json: Option<&Path>) -> u8 {
    let opened = Kept::open(path).map_err(|error| Box::new(Diagnostic::from_explained(&error)));
    let answer = opened.as_ref().map_err(Clone::clone).and_then(|kept| verified(global, kept));
    let report = match &answer {
        Ok(report) => report.clone(),
        Err(refused) => {
            let (code, message, hint) = (refused.code.clone(), refused.message.clone(), refused.hint.clone());
            let kept = opened.as_ref().ok();
            let run = kept.map_or_else(|| path.display().to_string(), |kept| kept.name.clone());
            verify::unknown(&run, kept.map(|kept| &kept.record), Reason { code, message, hint })
        }
    };
    if let Some(json) = json
        && let Err(refused) = write_json(json, &report)
    {
        draw::print(&refused);
        return exit::FILE;
    }
    if let Err(refused) = answer {
        if !refused.interrupted {
            draw::print(&refused);
        }
        return if refused.interrupted { exit::INTERRUPTED } else { exit::FILE };
    }
    match output::finish(output::line(&draw::plain(&text(&report)))) {
        exit::OK => match report.verdict {
            Verdict::Equal => exit::OK,
            Verdict::Within => exit::WITHIN,
            Verdict::NotJudged => exit::NOT_JUDGED,
            Verdict::Differs => exit::SCRIPT,
            Verdict::Unknown => exit::FILE,
        },
        code => code,
    }
}

/// The report, or why there is none.
fn verified(global: &Global, kept: &Kept) -> Result<Report, Box<Diagnostic>> {
    let refuse = |error: RecordError| Box::new(Diagnostic::from_explained(&error));
    verify::fit(&kept.record).map_err(refuse)?;
    let changed = verify::integrity(kept);
    if !changed.is_empty() {
        return Ok(verify::refused(kept, changed));
    }
    let store = Store::at(&store_of(global).0);
    let again = rerun(global, kept, rebuild(kept, global.project.as_deref(), &store).map_err(refuse)?, true)?;
    let modules: Vec<(&str, &str)> = shipped().collect();
    let mut report = verify::compare(kept, &again.1, &modules);
    let strange = verify::strange_modules(&kept.record, &modules);
    if !strange.is_empty() && matches!(report.verdict, Verdict::Equal | Verdict::Within | Verdict::NotJudged) {
        let own = rerun(global, kept, rebuild(kept, global.project.as_deref(), &store).map_err(refuse)?, false)?;
        verify::add_own(&mut report, &strange, &verify::compare(kept, &own.1, &modules));
    }
    Ok(report)
}

/// Runs the script again, with the recorded texts of the program's modules or with this program's own; what it left.
fn rerun(
    global: &Global,
    kept: &Kept,
    rebuilt: Rebuilt,
    with_modules: bool,
) -> Result<(Rebuilt, Kept), Box<Diagnostic>> {
    if !started(global, kept, &rebuilt, with_modules)? {
        let stopped = Diagnostic::new("interrupted", "the verification was stopped before its end");
        return Err(Box::new(Diagnostic { interrupted: true, ..stopped }));
    }
    let again = Kept::open(&rebuilt.run).map_err(|error| {
        let why = format!("the rerun left no record: {error}");
        Box::new(Diagnostic { hint: error.hint(), ..Diagnostic::new("verify/rerun", why) })
    })?;
    Ok((rebuilt, again))
}

/// Runs the script again as a process of its own, so that it has its own kernels, limits and folder. `false` where the
/// user stopped it.
fn started(global: &Global, kept: &Kept, rebuilt: &Rebuilt, with_modules: bool) -> Result<bool, Box<Diagnostic>> {
    let failed = |what: &str| Box::new(Diagnostic::new("verify/rerun", what.to_owned()));
    let settings = &kept.record.settings;
    let device = Device::from_str(&settings.device, false).map_err(|_| failed("its record names an unknown device"))?;
    start::device(device)?;
    let program =
        std::env::current_exe().map_err(|error| failed(&format!("the program cannot find itself: {error}")))?;
    let mut command = Command::new(program);
    command.current_dir(&rebuilt.start).stdin(Stdio::null()).stdout(Stdio::null());
    command.args(["script", "--rerun", "--seed", &settings.seed_offset.to_string(), "--device", device.name()]);
    command.args(["--world", &settings.world.to_string()]);
    // Those of the record's class, if this processor has them: the best it has otherwise.
    let recorded = || kernels_of(&settings.kernels).filter(|kernels| *kernels <= Kernels::best());
    if let Some(kernels) = global.kernels.or_else(recorded).filter(|_| device.has_kernels()) {
        command.args(["--kernels", kernels.name()]);
    }
    if let Some(threads) = global.threads {
        command.args(["--threads", &threads.to_string()]);
    }
    for (option, path) in [("--project", &rebuilt.project), ("--run", &rebuilt.run), ("--store", &rebuilt.store)] {
        command.arg(option).arg(path);
    }
    let real = |path: &std::path::PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let granted = |own: &[std::path::PathBuf], given: &[std::path::PathBuf]| -> Vec<std::path::PathBuf> {
        own.iter().cloned().chain(given.iter().map(real)).collect()
    };
    for path in granted(&rebuilt.read, &global.allow_read) {
        command.arg("--allow-read").arg(path);
    }
    for path in granted(&rebuilt.write, &global.allow_write) {
        command.arg("--allow-write").arg(path);
    }
    if settings.memo == "off" {
        command.arg("--no-memo");
    }
    if with_modules {
        command.arg("--modules").arg(&rebuilt.modules);
    }
    // Its errors are part of what is compared; bars are for a person only.
    if global.quiet || !std::io::stderr().is_terminal() {
        command.arg("--quiet").stderr(Stdio::null());
    }
    command.arg(&rebuilt.script).arg("--").args(&kept.record.arguments);
    let stop = Arc::new(AtomicBool::new(false));
    let raised = stop.clone();
    // Without a handler, Ctrl-C ends this process and the rerun alike; only the temporary folder would stay.
    let _ = ctrlc::set_handler(move || raised.store(true, Ordering::SeqCst));
    let child = command.spawn().map_err(|error| failed(&format!("the rerun could not be started: {error}")))?;
    finished(child, &stop).map_err(|error| failed(&format!("the rerun could not be waited for: {error}")))
}

/// Waits for the end of the rerun, passing a stop on to it. `false` where it was stopped.
fn finished(mut child: Child, stop: &AtomicBool) -> std::io::Result<bool> {
    let mut told = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(!told && status.code() != Some(i32::from(exit::INTERRUPTED)));
        }
        if stop.load(Ordering::SeqCst) && !told {
            told = true;
            interrupt(&mut child);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(unix)]
fn interrupt(child: &mut Child) {
    // SAFETY: the process is our own child and has not been waited for.
    unsafe { libc::kill(child.id().cast_signed(), libc::SIGINT) };
}

#[cfg(not(unix))]
fn interrupt(child: &mut Child) {
    // It fails only if the child has just ended.
    let _ = child.kill();
}

fn write_json(path: &Path, report: &Report) -> Result<(), Box<Diagnostic>> {
    let text = serde_json::to_string_pretty(report)
        .map_err(|error| Box::new(Diagnostic::new("verify/report", error.to_string())))?;
    folder::write(path, (text + "\n").as_bytes()).map_err(|error| Box::new(Diagnostic::from_explained(&error)))
}

/// The report for a person.
fn text(report: &Report) -> String {
    let counts = &report.counts;
    let mut text = String::new();
    let _ = writeln!(text, "{}: `{}`", report.run, report.script.as_deref().unwrap_or_default());
    let kind = |c: &verify::Circumstances| format!("{}, {}, {} on {}", c.program, c.kernels, c.device, c.arch);
    match (&report.recorded, &report.now) {
        (_, Some(now)) if report.same_machine_type => {
            let _ = writeln!(
                text,
                "rerun from scratch on the same type of machine ({}): numbers must be bit-identical",
                kind(now)
            );
        }
        (Some(recorded), Some(now)) => {
            let _ = writeln!(text, "recorded with {}; rerun from scratch with {}", kind(recorded), kind(now));
            let _ = writeln!(text, "COMPARED WITHIN INTERVALS, not to the bit, because of");
            report.within_because.iter().for_each(|why| text += &format!("  {why}\n"));
            text += "numbers are judged by their intervals; numbers without an interval are not judged\n";
        }
        _ => text += "not rerun: the script is not the recorded one\n",
    }
    let of = |judgement: Judgement| -> Vec<&Finding> {
        report.findings.iter().filter(|finding| finding.judgement == judgement).collect()
    };
    let lists = [
        ("differs", of(Judgement::Differs)),
        ("moved, within the recorded interval", of(Judgement::Within)),
        ("not judged", of(Judgement::NotJudged)),
        ("notes: they do not affect the verdict", of(Judgement::Told)),
    ];
    for (title, findings) in lists.iter().filter(|(_, findings)| !findings.is_empty()) {
        let _ = writeln!(text, "\n{title}:");
        for finding in findings.iter().take(MAX_SHOWN) {
            let _ = writeln!(text, "  {}", finding.what);
            let (recorded, now) = shown(finding);
            for (name, value) in [("recorded", recorded), ("now", now)] {
                if !value.is_empty() {
                    let _ = writeln!(text, "    {name:<9} {}", indented(&value));
                }
            }
        }
        if findings.len() > MAX_SHOWN {
            let _ = writeln!(text, "  … and {} more: --json FILE lists them all", findings.len() - MAX_SHOWN);
        }
    }
    let verdict = match report.verdict {
        Verdict::Equal if counts.told > 0 => "verified: everything that is judged is equal",
        Verdict::Equal => "verified: everything is equal",
        Verdict::Within => "verified within intervals: nothing that can be judged differs",
        Verdict::NotJudged => "NOT fully verified: nothing differs, but something could not be judged",
        Verdict::Differs => "NOT verified",
        Verdict::Unknown => "not compared",
    };
    let _ = write!(text, "\n{verdict} ({} equal", counts.equal);
    let others = [
        (counts.within, "within"),
        (counts.not_judged, "not judged"),
        (counts.differs, "different"),
        (counts.told, "told"),
    ];
    for (n, name) in others {
        if n > 0 {
            let _ = write!(text, ", {n} {name}");
        }
    }
    text.push_str(")\n");
    text
}

/// Both values; of texts that decide nothing, the first line that differs.
fn shown(finding: &Finding) -> (String, String) {
    let (recorded, now) = (&finding.recorded, &finding.now);
    let n_lines = recorded.lines().count().max(now.lines().count());
    let n_same = recorded.lines().zip(now.lines()).take_while(|(a, b)| a == b).count();
    if finding.judgement != Judgement::Told || n_lines < 2 || n_same == n_lines {
        return (recorded.clone(), now.clone());
    }
    let line = |text: &str| format!("line {}: {}", n_same + 1, cut(text.lines().nth(n_same).unwrap_or("none")));
    (line(recorded), line(now))
}

/// Characters of a line that decides nothing: arbitrary, about a line of a terminal. A drawing's style has hundreds.
const MAX_LINE: usize = 100;

fn cut(line: &str) -> String {
    let is_long = line.chars().count() > MAX_LINE;
    if is_long { line.chars().take(MAX_LINE).chain(['…']).collect() } else { line.to_owned() }
}

/// A value of several lines, its later lines below the first.
fn indented(value: &str) -> String {
    value.lines().collect::<Vec<_>>().join("\n              ")
}
