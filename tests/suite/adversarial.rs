//! Bad input, generated from the registry: every function, every argument, every option, with values that nobody should
//! give. Each call answers a legal value or an error with a place; none panics, hangs or takes all memory. Beside it, by
//! hand: what a hostile or broken script may try.

use crate::support::session_in;
use rhai::Dynamic;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use w2s::bind::{Function, Kind};
use w2s::core::context::{Context, Interrupt};
use w2s::lang::diagnostic::Diagnostic;
use w2s::lang::limits::Limits;
use w2s::lang::{Session, Setup};

/// What nobody should give. All are legal expressions of the language.
const BAD: &[&str] = &[
    "()",
    "\"\"",
    "\"no such thing\"",
    "\"../../../etc/passwd\"",
    "\"日本語 \\u0000\"",
    "true",
    "0",
    "-1",
    "1",
    "3",
    "9223372036854775807",
    "(-9223372036854775807 - 1)",
    "1000000000000",
    "0.5",
    "-0.5",
    "1e308",
    "(0.0 / 0.0)",
    "(1.0 / 0.0)",
    "(-1.0 / 0.0)",
    "[]",
    "[()]",
    "[1, \"a\", ()]",
    "[0.0 / 0.0, 1.0]",
    "[[1.0, 2.0], [3.0]]",
    "#{}",
    "#{ no_such_key: 1 }",
    "|x| x",
    "|| ()",
    "Fn(\"no_such_function\")",
    "'c'",
    "Fn(\"abs\")",
];

/// How long a call may take before it is interrupted: legal but long work, such as a training with 3 epochs.
const PATIENCE: Duration = Duration::from_millis(150);

/// How long it may take to notice the interruption; far above 100 ms because the machine may be busy.
const NOTICE: Duration = Duration::from_secs(5);

/// How much the largest memory of the process may grow in one call. Alone each stays below 1 GiB; other tests of this process
/// run beside it.
const MEMORY: u64 = 2 << 30;

/// Raises an interrupt when a deadline passes.
struct Watchdog {
    deadline: Arc<Mutex<Option<Instant>>>,
    over: Arc<AtomicBool>,
}

impl Watchdog {
    fn new(interrupt: Interrupt) -> Self {
        let deadline: Arc<Mutex<Option<Instant>>> = Arc::default();
        let over = Arc::new(AtomicBool::new(false));
        let (shared, ended) = (deadline.clone(), over.clone());
        std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let mut deadline = shared.lock().expect("unpoisoned");
                if deadline.is_some_and(|at| Instant::now() > at) {
                    *deadline = None;
                    interrupt.raise();
                }
                drop(deadline);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Watchdog { deadline, over }
    }

    fn set(&self, at: Option<Instant>) {
        *self.deadline.lock().expect("unpoisoned") = at;
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// The most memory that the process ever held, in bytes; 0 where the system does not say.
fn high_water() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// An example, cut at one call: what runs before it, the statement up to the arguments, the arguments, the rest.
struct Cut {
    before: String,
    head: String,
    args: Vec<String>,
    tail: String,
}

/// Finds the first call of `function` in `code`.
fn cut(function: &Function, code: &str) -> Option<Cut> {
    let name = function.name;
    let patterns = match function.kind {
        Kind::Function if function.module.is_empty() => vec![format!("{name}(")],
        Kind::Function => vec![format!("{}::{name}(", function.module), format!(".{name}(")],
        Kind::Method => vec![format!(".{name}(")],
        Kind::Operator => return cut_operator(name, code),
        Kind::Getter => return None,
    };
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let open = patterns.iter().find_map(|pattern| {
        code.match_indices(pattern.as_str())
            .find(|(at, _)| pattern.starts_with('.') || !code[..*at].ends_with(|c| is_word(c) || c == ':' || c == '.'))
            .map(|(at, found)| at + found.len())
    })?;
    let (mut depth, mut in_string, mut escaped, mut start) = (0, false, false, 0);
    let (mut args, mut begun, mut statement) = (Vec::new(), None, 0);
    for (at, c) in code.char_indices() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        if at == open {
            (begun, start, statement) = (Some(depth), at, statement);
        }
        match c {
            '"' => in_string = true,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                if begun == Some(depth) {
                    let last = code[start..at].trim();
                    if !last.is_empty() {
                        args.push(last.to_owned());
                    }
                    return Some(Cut {
                        before: code[..statement].to_owned(),
                        head: code[statement..open].to_owned(),
                        args,
                        tail: code[at..].to_owned(),
                    });
                }
                depth -= 1;
            }
            // A comma between the parameters of a closure parts no arguments.
            ',' if begun == Some(depth) && code[start..at].matches('|').count() != 1 => {
                args.push(code[start..at].trim().to_owned());
                start = at + 1;
            }
            ';' if depth == 0 && begun.is_none() => statement = at + 1,
            _ => {}
        }
    }
    None
}

