//! How the options of a training are declared: each once, with its documentation, type, default, range, and what the
//! derivation says of it.
//!
//! A set of options is a macro that hands its declarations to another macro: [`declare`] makes the struct here, and the
//! binding layer makes what reads and documents it in a script. What is declared cannot be missing from the digest.

use super::Lora;
use super::TrainError;
use crate::core::digest::DigestBuilder;
use std::ops::{Range, RangeInclusive};

/// A value out of a few that have names.
pub trait Choice: Copy + PartialEq + std::fmt::Debug + 'static {
    /// Every value with its name.
    const ALL: &'static [(Self, &'static str)];

    /// Its name.
    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(choice, _)| *choice == self).map_or("", |(_, name)| name)
    }

    /// The value called `name`.
    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(choice, _)| *choice)
    }

    /// All names, for a message: `"adamw" or "adam"`.
    fn names() -> String {
        let quoted: Vec<String> = Self::ALL.iter().map(|(_, name)| format!("{name:?}")).collect();
        match quoted.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, before)) => format!("{} or {last}", before.join(", ")),
            None => String::new(),
        }
    }
}

/// Declares an enum whose values have names.
macro_rules! choice {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[doc = $doc:literal])+ $variant:ident = $text:literal ),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $( $(#[doc = $doc])+ $variant, )+ }

        impl $crate::train::Choice for $name {
            const ALL: &'static [(Self, &'static str)] = &[ $( ($name::$variant, $text), )+ ];
        }

        impl $crate::train::options::Setting for $name {
            fn text(&self) -> String {
                $crate::train::Choice::name(*self).to_owned()
            }
            fn source(&self) -> String {
                format!("{:?}", $crate::train::Choice::name(*self))
            }
            #[cfg(test)]
            fn examples(_: Option<$crate::train::options::Limits>) -> Vec<Self> {
                <Self as $crate::train::Choice>::ALL.iter().map(|(choice, _)| *choice).collect()
            }
        }
    };
}
pub(crate) use choice;

/// What an option can hold.
pub trait Setting: Clone + PartialEq {
    /// As digests, recipes and records have it.
    fn text(&self) -> String;

    /// As a script would write it.
    fn source(&self) -> String {
        self.text()
    }

