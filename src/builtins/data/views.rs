//! Parts of a data set: by share, by draw, by id, by position.

use crate::bind::prelude::*;
use crate::data::Data;
use crate::frames::Frame;

options! {
    /// How a sample is drawn.
    pub struct SampleOptions {
        /// As many rows of each class.
        balanced: bool = true,
    }
}

options! {
    /// How rows are divided.
    pub struct DivideOptions {
        /// As large a share of each class; without it nothing looks at classes.
        balanced: bool = true,
    }
}

/// What the reference says of draws that look at classes.
macro_rules! drawn {
    ($text:literal) => {
        concat!(
            $text,
            " Which rows a balanced part has hangs on their classes, so the record keeps the draw as a reading of truth; test \
             rows that were chosen one by one are drawn without a look at classes or not at all."
        )
    };
}

/// Tells the draw of `data` by its classes, if it is one.
fn told(call: &Call, data: &Data, balanced: bool) -> Result<(), Fault> {
    if balanced { Ok(data.note_draw(call.ctx(), &call.function.path())?) } else { Ok(()) }
}

/// The records.
pub fn functions() -> Vec<Function> {
    vec![halves(), split(), sample(), balance(), shuffle(), filter(), take(), head(), concat(), without()]
}

/// Four rows of two classes, for the examples.
macro_rules! four_rows {
    ($then:literal) => {
        concat!(
            "let rows = [\"a\", \"b\", \"c\", \"d\"].map(|text, idx| #{ text: text, label: idx % 2, id: text });\n",
            "let data = data::of(rows, #{ test_share: 0.0 });\n",
            $then
        )
    };
}

fn halves() -> Function {
    Function::new("data", "halves", |call| {
        let (data, seed): (Data, Option<u64>) = (call.arg(0)?, call.optional(1)?);
        let DivideOptions { balanced } = call.options()?;
        let seed = call.ctx().seed(seed);
        told(call, &data, balanced)?;
        let halves = data.halves_as(seed, balanced)?;
        Ok(Dynamic::from(halves.into_iter().map(Dynamic::from).collect::<Array>()))
    })
    .about("Two halves: one for the supervisor, one for the student.")
    .details(drawn!(
        "Rows of one group stay together, and so do groups that hold the same text; each class is halved as well as whole groups \
         allow; rows keep their order."
    ))
    .source("Burns et al. 2023: the supervisor's half and the student's half")
    .param::<Data>("data", "the rows to divide")
    .optional::<u64>("seed", "draws which group goes where")
    .options::<DivideOptions>()
    .returns("array of Data: two")
    .also_method::<Data>()
    .example(four_rows!("let halves = data.halves(0); [halves[0].n_rows, halves[1].n_rows]"), "[2, 2]")
    .fails(four_rows!("data.head(1).halves(0)"), "1 groups cannot fill 2 parts")
}

fn split() -> Function {
    Function::new("data", "split", |call| {
        let (data, shares, seed): (Data, Vec<f64>, Option<u64>) = (call.arg(0)?, call.arg(1)?, call.optional(2)?);
        let DivideOptions { balanced } = call.options()?;
        let seed = call.ctx().seed(seed);
        told(call, &data, balanced)?;
        let parts = data.split_as(&shares, seed, balanced)?;
        Ok(Dynamic::from(parts.into_iter().map(Dynamic::from).collect::<Array>()))
    })
    .about("Parts with given shares of the rows, by group and balanced by class.")
    .details(drawn!("Shares may sum to less than 1: the rest of the rows is in no part. Rows keep their order."))
    .param::<Data>("data", "the rows to divide")
    .param::<Vec<f64>>("shares", "one share per part, above 0, summing to at most 1")
    .optional::<u64>("seed", "draws which group goes where")
    .options::<DivideOptions>()
    .returns("array of Data: one per share")
    .also_method::<Data>()
    .example(four_rows!("data.split([0.5, 0.5], 0)[1].n_rows"), "2")
    .fails(four_rows!("data.split([0.7, 0.7], 0)"), "the shares sum to 1.4, at most 1 is possible")
    .fails(four_rows!("data.split([0.5, -0.5], 0)"), "a share must be above 0 and finite, got `-0.5`")
}

fn sample() -> Function {
    Function::new("data", "sample", |call| {
        let (data, n, seed): (Data, usize, Option<u64>) = (call.arg(0)?, call.arg(1)?, call.optional(2)?);
        let options: SampleOptions = call.options()?;
        let seed = call.ctx().seed(seed);
        told(call, &data, options.balanced)?;
        let sample = if options.balanced { data.sample(n, seed)? } else { data.sample_unbalanced(n, seed)? };
        Ok(Dynamic::from(sample))
    })
    .about("Rows drawn by group, as many of each class.")
    .details(drawn!(
        "Fails where a class has too few rows rather than to leave the balance. Whole groups are drawn as long as they \
         fit, then single rows. Rows keep their order."
    ))
    .param::<Data>("data", "the rows to draw from")
    .param::<usize>("n", "how many rows")
    .optional::<u64>("seed", "draws the rows")
    .options::<SampleOptions>()
    .returns("Data: the drawn rows")
    .also_method::<Data>()
    .example(four_rows!("data.sample(2, 0).n_rows"), "2")
    .fails(four_rows!("data.sample(5, 0)"), "`n` is 5, `rows` has 4 rows")
    .fails(four_rows!("data.take([0, 2]).sample(2, 0)"), "cannot give 2 that are balanced by class")
    .fails(
        "data::load(\"world/mood\", #{ seed: 0, n_train: 8, n_test: 8 }).test.take([0, 1]).sample(2, 0)",
        "test rows of `world/mood` that were chosen one by one are not balanced by class",
    )
}

