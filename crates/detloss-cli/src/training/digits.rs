//! Scenes of handwritten digits: something to detect without any data.
//!
//! The ink is from people: "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI Machine Learning
//! Repository 1998, doi 10.24432/C50P49, CC BY 4.0; 1797 digits of 8 x 8 pixels, as the crate smartcore ships them.
//! They are scaled, coloured and thrown onto a textured ground among clutter: pieces of digits, digits whose quarters are mixed
//! up, strokes and blobs. Only who recognises digits can tell them from that.
//!
//! A box is tight around the ink of a digit that lies inside the scene, ink being where the digit is more opaque than not.
//! Ink below another digit counts: who reads the digit knows where it ends.

mod canvas;

use detloss_coco::GroundTruth;
use smartcore::dataset::digits::load_dataset;

use self::canvas::{Canvas, Color, Frame, Mark};
use super::data::{Class, Data, truth};
use super::scene::{Object, Scene};
use crate::random::Random;

/// Width and height of a digit of the collection.
const GLYPH: usize = 8;
/// The last digits of the collection are kept for the held-out scenes.
const HELD_OUT_DIGITS: usize = 297;
/// Held-out scenes with objects.
const HELD_OUT: usize = 200;
/// A held-out scene with objects has at most so many without beside it: more would only take time.
const MOST_EMPTY: usize = 4;
/// Places of held-out scenes begin here, so that no training run comes by.
const HELD_OUT_PLACES: u64 = 1 << 63;

/// The most digits in a scene.
const MOST_DIGITS: usize = 4;
/// Smallest and largest height of a digit, as a share of the side; the width differs by up to a fifth.
const HEIGHT: [f64; 2] = [14.0 / 64.0, 36.0 / 64.0];
/// How much of a digit's width or height may be beyond a border.
const CUT: f64 = 0.12;
/// How much of a digit's ink others may cover.
const COVERED: f64 = 0.15;
/// How often another place is tried for a digit that would cover others.
const TRIES: usize = 8;
/// The least difference in luminance of a digit and the ground.
const CONTRAST: f64 = 0.35;

/// The ink of a digit as it was written, row by row, from 0 (none) to 1.
type Ink = [[f32; GLYPH]; GLYPH];

/// A digit that somebody wrote.
struct Glyph {
    ink: Ink,
    digit: usize,
}

/// Seeded scenes of handwritten digits.
pub(crate) struct Digits {
    side: usize,
    seed: u64,
    imbalance: usize,
    name: String,
    classes: Vec<Class>,
    glyphs: Vec<Glyph>,
    held_out: Vec<Scene>,
    truth: GroundTruth,
}

impl Digits {
    /// Square scenes of `side` pixels. One scene of `imbalance` has digits, the others are clutter only.
    pub(crate) fn new(side: usize, seed: u64, imbalance: u32) -> Self {
        // The category of a digit is the digit + 1: in COCO files ids begin at 1.
        let class = |digit: u64| Class::new(digit + 1, digit.to_string());
        let classes: Vec<Class> = (0..10).map(class).collect();
        let name = match imbalance {
            0 | 1 => "handwritten digits".to_owned(),
            share => format!("handwritten digits in one of {share} scenes"),
        };
        let (glyphs, unseen) = glyphs();
        let imbalance = imbalance.max(1) as usize;
        let every = imbalance.min(1 + MOST_EMPTY);
        let held_out = (0..HELD_OUT * every).map(|index| {
            let mut random = Random::at(seed, HELD_OUT_PLACES + index as u64);
            scene(&mut random, index as u64 + 1, side, &unseen, index % every == 0)
        });
        let held_out: Vec<Scene> = held_out.collect();
        let truth = truth(&held_out, &classes);
        Self { side, seed, imbalance, name, classes, glyphs, held_out, truth }
    }
}

impl Data for Digits {
    fn name(&self) -> &str {
        &self.name
    }

    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn side(&self) -> usize {
        self.side
    }

    fn train(&self, place: u64) -> Scene {
        let mut random = Random::at(self.seed, place);
        let digits = random.below(self.imbalance) == 0;
        scene(&mut random, place + 1, self.side, &self.glyphs, digits)
    }

    fn held_out(&self) -> &[Scene] {
        &self.held_out
    }

    fn truth(&self) -> &GroundTruth {
        &self.truth
    }
}

