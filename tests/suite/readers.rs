//! Files as strangers write them, through a script: the right value from both readers, or an error that says where and why.

use crate::support::{root, session_in};
use std::path::Path;
use w2s::frames::parquet::{Choice, read};
use w2s::frames::{Format, Frame};
use w2s::lang::Session;

/// What the code gives as a script shows it, or the message and the hint.
fn says(session: &mut Session, code: &str) -> String {
    match session.eval(code) {
        // A long array is shown with a line for each item.
        Ok(value) => w2s::bind::show(&value).replace("[\n", "[").replace(",\n", ", ").replace("\n]", "]"),
        Err(error) => format!("{} / {}", error.message, error.hint.clone().unwrap_or_default()),
    }
}

fn with_file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, Session) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(name), bytes).expect("written");
    let session = session_in(folder.path());
    (folder, session)
}

/// Reads the text as a frame and as a data set; what the frame's rows are, and what the set's texts are.
fn both(name: &str, bytes: &[u8], options: &str) -> [String; 2] {
    let (_folder, mut session) = with_file(name, bytes);
    let comma = if options.is_empty() { "" } else { ", " };
    [
        says(&mut session, &format!("frame::read_csv(\"{name}\", #{{ {options} }}).rows()")),
        says(
            &mut session,
            &format!(
                "let d = data::load(\"{name}\", #{{ classes: [\"0\", \"1\"], test_share: 0.0{comma}{options} }});\n\
                 d.frame().rows().map(|row| row.text)"
            ),
        ),
    ]
}

#[test]
fn both_readers_take_the_same_text_for_the_same_rows() {
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain("text,label\nü,0\nb,1\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let tables: [(&str, &[u8], &str); 9] = [
        ("a.csv", b"text,label\na,0\nb,1\n", "a"),
        ("a.csv", b"text,label\n\na,0\n\n\nb,1\n\n", "a"),
        ("a.csv", b"text,label\ra,0\rb,1\r", "a"),
        ("a.csv", b"text,label\r\na,0\r\nb,1", "a"),
        ("a.csv", b"\xef\xbb\xbftext,label\na,0\nb,1\n", "a"),
        ("a.csv", &utf16, "ü"),
        ("a.csv", b"text,label\n\"a\",0\nb,1\n", "a"),
        ("a.tsv", b"text\tlabel\na\t0\nb\t1\n", "a"),
        ("a.csv", b"text,label\r\n\"a\nc\",0\r\nb,1\r\n", "a\\nc"),
    ];
    for (name, bytes, first) in tables {
        let [rows, texts] = both(name, bytes, "");
        assert_eq!(rows, format!("[#{{label: 0, text: \"{first}\"}}, #{{label: 1, text: \"b\"}}]"), "{bytes:?}");
        assert_eq!(texts, format!("[\"{first}\", \"b\"]"), "{bytes:?}");
    }
    let [rows, texts] = both("a.csv", b"text;label\n'a;c';0\nb;1\n", "separator: \";\", quote: \"'\"");
    assert_eq!(
        (rows.as_str(), texts.as_str()),
        ("[#{label: 0, text: \"a;c\"}, #{label: 1, text: \"b\"}]", "[\"a;c\", \"b\"]")
    );
    let [rows, _] = both("a.tsv", b"text\tlabel\n\"a\t0\nb\"\t1\n", "quote: \"\"");
    assert_eq!(rows, "[#{label: 0, text: \"\\\"a\"}, #{label: 1, text: \"b\\\"\"}]");
}

