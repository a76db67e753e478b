//! Frames from files and to files, and as text for papers.

use crate::bind::prelude::*;
use crate::frames::{Format, Frame};

/// What differs between records of one sort: name, code that runs, and three texts.
type Row = (&'static str, fn(&mut Call) -> Answer, &'static str, &'static str, &'static str);

/// Lists the functions.
pub fn register(registry: &mut Registry) {
    reading(registry);
    writing(registry);
    texts(registry);
}

fn read(call: &Call, format: Format) -> Answer {
    Ok(Dynamic::from(Frame::read(call.ctx(), &call.arg::<String>(0)?, format)?))
}

fn reading(registry: &mut Registry) {
    let rows: [Row; 3] = [
        (
            "read_csv",
            |call| read(call, Format::Csv),
            "Reads comma-separated text with a header.",
            "Kinds are told from the values: `true` and `false`, integers, floats, else text; `007` and the column `id` stay \
             text. An empty field is null, `\"\"` an empty text.",
            "frame::of(#{ a: [1, 2] }).write_csv(\"t.csv\"); frame::read_csv(\"t.csv\").column(\"a\")",
        ),
        (
            "read_parquet",
            |call| read(call, Format::Parquet),
            "Reads a Parquet file.",
            "Integers and floats of any width become `int` and `float`, dates and times text; lists and structs are refused. \
             Class names that `write_parquet` wrote come back.",
            "frame::of(#{ a: [1, 2] }).write_parquet(\"t.parquet\"); frame::read_parquet(\"t.parquet\").column(\"a\")",
        ),
        (
            "read_json",
            |call| read(call, Format::Json),
            "Reads an array of objects, or one object per line.",
            "A field that a row lacks is null. Values of one field must be of one kind; nested values are refused. Integers in \
             `id` stay integers; where rows are joined with a column of text, by a metric or in training, they are read as \
             their digits, and `join` asks for `.cast(\"string\")`.",
            "frame::of(#{ a: [1, 2] }).write_json(\"t.json\"); frame::read_json(\"t.json\").column(\"a\")",
        ),
    ];
    for (name, run, about, details, code) in rows {
        let (code, failing) = match name {
            "read_csv" => (code, "frame::read_csv(\"none.csv\")"),
            "read_parquet" => (code, "frame::read_parquet(\"none.parquet\")"),
            _ => (code, "frame::read_json(\"none.json\")"),
        };
        registry.add(
            Function::new("frame", name, run)
                .about(about)
                .details(details)
                .source("polars")
                .param::<String>("path", "a file in the run's folder or else in the project, or one that was granted")
                .returns("Frame: the table")
                .example(code, "[1, 2]")
                .fails(failing, "no such file or folder"),
        );
    }
}

fn write(call: &Call, format: Format) -> Answer {
    call.receiver::<Frame>()?.write(call.ctx(), &call.arg::<String>(0)?, format)?;
    Ok(Dynamic::UNIT)
}

fn writing(registry: &mut Registry) {
    let rows: [Row; 3] = [
        (
            "write_csv",
            |call| write(call, Format::Csv),
            "Writes comma-separated text with a header; class names have no place in it.",
            "frame::of(#{ a: [1] }).write_csv(\"t.csv\")",
            "frame::of(#{ a: [1] }).write_csv(\"/t.csv\")",
        ),
        (
            "write_parquet",
            |call| write(call, Format::Parquet),
            "Writes a Parquet file, which keeps every kind, every null and the names of classes.",
            "frame::of(#{ a: [1] }).write_parquet(\"t.parquet\")",
            "frame::of(#{ a: [1] }).write_parquet(\"/t.parquet\")",
        ),
        (
            "write_json",
            |call| write(call, Format::Json),
            "Writes an array with one object per row; NaN and infinities are refused, JSON has none, and class names have no place.",
            "frame::of(#{ a: [1] }).write_json(\"t.json\")",
            "frame::of(#{ a: [1] }).write_json(\"/t.json\")",
        ),
    ];
    for (name, run, about, code, failing) in rows {
        registry.add(
            Function::method::<Frame>(name, run)
                .about(about)
                .details(
                    "A relative path starts at the run's folder, or at the project where there is no run. The file appears \
                     whole or not at all; one of the same name is replaced.",
                )
                .source("polars")
                .param::<String>("path", "in the run's folder, or where writing was granted")
                .example(code, "")
                .fails(failing, "writing `/t."),
        );
    }
}

options! {
    /// How a table is set.
    pub struct TextOptions {
        /// Shows `x`, `x_low` and `x_high` as one column `x [low, high]`.
        intervals: bool = true,
    }
}

fn texts(registry: &mut Registry) {
    registry.add(
        Function::method::<Frame>("to_markdown", |call| {
            let options: TextOptions = call.options()?;
            Ok(Dynamic::from(call.receiver::<Frame>()?.to_markdown(options.intervals)?))
        })
        .about("The table in Markdown, numbers rounded alike within a column.")
        .options::<TextOptions>()
        .returns("string: a header, a rule and a line per row")
        .example("frame::of(#{ a: [1, 2] }).to_markdown()", "| a |\n| ---: |\n| 1 |\n| 2 |\n")
        .fails("frame::of(#{ a: [1] }).to_markdown(#{ interval: false })", "has no option `interval`"),
    );
    registry.add(
        Function::method::<Frame>("to_latex", |call| {
            let options: TextOptions = call.options()?;
            Ok(Dynamic::from(call.receiver::<Frame>()?.to_latex(options.intervals)?))
        })
        .about("The table as a LaTeX `tabular` with the rules of `booktabs`.")
        .options::<TextOptions>()
        .returns("string: the environment, to be put into a `table`")
        .example("frame::of(#{ share: [0.5] }).to_latex().contains(\"\\\\toprule\")", "true")
        .fails("frame::of(#{ a: [1] }).to_latex(1)", "the options of `Frame.to_latex` must be an object map"),
    );
    registry.add(
        Function::method::<Frame>("to_csv", |call| Ok(Dynamic::from(call.receiver::<Frame>()?.to_csv()?)))
            .about("The table as comma-separated text with a header, numbers in full.")
            .returns("string: a null is empty, an empty text `\"\"`")
            .example("frame::of(#{ a: [0.1, ()], b: [\"x\", \"\"] }).to_csv()", "a,b\n0.1,x\n,\"\"\n"),
    );
}
