//! The state of a training between two steps: left in the store now and then, and taken up again to the same bits.
//!
//! A state is everything that later steps read: parameters, the optimiser's moments, how many steps were done, where the
//! random stream stands, the loss curve so far. The order of batches is not in it, because drawing them again is cheap.

use super::carried::Carried;
use super::validation::Evaluation;
use super::weights::{Held, Weights};
use crate::core::context::{Context, Interrupted};
use crate::core::digest::Digest;
use crate::core::random::Random;
use crate::models::ModelError;
use crate::store::memo::{Content, Facts, Partial};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The share of a training's time that saving its state may take.
const SHARE: f64 = 0.03;
/// What was done in less time is done again rather than saved: arbitrary.
const LEAST: Duration = Duration::from_secs(2);
/// Bytes a second, before a save was measured: arbitrary, a slow disk's.
const WRITING: f64 = 1e8;
/// Raised when the meaning of a state changes.
const FORMAT: u64 = 1;
/// Points of a loss curve: arbitrary, enough for an eye.
const POINTS: usize = 50;

/// A training between two steps, but for its parameters and optimiser.
pub(super) struct State {
    /// Steps done.
    pub step: usize,
    pub curve: Curve,
    /// The stream that steps draw from; a finetuning draws nothing from it.
    pub random: Random,
    /// Parameters as they were after each of the training's `kept_at` that is past.
    pub kept: Vec<Vec<f32>>,
    /// What evaluations on held-out rows found.
    pub evaluations: Vec<Evaluation>,
    /// Parameters as they were at the best of them, where these are to be kept.
    pub best: Option<Vec<f32>>,
    /// What the objective reads of earlier steps.
    pub carried: Carried,
}

impl State {
    /// Before the first step of a training.
    pub fn fresh(steps: usize, random: Random) -> State {
        let (kept, evaluations, carried) = (Vec::new(), Vec::new(), Carried::default());
        State { step: 0, curve: Curve::new(steps), random, kept, evaluations, best: None, carried }
    }
}

/// Saves a training's state as often as it is worth, and finds the one that was left.
pub(super) struct Checkpoints<'a> {
    ctx: &'a Context,
    partial: &'a Partial,
    /// The derivation of what is trained.
    of: Digest,
    steps: usize,
    kept_at: &'a [usize],
    started: Instant,
    /// Seconds that it took before it was ended.
    earlier: f64,
    /// When a state was last saved or taken up, at which step, and how long saving took.
    last: Instant,
    at: usize,
    cost: Option<Duration>,
    spent: Duration,
    warned: bool,
}

impl<'a> Checkpoints<'a> {
    /// For a training of `steps` that makes `of` and keeps its parameters after the steps `kept_at`.
    pub fn new(ctx: &'a Context, partial: &'a Partial, of: Digest, steps: usize, kept_at: &'a [usize]) -> Self {
        let now = Instant::now();
        Checkpoints {
            ctx,
            partial,
            of,
            steps,
            kept_at,
            started: now,
            earlier: 0.0,
            last: now,
            at: 0,
            cost: None,
            spent: Duration::ZERO,
            warned: false,
        }
    }

    /// The state that was left, or else `fresh`. One that is damaged or belongs to something else is not trusted.
    pub fn resume(&mut self, fresh: State, weights: &mut dyn Weights) -> Result<State, ModelError> {
        let (n, averages) = (weights.n_numbers(), weights.averaged()?.is_some());
        let read = self.partial.read().and_then(|found| found.map(|found| self.read(n, averages, found)).transpose());
        let state = match read {
            Ok(None) => fresh,
            Ok(Some(Read { held, position, seconds, state })) => {
                self.earlier = seconds;
                self.partial.goes_on_after(seconds);
                let mut random = fresh.random;
                random.seek(position);
                weights.resume(state.step, held)?;
                State { random, ..state }
            }
            Err(why) => {
                self.ctx.warn(format!("the saved state of this training cannot be used; training starts again: {why}"));
                fresh
            }
        };
        (self.at, self.last) = (state.step, Instant::now());
        Ok(state)
    }

    /// Between two steps: saves the state if it is time or work is to stop, and says whether it is.
    pub fn save_if_due(&mut self, state: &State, weights: &dyn Weights) -> Result<(), Interrupted> {
        let go_on = self.ctx.interrupt.check();
        if !self.partial.is_kept() || state.step == self.at || state.step >= self.steps {
            return go_on;
        }
        let since = self.last.elapsed();
        let is_due = match self.ctx.settings.checkpoint {
            Some(every) => since >= every,
            None => {
                let expected = self.cost.unwrap_or_else(|| first_cost(state, weights));
                let within = (self.spent + expected).as_secs_f64() <= SHARE * self.started.elapsed().as_secs_f64();
                since >= LEAST && (within || (go_on.is_err() && since >= expected))
            }
        };
        if is_due {
            self.save(state, weights);
        }
        go_on
    }