fn balance() -> Function {
    Function::new("data", "balance", |call| {
        let (data, seed): (Data, Option<u64>) = (call.arg(0)?, call.optional(1)?);
        // 0.55 of two classes, and as far above an equal share of more.
        let above = 1.1 / data.n_classes() as f64;
        told(call, &data, true)?;
        Ok(Dynamic::from(data.balance(above, call.ctx().seed(seed))?))
    })
    .about("Down-samples the larger classes to the smallest where one has more than 55 % of two classes' rows.")
    .details(drawn!("With K classes the bound is 1.1 / K of the rows. Unchanged where no class is above it. By group."))
    .source("Burns et al. 2023, the NLP tasks")
    .param::<Data>("data", "the rows to balance")
    .optional::<u64>("seed", "draws which rows stay")
    .returns("Data: as many rows of each class")
    .also_method::<Data>()
    .example(
        "let rows = [\"a\", \"b\", \"c\", \"d\"].map(|text, idx| #{ text: text, label: idx == 0 });\n\
         data::of(rows, #{ test_share: 0.0 }).balance(0)",
        "rows: train 2 (false 1, true 1)",
    )
    .fails(
        "data::of([#{ text: \"a\" }], #{ classes: [\"no\", \"yes\"], test_share: 0.0 }).balance(0)",
        "`rows` has no truth",
    )
}

fn shuffle() -> Function {
    Function::method::<Data>("shuffle", |call| {
        let (data, seed): (Data, Option<u64>) = (call.receiver()?, call.optional(0)?);
        Ok(Dynamic::from(data.shuffle(call.ctx().seed(seed))))
    })
    .about("The same rows in drawn order.")
    .optional::<u64>("seed", "draws the order")
    .returns("Data")
    .example(four_rows!("data.shuffle(1).n_rows"), "4")
    .fails(four_rows!("data.shuffle(-1)"), "`seed` of `Data.shuffle` must not be negative")
}

fn filter() -> Function {
    Function::method::<Data>("filter", |call| {
        let (data, rows): (Data, Dynamic) = (call.receiver()?, call.arg(0)?);
        let ids = match rows.clone().try_cast::<Frame>() {
            Some(frame) => frame.ids()?,
            None => Vec::<String>::from_dynamic(&rows).map_err(|why| {
                let why = Mismatch(format!("must be a Frame with a column `id`, or an array of ids: {}", why.0));
                call.misfit("`rows`", &why)
            })?,
        };
        Ok(Dynamic::from(data.filter(ids.iter().map(String::as_str))?))
    })
    .about("The rows whose ids a frame or an array holds, in the order of the data.")
    .details(
        "Every id must be among the rows, once: a row that is asked for and not there is an error, never left out. Rows \
         chosen so print without their class balance, which of a single row would be its class.",
    )
    .param_typed("rows", "Frame|array of string", "a frame with a column `id`, or ids")
    .returns("Data")
    .example(four_rows!("data.filter([\"d\", \"a\"]).n_rows"), "2")
    .fails(four_rows!("data.filter([\"e\"])"), "`rows` has no row with the id `e`")
    .fails(four_rows!("data.filter([\"a\", \"a\"])"), "the id `a` was asked for twice")
}

fn take() -> Function {
    Function::method::<Data>("take", |call| {
        let (data, positions): (Data, Vec<usize>) = (call.receiver()?, call.arg(0)?);
        Ok(Dynamic::from(data.take(&positions)?))
    })
    .about("The rows at these positions, counted from 0, in this order.")
    .param::<Vec<usize>>("positions", "no position twice")
    .returns("Data")
    .example(four_rows!("data.take([3, 0]).n_rows"), "2")
    .fails(four_rows!("data.take([4])"), "there is no row 4, `rows` has 4")
}

fn head() -> Function {
    Function::method::<Data>("head", |call| {
        let (data, n): (Data, usize) = (call.receiver()?, call.arg(0)?);
        Ok(Dynamic::from(data.head(n)))
    })
    .about("The first rows: `n`, or all if there are fewer.")
    .param::<usize>("n", "how many")
    .returns("Data")
    .example(four_rows!("data.head(3).n_rows"), "3")
    .fails(four_rows!("data.head(-1)"), "`n` of `Data.head` must not be negative")
}

fn concat() -> Function {
    Function::method::<Data>("concat", |call| {
        let (data, other): (Data, Data) = (call.receiver()?, call.arg(0)?);
        Ok(Dynamic::from(data.concat(&other)?))
    })
    .about("These rows, then those of another part of the same data set; no row may be in both.")
    .param::<Data>("other", "another part of the same data set")
    .returns("Data")
    .example(four_rows!("let halves = data.halves(0); halves[0].concat(halves[1]).n_rows"), "4")
    .fails(four_rows!("data.concat(data)"), "row a is in both")
}

fn without() -> Function {
    Function::method::<Data>("without", |call| {
        let (data, other): (Data, Data) = (call.receiver()?, call.arg(0)?);
        Ok(Dynamic::from(data.without(&other)?))
    })
    .about("The rows that share no group with another part of the same data set: fresh rows for another training.")
    .details("A row without a group of its own is a group. The order stays. Nothing may be left.")
    .param::<Data>("other", "the part that is used already")
    .returns("Data")
    .example(four_rows!("let halves = data.halves(0); data.without(halves[0]) == halves[1]"), "true")
    .fails(
        four_rows!("data.without(data::of(rows, #{ name: \"other\", test_share: 0.0 }))"),
        "`rows` and `other` are different data sets",
    )
}
