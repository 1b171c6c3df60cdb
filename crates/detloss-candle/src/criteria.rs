//! Criteria: the whole loss of a named detector in one call, by the criteria of [`detloss::criteria`].
//!
//! ```
//! use candle_core::{DType, Device, Result, Tensor, Var};
//! use detloss_candle::criteria::{self, Criterion, Outputs, Truths};
//! use detloss_candle::matching::Places;
//!
//! # fn main() -> Result<()> {
//! let device = &Device::Cpu;
//! let points = Tensor::new(&[[4f32, 4.], [12., 4.]], device)?;
//! let strides = Tensor::new(&[8f32, 8.], device)?;
//! let logits = Var::new(&[[[0.2f32, -1.], [0.4, 0.3]]], device)?;
//! let bins = Var::zeros((1, 2, 64), DType::F32, device)?;
//! let outputs = Outputs {
//!     logits: Some(logits.as_tensor().clone()),
//!     anchors: Some(Places::Points(points, strides)),
//!     ..Outputs::new(bins.as_tensor().clone())
//! };
//! let truths = Truths {
//!     boxes: Tensor::new(&[[0f32, 0., 9., 8.]], device)?,
//!     labels: Tensor::new(&[1i64], device)?,
//! };
//!
//! let yolo: Criterion = "yolo8(box=siou)".parse().expect("a criterion");
//! let result = criteria::evaluate(&yolo, &[outputs], &[truths])?;
//! let grads = result.total.backward()?;
//! assert_eq!(grads.get(&bins).unwrap().dims(), [1, 2, 64]);
//! # Ok(())
//! # }
//! ```

pub use detloss::criteria::{Criterion, TermValue};

use candle_core::{DType, Device, Error, Result, Tensor, WithDType};
use detloss::criteria::{Number, Options, OutputArrays, TruthArrays};
use detloss::matching as places;

use crate::call::Outcome;
use crate::graph::attach;
use crate::host::on_host;
use crate::matching::{Held, Places, array, arrays, held, integers};

/// The raw outputs of a model for a batch of images: of one head, or of one layer of it. Tensors are of any device.
///
/// They are evaluated in F32, or in F64 if a tensor is of F64.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// The logits of all classes, of shape (images, predictions, classes). None for a head without, such as one of region proposals.
    pub logits: Option<Tensor>,
    /// The raw numbers of boxes, of shape (images, predictions, numbers): what the head's [decoder](detloss::criteria::Decoder) takes.
    pub boxes: Tensor,
    /// The head that they are of; the first one if None.
    pub head: Option<String>,
    /// The anchors, the same for all images, or boxes of shape (images, predictions, 4): those of each.
    pub anchors: Option<Places>,
    /// How many anchors each level has, in their order.
    pub levels: Option<Vec<usize>>,
    /// The logit that each prediction has besides its classes, objectness or centreness, of shape (images, predictions).
    pub quality: Option<Tensor>,
    /// The angle of each prediction's box in radians, of shape (images, predictions).
    pub angle: Option<Tensor>,
    /// The logits of the four distributions that each prediction has besides its box, of shape (images, predictions, 4 (N + 1)).
    pub distribution: Option<Tensor>,
    /// The boxes that these are seen from, of shape (images, predictions, 4), in the form of the truths. They have no gradient.
    pub references: Option<Tensor>,
    /// Width and height of the images, in the unit of the truths, for criteria that measure sides as fractions of them.
    pub image_size: Option<[f64; 2]>,
    /// How many groups of queries there are.
    pub groups: usize,
    /// For a head without a matcher, the index of the truth of every prediction in its image,
    /// [`BACKGROUND`](detloss::matching::BACKGROUND) or [`IGNORED`](detloss::matching::IGNORED), of shape (images, predictions).
    pub pairs: Option<Tensor>,
    /// The seed of a head that chooses by chance. Give every step another.
    pub seed: u64,
}