#[test]
fn both_readers_refuse_the_same_text_in_the_same_place() {
    let tables: [(&str, &[u8], &str); 15] = [
        ("a.csv", b"text,label\na,0\nb\n", "`a.csv` line 3: has 1 fields, the header has 2"),
        ("a.csv", b"text,label\na,0\nb,1,2\n", "`a.csv` line 3: has 3 fields, the header has 2"),
        ("a.csv", b"text,label\r\na\nc,0\r\n", "`a.csv` line 2, field `text`: ends with a line feed"),
        (
            "a.csv",
            b"text,label\na,0\r\nb,1\n",
            "`a.csv` line 2, field `label`: ends with carriage return and line feed",
        ),
        ("a.csv", b"text,text\na,0\n", "`a.csv` line 1: the column `text` occurs twice"),
        ("a.csv", b"text,label\na,0\ntext,label\nb,1\n", "`a.csv` line 3: repeats the header"),
        ("a.csv", b",text\n0,a\n", "`a.csv` line 1: column 1 has no name"),
        ("a.csv", b"text,label\n\"a,0\nb,1\n", "`a.csv` line 2, field `text`: the quoted field does not end"),
        ("a.csv", b"text,label\n\"a\"b,0\n", "`a.csv` line 2, field `text`: text follows the end of the quoted field"),
        (
            "a.tsv",
            b"id\ttext\n1\t\"a\n2\tb\"\n",
            "`a.tsv` line 2, field `text`: the quoted field goes on over the line's end",
        ),
        ("a.csv", b"text,label\na,0\n\xe9,1\n", "`a.csv` line 3: is not UTF-8 text / save it as UTF-8"),
        ("a.csv", b"t\0e\0x\0t\0\n\0a\0\n\0", "`a.csv`: looks like UTF-16 text without a byte order mark"),
        ("a.csv", b"text;label\na;0\n", "name what separates the fields: #{ separator: \";\" }"),
        ("a.tsv", b"text,label\na,0\n", "name what separates the fields: #{ separator: \",\" }"),
        ("a.csv", b"", "`a.csv`: is empty"),
    ];
    for (name, bytes, part) in tables {
        for said in both(name, bytes, "") {
            assert!(said.contains(part), "{said}\n  is not\n{part}");
        }
    }
    for said in both("a.csv", b"text\na\n", "separator: \"ab\"") {
        assert!(said.contains("`separator` must be one ASCII character, got `ab`"), "{said}");
    }
}

#[test]
fn numbers_are_numbers_for_functions_of_a_row_from_both_readers() {
    let csv =
        b"text,year,share,flag,zip,hash,label\na,1999,0.5,true,007,18446744073709551616,x\nb,2001,,false,010,1,y\n";
    let (_folder, mut session) = with_file("a.csv", csv);
    let options = "#{ test_share: 0.0, text: |row| `${row.year > 2000} ${row.share ?? \"\"} ${row.flag} ${row.zip} ${row.hash}` }";
    let texts = ".frame().rows().map(|row| row.text)";
    let expected = "[\"false 0.5 true 007 18446744073709551616\", \"true  false 010 1\"]";
    assert_eq!(says(&mut session, &format!("data::load(\"a.csv\", {options}){texts}")), expected);
    assert_eq!(says(&mut session, &format!("data::of(frame::read_csv(\"a.csv\"), {options}){texts}")), expected);
    // A column that is named is taken as the file writes it.
    let (_folder, mut session) = with_file("a.csv", b"text,label\n1.50,1.0\n2,2.0\n");
    assert_eq!(says(&mut session, "data::load(\"a.csv\", #{ test_share: 0.0 }).classes"), "[\"1.0\", \"2.0\"]");
}

#[test]
fn integers_that_no_number_holds_keep_their_digits() {
    let (_folder, mut session) =
        with_file("a.csv", b"n,x\n9223372036854775808,9007199254740993\n9223372036854775809,0.5\n");
    let distinct = "let f = frame::read_csv(\"a.csv\"); [f.unique(\"n\").height, f.column(\"x\")]";
    assert_eq!(says(&mut session, distinct), "[2, [\"9007199254740993\", \"0.5\"]]");
    let (_folder, mut session) = with_file("a.json", b"\xef\xbb\xbf[{\"n\": 9223372036854775808}, {\"n\": 1}]");
    assert_eq!(says(&mut session, "frame::read_json(\"a.json\").column(\"n\")"), "[\"9223372036854775808\", \"1\"]");
    let (_folder, mut session) = with_file(
        "a.jsonl",
        b"{\"text\": \"a\", \"id\": 18446744073709551615}\n{\"text\": \"b\", \"id\": 36893488147419103232}\n",
    );
    let ids = "data::load(\"a.jsonl\", #{ classes: [\"0\", \"1\"], test_share: 0.0 }).frame().rows().map(|row| row.id)";
    assert_eq!(says(&mut session, ids), "[\"18446744073709551615\", \"36893488147419103232\"]");
}

