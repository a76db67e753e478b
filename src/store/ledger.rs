//! The ledger of a store: which predictions were scored against which vault. A file `ledger/VAULT.json` for each vault, written
//! whole, under a lock.
//!
//! It counts; it does not guard. Whoever may write into the store may delete it, and another store has its own. It lies in
//! the store's folder alone, never in a bucket. A collection leaves it.

use super::{Store, StoreError, memo};
use crate::core::digest::Digest;
use crate::core::files::plain;
use serde::{Deserialize, Serialize};

/// What a vault was opened for, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Ledger {
    /// How many distinct predictions may be scored: as the first opening had it.
    budget: usize,
    /// Digests of predictions, each once.
    openings: Vec<String>,
}

/// An opening that was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Which one it is in this store, from 1.
    pub number: usize,
    /// How many there may be.
    pub budget: usize,
    /// Whether these predictions were not scored before.
    pub is_new: bool,
}

/// The most bytes of a ledger. Arbitrary: some ten thousand openings.
const MAX_LEDGER: u64 = 1 << 20;

impl Store {
    /// Opens a vault for predictions, both by their digests: free where the ledger has them, else one of `budget`. Fails beyond
    /// the budget, and where another budget was stated when the vault was first opened.
    pub fn open_vault(&self, vault: Digest, predictions: Digest, budget: usize) -> Result<Opening, StoreError> {
        let relative = format!("ledger/{vault}.json");
        let path = self.path(&relative);
        let _alone = memo::alone(&path.with_extension("lock"))?;
        let mut ledger = self.ledger(&path)?.unwrap_or_else(|| Ledger { budget, openings: Vec::new() });
        let predictions = predictions.to_hex();
        if ledger.budget != budget {
            return Err(StoreError::Budget { first: ledger.budget, asked: budget, path: path.display().to_string() });
        }
        if let Some(at) = ledger.openings.iter().position(|opened| *opened == predictions) {
            return Ok(Opening { number: at + 1, budget, is_new: false });
        }
        if ledger.openings.len() >= budget {
            return Err(StoreError::VaultSpent { budget });
        }
        ledger.openings.push(predictions);
        let text = serde_json::to_vec_pretty(&ledger)
            .map_err(|error| StoreError::File { path: path.display().to_string(), reason: error.to_string() })?;
        self.write(&relative, &text)?;
        Ok(Opening { number: ledger.openings.len(), budget, is_new: true })
    }

    fn ledger(&self, path: &std::path::Path) -> Result<Option<Ledger>, StoreError> {
        let fails = |reason: String| StoreError::File { path: path.display().to_string(), reason };
        match path.metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(path, &error)),
            Ok(found) if !found.is_file() || found.len() > MAX_LEDGER => {
                return Err(fails("is not a ledger".to_owned()));
            }
            Ok(_) => {}
        }
        let text = std::fs::read(path).map_err(|error| fails(plain(&error)))?;
        serde_json::from_slice(&text).map(Some).map_err(|error| fails(format!("is not a ledger: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::explain::Explain;

    fn of(text: &str) -> Digest {
        Digest::of_bytes(text.as_bytes())
    }

    #[test]
    fn distinct_openings_are_counted_and_the_same_one_is_free() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::at(folder.path());
        let open = |vault: &str, predictions: &str| store.open_vault(of(vault), of(predictions), 2);
        let opening = |number, is_new| Opening { number, budget: 2, is_new };
        assert_eq!(open("v", "a").expect("first"), opening(1, true));
        assert_eq!(open("v", "a").expect("the same"), opening(1, false));
        assert_eq!(open("v", "b").expect("second"), opening(2, true));
        let error = open("v", "c").expect_err("spent");
        assert_eq!(
            error.to_string(),
            "this vault was opened for 2 different predictions in this store, and 2 are its budget"
        );
        assert_eq!(error.code(), "vault/spent");
        assert_eq!(open("v", "a").expect("still free"), opening(1, false));
        assert_eq!(open("w", "c").expect("another vault"), opening(1, true));
        let error = store.open_vault(of("v"), of("d"), 9).expect_err("another budget");
        assert!(error.to_string().contains("a budget of 2 when it was first opened in this store, not 9"), "{error}");
    }

    #[test]
    fn openings_at_the_same_time_are_each_counted_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |n: usize| Store::at(folder.path()).open_vault(of("v"), of(&format!("{}", n % 8)), 8);
        let numbers: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|n| scope.spawn(move || open(n).expect("within").number)).collect();
            threads.into_iter().map(|thread| thread.join().expect("ends")).collect()
        });
        let distinct: std::collections::BTreeSet<usize> = numbers.iter().copied().collect();
        assert_eq!(distinct, (1..=8).collect());
        assert_eq!(&numbers[..8], &numbers[8..], "the same predictions, the same opening");
    }

    #[test]
    fn a_damaged_ledger_is_an_error_and_never_an_empty_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::at(folder.path());
        store.write(&format!("ledger/{}.json", of("v")), b"{\"budget\": 2").expect("written");
        assert!(store.open_vault(of("v"), of("a"), 2).expect_err("damaged").to_string().contains("is not a ledger"));
    }
}
