//! What a loss is: a formula with its name, documentation, parameters, facts and worked cases.

mod row;
mod set;

pub use row::{RowLoss, RowOf, RowTarget};
pub use set::{SetLoss, SetOf};

use crate::batch::Kernel;
use crate::error::{Error, Result};
use crate::geometry::{Fields, Shape};
use crate::scalar::Scalar;

/// What every loss says about itself. Written by the macro [`loss!`](crate::loss!).
pub trait Described: Copy + Default + Send + Sync + 'static {
    /// How the loss is computed: [`Formula`], [`Row`] or [`Set`].
    type Kind;
    /// The id: file, module, function, command-line argument.
    const NAME: &'static str;
    /// The name as papers print it.
    const LABEL: &'static str;
    /// The documentation.
    const DOC: &'static str;
    /// The source file.
    const FILE: &'static str;
    /// The parameters.
    const PARAMS: &'static [Param];

    /// Sets a parameter by its name.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownParam`] and [`Error::BadParam`].
    fn set(&mut self, key: &str, value: f64) -> Result<()>;

    /// The values of all parameters, in the order of [`PARAMS`](Described::PARAMS).
    fn params(&self) -> Vec<f64>;
}

/// The kind of a loss that is a formula over one prediction and one target: [`Loss`].
#[derive(Clone, Copy, Debug)]
pub struct Formula;

/// The kind of a loss over a row of any length: [`RowLoss`].
#[derive(Clone, Copy, Debug)]
pub struct Row;

/// The kind of a loss of a whole batch, or of every image in it: [`SetLoss`].
#[derive(Clone, Copy, Debug)]
pub struct Set;

/// What one value of a loss is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of one prediction and its target.
    Unit,
    /// Of a whole row of predictions.
    Row,
    /// Of the whole batch, or of each group in it.
    Set,
}

/// A loss of one prediction against one target, written as its paper prints it.
///
/// Derivatives come from evaluating the formula on dual numbers.
pub trait Loss: Described<Kind = Formula> {
    /// The fields of a prediction; the gradient is by these.
    type Pred: Shape;
    /// The fields of a target.
    type Target: Shape;
    /// What holds for this loss; the conformance suite verifies both the claims and the denials.
    const FACTS: Facts;
    /// Worked cases.
    const CASES: &'static [Case];

    /// The formula.
    fn eval<S: Scalar>(
        &self,
        pred: <Self::Pred as Shape>::Of<S>,
        target: <Self::Target as Shape>::Of<S>,
    ) -> S;
}

/// What holds for a loss with its default parameters. Each is verified in both directions: a claim by trying to break it, a
/// denial by a counter-example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// The infimum and the supremum of the value over all finite inputs.
    pub range: (f64, f64),
    /// The value is exactly 0, with zero gradient, where the prediction is what the target asks for.
    pub zero_at_target: bool,
    /// Prediction and target can change places.
    pub symmetric: bool,
    /// Multiplying every field by the same positive number changes nothing.
    pub scale_invariant: bool,
    /// Adding the same number to every field changes nothing.
    pub shift_invariant: bool,
}

/// A worked case: inputs and the value the loss has there, for checking by hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    /// What the case shows.
    pub what: &'static str,
    /// The fields of the prediction.
    pub pred: &'static [f64],
    /// The fields of the target.
    pub target: &'static [f64],
    /// The value.
    pub value: f64,
    /// Parameters that are not at their defaults.
    pub params: &'static [(&'static str, f64)],
}

/// A worked case at the default parameters.
#[must_use]
pub const fn case(
    what: &'static str,
    pred: &'static [f64],
    target: &'static [f64],
    value: f64,
) -> Case {
    Case { what, pred, target, value, params: &[] }
}

impl Case {
    /// The same case with these parameters.
    #[must_use]
    pub const fn with(self, params: &'static [(&'static str, f64)]) -> Self {
        Self { params, ..self }
    }
}

/// A parameter of a loss: a number with a default and a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// Its default, the paper's.
    pub default: f64,
    /// The smallest and the largest value allowed.
    pub range: (f64, f64),
    /// Its documentation.
    pub doc: &'static str,
}

impl Param {
    /// Whether `value` may be set for the loss called `loss`.
    ///
    /// # Errors
    ///
    /// [`Error::BadParam`] outside the range (and for NaN).
    pub fn check(&self, loss: &'static str, value: f64) -> Result<()> {
        if self.range.0 <= value && value <= self.range.1 {
            Ok(())
        } else {
            Err(Error::BadParam { loss, key: self.name, value, range: self.range })
        }
    }
}

/// A loss chosen at run time, with its parameters.
pub trait AnyLoss: Kernel {
    /// Sets a parameter by its name.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownParam`] and [`Error::BadParam`].
    fn set(&mut self, key: &str, value: f64) -> Result<()>;

    /// The values of all parameters, in the order of the entry's [`params`](Entry::params).
    fn params(&self) -> Vec<f64>;
}

impl<L: Described + Kernel> AnyLoss for L {
    fn set(&mut self, key: &str, value: f64) -> Result<()> {
        Described::set(self, key, value)
    }

    fn params(&self) -> Vec<f64> {
        Described::params(self)
    }
}

/// A line of [the list](crate::losses).
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The id.
    pub name: &'static str,
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
    /// What one value is of.
    pub scope: Scope,
    /// The fields of a prediction.
    pub pred: Fields,
    /// The fields of a target.
    pub target: Fields,
    make: fn() -> Box<dyn AnyLoss>,
}

impl Entry {
    pub(crate) const fn formula<L: Loss>(family: &'static str) -> Self {
        let fields = (Fields::of::<L::Pred>(), Fields::of::<L::Target>());
        Self::new::<L>(family, Scope::Unit, fields, L::FACTS, L::CASES)
    }

    pub(crate) const fn row<L: RowLoss>(family: &'static str) -> Self {
        Self::new::<L>(family, Scope::Row, (Fields::LOGITS, L::TARGET), L::FACTS, L::CASES)
    }

    pub(crate) const fn set<L: SetLoss>(family: &'static str) -> Self {
        Self::new::<L>(family, Scope::Set, (L::PRED, L::TARGET), L::FACTS, L::CASES)
    }

    const fn new<L: Described + Kernel>(
        family: &'static str,
        scope: Scope,
        (pred, target): (Fields, Fields),
        facts: Facts,
        cases: &'static [Case],
    ) -> Self {
        Self {
            name: L::NAME,
            label: L::LABEL,
            family,
            doc: L::DOC,
            file: L::FILE,
            params: L::PARAMS,
            facts,
            cases,
            scope,
            pred,
            target,
            make: || Box::new(L::default()),
        }
    }

    /// The loss with its default parameters.
    #[must_use]
    pub fn make(&self) -> Box<dyn AnyLoss> {
        (self.make)()
    }

    /// The loss with these parameters, the others at their defaults.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownParam`] and [`Error::BadParam`].
    pub fn with(&self, params: &[(&str, f64)]) -> Result<Box<dyn AnyLoss>> {
        let mut loss = self.make();
        for &(key, value) in params {
            loss.set(key, value)?;
        }
        Ok(loss)
    }

    /// The first sentence of the documentation.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        self.doc.split("\n\n").next().unwrap_or_default().trim()
    }
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
