//! What an evaluation may be told.

use serde::Serialize;

/// The most detections per image and category that COCO looks at, best scores first.
pub const MAX_DETECTIONS: usize = 100;

/// How well a detection has to overlap an object to be matched to it.
pub const MATCH: f64 = 0.5;

/// The most IoUs that AP and AR can be means over.
pub const MOST_IOUS: usize = 64;

/// A range of areas in pixels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Area {
    /// What it is called, such as `small`.
    pub name: String,
    /// The least area of it.
    pub from: f64,
    /// Where the next range begins.
    pub to: f64,
}

impl Area {
    /// COCO's three: below 32² pixels, below 96², the others.
    pub fn coco() -> Vec<Self> {
        let names = ["small", "medium", "large"];
        let areas = Self::between(&[32.0, 96.0]).into_iter().zip(names);
        areas.map(|(area, name)| Self { name: name.into(), ..area }).collect()
    }

    /// The ranges between these sides of squares in pixels, which have to ascend.
    pub fn between(sides: &[f64]) -> Vec<Self> {
        let from = std::iter::once(0.0).chain(sides.iter().copied());
        let to = sides.iter().copied().map(Some).chain([None]);
        from.zip(to)
            .map(|(from, to)| {
                let name = match to {
                    Some(to) if from == 0.0 => format!("below {to}"),
                    Some(to) => format!("{from} to {to}"),
                    None => format!("from {from}"),
                };
                Self { name, from: from * from, to: to.map_or(ENDLESS, |to| to * to) }
            })
            .collect()
    }

    /// Whether no range follows this one.
    pub fn is_last(&self) -> bool {
        self.to >= ENDLESS
    }

    /// Which of these ranges an area is of: on a border, that of the larger ones.
    pub fn place(areas: &[Self], area: f64) -> usize {
        areas.partition_point(|range| range.to <= area).min(areas.len().saturating_sub(1))
    }
}

/// COCO's largest area.
const ENDLESS: f64 = 1e10;

/// How to evaluate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Options {
    /// The IoUs over which AP and AR are means, ascending and at most [`MOST_IOUS`]. From the first on, a detection has found an
    /// object wherever a single IoU decides.
    pub ious: Vec<f64>,
    /// Detections with a lower score are left out.
    pub score: Option<f64>,
    /// The most detections per image and class that are looked at, best scores first.
    pub max_detections: usize,
    /// The keys of the classes to look at; none for all. What is of another class is left out.
    #[serde(skip)]
    pub classes: Option<Vec<u64>>,
    /// The sizes that are told apart, ascending from 0.
    pub areas: Vec<Area>,
    /// The score from which a detection counts where single detections are counted, as in the confusion matrix; none for the one
    /// with the best F1 over all detections.
    pub threshold: Option<f64>,
}

impl Default for Options {
    /// COCO's.
    fn default() -> Self {
        Self {
            // As numpy's linspace rounds them.
            ious: (0..10).map(|i| 0.5 + f64::from(i) * ((0.95 - 0.5) / 9.0)).collect(),
            score: None,
            max_detections: MAX_DETECTIONS,
            classes: None,
            areas: Area::coco(),
            threshold: None,
        }
    }
}

/// An option that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum OptionsError {
    /// An IoU out of its range.
    #[error("{0} is no IoU: give numbers above 0 and at most 1")]
    Iou(f64),
    /// No IoU, or too many.
    #[error("there are {0} IoUs: give 1 to {MOST_IOUS}")]
    Ious(usize),
    /// Sides of areas that are not in order.
    #[error("the sides of areas do not ascend from above 0: give such as 16, 64")]
    Sides,
}

impl Options {
    /// The same with these IoUs, in any order.
    pub fn with_ious(mut self, ious: &[f64]) -> Result<Self, OptionsError> {
        self.ious = ious.to_vec();
        self.ious.sort_by(f64::total_cmp);
        self.ious.dedup();
        if let Some(&iou) = self.ious.iter().find(|iou| !(**iou > 0.0 && **iou <= 1.0)) {
            return Err(OptionsError::Iou(iou));
        }
        if !(1..=MOST_IOUS).contains(&self.ious.len()) {
            return Err(OptionsError::Ious(self.ious.len()));
        }
        Ok(self)
    }

    /// The same with the ranges between these sides of squares in pixels as sizes.
    pub fn with_sides(mut self, sides: &[f64]) -> Result<Self, OptionsError> {
        let ascend = sides.is_sorted_by(|a, b| a < b);
        if !ascend || !sides.iter().all(|side| *side > 0.0 && side.is_finite()) {
            return Err(OptionsError::Sides);
        }
        self.areas = Area::between(sides);
        Ok(self)
    }

    /// The IoU from which a detection has found an object where a single one decides.
    pub fn iou(&self) -> f64 {
        self.ious.first().copied().unwrap_or(MATCH)
    }

    /// Whether a class is looked at.
    pub fn has_class(&self, class: u64) -> bool {
        self.classes.as_ref().is_none_or(|classes| classes.contains(&class))
    }

    /// Whether a detection is looked at.
    pub(crate) fn has(&self, class: u64, score: f64) -> bool {
        self.score.is_none_or(|least| score >= least) && self.has_class(class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused() {
        let with = |ious: &[f64]| Options::default().with_ious(ious);
        assert_eq!(with(&[0.75, 0.5, 0.75]).unwrap().ious, [0.5, 0.75]);
        assert_eq!(with(&[0.0]), Err(OptionsError::Iou(0.0)));
        assert!(matches!(with(&[0.5, f64::NAN]), Err(OptionsError::Iou(_))));
        assert_eq!(with(&[]), Err(OptionsError::Ious(0)));
        for sides in [&[32.0, 16.0][..], &[0.0], &[f64::INFINITY], &[f64::NAN]] {
            assert_eq!(Options::default().with_sides(sides), Err(OptionsError::Sides));
        }
    }

    #[test]
    fn ranges_are_named_by_the_sides_of_squares() {
        let areas = Area::between(&[16.0, 32.0]);
        let names: Vec<&str> = areas.iter().map(|area| &*area.name).collect();
        assert_eq!(names, ["below 16", "16 to 32", "from 32"]);
        let places = [0.0, 255.9, 256.0, 1024.0, 1e12].map(|area| Area::place(&areas, area));
        assert_eq!(places, [0, 0, 1, 2, 2]);
        assert_eq!(Area::coco()[1], Area { name: "medium".into(), from: 1024.0, to: 9216.0 });
        assert_eq!(Area::between(&[]).len(), 1);
    }
}
