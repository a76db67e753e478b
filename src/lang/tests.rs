//! Sessions: what stays, what is explained, and where the language is more than Rhai.

use super::*;
use crate::bind::show;

fn session() -> Session {
    Session::new(Arc::new(Context::for_tests()))
}

#[test]
fn a_builtin_is_called_and_a_wrong_argument_is_explained() {
    let mut session = session();
    let value = session.eval("metric::pgr_percent(0.65, 0.78, 0.95)").expect("runs");
    assert_eq!(show(&value), "43.33333333333334");
    let value = session.eval("let x = 1; metric::pgr_percent(x, 1, x)").expect("runs");
    assert_eq!(show(&value), "100.0");
    let error = session.eval("\n metric::pgr_percent(0.65, \"0.78\", 0.95)").expect_err("fails");
    assert!(error.message.contains("must be a float, got a string `0.78`"), "{error}");
    assert_eq!((error.code.as_str(), error.line(), error.column()), ("call/argument", Some(2), Some(10)));
}

#[test]
fn variables_functions_and_closures_stay_and_errors_find_earlier_inputs() {
    let mut session = session();
    let _ = session.eval("let a = 1;\nfn twice(x) {\n  x + x.nothing\n}").expect("runs");
    let _ = session.eval("let f = |x| x + a;").expect("runs");
    assert_eq!(show(&session.eval("f.call(2)").expect("runs")), "3");
    let error = session.eval("a += 1;\ntwice(a)").expect_err("fails");
    assert_eq!(error.place.as_ref().and_then(|place| place.text.as_deref()), Some("  x + x.nothing"), "{error:?}");
    let call = error.trace.first().and_then(|step| step.place.clone()).expect("a call");
    assert_eq!((call.line, call.text.as_deref()), (2, Some("twice(a)")));
    assert_eq!(show(&session.eval("a").expect("runs")), "2");
}

#[test]
fn an_interruption_passes_a_try_and_keeps_variables() {
    let ctx = Arc::new(Context::for_tests());
    let mut session = Session::new(ctx.clone());
    ctx.interrupt.raise();
    let error = session.eval("let kept = 1; try { loop {} } catch { 5 }").expect_err("stops");
    assert!(error.interrupted, "{error:?}");
    ctx.interrupt.clear();
    let _ = session.eval("let kept = 2;").expect("runs");
}

#[test]
fn a_fault_is_readable_in_catch() {
    let mut session = session();
    let code = "fn f() { metric::pgr_percent(1, 2, ()) } let t = \"\"; try { f() } catch (e) { t = e.code + \": \" + e.message; } t";
    let value = session.eval(code).expect("caught");
    assert!(show(&value).starts_with("call/argument: `ceiling` of"), "{}", show(&value));
}

#[track_caller]
fn gives(code: &str, wanted: &str) {
    let value = session().eval(code).unwrap_or_else(|error| panic!("{code}: [{}] {error}", error.code));
    assert_eq!(show(&value), wanted, "{code}");
}

/// Code, message, hint and column of a refusal.
#[track_caller]
fn refused(code: &str) -> (String, String, String, Option<usize>) {
    let error = match session().eval(code) {
        Ok(value) => panic!("{code}: gives {}", show(&value)),
        Err(error) => error,
    };
    (error.code.clone(), error.message.clone(), error.hint.clone().unwrap_or_default(), error.column())
}

#[track_caller]
fn refuses(code: &str, message: &str, hint: &str) {
    let (_, said, advice, _) = refused(code);
    assert_eq!(said, message, "{code}");
    assert!(advice.contains(hint), "{code}: {advice}");
}

#[test]
fn a_closure_keeps_the_value_of_its_turn() {
    gives("let fs = []; for i in 0..3 { fs.push(|| i); } fs.map(|f| f.call())", "[0, 1, 2]");
    gives("let fs = []; for (x, i) in [\"a\", \"b\"] { fs.push(|| x + i); } fs.map(|f| f.call())", "[\"a0\", \"b1\"]");
    gives(
        "let fs = []; for i in 0..2 { for j in 0..2 { fs.push(|| [i, j]); } } fs.map(|f| f.call())",
        "[[0, 0], [0, 1], [1, 0], [1, 1]]",
    );
    gives("fn all() { let fs = []; for i in 0..3 { fs.push(|| i); } fs } all().map(|f| f.call())", "[0, 1, 2]");
    gives(
        "let make = || { let fs = []; for i in 0..3 { fs.push(|| i); } fs }; make.call().map(|f| f.call())",
        "[0, 1, 2]",
    );
    gives("let fs = []; for i in 0..3 { fs.push(|| || i); } fs.map(|f| f.call().call())", "[0, 1, 2]");
    gives(
        "let fs = []; for i in 0..3 { if i == 1 { continue; } let s = `${[1].map(|x| x + i)[0]}`; fs.push(|| s); } fs.map(|f| f.call())",
        "[\"1\", \"3\"]",
    );
    // A declaration in a loop's body is fresh already, in every kind of loop.
    gives(
        "let fs = []; let n = 0; while n < 3 { let k = n; fs.push(|| k); n += 1; } fs.map(|f| f.call())",
        "[0, 1, 2]",
    );
    gives(
        "let fs = []; let n = 0; loop { let k = n; fs.push(|| k); n += 1; if n == 3 { break; } } fs.map(|f| f.call())",
        "[0, 1, 2]",
    );
}

