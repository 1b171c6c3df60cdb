//! What a matcher is, and a line of the list.

use std::sync::Arc;

use super::image::{Image, Inputs, Scene};
use super::matches::Matches;
use super::overlap::Overlap;
use crate::batch::Element;
use crate::error::{Error, Result};
use crate::loss::{Described, Matching, Param};
use crate::scalar::Compute;

/// A rule by which predictions get their truths, written as its paper or its code has it.
pub trait Matcher: Described<Form = Matching> {
    /// What it needs of an image.
    const INPUTS: Inputs;

    /// The loss that its overlap is 1 minus of, unless another is given. None if no overlap can be given.
    const OVERLAP: Option<&'static str> = None;

    /// Whether its matches have scores.
    const HAS_SCORES: bool = false;

    /// Whether the parameters fit one another; each lies in its range.
    ///
    /// # Errors
    ///
    /// [`Error::BadParam`].
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// The matches of a checked image with at least one truth and one prediction. `overlap` is there if [`OVERLAP`](Self::OVERLAP) is.
    ///
    /// # Errors
    ///
    /// What cannot be seen before matching.
    #[doc(hidden)]
    fn matches<T: Precision>(
        &self,
        scene: &Scene<'_, T>,
        overlap: Option<&Overlap>,
    ) -> Result<Matches<T>>;
}

/// A matcher of any type, for images of `f32` and of `f64`.
#[doc(hidden)]
pub trait Run: Send + Sync {
    fn check(&self) -> Result<()>;
    fn run_f32(&self, image: &Image<'_, f32>, overlap: Option<&Overlap>) -> Result<Matches<f32>>;
    fn run_f64(&self, image: &Image<'_, f64>, overlap: Option<&Overlap>) -> Result<Matches<f64>>;
}

impl<M: Matcher> Run for M {
    fn check(&self) -> Result<()> {
        M::PARAMS
            .iter()
            .zip(self.params())
            .try_for_each(|(param, value)| param.check(M::NAME, value))?;
        Matcher::check(self)
    }

    fn run_f32(&self, image: &Image<'_, f32>, overlap: Option<&Overlap>) -> Result<Matches<f32>> {
        run(self, image, overlap)
    }

    fn run_f64(&self, image: &Image<'_, f64>, overlap: Option<&Overlap>) -> Result<Matches<f64>> {
        run(self, image, overlap)
    }
}

fn run<M: Matcher, T: Precision>(
    matcher: &M,
    image: &Image<'_, T>,
    overlap: Option<&Overlap>,
) -> Result<Matches<T>> {
    image.work.check_cancelled()?;
    let width = overlap.map_or(4, Overlap::width);
    let corners = image.corners(width);
    let scene = image.checked(M::NAME, M::INPUTS, width, corners.as_ref())?;
    if scene.count == 0 || scene.predictions == 0 {
        return Ok(Matches::none(scene.predictions, M::HAS_SCORES));
    }
    matcher.matches(&scene, overlap)
}

/// A number that images are made of: `f32` or `f64`.
pub trait Precision: Compute + Element {
    #[doc(hidden)]
    fn run(
        matcher: &dyn Run,
        image: &Image<'_, Self>,
        overlap: Option<&Overlap>,
    ) -> Result<Matches<Self>>;
}

impl Precision for f32 {
    fn run(
        matcher: &dyn Run,
        image: &Image<'_, f32>,
        overlap: Option<&Overlap>,
    ) -> Result<Matches<f32>> {
        matcher.run_f32(image, overlap)
    }
}

impl Precision for f64 {
    fn run(
        matcher: &dyn Run,
        image: &Image<'_, f64>,
        overlap: Option<&Overlap>,
    ) -> Result<Matches<f64>> {
        matcher.run_f64(image, overlap)
    }
}

/// A line of [the list](super::ALL).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The id.
    pub name: &'static str,
    /// The name of the type.
    pub type_name: &'static str,
    /// The name as papers print it.
    pub label: &'static str,
    /// The documentation.
    pub doc: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The parameters.
    pub params: &'static [Param],
    /// What it needs of an image.
    pub inputs: Inputs,
    /// The loss that its overlap is 1 minus of, unless another is given. None if no overlap can be given.
    pub overlap: Option<&'static str>,
    /// Whether its matches have scores.
    pub has_scores: bool,
    /// The matcher with these parameters, the others at their defaults.
    pub(super) matcher: fn(&[(&str, f64)]) -> Result<Made>,
}

/// A matcher with the values of its parameters.
type Made = (Arc<dyn Run>, Vec<f64>);

impl Entry {
    pub(super) const fn of<M: Matcher>() -> Self {
        Self {
            name: M::NAME,
            type_name: M::TYPE,
            label: M::LABEL,
            doc: M::DOC,
            file: M::FILE,
            params: M::PARAMS,
            inputs: M::INPUTS,
            overlap: M::OVERLAP,
            has_scores: M::HAS_SCORES,
            matcher: |params| {
                let mut matcher = M::default();
                params.iter().try_for_each(|(key, value)| matcher.set(key, *value))?;
                Matcher::check(&matcher)?;
                let values = matcher.params();
                Ok((Arc::new(matcher), values))
            },
        }
    }

    /// The first sentence of the documentation.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        crate::loss::summary(self.doc)
    }

    /// The overlap unless another is given.
    pub(super) fn default_overlap(&self) -> Option<Overlap> {
        let parsed = |loss: &str| loss.parse().map_err(|error: Error| error.to_string());
        self.overlap.map(|loss| parsed(loss).expect("the list names losses of boxes"))
    }
}
