//! Loss functions for object detection on [Candle](candle_core) tensors: differentiable, never NaN for finite numbers.
//!
//! [`loss`] takes any loss of the list of [`detloss`], by its type or by its [name](named), and any loss of yours:
//!
//! ```
//! use candle_core::{Device, Result, Tensor, Var};
//! use detloss::losses::{boxes::Giou, scores::Focal};
//! use detloss_candle::{Options, Reduction, loss, named};
//!
//! # fn main() -> Result<()> {
//! let device = Device::Cpu;
//! // Boxes are x1, y1, x2, y2; the gradient is with respect to the prediction.
//! let pred = Var::new(&[[0f32, 0., 10., 10.], [20., 20., 30., 40.]], &device)?;
//! let target = Tensor::new(&[[1f32, 1., 11., 11.], [20., 20., 30., 40.]], &device)?;
//! let boxes = loss(&pred, &target, &Giou::default(), &Options::default())?;
//!
//! // Scores of 2 anchors and 3 classes; one class index per anchor (3 is background), divided by the number of positives.
//! let logits = Var::new(&[[2f32, -1., -3.], [-2., -2., -4.]], &device)?;
//! let classes = Tensor::new(&[0u32, 3], &device)?;
//! let by_positives = Options { reduction: Reduction::Normalizer(1.0), ..Options::default() };
//! let scores = loss(&logits, &classes, &Focal { gamma: 1.5, ..Focal::default() }, &by_positives)?;
//!
//! let grads = (boxes + scores)?.backward()?;
//! assert_eq!(grads.get(&pred).unwrap().dims(), [2, 4]);
//!
//! // By name, with parameters; a value per box.
//! let each = Options { reduction: Reduction::None, ..Options::default() };
//! let ciou = loss(&pred, &target, &named("ciou", &[("gate", 0.5)])?, &each)?;
//! assert_eq!(ciou.to_vec1::<f32>()?[1], 0.0);
//! # Ok(())
//! # }
//! ```
//!
//! There is one generic function instead of one per loss, because a loss is a type with its parameters: what the list has tomorrow,
//! works today, and so does a loss declared with [`detloss::loss!`] in a crate of yours.
//!
//! # Shapes
//!
//! | prediction | target | values of [`Reduction::None`] |
//! |---|---|---|
//! | boxes `[.., 4]` | `[.., 4]` | `[..]` |
//! | values or scores `[.., columns]` | the same, or class indices `[..]` | `[.., columns]` |
//! | rows of logits `[.., columns]` | a distribution, a class index or a place per row | `[..]` |
//! | masks `[masks, ..pixels]` | the same | `[masks]` |
//! | losses of whole batches: any of these | likewise | `[1]`, or one per group |
//!
//! A prediction of one dimension has one column. A target of integers with one dimension less is class indices; for scores
//! `columns` is background. A label is a number from 0 to 1, or −1 to leave its element out. Integers of the shape of the prediction are labels. All else has the dtype of the prediction: F16, BF16 (both computed in F32), F32 or F64. Strides may be any.
//!
//! # Gradients
//!
//! Gradients are with respect to the prediction only. The target and all weights are constants, even if they depend on variables. Value and
//! gradient are computed together, in the forward pass, if the prediction depends on a variable; backward multiplies by what comes
//! from above, and may be called again. There are no second derivatives.
//!
//! # Devices
//!
//! Tensors in the memory of the host are passed over once, by the kernels of [`detloss`]. On other devices formulas and losses of rows,
//! masks and whole batches are replayed with Candle's operations, value and gradient. What sorts (rankings, Lovász), a whole batch with
//! groups or a state, and GHM of more than 32 bins copy their tensors to the host and the gradient back. [`Backend`] forces one or the other.
//! When replayed, targets are not looked at before: a class index that names no class, or a label outside of 0..=1, makes its row or element
//! NaN, and a whole batch, as does a weight there that is neither 0 nor 1.
//!
//! [`matching`] says before which prediction is to find which truth, and [`criteria`] does both: the whole loss of a named detector.

#![forbid(unsafe_code)]

