//! Axis-aligned and rotated boxes, as files have them.

use detloss::geometry::{Rotated, min_area_rect};
use detloss::operand::Kind;
use detloss::pairwise;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::problem::Kind as Fault;

/// A box as COCO writes it: left, top, width, height.
pub type Xywh = [f64; 4];

/// A rotated box: the centre, the sides, and the angle in radians by which it is turned from x towards y.
pub type RotatedBox = [f64; 5];

/// A whole turn, to either side, is the most an angle may be: beyond it is one in degrees.
const MOST_ANGLE: f64 = std::f64::consts::TAU;

/// A box of a file, by its numbers in their order.
pub trait Bbox: Copy + Default + AsRef<[f64]> + Serialize + Send + Sync {
    /// What losses take it as.
    const KIND: Kind;
    /// The names of the numbers.
    const FIELDS: &'static [&'static str];
    /// By what losses see it, in words.
    const SEEN_BY: &'static str;
    /// How to write it.
    const REMEDY: &'static str;
    /// Whether the corners of a `segmentation` are such a box.
    const SEGMENTED: bool;

    /// The box of the field `bbox`, if there is one, and of `segmentation`, as JSON; or what is wrong.
    fn read(bbox: Option<&[f64]>, segmentation: Option<&str>) -> Result<Self, (Fault, String)>;

    /// A box along the axes.
    fn upright(bbox: Xywh) -> Self;

    /// The smallest box around points, if there are any.
    fn around(points: &[[f64; 2]]) -> Option<Self>;

    /// Intersection over union with an object, by COCO's rule for crowds.
    fn iou(self, object: Self, crowd: bool) -> f64;

    /// The same for each detection with each object, which may be a crowd.
    fn ious(detections: &[Self], objects: &[(Self, bool)]) -> Vec<f64> {
        let with_all =
            |one: &Self| objects.iter().map(|&(object, crowd)| one.iou(object, crowd)).collect();
        detections.iter().flat_map(|one| -> Vec<f64> { with_all(one) }).collect()
    }

    /// The fields that losses take of boxes.
    fn to_loss(boxes: &[Self]) -> Vec<f64>;

    /// The length of a gradient by those fields, per pixel.
    fn slope(self, gradient: &[f64]) -> f64;

    /// Width times height.
    fn area(self) -> f64 {
        let fields = self.as_ref();
        fields[2] * fields[3]
    }
}

impl Bbox for Xywh {
    const KIND: Kind = Kind::Box;
    const FIELDS: &'static [&'static str] = &["x", "y", "w", "h"];
    const SEEN_BY: &'static str = "by their corners in pixels";
    const REMEDY: &'static str = "write bbox as [left, top, width, height] in pixels";
    const SEGMENTED: bool = false;

    fn read(bbox: Option<&[f64]>, _: Option<&str>) -> Result<Self, (Fault, String)> {
        let Some(numbers) = bbox else {
            return Err((Fault::NoBox, "is missing: expected 4 numbers".into()));
        };
        let Ok(bbox) = Self::try_from(numbers) else {
            let count = numbers.len();
            let hint = if count == 5 { " (of a rotated box: `audit --rotated`)" } else { "" };
            return Err((Fault::NoBox, format!("expected 4 numbers, got {count}{hint}")));
        };
        check_sides(bbox[2], bbox[3])?;
        Ok(bbox)
    }

    fn upright(bbox: Xywh) -> Self {
        bbox
    }

    fn around(points: &[[f64; 2]]) -> Option<Self> {
        points.first()?;
        let ends = |axis: usize| {
            let least = points.iter().map(|point| point[axis]).fold(f64::INFINITY, f64::min);
            let most = points.iter().map(|point| point[axis]).fold(f64::NEG_INFINITY, f64::max);
            (least, most - least)
        };
        let [(x, w), (y, h)] = [ends(0), ends(1)];
        Some([x, y, w, h])
    }

    fn iou(self, object: Self, crowd: bool) -> f64 {
        iou(self, object, crowd)
    }

    fn to_loss(boxes: &[Self]) -> Vec<f64> {
        boxes.iter().flat_map(|&[x, y, w, h]| [x, y, x + w, y + h]).collect()
    }

    fn slope(self, gradient: &[f64]) -> f64 {
        length(gradient)
    }
}

