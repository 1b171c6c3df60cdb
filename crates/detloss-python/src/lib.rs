//! The list of losses for Python: what `import detloss` is made of.
//!
//! Python checks shapes and names (`python/detloss/_spec.py`); this crate lends the memory of NumPy arrays to [`detloss::Batch`],
//! and hands evaluations of `detloss-coco` on.

mod arrays;
mod coco;
mod criteria;
mod functions;
mod loss;
mod matches;
mod matching;
mod pairwise;
mod threads;

use pyo3::prelude::*;

/// The compiled part of detloss.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::coco::evaluate_coco;
    #[pymodule_export]
    use super::criteria::{Criterion, criteria_list};
    #[pymodule_export]
    use super::functions::{
        class_balanced_weights, ddf_weights, ldam_margins, logit_adjustment, offsets,
        offsets_of_boxes, place,
    };
    #[pymodule_export]
    use super::loss::{Loss, names};
    #[pymodule_export]
    use super::matches::{balanced, center_heatmap, hard_negatives, hardest, union};
    #[pymodule_export]
    use super::matching::{Matcher, matchers};
    #[pymodule_export]
    use super::pairwise::pairwise;
    #[pymodule_export]
    use super::version;
    #[pymodule_export]
    const MAX_LABEL: f64 = detloss::operand::MAX_LABEL;
    #[pymodule_export]
    const LEFT_OUT: f64 = detloss::operand::LEFT_OUT;
}

/// The version of the crate.
#[pyfunction]
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
