//! Criteria: the whole loss of a named detector in one call, by the criteria of [`detloss::criteria`].
//!
//! ```
//! use burn::tensor::{Device, Int, Tensor};
//! use detloss_burn::criteria::{self, Criterion, Outputs, Truths};
//! use detloss_burn::matching::Places;
//!
//! let yolo: Criterion = "yolo8(box=siou)".parse()?;
//! let device = Device::flex().autodiff();
//! let points = Tensor::<2>::from_data([[4.0, 4.0], [12.0, 4.0]], &device);
//! let strides = Tensor::<1>::from_data([8.0, 8.0], &device);
//! let truths = [Truths {
//!     boxes: Tensor::from_data([[0.0, 0.0, 9.0, 8.0]], &device),
//!     labels: Tensor::<1, Int>::from_data([1], &device),
//! }];
//!
//! // What a model would give: logits of two classes, and distributions of four distances over sixteen bins.
//! let (mut logits, mut bins) = (Tensor::<3>::zeros([1, 2, 2], &device), Tensor::<3>::zeros([1, 2, 64], &device));
//! let mut totals = Vec::new();
//! for _ in 0..20 {
//!     let (scores, boxes) = (logits.clone().require_grad(), bins.clone().require_grad());
//!     let outputs = Outputs {
//!         logits: Some(scores.clone()),
//!         anchors: Some(Places::Points(points.clone(), strides.clone())),
//!         ..Outputs::new(boxes.clone())
//!     };
//!     let result = criteria::evaluate(&yolo, &[outputs], &truths)?;
//!     assert_eq!(result.terms[0].term, "box");
//!     let grads = result.total.backward();
//!     totals.push(result.total.into_scalar::<f32>());
//!     logits = (logits - scores.grad(&grads).unwrap() * 0.1).detach();
//!     bins = (bins - boxes.grad(&grads).unwrap() * 0.1).detach();
//! }
//! assert!(totals[19] < 0.8 * totals[0]);
//! # Ok::<(), detloss::Error>(())
//! ```
//!
//! A criterion has no weights of its own: as a field of a module it is marked with `#[module(skip)]`.

pub use detloss::criteria::{Criterion, TermValue};

use burn::backend::flex::FlexTensor;
use burn::backend::{Dispatch, Flex};
use burn::tensor::{DType, Device, Element, Int, Tensor, TensorData};
use detloss::Result;
use detloss::criteria::{Number, Options, OutputArrays, TruthArrays};
use detloss::matching::{self, Array};

use crate::batch::{at, host};
use crate::host::{contiguous, numbers};
use crate::matching::Places;
use crate::op::LossBackend;
use crate::parts::{self, narrow};

/// The raw outputs of a model for a batch of images: of one head, or of one layer of it. Tensors are of any device.
///
/// They are evaluated in F32, or in F64 if one that has a gradient is of F64.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// The logits of all classes, of shape \[images, predictions, classes\]. None for a head without, such as one of region proposals.
    pub logits: Option<Tensor<3>>,
    /// The raw numbers of boxes, of shape \[images, predictions, numbers\]: what the head's [decoder](detloss::criteria::Decoder) takes.
    pub boxes: Tensor<3>,
    /// The head that they are of; the first one if None.
    pub head: Option<String>,
    /// The anchors.
    pub anchors: Option<Places>,
    /// How many anchors each level has, in their order.
    pub levels: Option<Vec<usize>>,
    /// The logit that each prediction has besides its classes, objectness or centreness, of shape \[images, predictions\].
    pub quality: Option<Tensor<2>>,
    /// The angle of each prediction's box in radians, of shape \[images, predictions\].
    pub angle: Option<Tensor<2>>,
    /// The logits of the four distributions that each prediction has besides its box, of shape \[images, predictions, 4 (N + 1)\].
    pub distribution: Option<Tensor<3>>,
    /// The boxes that these are seen from, of shape \[images, predictions, 4\], in the form of the truths. They have no gradient.
    pub references: Option<Tensor<3>>,
    /// Width and height of the images, in the unit of the truths, for criteria that measure sides as fractions of them.
    pub image_size: Option<[f64; 2]>,
    /// How many groups of queries there are.
    pub groups: usize,
    /// For a head without a matcher, the index of the truth of every prediction in its image,
    /// [`BACKGROUND`](detloss::matching::BACKGROUND) or [`IGNORED`](detloss::matching::IGNORED), of shape \[images, predictions\].
    pub pairs: Option<Tensor<2, Int>>,
    /// The seed of a head that chooses by chance. Give every step another.
    pub seed: u64,
}

