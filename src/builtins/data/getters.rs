//! What a data set says about itself, and its inputs as a frame.

use crate::bind::prelude::*;
use crate::data::{Data, DataError};

/// The records.
pub fn functions() -> Vec<Function> {
    vec![
        Function::getter::<Data>("train", |call| side(call, "train", Data::train))
            .about("The training rows.")
            .returns("Data")
            .example("data::load(\"world/subject\", #{ seed: 0, n_train: 8, n_test: 4 }).train.n_rows", "8")
            .fails(
                "data::of([#{ text: \"a\", label: 0, split: \"test\" }, #{ text: \"b\", label: 1, split: \"test\" }]).train",
                "`rows` has no train rows",
            ),
        Function::getter::<Data>("test", |call| side(call, "test", Data::test))
            .about("The test rows: for evaluation only, `finetune` refuses them.")
            .returns("Data")
            .example("data::load(\"world/subject\", #{ seed: 0, n_train: 8, n_test: 4 }).test.n_rows", "4")
            .fails(
                "data::of([#{ text: \"a\", label: 0 }, #{ text: \"b\", label: 1 }], #{ test_share: 0.0 }).test",
                "`rows` has no test rows",
            ),
        Function::getter::<Data>("vault", |call| side(call, "vault", Data::vault))
            .about("The vault rows: to be predicted and then scored by `metric::vault`; their truth is not read.")
            .returns("Data")
            .example("data::load(\"world/subject\", #{ seed: 0, n_train: 8, n_test: 8, vault: 4 }).vault.n_rows", "4")
            .fails("data::load(\"world/subject\", #{ seed: 0, n_train: 8, n_test: 8 }).vault", "`world/subject` has no vault rows")
            .fails(
                "data::load(\"world/subject\", #{ seed: 0, n_train: 8, n_test: 8, vault: 4 }).vault.truth(\"mine\")",
                "would read the classes of 4 vault rows of `world/subject`, which are scored and never read",
            ),
        Function::getter::<Data>("n_rows", |call| Ok(Dynamic::from(call.receiver::<Data>()?.len() as INT)))
            .about("How many rows.")
            .returns("integer")
            .example("data::load(\"world/subject\", #{ seed: 0, n_train: 8, n_test: 4 }).n_rows", "12"),
        Function::getter::<Data>("classes", |call| {
            let data: Data = call.receiver()?;
            Ok(Dynamic::from(data.classes().iter().map(|class| Dynamic::from(class.clone())).collect::<Array>()))
        })
        .about("Class names; a class's place is its index in labels and predictions.")
        .details("Of preferences the places of the continuations: `first`, `second`, …. Empty where nothing of the kind is asked.")
        .returns("array of string")
        .example(
            "data::of([#{ text: \"a\", label: \"no\" }, #{ text: \"b\", label: \"yes\" }], #{ test_share: 0.0 }).classes",
            "[\"no\", \"yes\"]",
        ),
        Function::getter::<Data>("input", |call| Ok(Dynamic::from(call.receiver::<Data>()?.input().name())))
            .about("What the rows hold: \"text\", \"tokens\", \"prompt\" (with continuations) or \"features\".")
            .returns("string")
            .example("data::load(\"world/preference\", #{ seed: 0, n_train: 8, n_test: 4 }).input", "prompt"),
        Function::getter::<Data>("target", |call| Ok(Dynamic::from(call.receiver::<Data>()?.target().name())))
            .about("What is asked of the rows: \"classes\", \"preference\" (which continuation), \"answer\" or \"none\".")
            .returns("string")
            .example("data::load(\"world/subject\", #{ seed: 0, n_train: 8, n_test: 4 }).target", "classes"),
        Function::getter::<Data>("name", |call| Ok(Dynamic::from(call.receiver::<Data>()?.name().to_owned())))
            .about("The data set's name.")
            .returns("string")
            .example("data::load(\"world/subject\", #{ seed: 0, n_train: 8, n_test: 4 }).name", "world/subject"),
        Function::getter::<Data>("digest", |call| Ok(Dynamic::from(call.receiver::<Data>()?.digest().to_hex())))
            .about("The digest of the rows' content, their truth and their order.")
            .returns("string: 64 hexadecimal characters")
            .example("data::load(\"world/subject\", #{ seed: 0, n_train: 8, n_test: 4 }).digest.len()", "64"),
        Function::method::<Data>("frame", |call| Ok(Dynamic::from(call.receiver::<Data>()?.frame()?)))
            .about("The inputs as a frame: `id`, `text`, `group`, `split`, `difficulty` (null where unknown); no truth.")
            .details("In place of `text`: `tokens` (numbers with spaces between), `prompt` with `continuation0`, `continuation1`, …, or \
                      features as `x0`, `x1`, …. Filter the frame and hand it to `Data.filter` to choose rows, such as the easy ones.")
            .returns("Frame: a row per row of the data")
            .example("data::of([#{ text: \"a\", label: 0 }, #{ text: \"b\", label: 1 }], #{ test_share: 0.0 }).frame()", "")
            .example(
                "data::load(\"world/preference\", #{ seed: 0, n_train: 8, n_test: 4 }).frame().columns",
                "[\"id\", \"prompt\", \"continuation0\", \"continuation1\", \"group\", \"split\", \"difficulty\"]",
            ),
    ]
}

fn side(call: &Call, side: &str, of: fn(&Data) -> Data) -> Answer {
    let data: Data = call.receiver()?;
    let rows = of(&data);
    if rows.is_empty() {
        return Err(DataError::NoRows { name: data.name().into(), what: format!("{side} rows") }.into());
    }
    Ok(Dynamic::from(rows))
}
