//! A line of the list.

use std::sync::Arc;

use super::AnyLoss;
use crate::batch::{Driver, Kernel};
use crate::error::{Error, Result};
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
    make: fn(&[f64]) -> Result<Arc<dyn Kernel>>,
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
            make: |values| {
                let mut loss = L::default();
                for (param, &value) in L::PARAMS.iter().zip(values) {
                    loss.set(param.name, value)?;
                }
                Ok(Arc::new(loss))
            },
        }
    }

    /// The loss with its default parameters.
    #[must_use]
    pub fn make(&self) -> AnyLoss {
        self.with(&[]).expect("the defaults lie in their ranges")
    }

    /// The loss with these parameters, the others at their defaults.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownParam`] and [`Error::BadParam`].
    pub fn with(&self, params: &[(&str, f64)]) -> Result<AnyLoss> {
        let mut values: Vec<f64> = self.params.iter().map(|param| param.default).collect();
        for &(key, value) in params {
            let place = self.params.iter().position(|param| param.name == key);
            let Some(place) = place else {
                let known = self.params.iter().map(|param| param.name).collect();
                return Err(Error::UnknownParam { loss: self.name, key: key.to_owned(), known });
            };
            values[place] = value;
        }
        Ok(AnyLoss::from_parts(*self, (self.make)(&values)?, values))
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
