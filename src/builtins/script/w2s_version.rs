//! `w2s_version`

use crate::bind::prelude::*;

/// The record.
pub fn function() -> Function {
    Function::new("", "w2s_version", run)
        .about("Says which version of w2s a script was written for, and warns if this is another one.")
        .details(
            "The first line of a script that is to be rerun. Versions fit if their first number is equal, and, while \
             it is 0, the second as well (Cargo's rule); the third is never compared. The script runs on either way.",
        )
        .source("semantic versioning as Cargo reads it")
        .param::<String>("written_for", "such as \"0.1\"")
        .returns("bool: whether the versions fit")
        .example("w2s_version(\"0.1\")", "true")
        .example("w2s_version(\"7.0\")", "false")
        .fails("w2s_version(\"new\")", "`new` is not a version")
}

fn run(call: &mut Call) -> Answer {
    let said: String = call.arg(0)?;
    let this = env!("CARGO_PKG_VERSION");
    let wanted = significant(&said).ok_or_else(|| {
        Fault::new("script/version", format!("`{said}` is not a version")).hint("two or three numbers, such as \"0.1\"")
    })?;
    let fits = significant(this) == Some(wanted);
    if !fits {
        call.ctx().warn(format!("the script was written for w2s {said}, this is w2s {this}: results may differ"));
    }
    Ok(Dynamic::from(fits))
}

/// The numbers of a version that must be equal.
fn significant(version: &str) -> Option<(u32, u32)> {
    let numbers: Vec<u32> = version.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    match numbers[..] {
        [0, minor] | [0, minor, _] => Some((0, minor)),
        [major, _] | [major, _, _] => Some((major, 0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_cargo_compares_them() {
        assert_eq!(significant("0.1"), significant("0.1.7"));
        assert_ne!(significant("0.1"), significant("0.2.1"));
        assert_eq!(significant("1.2"), significant("1.9.3"));
        assert_ne!(significant("1.2"), significant("2.2"));
        assert_eq!((significant("1"), significant("1.x"), significant("")), (None, None, None));
    }
}