    /// The numbers in it, which must lie in the option's range.
    fn numbers(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Adds it to a digest under a name.
    fn add(&self, name: &str, to: DigestBuilder) -> DigestBuilder {
        to.text(name, &self.text())
    }

    /// Two values or more within the range, for tests.
    #[cfg(test)]
    fn examples(limits: Option<Limits>) -> Vec<Self>;
}

impl Setting for bool {
    fn text(&self) -> String {
        self.to_string()
    }
    #[cfg(test)]
    fn examples(_: Option<Limits>) -> Vec<Self> {
        vec![false, true]
    }
}

impl Setting for usize {
    fn text(&self) -> String {
        self.to_string()
    }
    fn numbers(&self) -> Vec<f64> {
        vec![*self as f64]
    }
    fn add(&self, name: &str, to: DigestBuilder) -> DigestBuilder {
        to.int(name, *self as i64)
    }
    #[cfg(test)]
    fn examples(_: Option<Limits>) -> Vec<Self> {
        vec![2, 3]
    }
}

impl Setting for u64 {
    fn text(&self) -> String {
        self.to_string()
    }
    fn add(&self, name: &str, to: DigestBuilder) -> DigestBuilder {
        to.int(name, *self as i64)
    }
    #[cfg(test)]
    fn examples(_: Option<Limits>) -> Vec<Self> {
        vec![2, 3]
    }
}

impl Setting for f64 {
    fn text(&self) -> String {
        format!("{self:?}")
    }
    fn numbers(&self) -> Vec<f64> {
        vec![*self]
    }
    fn add(&self, name: &str, to: DigestBuilder) -> DigestBuilder {
        to.float(name, *self)
    }
    #[cfg(test)]
    fn examples(limits: Option<Limits>) -> Vec<Self> {
        let (least, most) = limits.map_or((0.0, 1.0), |limits| (limits.least, limits.most.min(limits.least + 1.0)));
        vec![least + 0.25 * (most - least), least + 0.5 * (most - least)]
    }
}

/// Of a pair each number is added by itself, numbered from 1 after the name's singular.
impl Setting for [f64; 2] {
    fn text(&self) -> String {
        format!("{self:?}")
    }
    fn numbers(&self) -> Vec<f64> {
        self.to_vec()
    }
    fn add(&self, name: &str, to: DigestBuilder) -> DigestBuilder {
        let stem = name.trim_end_matches('s');
        let [one, two] = self;
        to.float(&format!("{stem}1"), *one).float(&format!("{stem}2"), *two)
    }
    #[cfg(test)]
    fn examples(limits: Option<Limits>) -> Vec<Self> {
        f64::examples(limits).into_iter().map(|x| [x, x]).collect()
    }
}

impl Setting for Vec<usize> {
    fn text(&self) -> String {
        format!("{self:?}")
    }
    #[cfg(test)]
    fn examples(_: Option<Limits>) -> Vec<Self> {
        vec![vec![1], vec![1, 2]]
    }
}

impl Setting for Vec<String> {
    fn text(&self) -> String {
        format!("{self:?}")
    }
    #[cfg(test)]
    fn examples(_: Option<Limits>) -> Vec<Self> {
        vec![vec!["a".to_owned()], vec!["a".to_owned(), "b".to_owned()]]
    }
}

impl<T: Setting> Setting for Option<T> {
    fn text(&self) -> String {
        self.as_ref().map_or("none".to_owned(), T::text)
    }
    fn source(&self) -> String {
        self.as_ref().map_or("()".to_owned(), T::source)
    }
    fn numbers(&self) -> Vec<f64> {
        self.as_ref().map(T::numbers).unwrap_or_default()
    }
    fn add(&self, name: &str, to: DigestBuilder) -> DigestBuilder {
        match self {
            Some(value) => value.add(name, to),
            None => to.text(name, "none"),
        }
    }
    #[cfg(test)]
    fn examples(limits: Option<Limits>) -> Vec<Self> {
        T::examples(limits).into_iter().map(Some).collect()
    }
}

impl Setting for Lora {
    fn text(&self) -> String {
        format!("rank {} alpha {:?}", self.rank, self.alpha)
    }
    #[cfg(test)]
    fn examples(_: Option<Limits>) -> Vec<Self> {
        vec![Lora { rank: 2, alpha: 2.0 }, Lora { rank: 2, alpha: 3.0 }]
    }
}

/// Between what an option's numbers must lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    least: f64,
    most: f64,
    /// Whether `most` itself is too much.
    below: bool,
}

impl From<RangeInclusive<usize>> for Limits {
    fn from(range: RangeInclusive<usize>) -> Self {
        Limits { least: *range.start() as f64, most: *range.end() as f64, below: false }
    }
}

impl From<RangeInclusive<f64>> for Limits {
    fn from(range: RangeInclusive<f64>) -> Self {
        Limits { least: *range.start(), most: *range.end(), below: false }
    }
}

impl From<Range<f64>> for Limits {
    fn from(range: Range<f64>) -> Self {
        Limits { least: range.start, most: range.end, below: true }
    }
}

impl Limits {
    /// Refuses numbers outside, and NaN.
    pub fn check(self, option: &'static str, value: &impl Setting) -> Result<(), TrainError> {
        let Limits { least, most, below } = self;
        let fits = |x: &f64| *x >= least && (*x < most || (*x == most && !below));
        match value.numbers().into_iter().find(|x| !fits(x)) {
            None => Ok(()),
            Some(got) => {
                let must = format!("from {least} to {}{most}", if below { "below " } else { "" });
                Err(TrainError::Range { option, must, got: got.to_string() })
            }
        }
    }
}

/// What the derivation and the record say of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// Its value, whatever it is.
    Always,
    /// Its value where it is not the default: what was trained before there was such an option keeps its name.
    Changed,
    /// Nothing: another option says what it comes to.
    Settled,
    /// Nothing in the derivation, because it changes no bit; the record has it where it is not the default.
    NoDigest,
}

/// One option's value as the record has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub name: &'static str,
    pub says: Says,
    pub text: String,
    pub is_default: bool,
}

/// `name value` of those that the derivation tells, separated by commas.
pub(super) fn derived_text(told: &[Told]) -> String {
    let always = told.iter().filter(|option| option.says == Says::Always);
    joined(always.chain(told.iter().filter(|option| option.says == Says::Changed && !option.is_default)))
}

