//! `script::seeds`

use crate::bind::prelude::*;

/// The most seeds (arbitrary: far more than anyone runs, far fewer than memory holds).
const MAX_SEEDS: usize = 100_000;

/// The record.
pub fn function() -> Function {
    Function::new("script", "seeds", run)
        .about("The first `n` seeds of this session: 0, 1, 2, … plus what `--seed` says.")
        .details("Seeds that a script states as literals are fixed; `--seed` changes these, so that a whole script is rerun on fresh draws.")
        .param::<usize>("n", "how many")
        .returns("array of integer: the seeds")
        .example("script::seeds(3)", "[0, 1, 2]")
        .fails("script::seeds(-1)", "`n` of `script::seeds` must not be negative")
}

fn run(call: &mut Call) -> Answer {
    let n: usize = call.arg(0)?;
    if n > MAX_SEEDS {
        return Err(Fault::new("script/seeds", format!("`n` must be at most {MAX_SEEDS}, got `{n}`")));
    }
    let first = call.ctx().settings.seed_offset;
    let seed = |idx: u64| Dynamic::from(call.ctx().seed(Some(first.wrapping_add(idx))) as INT);
    Ok((0..n as u64).map(seed).collect::<Array>().into())
}
