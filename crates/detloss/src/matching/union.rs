//! The consensus of several layers.

use super::{BACKGROUND, Matches};
use crate::error::{Error, Result};

/// The union of the matches of several layers of a decoder for the same queries: every query finds the truth that most layers give it, and
/// of several the one with the lowest index. What no layer gives a truth is background. A truth may then have several queries.
///
/// D-FINE, DEIM and DEIMv2 train boxes and distributions by it, and divide by its number of [positives](Matches::positives); classes by the
/// matches of each layer. They take all pairs of all layers, encoder's included, count equal ones, visit them by falling count, and let each
/// query keep its first truth; among equal counts their order is that of an unstable sort.
///
/// ```
/// # use detloss::matching::{AnyMatcher, Image, union};
/// # let hungarian: AnyMatcher = "hungarian".parse()?;
/// # let truths = [0.5_f32, 0.5, 0.2, 0.2];
/// # let layers = [[0.5_f32, 0.5, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1, 0.5, 0.5, 0.2, 0.2]];
/// # let image = Image::new(&truths).labels(&[0]).scores(&[0.0, 0.0]).centers();
/// let layers = layers.map(|boxes| hungarian.match_image(&image.boxes(&boxes)).unwrap());
/// assert_eq!(layers[0].indices, [0, -1]);
/// assert_eq!(layers[1].indices, [-1, 0]);
/// assert_eq!(union(&layers)?.indices, [0, 0]);
/// # Ok::<(), detloss::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Length`] if the layers have not the same number of queries.
///
/// # References
///
/// Peng, Li, Wu, Zhang, Sun, Wu, *D-FINE: Redefine Regression Task in DETRs as Fine-grained Distribution Refinement*, ICLR 2025.
/// <https://arxiv.org/abs/2410.13842>
pub fn union<T>(layers: &[Matches<T>]) -> Result<Matches<T>> {
    let expected = layers.first().map_or(0, |layer| layer.indices.len());
    if let Some(other) = layers.iter().find(|layer| layer.indices.len() != expected) {
        let (what, got) = ("a layer's matches", other.indices.len());
        return Err(Error::Length { what, expected, got });
    }
    let of_query = |query: usize| {
        let mut truths: Vec<i32> =
            layers.iter().map(|layer| layer.indices[query]).filter(|truth| *truth >= 0).collect();
        truths.sort_unstable();
        let runs = truths.chunk_by(|a, b| a == b);
        // Of equal counts the last maximum, from behind: the lowest truth.
        runs.rev().max_by_key(|run| run.len()).map_or(BACKGROUND, |run| run[0])
    };
    Ok(Matches { indices: (0..expected).map(of_query).collect(), scores: None })
}
