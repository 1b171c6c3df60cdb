//! Scenes varied by chance, so that few pictures are not learned by heart.
//!
//! A variation depends on seed and place alone: a run that goes on sees what it would have seen.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::images::GREY;
use super::random::scrambled;
use super::scene::{CHANNELS, Object, Scene};
use crate::random::Random;

/// Apart from all other streams of a seed.
const STREAM: u64 = 0xa0_6e;
/// How often one of four scenes together is made.
const MOSAIC: f64 = 0.5;
/// How large a scene is drawn beside what it was.
const SCALE: [f64; 2] = [0.6, 1.5];
/// How large each of four is drawn.
const SCALE_OF_FOUR: [f64; 2] = [0.5, 1.1];
/// Where four scenes meet, as a share of the side.
const MEETING: [f64; 2] = [0.35, 0.65];
/// Brightness, contrast and each colour change by up to this share.
const COLOUR: f64 = 0.3;
/// An object that is seen with a smaller share of its area is none.
const LEAST_SEEN: f64 = 0.4;
/// Nor is one with a shorter side than this, pixels of the scene.
const SHORTEST: f32 = 2.0;

/// What is varied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Variation {
    /// Left and right change places, every second time.
    Flip,
    /// The scene is drawn larger or smaller.
    Scale,
    /// It lies elsewhere, and what leaves the square is cut off.
    Crop,
    /// Other colours, brightness and contrast.
    Colour,
    /// Every second scene is put together of four.
    Mosaic,
}

impl Variation {
    const ALL: [(&'static str, Self); 5] = [
        ("flip", Self::Flip),
        ("scale", Self::Scale),
        ("crop", Self::Crop),
        ("colour", Self::Colour),
        ("mosaic", Self::Mosaic),
    ];
}

/// Which variations there are, written as their names between commas, `all` or `none`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Augment(Vec<Variation>);

impl Augment {
    /// All there are.
    pub(crate) fn all() -> Self {
        Self(Variation::ALL.map(|(_, variation)| variation).to_vec())
    }

    fn has(&self, variation: Variation) -> bool {
        self.0.contains(&variation)
    }
}

impl FromStr for Augment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => return Ok(Self::all()),
            "none" | "" => return Ok(Self::default()),
            _ => {}
        }
        let given: Vec<&str> = text.split(',').map(str::trim).collect();
        let names = Variation::ALL.map(|(name, _)| name);
        if let Some(unknown) = given.iter().find(|name| !names.contains(name)) {
            let names = names.join(", ");
            return Err(format!("there is no {unknown:?}: give all, none, or some of {names}"));
        }
        // In one order, whatever they were written in: two runs with the same variations have the same settings.
        let chosen = Variation::ALL.into_iter().filter(|(name, _)| given.contains(name));
        Ok(Self(chosen.map(|(_, variation)| variation).collect()))
    }
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let all = Variation::ALL.into_iter().filter(|(_, variation)| self.has(*variation));
        let names: Vec<&str> = all.map(|(name, _)| name).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

impl From<Augment> for String {
    fn from(augment: Augment) -> Self {
        augment.to_string()
    }
}

