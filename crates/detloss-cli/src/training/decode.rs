//! From what a detector says of its cells to detections.

use anyhow::bail;
use detloss_coco::{Detection, MAX_DETECTIONS, Xywh, iou};

use super::detector::Config;
use super::output::{Output, numbers};
use super::scene::Scene;

/// Two detections of a class that overlap more than this are one.
const SAME: f64 = 0.6;

/// So many of the best scores of a scene are looked at.
const CANDIDATES: usize = 4 * MAX_DETECTIONS;

/// The detections in each scene, in pixels of its image and inside it, best score first: at most [`MAX_DETECTIONS`], none twice.
///
/// # Errors
///
/// If the detector says a number that is not finite.
pub(crate) fn detections(
    output: Output,
    scenes: &[Scene],
    config: &Config,
) -> anyhow::Result<Vec<Vec<Detection>>> {
    let (columns, cells) = (config.columns(), config.grid().pow(2));
    let (logits, corners) = (numbers(&output.logits), config.corners(&output, scenes.len())?);
    let quality = output.quality.as_ref().map(numbers).unwrap_or_default();
    if logits.iter().chain(&corners).chain(&quality).any(|number| !number.is_finite()) {
        bail!("the detector says numbers that are not finite: train it with a lower --rate");
    }
    let by_scene = logits.chunks(cells * columns).zip(corners.chunks(cells * 4)).zip(scenes);
    let found = by_scene
        .enumerate()
        .map(|(index, ((logits, corners), scene))| {
            let mut candidates = Vec::with_capacity(cells * config.classes.len());
            for (cell, row) in logits.chunks(columns).enumerate() {
                let mut scores = scores(row, config.background);
                if let Some(&quality) = quality.get(index * cells + cell) {
                    with_quality(&mut scores, quality);
                }
                for (class, score) in config.classes.iter().zip(scores) {
                    candidates.push((score, class.id, cell));
                }
            }
            candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
            candidates.truncate(CANDIDATES);
            let mut kept: Vec<Detection> = Vec::new();
            for (score, category, cell) in candidates {
                let bbox = in_image(&corners[cell * 4..][..4], scene);
                // The grey beside an image that is no square holds nothing.
                if bbox[2] <= 0.0 || bbox[3] <= 0.0 {
                    continue;
                }
                let twice = |other: &Detection| {
                    other.category == category && iou(other.bbox, bbox, false) > SAME
                };
                if kept.len() < MAX_DETECTIONS && !kept.iter().any(twice) {
                    kept.push(Detection { image: scene.image, category, bbox, score });
                }
            }
            kept
        })
        .collect();
    Ok(found)
}

/// Of the detections of a scene, best score first, those that are the best of any class where they are: what a person sees as one
/// object is one box.
pub(crate) fn best_of_any_class(found: &[Detection]) -> Vec<&Detection> {
    let mut kept: Vec<&Detection> = Vec::new();
    for one in found {
        if !kept.iter().any(|other| iou(other.bbox, one.bbox, false) > SAME) {
            kept.push(one);
        }
    }
    kept
}

/// Probabilities of the classes, of each by itself or, with background as the last, of them all together.
pub(super) fn scores(logits: &[f32], background: bool) -> Vec<f64> {
    let logits = logits.iter().map(|&logit| f64::from(logit));
    if !background {
        return logits.map(|logit| 1.0 / (1.0 + (-logit).exp())).collect();
    }
    let largest = logits.clone().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = logits.map(|logit| (logit - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

/// Scores of a cell whose quality is this logit: √(score · quality), as FCOS has them. The order of YOLOX's product is the same.
fn with_quality(scores: &mut [f64], logit: f32) {
    let quality = 1.0 / (1.0 + f64::from(-logit).exp());
    scores.iter_mut().for_each(|score| *score = (*score * quality).sqrt());
}

/// The part of the box that lies in the image, in pixels of the image.
fn in_image(corners: &[f32], scene: &Scene) -> Xywh {
    let at = |k: usize| {
        (f64::from(corners[k]) / f64::from(scene.scale)).clamp(0.0, scene.size[k % 2].into())
    };
    [at(0), at(1), at(2) - at(0), at(3) - at(1)]
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::super::data::Class;
    use super::*;

    const FAR: f32 = -20.0;

    /// What is found in an image of 64 by 16 pixels, brought to 32, by a detector of two classes that says this of some cells.
    fn found(said: &[(usize, [f32; 2], [f32; 4])]) -> anyhow::Result<Vec<(u64, Xywh)>> {
        let classes = vec![Class::new(3, ""), Class::new(7, "")];
        let config = Config { side: 32, classes, background: false, criterion: None };
        let (mut logits, mut corners) = ([[FAR; 2]; 16], [[0.0, 0.0, 4.0, 4.0]; 16]);
        for &(cell, scores, bbox) in said {
            (logits[cell], corners[cell]) = (scores, bbox);
        }
        let device = burn::tensor::Device::flex();
        let output = Output {
            logits: Tensor::from_data(logits, &device),
            boxes: Tensor::from_data(corners, &device),
            quality: None,
        };
        let (pixels, objects) = (Vec::new(), Vec::new());
        let scene = Scene { image: 5, side: 32, pixels, scale: 0.5, size: [64, 16], objects };
        let detections = detections(output, &[scene], &config)?.concat();
        let sure = detections.into_iter().filter(|detection| detection.score > 0.01);
        Ok(sure.map(|detection| (detection.category, detection.bbox)).collect())
    }

    #[test]
    fn boxes_are_in_pixels_of_the_image_and_end_with_it() {
        let said =
            [(0, [1.0, FAR], [-4.0, 2.0, 40.0, 30.0]), (9, [2.0, FAR], [1.0, 9.0, 5.0, 12.0])];
        assert_eq!(found(&said).unwrap(), [(3, [0.0, 4.0, 64.0, 12.0])], "the grey holds nothing");
    }

    #[test]
    fn of_two_boxes_in_one_place_the_surer_stays_unless_their_classes_differ() {
        let bbox = [4.0, 2.0, 8.0, 6.0];
        let said = [(0, [1.0, 0.0], bbox), (1, [2.0, FAR], bbox)];
        assert_eq!(found(&said).unwrap().iter().map(|found| found.0).collect::<Vec<_>>(), [3, 7]);
    }

    #[test]
    fn of_two_classes_in_one_place_the_surer_is_shown() {
        let one = |category, left, score| {
            let bbox = [left, 0.0, 10.0, 10.0];
            Detection { image: 1, category, bbox, score }
        };
        let found = [one(1, 0.0, 0.9), one(2, 1.0, 0.8), one(2, 8.0, 0.7)];
        let shown: Vec<f64> = best_of_any_class(&found).iter().map(|found| found.score).collect();
        assert_eq!(shown, [0.9, 0.7]);
    }

    #[test]
    fn numbers_that_are_not_finite_are_an_error() {
        for bad in [f32::NAN, f32::INFINITY] {
            for said in [(0, [bad, 0.0], [0.0; 4]), (0, [0.0; 2], [0.0, bad, 1.0, 1.0])] {
                assert!(found(&[said]).unwrap_err().to_string().contains("--rate"));
            }
        }
    }
}
