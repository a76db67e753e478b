//! One cell of a record: a value as JSON has them, small, whose text is shared with the row that is made of it.

use super::Text;
use super::arena::Arena;
use crate::frames::json::Token;
use serde_json::{Number, Value};

/// What a record has in one column. Of 24 bytes, where a [`Value`] has 72: a million rows are made of these.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Cell {
    /// The record has no such field.
    #[default]
    Missing,
    Null,
    Bool(bool),
    Number(Number),
    Text(Text),
    /// An array or an object.
    Nested(Box<Value>),
}

impl Cell {
    /// Whether the record has no such field.
    pub fn is_missing(&self) -> bool {
        matches!(self, Cell::Missing)
    }

    /// Whether there is no value: no field, or one that holds nothing.
    pub fn is_null(&self) -> bool {
        matches!(self, Cell::Missing | Cell::Null)
    }

    /// The text, where it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }

    /// As a value of its own; none where the record has no such field.
    pub fn to_value(&self) -> Option<Value> {
        Some(match self {
            Cell::Missing => return None,
            Cell::Null => Value::Null,
            Cell::Bool(value) => Value::Bool(*value),
            Cell::Number(number) => Value::Number(number.clone()),
            Cell::Text(text) => Value::String(text.to_string()),
            Cell::Nested(value) => (**value).clone(),
        })
    }
}

impl Cell {
    /// A value whose text goes to an arena.
    pub(super) fn of(value: Value, arena: &mut Arena) -> Cell {
        match value {
            Value::Null => Cell::Null,
            Value::Bool(value) => Cell::Bool(value),
            Value::Number(number) => Cell::Number(number),
            Value::String(text) => Cell::Text(arena.keep(&text)),
            nested => Cell::Nested(Box::new(nested)),
        }
    }
}

impl From<Value> for Cell {
    fn from(value: Value) -> Cell {
        match value {
            Value::String(text) => Cell::Text(text.into()),
            other => Cell::of(other, &mut Arena::default()),
        }
    }
}

impl From<Option<Value>> for Cell {
    fn from(value: Option<Value>) -> Cell {
        value.map_or(Cell::Missing, Cell::from)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.into())
    }
}

/// A token that is a whole value, its text in the arena; none for an opened array or object and for what has no number of 64 bits.
pub(super) fn whole(token: &Token, arena: &mut Arena) -> Option<Cell> {
    Some(match token {
        Token::Null => Cell::Null,
        Token::Bool(value) => Cell::Bool(*value),
        Token::Int(value) => Cell::Number((*value).into()),
        Token::Text(text) => Cell::Text(arena.keep(text)),
        Token::Wide(_) | Token::Float(_) | Token::Array | Token::Object => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cell_is_small_and_holds_what_the_value_held() {
        assert_eq!(size_of::<Cell>(), 24);
        for value in [json!(null), json!(true), json!(-3), json!(0.5), json!("x"), json!([1, "a"]), json!({ "a": 1 })] {
            assert_eq!(Cell::from(value.clone()).to_value(), Some(value));
        }
        assert_eq!(Cell::from(None).to_value(), None);
        assert!(
            Cell::Missing.is_null() && Cell::Missing.is_missing() && Cell::Null.is_null() && !Cell::Null.is_missing()
        );
    }
}