/// The truths of one image.
#[derive(Clone, Debug)]
pub struct Truths {
    /// The boxes, of shape (truths, 4), or (truths, 5) where they are rotated.
    pub boxes: Tensor,
    /// The label of each: integers.
    pub labels: Tensor,
}

/// What a batch is worth.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The sum of all terms, a scalar, differentiable by the logits, the raw boxes, the quality, the angles and the distributions.
    pub total: Tensor,
    /// Every term of every head, with its weight and divided by its normalizer.
    pub terms: Vec<TermValue>,
    /// For each of the outputs the truth of every prediction, of I64 and shape (images, predictions).
    pub indices: Vec<Tensor>,
}

impl Outputs {
    /// The raw numbers of boxes, and nothing else.
    #[must_use]
    pub fn new(boxes: Tensor) -> Self {
        Self {
            logits: None,
            boxes,
            head: None,
            anchors: None,
            levels: None,
            quality: None,
            angle: None,
            distribution: None,
            references: None,
            image_size: None,
            groups: 1,
            pairs: None,
            seed: 0,
        }
    }

    /// What has a gradient, in the order of the core.
    fn leaves(&self) -> [Option<&Tensor>; 5] {
        let Self { logits, boxes, quality, angle, distribution, .. } = self;
        [logits.as_ref(), Some(boxes), quality.as_ref(), angle.as_ref(), distribution.as_ref()]
    }
}

/// What a batch is worth: the outputs of every head and layer, against the truths of every image.
///
/// Value and gradient are computed together in the memory of the host: tensors of other devices are copied there, and the gradients back.
/// Without a variable among the outputs the value is computed alone.
///
/// # Errors
///
/// If something is missing that the criterion needs, does not fit, or is not finite. The message names the remedy.
pub fn evaluate(
    criterion: &Criterion,
    outputs: &[Outputs],
    truths: &[Truths],
) -> Result<Evaluation> {
    let mut tensors = outputs.iter().flat_map(Outputs::leaves).flatten();
    if tensors.any(|tensor| tensor.dtype() == DType::F64) {
        evaluate_as::<f64>(criterion, outputs, truths)
    } else {
        evaluate_as::<f32>(criterion, outputs, truths)
    }
}

/// The tensors of one of the outputs on the host: of floats, in the order of [`Outputs::leaves`], then references and anchors.
struct OnHost {
    floats: [Option<Tensor>; 8],
    pairs: Option<Tensor>,
}

impl OnHost {
    fn new(outputs: &Outputs, dtype: DType) -> Result<Self> {
        let [a, b, c, d, e] = outputs.leaves();
        let (places, strides) = match &outputs.anchors {
            None => (None, None),
            Some(Places::Boxes(boxes)) => (Some(boxes), None),
            Some(Places::Points(points, strides)) => (Some(points), Some(strides)),
        };
        let mut floats = [const { None }; 8];
        let given = [a, b, c, d, e, outputs.references.as_ref(), places, strides];
        for (float, tensor) in floats.iter_mut().zip(given) {
            *float = tensor.map(|tensor| on_host(tensor, dtype)).transpose()?;
        }
        let pairs = integers(outputs.pairs.as_slice())?.pop();
        Ok(Self { floats, pairs })
    }
}

