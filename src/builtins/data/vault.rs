//! The option `vault`: how many test rows are put into it.

use crate::bind::prelude::*;
use crate::data::VaultSize;

impl FromDynamic for VaultSize {
    fn type_name() -> String {
        "float|integer".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        if value.is_int() {
            return usize::from_dynamic(value).map(VaultSize::Rows);
        }
        value.as_float().map(VaultSize::Share).map_err(|_| Self::mismatch(value))
    }
}