/// Digits for training, and digits for the held-out scenes.
fn glyphs() -> (Vec<Glyph>, Vec<Glyph>) {
    // The names of features and targets in there are those of another dataset.
    let collection = load_dataset();
    let inks = collection.data.chunks_exact(GLYPH * GLYPH);
    let glyph = |(values, &digit): (&[f32], &f32)| Glyph {
        ink: std::array::from_fn(|y| std::array::from_fn(|x| values[y * GLYPH + x] / 16.0)),
        digit: digit as usize,
    };
    let mut seen: Vec<Glyph> = inks.zip(&collection.target).map(glyph).collect();
    let unseen = seen.split_off(seen.len() - HELD_OUT_DIGITS);
    (seen, unseen)
}

/// A scene of clutter, with digits or without.
fn scene(random: &mut Random, image: u64, side: usize, glyphs: &[Glyph], digits: bool) -> Scene {
    let ground = random.range(0.1, 0.9);
    let mut canvas = Canvas::new(side, Color::random(random, ground), random);
    for _ in 0..1 + random.below(4) {
        let mark = clutter(random, side, glyphs);
        let contrast = random.range(0.1, 0.5);
        canvas.paint(&mark, against(random, ground, contrast));
    }
    let objects = if digits { throw(&mut canvas, random, ground, glyphs) } else { Vec::new() };
    let noise = random.range(0.0, 0.12);
    let (pixels, scale, size) = (canvas.finish(noise, random), 1.0, [side as u32; 2]);
    Scene { image, side, pixels, scale, size, objects }
}

/// Throws one to four digits onto the canvas.
fn throw(canvas: &mut Canvas, random: &mut Random, ground: f64, glyphs: &[Glyph]) -> Vec<Object> {
    let side = canvas.side();
    let mut objects = Vec::new();
    // Which digit owns the ink that is seen at a pixel, counted from 1, and what each had and still has.
    let mut owners = vec![0_usize; side * side];
    let mut inks: Vec<[usize; 2]> = Vec::new();
    for _ in 0..=random.below(MOST_DIGITS) {
        for _ in 0..TRIES {
            let glyph = &glyphs[random.below(glyphs.len())];
            let height = side as f64 * random.range(HEIGHT[0], HEIGHT[1]);
            let width = height * random.range(0.8, 1.2);
            let mark =
                Mark::ink(&glyph.ink, Frame::random(random, side, [width, height], CUT), side);
            if mark.inked().is_empty() {
                continue;
            }
            let mut left = inks.clone();
            for &pixel in mark.inked() {
                if let Some(owner) = owners[pixel].checked_sub(1) {
                    left[owner][1] -= 1;
                }
            }
            if left.iter().any(|&[had, has]| (has as f64) < (1.0 - COVERED) * had as f64) {
                continue;
            }
            left.push([mark.inked().len(); 2]);
            inks = left;
            mark.inked().iter().for_each(|&pixel| owners[pixel] = inks.len());
            let contrast = random.range(CONTRAST, 0.8);
            canvas.paint(&mark, against(random, ground, contrast));
            objects.push(Object { class: glyph.digit, corners: mark.bounds(side) });
            break;
        }
    }
    objects
}

/// A colour of so much more or less luminance than the ground, whichever there is room for.
fn against(random: &mut Random, ground: f64, contrast: f64) -> Color {
    let luminance = if ground < 0.5 { ground + contrast } else { ground - contrast };
    Color::random(random, luminance.clamp(0.0, 1.0))
}

