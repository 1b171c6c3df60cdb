//! A loss chosen at run time.

use std::fmt;

use detloss::Result;
use detloss::batch::{Driver, Kernel};
use detloss::loss::Described;
use detloss::losses::AnyLoss;
use detloss::signature::Signature;

/// Any loss, chosen by its name, with its parameters.
///
/// It can be a field of a module: like all losses it has no weights of its own, and nothing of it is in a record.
///
/// ```
/// use burn::{nn::loss::Reduction, tensor::{Device, Tensor}};
/// use detloss_burn::Loss;
///
/// let device = Device::flex();
/// let smooth_l1 = Loss::with("smooth_l1", &[("beta", 0.5)])?;
/// let predictions = Tensor::<2>::from_data([[0.25, 3.0]], &device);
/// let loss = smooth_l1.forward(predictions, Tensor::<2>::zeros([1, 2], &device), Reduction::Sum);
/// assert_eq!(loss.into_scalar::<f32>(), 0.0625 + 2.75);
/// assert_eq!(Loss::find("smoothl1").unwrap_err().to_string(), r#"no loss is called "smoothl1": did you mean "smooth_l1"?"#);
/// # Ok::<(), detloss::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Loss(AnyLoss);

impl Loss {
    /// The loss called `name`, with its default parameters. `detloss::losses::ALL` is the list of them. Parameters and
    /// [modifiers](detloss::loss::modifiers) may be written with it: `inner(ciou(gate=0.5), ratio=0.8)`.
    ///
    /// # Errors
    ///
    /// If there is none, with the nearest name there is.
    pub fn find(name: &str) -> Result<Self> {
        Self::with(name, &[])
    }

    /// The loss called `name` with these parameters, the others at their defaults.
    ///
    /// # Errors
    ///
    /// If there is none, or it has no such parameter, or the parameter cannot have this value.
    pub fn with(name: &str, params: &[(&str, f64)]) -> Result<Self> {
        Ok(Self(name.parse::<AnyLoss>()?.with(params)?))
    }

    /// A loss of the core as it is, or one that was declared with `detloss::loss!` somewhere else.
    #[must_use]
    pub fn new<L: Described + Kernel>(loss: L) -> Self
    where
        L::Form: Driver<L>,
    {
        Self(AnyLoss::new(loss))
    }

    /// How it is called.
    #[must_use]
    pub fn signature(&self) -> Signature {
        self.0.signature()
    }
}

impl AsRef<AnyLoss> for Loss {
    fn as_ref(&self) -> &AnyLoss {
        &self.0
    }
}

impl From<AnyLoss> for Loss {
    fn from(loss: AnyLoss) -> Self {
        Self(loss)
    }
}

impl From<&Loss> for Loss {
    fn from(loss: &Loss) -> Self {
        loss.clone()
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loss({self})")
    }
}

use burn::empty;
empty!(Loss);

/// What a call of the core gives. Burn's tensor operations panic where their arguments do not fit; so do ours, in the core's words.
#[track_caller]
pub(crate) fn expect_valid<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}
