//! What the prompt understands besides the language: `help NAME` and the commands that begin with a colon.

/// A command, for `:help` and for completion.
pub struct CommandDoc {
    pub name: &'static str,
    pub argument: &'static str,
    pub about: &'static str,
}

/// Every command.
pub const COMMANDS: [CommandDoc; 7] = [
    CommandDoc { name: ":help", argument: "", about: "this list" },
    CommandDoc { name: ":vars", argument: "", about: "variables with their types and values" },
    CommandDoc {
        name: ":time",
        argument: "[CODE]",
        about: "run CODE and say how long it took; alone, say so after every input, or no longer",
    },
    CommandDoc { name: ":load", argument: "FILE", about: "run a script here: its variables and functions stay" },
    CommandDoc { name: ":save", argument: "FILE", about: "write what succeeded so far as a script that runs" },
    CommandDoc { name: ":reset", argument: "", about: "forget variables, functions and inputs" },
    CommandDoc { name: ":quit", argument: "", about: "leave, as `exit`, `quit` and Ctrl-D do" },
];

/// What was typed.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    Nothing,
    /// `help` or `help NAME`.
    Help(Option<String>),
    Commands,
    Vars,
    /// `:time`, or `:time CODE`.
    Time(Option<String>),
    Load(String),
    Save(String),
    Reset,
    Quit,
    /// A colon with something that is not a command, or a command without what it needs: what to say.
    Wrong(String),
    Code(String),
}

/// Reads one input.
pub fn read(text: &str) -> Input {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Input::Nothing;
    }
    let words: Vec<&str> = trimmed.split_whitespace().collect();
    match words[..] {
        ["help"] | ["help;"] | ["help()"] | ["help();"] => return Input::Help(None),
        ["help", name] => return Input::Help(Some(name.to_owned())),
        ["exit" | "quit" | "exit;" | "quit;" | "exit()" | "quit()" | "exit();" | "quit();"] => return Input::Quit,
        _ => {}
    }
    let Some(command) = trimmed.strip_prefix(':') else {
        return Input::Code(text.to_owned());
    };
    let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    let file = |make: fn(String) -> Input| match rest {
        "" => Input::Wrong(format!("`:{name}` needs a file: :{name} FILE")),
        path => make(path.trim_matches('"').to_owned()),
    };
    match name {
        "help" | "h" | "?" => Input::Commands,
        "vars" | "v" => Input::Vars,
        "time" | "t" => Input::Time((!rest.is_empty()).then(|| rest.to_owned())),
        "load" | "l" => file(Input::Load),
        "save" | "s" => file(Input::Save),
        "reset" => Input::Reset,
        "quit" | "q" | "exit" => Input::Quit,
        _ => {
            let names = COMMANDS.iter().filter_map(|command| command.name.strip_prefix(':'));
            match crate::bind::nearest(name, names) {
                Some(near) => Input::Wrong(format!("there is no command `:{name}`; did you mean `:{near}`?")),
                None => Input::Wrong(format!("there is no command `:{name}`; `:help` lists them")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_told_apart() {
        assert_eq!(read("  "), Input::Nothing);
        assert_eq!(read("help metric::pgr"), Input::Help(Some("metric::pgr".to_owned())));
        assert_eq!(read("help + 1"), Input::Code("help + 1".to_owned()));
        assert_eq!(read(":load \"a b.rhai\""), Input::Load("a b.rhai".to_owned()));
        assert_eq!(read(":time 1 + 1"), Input::Time(Some("1 + 1".to_owned())));
        assert!(matches!(read(":save"), Input::Wrong(_)));
        for leaves in ["exit", "quit", "exit()", "quit();", ":quit"] {
            assert_eq!(read(leaves), Input::Quit, "{leaves}");
        }
        assert_eq!(read("exit + 1"), Input::Code("exit + 1".to_owned()));
        assert_eq!(read(":vras"), Input::Wrong("there is no command `:vras`; did you mean `:vars`?".to_owned()));
    }
}
