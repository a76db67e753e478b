//! Option maps: `#{ lr: 5e-3, epochs: 2 }` to a struct, with unknown keys refused and defaults written once.

use super::convert::{FromDynamic, Mismatch, describe};
use super::fault::Fault;
use super::renamed;
use crate::core::explain::nearest;
use crate::train::Choice;
use rhai::{Dynamic, Map};
use std::borrow::Cow;

/// One documented option.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionDoc {
    pub name: &'static str,
    pub type_name: String,
    /// The default as source text.
    pub default: String,
    pub about: String,
}

/// An options struct, made by the [`crate::options!`] macro.
pub trait Options: Sized + Default {
    /// The documentation of every field, in order.
    fn docs() -> Vec<OptionDoc>;

    /// The name of every option, in order.
    fn names() -> Vec<&'static str> {
        Self::docs().into_iter().map(|doc| doc.name).collect()
    }

    /// Reads the options that a script's map has, and passes over what is none of them.
    fn read(what: &str, map: &Map) -> Result<Self, Fault>;

    /// Reads a script's map, which may have nothing else. `what` is the function's path, for messages.
    fn from_map(what: &str, map: &Map) -> Result<Self, Fault> {
        let map = accepted(what, map, &Self::names())?;
        Self::read(what, &map)
    }

    /// Every option with its value, defaults filled in, as the record keeps it.
    fn filled(&self) -> Vec<(&'static str, String)>;
}

/// How a [`super::Function`] holds its options without knowing the struct.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OptionSet {
    pub docs: Vec<OptionDoc>,
}

/// The map by the names of today. Fails with the list of valid names if it has a key that is not among `names`.
pub fn accepted<'a>(what: &str, map: &'a Map, names: &[&str]) -> Result<Cow<'a, Map>, Fault> {
    let map = renamed::options(what, map, names, renamed::OPTIONS);
    refuse_unknown(what, &map, names)?;
    Ok(map)
}