#[test]
fn json_is_bounded_in_fields_and_depth() {
    let lines: Vec<String> =
        (0..40_000).map(|idx| format!("{{\"text\": \"a\", \"label\": {}, \"k{idx}\": 1}}", idx % 2)).collect();
    let (_folder, mut session) = with_file("a.jsonl", lines.join("\n").as_bytes());
    let load = "data::load(\"a.jsonl\", #{ test_share: 0.0, text: |row| row.text })";
    let said = says(&mut session, load);
    assert!(said.contains("is one of many lines that have few of") && said.contains("name the columns"), "{said}");
    let said = says(&mut session, "data::load(\"a.jsonl\", #{ test_share: 0.0 })");
    assert!(said.contains("adds a field to 10000, the most that are read"), "{said}");
    let said = says(&mut session, "frame::read_json(\"a.jsonl\")");
    assert!(said.contains("is one field more than 10000, the most that are read"), "{said}");
    for (name, call) in [("a.jsonl", "data::load(\"a.jsonl\")"), ("a.json", "frame::read_json(\"a.json\")")] {
        let deep = format!("{{\"text\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let (_folder, mut session) = with_file(name, deep.as_bytes());
        let said = says(&mut session, call);
        assert!(said.contains("nested more than 128 deep") || said.contains("an array does not fit"), "{said}");
    }
}

#[test]
fn a_frame_of_one_column_comes_back_with_its_nulls() {
    let (_folder, mut session) = with_file("a.csv", b"x");
    let code = "frame::of(#{ a: [1, (), 3, ()] }).write_csv(\"t.csv\"); frame::read_csv(\"t.csv\").column(\"a\")";
    assert_eq!(says(&mut session, code), "[1, (), 3, ()]");
}

fn stored(name: &str) -> Vec<u8> {
    std::fs::read(root().join("tests/reference").join(name)).expect("a file of tests/reference/parquet.py")
}

#[test]
fn parquet_types_become_what_a_frame_holds() {
    let (_folder, mut session) = with_file("t.parquet", &stored("types.parquet"));
    let columns = [
        ("text", "[\"a\", \"b\", \"a\", \"c\"]"),
        ("label", "[0, 1, 0, 1]"),
        ("price", "[1.25, -0.1, (), 3.0]"),
        ("big", "[\"12345678901234567.89\", \"0.01\", (), \"-1.00\"]"),
        ("day", "[\"2024-01-31\", \"1969-12-31\", (), \"0001-01-01\"]"),
        (
            "when",
            "[\"2024-01-31 12:30:00.000000\", (), \"1970-01-01 00:00:00.000000\", \"1970-01-01 00:00:00.000005\"]",
        ),
        ("utc", "[\"2024-01-31 12:30:00.000000+00:00\"]"),
        ("berlin", "[\"2024-01-31 12:30:00.000000+00:00\"]"),
        ("time", "[\"01:02:03\"]"),
        ("hash", "[\"0\", \"1\", \"9223372036854775808\", \"18446744073709551615\"]"),
        ("count", "[0, 1, 2, 3]"),
        ("nothing", "[(), (), (), ()]"),
    ];
    for (column, expected) in columns {
        let read = format!("frame::read_parquet(\"t.parquet\", #{{ columns: [\"{column}\"] }})");
        // Columns of one value are written once above.
        let code = if expected.contains(',') {
            format!("{read}.column(\"{column}\")")
        } else {
            format!("{read}.unique().column(\"{column}\")")
        };
        assert_eq!(says(&mut session, &code), expected, "{column}");
    }
    for (column, dtype) in [
        ("point", "struct[2]"),
        ("items", "list[i64]"),
        ("raw", "binary"),
        ("pair", "array[f32, 2]"),
        ("half", "float16"),
    ] {
        let code = format!("frame::read_parquet(\"t.parquet\", #{{ columns: [\"{column}\"] }})");
        let said = says(&mut session, &code);
        let expected = format!("column `{column}` has the type `{dtype}`, which a frame cannot hold");
        assert!(said.contains(&expected), "{said}");
    }
    let said = says(&mut session, "frame::read_parquet(\"t.parquet\")");
    assert!(
        said.contains("which a frame cannot hold / name the columns that are needed: #{ columns: [\"text\", "),
        "{said}"
    );
    let said = says(&mut session, "frame::read_parquet(\"t.parquet\", #{ columns: [\"txt\"] })");
    assert!(said.contains("there is no column `txt` / did you mean `text`?"), "{said}");
}

#[test]
fn a_column_of_arrays_or_lists_becomes_features_and_features_one_column() {
    let (folder, mut session) = with_file("t.parquet", &stored("types.parquet"));
    // `pair` is a list of fixed size of pyarrow's, `items` one of any size with nulls among the rows.
    let code = "frame::read_parquet(\"t.parquet\", #{ columns: [\"pair\", \"label\"], features: \"pair\" }).row(3)";
    assert_eq!(says(&mut session, code), "#{label: 1, x0: 1.0, x1: 2.0}");
    let code = "frame::read_parquet(\"t.parquet\", #{ columns: [\"items\"], features: \"items\" })";
    let said = says(&mut session, code);
    assert!(
        said.contains("column `items` has 0 numbers in row 1, in the first row 2: features have one length"),
        "{said}"
    );
    let said = says(&mut session, "frame::read_parquet(\"t.parquet\", #{ columns: [\"label\"], features: \"pair\" })");
    assert!(said.contains("there is no column `pair`"), "{said}");
    let code = "let f = frame::of(#{ id: [\"a\", \"b\"], x0: [1.5, -2.0], x1: [0.0, 0.25], label: [0, 1] });\n\
                f.write_parquet(\"f.parquet\", #{ features: \"embedding\" });\n\
                frame::read_parquet(\"f.parquet\", #{ features: \"embedding\" }).digest == f.digest";
    assert_eq!(says(&mut session, code), "true");
    let written = std::fs::read(folder.path().join("f.parquet")).expect("written");
    let choice = Choice { nested: true, ..Choice::default() };
    assert_eq!(
        read(written, choice).expect("reads").table.column("embedding").expect("there").dtype().to_string(),
        "array[f32, 2]"
    );
}

#[test]
fn a_data_set_reads_the_columns_that_it_needs() {
    let (_folder, mut session) = with_file("t.parquet", &stored("types.parquet"));
    assert_eq!(says(&mut session, "data::load(\"t.parquet\", #{ test_share: 0.0 })"), "t.parquet: train 4 (0 2, 1 2)");
    let code = "data::load(\"t.parquet\", #{ test_share: 0.0, text: |row| `${row.point ?? 0} ${row.items ?? 0} ${row.price ?? 0}` })\n\
                .frame().rows()[0].text";
    assert_eq!(says(&mut session, code), "#{x: 1, y: \"q\"} [1, 2] 1.25");
    let said = says(&mut session, "data::load(\"t.parquet\", #{ text: \"raw\" })");
    assert!(said.contains("column `raw` has the type `binary`"), "{said}");
}

#[test]
fn files_of_a_split_may_hold_columns_that_nobody_asks_for() {
    for name in ["a.csv", "a.jsonl"] {
        let rows: [&[u8]; 2] = if name == "a.csv" {
            [b"text,other,label\na,x,0\nb,y,1\n", b"more,text,label\n1,c,0\n2,d,1\n"]
        } else {
            [
                b"{\"text\": \"a\", \"other\": 1, \"label\": 0}\n{\"text\": \"b\", \"label\": 1}\n",
                b"{\"more\": [1], \"text\": \"c\", \"label\": 0}\n{\"text\": \"d\", \"label\": 1, \"other\": 2}\n",
            ]
        };
        let (folder, mut session) = with_file(name, rows[0]);
        std::fs::write(folder.path().join(format!("test-{name}")), rows[1]).expect("written");
        let code = format!(
            "let d = data::load(#{{ train: \"{name}\", test: \"test-{name}\" }}); \
             [d.train.frame().column(\"text\"), d.test.frame().column(\"text\"), d.test.truth(\"a test\").column(\"label\")]"
        );
        assert_eq!(
            says(&mut session, &code).split_whitespace().collect::<String>(),
            "[[\"a\",\"b\"],[\"c\",\"d\"],[0,1]]"
        );
    }
}

#[test]
fn a_small_file_that_would_be_a_large_table_is_refused_before_it_is_decoded() {
    let (_folder, mut session) = with_file("t.parquet", &stored("constant.parquet"));
    let said = says(&mut session, "frame::read_parquet(\"t.parquet\")");
    assert!(said.contains("would take about 8697 MiB as a table, at most 2048 are read"), "{said}");
    let said = says(&mut session, "data::load(\"t.parquet\", #{ text: |row| row.c0 })");
    assert!(said.contains("MiB as a table"), "{said}");
}

#[test]
fn damaged_parquet_is_an_error_whatever_the_damage() {
    let csv: String =
        (0..500).map(|idx| format!("{idx},{}.5,text {idx} of some length,{}\n", idx % 7, idx % 2 == 0)).collect();
    let own = Frame::from_bytes(format!("n,x,text,flag\n{csv}").into_bytes(), Format::Csv).expect("a table");
    let own = own.to_bytes(Format::Parquet).expect("written");
    let choice = Choice { only: None, nested: true, lenient: true };
    for whole in [stored("types.parquet"), own] {
        assert!(read(whole.clone(), choice).is_ok());
        let mut random = w2s::core::random::Random::new(7, "damage");
        let (mut n_read, mut n_refused) = (0, 0);
        for _ in 0..3000 {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                bytes[at] = random.below(256) as u8;
            }
            match read(bytes, choice) {
                Ok(_) => n_read += 1,
                Err(_) => n_refused += 1,
            }
        }
        // Some damage is to values or statistics, which no reader can know.
        assert!(n_read > 100 && n_refused > 100, "{n_read} {n_refused}");
    }
}

