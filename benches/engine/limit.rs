//! The matrix limit: how long the step's products take in the better of the gemm crate and PyTorch, shape by shape.

use super::work::{Kind, Work};
use gemm::Parallelism;
use rayon::prelude::*;
use std::time::Instant;

/// How often a product comes in a step, and `[batch, m, n, k, a_transposed, b_transposed]`.
pub type Counted = (f64, [usize; 6]);

/// The matrix products of one training step of an untrained trunk as this engine does them (the last block works on the
/// rows' last tokens alone), without those of the head.
pub fn products(work: &Work) -> Vec<Counted> {
    if work.kind != Kind::Train {
        return Vec::new();
    }
    let [layers, width, heads, _] = work.shape;
    let (all, rows, head) = (work.batch * work.tokens, work.batch, width / heads);
    let mut found: Vec<Counted> = Vec::new();
    let mut linear = |count: usize, n: usize, n_out: usize, n_in: usize| {
        if count > 0 {
            let count = count as f64;
            // Forward `x·wᵀ`, gradient of the input `dy·w`, gradient of the weight `dyᵀ·x`.
            found.push((count, [1, n, n_out, n_in, 0, 1]));
            found.push((count, [1, n, n_in, n_out, 0, 0]));
            found.push((count, [1, n_out, n_in, n, 1, 0]));
        }
    };
    for (n_out, n_in) in [(3 * width, width), (width, width), (4 * width, width), (width, 4 * width)] {
        linear(layers - 1, all, n_out, n_in);
    }
    linear(1, all, 2 * width, width);
    for (n_out, n_in) in [(width, width), (width, width), (4 * width, width), (width, 4 * width)] {
        linear(1, rows, n_out, n_in);
    }
    // Scores and their product with the values; backward the scores again and four more. Keys after a block of 64
    // queries are left out.
    let (n, blocks) = (work.tokens, work.tokens.div_ceil(64));
    let share = (1..=blocks).map(|block| (64 * block).min(n)).sum::<usize>() as f64 / (blocks * n) as f64;
    let count = (layers - 1) as f64 * share;
    found.push((4.0 * count, [rows * heads, n, n, head, 0, 1]));
    found.push((3.0 * count, [rows * heads, n, head, n, 0, 0]));
    found
}

/// Floating-point operations of a product.
pub fn flops(product: &[usize; 6]) -> f64 {
    2.0 * product[..4].iter().product::<usize>() as f64
}

/// Least seconds of each product in the gemm crate on this process's threads.
pub fn gemm_seconds(products: &[[usize; 6]]) -> Vec<f64> {
    products.iter().map(|product| one(*product)).collect()
}

fn one([batch, m, n, k, a_transposed, b_transposed]: [usize; 6]) -> f64 {
    let numbers = |n: usize| -> Vec<f32> { (0..n).map(|i| (i * 37 % 101) as f32 / 101.0 - 0.5).collect() };
    let (a, b) = (numbers(batch * m * k), numbers(batch * k * n));
    let mut c = vec![0.0f32; batch * m * n];
    let (a_row, a_col) = if a_transposed == 1 { (1, m) } else { (k, 1) };
    let (b_row, b_col) = if b_transposed == 1 { (1, k) } else { (n, 1) };
    let run = |c: &mut [f32], a: &[f32], b: &[f32], parallelism: Parallelism| {
        // Safety: the three slices hold m·n, m·k and k·n numbers with these strides.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                c.as_mut_ptr(),
                1,
                n as isize,
                false,
                a.as_ptr(),
                a_col as isize,
                a_row as isize,
                b.as_ptr(),
                b_col as isize,
                b_row as isize,
                0.0,
                1.0,
                false,
                false,
                false,
                parallelism,
            );
        }
    };
    let mut all = || {
        if batch == 1 {
            run(&mut c, &a, &b, Parallelism::Rayon(0));
        } else {
            c.par_chunks_mut(m * n)
                .zip(a.par_chunks(m * k).zip(b.par_chunks(k * n)))
                .for_each(|(c, (a, b))| run(c, a, b, Parallelism::None));
        }
    };
    all();
    let start = Instant::now();
    all();
    let n_times = ((0.02 / start.elapsed().as_secs_f64().max(1e-7)) as usize).clamp(1, 1000);
    let mut least = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        (0..n_times).for_each(|_| all());
        least = least.min(start.elapsed().as_secs_f64() / n_times as f64);
    }
    least
}
