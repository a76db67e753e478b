//! Help on what is not a function: statements of the language, and words that a person meets first.

/// Names, and what there is to say: a line that shows it, then Markdown.
pub struct Topic {
    pub names: &'static [&'static str],
    pub shows: &'static str,
    pub about: &'static str,
}

/// Every topic.
pub const TOPICS: &[Topic] = &[
    Topic {
        names: &["for", "in"],
        shows: "for item in items { … }",
        about: "Goes through an array, a text or a range: `0..n` is 0 to n - 1, `0..=n` includes n. `for (item, i) in items { … }` \
                counts along. The variable is a new one in each turn: a closure made in the body keeps the value of its \
                turn. `for key in map.keys() { … map[key] … }` goes through an object map.",
    },
    Topic {
        names: &["while", "loop", "do", "until"],
        shows: "while x < 10 { … }",
        about: "`while condition { … }`, `loop { … }` without a condition, `do { … } while condition;`. `break` leaves, \
                `continue` begins the next turn.",
    },
    Topic {
        names: &["break", "continue"],
        shows: "loop { if done { break; } }",
        about: "`break` leaves the innermost loop; `continue` begins its next turn.",
    },
    Topic {
        names: &["if", "else"],
        shows: "if x > 0 { … } else if x < 0 { … } else { … }",
        about: "Also a value: `let name = if hard { \"hard\" } else { \"soft\" };`. Conditions are joined by `&&`, `||`, `!`.",
    },
    Topic {
        names: &["switch"],
        shows: "switch x { 1 => \"one\", 2 | 3 => \"some\", _ => \"many\" }",
        about: "Chooses by value; `_` matches everything else.",
    },
    Topic {
        names: &["let", "const"],
        shows: "let x = 1;",
        about: "Declares a variable, which ends with the block around it; `x = 2;` changes it. `const` declares one that \
                cannot be changed.",
    },
    Topic {
        names: &["fn", "return", "private"],
        shows: "fn twice(x) { 2 * x }",
        about: "A function gives the value of its last expression, or of `return x;`. It sees its parameters and nothing \
                around it. `private fn` is not visible to a script that imports the file.",
    },
    Topic {
        names: &["closure", "call", "curry", "Fn"],
        shows: "let f = |x| x + 1;",
        about: "A closure sees the variables around it. Call it as `f(2)` or `f.call(2)`; pass it on as a value, as \
                `items.map(f)` does. `Fn(\"name\")` makes one of a function.",
    },
    Topic {
        names: &["import", "export", "as"],
        shows: "import \"library\" as library;",
        about: "Makes the functions of `library.rhai`, beside the script, callable as `library::name(…)`. `import \"w2s\" as \
                w2s;` brings the experiments that come with the program; the prompt has them without it.",
    },
    Topic {
        names: &["try", "catch", "throw"],
        shows: "try { … } catch (e) { print(e.message); }",
        about: "`e` has `code`, `message` and, where there is one, `hint`. `throw \"why\"` or `throw #{ code: \"…\", message: \
                \"…\" }` raises an error.",
    },
    Topic {
        names: &["print", "debug"],
        shows: "print(value)",
        about: "Prints one value as the prompt shows it; a run's record keeps the line. Several values: ``print(`${a} ${b}`)``. \
                `debug` also says from which line.",
    },
    Topic {
        names: &["this"],
        shows: "fn twice() { this * 2 } 4.twice()",
        about: "What a function is called on as a method.",
    },
    Topic {
        names: &["type_of", "is_shared", "is_def_fn", "is_def_var"],
        shows: "type_of(x)",
        about: "The name of a value's type, as a text. `is_def_fn(\"name\", 1)` and `is_def_var(\"name\")` say whether there is \
                such a function or variable.",
    },
    Topic {
        names: &["exit", "quit"],
        shows: "exit",
        about: "At the prompt `exit`, `quit`, `:quit` or Ctrl-D leaves. A script ends at its last line or at `return;`, and \
                fails by `throw \"why\"`.",
    },
    Topic {
        names: &["args"],
        shows: "w2s script FILE -- a b",
        about: "The arguments after `--` on the command line, as an array of texts.",
    },
    Topic {
        names: &["store"],
        shows: "w2s store ls",
        about: "Results of costly calls (pretrained, finetuned and labelled) are kept by the digest of everything that made \
                them; the same call is answered from there. `w2s store ls` lists them, `w2s store gc` removes old ones, \
                `w2s store check` compares every file with its digest. `--store DIR` or `--store s3://BUCKET/PREFIX` chooses \
                another place, `--no-memo` disables it.",
    },
    Topic {
        names: &["ladder", "rung"],
        shows: "let ladder = model::ladder(\"world\");",
        about: "Pretrained models of one family, smallest first. A rung is one of them: `ladder[0]` is the weakest.",
    },
    Topic {
        names: &["at"],
        shows: "|logits, weak, at| logits.cross_entropy(weak) * at.progress",
        about: "What a loss written in the script is told of its batch: `at.step`, `at.steps`, `at.progress` (0 to below 1), \
                `at.epoch`, `at.rows` (ids), `at.weights`. `help Batch` has them one by one.",
    },
    Topic {
        names: &["array", "arrays"],
        shows: "let xs = [1, 2, 3];",
        about: "`xs[0]`, `xs[-1]` (the last), `xs.len()`, `xs + ys`. New arrays and values: `map`, `filter`, `reduce`, `extract`, \
                `some`, `all`, `find`, `index_of`, `contains`, `zip`. In place: `push`, `pop`, `insert`, `remove`, `sort`, `reverse`, \
                `dedup`. `help map` and so on say more.",
    },
    Topic {
        names: &["text", "string", "strings"],
        shows: "let name = `seed ${seed}`;",
        about: "`text.len()`, `text + other`, `text.contains(\"x\")`, `split`, `trim`, `replace`, `to_upper`, `to_lower`, `sub_string`, \
                `starts_with`, `ends_with`, `parse_int`, `parse_float`. Back-ticks put values into a text: `${x}`.",
    },
    Topic {
        names: &["object map", "maps"],
        shows: "let options = #{ epochs: 3, lr: 1e-3 };",
        about: "`options.lr`, `options[\"lr\"]`, `options + #{ lr: 1e-2 }` (the right one wins), `options.keys()`, `options.values()`, \
                `\"lr\" in options`. A key that is not there reads as `()`.",
    },
    Topic {
        names: &["seed", "seeds"],
        shows: "#{ seeds: [0, 1, 2] }",
        about: "A seed decides which rows are drawn, how they are split and in which order a model sees them. Comparisons run \
                over several and report the spread. Explicit seeds are fixed; `--seed` changes all others.",
    },
];

/// The topic called `name`.
pub fn find(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.names.contains(&name))
}

/// The glossary of docs/style.md.
const STYLE: &str = include_str!("../../../docs/style.md");

/// A word of the glossary and its meaning, whatever its capitals.
pub fn word(name: &str) -> Option<(String, String)> {
    let rows = STYLE.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    rows.filter(|(word, _)| *word != "word").find_map(|(word, meaning)| {
        let is_it = word.split(", ").any(|word| word.eq_ignore_ascii_case(name));
        is_it.then(|| (word.to_owned(), meaning.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_glossary_is_read() {
        let meaning = |name: &str| word(name).map(|(_, meaning)| meaning).unwrap_or_default();
        assert!(meaning("supervisor").starts_with("the weak model"));
        assert!(meaning("pgr").contains("(student − weak) / (ceiling − weak)") && meaning("D2") == meaning("d1"));
        assert_eq!(word("word"), None);
    }
}
