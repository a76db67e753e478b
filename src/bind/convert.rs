//! From a script's value to a Rust value, with an explanation where that fails.

use super::value::{Value, show};
use rhai::{Array, Dynamic, FnPtr, Map};

/// Why a value does not fit, said from the place where the value is used: "must be …, got …".
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch(pub String);

/// What a parameter or an option can be made from.
pub trait FromDynamic: Sized {
    /// The type as documentation shows it: `float`, `array of float`, `Frame`.
    fn type_name() -> String;

    /// The Rust value, or why not.
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch>;

    /// "must be a float, got a string `abc`".
    fn mismatch(value: &Dynamic) -> Mismatch {
        Mismatch(format!("must be {}, got {}", article(&Self::type_name()), describe(value)))
    }
}

/// A value in an error message: its type, and itself if it is short.
pub fn describe(value: &Dynamic) -> String {
    let kind = match value.type_name() {
        "()" => return "nothing, `()`".to_owned(),
        "i64" => "integer",
        "f64" => "float",
        "map" => "object map",
        "Fn" => "function",
        other => other.rsplit("::").next().unwrap_or(other),
    };
    let text = if value.is_string() { value.to_string() } else { show(value) };
    if text.chars().count() <= 40 && !text.contains('\n') && !value.is_fnptr() {
        format!("{} `{text}`", article(kind))
    } else if let Ok(items) = value.as_array_ref() {
        format!("an array of {} items", items.len())
    } else {
        article(kind)
    }
}

fn article(noun: &str) -> String {
    if noun.contains('|') || noun.starts_with("one of") {
        return format!("one of {}", noun.replace('|', ", ").trim_start_matches("one of "));
    }
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

impl FromDynamic for Dynamic {
    fn type_name() -> String {
        "any".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        Ok(value.clone())
    }
}

impl FromDynamic for f64 {
    fn type_name() -> String {
        "float".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        if let Ok(float) = value.as_float() {
            return Ok(float);
        }
        value.as_int().map(|int| int as f64).map_err(|_| Self::mismatch(value))
    }
}

impl FromDynamic for i64 {
    fn type_name() -> String {
        "integer".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        value.as_int().map_err(|_| Self::mismatch(value))
    }
}

/// The largest count that is taken for meant: 2^40. Beyond, sizes and steps overflow somewhere.
const MAX_COUNT: i64 = 1 << 40;

impl FromDynamic for usize {
    fn type_name() -> String {
        "integer".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        let int = value.as_int().map_err(|_| Self::mismatch(value))?;
        if int < 0 {
            return Err(Mismatch(format!("must not be negative, got `{int}`")));
        }
        if int > MAX_COUNT {
            return Err(Mismatch(format!("must be at most 2^40, got `{int}`")));
        }
        Ok(int as usize)
    }
}

impl FromDynamic for u64 {
    fn type_name() -> String {
        "integer".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        let int = value.as_int().map_err(|_| Self::mismatch(value))?;
        u64::try_from(int).map_err(|_| Mismatch(format!("must not be negative, got `{int}`")))
    }
}

impl FromDynamic for bool {
    fn type_name() -> String {
        "bool".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        value.as_bool().map_err(|_| Self::mismatch(value))
    }
}

impl FromDynamic for String {
    fn type_name() -> String {
        "string".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        value.clone().into_string().map_err(|_| Self::mismatch(value))
    }
}

impl FromDynamic for FnPtr {
    fn type_name() -> String {
        "function".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        value.clone().try_cast::<FnPtr>().ok_or_else(|| Self::mismatch(value))
    }
}

impl FromDynamic for Map {
    fn type_name() -> String {
        "object map".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        value.clone().try_cast::<Map>().ok_or_else(|| Self::mismatch(value))
    }
}

impl<T: FromDynamic> FromDynamic for Option<T> {
    fn type_name() -> String {
        T::type_name()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        if value.is_unit() { Ok(None) } else { T::from_dynamic(value).map(Some) }
    }
}

impl<T: FromDynamic> FromDynamic for Vec<T> {
    fn type_name() -> String {
        format!("array of {}", T::type_name())
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        let items: Array = value.clone().into_array().map_err(|_| Self::mismatch(value))?;
        items
            .iter()
            .enumerate()
            .map(|(idx, item)| T::from_dynamic(item).map_err(|why| Mismatch(format!("item {idx} {}", why.0))))
            .collect()
    }
}

impl FromDynamic for [f64; 2] {
    fn type_name() -> String {
        Vec::<f64>::type_name()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        let items = Vec::<f64>::from_dynamic(value)?;
        let n = items.len();
        items.try_into().map_err(|_| Mismatch(format!("must be two numbers, got {n}")))
    }
}

impl<T: Value> FromDynamic for T {
    fn type_name() -> String {
        T::NAME.to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        value.clone().try_cast::<T>().ok_or_else(|| Self::mismatch(value))
    }
}