impl TryFrom<String> for Augment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Augment {
    /// The first of these scenes, varied; three of the others may come beside it. `scene` gives them by a number below `count`.
    pub(crate) fn apply<'a>(
        &self,
        first: &'a Scene,
        others: impl Fn(usize) -> &'a Scene,
        count: usize,
        seed: u64,
        place: u64,
    ) -> Scene {
        if self.0.is_empty() {
            return first.clone();
        }
        let mut random = Random::at(scrambled(seed ^ STREAM), place);
        let random = &mut random;
        let mut canvas = Canvas::new(first);
        let side = first.side as f64;
        if self.has(Variation::Mosaic) && random.uniform() < MOSAIC {
            let [x, y] = [0, 1].map(|_| (side * random.range(MEETING[0], MEETING[1])).round());
            let quarters =
                [[0.0, 0.0, x, y], [x, 0.0, side, y], [0.0, y, x, side], [x, y, side, side]];
            for (index, window) in quarters.into_iter().enumerate() {
                let scene = if index == 0 { first } else { others(random.below(count)) };
                let scale = if self.has(Variation::Scale) {
                    random.range(SCALE_OF_FOUR[0], SCALE_OF_FOUR[1])
                } else {
                    0.5
                };
                // The corner that lies where all four meet.
                let size = content(scene).map(|length| scale * length);
                let at =
                    [0, 1].map(|k| if window[k] == 0.0 { [x, y][k] - size[k] } else { [x, y][k] });
                self.paste(scene, window, scale, at, &mut canvas, random);
            }
        } else {
            let scale =
                if self.has(Variation::Scale) { random.range(SCALE[0], SCALE[1]) } else { 1.0 };
            let room = content(first).map(|length| side - scale * length);
            // Anywhere in the square, or, where the scene is larger than it, with any part of it.
            let at = room.map(|room| {
                if self.has(Variation::Crop) {
                    random.range(room.min(0.0), room.max(0.0))
                } else {
                    room.min(0.0) / 2.0
                }
            });
            self.paste(first, [0.0, 0.0, side, side], scale, at, &mut canvas, random);
        }
        if self.has(Variation::Colour) {
            canvas.recolour(random);
        }
        canvas.0
    }

    /// Draws a scene with its upper left corner `at`, so many times as large, inside a window.
    fn paste(
        &self,
        scene: &Scene,
        window: [f64; 4],
        scale: f64,
        at: [f64; 2],
        canvas: &mut Canvas,
        random: &mut Random,
    ) {
        let flipped = self.has(Variation::Flip) && random.uniform() < 0.5;
        let size = content(scene);
        let last = size.map(|length| (length.ceil() - 1.0).max(0.0));
        let [left, top, right, bottom] = window.map(|edge| edge as usize);
        for y in top..bottom {
            for x in left..right {
                // The middle of the pixel, in pixels of the scene.
                let mut from = [(x, 0), (y, 1)].map(|(n, k)| (n as f64 + 0.5 - at[k]) / scale);
                if from.iter().zip(size).any(|(&from, size)| !(0.0..size).contains(&from)) {
                    continue;
                }
                if flipped {
                    from[0] = size[0] - from[0];
                }
                let from = [0, 1].map(|k| (from[k] - 0.5).clamp(0.0, last[k]));
                canvas.pixel(x, y).copy_from_slice(&sample(scene, from, last));
            }
        }
        for object in &scene.objects {
            let [x1, y1, x2, y2] = object.corners.map(f64::from);
            let [x1, x2] = if flipped { [size[0] - x2, size[0] - x1] } else { [x1, x2] };
            let corners = [x1, y1, x2, y2];
            let whole: [f64; 4] = std::array::from_fn(|k| scale * corners[k] + at[k % 2]);
            let seen: [f64; 4] =
                std::array::from_fn(|k| whole[k].clamp(window[k % 2], window[2 + k % 2]));
            let area = |[x1, y1, x2, y2]: [f64; 4]| (x2 - x1) * (y2 - y1);
            let corners = seen.map(|corner| corner as f32);
            let short = corners[2] - corners[0] < SHORTEST || corners[3] - corners[1] < SHORTEST;
            if !short && area(seen) >= LEAST_SEEN * area(whole) {
                canvas.0.objects.push(Object { class: object.class, corners });
            }
        }
    }
}

/// Width and height of what a scene shows, without the grey beside it.
fn content(scene: &Scene) -> [f64; 2] {
    let side = scene.side as f64;
    scene.size.map(|length| (f64::from(length) * f64::from(scene.scale)).min(side))
}

/// The colours between the middles of four pixels.
fn sample(scene: &Scene, from: [f64; 2], last: [f64; 2]) -> [u8; CHANNELS] {
    let [near, far] =
        [0.0, 1.0].map(|step| [0, 1].map(|k| (from[k].floor() + step).min(last[k]) as usize));
    let [right, down] = from.map(f64::fract);
    let at = |x: usize, y: usize, channel: usize| {
        f64::from(scene.pixels[(y * scene.side + x) * CHANNELS + channel])
    };
    std::array::from_fn(|c| {
        let upper = at(near[0], near[1], c) * (1.0 - right) + at(far[0], near[1], c) * right;
        let lower = at(near[0], far[1], c) * (1.0 - right) + at(far[0], far[1], c) * right;
        (upper * (1.0 - down) + lower * down).round() as u8
    })
}

/// What is drawn on.
struct Canvas(Scene);

impl Canvas {
    /// A grey square as large as the scene, and with its id.
    fn new(scene: &Scene) -> Self {
        let &Scene { image, side, .. } = scene;
        let (pixels, objects) = (vec![GREY; side * side * CHANNELS], Vec::new());
        Self(Scene { image, side, pixels, scale: 1.0, size: [side as u32; 2], objects })
    }

    fn pixel(&mut self, x: usize, y: usize) -> &mut [u8] {
        let at = (y * self.0.side + x) * CHANNELS;
        &mut self.0.pixels[at..at + CHANNELS]
    }