impl Bbox for RotatedBox {
    const KIND: Kind = Kind::RotatedBox;
    const FIELDS: &'static [&'static str] = Kind::RotatedBox.fields();
    const SEEN_BY: &'static str = "by centre and sides in pixels and angle in radians (for lengths of gradients, a turn counts as \
        the pixels by which it moves a corner)";
    const REMEDY: &'static str = "write bbox as [cx, cy, w, h, angle] with the angle in radians from x towards y, or segmentation as \
        the 8 numbers of four corners";
    const SEGMENTED: bool = true;

    fn read(bbox: Option<&[f64]>, segmentation: Option<&str>) -> Result<Self, (Fault, String)> {
        if let Some(&[cx, cy, w, h, angle]) = bbox {
            check_sides(w, h)?;
            if angle.abs() > MOST_ANGLE {
                let said = format!("an angle of {angle} is more than a whole turn: write radians");
                return Err((Fault::NoBox, said));
            }
            return Ok([cx, cy, w, h, angle]);
        }
        let segmentation: Option<RawSegmentation> =
            segmentation.and_then(|text| serde_json::from_str(text).ok());
        let corners = segmentation.as_ref().and_then(RawSegmentation::corners);
        corners.and_then(|corners| Self::around(corners.as_chunks().0)).ok_or_else(|| {
            let got = match bbox {
                Some(bbox) => format!("a bbox of {}", bbox.len()),
                None => "no bbox".to_owned(),
            };
            let problem = format!("expected 5 numbers, or a segmentation of 8, got {got}");
            (Fault::NoBox, problem)
        })
    }

    fn upright([x, y, w, h]: Xywh) -> Self {
        [x + w / 2.0, y + h / 2.0, w, h, 0.0]
    }

    fn around(points: &[[f64; 2]]) -> Option<Self> {
        let Rotated { cx, cy, w, h, angle } = min_area_rect(points)?.to_le90();
        Some([cx, cy, w, h, angle])
    }

    fn iou(self, object: Self, crowd: bool) -> f64 {
        Self::ious(&[self], &[(object, crowd)])[0]
    }

    fn ious(detections: &[Self], objects: &[(Self, bool)]) -> Vec<f64> {
        let others: Vec<Self> = objects.iter().map(|(object, _)| *object).collect();
        let mut ious = vec![0.0; detections.len() * objects.len()];
        pairwise::rotated_iou(detections.as_flattened(), others.as_flattened(), &mut ious)
            .expect("there are five fields for every box, and a number for every pair");
        for (one, ious) in detections.iter().zip(ious.chunks_mut(objects.len().max(1))) {
            let crowds = ious.iter_mut().zip(objects).filter(|(_, (_, crowd))| *crowd);
            for (iou, (object, _)) in crowds {
                // Both boxes are the union and once more what they share.
                let shared = *iou * (one.area() + object.area()) / (1.0 + *iou);
                *iou = if one.area() > 0.0 { (shared / one.area()).min(1.0) } else { 0.0 };
            }
        }
        ious
    }

    fn to_loss(boxes: &[Self]) -> Vec<f64> {
        boxes.as_flattened().to_vec()
    }

    fn slope(self, gradient: &[f64]) -> f64 {
        let [_, _, w, h, _] = self;
        let to_corner = 0.5 * w.hypot(h);
        let (lengths, turn) = gradient.split_at(4);
        let turn = if to_corner > 0.0 { turn[0] / to_corner } else { 0.0 };
        length(lengths).hypot(turn)
    }
}

/// The field `segmentation`: the corners of one polygon, bare or in a list of polygons, or something else.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawSegmentation {
    Polygon(Vec<f64>),
    Polygons(Vec<Vec<f64>>),
    Other(IgnoredAny),
}

impl RawSegmentation {
    /// The coordinates of four corners, if it is these.
    fn corners(&self) -> Option<&[f64]> {
        let polygon = match self {
            Self::Polygon(polygon) => polygon,
            Self::Polygons(polygons) => match &polygons[..] {
                [polygon] => polygon,
                _ => return None,
            },
            Self::Other(_) => return None,
        };
        (polygon.len() == 8).then_some(polygon)
    }
}

/// Intersection over union, by COCO's rule for crowds: those are compared by the share of the
/// detection that lies inside.
pub fn iou(detection: Xywh, object: Xywh, crowd: bool) -> f64 {
    let side = |axis: usize| {
        let end = (detection[axis] + detection[axis + 2]).min(object[axis] + object[axis + 2]);
        (end - detection[axis].max(object[axis])).max(0.0)
    };
    let meet = side(0) * side(1);
    let area = detection[2] * detection[3];
    let union = if crowd { area } else { area + object[2] * object[3] - meet };
    if union > 0.0 { meet / union } else { 0.0 }
}

fn check_sides(width: f64, height: f64) -> Result<(), (Fault, String)> {
    match (width, height) {
        (width, _) if width < 0.0 => Err((Fault::NegativeSide, format!("negative width {width}"))),
        (_, height) if height < 0.0 => {
            Err((Fault::NegativeSide, format!("negative height {height}")))
        }
        _ => Ok(()),
    }
}