    fn save(&mut self, state: &State, weights: &dyn Weights) {
        let started = Instant::now();
        if let Err(error) = self.write(state, weights)
            && !std::mem::replace(&mut self.warned, true)
        {
            self.ctx
                .warn(format!("the state of this training could not be saved; training continues without it: {error}"));
        }
        let cost = started.elapsed();
        (self.at, self.last, self.cost) = (state.step, Instant::now(), Some(cost));
        self.spent += cost;
    }

    fn write(&self, state: &State, weights: &dyn Weights) -> Result<(), ModelError> {
        let (params, [first, second], average) = (weights.params()?, weights.moments()?, weights.averaged()?);
        let held = [("params", &params), ("first", &first), ("second", &second)];
        let mut rows: Vec<(String, &[f32])> = held.map(|(name, values)| (name.to_owned(), &**values)).into();
        rows.extend(state.kept.iter().enumerate().map(|(idx, kept)| (format!("kept.{idx}"), kept.as_slice())));
        rows.extend(average.as_deref().map(|average| ("average".to_owned(), average)));
        rows.extend(state.best.as_deref().map(|best| ("best".to_owned(), best)));
        Ok(self.partial.write(&self.facts(state), &rows)?)
    }

    fn facts(&self, state: &State) -> Facts {
        let mut facts = Facts::new();
        facts.insert("format".to_owned(), FORMAT.into());
        facts.insert("of".to_owned(), self.of.to_hex().into());
        facts.insert("step".to_owned(), state.step.into());
        facts.insert("steps".to_owned(), self.steps.into());
        facts.insert("seconds".to_owned(), (self.earlier + self.started.elapsed().as_secs_f64()).into());
        facts.insert("curve".to_owned(), state.curve.to_json());
        facts.insert("random".to_owned(), state.random.position().to_string().into());
        facts.insert("evaluations".to_owned(), Evaluation::list_to_json(&state.evaluations));
        facts.insert("best".to_owned(), state.best.is_some().into());
        if state.carried != Carried::default() {
            facts.insert("carried".to_owned(), state.carried.to_json());
        }
        facts
    }

    fn read(&self, n: usize, averages: bool, mut content: Content) -> Result<Read, String> {
        let facts = std::mem::take(&mut content.facts);
        let number = |name: &str| facts.get(name).and_then(Value::as_u64).ok_or_else(|| format!("it has no `{name}`"));
        if number("format")? != FORMAT {
            return Err("another version of w2s wrote it".to_owned());
        }
        if facts.get("of").and_then(Value::as_str) != Some(self.of.to_hex().as_str()) {
            return Err("it belongs to another training".to_owned());
        }
        let (step, steps) = (number("step")? as usize, number("steps")? as usize);
        if steps != self.steps || step == 0 || step >= steps {
            return Err(format!("it is at step {step} of {steps}, this training has {}", self.steps));
        }
        let position = facts.get("random").and_then(Value::as_str).and_then(|held| held.parse::<u128>().ok());
        let curve = facts.get("curve").and_then(|held| Curve::from_json(self.steps, held));
        let evaluations = facts.get("evaluations").map_or(Some(Vec::new()), Evaluation::list_from_json);
        let carried = Carried::from_json(facts.get("carried"));
        let mut take = |name: &str| content.take(name, &[n]);
        let n_kept = self.kept_at.iter().filter(|at| **at <= step).count();
        let has_best = facts.get("best").and_then(Value::as_bool).unwrap_or(false);
        Ok(Read {
            held: Held {
                params: take("params")?,
                first: take("first")?,
                second: take("second")?,
                average: averages.then(|| take("average")).transpose()?,
            },
            // For estimates of time alone.
            seconds: facts.get("seconds").and_then(Value::as_f64).filter(|s| s.is_finite() && *s >= 0.0).unwrap_or(0.0),
            position: position.ok_or("it has no place in the random stream")?,
            state: State {
                step,
                curve: curve.ok_or("its loss curve cannot be read")?,
                random: Random::new(0, "replaced by the training's own"),
                kept: (0..n_kept).map(|idx| take(&format!("kept.{idx}"))).collect::<Result<_, _>>()?,
                evaluations: evaluations.ok_or("its evaluations cannot be read")?,
                best: has_best.then(|| take("best")).transpose()?,
                carried: carried.ok_or("what its loss carried cannot be read")?,
            },
        })
    }
}

/// What a saved state holds.
struct Read {
    held: Held,
    position: u128,
    seconds: f64,
    /// But for its random stream.
    state: State,
}

/// What saving is expected to take before it was measured.
fn first_cost(state: &State, weights: &dyn Weights) -> Duration {
    let n = weights.n_numbers() * (3 + state.kept.len() + usize::from(state.best.is_some()));
    Duration::from_secs_f64(4.0 * n as f64 / WRITING)
}

/// The training loss by step: some dozens of points, each the mean over the steps since the one before.
pub(super) struct Curve {
    steps: usize,
    points: Vec<(u64, f64)>,
    sum: f64,
    n: u64,
}

impl Curve {
    /// For a training of so many steps.
    pub fn new(steps: usize) -> Curve {
        Curve { steps, points: Vec::new(), sum: 0.0, n: 0 }
    }

