//! The worst boxes, misses and suspects as pictures.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use detloss_coco::Bbox;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use super::findings::Findings;
use super::measure::{Audit, Over};
use super::section::Section;
use super::worst::annotation_id;
use detloss_coco::images::open_declared;

/// So many of each are shown.
const SHOWN: usize = 12;
/// The longer side of a picture in pixels, and the most that an image is enlarged.
const SIDE: f64 = 360.0;
const ENLARGED: f64 = 8.0;
/// How much of the image is around the boxes, as a part of their longer side, and at least, in pixels.
const AROUND: f64 = 0.35;
const LEAST: f64 = 8.0;
const QUALITY: u8 = 85;

/// Okabe and Ito's colours, safe for the colour-blind: what is annotated, and what was detected.
const TRUTH: Rgb<u8> = Rgb([0x00, 0x9e, 0x73]);
const FOUND: Rgb<u8> = Rgb([0xe6, 0x9f, 0x00]);
const PAPER: Rgb<u8> = Rgb([0xff; 3]);

/// The corners of a box in their order.
type Corners = [[f64; 2]; 4];

/// A picture that is to be made.
struct Wanted {
    image: u64,
    /// The boxes with their colours, the first at the bottom.
    boxes: Vec<(Corners, Rgb<u8>)>,
    words: String,
}

/// The section; images that cannot be opened are named in it.
pub(super) fn section<B: Bbox>(audit: &Audit<B>, findings: &Findings, folder: &Path) -> Section {
    let mut section = Section::new("Pictures");
    section.prose(
        "Green is annotated, orange detected. A picture shows the boxes with what is around them.",
    );
    // An image may be wanted for several reasons.
    let mut problems = BTreeMap::new();
    for (wanted, caption) in [
        (
            boxes(audit, findings),
            "Worst boxes: matched pairs with the largest share in the box losses",
        ),
        (missed(audit), "Missed objects, the largest first"),
        (suspects(audit, findings), "Detections that disagree with annotations"),
    ] {
        let pictures = draw(audit, folder, wanted, &mut problems);
        if !pictures.is_empty() {
            section.pictures(pictures, caption);
        }
    }
    if let Some(first) = problems.values().next() {
        let images = match problems.len() {
            1 => "1 image is not shown".to_owned(),
            count => format!("{count} images are not shown, the first"),
        };
        section.lines(vec![format!("{images}: {first}")]);
    }
    section
}

fn boxes<B: Bbox>(audit: &Audit<B>, findings: &Findings) -> Vec<Wanted> {
    let wanted = |&index: &usize| {
        let detection = &audit.found[index];
        let (object, iou) = audit.object(index)?;
        let words = format!(
            "{}: {} with a score of {:.2}, IoU {iou:.2} with annotation {}; {:.1} % of the box losses",
            audit.truth.file(detection.image),
            audit.truth.categories[&detection.category],
            detection.score,
            annotation_id(audit, object),
            100.0 * audit.share(Over::Pairs, index)
        );
        let boxes = vec![
            (corners(audit.truth.annotations[object].bbox), TRUTH),
            (corners(detection.bbox), FOUND),
        ];
        Some(Wanted { image: detection.image, boxes, words })
    };
    findings.boxes.iter().take(SHOWN).filter_map(wanted).collect()
}

fn missed<B: Bbox>(audit: &Audit<B>) -> Vec<Wanted> {
    let mut missed = audit.missed().to_vec();
    let area = |&index: &usize| audit.truth.annotations[index].area;
    missed.sort_by(|a, b| area(b).total_cmp(&area(a)));
    let wanted = |&index: &usize| {
        let object = &audit.truth.annotations[index];
        let words = format!(
            "{}: nobody found the {} of annotation {}",
            audit.truth.file(object.image),
            audit.truth.categories[&object.category],
            annotation_id(audit, index)
        );
        Wanted { image: object.image, boxes: vec![(corners(object.bbox), TRUTH)], words }
    };
    missed.iter().take(SHOWN).map(wanted).collect()
}

