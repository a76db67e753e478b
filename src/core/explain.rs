//! What every host error can say beyond its message: a stable code, and what to type instead.

use strsim::levenshtein;

/// An error that a user can act on.
///
/// Each room has its own `thiserror` enum; the binding layer turns any of them into a fault with a position.
/// Messages are lower case, without a full stop, with values in back-ticks and both sides of a mismatch.
pub trait Explain: std::error::Error {
    /// A stable code, `room/what`, such as `data/unknown-task`. Scripts and tests may rely on it.
    fn code(&self) -> &'static str;

    /// What to type instead, if that can be said.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Whether it ends the script for good: the user's interruption (Ctrl-C), or the end of a dry run. A script's `try` must
    /// not swallow it.
    fn is_interruption(&self) -> bool {
        false
    }
}

/// What a variant's hint may be: a text, or none.
pub trait IntoHint {
    fn into_hint(self) -> Option<String>;
}

impl IntoHint for String {
    fn into_hint(self) -> Option<String> {
        Some(self)
    }
}

impl IntoHint for Option<String> {
    fn into_hint(self) -> Option<String> {
        self
    }
}

impl IntoHint for Option<&str> {
    fn into_hint(self) -> Option<String> {
        self.map(str::to_owned)
    }
}

/// Declares an enum of errors, each with everything that is said of it in one place: the message (`thiserror`'s), the
/// stable code, and a hint where there is one. A hint is a text with the variant's fields in braces, or an expression over
/// references to them that gives a `String` or an `Option`. `from` lists errors of rooms below, which are passed on as they are.
macro_rules! explained {
    (
        $(#[$meta:meta])*
        $vis:vis enum $Name:ident {
            $(
                $(#[doc = $doc:literal])*
                #[error($($message:tt)*)]
                #[code($code:expr)]
                $(#[hint($($hint:tt)*)])?
                $Variant:ident
                    $({ $($(#[doc = $field_doc:literal])* $field:ident: $type:ty),* $(,)? })?
                    $(($($slot:ident: $slot_type:ty),*))?,
            )*
        }
        from { $($From:ident($FromType:ty)),* }
    ) => {
        $(#[$meta])*
        $vis enum $Name {
            $(
                $(#[doc = $doc])*
                #[error($($message)*)]
                $Variant $({ $($(#[doc = $field_doc])* $field: $type),* })? $(($($slot_type),*))?,
            )*
            $(
                #[error("{0}")]
                $From(#[from] $FromType),
            )*
        }

        impl $crate::core::explain::Explain for $Name {
            #[allow(unused_variables, reason = "a code may follow from fields, and most do not")]
            fn code(&self) -> &'static str {
                match self {
                    $($Name::$Variant $({ $($field),* })? $(($($slot),*))? => $code,)*
                    $($Name::$From(error) => $crate::core::explain::Explain::code(error),)*
                }
            }

            #[allow(unused_variables, reason = "a hint may name fields, and most name none")]
            fn hint(&self) -> Option<String> {
                match self {
                    $(
                        $Name::$Variant $({ $($field),* })? $(($($slot),*))? => {
                            $crate::core::explain::hint!($($($hint)*)?)
                        }
                    )*
                    $($Name::$From(error) => $crate::core::explain::Explain::hint(error),)*
                }
            }

            fn is_interruption(&self) -> bool {
                match self {
                    $($Name::$From(error) => $crate::core::explain::Explain::is_interruption(error),)*
                    _ => false,
                }
            }
        }
    };
}
pub(crate) use explained;

/// The hint of one variant of [`explained!`].
macro_rules! hint {
    () => {
        None
    };
    ($text:literal) => {
        Some(format!($text))
    };
    ($hint:expr) => {
        $crate::core::explain::IntoHint::into_hint($hint)
    };
}
pub(crate) use hint;

/// The first line of another library's error, in lower case as messages are: below it may stand a backtrace.
pub fn first_line(error: &(impl std::fmt::Display + ?Sized)) -> String {
    error.to_string().lines().next().unwrap_or("unknown error").to_lowercase()
}

/// The name nearest to `word` by edit distance, if it is near enough to be meant.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.chars().count().min(word.chars().count()) / 4)
        .min()
        .map(|(_, name)| name)
}

/// Names for a message, the first twenty of them.
pub fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(20).map(|name| format!("`{name}`")).collect();
    shown.join(", ") + if names.len() > 20 { ", …" } else { "" }
}
