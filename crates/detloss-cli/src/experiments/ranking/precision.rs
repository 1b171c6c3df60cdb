//! The average precision of a ranking.

/// The mean over the positives of the best precision at their rank or below: the area under the interpolated curve of precision
/// over recall, of all of its points. Each is given with whether it is positive. Of equal scores the negatives come first, so
/// that a detector that says the same of everything has no merit. NaN where there is no positive.
pub(crate) fn average_precision(mut ranked: Vec<(f32, bool)>) -> f64 {
    ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let ranks = ranked.iter().enumerate().filter(|(_, (_, is_positive))| *is_positive);
    let precisions: Vec<f64> =
        ranks.zip(1_u32..).map(|((rank, _), found)| f64::from(found) / (rank + 1) as f64).collect();
    let mut best = 0.0_f64;
    let interpolated = precisions.iter().rev().map(|&precision| {
        best = best.max(precision);
        best
    });
    interpolated.sum::<f64>() / precisions.len() as f64
}