fn length(numbers: &[f64]) -> f64 {
    numbers.iter().map(|number| number * number).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};

    use super::*;

    fn read(bbox: &str, segmentation: &str) -> Result<RotatedBox, (Fault, String)> {
        let numbers: Option<Vec<f64>> = serde_json::from_str(bbox).unwrap();
        RotatedBox::read(numbers.as_deref(), Some(segmentation))
    }

    #[test]
    fn boxes_that_share_a_quarter_have_the_iou_of_hand_arithmetic() {
        assert_eq!(iou([0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0], false), 1.0 / 7.0);
        assert_eq!(iou([0.0, 0.0, 2.0, 2.0], [2.0, 0.0, 2.0, 2.0], false), 0.0);
    }

    #[test]
    fn a_detection_inside_a_crowd_overlaps_it_fully() {
        assert_eq!(iou([1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 10.0, 10.0], true), 1.0);
    }

    #[test]
    fn boxes_without_area_overlap_nothing() {
        assert_eq!(iou([1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], false), 0.0);
        assert_eq!(iou([1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], true), 0.0);
    }

    #[test]
    fn five_numbers_are_a_rotated_box_as_they_are() {
        assert_eq!(read("[5, 3, 2, 4, -1.5]", "null"), Ok([5.0, 3.0, 2.0, 4.0, -1.5]));
        // They are exact, where corners may be rounded.
        assert_eq!(read("[5, 3, 2, 4, 1]", "[0, 0, 9, 0, 9, 9, 0, 9]").unwrap()[0], 5.0);
    }

    #[test]
    fn four_corners_are_the_box_around_them() {
        let wanted = [2.0, 3.0, 8_f64.sqrt(), 2_f64.sqrt(), FRAC_PI_4];
        let corners = "[1.5, 1.5, 3.5, 3.5, 2.5, 4.5, 0.5, 2.5]";
        for segmentation in [corners.to_owned(), format!("[{corners}]")] {
            for bbox in ["null", "[0.5, 1.5, 3, 3]"] {
                let got = read(bbox, &segmentation).unwrap();
                let near = got.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-12);
                assert!(near, "{got:?}");
            }
        }
    }

    #[test]
    fn what_is_no_rotated_box_is_told_so() {
        for (bbox, segmentation, problem) in [
            ("[1, 2, 3, 4]", "null", "expected 5 numbers, or a segmentation of 8, got a bbox of 4"),
            ("null", "[[0, 0, 1, 0, 1, 1]]", "got no bbox"),
            ("null", "[[0, 0, 1, 0, 1, 1, 0, 1], [0, 0, 1, 0, 1, 1, 0, 1]]", "got no bbox"),
            ("null", r#"{"counts": "abc", "size": [3, 4]}"#, "got no bbox"),
            ("[1, 2, -3, 4, 0]", "null", "negative width -3"),
            ("[1, 2, 3, -4, 0]", "null", "negative height -4"),
            ("[1, 2, 3, 4, -30]", "null", "an angle of -30 is more than a whole turn"),
        ] {
            let (_, said) = read(bbox, segmentation).unwrap_err();
            assert!(said.contains(problem), "{said}");
        }
    }

    #[test]
    fn rotated_boxes_overlap_by_their_areas_and_crowds_by_the_share_inside() {
        let wide = [0.0, 0.0, 4.0, 1.0, 0.5];
        let across = [0.0, 0.0, 4.0, 1.0, 0.5 + FRAC_PI_2];
        let inside = [0.5, 0.5, 1.0, 1.0, 0.3];
        let around = [0.0, 0.0, 9.0, 9.0, 0.0];
        let ious =
            RotatedBox::ious(&[wide, inside], &[(across, false), (around, true), (wide, false)]);
        for (got, wanted) in ious.iter().zip([1.0 / 7.0, 1.0, 1.0, f64::NAN, 1.0]) {
            assert!(wanted.is_nan() || (got - wanted).abs() < 1e-12, "{ious:?}");
        }
        assert!((wide.iou(across, true) - 0.25).abs() < 1e-12);
        assert_eq!(wide.iou(wide, false), 1.0);
        let empty = [0.0, 0.0, 0.0, 1.0, 0.0];
        assert_eq!([empty.iou(around, true), empty.iou(empty, false)], [0.0, 0.0]);
        assert!(RotatedBox::ious(&[wide], &[]).is_empty());
    }

    /// Boxes along the axes are what they were, in other numbers.
    #[test]
    fn a_box_along_the_axes_is_an_axis_aligned_one() {
        let boxes: [Xywh; 3] = [[0.0, 0.0, 4.0, 2.0], [1.0, 0.5, 4.0, 2.0], [2.0, 1.0, 1.0, 7.0]];
        let turned = boxes.map(|[x, y, w, h]| [x + w / 2.0, y + h / 2.0, w, h, 0.0]);
        for (one, other) in boxes.iter().zip(&turned) {
            for crowd in [false, true] {
                for (object, turned_object) in boxes.iter().zip(&turned) {
                    let (a, b) = (one.iou(*object, crowd), other.iou(*turned_object, crowd));
                    assert!((a - b).abs() < 1e-12, "{one:?} and {object:?}: {a}, {b}");
                }
            }
            assert_eq!(one.area(), other.area());
        }
    }

    #[test]
    fn a_turn_counts_as_the_way_of_a_corner() {
        let one: RotatedBox = [0.0, 0.0, 8.0, 6.0, 0.2];
        assert_eq!(one.slope(&[0.0, 3.0, 0.0, 0.0, 20.0]), 5.0);
        assert_eq!([0.0; 5].slope(&[0.0, 3.0, 0.0, 0.0, 20.0]), 3.0);
    }
}