fn refuse_unknown(what: &str, map: &Map, names: &[&str]) -> Result<(), Fault> {
    for key in map.keys() {
        if !names.contains(&key.as_str()) {
            let hint = match nearest(key, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`? options of `{what}`: {}", names.join(", ")),
                None if names.is_empty() => format!("`{what}` has no options"),
                None => format!("options of `{what}`: {}", names.join(", ")),
            };
            return Err(Fault::new("call/unknown-option", format!("`{what}` has no option `{key}`")).hint(hint));
        }
    }
    Ok(())
}

/// Reads one field.
pub fn read<T: FromDynamic>(what: &str, name: &str, value: &Dynamic) -> Result<T, Fault> {
    T::from_dynamic(value)
        .map_err(|why| Fault::new("call/option-type", format!("option `{name}` of `{what}` {}", why.0)))
}

/// Reads a value out of a few that have names; `()` where it may be left out is read elsewhere.
pub fn read_choice<T: Choice>(value: &Dynamic) -> Result<T, Mismatch> {
    let must = |got: &str| Mismatch(format!("must be {}, got {got}", T::names()));
    match value.clone().into_string() {
        Ok(name) => T::parse(&name).ok_or_else(|| must(&format!("`{name}`"))),
        Err(_) => Err(must(&describe(value))),
    }
}

/// Lets scripts give values out of a few by their names.
#[macro_export]
macro_rules! choices {
    ($($name:ty),+ $(,)?) => { $(
        impl $crate::bind::FromDynamic for $name {
            fn type_name() -> String {
                "string".to_owned()
            }
            fn from_dynamic(value: &rhai::Dynamic) -> Result<Self, $crate::bind::Mismatch> {
                $crate::bind::read_choice(value)
            }
        }
    )+ };
}

/// The type of a field, as documentation shows it.
pub fn type_name_of<T: FromDynamic>(_: &T) -> String {
    T::type_name()
}

/// Lets scripts give the options that are declared in `train`: to be handed to the macro that declares them. What a script
/// leaves out, or gives as `()`, has its default; a seed is the session's then, which the caller fills in.
#[macro_export]
macro_rules! settings {
    (
        $(#[$meta:meta])*
        $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident : $type:ty = $default:expr, [ $($range:expr)? ], $says:ident ; )+
        }
    ) => {
        impl $crate::bind::Options for $crate::train::$name {
            fn docs() -> Vec<$crate::bind::OptionDoc> {
                let default = <$crate::train::$name>::default();
                vec![ $( $crate::bind::OptionDoc {
                    name: stringify!($field),
                    type_name: $crate::bind::type_name_of(&default.$field),
                    default: match stringify!($field) {
                        "seed" => "()".to_owned(),
                        _ => $crate::train::Setting::source(&default.$field),
                    },
                    about: [$( $doc ),+].map(str::trim).join(" "),
                }, )+ ]
            }

            fn read(what: &str, map: &rhai::Map) -> Result<Self, $crate::bind::Fault> {
                let mut options = <$crate::train::$name>::default();
                $( if let Some(value) = map.get(stringify!($field)).filter(|value| !value.is_unit()) {
                    options.$field = $crate::bind::read_option(what, stringify!($field), value)?;
                } )+
                Ok(options)
            }

            fn filled(&self) -> Vec<(&'static str, String)> {
                vec![ $( (stringify!($field), $crate::train::Setting::source(&self.$field)), )+ ]
            }
        }
    };
}

/// Declares an options struct: fields with doc comments, types and defaults, each written once. `with part: Type` adds the
/// options of another such struct.
///
/// ```
/// use w2s::bind::Options;
/// w2s::options! {
///     /// How to greet.
///     pub struct GreetOptions {
///         /// Whom.
///         name: String = "world".to_owned(),
///         /// How often.
///         times: usize = 1,
///     }
/// }
/// assert_eq!(GreetOptions::default().times, 1);
/// assert_eq!(GreetOptions::docs()[0].about, "Whom.");
/// ```
#[macro_export]
macro_rules! options {
    (
        $(#[$struct_doc:meta])*
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident : $type:ty = $default:expr ),* $(,)?
        }
        $( with $part:ident : $part_type:ty )?
    ) => {
        $(#[$struct_doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )*
            $(
                /// Options that are declared elsewhere.
                pub $part: $part_type,
            )?
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $( $field: $default, )* $( $part: <$part_type>::default(), )? }
            }
        }

        impl $crate::bind::Options for $name {
            fn docs() -> Vec<$crate::bind::OptionDoc> {
                #[allow(unused_mut)]
                let mut docs = vec![ $( $crate::bind::OptionDoc {
                    name: stringify!($field),
                    type_name: <$type as $crate::bind::FromDynamic>::type_name(),
                    default: {
                        let value: $type = $default;
                        $crate::bind::default_text(stringify!($default), &value)
                    },
                    about: [$( $doc ),+].map(str::trim).join(" "),
                }, )* ];
                $( docs.extend(<$part_type as $crate::bind::Options>::docs()); )?
                docs
            }

            fn read(what: &str, map: &rhai::Map) -> Result<Self, $crate::bind::Fault> {
                #[allow(unused_mut)]
                let mut options = $name::default();
                $( options.$part = $crate::bind::Options::read(what, map)?; )?
                $( if let Some(value) = map.get(stringify!($field)) {
                    options.$field = $crate::bind::read_option(what, stringify!($field), value)?;
                } )*
                Ok(options)
            }

            fn filled(&self) -> Vec<(&'static str, String)> {
                #[allow(unused_mut)]
                let mut filled = vec![ $( (stringify!($field), format!("{:?}", self.$field)), )* ];
                $( filled.extend($crate::bind::Options::filled(&self.$part)); )?
                filled
            }
        }
    };
}

/// A default as a script would write it: its source text, or its value where the source names a constant.
pub fn default_text(source: &str, value: &dyn std::fmt::Debug) -> String {
    if source.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
        return format!("{value:?}");
    }
    if source == "None" {
        return "()".to_owned();
    }
    let source = source.strip_suffix(".to_owned()").or_else(|| source.strip_suffix(".into()")).unwrap_or(source);
    let inner = source.strip_prefix("Some(").and_then(|rest| rest.strip_suffix(')'));
    inner.unwrap_or_else(|| source.strip_prefix("vec!").unwrap_or(source)).to_owned()
}
