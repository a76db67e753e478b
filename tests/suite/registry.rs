//! The live registry: whatever a script can call is documented whole, and every example does what it says.

use crate::support::session_in;
use std::collections::BTreeSet;
use w2s::bind::{Function, Kind, Registry, show};

fn registry() -> Registry {
    w2s::builtins::registry()
}

/// Fails with every complaint at once.
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn every_function_is_documented_whole() {
    let mut complaints = Vec::new();
    for function in &registry().functions {
        let mut complain = |what: String| complaints.push(format!("{}: {what}", function.path()));
        if !is_sentence(function.about) {
            complain(format!("`about` is not a sentence with a full stop: {:?}", function.about));
        }
        if function.examples.is_empty() {
            complain("has no example".to_owned());
        }
        let can_fail = !function.params.is_empty() || !function.option_docs().is_empty();
        if can_fail && function.kind == Kind::Function && function.failures.is_empty() {
            complain("has arguments and no failing example".to_owned());
        }
        for failure in &function.failures {
            if failure.result.trim().is_empty() {
                complain(format!("a failing example does not say with what message: {}", failure.code));
            }
        }
        for param in &function.params {
            if param.about.trim().is_empty() {
                complain(format!("parameter `{}` is not explained", param.name));
            }
        }
        for option in function.option_docs() {
            if option.about.trim().is_empty() || option.default.trim().is_empty() {
                complain(format!("option `{}` lacks a meaning or a default", option.name));
            }
            if option.default.contains("::") || option.default.contains(|c: char| c.is_ascii_uppercase()) {
                complain(format!(
                    "option `{}` has a default that no script can write: {}",
                    option.name, option.default
                ));
            }
        }
        if function.returns.trim().is_empty() {
            complain("does not say what it returns".to_owned());
        }
        let required_last = function.params.windows(2).any(|pair| pair[0].optional && !pair[1].optional);
        if required_last {
            complain("has a required parameter after an optional one".to_owned());
        }
        if function.kind == Kind::Function && function.params.len() > 4 {
            complain("has more than four positional parameters".to_owned());
        }
    }
    none(complaints);
}

fn is_sentence(text: &str) -> bool {
    text.ends_with('.') && text.len() > 10 && text.starts_with(|c: char| c.is_uppercase() || c == '`')
}

#[test]
fn names_are_words_in_snake_case_and_are_there_once() {
    let mut complaints = Vec::new();
    let registry = registry();
    let mut seen = BTreeSet::new();
    for function in &registry.functions {
        let path = function.path();
        if function.kind != Kind::Operator && !is_snake_case(function.name) {
            complaints.push(format!("{path}: the name is not in snake_case"));
        }
        let names = function.params.iter().map(|p| p.name).chain(function.option_docs().iter().map(|o| o.name));
        for name in names {
            if !is_snake_case(name) {
                complaints.push(format!("{path}: `{name}` is not in snake_case"));
            }
        }
        let receiver = function.receiver.map(|id| format!("{id:?}"));
        if !seen.insert((path.clone(), format!("{:?}", function.kind), receiver)) {
            complaints.push(format!("{path}: registered twice"));
        }
        let home = match function.kind {
            Kind::Function => function.module.is_empty() || registry.modules.contains_key(function.module),
            _ => registry.types.iter().any(|record| record.name == function.module),
        };
        if !home {
            complaints.push(format!("{path}: `{}` is not a registered module or type", function.module));
        }
    }
    for record in &registry.types {
        if !record.name.starts_with(|c: char| c.is_ascii_uppercase()) || !is_sentence(record.about) {
            complaints.push(format!("type {}: its name or its sentence is amiss: {:?}", record.name, record.about));
        }
    }
    for (name, about) in &registry.modules {
        if !is_snake_case(name) || !about.ends_with('.') {
            complaints.push(format!("module {name}: its name or its sentence is amiss: {about:?}"));
        }
    }
    none(complaints);
}

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn every_type_in_a_signature_exists() {
    let registry = registry();
    let mut known: BTreeSet<&str> = registry.types.iter().map(|record| record.name).collect();
    known.extend([
        "any",
        "float",
        "integer",
        "number",
        "bool",
        "string",
        "function",
        "object map",
        "array",
        "Expr",
        "()",
    ]);
    let mut complaints = Vec::new();
    for function in &registry.functions {
        let answer = function.returns.split([',', ':', '.', ';']).next().unwrap_or("");
        let params = function.params.iter().map(|p| p.type_name.as_str());
        let options = function.option_docs().iter().map(|o| o.type_name.as_str());
        for type_name in params.chain(options).chain([answer]) {
            for alternative in type_name.split('|').flat_map(|part| part.split(" or ")) {
                let mut name = alternative.trim();
                while let Some(item) = name.strip_prefix("array of ").or_else(|| name.strip_prefix("object map of ")) {
                    name = item;
                }
                if !known.contains(name) {
                    complaints.push(format!("{}: there is no type `{name}` (in `{type_name}`)", function.path()));
                }
            }
        }
    }
    none(complaints);
}