fn suspects<B: Bbox>(audit: &Audit<B>, findings: &Findings) -> Vec<Wanted> {
    let wanted = |suspect: &super::suspects::Suspect| {
        let detection = &audit.found[suspect.detection];
        let annotation = suspect.annotation.map(|(index, _)| index);
        let object = annotation.map(|index| &audit.truth.annotations[index]);
        let against = match (object, annotation) {
            (Some(object), Some(index)) => format!(
                ", annotated as {} ({})",
                audit.truth.categories[&object.category],
                annotation_id(audit, index)
            ),
            _ => String::new(),
        };
        let words = format!(
            "{}: {} detected as {} with a score of {:.2}{against}",
            audit.truth.file(detection.image),
            suspect.suspicion.words(),
            audit.truth.categories[&detection.category],
            detection.score,
        );
        let truth = object.map(|object| (corners(object.bbox), TRUTH));
        let boxes = truth.into_iter().chain([(corners(detection.bbox), FOUND)]).collect();
        Wanted { image: detection.image, boxes, words }
    };
    findings.suspects.iter().take(SHOWN).map(wanted).collect()
}

/// Makes the pictures in their order, opening each image once.
fn draw<B: Bbox>(
    audit: &Audit<B>,
    folder: &Path,
    wanted: Vec<Wanted>,
    problems: &mut BTreeMap<u64, String>,
) -> Vec<(Vec<u8>, String)> {
    let mut images: BTreeMap<u64, Vec<(usize, Wanted)>> = BTreeMap::new();
    for (place, wanted) in wanted.into_iter().enumerate() {
        images.entry(wanted.image).or_default().push((place, wanted));
    }
    let mut made = BTreeMap::new();
    for (id, wanted) in images {
        match open(audit, folder, id) {
            Ok(image) => {
                for (place, Wanted { boxes, words, .. }) in wanted {
                    match picture(&image, &boxes) {
                        Ok(bytes) => _ = made.insert(place, (bytes, words)),
                        Err(problem) => _ = problems.insert(id, format!("{problem:#}")),
                    }
                }
            }
            Err(problem) => _ = problems.insert(id, format!("{problem:#}")),
        }
    }
    made.into_values().collect()
}

/// The image of an id: by its name, or where the file names another folder, by the last part of it.
fn open<B>(audit: &Audit<B>, folder: &Path, id: u64) -> anyhow::Result<RgbImage> {
    let name = audit.truth.images.get(&id).filter(|name| !name.is_empty());
    let name = Path::new(name.with_context(|| format!("image {id} has no file_name"))?);
    let whole = folder.join(name);
    let last = folder.join(name.file_name().unwrap_or(name.as_os_str()));
    let path = if whole.is_file() { whole } else { last };
    Ok(open_declared(&path, audit.truth.sizes.get(&id).copied())?.0)
}

/// The part of an image around boxes, with these, as a JPEG file.
fn picture(image: &RgbImage, boxes: &[(Corners, Rgb<u8>)]) -> anyhow::Result<Vec<u8>> {
    let points = || boxes.iter().flat_map(|(corners, _)| corners);
    let ends = |axis: usize| {
        let all = points().map(|point| point[axis]);
        let least = all.clone().fold(f64::INFINITY, f64::min);
        (least, all.fold(f64::NEG_INFINITY, f64::max))
    };
    let [(left, right), (top, bottom)] = [ends(0), ends(1)];
    let around = (AROUND * (right - left).max(bottom - top)).max(LEAST);
    let sides = [f64::from(image.width()), f64::from(image.height())];
    // At least a pixel of the image, wherever the boxes are.
    let within = |low: f64, high: f64, side: f64| {
        let low = (low - around).floor().clamp(0.0, side - 1.0);
        (low, (high + around).ceil().clamp(low + 1.0, side))
    };
    let (left, right) = within(left, right, sides[0]);
    let (top, bottom) = within(top, bottom, sides[1]);
    let [width, height] = [right - left, bottom - top];
    let scale = (SIDE / width.max(height)).min(ENLARGED);
    let part = imageops::crop_imm(image, left as u32, top as u32, width as u32, height as u32);
    let size = [width, height].map(|side| (side * scale).round().max(1.0) as u32);
    let mut part = imageops::resize(&part.to_image(), size[0], size[1], FilterType::Triangle);
    for (corners, color) in boxes {
        let corners = corners.map(|[x, y]| [(x - left) * scale, (y - top) * scale]);
        // A light edge on either side stands out from any picture.
        for (color, reach) in [(PAPER, 2), (*color, 1)] {
            for side in 0..4 {
                line(&mut part, corners[side], corners[(side + 1) % 4], color, reach);
            }
        }
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&part)?;
    Ok(bytes)
}

