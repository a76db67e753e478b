//! Frames from files and to files, and as text for papers.

use crate::bind::prelude::*;
use crate::frames::{Format, Frame, Reading};

/// What differs between records of one sort: name, code that runs, and three texts.
type Row = (&'static str, fn(&mut Call) -> Answer, &'static str, &'static str, &'static str);

/// Lists the functions.
pub fn register(registry: &mut Registry) {
    reading(registry);
    writing(registry);
    texts(registry);
}

options! {
    /// How the text is separated.
    pub struct CsvOptions {
        /// What separates the fields, one character; a tab for `.tsv`, else a comma, without it.
        separator: Option<String> = None,
        /// What fields may be quoted with, one character, or `""` for nothing; a double quote without it.
        quote: Option<String> = None,
    }
}

options! {
    /// What is read.
    pub struct ParquetOptions {
        /// The columns, in this order; all without it. Others are not decoded.
        columns: Option<Vec<String>> = None,
        /// The column of lists or arrays of numbers that becomes `x0`, `x1`, …; every row must have as many.
        features: Option<String> = None,
    }
}

options! {
    /// How features are written.
    pub struct WriteParquetOptions {
        /// What one column of arrays of 32-bit floats is called that takes the place of `x0`, `x1`, …; columns without it.
        features: Option<String> = None,
    }
}

options! {
    /// What is known of the rows.
    pub struct NpyOptions {
        /// An id for each row, in the order of the array: the column `id`. Without it there is none.
        ids: Option<Vec<String>> = None,
    }
}

fn read(call: &Call, format: Format, reading: &Reading) -> Answer {
    Ok(Dynamic::from(Frame::read(call.ctx(), &call.arg::<String>(0)?, format, reading)?))
}

fn reading(registry: &mut Registry) {
    let path = "a file in the run's folder or else in the project, or one that was granted";
    registry.add(
        Function::new("frame", "read_csv", |call| {
            let CsvOptions { separator, quote } = call.options()?;
            read(call, Format::Csv, &Reading { separator, quote, ..Reading::default() })
        })
        .about("Reads separated text with a header: CSV, or TSV where the name ends in `.tsv`.")
        .details(
            "Kinds are told from the values: `true` and `false`, integers, floats, else text; `007`, integers beyond 64 bits \
             and the column `id` stay text. An empty field is null, `\"\"` an empty text. Blank lines are passed over; where \
             there is one column they are null, as `write_csv` writes it. UTF-8, and UTF-16 with a byte order mark. A row that \
             is too short or too long, a repeated name, a quote that does not end and mixed line ends are errors with line \
             and field. In a TSV a quoted field does not go over a line's end unless `quote` is given. `data::load` reads by \
             the same rules.",
        )
        .source("RFC 4180")
        .param::<String>("path", path)
        .options::<CsvOptions>()
        .returns("Frame: the table")
        .example("frame::of(#{ a: [1, 2] }).write_csv(\"t.csv\"); frame::read_csv(\"t.csv\").column(\"a\")", "[1, 2]")
        .fails("frame::read_csv(\"none.csv\")", "no such file or folder")
        .fails(
            "frame::of(#{ a: [1] }).write_csv(\"t.csv\"); frame::read_csv(\"t.csv\", #{ separator: \"||\" })",
            "`separator` must be one ASCII character",
        ),
    );
    registry.add(
        Function::new("frame", "read_parquet", |call| {
            let ParquetOptions { columns, features } = call.options()?;
            read(call, Format::Parquet, &Reading { columns, features, ..Reading::default() })
        })
        .about("Reads a Parquet file.")
        .details(
            "Integers of any width become `int`, or text where they go beyond 64 bits with a sign, floats `float`, categories text, \
             dates and times ISO text, in UTC where they have a zone, decimals of at most 15 digits `float` and longer ones text, which loses none. \
             Lists, structs, durations, bytes and floats of 16 bits are refused by name: name the columns that are needed, or with `features` the one that \
             holds features as other programs write them. A file that would take more than \
             2 GiB as a table is refused before it is decoded.",
        )
        .source("polars")
        .param::<String>("path", path)
        .options::<ParquetOptions>()
        .returns("Frame: the table")
        .example(
            "frame::of(#{ a: [1, 2] }).write_parquet(\"t.parquet\"); frame::read_parquet(\"t.parquet\").column(\"a\")",
            "[1, 2]",
        )
        .example(
            "frame::of(#{ a: [1], b: [2], c: [3] }).write_parquet(\"t.parquet\");\n\
             frame::read_parquet(\"t.parquet\", #{ columns: [\"c\", \"a\"] }).columns",
            "[\"c\", \"a\"]",
        )
        .example(
            "frame::of(#{ id: [\"a\"], x0: [1.0], x1: [2.5] }).write_parquet(\"t.parquet\", #{ features: \"embedding\" });\n\
             frame::read_parquet(\"t.parquet\", #{ features: \"embedding\" }).row(0)",
            "#{id: \"a\", x0: 1.0, x1: 2.5}",
        )
        .fails("frame::read_parquet(\"none.parquet\")", "no such file or folder")
        .fails(
            "frame::of(#{ a: [1] }).write_parquet(\"t.parquet\"); frame::read_parquet(\"t.parquet\", #{ features: \"a\" })",
            "features are lists or arrays of numbers",
        ),
    );
    registry.add(
        Function::new("frame", "read_npy", |call| {
            let NpyOptions { ids } = call.options()?;
            read(call, Format::Npy, &Reading { ids, ..Reading::default() })
        })
        .about("Reads an array of NumPy, rows × features, as columns `x0`, `x1`, ….")
        .details(
            "Floats of 16, 32 and 64 bits and integers of up to 32 bits, of either byte order, by rows or by columns; an array of one dimension \
             is one feature. Objects are never unpickled. Of `.npz` archives take an array out first.",
        )
        .source("numpy.lib.format, versions 1 to 3")
        .param::<String>("path", path)
        .options::<NpyOptions>()
        .returns("Frame: `id` where `ids` says so, `x0`, `x1`, …")
        .example(
            "frame::of(#{ id: [\"a\", \"b\"], x0: [1.0, 2.0] }).write_npy(\"t.npy\");\n\
             frame::read_npy(\"t.npy\", #{ ids: [\"a\", \"b\"] }).row(1)",
            "#{id: \"b\", x0: 2.0}",
        )
        .fails("frame::read_npy(\"none.npy\")", "no such file or folder")
        .fails(
            "frame::of(#{ x0: [1.0, 2.0] }).write_npy(\"t.npy\"); frame::read_npy(\"t.npy\", #{ ids: [\"a\"] })",
            "has 2 rows, `ids` has 1",
        ),
    );
    registry.add(
        Function::new("frame", "read_json", |call| read(call, Format::Json, &Reading::default()))
            .about("Reads an array of objects, or one object per line.")
            .details(
                "A field that a row lacks is null. Values of one field must be of one kind; nested values are refused. \
                 Integers beyond 64 bits make their column text, so that no digit is lost.",
            )
            .source("RFC 8259")
            .param::<String>("path", path)
            .returns("Frame: the table")
            .example(
                "frame::of(#{ a: [1, 2] }).write_json(\"t.json\"); frame::read_json(\"t.json\").column(\"a\")",
                "[1, 2]",
            )
            .fails("frame::read_json(\"none.json\")", "no such file or folder"),
    );
}

