//! `sweep::map`

use crate::bind::prelude::*;
use crate::core::context::{Context, HeldBack, Look, Memo, Missing};
use crate::data::{Learned, TestRows};
use crate::sweep::{self, CellOutcome, Launcher, Sweep, SweepError, SweepState, WorkerChannel, WorkerMessage};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Instant;

options! {
    /// Options of `sweep::map`.
    pub struct MapOptions {
        /// Worker processes, at most one per thread of `--threads`; 1: none. Left out, one per thread, and none where all cells together take less than about a second.
        workers: Option<usize> = None,
        /// What a failing cell does: "stop" ends the call with the cell's error; "go_on" warns and gives the error as that cell's value.
        on_error: String = "stop".to_owned(),
        /// MiB that the workers may hold together; left out, four fifths of what is free.
        memory: Option<f64> = None,
    }
}

/// Floating-point operations above which workers are started at once without being asked for: arbitrary, about a second of
/// training small models, several times what it takes a worker to come to the call.
const WORTH_IT: f64 = 1e11;

/// Seconds that the remaining cells would take one after the other, above which workers are started: arbitrary as above.
const WORTH_SECONDS: f64 = 1.0;

/// The record.
pub fn function() -> Function {
    Function::new("sweep", "map", run)
        .about("Calls a function with every item of an array, on several processes where that helps, and gives the answers in order.")
        .details(
            "What it gives is what `cells.map(…)` gives, to the bit. In `w2s script`, cells whose trainings, predictions and labels \
             are not all in the store are given to worker processes, which run the script up to this call (answered by the store), \
             then their cells. They share the store, so what several cells need is computed once, and a sweep that was stopped goes on \
             with what is missing. The function's answers are made by this process from what is then in the store; so a cell that fails \
             is run again here, and anything costly that the store does not keep is computed here. The cells must not depend on each \
             other: a function that changes an outer variable is run by this process alone, and test rows of what a cell loads are known to \
             later data sets when all cells are done. So is everything at the prompt, with \
             `--no-memo` or `--plan`, and in a call that a cell makes. Workers and their threads together are at most `--threads`. A cell \
             whose process dies is tried once more.",
        )
        .param::<Vec<Dynamic>>("cells", "any values: seeds, pairs, option maps")
        .param::<FnPtr>("function", "a closure with one parameter, the cell")
        .options::<MapOptions>()
        .returns("array: one answer per cell, in their order")
        .example("sweep::map([1, 2, 3], |n| n * n)", "[1, 4, 9]")
        .example(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let model = model::untrained(rows);\n\
             let truth = rows.truth(\"example\");\n\
             let students = sweep::map([0, 1], |seed| model.finetune(rows, truth, #{ steps: 2, seed: seed }));\n\
             students[0] == model.finetune(rows, truth, #{ steps: 2, seed: 0 })",
            "true",
        )
        .example(
            "let answers = sweep::map([1, 0], |n| if n == 0 { throw \"nothing\" } else { n }, #{ on_error: \"go_on\" });\n\
             [answers[0], answers[1].message]",
            "[1, \"nothing\"]",
        )
        .fails("sweep::map([1], |a, b| a)", "takes one parameter, this one takes 2")
        .fails("sweep::map([1], |a| a, #{ on_error: \"ignore\" })", "`on_error` must be \"stop\" or \"go_on\"")
        .fails("sweep::map([0, 1], |n| data::load(\"no-such-set\"))", "no-such-set")
}

fn run(call: &mut Call) -> Answer {
    let (cells, closure): (Vec<Dynamic>, FnPtr) = (call.arg(0)?, call.arg(1)?);
    let options: MapOptions = call.options()?;
    let map = Map::new(call, cells, closure, options)?;
    let answers = map.answers();
    map.learn();
    answers
}

/// A call.
struct Map<'a, 'c> {
    call: &'a Call<'c>,
    ctx: &'a Context,
    /// The sweeps of the session, where it has workers or is one.
    state: Option<&'a SweepState>,
    cells: Vec<Dynamic>,
    closure: FnPtr,
    goes_on: bool,
    options: MapOptions,
    /// Test rows that the cells made known.
    learned: RefCell<Vec<Learned>>,
}

/// What a look at the cells found.
#[derive(Default)]
struct Looked {
    /// Cells that have run, with what they would have told.
    done: BTreeMap<usize, (Answer, Vec<HeldBack>)>,
    /// Cells that need something that the store does not have.
    missing: Vec<usize>,
    /// Floating-point operations that are missing, at least.
    work: f64,
}

impl<'a, 'c> Map<'a, 'c> {
    fn new(call: &'a Call<'c>, cells: Vec<Dynamic>, closure: FnPtr, options: MapOptions) -> Result<Self, Fault> {
        let goes_on = match options.on_error.as_str() {
            "stop" => false,
            "go_on" => true,
            other => {
                let what = format!("`on_error` must be \"stop\" or \"go_on\", got `{other}`");
                return Err(Fault::new("sweep/option", what));
            }
        };
        if options.workers == Some(0) {
            return Err(Fault::new("sweep/option", "`workers` must be at least 1, got `0`"));
        }
        if let Some(memory) = options.memory.filter(|memory| !(*memory > 0.0 && memory.is_finite())) {
            return Err(Fault::new(
                "sweep/option",
                format!("`memory` must be a positive number of MiB, got `{memory}`"),
            ));
        }
        if let Some(taken) = call.other_arity(&closure, 1) {
            let what = format!("the function of `sweep::map` takes one parameter, this one takes {taken}");
            return Err(Fault::new("sweep/closure", what).hint("sweep::map(cells, |cell| …)"));
        }
        let ctx = call.ctx();
        let (state, learned) = (SweepState::of(ctx), RefCell::default());
        Ok(Map { call, ctx, state, cells, closure, goes_on, options, learned })
    }

    fn answers(&self) -> Answer {
        let Some(state) = self.state else { return self.alone() };
        let Some(number) = state.number() else { return self.alone() };
        match (state.channel(), self.launcher(state)) {
            (Some(channel), _) if channel.task.call == number => self.serve(channel),
            (_, Some(launcher)) => self.with_workers(number, launcher, state),
            _ => self.alone(),
        }
    }

    /// How workers are started, if they may be.
    fn launcher(&self, state: &'a SweepState) -> Option<&'a Launcher> {
        let computes = self.ctx.settings.memo == Memo::On && self.ctx.dry_run().is_none();
        if !computes || state.channel().is_some() || self.n_workers() < 2 || self.cells.len() < 2 {
            return None;
        }
        let launcher = state.launcher()?;
        if state.has_untraceable() {
            let why =
                "something before it was computed that the store does not keep, and a worker would compute it again";
            self.ctx.warn(format!("`sweep::map` runs in one process: {why}"));
            return None;
        }
        Some(launcher)
    }

    fn n_workers(&self) -> usize {
        let n_threads = self.ctx.settings.n_threads;
        self.options.workers.unwrap_or(n_threads).min(n_threads)
    }

    /// The digest of cells and function; why there is none.
    fn digest(&self) -> Result<String, String> {
        let mut trace = Trace::new(self.call.context);
        let cells = Dynamic::from(self.cells.clone());
        let made = Digest::of("sweep/map", 1).digest("cells", trace.value(&cells));
        let made = made.digest("function", trace.closure(&self.closure)).finish();
        trace.lost().map_or_else(|| Ok(made.to_hex()), |why| Err(why.to_owned()))
    }

    /// Runs one cell here.
    fn answer(&self, idx: usize) -> Answer {
        let cell = self.cells.get(idx).cloned().unwrap_or_default();
        let run = || self.call.call_back(&self.closure, vec![cell]);
        let (answer, learned) = self.ctx.state::<TestRows>().apart(|| match self.state {
            Some(state) => state.inside(run),
            None => run(),
        });
        self.learned.borrow_mut().push(learned);
        answer
    }

    /// What the cells loaded is known to the session when all are done: they do not know of each other.
    fn learn(&self) {
        let known = self.ctx.state::<TestRows>();
        for learned in self.learned.take() {
            known.learn(learned);
        }
    }

    /// Every cell in this process, one after the other.
    fn alone(&self) -> Answer {
        let answers = (0..self.cells.len()).map(|idx| self.kept(idx, self.answer(idx)));
        Ok(answers.collect::<Result<Array, Fault>>()?.into())
    }

    /// A cell's answer as it is given: its error is one that ends the call, or a value.
    fn kept(&self, idx: usize, answer: Answer) -> Answer {
        let fault = match answer {
            Ok(value) => return Ok(value),
            Err(fault) if fault.interruption => return Err(fault),
            Err(fault) => fault,
        };
        let which = format!("cell {idx} of {} (`{}`)", self.cells.len(), self.shown(idx));
        if !self.goes_on {
            self.ctx.warn(format!("`sweep::map` stopped at {which}"));
            return Err(fault);
        }
        let fault = fault.settled();
        self.ctx.warn(format!("{which} failed: {}", fault.message));
        Ok(Dynamic::from(fault))
    }

    fn shown(&self, idx: usize) -> String {
        let text = self.cells.get(idx).map(show).unwrap_or_default();
        let mut cut: String = text.lines().next().unwrap_or_default().chars().take(40).collect();
        if cut.len() < text.len() {
            cut.push('…');
        }
        cut
    }

    /// Cells that the store answers here, the others on workers first.
    fn with_workers(&self, number: usize, launcher: &Launcher, state: &SweepState) -> Answer {
        let digest = match self.digest() {
            Ok(digest) => digest,
            Err(why) => {
                self.ctx.warn(format!("`sweep::map` runs in one process: of its function, {why}"));
                return self.alone();
            }
        };
        let mut looked = self.look()?;
        let mut missing = std::mem::take(&mut looked.missing);
        let mut worth_it = self.options.workers.is_some() || looked.work >= WORTH_IT;
        let mut outcomes = BTreeMap::new();
        let mut answers = Array::with_capacity(self.cells.len());
        for idx in 0..self.cells.len() {
            if worth_it && missing.len() > 1 {
                outcomes = self.warm(&std::mem::take(&mut missing), number, &digest, launcher, state)?;
                // A failure stops the call before cells that were not begun.
                let failed = outcomes.iter().find(|(_, outcome)| **outcome != CellOutcome::Ready).map(|(idx, _)| *idx);
                if let Some(failed) = failed.filter(|_| !self.goes_on) {
                    looked.release_before(failed, self.ctx);
                    let answer = self.final_answer(failed, outcomes.get(&failed));
                    looked.done.insert(failed, (Ok(self.kept(failed, answer)?), Vec::new()));
                }
            }
            let answer = match looked.done.remove(&idx) {
                Some((answer, held)) => {
                    self.ctx.release(held);
                    answer
                }
                None => {
                    let began = Instant::now();
                    let answer = self.final_answer(idx, outcomes.get(&idx));
                    missing.retain(|waiting| *waiting != idx);
                    // What one cell took tells what the others will.
                    worth_it |= began.elapsed().as_secs_f64() * missing.len() as f64 > WORTH_SECONDS;
                    answer
                }
            };
            answers.push(self.kept(idx, answer)?);
        }
        Ok(answers.into())
    }

    /// Lets workers compute what these cells need; what became of each.
    fn warm(
        &self,
        cells: &[usize],
        call: usize,
        digest: &str,
        launcher: &Launcher,
        state: &SweepState,
    ) -> Result<BTreeMap<usize, CellOutcome>, Fault> {
        let sweep = Sweep {
            cells,
            n_workers: self.n_workers(),
            memory: self.options.memory.map(|mib| (mib * f64::from(1 << 20)) as u64),
            stop_at_failure: !self.goes_on,
            call,
            digest: digest.to_owned(),
        };
        match sweep::run(&sweep, launcher, state, self.ctx) {
            Ok(outcomes) => Ok(outcomes),
            Err(SweepError::Interrupted) => Err(Fault::interrupted()),
            Err(error) => {
                self.ctx.warn(format!("{error}; `sweep::map` runs in one process"));
                Ok(BTreeMap::new())
            }
        }
    }

    /// The answer of a cell that was not done at the first look; never of one that ends its process.
    fn final_answer(&self, idx: usize, outcome: Option<&CellOutcome>) -> Answer {
        match outcome {
            Some(CellOutcome::Died { why }) => {
                Err(Fault::new("sweep/worker-died", format!("the process of cell {idx} died twice ({why})"))
                    .hint("with `memory: MIB` or `workers: N` fewer cells run at a time"))
            }
            _ => self.answer(idx),
        }
    }

    /// Runs each cell as far as the store has what it needs.
    fn look(&self) -> Result<Looked, Fault> {
        let mut looked = Looked::default();
        for idx in 0..self.cells.len() {
            let look = self.ctx.look(|| self.answer(idx));
            self.ctx.interrupt.check()?;
            match look {
                Look::Whole(answer, held) => {
                    let ends = answer.is_err() && !self.goes_on;
                    looked.done.insert(idx, (answer, held));
                    if ends {
                        break;
                    }
                }
                Look::Missing(Missing::Result { work }) => {
                    looked.missing.push(idx);
                    looked.work += work;
                }
                // Only this process can use it: it computes the whole cell in its turn.
                Look::Missing(Missing::Untraceable) => {}
            }
        }
        Ok(looked)
    }

    /// A worker's part: cells by number, for what they leave in the store.
    fn serve(&self, channel: &WorkerChannel) -> Answer {
        match self.digest() {
            Ok(digest) if digest == channel.task.digest => channel.say(&WorkerMessage::Arrived),
            Ok(_) => channel.refuse("its cells or its function have another digest"),
            Err(why) => channel.refuse(&why),
        }
        while let Some(cell) = channel.next(self.ctx) {
            match self.answer(cell) {
                Ok(_) => channel.say(&WorkerMessage::Ready { cell }),
                Err(fault) if fault.interruption => break,
                Err(fault) => channel.say(&WorkerMessage::Failed { cell, message: fault.settled().message }),
            }
        }
        // The rest of the script is not this process's business.
        Err(Fault::interrupted())
    }
}

impl Looked {
    /// Tells what the cells before `idx` would have told.
    fn release_before(&mut self, idx: usize, ctx: &Context) {
        for (_, held) in self.done.range_mut(..idx).map(|(_, done)| done) {
            ctx.release(std::mem::take(held));
        }
    }
}
