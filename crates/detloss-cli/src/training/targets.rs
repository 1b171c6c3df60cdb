//! Which cells are to find which objects.

use detloss::matching::{AnyMatcher, IGNORED, Image, Scores};

use super::decode::scores;
use super::detector::Config;
use super::output::{CELL, Output, anchors, middle, numbers};
use super::scene::Scene;

/// The class of a cell that does not count.
pub(crate) const LEFT_OUT: i64 = -1;

/// A cell is to find an object if its middle lies so near the object's, in cells.
const NEAR: f32 = 0.75;

/// What the detector should say of the cells of some scenes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Targets {
    /// The class of every cell; the number of classes for background, and [`LEFT_OUT`].
    pub(crate) classes: Vec<i64>,
    /// The cells that are to find an object.
    pub(crate) positives: Vec<i64>,
    /// The corners of the object of each of these cells, pixels of the scene.
    pub(crate) corners: Vec<[f32; 4]>,
    /// How much each of these cells is to find it, from 0 to 1, if the matcher says so.
    pub(crate) scores: Option<Vec<f32>>,
}

/// Assigns each object to the cells near its middle, at least to the one that its middle is in. Of several objects a cell takes
/// the smallest.
pub(crate) fn assign(scenes: &[Scene], grid: usize, classes: usize) -> Targets {
    let mut targets = Targets::default();
    for (index, scene) in scenes.iter().enumerate() {
        for cell in 0..grid * grid {
            let mine = scene.objects.iter().filter(|object| takes(cell, grid, object.corners));
            let smallest = mine.min_by(|a, b| area(a.corners).total_cmp(&area(b.corners)));
            targets.classes.push(smallest.map_or(classes, |object| object.class) as i64);
            if let Some(object) = smallest {
                targets.positives.push((index * grid * grid + cell) as i64);
                targets.corners.push(object.corners);
            }
        }
    }
    targets
}

/// Assigns objects to cells by a matcher, which may look at what the detector says of them; its boxes are corners.
///
/// # Errors
///
/// What the matcher says of an image.
pub(crate) fn matched(
    matcher: &AnyMatcher,
    output: &Output,
    scenes: &[Scene],
    config: &Config,
) -> detloss::Result<Targets> {
    let (cells, classes) = (config.grid().pow(2), config.classes.len());
    let (logits, boxes, anchors) =
        (numbers(&output.logits), numbers(&output.boxes), anchors(config.grid()));
    let said: Vec<f32> = match matcher.entry().inputs.scores {
        Some(Scores::Probabilities) => logits
            .chunks(config.columns())
            .flat_map(|row| scores(row, config.background).into_iter().take(classes))
            .map(|score| score as f32)
            .collect(),
        _ => logits,
    };
    let truths: Vec<(Vec<f32>, Vec<i64>)> = scenes
        .iter()
        .map(|scene| {
            let objects = &scene.objects;
            let corners = objects.iter().flat_map(|object| object.corners).collect();
            (corners, objects.iter().map(|object| object.class as i64).collect())
        })
        .collect();
    let of_scene =
        truths.iter().zip(boxes.chunks(4 * cells)).zip(said.chunks(said.len() / scenes.len()));
    let images: Vec<Image<'_, f32>> = of_scene
        .map(|(((truth, labels), boxes), said)| {
            Image::new(truth).labels(labels).anchors(&anchors).boxes(boxes).scores(said)
        })
        .collect();
    let mut targets = Targets::default();
    let mut found = Vec::new();
    for (index, matches) in matcher.match_images(&images)?.into_iter().enumerate() {
        for (cell, &truth) in matches.indices.iter().enumerate() {
            let Some(object) = usize::try_from(truth).ok().map(|at| scenes[index].objects[at])
            else {
                targets.classes.push(if truth == IGNORED { LEFT_OUT } else { classes as i64 });
                continue;
            };
            targets.classes.push(object.class as i64);
            targets.positives.push((index * cells + cell) as i64);
            targets.corners.push(object.corners);
            found.extend(matches.scores.as_ref().map(|scores| scores[cell]));
        }
    }
    targets.scores = matcher.entry().has_scores.then_some(found);
    Ok(targets)
}

fn takes(cell: usize, grid: usize, [x1, y1, x2, y2]: [f32; 4]) -> bool {
    let [x, y] = middle(cell, grid);
    let center = [(x1 + x2) / 2.0, (y1 + y2) / 2.0];
    let [cx, cy] =
        center.map(|at| (at / CELL as f32).floor().clamp(0.0, grid as f32 - 1.0) as usize);
    let near = |at: f32, center: f32| (at - center).abs() <= NEAR * CELL as f32;
    let inside = x1 < x && x < x2 && y1 < y && y < y2;
    cell == cy * grid + cx || inside && near(x, center[0]) && near(y, center[1])
}

fn area([x1, y1, x2, y2]: [f32; 4]) -> f32 {
    (x2 - x1) * (y2 - y1)
}

#[cfg(test)]
mod tests {
    use super::super::scene::Object;
    use super::*;

    fn scene(objects: &[(usize, [f32; 4])]) -> Scene {
        let objects = objects.iter().map(|&(class, corners)| Object { class, corners }).collect();
        let (pixels, scale, size) = (Vec::new(), 1.0, [32; 2]);
        Scene { image: 1, side: 32, pixels, scale, size, objects }
    }

    #[test]
    fn an_object_is_found_by_the_cells_around_its_middle() {
        // Its middle is the corner of four cells.
        let targets = assign(&[scene(&[(2, [4.0, 4.0, 28.0, 28.0])])], 4, 3);
        assert_eq!(targets.positives, [5, 6, 9, 10]);
        assert_eq!(targets.corners, [[4.0, 4.0, 28.0, 28.0]; 4]);
        assert_eq!(targets.classes.iter().filter(|&&class| class == 3).count(), 12);
    }

    #[test]
    fn even_an_object_between_the_middles_has_a_cell() {
        for corners in [[14.0, 14.0, 15.5, 15.5], [30.0, 0.0, 32.0, 1.0], [31.0, 31.0, 33.0, 33.0]]
        {
            assert_eq!(assign(&[scene(&[(0, corners)])], 4, 1).positives.len(), 1, "{corners:?}");
        }
    }

    #[test]
    fn of_two_objects_the_smaller_has_the_cell_and_scenes_come_one_after_the_other() {
        let both = scene(&[(0, [0.0, 0.0, 24.0, 24.0]), (1, [8.0, 8.0, 16.0, 16.0])]);
        let targets = assign(&[scene(&[]), both], 4, 2);
        assert_eq!(targets.positives, [16 + 5]);
        assert_eq!(targets.classes[16 + 5], 1);
        assert!(targets.classes[..16].iter().all(|&class| class == 2));
    }
}
