//! The vault: a second test split, whose truth is scored within a budget and never read.
//!
//! It is a part of the test rows, drawn by group and without a look at classes, or stated by the rows themselves. What a
//! script may see of it are the inputs. The ledger of openings is the store's; the score is computed in here, so that no
//! classes leave this room for it.

use super::{Data, DataError, Source, Split};
use crate::core::context::{Context, Reading};
use crate::core::random::Random;
use crate::frames::Frame;
use std::sync::Arc;

/// How many test rows a vault takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum VaultSize {
    /// A share of the test rows, between 0 and 1.
    Share(f64),
    Rows(usize),
}

impl VaultSize {
    /// As a share of `n_test` rows; none where it is not part of them.
    fn share(self, n_test: usize) -> Option<f64> {
        match self {
            VaultSize::Share(share) => (share > 0.0 && share < 1.0).then_some(share),
            VaultSize::Rows(n) => (n > 0 && n < n_test).then(|| n as f64 / n_test as f64),
        }
    }

    fn shown(self) -> String {
        match self {
            VaultSize::Share(share) => format!("a share of {share}"),
            VaultSize::Rows(n) => n.to_string(),
        }
    }
}

impl Source {
    /// The same data set with a part of its test rows as a vault, by group, drawn by `seed`. One that states a vault keeps it.
    pub(super) fn with_vault(self, size: VaultSize, seed: u64) -> Result<Source, DataError> {
        let n_test = self.rows.iter().filter(|row| row.split != Split::Train).count();
        let name = self.name.clone();
        let fails = || DataError::VaultSize { name: name.clone(), asked: size.shown(), n_test };
        let share = size.share(n_test).ok_or_else(fails)?;
        if self.rows.iter().any(|row| row.split == Split::Vault) {
            return Ok(self);
        }
        let source = Arc::new(self);
        let parts =
            Data::new(source.clone()).test().split_as(&[share, 1.0 - share], seed, false).map_err(|_| fails())?;
        let mut held_out = vec![None; source.rows.len()];
        for place in parts.first().map(Data::places).unwrap_or_default() {
            if let Some(slot) = held_out.get_mut(*place as usize) {
                *slot = Some(Split::Vault);
            }
        }
        drop(parts);
        // The parts are gone, so the source is held once and need not be copied.
        Arc::into_inner(source).ok_or_else(fails)?.with_held_out(&held_out)
    }
}

impl Data {
    /// Fails where a vault row is among these rows, whose classes `by` would read.
    pub(super) fn refuse_vault(&self, by: &str) -> Result<(), DataError> {
        match self.n_split(Split::Vault) {
            0 => Ok(()),
            n => Err(DataError::Vault { name: self.name().to_owned(), by: by.to_owned(), n }),
        }
    }

    /// Scores the vault rows among these: `score` is given their truth, which it must not pass on.
    pub fn score_vault<T, E: From<DataError>>(
        &self,
        by: &str,
        score: impl FnOnce(&Data, &Frame) -> Result<T, E>,
    ) -> Result<(T, Reading), E> {
        let vault = self.vault();
        if vault.is_empty() {
            return Err(DataError::NoRows { name: self.name().to_owned(), what: "vault rows".to_owned() }.into());
        }
        let (truth, reading) = vault.labels(by, "vault")?;
        Ok((score(&vault, &truth)?, reading))
    }
}

/// For tests of what hangs on held-out truth: a session that has this exchanges the classes of held-out rows, behind the digests of
/// its data sets. Nothing but a test lends it to a context.
#[derive(Debug, Clone, Copy)]
pub struct ExchangedTruth(pub u64);

/// The data set as the session's tests want it: as it is, but for [`ExchangedTruth`].
pub(super) fn exchanged(ctx: &Context, mut source: Source) -> Source {
    let Some(ExchangedTruth(seed)) = ctx.extension() else { return source };
    for split in [Split::Test, Split::Vault] {
        let places: Vec<usize> =
            source.rows.iter().enumerate().filter(|(_, row)| row.split == split).map(|(at, _)| at).collect();
        let order = Random::new(*seed, "data/exchanged").permutation(places.len());
        source.truth.exchange(&places, &order, source.classes.len());
    }
    source
}
