//! What a loss is: a formula with its name, documentation, parameters, facts and worked cases.

use crate::batch::Kernel;
use crate::error::{Error, Result};
use crate::geometry::Shape;
use crate::scalar::Scalar;
use crate::scalar::lanes::Vector;

/// What every loss says about itself. Written by the macro [`loss!`](crate::loss!).
pub trait Described: Copy + Default + Send + Sync + 'static {
    /// How the loss is computed: [`Formula`] or [`Row`].
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

/// A loss of a whole row of logits against a class or a distribution over the classes. It writes its own gradient.
pub trait RowLoss: Described<Kind = Row> {
    /// What holds for this loss.
    const FACTS: Facts;
    /// Worked cases.
    const CASES: &'static [Case];

    #[doc(hidden)]
    fn row<V: Vector>(&self, token: V::Token, row: RowOf<'_, V>) -> f64;
}

/// One row of a [`RowLoss`].
#[doc(hidden)]
#[derive(Debug)]
pub struct RowOf<'a, V: Vector> {
    /// The logits.
    pub logits: &'a [V::Element],
    /// What they should say.
    pub target: RowTarget<'a, V::Element>,
    /// A weight per class, all 1 if absent.
    pub column_weights: Option<&'a [V::Element]>,
    /// What the gradient is multiplied by.
    pub scale: V::Element,
    /// Where the gradient goes, if anybody wants it.
    pub grad: Option<&'a mut [V::Element]>,
}

/// What a row of logits should say.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum RowTarget<'a, T> {
    /// This class.
    Class(usize),
    /// This distribution over the classes.
    Soft(&'a [T]),
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
    /// The fields of a prediction; empty for a row of any length.
    pub pred: &'static [&'static str],
    /// The fields of a target; empty for a row of any length.
    pub target: &'static [&'static str],
    make: fn() -> Box<dyn AnyLoss>,
}

impl Entry {
    pub(crate) const fn formula<L: Loss>(family: &'static str) -> Self {
        let mut entry = Self::row_like::<L>(family, L::FACTS, L::CASES);
        entry.pred = L::Pred::FIELDS;
        entry.target = L::Target::FIELDS;
        entry
    }

    pub(crate) const fn row<L: RowLoss>(family: &'static str) -> Self {
        Self::row_like::<L>(family, L::FACTS, L::CASES)
    }

    const fn row_like<L: Described + Kernel>(
        family: &'static str,
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
            pred: &[],
            target: &[],
            make: || Box::new(L::default()),
        }
    }

    /// The loss with its default parameters.
    #[must_use]
    pub fn default(&self) -> Box<dyn AnyLoss> {
        (self.make)()
    }

    /// The loss with these parameters, the others at their defaults.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownParam`] and [`Error::BadParam`].
    pub fn with(&self, params: &[(&str, f64)]) -> Result<Box<dyn AnyLoss>> {
        let mut loss = self.default();
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
}
