//! Making judges and asking them: `judge::scalar`, `judge::pairwise`, `judge::rewards`, `judge::preference`.

use crate::bind::prelude::*;
use crate::builtins::policy::Given;
use crate::domains::policy::{Grid, Judge, PolicyError};
use crate::frames::Frame;

options! {
    /// Options of `judge::scalar`.
    pub struct ScalarOptions {
        /// The frame's column that holds the rewards.
        column: String = "reward".to_owned(),
    }
}

/// The records.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("judge", "scalar", scalar)
            .about("A judge with a reward for every response: p(y ≻ y′) = σ(r(y) − r(y′)).")
            .source("Bradley and Terry 1952")
            .param::<Given>("rewards", "an array for each prompt, or a frame with `prompt`, `response` and a column of rewards")
            .options::<ScalarOptions>()
            .returns("Judge")
            .example("judge::scalar([[0, 1], [2, 0]])", "Judge: 2 prompts of 2 responses, by rewards")
            .example("judge::scalar([[0, 0]]).preference(0, 0, 1)", "0.5")
            .fails("judge::scalar([[0, 0.0 / 0.0]])", "`reward` of prompt 0, response 1 is `NaN`, which is not a finite number"),
        Function::new("judge", "pairwise", pairwise)
            .about("A judge with a probability for every pair, averaged over the order in which it is shown.")
            .details(
                "`preferences[x][y][y′]` is the chance that y is preferred when it is shown first and y′ second. What the judge says is \
                 ½ (p(y, y′) + 1 − p(y′, y)), so that no order is favoured. Up to 2 000 responses.",
            )
            .param::<Vec<Vec<Vec<f64>>>>("preferences", "for each prompt a square of probabilities")
            .returns("Judge")
            .example("judge::pairwise([[[0.5, 0.9], [0.3, 0.5]]]).preference(0, 0, 1) == 0.5 * (0.9 + 1.0 - 0.3)", "true")
            .fails("judge::pairwise([[[0.5, 2], [0, 0.5]]])", "`preferences` must be a probability, got `2` for responses 0 and 1 of prompt 0"),
        Function::new("judge", "rewards", rewards)
            .about("The rewards of a judge that has them.")
            .param::<Judge>("judge", "with rewards")
            .returns("Frame: `prompt`, `response`, `reward`")
            .also_method::<Judge>()
            .example("judge::scalar([[0, 1]]).rewards().column(\"reward\")", "[0.0, 1.0]")
            .fails("judge::pairwise([[[0.5, 1], [0, 0.5]]]).rewards()", "`rewards` needs rewards, and this judge compares pairs"),
        Function::new("judge", "preference", preference)
            .about("The probability that a judge prefers one response to another.")
            .param::<Judge>("judge", "the judge")
            .param::<usize>("prompt", "from 0")
            .param::<usize>("first", "a response of the prompt, from 0")
            .param::<usize>("second", "another one")
            .returns("float: p(first ≻ second)")
            .also_method::<Judge>()
            .example("judge::scalar([[800, 0]]).preference(0, 0, 1)", "1.0")
            .fails("judge::scalar([[800, 0]]).preference(0, 0, 2)", "`second` must be from 0 to 1, got `2`"),
    ]
}

fn scalar(call: &mut Call) -> Answer {
    let (given, options): (Given, ScalarOptions) = (call.arg(0)?, call.options()?);
    Ok(Dynamic::from(Judge::scalar(given.grid(&options.column)?)))
}

fn pairwise(call: &mut Call) -> Answer {
    let given: Vec<Vec<Vec<f64>>> = call.arg(0)?;
    let n = given.first().map_or(0, Vec::len);
    for (prompt, square) in given.iter().enumerate() {
        let got = square.iter().map(Vec::len).chain([square.len()]).find(|got| *got != n);
        if let Some(got) = got {
            return Err(PolicyError::Ragged { prompt, got, expected: n }.into());
        }
    }
    Ok(Dynamic::from(Judge::pairwise(given.len(), n, &given.concat().concat())?))
}

fn rewards(call: &mut Call) -> Answer {
    let judge: Judge = call.arg(0)?;
    let held = judge.rewards("rewards")?;
    let table = Grid::frame(judge.n_prompts, judge.n_responses, vec![("reward".to_owned(), held.values.clone())])?;
    let digest = Digest::of("judge/rewards", 1).digest("judge", judge.digest()).finish();
    Ok(Dynamic::from(Frame::derived(table, digest)))
}

fn preference(call: &mut Call) -> Answer {
    let judge: Judge = call.arg(0)?;
    let place = |idx: usize, option: &'static str, n: usize| -> Result<usize, Fault> {
        let got: usize = call.arg(idx)?;
        if got < n {
            return Ok(got);
        }
        Err(PolicyError::Range { option, must: format!("from 0 to {}", n - 1), got: got.to_string() }.into())
    };
    let prompt = place(1, "prompt", judge.n_prompts)?;
    let (first, second) = (place(2, "first", judge.n_responses)?, place(3, "second", judge.n_responses)?);
    Ok(Dynamic::from(judge.preference(prompt, first, second)))
}
