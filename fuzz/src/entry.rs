//! What is fuzzed: each reader of strangers' bytes as one function from bytes to what the reader says. Included by the fuzz targets and by the
//! replay of mutated seeds in `tests/suite/mutated.rs`.

use std::path::Path;
use std::sync::Arc;
use w2s::core::context::{Access, Context, Memo, Settings};
use w2s::frames::parquet::{Choice, read as read_parquet};
use w2s::frames::{Format, Frame, Reading};
use w2s::lang::limits::Limits;
use w2s::lang::{Session, Setup};
use w2s::models::{Encoder, Files, HfFiles, Keep, Model, ModelError};
use w2s::record::{Kept, Record};
use w2s::store::{Store, StoreSession};

/// A reader: what it read in a word, or the error's text.
pub type Entry = fn(&[u8]) -> Result<String, String>;

/// Every reader by name.
pub const ALL: &[(&str, Entry)] = &[
    ("csv", csv),
    ("tsv", tsv),
    ("jsonl", jsonl),
    ("parquet", parquet),
    ("safetensors", safetensors),
    ("gguf", gguf),
    ("onnx", onnx),
    ("tokenizer", tokenizer),
    ("config", config),
    ("record", record),
    ("bundle", bundle),
    ("archive", archive),
    ("script", script),
];