mod call;
pub mod criteria;
mod graph;
mod host;
pub mod matching;
mod options;
mod program;
mod replay;

use candle_core::{Error, Result, Tensor, bail};
use detloss::batch::Kernel;
use detloss::loss::State;
use detloss::losses::AnyLoss;

use call::Call;
pub use options::{Backend, Options, Reduction};

/// The loss of `pred` against `target`, differentiable by `pred`: a scalar of its dtype, or with [`Reduction::None`] a value per unit.
///
/// The [shapes](crate#shapes) follow from the loss.
///
/// # Errors
///
/// If shapes, dtypes or devices do not fit each other, a class index names no class, or a parameter or the normalizer is out of its
/// range. The message names the remedy.
pub fn loss(
    pred: &Tensor,
    target: &Tensor,
    loss: &(impl Kernel + ?Sized),
    options: &Options,
) -> Result<Tensor> {
    compute(pred, target, loss, options, None)
}

/// One step of a training run with a stateful loss: like [`loss`](fn@loss), and `state` is
/// brought up to date. An empty state begins a run; it is plain numbers, to be saved with the checkpoints.
///
/// ```
/// use candle_core::{Device, Result, Var, Tensor};
/// use detloss::losses::sets::Alrp;
/// use detloss_candle::{Options, step};
///
/// # fn main() -> Result<()> {
/// // A logit and the localisation error of each anchor; labels.
/// let pred = Var::new(&[[2f32, 0.3], [-1., 0.]], &Device::Cpu)?;
/// let labels = Tensor::new(&[1f32, 0.], &Device::Cpu)?;
/// let mut state = Vec::new();
/// step(&pred, &labels, &Alrp::default(), &Options::default(), &mut state)?.backward()?;
/// assert!(!state.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Like [`loss`](fn@loss), and for [`Reduction::None`] and a state that is not of this loss.
pub fn step(
    pred: &Tensor,
    target: &Tensor,
    loss: &(impl Kernel + ?Sized),
    options: &Options,
    state: &mut Vec<f64>,
) -> Result<Tensor> {
    compute(pred, target, loss, options, Some(state))
}

/// The loss called `name` with these parameters, the others at their defaults. They may be written with the name, and so may
/// [modifiers](detloss::loss::modifiers): `inner(ciou(gate=0.5), ratio=0.8)`.
///
/// # Errors
///
/// If there is no such loss or parameter, or a parameter is out of its range.
pub fn named(name: &str, params: &[(&str, f64)]) -> Result<AnyLoss> {
    name.parse::<AnyLoss>().and_then(|loss| loss.with(params)).map_err(Error::wrap)
}

fn compute(
    pred: &Tensor,
    target: &Tensor,
    loss: &(impl Kernel + ?Sized),
    options: &Options,
    state: Option<&mut Vec<f64>>,
) -> Result<Tensor> {
    let call = Call::new(pred, target, loss.signature(), options)?;
    let name = call.signature.loss;
    if state.is_some() && options.reduction == Reduction::None {
        bail!("{name}: a step updates the state once: use another reduction than None")
    }
    let has_state = state.is_some() && call.signature.state != State::None;
    let program = match options.backend {
        Backend::Decomposed if has_state => bail!(
            "{name}: a step with a state is computed on the host: use Backend::Auto or Backend::Fused"
        ),
        Backend::Fused => None,
        Backend::Auto if has_state || pred.device().is_cpu() => None,
        // Kernels of no numbers are no kernels.
        _ if pred.elem_count() == 0 => None,
        Backend::Auto | Backend::Decomposed => replay::trace(&call, loss),
    };
    let outcome = match program {
        Some(program) => replay::run(&call, loss, program)?,
        None if options.backend == Backend::Decomposed && pred.elem_count() > 0 => {
            let is_split = call.groups.is_some() && loss.trace_set(false).is_some();
            let what = if is_split { "its groups" } else { "it" };
            bail!(
                "{name}: tensor operations do not suffice for {what}: use Backend::Auto or Backend::Fused"
            )
        }
        None => host::run(&call, loss, state)?,
    };
    graph::attach(name, &call.pred, outcome)?.to_dtype(pred.dtype())
}
