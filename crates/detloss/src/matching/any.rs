//! A matcher chosen by its name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::entry::{Entry, Matcher, Precision, Run};
use super::image::Image;
use super::matches::Matches;
use super::overlap::Overlap;
use crate::error::{Error, Result};
use crate::losses::{assignments, parts, written};
#[cfg(feature = "serde")]
use crate::macros::serialized_as_text;
use crate::operand::Kind;
use crate::parallel::Work;

/// A matcher chosen at run time, with its parameters.
///
/// It is written `task_aligned`, `task_aligned(topk=13)` or `task_aligned(overlap=siou)`: [`Display`](fmt::Display), [`FromStr`] and (with the
/// feature `serde`) its serialised form. What is at its default is left out.
///
/// ```
/// use detloss::matching::{AnyMatcher, MaxIou};
///
/// let matcher: AnyMatcher = "max_iou(high=0.7, low=0.3)".parse()?;
/// assert_eq!(matcher, AnyMatcher::new(MaxIou { high: 0.7, low: 0.3, ..MaxIou::default() })?);
/// assert_eq!(matcher.to_string(), "max_iou(high=0.7, low=0.3)");
/// # Ok::<(), detloss::Error>(())
/// ```
#[derive(Clone)]
pub struct AnyMatcher {
    entry: Entry,
    values: Vec<f64>,
    overlap: Option<Overlap>,
    matcher: Arc<dyn Run>,
}

impl AnyMatcher {
    /// A matcher by its type.
    ///
    /// # Errors
    ///
    /// [`Error::BadParam`]: the fields are public.
    pub fn new<M: Matcher>(matcher: M) -> Result<Self> {
        Run::check(&matcher)?;
        Ok(Self::from_parts(Entry::of::<M>(), Arc::new(matcher), matcher.params()))
    }

    fn from_parts(entry: Entry, matcher: Arc<dyn Run>, values: Vec<f64>) -> Self {
        Self { entry, values, overlap: entry.default_overlap(), matcher }
    }

    /// Its line of the list.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The values of all parameters, in the order of the entry's [`params`](Entry::params). Counts and switches are whole numbers.
    #[must_use]
    pub fn params(&self) -> &[f64] {
        &self.values
    }

    /// The value of a parameter; None if there is none of this name.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<f64> {
        let place = self.entry.params.iter().position(|param| param.name == name)?;
        Some(self.values[place])
    }

    /// How it measures the overlap; None if that is not open.
    #[must_use]
    pub const fn overlap(&self) -> Option<&Overlap> {
        self.overlap.as_ref()
    }

    /// The fields of a truth, and of a predicted box.
    #[must_use]
    pub fn box_fields(&self) -> &'static [&'static str] {
        self.overlap.as_ref().map_or(Kind::Box, Overlap::kind).fields()
    }

    /// The same matcher with this overlap.
    ///
    /// # Errors
    ///
    /// [`Error::FixedOverlap`] if it takes none.
    pub fn with_overlap(self, overlap: Overlap) -> Result<Self> {
        if self.overlap.is_none() {
            return Err(Error::FixedOverlap { matcher: self.entry.name });
        }
        Ok(Self { overlap: Some(overlap), ..self })
    }

    /// The matches of an image.
    ///
    /// # Errors
    ///
    /// [`Error::MissingInput`] if the image has not what the matcher needs; [`Error::PartialRow`], [`Error::Length`],
    /// [`Error::UnknownLabel`] and [`Error::InvalidNumber`] for what does not fit; [`Error::Cancelled`]; and what the matcher's page names.
    pub fn match_image<T: Precision>(&self, image: &Image<'_, T>) -> Result<Matches<T>> {
        T::run(&*self.matcher, image, self.overlap.as_ref())
    }

    /// The matches of every image, on all threads of rayon's current pool (with the feature `rayon`). They are those of
    /// [`match_image`](Self::match_image).
    ///
    /// # Errors
    ///
    /// [`Error::InImage`] with the first image that does not fit, and why; [`Error::Cancelled`].
    pub fn match_images<T: Precision>(&self, images: &[Image<'_, T>]) -> Result<Vec<Matches<T>>> {
        let work = Work { threads: images.len() > 1, cancelled: None };
        let matched = work.map(images.iter().collect(), |image| self.match_image(image));
        let in_image = |(image, matches): (usize, Result<_>)| {
            matches.map_err(|error| match error {
                Error::Cancelled => error,
                _ => error.in_image(image),
            })
        };
        matched.into_iter().enumerate().map(in_image).collect()
    }
}

impl Entry {
    /// The matcher with its default parameters.
    #[must_use]
    pub fn make(&self) -> AnyMatcher {
        self.with(&[]).expect("the defaults lie in their ranges")
    }

    /// The matcher with these parameters, the others at their defaults.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownParam`] and [`Error::BadParam`].
    pub fn with(&self, params: &[(&str, f64)]) -> Result<AnyMatcher> {
        let (matcher, values) = (self.matcher)(params)?;
        Ok(AnyMatcher::from_parts(*self, matcher, values))
    }
}

impl PartialEq for AnyMatcher {
    fn eq(&self, other: &Self) -> bool {
        (self.entry.name, self.entry.file, &self.values, &self.overlap)
            == (other.entry.name, other.entry.file, &other.values, &other.overlap)
    }
}

impl fmt::Display for AnyMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut settings = written(self.entry.params, &self.values);
        let overlap = self.overlap.as_ref().map(ToString::to_string);
        if let Some(overlap) = overlap.filter(|overlap| self.entry.overlap != Some(overlap)) {
            settings.push(format!("{OVERLAP}={overlap}"));
        }
        let settings = settings.join(", ");
        let settings = if settings.is_empty() { settings } else { format!("({settings})") };
        write!(f, "{}{settings}", self.entry.name)
    }
}

impl fmt::Debug for AnyMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyMatcher({self})")
    }
}

/// The key of the overlap, where a matcher is written.
const OVERLAP: &str = "overlap";

impl FromStr for AnyMatcher {
    type Err = Error;

    /// Reads `max_iou`, `task_aligned(topk=13)` or `task_aligned(topk=13, overlap=siou)`.
    fn from_str(text: &str) -> Result<Self> {
        let unreadable = || Error::UnreadableMatcher { text: text.to_owned() };
        let (name, arguments) = parts(text.trim()).ok_or_else(unreadable)?;
        let overlap =
            |argument: &&str| argument.split('=').next().is_some_and(|key| key.trim() == OVERLAP);
        let (overlaps, params): (Vec<&str>, Vec<&str>) = arguments.into_iter().partition(overlap);
        let params = assignments(&params).ok_or_else(unreadable)?;
        let matcher = super::find(name)?.with(&params)?;
        match overlaps[..] {
            [] => Ok(matcher),
            [overlap] => {
                let (_, loss) = overlap.split_once('=').ok_or_else(unreadable)?;
                matcher.with_overlap(loss.parse()?)
            }
            _ => Err(unreadable()),
        }
    }
}

#[cfg(feature = "serde")]
serialized_as_text!(AnyMatcher);