/// Draws a line that reaches so many pixels to either side; what is outside is not drawn.
fn line(image: &mut RgbImage, from: [f64; 2], to: [f64; 2], color: Rgb<u8>, reach: i64) {
    let sides = [i64::from(image.width()), i64::from(image.height())];
    // No further than what can be seen: boxes may be endless.
    let far = 4.0 * (sides[0] + sides[1]) as f64;
    let [from, to] = [from, to].map(|point| point.map(|it| it.clamp(-far, far)));
    let steps = (to[0] - from[0]).abs().max((to[1] - from[1]).abs()).ceil().max(1.0);
    for step in 0..=steps as u32 {
        let at = |axis: usize| from[axis] + (to[axis] - from[axis]) * f64::from(step) / steps;
        let [x, y] = [at(0).round() as i64, at(1).round() as i64];
        for x in (x - reach).max(0)..(x + reach + 1).min(sides[0]) {
            for y in (y - reach).max(0)..(y + reach + 1).min(sides[1]) {
                image.put_pixel(x as u32, y as u32, color);
            }
        }
    }
}

/// The corners of a box in pixels.
fn corners<B: Bbox>(bbox: B) -> Corners {
    match *bbox.as_ref() {
        [x, y, w, h] => [[x, y], [x + w, y], [x + w, y + h], [x, y + h]],
        [cx, cy, w, h, angle, ..] => {
            let (sin, cos) = angle.sin_cos();
            let corner = |across: f64, down: f64| {
                let [x, y] = [0.5 * w * across, 0.5 * h * down];
                [cx + x * cos - y * sin, cy + x * sin + y * cos]
            };
            [corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)]
        }
        _ => [[0.0; 2]; 4],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_shows_the_boxes_with_what_is_around_them() {
        let image = RgbImage::from_pixel(200, 100, Rgb([40, 60, 200]));
        let boxes = [
            (corners([50.0, 20.0, 40.0, 20.0]), TRUTH),
            (corners([54.0, 20.0, 40.0, 20.0]), FOUND),
        ];
        let bytes = picture(&image, &boxes).unwrap();
        let shown = image::load_from_memory(&bytes).unwrap().into_rgb8();
        // 44 pixels and 15.4 to either side, eight bits of a pixel for each: 76 x 52 of the image.
        assert_eq!((shown.width(), shown.height()), (360, 246));
        let near = |pixel: &Rgb<u8>, color: Rgb<u8>| {
            pixel.0.iter().zip(color.0).all(|(&a, b)| a.abs_diff(b) < 48)
        };
        let count = |color| shown.pixels().filter(|pixel| near(pixel, color)).count();
        assert!(count(FOUND) > 1000 && count(TRUTH) > 300, "{}, {}", count(FOUND), count(TRUTH));
    }

    #[test]
    fn boxes_outside_and_endless_ones_are_drawn_as_far_as_they_are_seen() {
        let image = RgbImage::from_pixel(20, 10, PAPER);
        for bbox in [
            [500.0, 500.0, 3.0, 3.0],
            [-1e30, -1e30, 2e30, 2e30],
            [3.0, 3.0, 0.0, 0.0],
            [-9.0, 0.0, 4.0, 4.0],
        ] {
            assert!(picture(&image, &[(corners(bbox), FOUND)]).is_ok(), "{bbox:?}");
        }
    }

    #[test]
    fn a_turned_box_has_the_corners_of_hand_arithmetic() {
        let turned = corners([5.0, 5.0, 4.0, 2.0, std::f64::consts::FRAC_PI_2]);
        for (corner, wanted) in turned.iter().zip([[6.0, 3.0], [6.0, 7.0], [4.0, 7.0], [4.0, 3.0]])
        {
            assert!((corner[0] - wanted[0]).abs() < 1e-12 && (corner[1] - wanted[1]).abs() < 1e-12);
        }
    }
}
