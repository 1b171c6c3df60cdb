//! How many objects overlap an object.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bbox::Bbox;
use crate::dataset::GroundTruth;

/// Boxes that overlap less are no neighbours.
pub const NEIGHBOUR: f64 = 0.1;

/// Objects with the same number of neighbours, those with three or more in one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Crowding {
    /// How many other objects of any class overlap each of them by an IoU of [`NEIGHBOUR`] or more; the last counts more, too.
    pub neighbours: usize,
    /// How many such objects there are.
    pub objects: usize,
    /// How many of them were found.
    pub found: usize,
    /// How well those that were found are overlapped, in the mean.
    pub mean_iou: Option<f64>,
}

/// How many groups there are: no neighbour, one, two, more.
pub(crate) const GROUPS: usize = 4;

/// The number of neighbours of every object; crowds are none, and have none.
pub fn neighbours<B: Bbox>(truth: &GroundTruth<B>) -> Vec<usize> {
    let mut images: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (index, object) in truth.annotations.iter().enumerate() {
        if !object.crowd {
            images.entry(object.image).or_default().push(index);
        }
    }
    let mut counts = vec![0; truth.annotations.len()];
    for objects in images.values() {
        let boxes: Vec<B> = objects.iter().map(|&index| truth.annotations[index].bbox).collect();
        let others: Vec<(B, bool)> = boxes.iter().map(|&bbox| (bbox, false)).collect();
        for (place, &object) in objects.iter().enumerate() {
            let ious = B::ious(&boxes[place..=place], &others).into_iter().enumerate();
            counts[object] = ious.filter(|&(o, iou)| o != place && iou >= NEIGHBOUR).count();
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Annotation, Xywh};

    #[test]
    fn neighbours_overlap_in_one_image_whatever_their_class() {
        let object = |image, category, bbox: Xywh, crowd| Annotation {
            id: None,
            image,
            category,
            bbox,
            area: 1.0,
            crowd,
        };
        let here = [0.0, 0.0, 10.0, 10.0];
        let annotations = vec![
            object(1, 1, here, false),
            object(1, 2, [5.0, 0.0, 10.0, 10.0], false),
            object(1, 1, [9.5, 0.0, 10.0, 10.0], false),
            object(1, 1, here, true),
            object(2, 1, here, false),
        ];
        let truth = GroundTruth { annotations, ..GroundTruth::default() };
        assert_eq!(neighbours(&truth), [1, 2, 1, 0, 0]);
    }
}
