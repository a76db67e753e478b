//! Rhai to Rust and back: values, arguments, options, callbacks, and faults with source positions.
//!
//! A builtin is a [`Function`] record: documentation, parameters, options and the Rust function in one place. Every
//! parameter is registered with Rhai as `Dynamic`, so that a wrong argument reaches [`Call`] and is explained there
//! instead of ending as "function not found".
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod call;
mod convert;
mod fault;
mod function;
mod options;
mod registry;
pub mod renamed;
pub mod trace;
mod value;

pub use crate::core::explain::nearest;
pub use call::Call;
pub use convert::{FromDynamic, Mismatch, describe};
pub use fault::Fault;
pub use function::{Example, Function, Kind, Param};
pub use options::{
    OptionDoc, OptionSet, Options, accepted, default_text, read as read_option, read_choice, type_name_of,
};
pub use registry::{Registry, TypeRecord};
pub use trace::Trace;
pub use value::{Value, show};

/// What every file in `builtins` needs.
pub mod prelude {
    pub use super::{
        Call, Fault, FromDynamic, Function, Mismatch, OptionDoc, OptionSet, Options, Registry, Trace, Value, show,
    };
    pub use crate::core::digest::Digest;
    pub use crate::options;
    pub use rhai::{Array, Dynamic, FnPtr, INT, ImmutableString, Map};

    /// What a builtin answers.
    pub type Answer = Result<Dynamic, Fault>;
}