    /// Other colours: each value is moved away from grey or towards it, and then up or down, a little more in one channel than in
    /// another.
    fn recolour(&mut self, random: &mut Random) {
        let contrast = 1.0 + random.range(-COLOUR, COLOUR);
        let brightness = 255.0 * random.range(-COLOUR, COLOUR) / 2.0;
        let tint: [f64; CHANNELS] =
            std::array::from_fn(|_| 1.0 + random.range(-COLOUR, COLOUR) / 2.0);
        let new = tint.map(|tint| {
            let level = |old: usize| {
                let grey = f64::from(GREY);
                (((old as f64 - grey) * contrast + grey) * tint + brightness).clamp(0.0, 255.0)
            };
            std::array::from_fn::<u8, 256, _>(|old| level(old).round() as u8)
        });
        for pixel in self.0.pixels.chunks_exact_mut(CHANNELS) {
            pixel.iter_mut().zip(&new).for_each(|(value, new)| *value = new[usize::from(*value)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 32;
    const RED: [u8; 3] = [255, 0, 0];

    /// A picture of 32 by 24 pixels, dark blue, with a red box.
    fn scene(corners: [usize; 4]) -> Scene {
        let [x1, y1, x2, y2] = corners;
        let mut pixels = vec![GREY; SIDE * SIDE * CHANNELS];
        for (at, pixel) in pixels.chunks_mut(CHANNELS).enumerate() {
            let [x, y] = [at % SIDE, at / SIDE];
            if y < 24 {
                let inside = (x1..x2).contains(&x) && (y1..y2).contains(&y);
                pixel.copy_from_slice(if inside { &RED } else { &[0, 0, 40] });
            }
        }
        let objects = vec![Object { class: 1, corners: corners.map(|corner| corner as f32) }];
        Scene { image: 9, side: SIDE, pixels, scale: 0.5, size: [64, 48], objects }
    }

    /// Every object lies around what is red, within a pixel; beside an object that is alone nothing is.
    fn assert_tight(scene: &Scene, alone: bool) {
        let red = |x: f32, y: f32| scene.pixels[(y as usize * SIDE + x as usize) * CHANNELS] > 190;
        for object in &scene.objects {
            let [x1, y1, x2, y2] = object.corners;
            for at in [0.2, 0.5, 0.8] {
                let [x, y] = [x1 + at * (x2 - x1), y1 + at * (y2 - y1)];
                for (inner, outer) in [
                    ([(x1 + 1.0).min(x), y], [x1 - 1.5, y]),
                    ([(x2 - 1.0).max(x), y], [x2 + 1.5, y]),
                    ([x, (y1 + 1.0).min(y)], [x, y1 - 1.5]),
                    ([x, (y2 - 1.0).max(y)], [x, y2 + 1.5]),
                ] {
                    assert!(red(inner[0], inner[1]), "{object:?} at {inner:?}");
                    if alone && outer.iter().all(|at| (0.0..SIDE as f32).contains(at)) {
                        assert!(!red(outer[0], outer[1]), "{object:?} at {outer:?}");
                    }
                }
            }
        }
    }

    fn varied(text: &str, place: u64) -> Scene {
        let scenes = [scene([4, 6, 16, 18]), scene([12, 2, 30, 22])];
        let augment: Augment = text.parse().unwrap();
        augment.apply(&scenes[0], |other| &scenes[other], 2, 1, place)
    }

    #[test]
    fn boxes_stay_around_their_objects_whatever_is_varied() {
        for text in [
            "flip",
            "scale",
            "crop",
            "scale,crop",
            "flip,scale,crop",
            "mosaic",
            "flip,scale,crop,mosaic",
        ] {
            let mut objects = 0;
            for place in 0..200 {
                let scene = varied(text, place);
                assert_tight(&scene, !text.contains("mosaic"));
                objects += scene.objects.len();
                let side = SIDE as f32;
                assert!(
                    scene
                        .objects
                        .iter()
                        .all(|o| o.corners.iter().all(|c| (0.0..=side).contains(c)))
                );
            }
            assert!(objects > 120, "{text}: {objects}");
        }
    }

    #[test]
    fn what_is_not_varied_stays() {
        let first = scene([4, 6, 16, 18]);
        assert_eq!(varied("none", 3), first);
        let flipped: Vec<Scene> = (0..40).map(|place| varied("flip", place)).collect();
        let left =
            flipped.iter().filter(|scene| scene.objects[0].corners == [4.0, 6.0, 16.0, 18.0]);
        let right = flipped.iter().filter(|s| s.objects[0].corners == [16.0, 6.0, 28.0, 18.0]);
        let [left, right] = [left.count(), right.count()];
        assert!(left > 9 && right > 9 && left + right == 40, "{left} and {right}");
        let same = flipped.iter().find(|scene| scene.objects[0].corners[0] == 4.0).unwrap();
        assert_eq!(same.pixels, first.pixels);
        for place in 0..20 {
            let scene = varied("colour", place);
            assert_eq!(scene.objects, first.objects);
            assert_ne!(scene.pixels, first.pixels);
        }
    }

    #[test]
    fn a_place_of_a_seed_has_one_variation() {
        let all = || (0..50).map(|place| varied("all", place));
        assert!(all().eq(all()));
        let mut seen: Vec<Vec<u8>> = all().map(|scene| scene.pixels).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 50);
        assert!(all().any(|scene| scene.objects.len() > 1), "some are of four");
    }

    #[test]
    fn names_are_read_in_any_order_and_written_in_one() {
        for (text, written) in [
            ("all", "flip,scale,crop,colour,mosaic"),
            ("none", "none"),
            ("mosaic, flip", "flip,mosaic"),
        ] {
            let augment: Augment = text.parse().unwrap();
            assert_eq!(augment.to_string(), written);
            let json = serde_json::to_string(&augment).unwrap();
            assert_eq!(serde_json::from_str::<Augment>(&json).unwrap(), augment);
        }
        let problem = "flip,mirror".parse::<Augment>().unwrap_err();
        assert!(problem.contains("\"mirror\": give all, none, or some of flip, "), "{problem}");
    }
}