#[test]
fn what_was_right_about_loops_stays() {
    // The variable is changed within its turn, and shared between the closures of one turn.
    gives("let seen = []; for i in 0..3 { i += 10; seen.push(i); } seen", "[10, 11, 12]");
    gives(
        "let seen = []; for i in 0..2 { let up = || { i += 1; }; let get = || i; up.call(); up.call(); seen.push(get.call()); seen.push(i); } seen",
        "[2, 2, 3, 3]",
    );
    gives("let i = 7; for i in 0..3 { [1].map(|x| x + i); } i", "7");
    gives("let sum = 0; for i in 0..4 { sum += [1, 2].map(|x| x * i).reduce(|a, b| a + b, 0); } sum", "18");
}

#[test]
fn an_error_in_a_loop_stands_where_it_was_written() {
    let (.., column) = refused("for i in 0..3 { let f = || i; nothing_such(i); }");
    assert_eq!(column, Some(31));
    let (.., column) = refused("let f = |x| x; for i in 0..3 { let g = || f(i); let t = `${i}` + f(i) + i.nothing; }");
    assert_eq!(column, Some(75));
}

#[test]
fn a_closure_in_a_variable_is_called_like_a_function() {
    gives("let f = |x| x + 1; f(2)", "3");
    gives("let f = |x| x + 1; f(f(2)) + f(1)", "6");
    gives("fn twice(f, x) { f(f(x)) } twice(|x| x * 3, 1)", "9");
    gives("let f = |x| x + 1; [1, 2].map(|x| f(x))", "[2, 3]");
    gives(
        "let fs = [|x| x + 1, |x| x * 2]; let got = []; for f in fs { got.push(|| f(5)); } got.map(|g| g())",
        "[6, 10]",
    );
    gives("let add = |a| |b| a + b; let one = add(1); one(2)", "3");
    gives("let f = || 4; `${f()}` + f()", "44");
    gives("let f = |x| x; try { throw f } catch (g) { f(g(1)) }", "");
    // A function of that name is called as ever.
    gives("fn f(x) { x * 100 } let f = |x| x; f(2)", "200");
    gives("let max = |a, b| a; max(1, 2)", "2");
    gives("let m = #{ f: |x| x + 1 }; m.f(1)", "2");
    let mut session = session();
    let _ = session.eval("let f = |x| x + 1;").expect("runs");
    assert_eq!(show(&session.eval("f(2)").expect("runs")), "3");
    let (code, message, hint, _) = refused("let n = 3; n(1)");
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("call/not-a-function", "`n` is called like a function, but is an integer")
    );
    assert!(hint.contains("|x|"), "{hint}");
}

#[test]
fn nothing_does_not_go_into_a_text() {
    let trims = "`trim` changes what it is called on and returns nothing, `()`, which is put into a text";
    refuses("let text = \" a \"; `<${text.trim()}>`", trims, "`x.trim(…);`");
    refuses("let text = \" a \"; \"<\" + text.trim() + \">\"", trims, "`x.trim(…);`");
    refuses("let a = \"x\"; let text = \" a \"; a + text.trim()", trims, "`x.trim(…);`");
    refuses("let a = \"x\"; let text = \" a \"; a += text.trim(); a", trims, "`x.trim(…);`");
    refuses("let a = [2, 1]; `${a.sort()}`", &trims.replace("trim", "sort"), "`x.sort(…);`");
    let nothing = "nothing, `()`, would be put into a text";
    refuses("let m = #{}; `${m.a}`", nothing, "??");
    refuses("let m = #{}; \"a\" + m.a", nothing, "??");
    refuses("let m = #{}; m.a + \"a\"", nothing, "??");
    refuses("let m = #{}; 1 + \"a\" + m.a", nothing, "??");
    gives("let m = #{}; `<${m.a ?? \"none\"}>`", "<none>");
    gives("try { let m = #{}; `${m.a}` } catch (e) { e.code }", "");
    gives("let c = (); try { let m = #{}; `${m.a}` } catch (e) { c = e.code; } c", "script/nothing");
    gives("let x = 2; \"a\" + x * 3 + (x + 1) + [x][0] + -x", "a632-2");
    gives("let x = 2; `${x}${ let y = x; y + 1 }${if x == 2 { \"two\" } else { \"no\" }}${\"t\"}${1}`", "23twot1");
    gives("let t = if true { \"a\" } else { \"b\" } + 1; t", "a1");
    let (.., column) = refused("let text = \" a \"; `<${text.trim()}>`");
    assert_eq!(column, Some(23));
}