/// The last ` + ` or `[…]` of an example: its right operand is the argument.
fn cut_operator(name: &str, code: &str) -> Option<Cut> {
    let statement = code.trim_end().trim_end_matches(';').rfind(';').map_or(0, |at| at + 1);
    let (before, last) = code.split_at(statement);
    let parts = |at: usize, from: usize, to: usize| Cut {
        before: before.to_owned(),
        head: last[..at].to_owned() + &last[at..from],
        args: vec![last[from..to].to_owned()],
        tail: last[to..].to_owned(),
    };
    if name == "index" {
        let (open, close) = (last.rfind('[')?, last.rfind(']')?);
        return (open < close).then(|| parts(open, open + 1, close));
    }
    let at = last.rfind(&format!(" {name} "))?;
    let from = at + name.len() + 2;
    // The operand ends where a bracket around the operator closes, at a method on it, or at the next operator.
    let mut depth = 0;
    let after = last[from..].char_indices().find(|(idx, c)| {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        let is_number = || last[from + idx + 1..].starts_with(|next: char| next.is_ascii_digit());
        depth < 0 || depth == 0 && (matches!(c, ',' | ';' | ' ') || *c == '.' && !is_number())
    });
    let end = after.map_or(last.len(), |(idx, _)| from + idx);
    Some(parts(at, from, end))
}

/// Every bad version of the arguments.
fn mutations(function: &Function, args: &[String]) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for idx in 0..args.len() {
        for bad in BAD {
            let mut changed = args.to_vec();
            changed[idx] = (*bad).to_owned();
            all.push(changed);
        }
        // Wrong lengths: half of an array, an array twice.
        let is_array = args[idx].starts_with('[');
        for expression in ["({}) + ({})", "({}).extract(0, 1)"].iter().filter(|_| is_array) {
            let mut changed = args.to_vec();
            changed[idx] = expression.replace("{}", &args[idx]);
            all.push(changed);
        }
    }
    for n in 0..args.len() {
        all.push(args[..n].to_vec());
    }
    all.push(args.iter().cloned().chain(["()".to_owned(), "1".to_owned(), "2".to_owned()]).collect());
    let has_options = args.last().is_some_and(|last| last.starts_with("#{"));
    let with_option = |option: &str| {
        let mut changed = args.to_vec();
        match changed.last_mut().filter(|_| has_options) {
            Some(last) => *last = format!("({last} + {option})"),
            None => changed.push(option.to_owned()),
        }
        changed
    };
    all.push(with_option("#{ no_such_option: 1 }"));
    for option in function.option_docs() {
        all.extend(BAD.iter().map(|bad| with_option(&format!("#{{ {}: {bad} }}", option.name))));
    }
    all
}

/// What is wrong with the answer, if anything.
fn complaint(answer: &Result<Dynamic, Box<Diagnostic>>, took: Duration, grown: u64) -> Option<String> {
    if took > PATIENCE + NOTICE {
        return Some(format!("took {:.1} s after an interruption", took.as_secs_f64()));
    }
    if grown > MEMORY {
        return Some(format!("took {} MiB of memory", grown >> 20));
    }
    let error = answer.as_ref().err()?;
    if error.code == "w2s/defect" {
        return Some(format!("is a defect: {}", error.message));
    }
    if error.place.is_none() && !error.interrupted {
        return Some(format!("fails without a place: [{}] {}", error.code, error.message));
    }
    if error.code == "script/error" {
        return Some(format!("fails with an unexplained error: {}", error.message));
    }
    (error.message.trim().is_empty()).then(|| "fails without a message".to_owned())
}