/// The truths of one image.
#[derive(Clone, Debug)]
pub struct Truths {
    /// The boxes, of shape \[truths, 4\], or \[truths, 5\] where they are rotated.
    pub boxes: Tensor<2>,
    /// The label of each.
    pub labels: Tensor<1, Int>,
}

/// What a batch is worth.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The sum of all terms, of shape \[1\], differentiable by the logits, the raw boxes, the quality, the angles and the distributions.
    pub total: Tensor<1>,
    /// Every term of every head, with its weight and divided by its normalizer.
    pub terms: Vec<TermValue>,
    /// For each of the outputs the truth of every prediction, of shape \[images, predictions\].
    pub indices: Vec<Tensor<2, Int>>,
}

impl Outputs {
    /// The raw numbers of boxes, and nothing else.
    #[must_use]
    pub fn new(boxes: Tensor<3>) -> Self {
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

    /// Whether one of those that may have a gradient is so.
    fn any(&self, wide: fn(&Tensor<3>) -> bool, narrow: fn(&Tensor<2>) -> bool) -> bool {
        wide(&self.boxes)
            || self.logits.iter().chain(&self.distribution).any(wide)
            || self.quality.iter().chain(&self.angle).any(narrow)
    }
}

/// What a batch is worth: the outputs of every head and layer, against the truths of every image.
///
/// Value and gradient are computed together in the memory of the host: tensors of other devices are copied there, and the gradients back.
/// Where no output is part of a graph the value is computed alone.
///
/// # Errors
///
/// If something is missing that the criterion needs, does not fit, or is not finite. The message names the remedy.
pub fn evaluate(
    criterion: &Criterion,
    outputs: &[Outputs],
    truths: &[Truths],
) -> Result<Evaluation> {
    let is_double = |outputs: &Outputs| {
        outputs.any(|of| of.dtype() == DType::F64, |of| of.dtype() == DType::F64)
    };
    if outputs.iter().any(is_double) {
        evaluate_as::<f64>(criterion, outputs, truths)
    } else {
        evaluate_as::<f32>(criterion, outputs, truths)
    }
}

fn evaluate_as<T: Number + parts::Number>(
    criterion: &Criterion,
    outputs: &[Outputs],
    truths: &[Truths],
) -> Result<Evaluation> {
    let lent: Vec<_> = outputs.iter().map(Lent::new::<T>).collect();
    let boxes: Vec<_> = truths.iter().map(|truths| lend::<T, 2>(&truths.boxes)).collect();
    let labels: Vec<_> = truths.iter().map(|truths| integers(&truths.labels)).collect();
    let of_outputs: Vec<_> =
        outputs.iter().zip(&lent).map(|(outputs, lent)| lent.arrays::<T>(outputs)).collect();
    let of_truths = boxes.iter().zip(&labels);
    let of_truths: Vec<_> =
        of_truths.map(|(boxes, labels)| TruthArrays { boxes: array(boxes), labels }).collect();

    let is_tracked = |outputs: &Outputs| outputs.any(Tensor::is_tracked, Tensor::is_tracked);
    let options = Options::default();
    let options = if outputs.iter().any(is_tracked) { options } else { options.value_only() };
    let result = criterion.evaluate_arrays(&of_outputs, &of_truths, options)?;

    let device = outputs.first().map_or_else(Device::flex, |outputs| outputs.boxes.device());
    let indices = result.indices();
    let indices = indices
        .map(|(shape, indices)| Tensor::from_data(TensorData::new(indices, shape), &device))
        .collect();
    let total = TensorData::new(vec![narrow::<T>(result.total)], [1]);
    let mut total = Tensor::<1>::from_data(total, (&device, dtype::<T>()));
    for (outputs, grads) in outputs.iter().zip(result.grads) {
        let parts = [
            outputs.logits.as_ref().and_then(|leaf| nothing(leaf, grads.logits)),
            nothing(&outputs.boxes, grads.boxes),
            outputs.quality.as_ref().and_then(|leaf| nothing(leaf, grads.quality)),
            outputs.angle.as_ref().and_then(|leaf| nothing(leaf, grads.angle)),
            outputs.distribution.as_ref().and_then(|leaf| nothing(leaf, grads.distribution)),
        ];
        total =
            parts.into_iter().flatten().fold(total, |total, part| total + part.to_device(&device));
    }
    Ok(Evaluation { total, terms: result.terms, indices })
}

/// A zero that has this gradient by a tensor, if that is part of a graph.
fn nothing<T: parts::Number, const D: usize>(leaf: &Tensor<D>, grad: Vec<T>) -> Option<Tensor<1>> {
    if !leaf.is_tracked() {
        return None;
    }
    // In the precision of the gradient, so that a scaled loss in F16 keeps its small slopes.
    let leaf = at(&host(&leaf.device()), leaf.clone()).cast(dtype::<T>());
    let (device, shape) = (leaf.device(), leaf.shape());
    let grad = Tensor::<D>::from_data(TensorData::new(grad, shape), (&device, dtype::<T>()));
    let zero = Tensor::<1>::zeros([1], (&device, dtype::<T>()));
    let [leaf, zero, grad] = [leaf.into_dispatch(), zero.into_dispatch(), grad.into_dispatch()];
    Some(Tensor::from_dispatch(Dispatch::given(leaf, zero, grad)))
}

/// The tensors of one of the outputs in the memory of the host.
struct Lent {
    logits: Option<FlexTensor>,
    boxes: FlexTensor,
    quality: Option<FlexTensor>,
    angle: Option<FlexTensor>,
    distribution: Option<[FlexTensor; 2]>,
    anchors: Option<(FlexTensor, Option<FlexTensor>)>,
    pairs: Option<([usize; 2], Vec<i64>)>,
}

impl Lent {
    fn new<T: parts::Number>(outputs: &Outputs) -> Self {
        let distribution = outputs.distribution.as_ref().zip(outputs.references.as_ref());
        Self {
            logits: outputs.logits.as_ref().map(lend::<T, 3>),
            boxes: lend::<T, 3>(&outputs.boxes),
            quality: outputs.quality.as_ref().map(lend::<T, 2>),
            angle: outputs.angle.as_ref().map(lend::<T, 2>),
            distribution: distribution.map(|(of, from)| [of, from].map(lend::<T, 3>)),
            anchors: outputs.anchors.as_ref().map(|places| match places {
                Places::Boxes(boxes) => (lend::<T, 2>(boxes), None),
                Places::BoxesOfImages(boxes) => (lend::<T, 3>(boxes), None),
                Places::Points(points, strides) => {
                    (lend::<T, 2>(points), Some(lend::<T, 1>(strides)))
                }
            }),
            pairs: outputs.pairs.as_ref().map(|pairs| (pairs.dims(), integers(pairs))),
        }
    }

