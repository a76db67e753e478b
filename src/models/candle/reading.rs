//! Features of many rows without a way back: rows of like length go through together, so that little of a batch is padding.

use super::{Kept, Trunk, tensors, values};
use crate::core::context::Interrupt;
use crate::kernels::Precision;
use crate::models::ModelError;
use crate::models::arch::Arch;
use crate::models::trunk::Packed;
use candle_core::Device;

/// Positions of a batch, padding among them. Arbitrary: enough to keep a graphics processor busy, little enough that attention's
/// scores of the longest rows stay below a gigabyte.
const POSITIONS: usize = 1 << 13;

/// Features of every row, row-major `[n_rows, width]`. The batch must have passed [`super::super::trunk::check`]. `done` hears
/// how many rows were read since it was called last.
pub fn read(
    arch: &Arch,
    params: &[f32],
    precision: Precision,
    batch: &Packed,
    device: &Device,
    interrupt: &Interrupt,
    done: &dyn Fn(usize),
) -> Result<Vec<f32>, ModelError> {
    let trunk = Trunk::new(arch, tensors(arch, params, device)?).in_precision(precision)?;
    let rows: Vec<&[u32]> = batch.rows().collect();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|row| rows.get(*row).map_or(0, |tokens| tokens.len()));
    let width = arch.width();
    let mut features = vec![0.0; rows.len() * width];
    let mut rest = order.as_slice();
    while !rest.is_empty() {
        // The last row of a batch is its longest.
        let length = |n: usize| rest.get(n).and_then(|row| rows.get(*row)).map_or(1, |tokens| tokens.len());
        let n = (1..=rest.len()).take_while(|n| *n == 1 || n * length(n - 1) <= POSITIONS).count();
        let (some, behind) = rest.split_at_checked(n).unwrap_or((rest, &[]));
        rest = behind;
        let packed = Packed::new(some.iter().filter_map(|row| rows.get(*row).copied()));
        let padded = trunk.padded(&packed)?;
        let (found, _) = trunk.pass(&padded, Kept::Nothing, &|x| trunk.pooled(x, &padded), interrupt)?;
        let found = values(&found)?;
        for (row, feature) in some.iter().zip(found.chunks_exact(width.max(1))) {
            if let Some(to) = features.get_mut(row * width..(row + 1) * width) {
                to.copy_from_slice(feature);
            }
        }
        done(some.len());
    }
    Ok(features)
}