/// What is wrong with what the reader called `name` answered to `bytes`, if anything.
pub fn complaint(name: &str, bytes: &[u8], answer: &Result<String, String>) -> Option<String> {
    let error = answer.as_ref().err()?;
    // An error quotes what was read: fuzzing learns these words and puts them there.
    let says = |words: &str| error.contains(words) && !bytes.windows(words.len()).any(|part| part == words.as_bytes());
    if says("panicked") || error.starts_with("bug/") || says("defect of w2s") {
        return Some(format!("a panic behind a wall: {error}"));
    }
    // Of a binary file whatever its library says of it; of text a file, a field or a line.
    let is_text = ["csv", "tsv", "jsonl", "config", "record", "tokenizer"].contains(&name);
    if error.trim().len() < 10 || (is_text && !error.contains('`') && !error.contains("line ")) {
        return Some(format!("its error says nothing: `{error}`"));
    }
    if name == "script" && error.contains(" at nowhere: ") {
        return Some(format!("its error has no place: {error}"));
    }
    None
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn shape(frame: &Frame) -> String {
    let (rows, columns) = frame.table().shape();
    format!("{rows} × {columns}")
}

/// A context that may touch `folder` alone, with its store there.
fn context(folder: &Path) -> Context {
    let settings =
        Settings { store: folder.join("store"), run_dir: None, n_threads: 1, ..Context::for_tests().settings };
    let access = Access {
        read: vec![folder.to_owned()],
        write: vec![folder.to_owned()],
        project: folder.to_owned(),
        ..Access::default()
    };
    Context::new(settings, access)
}

/// Bytes as a file of this name in a folder of its own.
fn as_file(name: &str, bytes: &[u8]) -> Result<tempfile::TempDir, String> {
    let folder = tempfile::tempdir().map_err(text)?;
    std::fs::write(folder.path().join(name), bytes).map_err(text)?;
    Ok(folder)
}

/// A table as a script reads it, whose separator follows the name.
fn table(name: &str, bytes: &[u8], format: Format) -> Result<String, String> {
    let folder = as_file(name, bytes)?;
    let ctx = context(folder.path());
    let frame = Frame::read(&ctx, name, format, &Reading::default()).map_err(text);
    // The same text as rows of a data set.
    match (frame, records(&ctx, name)) {
        (Ok(frame), Ok(rows)) => Ok(format!("{}, {rows}", shape(&frame))),
        (Ok(frame), Err(why)) => Ok(format!("{}, no rows: {why}", shape(&frame))),
        (Err(_), Ok(rows)) => Ok(rows),
        (Err(why), Err(_)) => Err(why),
    }
}

/// A file as rows of a data set, of the columns that there are.
fn records(ctx: &Context, name: &str) -> Result<String, String> {
    let records = w2s::data::read::read(ctx, name, &w2s::data::read::Reading::default()).map_err(text)?;
    let kinds = records.kinds().into_iter().flatten().count();
    let mapping = w2s::data::columns::Mapping::default();
    let source = w2s::data::columns::source(records, name, &mapping, 0.25, 0);
    Ok(match source {
        Ok(source) => format!("{} rows, {kinds} kinds", source.rows.len()),
        Err(error) => format!("no data set, {kinds} kinds: {error}"),
    })
}

pub fn csv(bytes: &[u8]) -> Result<String, String> {
    table("t.csv", bytes, Format::Csv)
}

pub fn tsv(bytes: &[u8]) -> Result<String, String> {
    table("t.tsv", bytes, Format::Csv)
}

pub fn jsonl(bytes: &[u8]) -> Result<String, String> {
    table("t.jsonl", bytes, Format::Json)
}

pub fn parquet(bytes: &[u8]) -> Result<String, String> {
    let choice = Choice { only: None, nested: true, lenient: true };
    read_parquet(bytes.to_vec(), choice).map_err(text)?;
    let folder = as_file("t.parquet", bytes)?;
    records(&context(folder.path()), "t.parquet").or_else(|why| Ok(format!("a table, no rows: {why}")))
}

/// Tiny checkpoints of every family with a file replaced, until one is read; else the first error.
fn checkpoint(changed: impl Fn(&mut HfFiles)) -> Result<String, String> {
    let read = |files: &HfFiles| {
        let mut files = files.clone();
        changed(&mut files);
        Model::from_hf("tiny", &files).map(|model| model.inner.arch.layout().n_params.to_string()).map_err(text)
    };
    first_read(super::seeds::CHECKPOINTS.iter().map(read))
}

/// The same of what this program saves.
fn saved(read: impl Fn(&Files) -> Result<Model, ModelError>) -> Result<String, String> {
    let read = |files| read(files).map(|model| model.inner.arch.layout().n_params.to_string()).map_err(text);
    first_read(super::seeds::SAVED.iter().map(read))
}

fn first_read(answers: impl Iterator<Item = Result<String, String>>) -> Result<String, String> {
    let mut error = None;
    for answer in answers {
        match answer {
            Ok(read) => return Ok(read),
            Err(why) => error = error.or(Some(why)),
        }
    }
    Err(error.unwrap_or_default())
}

pub fn safetensors(bytes: &[u8]) -> Result<String, String> {
    let stranger = checkpoint(|files| files.weights = vec![("model.safetensors".to_owned(), bytes.to_vec())]);
    stranger
        .or_else(|why| saved(|files| Model::from_bytes(None, &files.config, bytes, &files.tokenizer)).map_err(|_| why))
        .or_else(|why| adapted(&super::seeds::ADAPTER[0], bytes).map_err(|_| why))
}

/// A tiny Llama under an adapter of these files.
fn adapted(config: &[u8], weights: &[u8]) -> Result<String, String> {
    let base = super::seeds::CHECKPOINTS.first().ok_or("no checkpoint")?;
    let base = Model::from_hf("tiny", base).map_err(text)?;
    base.with_adapter("adapter", config, weights).map(|model| model.inner.lineage.clone()).map_err(text)
}

/// One of the JSON files beside a configuration, told by a field that it alone has.
fn beside(bytes: &[u8]) -> Option<Result<String, String>> {
    let says = |word: &str| bytes.windows(word.len()).any(|part| part == word.as_bytes());
    if says("weight_map") {
        return Some(in_shards(bytes));
    }
    if says("peft_type") {
        return Some(adapted(bytes, &super::seeds::ADAPTER[1]));
    }
    if says("pooling_mode") {
        return Some(checkpoint(|files| files.pooling = Some(bytes.to_vec())));
    }
    if says("max_seq_length") {
        return Some(checkpoint(|files| files.sentence_config = Some(bytes.to_vec())));
    }
    says("chat_template").then(|| conversation(bytes))
}

/// A conversation as a checkpoint with this tokenizer_config.json writes it.
fn conversation(bytes: &[u8]) -> Result<String, String> {
    let base = super::seeds::CHECKPOINTS.first().ok_or("no checkpoint")?;
    let files = HfFiles { tokenizer_config: Some(bytes.to_vec()), ..base.clone() };
    let model = Model::from_hf("tiny", &files).map_err(text)?;
    let Some(chat) = &model.inner.chat else { return Ok("no template".to_owned()) };
    let turn = |role: &str, content: &str| {
        serde_json::Map::from_iter([("role".to_owned(), role.into()), ("content".to_owned(), content.into())])
    };
    let messages = [turn("user", " a b"), turn("assistant", "c"), turn("user", "")];
    chat.render(&messages, true).map_err(text)
}

/// A checkpoint in a folder whose weights are where this index says.
fn in_shards(index: &[u8]) -> Result<String, String> {
    let files = super::seeds::CHECKPOINTS.first().ok_or("no checkpoint")?;
    let folder = as_file("model.safetensors.index.json", index)?;
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).map_err(text);
    write("config.json", &files.config)?;
    write("tokenizer.json", &files.tokenizer)?;
    for (_, weights) in &files.weights {
        write("a.safetensors", weights)?;
    }
    let model = Model::load(folder.path(), &context(folder.path())).map_err(text)?;
    Ok(model.inner.arch.layout().n_params.to_string())
}

