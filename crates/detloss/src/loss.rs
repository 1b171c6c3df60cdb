//! What a loss is: a formula with its name, documentation, parameters, facts and worked cases.

mod boxes;
mod focusing;
pub mod modifiers;
mod param;
mod row;
mod set;
mod terms;

pub use boxes::{BoxLoss, JaccardDistance};
pub use focusing::Focusing;
pub use modifiers::Modifier;
use modifiers::Modifiers;
pub use param::{Param, ParamKind, ParamValue};
pub use row::{RowLoss, RowOf, RowTarget, TracedLoss, TracedRow};
pub use set::{SetLoss, SetOf, State, TracedSet};
pub use terms::Terms;

use crate::error::Result;
use crate::operand::Operand;
use crate::scalar::Scalar;

/// What every loss, every modifier of losses and every matcher says about itself. Written by the macro [`loss!`](crate::loss!).
pub trait Described: Copy + Default + Send + Sync + 'static {
    /// How the loss is computed: [`Formula`], [`Row`] or [`Set`]. [`Modifier`] and [`Matching`] for what is no loss of its own.
    type Form;
    /// The id: file, module, function, command-line argument.
    const NAME: &'static str;
    /// The name of the type.
    const TYPE: &'static str;
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
    /// [`Error::UnknownParam`](crate::Error::UnknownParam) and [`Error::BadParam`](crate::Error::BadParam).
    fn set(&mut self, key: &str, value: f64) -> Result<()>;

    /// The values of all parameters, in the order of [`PARAMS`](Described::PARAMS).
    fn params(&self) -> Vec<f64>;
}

/// The first sentence of a documentation.
pub(crate) fn summary(doc: &'static str) -> &'static str {
    doc.split("\n\n").next().unwrap_or_default().trim()
}

/// The form of a loss that is a formula over one prediction and one target: [`Loss`].
#[derive(Clone, Copy, Debug)]
pub struct Formula;

/// The form of a loss over a row of any length: [`RowLoss`].
#[derive(Clone, Copy, Debug)]
pub struct Row;

/// The form of a loss of a whole batch, or of every image in it: [`SetLoss`].
#[derive(Clone, Copy, Debug)]
pub struct Set;

/// The form of what is no loss but a rule of [matching](crate::matching).
#[derive(Clone, Copy, Debug)]
pub struct Matching;

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
pub trait Loss: Described<Form = Formula> {
    /// What a prediction is; the gradient is with respect to its fields.
    type Pred: Operand;
    /// What a target is.
    type Target: Operand;
    /// What holds for this loss; the conformance suite verifies both the claims and the denials.
    const FACTS: Facts;
    /// Worked cases.
    const CASES: &'static [Case];
    /// What it carries from one batch of a training run to the next: a running mean, if it is a [`BoxLoss`] with one.
    #[doc(hidden)]
    const STATE: State = State::None;

    /// The formula.
    fn eval<S: Scalar>(
        &self,
        pred: <Self::Pred as Operand>::Of<S>,
        target: <Self::Target as Operand>::Of<S>,
    ) -> S;

    /// The formula with these modifiers, at this running mean: both change nothing unless it is a [`BoxLoss`].
    #[doc(hidden)]
    fn eval_modified<S: Scalar>(
        &self,
        pred: <Self::Pred as Operand>::Of<S>,
        target: <Self::Target as Operand>::Of<S>,
        modifiers: &Modifiers,
        mean: S,
    ) -> S {
        let _ = (modifiers, mean);
        self.eval(pred, target)
    }

    /// The focusing that it has by itself or by these modifiers.
    #[doc(hidden)]
    fn focusing(&self, modifiers: &Modifiers) -> Option<Focusing> {
        let _ = modifiers;
        None
    }
}

/// What holds for a loss with its default parameters. Each is verified in both directions: a claim by trying to break it, a
/// denial by a counter-example.
///
/// ```
/// use detloss::loss::Facts;
///
/// const FACTS: Facts = Facts::range(0.0, 1.0).zero_at_target().symmetric();
/// assert!(FACTS.symmetric && !FACTS.scale_invariant);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Facts {
    /// The infimum and the supremum of the value over all finite inputs.
    pub range: (f64, f64),
    /// The value is exactly 0, with zero gradient, where the prediction is what the target asks for.
    pub zero_at_target: bool,
    /// Prediction and target can change places.
    pub symmetric: bool,
    /// Multiplying every length, coordinate and logit by the same positive number changes nothing.
    pub scale_invariant: bool,
    /// Adding the same number to every coordinate, or to every logit, changes nothing.
    pub shift_invariant: bool,
}

impl Facts {
    /// Values from `low` to `high`, and nothing else.
    #[must_use]
    pub const fn range(low: f64, high: f64) -> Self {
        Self {
            range: (low, high),
            zero_at_target: false,
            symmetric: false,
            scale_invariant: false,
            shift_invariant: false,
        }
    }

    /// Besides, a perfect prediction costs exactly 0.
    #[must_use]
    pub const fn zero_at_target(self) -> Self {
        Self { zero_at_target: true, ..self }
    }

    /// Besides, prediction and target can change places.
    #[must_use]
    pub const fn symmetric(self) -> Self {
        Self { symmetric: true, ..self }
    }

    /// Besides, a common factor changes nothing.
    #[must_use]
    pub const fn scale_invariant(self) -> Self {
        Self { scale_invariant: true, ..self }
    }

    /// Besides, a common shift changes nothing.
    #[must_use]
    pub const fn shift_invariant(self) -> Self {
        Self { shift_invariant: true, ..self }
    }
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