fn evaluate_as<T: Number + WithDType>(
    criterion: &Criterion,
    outputs: &[Outputs],
    truths: &[Truths],
) -> Result<Evaluation> {
    let on_hosts = outputs.iter().map(|outputs| OnHost::new(outputs, T::DTYPE));
    let on_hosts = on_hosts.collect::<Result<Vec<_>>>()?;
    let boxes = truths.iter().map(|truths| on_host(&truths.boxes, T::DTYPE));
    let boxes = boxes.collect::<Result<Vec<_>>>()?;
    let labels: Vec<Tensor> = truths.iter().map(|truths| truths.labels.clone()).collect();
    let labels = integers(&labels)?;

    let (held_boxes, held_labels) = (held(&boxes), held(&labels));
    let of_truths = arrays::<T>(&held_boxes)?.into_iter().zip(arrays::<i64>(&held_labels)?);
    let of_truths: Vec<_> =
        of_truths.map(|(boxes, labels)| TruthArrays { boxes, labels: labels.numbers }).collect();
    let lent: Vec<Lent<'_>> = on_hosts.iter().map(Lent::new).collect();
    let of_outputs = outputs.iter().zip(&lent).map(|(outputs, lent)| lent.arrays(outputs));
    let of_outputs = of_outputs.collect::<Result<Vec<_>>>()?;

    let mut leaves = outputs.iter().flat_map(Outputs::leaves).flatten();
    let wants_gradient = leaves.any(Tensor::track_op);
    let options = Options::default();
    let options = if wants_gradient { options } else { options.value_only() };
    let result =
        criterion.evaluate_arrays(&of_outputs, &of_truths, options).map_err(Error::wrap)?;

    let device = outputs.first().map_or(&Device::Cpu, |outputs| outputs.boxes.device());
    let indices = result.indices();
    let indices = indices
        .map(|(shape, indices)| Tensor::from_vec(indices, &shape, device))
        .collect::<Result<Vec<_>>>()?;
    let mut total = Tensor::new(result.total, device)?.to_dtype(T::DTYPE)?;
    for (outputs, grads) in outputs.iter().zip(result.grads) {
        let parts = [grads.logits, grads.boxes, grads.quality, grads.angle, grads.distribution];
        for (leaf, grad) in outputs.leaves().into_iter().zip(parts) {
            let Some(leaf) = leaf.filter(|leaf| leaf.track_op()) else { continue };
            // In the precision of the gradient, so that a scaled loss in F16 keeps its small slopes.
            let grad = Some(Tensor::from_vec(grad, leaf.shape(), leaf.device())?);
            let value = Tensor::zeros((), T::DTYPE, leaf.device())?;
            let part = Outcome { value, grad, value_of_row: None };
            let part = attach("criterion", &leaf.to_dtype(T::DTYPE)?, part)?;
            total = (total + part.to_device(device)?)?;
        }
    }
    Ok(Evaluation { total, terms: result.terms, indices })
}

/// Tensors of the host, lent.
struct Lent<'t> {
    floats: [Option<Held<'t>>; 8],
    pairs: Option<Held<'t>>,
}

impl<'t> Lent<'t> {
    fn new(on_host: &'t OnHost) -> Self {
        let held = |tensor: &'t Option<Tensor>| tensor.as_ref().map(Tensor::storage_and_layout);
        Self { floats: on_host.floats.each_ref().map(held), pairs: held(&on_host.pairs) }
    }

    fn arrays<'a, T: Number + WithDType>(
        &'a self,
        outputs: &'a Outputs,
    ) -> Result<OutputArrays<'a, T>> {
        let [logits, boxes, quality, angle, distribution, references, places, strides] =
            self.floats.each_ref().map(|held| held.as_ref().map(array::<T>).transpose());
        let distribution = distribution?.zip(references?).map(|(of, from)| [of, from]);
        Ok(OutputArrays {
            logits: logits?,
            head: outputs.head.as_deref(),
            anchors: match (places?, strides?) {
                (None, _) => None,
                (Some(boxes), None) => Some(places::Places::Boxes(boxes)),
                (Some(points), Some(strides)) => {
                    Some(places::Places::Points(points, strides.numbers))
                }
            },
            levels: outputs.levels.as_deref(),
            quality: quality?,
            angle: angle?,
            distribution,
            image_size: outputs.image_size,
            groups: outputs.groups,
            pairs: self.pairs.as_ref().map(array).transpose()?,
            seed: outputs.seed,
            ..OutputArrays::new(boxes?.expect("raw boxes are always given"))
        })
    }
}
