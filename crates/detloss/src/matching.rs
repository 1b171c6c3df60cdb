//! Matching: which prediction is to find which truth.
//!
//! A loss compares pairs, and a matcher makes them: an [`Image`] brings what there is (its truths) and what answers for it (anchors,
//! predicted boxes, scores), and [`Matches`] say of every prediction whether it has a truth, is background, or is left out.
//!
//! ```
//! use detloss::matching::{Anchors, AnyMatcher, Image};
//!
//! let anchors = Anchors::boxes(&[0.0_f32, 0.0, 8.0, 8.0, 8.0, 0.0, 16.0, 8.0, 0.0, 8.0, 8.0, 16.0])?;
//! let image = Image::new(&[1.0, 0.0, 9.0, 8.0]).anchors(&anchors);
//! let matches = "max_iou(high=0.6)".parse::<AnyMatcher>()?.match_image(&image)?;
//! assert_eq!(matches.indices, [0, -1, -1]);
//! # Ok::<(), detloss::Error>(())
//! ```
//!
//! # Conventions
//!
//! These hold for every matcher of the list.
//!
//! - One image is matched at a time: pairs of two images are never formed. [`AnyMatcher::match_images`] takes many, on all cores.
//! - Nothing is differentiated. Predictions come in as numbers, and the matches are constants.
//! - Of equal metrics the prediction with the lower index wins, and of equal truths the lower one, on every machine. PyTorch's `topk`
//!   promises no order and differs between CPU and GPU.
//! - Pairs that cannot match are not looked at. Memory is a few numbers for every prediction, and none for every pair.
//! - A prediction that is not finite matches nothing, unless the matcher's page says otherwise; a truth or an anchor that is not finite is
//!   an error.
//! - Without truths everything is background; without predictions there is nothing.

mod anchors;
mod any;
mod area;
mod assignment;
mod center_heatmap;
mod dynamic_k;
mod entry;
mod image;
mod images;
mod matches;
mod overlap;
pub mod sampling;
mod top;
mod tree;
mod union;

pub use anchors::Anchors;
pub(crate) use anchors::finite;
pub use any::AnyMatcher;
pub use assignment::{linear_sum_assignment, partial_linear_sum_assignment};
pub use center_heatmap::CenterHeatmap;
pub use entry::{Entry, Matcher, Precision};
pub use image::{Image, Inputs, Scores};
pub(crate) use image::{check_labels, of_length};
pub use images::{Array, BatchMatches, Images, Places};
pub use matches::{BACKGROUND, IGNORED, Matches};
pub use overlap::Overlap;
pub use union::union;

use crate::error::{Error, Result};

/// Makes the list: one line per matcher.
macro_rules! matchers {
    ($($file:ident: $ty:ident,)+) => {
        $(mod $file; pub use $file::$ty;)+

        /// Every matcher.
        pub static ALL: &[Entry] = &[$(Entry::of::<$ty>()),+];
    };
}

matchers! {
    max_iou: MaxIou,
    ssd: Ssd,
    atss: Atss,
    center_sampling: CenterSampling,
    sim_ota: SimOta,
    dynamic_soft_label: DynamicSoftLabel,
    task_aligned: TaskAligned,
    hungarian: Hungarian,
}

/// The line of the matcher called `name`.
///
/// # Errors
///
/// [`Error::UnknownMatcher`].
pub fn find(name: &str) -> Result<&'static Entry> {
    ALL.iter().find(|entry| entry.name == name).ok_or_else(|| Error::UnknownMatcher {
        name: name.to_owned(),
        known: ALL.iter().map(|entry| entry.name).collect(),
    })
}