#[test]
fn arrays_are_sorted_as_one_expects() {
    gives("let a = [3.0, 1.0, 2.0]; a.sort(|x, y| x - y); a", "[1.0, 2.0, 3.0]");
    gives("let a = [0.3, 0.1, 0.2]; a.sort_by(|x, y| x - y); a", "[0.1, 0.2, 0.3]");
    gives("let a = [3, 1.5, 2]; a.sort(); a", "[1.5, 2, 3]");
    gives("let a = [3, 1.5, 2]; a.sort_desc(); a", "[3, 2, 1.5]");
    gives("[3, 1, 2].order()", "[1, 2, 3]");
    gives("[3, 1, 2].order(|x, y| x > y)", "[3, 2, 1]");
    gives(
        "let a = [[2, \"a\"], [1, \"b\"], [2, \"c\"]]; a.sort(|x, y| x[0] - y[0]); a",
        "[[1, \"b\"], [2, \"a\"], [2, \"c\"]]",
    );
    refuses("let a = [3, \"a\"]; a.sort()", "an integer `3` and a string `a` cannot be ordered", "sort(|a, b| …)");
    refuses("let a = [1.0, 0.0 / 0.0]; a.sort()", "`NaN` cannot be ordered", "sort(|a, b| …)");
    refuses("let a = [3, 1]; a.sort(|x, y| \"no\")", "the comparator returned a string `no`", "a - b");
    refuses("let a = [3, 1]; a.sort(|x, y| x.nothing_such())", "an integer has no method `nothing_such`", "");
}

#[test]
fn errors_speak_plain_words() {
    refuses("1.0 - ()", "`-` is not defined for a float and nothing, `()`", "");
    gives(
        "let c = (); try { 1 / 0 } catch (e) { c = [e.code, e.message]; } c",
        "[\"script/arithmetic\", \"Division by zero: 1 / 0\"]",
    );
    gives("let c = (); try { [1][5] } catch (e) { c = e.code; } c", "script/bounds");
    gives("let c = (); try { 1.nothing_such() } catch (e) { c = e.code; } c", "call/types");
    gives("let c = (); try { throw \"x\" } catch (e) { c = e; } c", "x");
    gives("let c = (); try { throw #{ code: 3, message: \"x\" } } catch (e) { c = e.code; } c", "3");
    gives("1 / 2", "0");
}

#[test]
fn growing_takes_linear_time_and_meets_its_bound() {
    let start = std::time::Instant::now();
    gives(
        "let rows = []; for i in 0..131072 { rows.push(#{ id: i, text: \"a b c\", label: i % 2 }); } rows.len()",
        "131072",
    );
    gives("let a = []; for i in 0..131072 { a.append([i]); } a[-1] + a.len()", "262143");
    gives(
        "let a = [1]; a.append([2, 3]); a.append([]); let b = [0]; b.append(a); `${a} ${b}`",
        "[1, 2, 3] [0, 1, 2, 3]",
    );
    // A second where nothing else runs; the bound is far from the quadratic time, which is over a minute.
    assert!(start.elapsed().as_secs_f64() < 15.0, "{:?}", start.elapsed());
    for code in [
        "let m = #{}; let i = 0; loop { m[\"k\" + i] = i; i += 1; }",
        "let m = #{}; let i = 0; loop { m.set(\"k\" + i, i); i += 1; }",
        "let a = []; loop { a.push(1); }",
        "let a = []; loop { a.insert(0, 1); }",
        "let a = [1]; loop { a.append([2]); }",
        "let a = [1]; loop { a.append(a); }",
        "let a = [[]]; loop { a[0].push([1, 2]); }",
        "let a = []; let b = []; b.pad(100000, 0); loop { a.push(b); }",
        "let m = #{ a: #{} }; let i = 0; loop { m.a[\"k\" + i] = i; i += 1; }",
        "let f = |x| x; loop { f = f.curry(f); }",
        "let m = #{}; let f = |i| { m[\"k\" + i] = i; }; let i = 0; loop { f.call(i); i += 1; }",
    ] {
        let start = std::time::Instant::now();
        let (found, ..) = refused(code);
        assert_eq!(found, "limit/size", "{code}");
        assert!(start.elapsed().as_secs_f64() < 20.0, "{code}: {:?}", start.elapsed());
    }
}

