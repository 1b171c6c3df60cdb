//! Labels that are none, and units that are left out.

use std::ops::Range;

use super::Target;
use super::dispatch::Element;
use super::kernel::Kernel;
use super::plan::Plan;
use crate::error::{Error, Result};
use crate::operand::{Kind, LEFT_OUT, MAX_LABEL};
use crate::scalar;

impl<T: Element, K: Kernel + ?Sized> Plan<'_, T, K> {
    /// The places, among `count` units from unit `first` on, of those that are left out: their row has the ignored class, or their label is
    /// [`LEFT_OUT`]. Rows of labels leave out their pixels themselves.
    pub(super) fn left_out(
        &self,
        first: usize,
        count: usize,
    ) -> impl Iterator<Item = Range<usize>> {
        let of_classes = self.ignored().map(|(classes, ignored)| {
            self.rows(first, count).filter(move |(row, _)| classes[*row] == ignored)
        });
        let labels = match self.batch.target {
            Target::Dense(labels) if self.signature.target == Kind::Label => {
                &labels[first..first + count]
            }
            _ => &[],
        };
        let is_left_out = |(_, label): &(usize, &T)| label.to_f64() == LEFT_OUT;
        let of_labels = labels.iter().enumerate().filter(is_left_out);
        let of_classes = of_classes.into_iter().flatten().map(|(_, units)| units);
        of_classes.chain(of_labels.map(|(unit, _)| unit..unit + 1))
    }

    /// The rows of `count` units from unit `first` on, each with the places of its units among them.
    pub(super) fn rows(
        &self,
        first: usize,
        count: usize,
    ) -> impl Iterator<Item = (usize, Range<usize>)> {
        let columns = if self.is_row { 1 } else { self.batch.columns };
        let end = first + count;
        (first / columns..end.div_ceil(columns)).map(move |row| {
            let (start, stop) = ((row * columns).max(first), ((row + 1) * columns).min(end));
            (row, start - first..stop - first)
        })
    }

    /// The numbers of the units from unit `first` on, `width` each, with 0 in those that are left out: whatever they hold, infinity
    /// and NaN included, must not reach the sum through a product with their weight.
    pub(super) fn without_left_out<'s>(
        &self,
        first: usize,
        width: usize,
        numbers: &[T::Compute],
        scratch: &'s mut Vec<T::Compute>,
    ) -> &'s [T::Compute] {
        scratch.clear();
        scratch.extend_from_slice(numbers);
        for units in self.left_out(first, numbers.len() / width) {
            scratch[units.start * width..units.end * width].fill(T::Compute::default());
        }
        scratch
    }

    /// Whether a number of the target may be a probability. NaN may: it comes out again.
    pub(super) fn is_valid(&self, number: impl scalar::Element) -> bool {
        let (number, target) = (number.to_f64(), self.signature.target);
        number.is_nan()
            || (0.0..=MAX_LABEL).contains(&number)
            || target.can_be_left_out() && number == LEFT_OUT
    }

    /// Finds the label that is none.
    pub(super) fn check_labels(&self) -> Result<()> {
        let Target::Dense(labels) = self.batch.target else { return Ok(()) };
        match labels.iter().position(|&label| !self.is_valid(label)) {
            None => Ok(()),
            Some(index) => Err(Error::InvalidNumber {
                what: "the target",
                index,
                got: labels[index].to_f64(),
                wanted: if self.signature.target.can_be_left_out() {
                    "a label from 0 to 1, or -1 to leave it out"
                } else {
                    "a probability from 0 to 1"
                },
            }),
        }
    }
}