/// Something that is no digit, though it may be made of some.
fn clutter(random: &mut Random, side: usize, glyphs: &[Glyph]) -> Mark {
    const HALF: usize = GLYPH / 2;
    let unit = side as f64 / 64.0;
    let pick = |random: &mut Random| &glyphs[random.below(glyphs.len())].ink;
    match random.below(4) {
        // A quarter of a digit, lying on its side: halves, and quarters that stand, can be digits themselves.
        0 => {
            let ink = pick(random);
            let [down, right] = [HALF * random.below(2), HALF * random.below(2)];
            let quarter = |y: usize, x: usize| {
                if y < HALF && x < HALF { ink[down + x][right + y] } else { 0.0 }
            };
            let ink: Ink = std::array::from_fn(|y| std::array::from_fn(|x| quarter(y, x)));
            let size = unit * random.range(10.0, 36.0);
            Mark::ink(&ink, Frame::random(random, side, [size; 2], 0.5), side)
        }
        // The quarters of four digits, each beside or across from where it belongs.
        1 => {
            let inks: [&Ink; 4] = std::array::from_fn(|_| pick(random));
            let down = HALF * random.below(2);
            let mixed = |y: usize, x: usize| {
                inks[y / HALF * 2 + x / HALF][(y + down) % GLYPH][(x + HALF) % GLYPH]
            };
            let ink: Ink = std::array::from_fn(|y| std::array::from_fn(|x| mixed(y, x)));
            let size = unit * random.range(10.0, 32.0);
            Mark::ink(&ink, Frame::random(random, side, [size; 2], 0.3), side)
        }
        // Too flat for the digit 1.
        2 => {
            let [x, y] = [0, 1].map(|_| random.range(0.0, side as f64));
            let across = unit * random.range(8.0, 40.0);
            let down = across * random.range(-0.7, 0.7);
            Mark::stroke([x, y], [x + across, y + down], unit * random.range(0.7, 2.0), side)
        }
        _ => {
            let size = [0, 1].map(|_| unit * random.range(3.0, 20.0));
            Mark::blob(Frame::random(random, side, size, 0.5), side)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::xywh;
    use super::*;
    use detloss_coco as coco;

    const SIDE: usize = 64;

    fn places(digits: &Digits, count: u64) -> Vec<Scene> {
        (0..count).map(|place| digits.train(place)).collect()
    }

    #[test]
    fn a_seed_gives_the_same_bytes_and_another_seed_others() {
        let [first, again, other] = [5, 5, 6].map(|seed| Digits::new(SIDE, seed, 1));
        assert_eq!(places(&first, 20), places(&again, 20));
        assert_eq!(first.held_out(), again.held_out());
        assert!(
            places(&first, 20).iter().zip(places(&other, 20)).all(|(a, b)| a.pixels != b.pixels)
        );
    }

    #[test]
    fn the_bytes_of_a_scene_are_those_of_every_machine_and_version() {
        let scene = Digits::new(SIDE, 0, 1).train(0);
        let sum = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        assert_eq!(
            scene.pixels.iter().fold(0xcbf2_9ce4_8422_2325, sum),
            18_248_380_386_553_158_170
        );
    }

    #[test]
    fn scenes_have_one_to_four_digits_of_all_classes_inside_the_picture() {
        for side in [32, SIDE] {
            let digits = Digits::new(side, 1, 1);
            let mut met = [0; 10];
            let mut counts = [0; MOST_DIGITS + 1];
            for scene in places(&digits, 300) {
                assert_eq!(scene.pixels.len(), side * side * 3);
                assert_eq!((scene.side, scene.scale), (side, 1.0));
                counts[scene.objects.len()] += 1;
                for Object { class, corners: [x1, y1, x2, y2] } in scene.objects {
                    met[class] += 1;
                    assert!(0.0 <= x1 && x1 < x2 && x2 <= side as f32, "{x1} to {x2}");
                    assert!(0.0 <= y1 && y1 < y2 && y2 <= side as f32, "{y1} to {y2}");
                }
            }
            assert_eq!(counts[0], 0);
            assert!(counts[1..].iter().all(|&count| count > 30), "{counts:?}");
            assert!(met.iter().all(|&count| count > 30), "{met:?}");
        }
    }

    #[test]
    fn digits_too_small_to_leave_ink_are_no_objects() {
        for scene in places(&Digits::new(6, 1, 1), 200) {
            for Object { corners: [x1, y1, x2, y2], .. } in scene.objects {
                assert!(x1 < x2 && y1 < y2, "{x1} to {x2}, {y1} to {y2}");
            }
        }
    }

    #[test]
    fn no_digit_hides_another() {
        let digits = Digits::new(SIDE, 1, 1);
        for scene in places(&digits, 400) {
            let boxes: Vec<_> = scene.objects.iter().map(|object| xywh(object.corners)).collect();
            for (index, &one) in boxes.iter().enumerate() {
                // Thrown without care, one pair of fifty overlaps more than that.
                assert!(boxes[..index].iter().all(|&other| coco::iou(one, other, false) < 0.6));
            }
        }
    }

    #[test]
    fn no_held_out_handwriting_is_trained_on() {
        let (seen, unseen) = glyphs();
        assert_eq!((seen.len(), unseen.len()), (1500, 297));
        for glyph in &unseen {
            assert!(seen.iter().all(|other| other.ink != glyph.ink));
        }
        let both = [&seen, &unseen].map(|glyphs| {
            let mut counts = [0; 10];
            glyphs.iter().for_each(|glyph| counts[glyph.digit] += 1);
            counts
        });
        assert!(both.iter().flatten().all(|&count| count >= 25), "{both:?}");
        let digits = Digits::new(SIDE, 1, 1);
        let drawn = |place, image, glyphs: &[Glyph]| {
            scene(&mut Random::at(1, place), image, SIDE, glyphs, true)
        };
        assert_eq!(digits.held_out()[3], drawn(HELD_OUT_PLACES + 3, 4, &unseen));
        // The first number of a scene to train on says whether it has digits.
        let mut random = Random::at(1, 3);
        random.bits();
        assert_eq!(digits.train(3), scene(&mut random, 4, SIDE, &seen, true));
    }

    #[test]
    fn one_scene_of_so_many_has_digits() {
        for (imbalance, held_out, share) in [(1, 200, 1.0), (3, 600, 1.0 / 3.0), (20, 1000, 0.05)] {
            let digits = Digits::new(32, 1, imbalance);
            let with = |scenes: &[Scene]| scenes.iter().filter(|s| !s.objects.is_empty()).count();
            assert_eq!(digits.held_out().len(), held_out);
            assert_eq!(with(digits.held_out()), 200);
            let met = with(&places(&digits, 600)) as f64 / 600.0;
            assert!((met - share).abs() < 0.04, "{imbalance}: {met}");
        }
    }

    #[test]
    fn the_truth_is_that_of_the_held_out_scenes() {
        let digits = Digits::new(SIDE, 1, 2);
        let truth = digits.truth();
        let scenes = digits.held_out();
        assert!(scenes.iter().zip(1..).all(|(scene, id)| scene.image == id));
        assert_eq!(truth.images.len(), scenes.len());
        assert_eq!(truth.categories[&1], "0");
        assert_eq!(truth.categories[&10], "9");
        let objects = scenes.iter().flat_map(|s| s.objects.iter().map(move |o| (s.image, o)));
        assert_eq!(truth.annotations.len(), objects.clone().count());
        for (annotation, (image, object)) in truth.annotations.iter().zip(objects) {
            let [left, top, width, height] = annotation.bbox.map(|length| length as f32);
            assert_eq!(annotation.image, image);
            assert_eq!(annotation.category, digits.classes()[object.class].id);
            assert_eq!([left, top, left + width, top + height], object.corners);
        }
    }

    /// Scenes in the repository, so that every command can be tried: drawn here, and held to what is drawn. `DETLOSS_WRITE_SAMPLES=1`
    /// writes them anew.
    #[test]
    fn the_sample_scenes_are_what_is_drawn() {
        use std::path::Path;

        use detloss_coco::annotations_of;

        use super::super::picture::png;

        // No scenes that a detector is trained on or judged by.
        let digits = Digits::new(SIDE, 7, 1);
        let scenes = &digits.held_out()[..3];
        let mut truth = truth(scenes, digits.classes());
        truth.images.iter_mut().for_each(|(id, name)| *name = format!("scene-{id}.png"));
        let mut text = annotations_of(&truth);
        text["info"] = serde_json::json!({
            "description": "Scenes drawn by detloss with digits of \"Optical Recognition of Handwritten Digits\", E. Alpaydin and \
                C. Kaynak, UCI Machine Learning Repository 1998, doi 10.24432/C50P49, CC BY 4.0",
        });
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/samples");
        let json = folder.join("annotations.json");
        if std::env::var_os("DETLOSS_WRITE_SAMPLES").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&json, serde_json::to_string_pretty(&text).unwrap() + "\n").unwrap();
            for scene in scenes {
                let image = image::RgbImage::from_raw(64, 64, scene.pixels.clone()).unwrap();
                let name = format!("scene-{}.png", scene.image);
                std::fs::write(folder.join(name), png(&image).unwrap()).unwrap();
            }
        }
        let written: serde_json::Value =
            serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        assert_eq!(written, text);
        for scene in scenes {
            let image = image::open(folder.join(format!("scene-{}.png", scene.image))).unwrap();
            assert!(image.into_rgb8().into_raw() == scene.pixels, "scene {}", scene.image);
        }
    }
}