#[test]
fn guards_are_no_part_of_a_closures_digest() {
    use crate::bind::trace::tree_of;
    let plain = |engine: &Engine, text: &str| -> Vec<String> {
        let ast = engine.compile(text).expect("compiles");
        let mut trees: Vec<String> = ast.iter_functions().map(|f| tree_of(&ast, f.name)).collect();
        trees.sort();
        trees
    };
    let session = session();
    for text in [
        "fn f(x) { `a ${x} b ${x + 1} ${x.y(1)[2]}` }",
        "fn f(x) { \"a\" + x + x.len() + (x + 1) + \"b\" }",
        "fn f(x) { try { x.run() } catch (e) { print(e); 1 } }",
        "fn f(x) { try { x.run() } catch (e) { } 2 }",
        "fn f(x) { x + \"]\" + x[\"]\"] + `${x[\"]\"]}` }",
        "fn f(x) { let y = x.map(|z| `${z}: ` + z); y }",
    ] {
        let (ast, _) = rewrite::compile(&session.engine, &Scope::new(), &|_| true, text).expect("compiles");
        let mut trees: Vec<String> = ast.iter_functions().map(|f| tree_of(&ast, f.name)).collect();
        trees.sort();
        assert_eq!(trees, plain(&session.engine, text), "{text}");
        assert!(format!("{ast:?}").contains("__"), "{text}: nothing was guarded");
    }
}

#[test]
fn habits_of_other_languages_are_answered() {
    let cases = [
        ("import numpy as np", "`import` takes a text, not `numpy`", "w2s help"),
        ("from torch import nn", "`from … import` is not part of the language", "w2s help"),
        ("let x = 1; f\"loss {x}\"", "`f` before a text is not part of the language", "`loss ${x}`"),
        ("let t = 'hello';", "single quotes hold one character", "`\"hello\"`"),
        ("for i in range(10) { }", "no `range` takes (integer)", "`0..n`"),
        ("let model = 1; let rows = 2; finetune(model, rows, lr=0.1)", "`lr = …` is not an argument", "#{ lr: … }"),
        ("let model = 1; let rows = 2; finetune(model, rows,\n  lr=0.1)", "`lr = …` is not an argument", "#{ lr: … }"),
        ("let a = []; a.append(3)", "an array has no method `append` that takes (integer)", "items.push(x)"),
        ("def f(x) { x }", "`def` is not part of the language", "fn name(x)"),
        ("function f(x) { x }", "`function` is not part of the language", "fn name(x)"),
        ("let x = None;", "there is no variable `None`", "`()`"),
        ("let x = True;", "there is no variable `True`", "`true`"),
        ("let f = lambda x: x + 1;", "`lambda` is not part of the language", "|x| x + 1"),
        ("let x = 1; if x == 1 { } elif x == 2 { }", "`elif` is not part of the language", "else if"),
        ("let x = true; if x and x { }", "`and` is not part of the language", "`a && b`"),
        ("let x = true; if x or x { }", "`or` is not part of the language", "`a || b`"),
        ("let x = true; if not x { }", "`not` is not part of the language", "`!x`"),
        ("print(1, 2)", "no `print` takes (integer, integer)", "`${a} ${b}`"),
        ("let s = \"a\"; s.upper()", "a string has no method `upper` that takes ()", "to_upper"),
        ("let a = [1]; a.length", "an array has no property `length`", "`.len()`"),
        ("x = 3", "there is no variable `x`", "`let x = …;`"),
        ("let x = 1; x++;", "there is no `++`", "`x += 1`"),
        ("np::mean([1])", "there is no module `np` here", "w2s help"),
        ("for i in 0..3:", "`for … :` is not part of the language", "braces"),
        ("var x = 1;", "`var` is not part of the language", "let x = 1"),
        ("data::load(\"world/subject\").train.labels", "a Data has no property `labels`", "truth"),
        ("enumerate([1])", "there is no function `enumerate`", "counts along"),
    ];
    for (code, message, hint) in cases {
        refuses(code, message, hint);
    }
}

