//! From what a detector says of its cells to detections.

use super::detector::{Design, Output};
use super::scene::Scene;
use crate::coco::{Detection, MAX_DETECTIONS, Xywh, iou};

/// Two detections of a class that overlap more than this are one.
const SAME: f64 = 0.6;

/// So many of the best scores of a scene are looked at.
const CANDIDATES: usize = 4 * MAX_DETECTIONS;

/// The detections in each scene, in pixels of its image, best score first: at most [`MAX_DETECTIONS`], none twice.
pub(crate) fn detections(output: Output, scenes: &[Scene], design: &Design) -> Vec<Vec<Detection>> {
    let numbers = |tensor: burn::tensor::Tensor<2>| -> Vec<f32> {
        tensor.into_data().try_to_vec().expect("the detector computes in f32")
    };
    let (columns, cells) = (design.columns(), design.grid().pow(2));
    let (logits, corners) = (numbers(output.logits), numbers(output.corners));
    let by_scene = logits.chunks(cells * columns).zip(corners.chunks(cells * 4)).zip(scenes);
    by_scene
        .map(|((logits, corners), scene)| {
            let mut candidates = Vec::with_capacity(cells * design.classes.len());
            for (cell, row) in logits.chunks(columns).enumerate() {
                let scores = scores(row, design.background);
                for (class, score) in design.classes.iter().zip(scores) {
                    candidates.push((score, class.id, cell));
                }
            }
            candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
            candidates.truncate(CANDIDATES);
            let mut kept: Vec<Detection> = Vec::new();
            for (score, category, cell) in candidates {
                let bbox = in_image(&corners[cell * 4..][..4], scene);
                let twice = |other: &Detection| {
                    other.category == category && iou(other.bbox, bbox, false) > SAME
                };
                if kept.len() < MAX_DETECTIONS && !kept.iter().any(twice) {
                    kept.push(Detection { image: scene.image, category, bbox, score });
                }
            }
            kept
        })
        .collect()
}

/// Probabilities of the classes, of each by itself or, with background as the last, of them all together.
fn scores(logits: &[f32], background: bool) -> Vec<f64> {
    let logits = logits.iter().map(|&logit| f64::from(logit));
    if !background {
        return logits.map(|logit| 1.0 / (1.0 + (-logit).exp())).collect();
    }
    let largest = logits.clone().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = logits.map(|logit| (logit - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

/// The part of the box that lies in the scene, in pixels of the image.
fn in_image(corners: &[f32], scene: &Scene) -> Xywh {
    let at = |k: usize| f64::from(corners[k].clamp(0.0, scene.side as f32) / scene.scale);
    [at(0), at(1), at(2) - at(0), at(3) - at(1)]
}