pub fn config(bytes: &[u8]) -> Result<String, String> {
    if let Some(answer) = beside(bytes) {
        return answer;
    }
    let stranger = checkpoint(|files| files.config = bytes.to_vec());
    stranger
        .or_else(|why| saved(|files| Model::from_bytes(None, bytes, &files.weights, &files.tokenizer)).map_err(|_| why))
}

pub fn onnx(bytes: &[u8]) -> Result<String, String> {
    w2s::models::onnx::to_safetensors("model.onnx", bytes).map(|read| read.len().to_string()).map_err(text)
}

pub fn gguf(bytes: &[u8]) -> Result<String, String> {
    Model::from_gguf("tiny", bytes).map(|model| model.inner.arch.layout().n_params.to_string()).map_err(text)
}

/// Texts that a tokenizer meets: plain, empty, beyond ASCII, long.
const TEXTS: [&str; 5] = ["a b c", "", "Ünï ▁ 漢字 🙂\u{0}\t\n", "aaaaaaaaaaaaaaaa", "w1 w2 [UNK] <s>"];

pub fn tokenizer(bytes: &[u8]) -> Result<String, String> {
    let encoder = Encoder::from_json(bytes).map_err(text)?;
    let mut n_tokens = 0;
    for sample in TEXTS {
        for keep in [Keep::Start, Keep::End] {
            n_tokens += encoder.encode(sample, 8, keep).map_err(text)?.0.len();
        }
    }
    n_tokens += encoder.encode(&TEXTS[2].repeat(50), 1 << 20, Keep::End).map_err(text)?.0.len();
    Ok(format!("{} tokens, {n_tokens} of the texts", encoder.n_tokens()))
}

pub fn record(bytes: &[u8]) -> Result<String, String> {
    let record = Record::parse("record.json", bytes).map_err(text)?;
    let n_bytes: usize = w2s::record::pages(Path::new("nowhere"), &record).iter().map(|(_, page)| page.len()).sum();
    Ok(format!("{} events, pages of {n_bytes} bytes", record.events.len()))
}

pub fn bundle(bytes: &[u8]) -> Result<String, String> {
    let folder = as_file("run.w2s.zip", bytes)?;
    let kept = Kept::open(&folder.path().join("run.w2s.zip")).map_err(text)?;
    let n_altered = w2s::record::altered(&kept, true).len();
    let n_bytes: usize = w2s::record::pages(kept.folder(), &kept.record).iter().map(|(_, page)| page.len()).sum();
    let mut n_rows = 0;
    for name in kept.tables() {
        n_rows += kept.table(name).map_err(text)?.table().height();
    }
    let n_events = kept.record.events.len();
    Ok(format!("{n_events} events, {n_altered} altered, pages of {n_bytes} bytes, {n_rows} rows of tables"))
}

pub fn archive(bytes: &[u8]) -> Result<String, String> {
    let folder = as_file("results.zip", bytes)?;
    let mut ctx = context(folder.path());
    ctx.settings.memo = Memo::On;
    let ctx = Arc::new(Arc::new(StoreSession::default()).lend(ctx));
    let store = Store::of(&ctx);
    let imported = store.import(&folder.path().join("results.zip"), &ctx).map_err(text)?;
    let damaged = store.audit(&ctx).map_err(text)?.damaged;
    if !damaged.is_empty() {
        return Err(format!("panicked: an import left damage: {damaged:?}"));
    }
    // The script whose results the seed holds: what came in is looked up, and computed where it does not fit.
    let mut session = Session::with(ctx, Setup::default());
    let answer = session.eval(super::seeds::TRAINING).map_err(|error| format!("{}: {}", error.code, error.message))?;
    Ok(format!("{imported:?}, {}", w2s::bind::show(&answer)))
}

/// Few operations and little memory of its own, so that a loop is not mistaken for a fault.
pub fn script(bytes: &[u8]) -> Result<String, String> {
    let Ok(code) = std::str::from_utf8(bytes) else { return Err("the script is not UTF-8".to_owned()) };
    let folder = tempfile::tempdir().map_err(text)?;
    let ctx = Arc::new(StoreSession::default()).lend(context(folder.path()));
    let limits =
        Limits { operations: 20_000, array_size: 1000, map_size: 1000, string_size: 1 << 16, ..Limits::default() };
    let mut session = Session::with(Arc::new(ctx), Setup { limits, ..Setup::default() });
    // What `w2s check` says of it, without running it.
    let path = folder.path().join("script.rhai");
    std::fs::write(&path, code).map_err(text)?;
    let n_findings = session.check(&path).map_or(0, |findings| findings.len());
    let answer = session.eval(code).map_err(|error| {
        let place = error.place.as_ref().map_or("nowhere".to_owned(), |place| format!("line {}", place.line));
        format!("{} at {place}: {}", error.code, error.message)
    })?;
    Ok(format!("{n_findings} findings, {}", w2s::bind::show(&answer)))
}
