//! Criteria: the whole loss of a named detector in one call.
//!
//! A [`Criterion`] is data. It says how raw outputs become boxes, which prediction is to find which truth, which losses are added up, over
//! what, with which weights, and what they are divided by. [`ALL`] has those of today's detectors; each gives the numbers of the one that
//! its page names.
//!
//! ```
//! use detloss::criteria::{self, Outputs, Truths};
//! use detloss::matching::Anchors;
//!
//! let anchors = Anchors::points(&[4.0_f32, 4.0, 12.0, 4.0], &[8.0, 8.0])?;
//! let (logits, boxes) = ([0.2_f32, -1.0, 0.4, 0.3], [0.0; 2 * 64]);
//! let outputs = Outputs::new(1, &logits, &boxes).anchors(&anchors);
//! let truths = Truths::new(&[0.0_f32, 0.0, 9.0, 8.0], &[1]);
//!
//! let result = criteria::find("yolo8")?.make().evaluate(&[outputs], &[truths])?;
//! assert!(result.total > 0.0);
//! assert_eq!(result.terms[0].term, "box");
//! assert_eq!(result.grads[0].boxes.len(), boxes.len());
//! # Ok::<(), detloss::Error>(())
//! ```

mod arrays;
mod criterion;
mod decoder;
mod describe;
mod divisors;
mod entry;
mod evaluate;
mod gradients;
mod layer;
mod outputs;
mod prelude;
mod refinement;
mod set_prediction;
mod settings;
mod task_aligned;
mod terms;
mod traced;
mod vectors;

pub use arrays::{OutputArrays, TruthArrays};
pub use criterion::{
    Compares, Criterion, Head, Labels, Layers, Normalizer, Pairs, Quality, RowWeight, Rows,
    Sampler, Schedule, Sides, Term, Unit,
};
pub use decoder::Decoder;
pub use entry::Entry;
pub use evaluate::{Evaluation, Number, Options, TermValue};
pub use gradients::{OutputGrads, OutputGradsMut};
pub use outputs::{Outputs, Truths};
pub use traced::Programs;

use crate::error::{Error, Result};

/// Makes the list: one line per criterion.
macro_rules! criteria {
    ($($file:ident,)+) => {
        $(mod $file;)+

        /// Every criterion.
        pub static ALL: &[Entry] = &[$($file::ENTRY),+];
    };
}

criteria! {
    retinanet,
    faster_rcnn,
    fcos,
    ssd,
    yolox,
    yolo8,
    yolo8_obb,
    yolo9,
    yolo10,
    yolo26,
    ppyoloe,
    rtmdet,
    detr,
    deformable_detr,
    dino,
    rt_detr,
    ultralytics_rt_detr,
    rf_detr,
    d_fine,
    transformers_d_fine,
    deim,
    deim2,
    transformers_deim2,
}

/// The line of the criterion called `name`.
///
/// # Errors
///
/// [`Error::UnknownCriterion`].
pub fn find(name: &str) -> Result<&'static Entry> {
    let is_called = |entry: &&Entry| entry.name == name || entry.aliases.contains(&name);
    ALL.iter().find(is_called).ok_or_else(|| Error::UnknownCriterion {
        name: name.to_owned(),
        known: ALL.iter().map(|entry| entry.name).collect(),
    })
}