/// The same of those that change no bit and were asked for; empty for none.
pub(super) fn other_text(told: &[Told]) -> String {
    joined(told.iter().filter(|option| option.says == Says::NoDigest && !option.is_default))
}

fn joined<'a>(told: impl Iterator<Item = &'a Told>) -> String {
    told.map(|option| format!("{} {}", option.name, option.text)).collect::<Vec<_>>().join(", ")
}

/// Makes a struct of declared options: `name: type = default, [range], what the derivation says;`.
macro_rules! declare {
    (
        $(#[$meta:meta])*
        $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident : $type:ty = $default:expr, [ $($range:expr)? ], $says:ident ; )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )+
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $( $field: $default, )+ }
            }
        }

        impl $name {
            /// Refuses numbers outside their option's range.
            pub fn check(&self) -> Result<(), $crate::train::TrainError> {
                $( $( $crate::train::options::Limits::from($range).check(stringify!($field), &self.$field)?; )? )+
                Ok(())
            }

            /// Every option in order.
            #[allow(dead_code, reason = "a set of options is told as one text or option by option")]
            pub(super) fn told(&self) -> Vec<$crate::train::options::Told> {
                let default = $name::default();
                vec![ $( $crate::train::options::Told {
                    name: stringify!($field),
                    says: $crate::train::options::Says::$says,
                    text: $crate::train::options::Setting::text(&self.$field),
                    is_default: self.$field == default.$field,
                }, )+ ]
            }

            /// Adds what the derivation tells, each option by itself.
            #[allow(dead_code, reason = "a set of options is told as one text or option by option")]
            pub(super) fn add_to(
                &self,
                digest: $crate::core::digest::DigestBuilder,
            ) -> $crate::core::digest::DigestBuilder {
                use $crate::train::options::{Says, Setting};
                let default = $name::default();
                $( let digest = match Says::$says {
                    Says::Always => self.$field.add(stringify!($field), digest),
                    Says::Changed if self.$field != default.$field => self.$field.add(stringify!($field), digest),
                    _ => digest,
                }; )+
                digest
            }

            /// These options with one of them changed, for each of them.
            #[cfg(test)]
            pub(super) fn variants(&self) -> Vec<(&'static str, $crate::train::options::Says, Self)> {
                use $crate::train::options::{Limits, Says, Setting};
                let mut variants = Vec::new();
                $( {
                    #[allow(unused_mut, unused_assignments)]
                    let mut limits: Option<Limits> = None;
                    $( limits = Some(Limits::from($range)); )?
                    let examples = <$type as Setting>::examples(limits);
                    if let Some(other) = examples.into_iter().find(|value| *value != self.$field) {
                        variants.push((stringify!($field), Says::$says, $name { $field: other, ..self.clone() }));
                    }
                } )+
                variants
            }
        }
    };
}
pub(crate) use declare;

#[cfg(test)]
mod tests {
    use super::*;

    choice! {
        /// Two.
        pub enum Two {
            /// The first.
            One = "one",
            /// The second.
            Other = "other",
        }
    }

    #[test]
    fn a_choice_is_read_by_its_name_and_lists_all() {
        assert_eq!(Two::parse("other"), Some(Two::Other));
        assert_eq!((Two::parse("neither"), Two::One.name()), (None, "one"));
        assert_eq!(Two::names(), "\"one\" or \"other\"");
        assert_eq!((Two::Other.text(), Two::Other.source()), ("other".to_owned(), "\"other\"".to_owned()));
    }

    #[test]
    fn limits_hold_their_edges_and_refuse_nan() {
        let below = Limits::from(0.0..1.0);
        assert!(below.check("x", &0.0).is_ok() && below.check("x", &1.0).is_err());
        assert!(Limits::from(0.0..=1.0).check("x", &[0.0, 1.0]).is_ok());
        assert!(below.check("x", &f64::NAN).is_err() && below.check("x", &Some(-0.1)).is_err());
        let error = Limits::from(1..=7).check("x", &9_usize).expect_err("too many").to_string();
        assert_eq!(error, "`x` must be from 1 to 7, got `9`");
        assert!(
            below.check("x", &[0.5, 1.5]).expect_err("one is").to_string().contains("from 0 to below 1, got `1.5`")
        );
    }
}
