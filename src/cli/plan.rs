//! `w2s script --plan FILE`: what a run would look up, what it would compute, and about how long that takes. Nothing is
//! trained and nothing written.

use super::columns::{Side, columns};
use super::line::Global;
use super::runtime::Runtime;
use super::store::n_of;
use super::{draw, exit, output, units};
use crate::core::context::{Event, Found};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::{Session, Setup};
use crate::models::flops_per_second;
use crate::store::memo::Past;
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// An operation of the plan.
struct Planned {
    operation: String,
    what: String,
    /// Empty where it cannot be looked up.
    key: String,
    work: f64,
    is_stored: bool,
}

/// Operations of one kind on one thing.
#[derive(Default)]
struct Group {
    operation: String,
    what: String,
    n_stored: usize,
    n_computed: usize,
    seconds: f64,
}

/// Plans the script and answers the exit code.
pub fn run(global: &Global, file: &Path, folder: &Path, args: &[String]) -> u8 {
    if global.no_memo {
        let why = Diagnostic::new(
            "usage/plan",
            "a plan looks up every result, and `--no-memo` disables the lookup".to_owned(),
        );
        draw::print(&why.hint("leave one of them out"));
        return exit::USAGE;
    }
    let runtime = match Runtime::new(&Global { run: None, plan: true, ..global.clone() }, folder, None) {
        Ok(runtime) => runtime,
        Err(refused) => {
            draw::print(&refused);
            return exit::FILE;
        }
    };
    let planned: Arc<Mutex<Vec<Planned>>> = Arc::default();
    let (held, shown) = (planned.clone(), runtime.progress.clone());
    runtime.ctx.listen(move |event| {
        shown.show(&event);
        if let Event::Operation { operation, work, found } = event {
            let is_stored = !matches!(found, Found::Planned);
            held.lock().unwrap_or_else(PoisonError::into_inner).push(Planned {
                operation: operation.name,
                what: operation.what,
                key: operation.key,
                work,
                is_stored,
            });
        }
    });
    let setup = Setup { name: "input".to_owned(), args: args.to_vec(), prelude: false, ..Setup::default() };
    let mut session = Session::with(runtime.ctx.clone(), setup);
    let answer = session.run_script(file);
    runtime.progress.clear();
    let planned = std::mem::take(&mut *planned.lock().unwrap_or_else(PoisonError::into_inner));
    let past = match Past::of(&runtime.ctx) {
        Ok(past) => past,
        Err(error) => {
            draw::print(&Diagnostic::from_explained(&error));
            return exit::FILE;
        }
    };
    let is_sure = planned.iter().all(|planned| planned.is_stored);
    let said = match &answer {
        // The error says all.
        Err(_) if planned.is_empty() => exit::OK,
        _ => output::finish(output::line(&account(planned, &past, &runtime))),
    };
    match answer {
        _ if said != exit::OK => said,
        Ok(_) => exit::OK,
        Err(error) => {
            draw::print(&error);
            if !is_sure && !error.interrupted {
                runtime
                    .progress
                    .note("the plan ends there: the script continued with numbers that a plan does not have");
            }
            if error.interrupted { exit::INTERRUPTED } else { exit::SCRIPT }
        }
    }
}

/// The plan as a person reads it.
fn account(planned: Vec<Planned>, past: &Past, runtime: &Runtime) -> String {
    let mut groups: Vec<Group> = Vec::new();
    let mut known: HashSet<String> = HashSet::new();
    let mut n_measured = 0;
    // Floating-point operations per second of this machine, once they were measured.
    let mut rate: Option<f64> = None;
    for one in planned {
        let at = groups.iter().position(|group| group.operation == one.operation && group.what == one.what);
        let at = at.unwrap_or_else(|| {
            groups.push(Group { operation: one.operation.clone(), what: one.what.clone(), ..Group::default() });
            groups.len() - 1
        });
        let Some(group) = groups.get_mut(at) else { continue };
        // What was computed before in the same run is looked up.
        let is_known = !one.key.is_empty() && !known.insert(one.key);
        if one.is_stored || is_known {
            group.n_stored += 1;
            continue;
        }
        group.n_computed += 1;
        group.seconds += past.seconds(&one.operation, one.work).unwrap_or_else(|| {
            n_measured += 1;
            let rate = *rate.get_or_insert_with(|| flops_per_second(&runtime.ctx).unwrap_or(f64::INFINITY));
            one.work.max(1.0) / rate
        });
    }
    if groups.is_empty() {
        return "The script has no costly operation.".to_owned();
    }
    let (n_stored, n_computed): (usize, usize) =
        (groups.iter().map(|group| group.n_stored).sum(), groups.iter().map(|group| group.n_computed).sum());
    let total: f64 = groups.iter().map(|group| group.seconds).sum();
    let row = |operation: &str, what: &str, n_stored: usize, n_computed: usize, seconds: f64| {
        let about = if n_computed == 0 { "–".to_owned() } else { units::seconds(seconds) };
        [draw::plain(operation), draw::plain(what), n_stored.to_string(), n_computed.to_string(), about]
    };
    let mut rows: Vec<[String; 5]> = groups
        .iter()
        .map(|group| row(&group.operation, &group.what, group.n_stored, group.n_computed, group.seconds))
        .collect();
    rows.push(row("in all", "", n_stored, n_computed, total));
    let heads = [
        ("operation", Side::Left),
        ("what", Side::Left),
        ("looked up", Side::Right),
        ("computed", Side::Right),
        ("about", Side::Right),
    ];
    let mut text = columns(&heads, &rows);
    if n_computed == 0 {
        return text + "\nEverything is in the store: a run trains nothing.";
    }
    text += match n_measured {
        0 => "\nTimes are those of earlier results in the store.\n".to_owned(),
        n if n == n_computed => {
            "\nTimes are rough: the store has none, so they are estimated from a short measurement of this machine.\n"
                .to_owned()
        }
        n => format!(
            "\nTimes are those of earlier results in the store; for {} it remembers none, and a short measurement of \
             this machine stands in.\n",
            n_of(n, "operation")
        ),
    }
    .as_str();
    text + "What is not in the store has no numbers yet: where the script decides by them, a run may do other things."
}
