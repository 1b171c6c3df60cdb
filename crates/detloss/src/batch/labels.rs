//! Labels that are none, and units that are left out.

use super::Target;
use super::dispatch::Element;
use super::kernel::Kernel;
use super::plan::Plan;
use crate::error::{Error, Result};
use crate::operand::{Kind, LEFT_OUT, MAX_LABEL};
use crate::scalar;

impl<T: Element, K: Kernel + ?Sized> Plan<'_, T, K> {
    /// Whether a unit is left out: its row has the ignored class, or its label is [`LEFT_OUT`]. Rows of labels leave out their
    /// pixels themselves.
    pub(super) fn is_left_out(&self, unit: usize) -> bool {
        match self.batch.target {
            Target::Classes(classes) => {
                let row = if self.is_row { unit } else { unit / self.batch.columns };
                Some(classes[row]) == self.batch.ignore_index
            }
            Target::Dense(labels) => {
                self.signature.target == Kind::Label && labels[unit].to_f64() == LEFT_OUT
            }
        }
    }

    /// Whether one of `count` units from unit `first` on is left out.
    pub(super) fn leaves_out(&self, first: usize, count: usize) -> bool {
        (first..first + count).any(|unit| self.is_left_out(unit))
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
        for (unit, fields) in (first..).zip(scratch.chunks_exact_mut(width)) {
            if self.is_left_out(unit) {
                fields.fill(T::Compute::default());
            }
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
