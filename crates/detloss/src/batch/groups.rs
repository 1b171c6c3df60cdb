//! The groups of a batch, and what only losses of whole batches ask of it.

use super::dispatch::Element;
use super::{Batch, Target, Weights};
use crate::error::{Error, Result};
use crate::operand::{Kind, LEFT_OUT};
use crate::ranking;
use crate::scalar::Compute;

/// The rows of a batch, group by group in ascending order of their ids.
pub(super) struct Groups {
    /// The rows in the order of their groups; None if they are in order as they lie.
    pub(super) order: Option<Vec<usize>>,
    /// Where each group ends.
    pub(super) ends: Vec<usize>,
}

impl Groups {
    pub(super) fn new(rows: usize, ids: Option<&[i64]>) -> Self {
        let Some(ids) = ids else {
            return Self { order: None, ends: if rows > 0 { vec![rows] } else { Vec::new() } };
        };
        if ids.is_sorted() {
            return Self { order: None, ends: ends(ids.iter().copied()) };
        }
        let mut order: Vec<usize> = (0..rows).collect();
        order.sort_by_key(|&row| ids[row]);
        let ends = ends(order.iter().map(|&row| ids[row]));
        Self { order: Some(order), ends }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The numbers of all rows, `width` each, in the order of the groups.
    pub(super) fn arranged<'a, C: Copy>(
        &self,
        rows: &'a [C],
        width: usize,
        scratch: &'a mut Vec<C>,
    ) -> &'a [C] {
        let Some(order) = &self.order else { return rows };
        scratch.clear();
        scratch.extend(order.iter().flat_map(|&row| &rows[row * width..(row + 1) * width]));
        scratch
    }

    /// Lets `fill` write rows in the order of the groups, and puts them back into their places.
    pub(super) fn scatter<C: Compute, R>(
        &self,
        to: &mut [C],
        width: usize,
        fill: impl FnOnce(&mut [C]) -> R,
    ) -> R {
        let Some(order) = &self.order else { return fill(to) };
        let mut arranged = vec![C::default(); to.len()];
        let result = fill(&mut arranged);
        for (&row, from) in order.iter().zip(arranged.chunks_exact(width)) {
            to[row * width..(row + 1) * width].copy_from_slice(from);
        }
        result
    }
}

/// The last place of each run of equal ids, and one more.
fn ends(ids: impl Iterator<Item = i64> + Clone) -> Vec<usize> {
    let next = ids.clone().skip(1).map(Some).chain([None]);
    let last = |(place, (id, next))| (next != Some(id)).then_some(place + 1);
    ids.zip(next).enumerate().filter_map(last).collect()
}

/// Checks what only losses of whole batches ask for: weights that choose, and classes that are whole numbers.
pub(super) fn check<T: Element>(batch: &Batch<'_, T>, target: Kind) -> Result<()> {
    if batch.pred.len() > ranking::MAX_ELEMENTS {
        return Err(Error::TooMany { got: batch.pred.len(), most: ranking::MAX_ELEMENTS });
    }
    if let Some(Weights::Rows(weights) | Weights::Elements(weights)) = batch.weights {
        let odd = |weight: &T| ![0.0, 1.0].contains(&weight.to_f64());
        if let Some(index) = weights.iter().position(odd) {
            let wanted = "0 or 1: a loss of a whole batch takes an element or leaves it out";
            let got = weights[index].to_f64();
            return Err(Error::InvalidNumber { what: "the weights", index, got, wanted });
        }
    }
    if let (Kind::Class, Target::Dense(classes)) = (target, batch.target) {
        let columns = batch.columns as f64;
        let known = |class: f64| {
            class == LEFT_OUT || 0.0 <= class && class < columns && class.fract() == 0.0
        };
        if let Some(index) = classes.iter().position(|class| !known(class.to_f64())) {
            let wanted = "the index of a class, or -1 to leave the row out";
            let got = classes[index].to_f64();
            return Err(Error::InvalidNumber { what: "the target", index, got, wanted });
        }
    }
    Ok(())
}
