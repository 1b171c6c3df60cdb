//! What AP loss costs where every pair is formed: the bar to be measured against.

use fearless_simd::{Level, Simd, SimdBase, SimdFloat, dispatch, f32x16};

/// Half the width of the step.
const DELTA: f32 = 1.0;

/// The AP loss of `positives` and `negatives`, not interpolated, with the gradient by both.
pub(crate) type ApLoss = fn(&[f32], &[f32], &mut [f32], &mut [f32]) -> f64;

/// Every pair in vectors of sixteen, in `f32`, with nothing in memory but scores and gradients: the fastest way to form them.
pub(crate) fn in_vectors(
    positives: &[f32],
    negatives: &[f32],
    grad_positives: &mut [f32],
    grad_negatives: &mut [f32],
) -> f64 {
    let level = Level::new();
    dispatch!(level, simd => pairs(simd, positives, negatives, grad_positives, grad_negatives))
}

#[inline(always)]
fn pairs<S: Simd>(
    simd: S,
    positives: &[f32],
    negatives: &[f32],
    grad_positives: &mut [f32],
    grad_negatives: &mut [f32],
) -> f64 {
    simd.vectorize(
        #[inline(always)]
        || {
            let count = positives.len() as f32;
            let mut shares = Vec::with_capacity(positives.len());
            let mut loss = 0.0;
            for (positive, grad) in positives.iter().zip(grad_positives) {
                let like = 0.5 + above(simd, *positive, positives);
                let above = above(simd, *positive, negatives);
                *grad = -above / (like + above) / count;
                loss -= f64::from(*grad);
                shares.push(1.0 / (like + above) / count);
            }
            // A block of negatives stays in registers while all positives pass by.
            for (negatives, grads) in negatives.chunks(BLOCK).zip(grad_negatives.chunks_mut(BLOCK))
            {
                let mut scores = [f32::NEG_INFINITY; BLOCK];
                scores[..negatives.len()].copy_from_slice(negatives);
                let scores: [f32x16<S>; VECTORS] =
                    std::array::from_fn(|k| f32x16::from_slice(simd, &scores[16 * k..16 * k + 16]));
                let mut sums = [f32x16::splat(simd, 0.0); VECTORS];
                for (&positive, &share) in positives.iter().zip(&shares) {
                    let share = f32x16::splat(simd, share);
                    for k in 0..VECTORS {
                        sums[k] = step(simd, scores[k], positive).mul_add(share, sums[k]);
                    }
                }
                for (grads, sum) in grads.chunks_mut(16).zip(sums) {
                    grads.copy_from_slice(&sum.as_slice()[..grads.len()]);
                }
            }
            loss
        },
    )
}

const VECTORS: usize = 8;
const BLOCK: usize = 16 * VECTORS;

/// H(score − positive), with one multiply-add and two comparisons.
#[inline(always)]
fn step<S: Simd>(simd: S, score: f32x16<S>, positive: f32) -> f32x16<S> {
    let slope = f32x16::splat(simd, 0.5 / DELTA);
    let start = f32x16::splat(simd, 0.5 - positive * 0.5 / DELTA);
    score.mul_add(slope, start).max(f32x16::splat(simd, 0.0)).min(f32x16::splat(simd, 1.0))
}

/// Σ H over `scores`, in eight sums of vectors.
#[inline(always)]
fn above<S: Simd>(simd: S, positive: f32, scores: &[f32]) -> f32 {
    let mut sums = [f32x16::splat(simd, 0.0); VECTORS];
    let blocks = scores.chunks_exact(BLOCK);
    let rest = blocks.remainder();
    for block in blocks {
        for k in 0..VECTORS {
            let score = f32x16::from_slice(simd, &block[16 * k..16 * k + 16]);
            sums[k] += step(simd, score, positive);
        }
    }
    let of_rest: f32 =
        rest.iter().map(|score| ((score - positive) * 0.5 / DELTA + 0.5).clamp(0.0, 1.0)).sum();
    sums.iter().map(|sum| sum.as_slice().iter().sum::<f32>()).sum::<f32>() + of_rest
}

/// One positive after the other, each over arrays of all negatives, as published code does it: an array of differences, an array
/// of steps, an array of shares.
pub(crate) fn loop_over_positives(
    positives: &[f32],
    negatives: &[f32],
    grad_positives: &mut [f32],
    grad_negatives: &mut [f32],
) -> f64 {
    let count = positives.len() as f32;
    grad_negatives.fill(0.0);
    let mut loss = 0.0;
    let steps = |scores: &[f32], positive: f32| -> Vec<f32> {
        let differences: Vec<f32> = scores.iter().map(|score| score - positive).collect();
        differences.iter().map(|x| (x * 0.5 / DELTA + 0.5).clamp(0.0, 1.0)).collect()
    };
    for (&positive, grad) in positives.iter().zip(grad_positives) {
        let like: f32 = 0.5 + steps(positives, positive).iter().sum::<f32>();
        let steps = steps(negatives, positive);
        let above: f32 = steps.iter().sum();
        let shares: Vec<f32> = steps.iter().map(|step| step / (like + above)).collect();
        grad_negatives.iter_mut().zip(&shares).for_each(|(grad, share)| *grad += share / count);
        *grad = -above / (like + above) / count;
        loss -= f64::from(*grad);
    }
    loss
}