    fn arrays<'a, T: Number + parts::Number>(
        &'a self,
        outputs: &'a Outputs,
    ) -> OutputArrays<'a, T> {
        OutputArrays {
            logits: self.logits.as_ref().map(array),
            head: outputs.head.as_deref(),
            anchors: self.anchors.as_ref().map(|(places, strides)| match strides {
                None => matching::Places::Boxes(array(places)),
                Some(strides) => matching::Places::Points(array(places), numbers(strides)),
            }),
            levels: outputs.levels.as_deref(),
            quality: self.quality.as_ref().map(array),
            angle: self.angle.as_ref().map(array),
            distribution: self.distribution.as_ref().map(|arrays| arrays.each_ref().map(array)),
            image_size: outputs.image_size,
            groups: outputs.groups,
            pairs: self.pairs.as_ref().map(|(shape, numbers)| Array { shape, numbers }),
            seed: outputs.seed,
            ..OutputArrays::new(array(&self.boxes))
        }
    }
}

/// A tensor out of its graph and in the memory of the host: itself, if it lies there in order.
fn lend<T: parts::Number, const D: usize>(tensor: &Tensor<D>) -> FlexTensor {
    let tensor = tensor.clone().without_autodiff();
    let tensor = at(&host(&tensor.device()), tensor).cast(dtype::<T>());
    contiguous(tensor.try_into_primitive::<Flex>().expect("a tensor in the memory of the host"))
}

fn array<T: parts::Number>(tensor: &FlexTensor) -> Array<'_, T> {
    Array { shape: tensor.layout().shape().as_slice(), numbers: numbers(tensor) }
}

fn integers<const D: usize>(tensor: &Tensor<D, Int>) -> Vec<i64> {
    tensor.to_data().iter().collect()
}

fn dtype<T: Element>() -> DType {
    T::dtype()
}