fn write(call: &Call, format: Format) -> Answer {
    call.receiver::<Frame>()?.write(call.ctx(), &call.arg::<String>(0)?, format)?;
    Ok(Dynamic::UNIT)
}

fn writing(registry: &mut Registry) {
    let rows: [Row; 2] = [
        (
            "write_csv",
            |call| write(call, Format::Csv),
            "Writes comma-separated text with a header; class names have no place in it.",
            "frame::of(#{ a: [1] }).write_csv(\"t.csv\")",
            "frame::of(#{ a: [1] }).write_csv(\"/t.csv\")",
        ),
        (
            "write_json",
            |call| write(call, Format::Json),
            "Writes an array with one object per row; NaN and infinities are refused, JSON has none, and class names have no place.",
            "frame::of(#{ a: [1] }).write_json(\"t.json\")",
            "frame::of(#{ a: [1] }).write_json(\"/t.json\")",
        ),
    ];
    let path = "in the run's folder, or where writing was granted";
    for (name, run, about, code, failing) in rows {
        registry.add(
            Function::method::<Frame>(name, run)
                .about(about)
                .details(
                    "A relative path starts at the run's folder, such as `runs/NAME-001`, which `w2s script` makes: a line on standard \
                     error says where the file is. Where there is no run it starts at the project, and writing wants \
                     `--allow-write FOLDER`; the prompt has a run with `w2s --run DIR`. The file appears whole or not at all; one \
                     of the same name is replaced.",
                )
                .source("polars")
                .param::<String>("path", path)
                .example(code, "")
                .fails(failing, "writing `/t."),
        );
    }
    registry.add(
        Function::method::<Frame>("write_parquet", |call| {
            let WriteParquetOptions { features } = call.options()?;
            let frame = call.receiver::<Frame>()?;
            let frame = features.map_or_else(|| Ok(frame.clone()), |name| frame.with_features_as(&name))?;
            frame.write(call.ctx(), &call.arg::<String>(0)?, Format::Parquet)?;
            Ok(Dynamic::UNIT)
        })
        .about("Writes a Parquet file, which keeps every kind, every null and the names of classes.")
        .details(
            "As `write_csv`. With `features` the columns `x0`, `x1`, … become one column of arrays of 32-bit floats, as other programs hold embeddings.",
        )
        .source("polars")
        .param::<String>("path", path)
        .options::<WriteParquetOptions>()
        .example("frame::of(#{ a: [1] }).write_parquet(\"t.parquet\")", "")
        .example("frame::of(#{ id: [\"a\"], x0: [1.0], x1: [2.0] }).write_parquet(\"t.parquet\", #{ features: \"embedding\" })", "")
        .fails("frame::of(#{ a: [1] }).write_parquet(\"/t.parquet\")", "writing `/t.")
        .fails("frame::of(#{ a: [1] }).write_parquet(\"t.parquet\", #{ features: \"e\" })", "there are no features: no column `x0`"),
    );
    registry.add(
        Function::method::<Frame>("write_npy", |call| write(call, Format::Npy))
            .about("Writes the features `x0`, `x1`, … as an array of NumPy: rows × features, 32-bit floats, in the order of the rows.")
            .details(
                "As `write_csv`. An array cannot hold other columns such as `id`: write them to a CSV file as well. Hidden states are floats of \
                 32 bits and lose nothing; other numbers are rounded, and those beyond 32 bits refused. `numpy.load(path)` reads it.",
            )
            .source("numpy.save, byte for byte")
            .param::<String>("path", path)
            .example("frame::of(#{ id: [\"a\"], x0: [1.0], x1: [2.0] }).write_npy(\"t.npy\")", "")
            .fails("frame::of(#{ x0: [1.0] }).write_npy(\"/t.npy\")", "writing `/t.")
            .fails("frame::of(#{ a: [1] }).write_npy(\"t.npy\")", "there are no features: no column `x0`"),
    );
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