#[test]
fn what_reads_the_outside_is_known_to_those_who_digest_closures() {
    let by_class = |function: &Function| {
        let draws = ["balance", "halves", "sample", "split"].contains(&function.name) && function.module == "data";
        draws || ["lexicon", "properties"].contains(&function.name)
    };
    let reads = |function: &Function| {
        let takes_truth = function.params.iter().any(|param| param.type_name == "Data|Frame");
        let named = function.name == "truth" || function.name == "load" || function.name.starts_with("read_");
        takes_truth || (named && function.kind != Kind::Getter) || by_class(function)
    };
    let names = |function: &Function| {
        let as_method = function.kind == Kind::Method || by_class(function);
        let name = function.name.to_owned();
        [(function.kind != Kind::Method).then(|| function.path()), as_method.then_some(name)].into_iter().flatten()
    };
    let found: BTreeSet<String> = registry().functions.iter().filter(|f| reads(f)).flat_map(|f| names(f)).collect();
    let known: BTreeSet<String> = w2s::bind::trace::OUTSIDE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, known);
}

/// A value of every type that scripts can hold, and another one of the same type.
const OF_EVERY_TYPE: &[(&str, &str, &str)] = &[
    (
        "Batch",
        "let rows = data::of([#{ text: \"a\", label: 0 }, #{ text: \"b\", label: 1 }], #{ test_share: 0.0 }); let seen = []; model::untrained(rows).finetune(rows, rows.truth(\"t\"), #{ steps: 1, loss: |z, w, at| { seen.push(at); z.cross_entropy(w) } }); seen[0]",
        "let rows = data::of([#{ text: \"a\", label: 0 }, #{ text: \"b\", label: 1 }], #{ test_share: 0.0 }); let seen = []; model::untrained(rows).finetune(rows, rows.truth(\"t\"), #{ steps: 2, loss: |z, w, at| { seen.push(at); z.cross_entropy(w) } }); seen[0]",
    ),
    (
        "Data",
        "data::of([#{ text: \"a\", label: 0 }, #{ text: \"b\", label: 1 }], #{ test_share: 0.0 })",
        "data::of([#{ text: \"a\", label: 0 }, #{ text: \"c\", label: 1 }], #{ test_share: 0.0 })",
    ),
    (
        "Error",
        "let e = (); try { frame::of(1) } catch (x) { e = x; }; e",
        "let e = (); try { frame::of(2) } catch (x) { e = x; }; e",
    ),
    ("Estimate", "metric::mean([0.500001, 0.2])", "metric::mean([0.500002, 0.2])"),
    ("Expr", "col(\"a\").is_in([1, 2, 3, 4, 5, 6])", "col(\"a\").is_in([1, 2, 3, 4, 5, 7])"),
    (
        "Figure",
        "plot::lines(frame::of(#{ x: [1, 2], y: [1, 2] }), #{ x: \"x\", y: \"y\" })",
        "plot::lines(frame::of(#{ x: [1, 2], y: [1, 3] }), #{ x: \"x\", y: \"y\" })",
    ),
    ("Folded", "script::fold(1, \"a number\")", "script::fold(2, \"a number\")"),
    ("Frame", "frame::of(#{ a: [1.0] })", "frame::of(#{ a: [1.0000000000000002] })"),
    ("GroupBy", "frame::of(#{ a: [1], b: [1] }).group_by(\"a\")", "frame::of(#{ a: [1], b: [1] }).group_by(\"b\")"),
    ("Judge", "judge::scalar([[0, 1]])", "judge::scalar([[0, 1.0000000000000002]])"),
    ("Loss", "loss::confidence()", "loss::confidence(#{ alpha_max: 0.25 })"),
    (
        "Model",
        "model::untrained(data::of([#{ text: \"a\", label: 0 }, #{ text: \"b\", label: 1 }], #{ test_share: 0.0 }))",
        "model::untrained(data::of([#{ text: \"a\", label: 0 }, #{ text: \"b\", label: 1 }], #{ test_share: 0.0 }), #{ seed: 3 })",
    ),
    ("Policy", "policy::tabular([[0, 1]])", "policy::tabular([[0, 1.0000000000000002]])"),
    ("PreferenceLoss", "preference::dpo()", "preference::dpo(#{ beta: 0.5 })"),
    ("StrExpr", "col(\"a\").str", "col(\"b\").str"),
    ("Tensor", "tensor::of([[1.0]])", "tensor::of([[1.0000000000000002]])"),
    ("When", "when(col(\"a\")).then(1)", "when(col(\"a\")).then(2)"),
    ("World", "world::language()", "world::language(#{ seed: 1 })"),
];