#[test]
fn right_code_is_not_taken_for_a_habit() {
    for code in [
        "let and_so = 1; let f = |a, b| a + b; f(and_so, 1)",
        "let m = #{ not: 1, or: 2 }; m.not + m[\"or\"]",
        "let c = 'a'; c == 'a'",
        "let x = 1; let y = -x; if (x > 0) { y } else { x }",
        "`it's ${1} and 'two'`",
        "let lr = 1; let f = |lr| lr; lr = f(lr); lr",
    ] {
        let _ = session().eval(code).unwrap_or_else(|error| panic!("{code}: {error}"));
    }
}

#[test]
fn an_error_in_a_closure_of_a_script_that_the_stdlib_calls_is_the_scripts_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("own.rhai");
    let text = "import \"w2s\" as w2s;\nlet ladder = model::ladder(\"world\");\nlet task = data::load(\"world/subject\");\n\
                w2s::transfer(ladder[0], ladder[1], task, #{ n: 20, seeds: [0], train: #{ epochs: 1 }, weak_train: #{ epochs: 1 },\n  \
                loss: |logits, weak, at| {\n    logits.nothing_such(weak)\n} });";
    std::fs::write(&file, text).expect("written");
    let error = Session::for_scripts(Arc::new(Context::for_tests())).run_script(&file).expect_err("fails");
    let place = error.place.clone().expect("a place");
    assert!(place.source.ends_with("own.rhai"), "{place}");
    assert_eq!((place.line, place.text.as_deref()), (6, Some("    logits.nothing_such(weak)")), "{error:?}");
}

/// Names with their lines and columns, as Rhai's own tokenizer reads them.
fn names_of_rhai(text: &str) -> Vec<(usize, usize, String)> {
    use rhai::Token;
    let engine = Engine::new();
    let texts = [text];
    let (tokens, control) = engine.lex(&texts);
    // Braces that are open inside each interpolation: after the last, Rhai's parser tells the tokenizer to go on with the text.
    let mut open: Vec<usize> = Vec::new();
    let mut names = Vec::new();
    for (token, position) in tokens {
        match token {
            Token::EOF => break,
            Token::InterpolatedString(..) => open.push(0),
            Token::LeftBrace | Token::MapStart => open.iter_mut().last().into_iter().for_each(|n| *n += 1),
            Token::RightBrace => {
                if let Some(n) = open.last_mut() {
                    *n -= 1;
                    if *n == 0 {
                        open.pop();
                        control.borrow_mut().is_within_text = true;
                    }
                }
            }
            Token::Identifier(name) | Token::Reserved(name) if name.starts_with(char::is_alphabetic) => {
                names.push((position.line().unwrap_or(0), position.position().unwrap_or(0), name.to_string()));
            }
            _ => {}
        }
    }
    names
}

#[test]
fn the_reader_of_tokens_agrees_with_rhai() {
    use crate::report::scan::{Kind, Scan};
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = vec![
        "let a = `x ${ #{ b: `y ${c} z` }.b } w ${d}`; // e\n/* f /* g */ */ 'h' + \"i ${j}\" + #\"k\"# + 1.l + 0x1f + m?.n".to_owned(),
    ];
    for folder in ["stdlib", "scripts", "examples"] {
        for entry in std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|ending| ending == "rhai") {
                texts.push(std::fs::read_to_string(entry.path()).expect("text"));
            }
        }
    }
    assert!(texts.len() > 5, "the scripts are somewhere else");
    for text in texts {
        let scan = Scan::new(&text);
        let place = |byte: usize| {
            let before = &text[..byte];
            let line = before.matches('\n').count() + 1;
            (line, before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1)
        };
        let words = scan.tokens.iter().filter(|token| matches!(token.kind, Kind::Name | Kind::Keyword));
        let read: Vec<(Kind, (usize, usize, String))> = words
            .map(|token| {
                let (line, column) = place(token.start);
                (token.kind, (line, column, scan.text(token).to_owned()))
            })
            .collect();
        let rhai = names_of_rhai(&text);
        for name in &rhai {
            assert!(read.iter().any(|(_, word)| word == name), "{name:?} is not read");
        }
        for (_, word) in read.iter().filter(|(kind, _)| *kind == Kind::Name) {
            assert!(rhai.contains(word), "{word:?} is no name to Rhai");
        }
    }
}
