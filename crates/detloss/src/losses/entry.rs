//! A line of the list.

use std::sync::Arc;

use crate::batch::{Driver, Kernel};
use crate::error::Result;
use crate::loss::{Case, Described, Facts, Loss, Param, RowLoss, SetLoss};
use crate::signature::Signature;

/// A line of [the list](crate::losses).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The id.
    pub name: &'static str,
    /// The name of the type.
    pub type_name: &'static str,
    /// The name as papers print it.
    pub label: &'static str,
    /// The family: what goes in.
    pub family: &'static str,
    /// The documentation.
    pub doc: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The parameters.
    pub params: &'static [Param],
    /// What holds for the loss.
    pub facts: Facts,
    /// Worked cases.
    pub cases: &'static [Case],
    /// How it is called.
    pub signature: Signature,
    /// The loss with these values of its parameters.
    pub(super) kernel: fn(&[f64]) -> Result<Arc<dyn Kernel>>,
}

impl Entry {
    /// The line of a loss, in this family.
    #[must_use]
    pub const fn of<L: Described + Kernel>(family: &'static str) -> Self
    where
        L::Form: Driver<L>,
    {
        Self {
            name: L::NAME,
            type_name: L::TYPE,
            label: L::LABEL,
            family,
            doc: L::DOC,
            file: L::FILE,
            params: L::PARAMS,
            facts: <L::Form as Driver<L>>::FACTS,
            cases: <L::Form as Driver<L>>::CASES,
            signature: <L::Form as Driver<L>>::SIGNATURE,
            kernel: |values| {
                let mut loss = L::default();
                for (param, &value) in L::PARAMS.iter().zip(values) {
                    loss.set(param.name, value)?;
                }
                Ok(Arc::new(loss))
            },
        }
    }

    /// The parameter of this name; None if there is none.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'static Param> {
        self.params.iter().find(|param| param.name == name)
    }

    /// The first sentence of the documentation.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        crate::loss::summary(self.doc)
    }

    /// The name of a class, as PyTorch's losses have it: the words of the label joined, then `Loss`.
    #[must_use]
    pub fn class_name(&self) -> String {
        class_name(self.label)
    }
}

pub(super) fn class_name(label: &str) -> String {
    let mut name = String::new();
    for word in label.split(|c: char| !c.is_alphanumeric()) {
        let plain = word.replace('α', "alpha").replace('á', "a");
        let mut letters = plain.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.extend(letters);
    }
    name + "Loss"
}

/// Sees every loss of the list by its type: what [`visit`](crate::losses::visit) calls.
pub trait Visitor {
    /// A loss that is a formula.
    fn formula<L: Loss>(&mut self);
    /// A loss of whole rows.
    fn row<L: RowLoss>(&mut self);
    /// A loss of whole batches.
    fn set<L: SetLoss>(&mut self);
}
