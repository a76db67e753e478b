//! `data::files`: where a split of a data set lies in a folder that is laid out as the hub lays out data sets.

use crate::bind::prelude::*;
use crate::data::splits;

options! {
    /// Which part of the data set.
    pub struct FilesOptions {
        /// The configuration, as the hub calls a data set's parts; `default` and none are the same.
        config: Option<String> = None,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("data", "files", run)
        .about("The files of a split in a folder laid out as the hub lays out data sets.")
        .details(
            "Looked for in this order, where `CONFIG` is left out for `default`: `CONFIG/SPLIT/*.parquet` (the hub's branch \
             `refs/convert/parquet`), `CONFIG/SPLIT-*.parquet`, `data/SPLIT-*.parquet`, `CONFIG/data/SPLIT-*.parquet`, `SPLIT-*.parquet`, and one file \
             `CONFIG/SPLIT` or `SPLIT` that ends in .parquet, .jsonl, .ndjson, .csv or .tsv. A folder of the hub's cache \
             (`datasets--OWNER--NAME`) is read at its `refs/main`. Shards that count themselves (`train-00000-of-00002`) must all \
             be there. `hub:datasets/OWNER/NAME` is the data set that `w2s fetch` of the same name brought.",
        )
        .param::<String>("folder", "the data set's folder, in the run's folder or else in the project; or `hub:datasets/OWNER/NAME`")
        .param::<String>("split", "`train`, `validation` or whatever it is called there")
        .options::<FilesOptions>()
        .returns("array of string: paths for `data::load`")
        .example(
            "let f = frame::of([#{ text: \"good\", label: \"yes\" }]);\n\
             f.write_parquet(\"train.parquet\");\n\
             data::files(\".\", \"train\")",
            "[\"./train.parquet\"]",
        )
        .fails("data::files(\"hub:datasets/nobody/nothing\", \"train\")", "`hub:datasets/nobody/nothing` was not fetched")
        .fails("data::files(\"nowhere\", \"train\")", "`nowhere`: no such file or folder")
        .fails("data::files(\".\", \"validation\")", "has no files of the split `validation`")
}

fn run(call: &mut Call) -> Answer {
    let (folder, split): (String, String) = (call.arg(0)?, call.arg(1)?);
    let options: FilesOptions = call.options()?;
    let config = options.config.filter(|config| config != "default");
    let files = splits::files(call.ctx(), &folder, config.as_deref(), &split)?;
    Ok(files.into_iter().map(Dynamic::from).collect::<Array>().into())
}