#[test]
fn a_missing_file_says_where_it_was_looked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = session_in(folder.path());
    for code in ["frame::read_csv(\"nope.csv\")", "data::load(\"nope.csv\")"] {
        let said = says(&mut session, code);
        assert!(
            said.starts_with("`nope.csv`: no such file or folder / it was looked for in the run's folder `"),
            "{said}"
        );
        assert!(said.contains(", then in the project `"), "{said}");
    }
}

#[test]
fn a_text_that_is_too_long_names_its_own_column() {
    let long = "x".repeat((1 << 20) + 1);
    let (_folder, mut session) = with_file("a.csv", format!("headline,label\na,0\n{long},1\n").as_bytes());
    let said = says(&mut session, "data::load(\"a.csv\", #{ text: \"headline\" })");
    assert!(
        said.contains("`a.csv` line 3, field `headline`: expected text of at most 1048576 bytes, got 1048577 bytes"),
        "{said}"
    );
}

#[test]
fn what_is_asked_for_beyond_the_rows_names_its_option() {
    let (_folder, mut session) = with_file("a.csv", b"text,label\na,0\nb,1\nc,0\nd,1\n");
    let load = "data::load(\"a.csv\", #{ test_share: 0.5, n_test: 3 })";
    assert!(
        says(&mut session, load).starts_with("`n_test` is 3, `a.csv` has 2 test rows"),
        "{}",
        says(&mut session, load)
    );
    let sample = "data::load(\"a.csv\").sample(800, 0)";
    assert!(says(&mut session, sample).starts_with("`n` is 800, `a.csv` has 4 rows"), "{}", says(&mut session, sample));
}