#[test]
fn every_type_can_be_captured_and_changes_the_digest() {
    let types: BTreeSet<&str> = registry().types.iter().map(|record| record.name).collect();
    assert_eq!(types, OF_EVERY_TYPE.iter().map(|(name, ..)| *name).collect());
    let digest = |code: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let code = format!("{code}; [type_of(held), script::digest(held), script::digest(|x| held == x)]");
        let value = session_in(folder.path()).eval(&code).unwrap_or_else(|error| panic!("{code}: {error}"));
        value.into_typed_array::<String>().expect("texts")
    };
    for (name, one, other) in OF_EVERY_TYPE {
        let held = |code: &str| match code.rsplit_once("; ") {
            Some((before, last)) => format!("{before}; let held = {last}"),
            None => format!("let held = {code}"),
        };
        let (one, again, other) = (digest(&held(one)), digest(&held(one)), digest(&held(other)));
        assert_eq!((one[0].as_str(), &one), (*name, &again));
        assert!(one[1] != other[1] && one[2] != other[2], "{name}");
    }
}

/// Runs every example of `functions`, each in a session and a folder of its own.
fn run_examples(functions: &[&Function]) -> Vec<String> {
    let mut complaints = Vec::new();
    for function in functions {
        for example in &function.examples {
            let folder = tempfile::tempdir().expect("a folder");
            let mut session = session_in(folder.path());
            let value = match session.eval(example.code) {
                Ok(value) => value,
                Err(error) => {
                    complaints.push(format!("{}: {}\n    {error} ({})", function.path(), example.code, error.code));
                    continue;
                }
            };
            let shown = show(&value);
            if !example.result.is_empty() && shown != example.result {
                complaints.push(format!("{}: {}\n    gives {shown:?}", function.path(), example.code));
            }
            // An unregistered `==` silently gives `false` in Rhai: whatever an example makes must equal itself.
            if !value.is_unit() && !value.is_fnptr() && !shown.contains("NaN") {
                session.scope.push_dynamic("made", value);
                match session.eval("made == made").map(|answer| (answer.as_bool(), answer.type_name().to_owned())) {
                    Ok((Ok(true), _)) => {}
                    // Between expressions, `==` is a comparison yet to be made.
                    Ok((_, name)) if name.ends_with("Expr") => {}
                    other => {
                        complaints.push(format!("{}: its answer is not equal to itself: {other:?}", function.path()))
                    }
                }
            }
        }
    }
    complaints
}

/// Examples run on all cores, in the order of the registry within each share.
fn in_shares(work: impl Fn(&[&Function]) -> Vec<String> + Sync) {
    let registry = registry();
    let functions: Vec<&Function> = registry.functions.iter().map(|f| &**f).collect();
    let n_shares = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    let shares = functions.chunks(functions.len().div_ceil(n_shares).max(1));
    let complaints = std::thread::scope(|scope| {
        let running: Vec<_> = shares.map(|share| scope.spawn(|| work(share))).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("examples do not panic")).collect()
    });
    none(complaints);
}

#[test]
fn every_example_gives_what_it_says() {
    in_shares(run_examples);
}

#[test]
fn every_failing_example_fails_as_it_says_and_where() {
    in_shares(|functions| {
        let mut complaints = Vec::new();
        for function in functions {
            for failure in &function.failures {
                let folder = tempfile::tempdir().expect("a folder");
                let said = match session_in(folder.path()).eval(failure.code) {
                    Ok(value) => format!("gives {}", show(&value)),
                    Err(error) if !error.message.contains(failure.result) => format!("says {:?}", error.message),
                    Err(error) if error.place.is_none() => format!("has no position: {error}"),
                    Err(error) if error.code == "w2s/defect" => format!("is a defect: {error}"),
                    Err(_) => continue,
                };
                complaints.push(format!("{}: {}\n    {said}", function.path(), failure.code));
            }
        }
        complaints
    });
}