    /// Notes the loss of a step, counted from 1. Whether it ended a point.
    pub fn note(&mut self, step: usize, loss: f64) -> bool {
        self.sum += loss;
        self.n += 1;
        let ends = step.is_multiple_of(self.steps.div_ceil(POINTS).max(1)) || step == self.steps;
        if ends {
            self.end_point(step);
        }
        ends
    }

    fn end_point(&mut self, step: usize) {
        // Seven digits: what JSON gives back to the bit.
        let mean = format!("{:.6e}", self.sum / self.n as f64).parse().unwrap_or(f64::NAN);
        self.points.push((step as u64, mean));
        (self.sum, self.n) = (0.0, 0);
    }

    /// The points: step (from 1) and loss, up to the step at which the training ended.
    pub fn points(mut self, step: usize) -> Vec<(u64, f64)> {
        if self.n > 0 {
            self.end_point(step);
        }
        self.points
    }

    fn to_json(&self) -> Value {
        serde_json::json!({ "points": self.points, "sum": self.sum.to_bits(), "n": self.n })
    }

    fn from_json(steps: usize, held: &Value) -> Option<Curve> {
        let pair = |point: &Value| Some((point.get(0)?.as_u64()?, point.get(1)?.as_f64()?));
        let points = held.get("points")?.as_array()?.iter().map(pair).collect::<Option<_>>()?;
        Some(Curve { steps, points, sum: f64::from_bits(held.get("sum")?.as_u64()?), n: held.get("n")?.as_u64()? })
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::core::context::{Access, Event, Memo, Settings};
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    /// A context whose store lies in `folder` and whose trainings are saved between any two steps.
    pub fn lab_in(folder: &Path) -> Context {
        let plain = Context::for_tests().settings;
        let settings = Settings { store: folder.to_owned(), memo: Memo::On, checkpoint: Some(Duration::ZERO), ..plain };
        Context::new(settings, Access::default())
    }

    /// Everything the context tells from now on.
    pub fn heard(ctx: &Context) -> Arc<Mutex<Vec<Event>>> {
        let all = Arc::new(Mutex::new(Vec::new()));
        let held = all.clone();
        ctx.listen(move |event| held.lock().expect("whole").push(event));
        all
    }

    /// The curves of the operations called `name`, and the warnings.
    pub fn curves_and_warnings(events: &Mutex<Vec<Event>>, name: &str) -> (Vec<Vec<(u64, f64)>>, Vec<String>) {
        let (mut curves, mut warnings) = (Vec::new(), Vec::new());
        for event in events.lock().expect("whole").iter() {
            match event {
                Event::Operation { operation, .. } if operation.name == name => curves.push(operation.curve.clone()),
                Event::Warning { text } => warnings.push(text.clone()),
                _ => {}
            }
        }
        (curves, warnings)
    }

    /// The first step that was told about.
    pub fn first_done(events: &Mutex<Vec<Event>>) -> Option<u64> {
        let done = |event: &Event| if let Event::Progress { done, .. } = event { Some(*done) } else { None };
        events.lock().expect("whole").iter().find_map(done)
    }

    /// Stops the context's work when it tells that `done` steps are done.
    pub fn stop_at(ctx: &Context, at: u64) {
        let interrupt = ctx.interrupt.clone();
        ctx.listen(move |event| {
            if matches!(event, Event::Progress { done, .. } if done == at) {
                interrupt.raise();
            }
        });
    }

    /// The one file of saved state in the store.
    pub fn state_file(folder: &Path) -> Option<std::path::PathBuf> {
        let mut files = std::fs::read_dir(folder.join("partial")).ok()?.map(|entry| entry.expect("an entry").path());
        let first = files.next();
        assert!(files.next().is_none(), "one training, one state");
        first
    }

    /// The work on a pool of so many threads.
    pub fn on<T: Send>(n_threads: usize, work: impl FnOnce() -> T + Send) -> T {
        rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a pool").install(work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_has_some_dozens_of_points_and_survives_json() {
        for steps in [1, 7, 50, 51, 104, 4000] {
            let loss = |step: usize| 1.0 / (step as f64 + 0.3);
            let mut whole = Curve::new(steps);
            (1..=steps).for_each(|step| _ = whole.note(step, loss(step)));
            let mut halved = Curve::new(steps);
            for step in 1..=steps {
                halved.note(step, loss(step));
                let text = halved.to_json().to_string();
                halved = Curve::from_json(steps, &serde_json::from_str(&text).expect("JSON")).expect("a curve");
            }
            assert_eq!(whole.points, halved.points, "to the bit");
            let points = whole.points(steps);
            assert!(points.len() <= POINTS + 1 && points.len() >= steps.min(POINTS / 2), "{steps}: {}", points.len());
            assert_eq!(points.last().map(|(step, _)| *step), Some(steps as u64));
        }
        let mut two = Curve::new(100);
        two.note(1, 1.0);
        assert!(two.note(2, 2.0));
        two.note(3, 7.0);
        assert_eq!(two.points(3), [(2, 1.5), (3, 7.0)], "a training that ended early has its last steps");
    }
}