#[test]
fn a_long_load_shows_how_far_it_is() {
    use std::sync::{Arc, Mutex};
    use w2s::core::context::{Context, Event};
    use w2s::data::read::{Reading, read_file};
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.jsonl");
    let line = format!("{{\"text\": \"{}\", \"label\": 0}}\n", "x".repeat(1 << 20));
    std::fs::write(&path, line.repeat(70)).expect("written");
    let (ctx, seen) = (Context::for_tests(), Arc::new(Mutex::new(Vec::new())));
    let events = seen.clone();
    ctx.listen(move |event| {
        let word = match event {
            Event::Started { what, total } => format!("{what} {total}"),
            Event::Progress { done, .. } => format!("{done}"),
            Event::Ended { .. } => "ended".to_owned(),
            _ => return,
        };
        events.lock().unwrap().push(word);
    });
    let records = read_file(&ctx, "a.jsonl", Path::new(&path), &Reading::default()).expect("reads");
    assert_eq!((records.len(), records.at(69)), (70, 70));
    let seen = seen.lock().unwrap();
    let [first, done @ .., last] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((first.as_str(), last.as_str()), ("load a.jsonl 70", "ended"));
    let done: Vec<u64> = done.iter().map(|mib| mib.parse().expect("a number")).collect();
    assert!(done.len() >= 10 && done.is_sorted() && done.last() == Some(&70), "{done:?}");
}