fn attack(function: &Function, answers: &mut BTreeMap<String, usize>) -> Vec<String> {
    let mut complaints = Vec::new();
    let Some(cut) = function.examples.iter().find_map(|example| cut(function, example.code)) else {
        if matches!(function.kind, Kind::Function | Kind::Method) {
            complaints.push(format!("{}: no example calls it", function.path()));
        }
        return complaints;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = session_in(folder.path());
    let interrupt = session.ctx.interrupt.clone();
    let watchdog = Watchdog::new(interrupt.clone());
    if let Err(error) = session.eval(&cut.before) {
        return vec![format!("{}: the example's beginning fails: {error}", function.path())];
    }
    let scope = session.scope.clone();
    for args in mutations(function, &cut.args) {
        let code = format!("{}{}{}", cut.head, args.join(", "), cut.tail);
        session.scope = scope.clone();
        let (memory, start) = (high_water(), Instant::now());
        watchdog.set(Some(start + PATIENCE));
        let answer = session.eval(&code);
        watchdog.set(None);
        interrupt.clear();
        let kind = answer.as_ref().map_or_else(|error| error.code.clone(), |_| "a value".to_owned());
        *answers.entry(kind).or_default() += 1;
        let grown = high_water().saturating_sub(memory);
        if let Some(what) = complaint(&answer, start.elapsed(), grown) {
            complaints.push(format!("{}: {} {what}", function.path(), code.trim()));
        }
    }
    complaints
}

#[test]
fn every_function_takes_every_bad_argument() {
    w2s::lang::stack::quiet_panics();
    let registry = w2s::builtins::registry();
    let only = std::env::var("W2S_ATTACK").unwrap_or_default();
    let mut answers = BTreeMap::new();
    let mut complaints = Vec::new();
    for function in registry.functions.iter().filter(|function| function.path().contains(&only)) {
        let start = Instant::now();
        complaints.extend(attack(function, &mut answers));
        if start.elapsed() > Duration::from_secs(5) {
            println!("{}: {:.1} s", function.path(), start.elapsed().as_secs_f64());
        }
    }
    let n_calls: usize = answers.values().sum();
    println!("{n_calls} calls of {} functions: {answers:?}", registry.functions.len());
    // That the calls arrive: most are refused for their arguments, some are legal.
    assert!(
        answers.get("call/argument") > answers.get("script/syntax") && answers.contains_key("a value"),
        "{answers:?}"
    );
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

/// Runs `code` under small limits, with an interruption after a second.
fn run(code: &str) -> Result<Dynamic, Box<Diagnostic>> {
    let limits = Limits { operations: 20_000_000, ..Limits::default() };
    let ctx = Arc::new(Context::for_tests());
    let watchdog = Watchdog::new(ctx.interrupt.clone());
    let mut session = Session::with(ctx, Setup { limits, ..Setup::default() });
    watchdog.set(Some(Instant::now() + Duration::from_secs(20)));
    session.eval(code)
}

#[test]
fn what_a_script_may_try_ends_in_an_error_with_a_code() {
    let nested = |open: &str, close: &str, n: usize| format!("let x = {}1{};", open.repeat(n), close.repeat(n));
    let many = |line: &str, n: usize| (0..n).map(|idx| line.replace("{}", &idx.to_string())).collect::<String>();
    let cases: Vec<(String, &str)> = vec![
        ("loop {}".into(), "limit/operations"),
        ("while true { let x = 1; }".into(), "limit/operations"),
        ("try { loop {} } catch { 1 }".into(), "limit/operations"),
        ("fn f(n) { f(n + 1) } f(0)".into(), "limit/call-depth"),
        ("fn f(n) { g(n) } fn g(n) { f(n) } f(0)".into(), "limit/call-depth"),
        ("let f = |f| f.call(f); f.call(f)".into(), "limit/call-depth"),
        (nested("(", ")", 5000), "limit/expression-depth"),
        (nested("[", "]", 5000), "limit/expression-depth"),
        (nested("#{a:", "}", 5000), "limit/expression-depth"),
        (format!("let x = {};", "1 + ".repeat(100_000) + "1"), "limit/expression-depth"),
        (format!("let x = {}true;", "!".repeat(100_000)), "limit/expression-depth"),
        ("let s = \"ab\"; loop { s += s; }".into(), "limit/size"),
        ("let a = [1, 2]; loop { a += a; }".into(), "limit/size"),
        ("let a = [1]; loop { a = [a, a]; }".into(), "limit/size"),
        ("let m = #{a: 1}; loop { m = #{a: m, b: m}; }".into(), "limit/size"),
        ("let a = []; a.pad(1000000000, 0)".into(), "limit/size"),
        ("let s = \"\"; s.pad(1000000000000, 'x')".into(), "limit/size"),
        ("blob(1000000000000)".into(), "limit/size"),
        ("let b = blob(10); b.pad(1000000000, 0)".into(), "limit/size"),
        (many("let v{} = 1; ", 5000), "limit/variables"),
        (many("fn f{}() { 1 } ", 5000), "limit/functions"),
        ("sleep(100)".into(), "sandbox/removed"),
        ("sleep(1.5)".into(), "sandbox/removed"),
        ("timestamp()".into(), "sandbox/removed"),
        ("eval(\"1\")".into(), "sandbox/removed"),
        ("1 / 0".into(), "script/arithmetic"),
        ("1 % 0".into(), "script/arithmetic"),
        ("9223372036854775807 + 1".into(), "script/arithmetic"),
        ("-9223372036854775808 / -1".into(), ""),
        ("import \"/etc/passwd\" as p;".into(), "access/read"),
        ("import \"../secret\" as p;".into(), "access/read"),
        ("[][0]".into(), "script/bounds"),
        ("\"é\"[7]".into(), "script/bounds"),
        ("let x = #{}; x.a.b".into(), "script/unknown-property"),
        ("for x in 5.5 {}".into(), ""),
        ("throw".into(), "script/thrown"),
        ("\u{0}".into(), "script/syntax"),
        ("let 日 = 1;".into(), "script/syntax"),
        ("\"".into(), "script/syntax"),
        ("`${".into(), "script/syntax"),
        ("/* ".into(), ""),
        ("}".into(), "script/syntax"),
        ("0x".into(), ""),
        ("99999999999999999999".into(), ""),
    ];
    let mut complaints = Vec::new();
    for (code, expected) in cases {
        let memory = high_water();
        let answer = run(&code);
        let grown = high_water().saturating_sub(memory);
        let short: String = code.chars().take(60).collect();
        if grown > MEMORY {
            complaints.push(format!("{short}: took {} MiB", grown >> 20));
        }
        match answer {
            Err(error) if error.interrupted => complaints.push(format!("{short}: had to be interrupted")),
            Err(error) if error.place.is_none() => complaints.push(format!("{short}: no place: {error:?}")),
            Err(error) if !expected.is_empty() && error.code != expected => {
                complaints.push(format!("{short}: [{}] {error}", error.code));
            }
            Err(error) if error.code == "w2s/defect" => complaints.push(format!("{short}: {error}")),
            Ok(value) if !expected.is_empty() => complaints.push(format!("{short}: gives {value:?}")),
            _ => {}
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn tables_and_figures_that_would_explode_are_refused_before_they_do() {
    let rows =
        "let a = []; for i in 0..60000 { a.push(#{ k: \"k\", r: \"r\" + i, x: i * 1.0 }); } let f = frame::of(a);";
    for (code, expected) in [
        ("f.join(f.rename(#{ x: \"y\" }), #{ on: \"k\" })", "frame/too-many-rows"),
        ("f.pivot(\"r\", #{ index: \"x\", values: \"x\" })", "frame/refused"),
        ("plot::scatter(f, #{ x: \"x\", y: \"x\" })", "report/too-many"),
        ("plot::bar(f, #{ x: \"r\", y: \"x\" })", "report/too-many"),
        ("for i in 0..20 { f = frame::concat([f, f]); } f", "frame/too-many-rows"),
    ] {
        let memory = high_water();
        let Err(error) = run(&format!("{rows} {code}")) else { panic!("{code} is not refused") };
        let grown = high_water().saturating_sub(memory) >> 20;
        assert_eq!(error.code, expected, "{code}: {error}");
        assert!(grown < 1500, "{code} took {grown} MiB");
    }
}

#[test]
fn harmless_oddities_run() {
    for (code, shown) in [
        ("", ""),
        ("\n\n", ""),
        ("// only a comment", ""),
        ("let a = 1;\r\nlet b = 2;\r\na + b\r\n", "3"),
        ("\"日本 🦀\".len()", "4"),
        ("let a = [1]; let f = || a.len(); let b = []; b.push(a); b.push(f); b[0].len() + f.call()", "2"),
        ("let m = #{}; let f = |x| { m.x = x; }; f.call(3); let k = [m]; k[0].x", "3"),
    ] {
        assert_eq!(w2s::bind::show(&run(code).expect(code)), shown, "{code}");
    }
}

#[test]
fn many_large_values_end_before_memory_does() {
    let limits = Limits { memory: w2s::core::memory::resident() + (300 << 20), ..Limits::default() };
    if limits.memory == 300 << 20 {
        return crate::support::skipped("this system does not tell how much memory a process holds");
    }
    let mut session = Session::with(Arc::new(Context::for_tests()), Setup { limits, ..Setup::default() });
    let code = "fn grow(n) { let s = \"x\"; s.pad(15000000, 'y'); if n > 0 { grow(n - 1) } s.len() } \
                try { grow(100) } catch { 0 }";
    let error = session.eval(code).expect_err("too much");
    assert_eq!(error.code, "limit/memory", "{error}");
    assert!(!error.interrupted);
}
