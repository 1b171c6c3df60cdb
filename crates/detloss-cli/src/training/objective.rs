//! What is minimised: two losses of the list, or a criterion.

use serde::{Deserialize, Serialize};

use super::criterion::Fitted;
use super::data::Class;
use super::detector::Config;
use super::losses::{Losses, LossesSpec, States};
use super::output::{Output, Value};
use super::scene::Scene;
use crate::choice;

/// What a detector is trained with.
pub(crate) enum Objective {
    /// Two losses, and a rule by which cells find objects.
    Losses(Box<Losses>),
    /// A criterion, which has all that.
    Criterion(Fitted),
}

/// An objective as files have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Spec {
    /// A criterion, as it was written.
    Criterion {
        /// Its text.
        criterion: Fitted,
    },
    /// Two losses.
    Losses(Box<LossesSpec>),
}

impl Spec {
    /// In words.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Criterion { criterion } => criterion.text().to_owned(),
            Self::Losses(losses) => {
                let LossesSpec { scores, boxes, matcher, .. } = losses.as_ref();
                let matcher = matcher.iter().map(|matcher| format!(" + {matcher}"));
                let losses = format!("{} + {}", scores.title, boxes.title);
                std::iter::once(losses).chain(matcher).collect()
            }
        }
    }
}

impl Objective {
    /// Which it is.
    pub(crate) fn spec(&self) -> Spec {
        match self {
            Self::Losses(losses) => Spec::Losses(Box::new(losses.spec.clone())),
            Self::Criterion(criterion) => Spec::Criterion { criterion: criterion.clone() },
        }
    }

    /// The same as a part of the name of a file.
    pub(crate) fn file_name(&self) -> String {
        match self {
            Self::Losses(losses) => losses.file_name.clone(),
            Self::Criterion(criterion) => choice::file_name(criterion.text()),
        }
    }

    /// What to tell whoever chose it.
    pub(crate) fn note(&self) -> Option<String> {
        match self {
            Self::Losses(losses) => losses.note(),
            Self::Criterion(criterion) => {
                let left_out = criterion.left_out();
                let words = || {
                    format!(
                        "the detector is the head {} of {}, and has no outputs for {}",
                        criterion.head_name(),
                        criterion.text(),
                        left_out.join(", ")
                    )
                };
                (!left_out.is_empty()).then(words)
            }
        }
    }

    /// The detector that it trains.
    pub(crate) fn config(&self, side: usize, classes: &[Class]) -> Config {
        let (background, criterion) = match self {
            Self::Losses(losses) => (losses.background(), None),
            Self::Criterion(criterion) => (criterion.background(), Some(criterion.clone())),
        };
        Config { side, classes: classes.to_vec(), background, criterion }
    }

    /// The value for what a detector says of some scenes, when this share of the run is done. `states` are those of the losses: empty
    /// before the first step.
    ///
    /// # Errors
    ///
    /// What a matcher says of an image, or a criterion.
    pub(crate) fn value(
        &self,
        output: Output,
        scenes: &[Scene],
        config: &Config,
        done: f64,
        states: &mut States,
    ) -> detloss::Result<Value> {
        match self {
            Self::Losses(losses) => losses.value(output, scenes, config, states),
            Self::Criterion(criterion) => criterion.value(output, scenes, config.grid(), done),
        }
    }
}
