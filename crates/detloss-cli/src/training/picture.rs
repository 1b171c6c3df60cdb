//! Pictures of what was found.

mod letters;

use std::convert::Infallible;
use std::io::Cursor;

use detloss_coco::Detection;
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{PrimitiveStyleBuilder, Rectangle, StrokeAlignment};
use image::imageops::{self, FilterType};
use image::{ImageError, ImageFormat, Rgb, RgbImage};

use self::letters::Label;
use super::data::{Class, index_of};
use super::scene::{Scene, corners};

/// Okabe and Ito's colours that stand out from most pictures, safe for the colour-blind.
const COLORS: [[u8; 3]; 7] = [
    [0xe6, 0x9f, 0x00],
    [0x56, 0xb4, 0xe9],
    [0xf0, 0xe4, 0x42],
    [0xcc, 0x79, 0xa7],
    [0xd5, 0x5e, 0x00],
    [0x00, 0x9e, 0x73],
    [0x00, 0x72, 0xb2],
];
/// What is there.
const TRUTH: [u8; 3] = COLORS[5];
/// What was found.
const FOUND: [u8; 3] = COLORS[0];
const PAPER: [u8; 3] = [255; 3];
const WRITING: [u8; 3] = [0; 3];

/// Scenes of a grid are enlarged to about so many pixels.
const TILE: usize = 256;
/// Pairs of a scene with and without what was found, beside each other.
const COLUMNS: usize = 3;
/// Pixels between pictures of a pair; between pairs there are three times as many.
const GAP: u32 = 4;

/// The colour of a class, when there is nothing but detections.
pub(crate) fn color(class: usize) -> [u8; 3] {
    COLORS[class % COLORS.len()]
}

/// A box to be drawn.
pub(crate) struct Drawn<'a> {
    /// Its corners x1, y1, x2, y2 in pixels of the image. What is outside is not drawn.
    pub(crate) corners: [f32; 4],
    /// What is written at it, in the letters of Unifont: what it lacks (emoji, rare signs) has a sign of its own, and scripts that run from
    /// the right stand from the left.
    pub(crate) label: &'a str,
    pub(crate) color: [u8; 3],
}

/// Draws boxes with their labels, the first at the bottom. Lines and letters grow with the image.
pub(crate) fn draw(image: &mut RgbImage, boxes: &[Drawn]) {
    let pen = Pen::of(image);
    for drawn in boxes {
        let size = [image.width(), image.height()];
        let Some([x1, y1, x2, y2]) = inside(drawn.corners, size) else { continue };
        let frame = Rectangle::new(Point::new(x1 as i32, y1 as i32), Size::new(x2 - x1, y2 - y1));
        // A dark rim makes every colour visible on every ground.
        pen.frame(image, frame.offset(1), pen.stroke + 2, [0; 3]);
        pen.frame(image, frame, pen.stroke, drawn.color);
    }
    // Labels last: they say more than the lines that they hide. None hides another: the first boxes have the first choice.
    let mut taken = Vec::new();
    for drawn in boxes.iter().filter(|drawn| !drawn.label.is_empty()) {
        let size = [image.width(), image.height()];
        let Some(frame) = inside(drawn.corners, size) else { continue };
        if let Some(place) = room(frame, pen.size_of(drawn.label), size, &taken) {
            pen.write(image, [place[0], place[1]], drawn.label, drawn.color);
            taken.push(place);
        }
    }
}

/// Where a label of this size has room at a box, its corners: above the box or at its top, below, and else on a line inside.
/// None if all of that is taken.
fn room(
    [x1, y1, x2, y2]: [u32; 4],
    [width, height]: [u32; 2],
    size: [u32; 2],
    taken: &[[u32; 4]],
) -> Option<[u32; 4]> {
    let fit = |at: u32, length: u32, side: usize| at.min(size[side].saturating_sub(length));
    let columns = [fit(x1, width, 0), fit(x2.saturating_sub(width), width, 0)];
    let outside = [y1.saturating_sub(height), fit(y2, height, 1)];
    let rows = outside.into_iter().chain((y1..y2).step_by(height.max(1) as usize));
    let mut places = rows.flat_map(|y| columns.map(|x| [x, y, x + width, y + height]));
    let is_free = |place: &[u32; 4]| {
        let apart = |axis: usize, other: &[u32; 4]| {
            place[axis + 2] <= other[axis] || other[axis + 2] <= place[axis]
        };
        taken.iter().all(|other| apart(0, other) || apart(1, other))
    };
    places.find(is_free)
}

/// Something that was found in a scene.
pub(crate) struct Detected {
    /// Its class, counted from 0.
    pub(crate) class: usize,
    /// Its corners x1, y1, x2, y2 in pixels of the scene.
    pub(crate) corners: [f32; 4],
    /// How sure the detector is, from 0 to 1.
    pub(crate) score: f64,
}

impl Detected {
    /// A detection of an image, in a picture with `scale` times as many pixels.
    pub(crate) fn new(detection: &Detection, classes: &[Class], scale: f32) -> Self {
        Self {
            class: index_of(classes, detection.category),
            corners: corners(detection.bbox, scale),
            score: detection.score,
        }
    }

    /// What is written at it.
    pub(crate) fn label(&self, classes: &[Class]) -> String {
        format!("{} {:.2}", classes[self.class].name, self.score)
    }
}

/// A PNG of all these scenes, each twice: on the left with what is there, on the right with what was found. The caption stands
/// above them.
pub(crate) fn grid(
    caption: &str,
    scenes: &[(&Scene, Vec<Detected>)],
    classes: &[Class],
) -> Result<Vec<u8>, ImageError> {
    let pairs = scenes.iter().map(|(scene, found)| {
        let zoom = (TILE / scene.side).max(1);
        let there = scene.objects.iter().map(|o| (o.corners, classes[o.class].name.clone()));
        let found = found.iter().map(|found| (found.corners, found.label(classes)));
        [tile(scene, zoom, TRUTH, there), tile(scene, zoom, FOUND, found)]
    });
    let pairs: Vec<[RgbImage; 2]> = pairs.collect();
    let [wide, high] = pairs
        .iter()
        .flatten()
        .fold([0, 0], |[wide, high], tile| [tile.width().max(wide), tile.height().max(high)]);
    let pen = Pen { is_small: false, zoom: 1, stroke: 1 };
    let [letters, line] = pen.size_of(caption);
    let columns = pairs.len().min(COLUMNS) as u32;
    let rows = pairs.len().div_ceil(COLUMNS) as u32;
    let across = 2 * wide + 4 * GAP;
    let width = (columns * across).max(letters) + 2 * GAP;
    let mut sheet = RgbImage::from_pixel(width, line + 2 * GAP + rows * (high + GAP), Rgb(PAPER));
    pen.write(&mut sheet, [GAP, GAP], caption, PAPER);
    for (index, pair) in pairs.iter().enumerate() {
        let left = GAP + (index % COLUMNS) as u32 * across;
        let top = line + 2 * GAP + (index / COLUMNS) as u32 * (high + GAP);
        for (tile, left) in pair.iter().zip([left, left + wide + GAP]) {
            imageops::replace(&mut sheet, tile, left.into(), top.into());
        }
    }
    png(&sheet)
}

/// The bytes of a PNG file.
pub(crate) fn png(image: &RgbImage) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

/// A scene, enlarged with all its pixels visible, with boxes.
fn tile(
    scene: &Scene,
    zoom: usize,
    color: [u8; 3],
    boxes: impl Iterator<Item = ([f32; 4], String)>,
) -> RgbImage {
    let side = scene.side as u32;
    let image = RgbImage::from_raw(side, side, scene.pixels.clone())
        .expect("a scene has as many values as its side says");
    let large = side * zoom as u32;
    let mut image = imageops::resize(&image, large, large, FilterType::Nearest);
    let boxes: Vec<([f32; 4], String)> = boxes.collect();
    let boxes = boxes.iter().map(|(corners, label)| Drawn {
        corners: corners.map(|corner| corner * zoom as f32),
        label,
        color,
    });
    draw(&mut image, &boxes.collect::<Vec<_>>());
    image
}

/// The whole pixels of a box inside an image of this width and height, if there are any.
fn inside([x1, y1, x2, y2]: [f32; 4], [width, height]: [u32; 2]) -> Option<[u32; 4]> {
    // Casts saturate, and make 0 of NaN.
    let [x1, x2] = [x1, x2].map(|x| (x.round() as u32).min(width));
    let [y1, y2] = [y1, y2].map(|y| (y.round() as u32).min(height));
    (x1 < x2 && y1 < y2).then_some([x1, y1, x2, y2])
}

/// What lines and letters look like.
struct Pen {
    /// Whether letters are to be small.
    is_small: bool,
    /// How many pixels of the image a pixel of a letter is wide and high.
    zoom: u32,
    /// The width of a line.
    stroke: u32,
}

impl Pen {
    /// One that suits the size of the image.
    fn of(image: &RgbImage) -> Self {
        let shorter = image.width().min(image.height());
        Self { is_small: shorter < 160, zoom: (shorter / 500).max(1), stroke: 1 + shorter / 200 }
    }

    /// Width and height of a label.
    fn size_of(&self, label: &str) -> [u32; 2] {
        let Size { width, height } = Label::new(label, self.is_small).size();
        [(width + 2) * self.zoom, (height + 1) * self.zoom]
    }

    fn frame(&self, image: &mut RgbImage, frame: Rectangle, stroke: u32, color: [u8; 3]) {
        let style = PrimitiveStyleBuilder::new()
            .stroke_color(rgb(color))
            .stroke_width(stroke)
            .stroke_alignment(StrokeAlignment::Inside)
            .build();
        let Ok(()) =
            frame.into_styled(style).draw(&mut Canvas { image, at: Point::zero(), zoom: 1 });
    }

    /// Writes a label on a ground of this colour. What does not fit in is cut off.
    fn write(&self, image: &mut RgbImage, [x, y]: [u32; 2], label: &str, color: [u8; 3]) {
        let [width, height] = self.size_of(label).map(|length| length / self.zoom);
        let [red, green, blue] = color.map(u32::from);
        let bright = 299 * red + 587 * green + 114 * blue > 128_000;
        let ink = if bright { WRITING } else { PAPER };
        let mut canvas = Canvas { image, at: Point::new(x as i32, y as i32), zoom: self.zoom };
        let ground = Rectangle::new(Point::zero(), Size::new(width, height));
        let Ok(()) = canvas.fill_solid(&ground, rgb(color));
        let Ok(()) = Label::new(label, self.is_small).draw(Point::new(1, 0), rgb(ink), &mut canvas);
    }
}

fn rgb([red, green, blue]: [u8; 3]) -> Rgb888 {
    Rgb888::new(red, green, blue)
}

/// An image to draw on, enlarged from a point on. What is outside is not drawn.
struct Canvas<'a> {
    image: &'a mut RgbImage,
    at: Point,
    zoom: u32,
}

impl OriginDimensions for Canvas<'_> {
    fn size(&self) -> Size {
        Size::new(self.image.width(), self.image.height())
    }
}

impl DrawTarget for Canvas<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(point, color) in pixels {
            self.fill_solid(&Rectangle::new(point, Size::new(1, 1)), color)?;
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Rgb888) -> Result<(), Infallible> {
        let top_left = area.top_left * self.zoom as i32 + self.at;
        let area = Rectangle::new(top_left, area.size * self.zoom);
        for Point { x, y } in area.intersection(&self.bounding_box()).points() {
            let color = Rgb([color.r(), color.g(), color.b()]);
            self.image.put_pixel(x as u32, y as u32, color);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::data::Data;
    use super::super::digits::Digits;
    use super::*;

    const GREY: Rgb<u8> = Rgb([90; 3]);

    fn painted(size: [u32; 2], corners: [f32; 4], label: &str) -> RgbImage {
        let mut image = RgbImage::from_pixel(size[0], size[1], GREY);
        draw(&mut image, &[Drawn { corners, label, color: FOUND }]);
        image
    }

    fn count(image: &RgbImage, color: [u8; 3]) -> usize {
        image.pixels().filter(|pixel| pixel.0 == color).count()
    }

    #[test]
    fn a_box_has_lines_of_its_colour_inside_and_a_dark_rim_around() {
        let image = painted([100, 100], [20.0, 30.0, 60.0, 80.0], "");
        for [x, y] in [[20, 30], [59, 30], [20, 79], [59, 79], [40, 30], [20, 50]] {
            assert_eq!(image.get_pixel(x, y).0, FOUND, "{x}, {y}");
        }
        for [x, y] in [[19, 30], [60, 30], [40, 29], [40, 80], [21, 31], [58, 78]] {
            assert_eq!(image.get_pixel(x, y).0, [0; 3], "{x}, {y}");
        }
        for [x, y] in [[18, 50], [62, 50], [40, 50]] {
            assert_eq!(*image.get_pixel(x, y), GREY, "{x}, {y}");
        }
    }

    #[test]
    fn labels_stand_above_their_boxes_and_inside_at_every_border() {
        let label = |corners, [x, y]: [u32; 2]| {
            let image = painted([200, 200], corners, "cat 0.87");
            imageops::crop_imm(&image, x, y, 8 * 7 + 2, 14).to_image()
        };
        let free = label([80.0, 80.0, 120.0, 120.0], [80, 66]);
        let writing = count(&free, WRITING);
        assert!(writing > 80 && count(&free, FOUND) + writing == 58 * 14, "{writing}");
        for (corners, at) in [
            ([0.0, 0.0, 40.0, 40.0], [0, 0]),
            ([160.0, 0.0, 200.0, 40.0], [142, 0]),
            ([0.0, 160.0, 40.0, 200.0], [0, 146]),
            ([160.0, 160.0, 200.0, 200.0], [142, 146]),
            ([195.0, 80.0, 235.0, 120.0], [142, 66]),
            ([-30.0, -30.0, 40.0, 40.0], [0, 0]),
        ] {
            assert!(label(corners, at) == free, "{corners:?}");
        }
    }

    #[test]
    fn no_label_covers_another_and_the_first_box_has_the_first_choice() {
        let (frame, label) = ([50, 50, 90, 90], [30, 10]);
        let mut taken = Vec::new();
        while let Some(place) = room(frame, label, [200, 200], &taken) {
            for other in &taken {
                let [x, y] = [0, 1].map(|axis| {
                    let other: &[u32; 4] = other;
                    place[axis + 2].min(other[axis + 2]) > place[axis].max(other[axis])
                });
                assert!(!(x && y), "{place:?} covers {other:?}");
            }
            taken.push(place);
        }
        assert_eq!(taken[..2], [[50, 40, 80, 50], [50, 90, 80, 100]]);
        // Above, below, and four lines inside.
        assert_eq!(taken.len(), 6);
        assert_eq!(room(frame, [300, 10], [200, 200], &[]), Some([0, 40, 300, 50]));

        let boxes = ["first", "second"].map(|label| Drawn {
            corners: [80.0, 80.0, 160.0, 120.0],
            label,
            color: FOUND,
        });
        let mut both = RgbImage::from_pixel(200, 200, GREY);
        draw(&mut both, &boxes);
        let first = painted([200, 200], boxes[0].corners, boxes[0].label);
        let label = |image: &RgbImage| imageops::crop_imm(image, 80, 66, 37, 14).to_image();
        assert!(label(&both) == label(&first));
    }

    #[test]
    fn any_label_and_any_corners_can_be_drawn() {
        let corners = [2.0, 2.0, 9.0, 9.0];
        for label in ["猫 0.87", "кот\nкот", "\u{0}\u{7f}\t", "", &"long ".repeat(100), "é"]
        {
            for size in [[1, 1], [12, 12], [300, 20], [2000, 1100]] {
                let image = painted(size, corners, label);
                assert_eq!([image.width(), image.height()], size);
            }
        }
        let nothing = RgbImage::from_pixel(50, 50, GREY);
        for corners in [
            [f32::NAN; 4],
            [60.0, 60.0, 70.0, 70.0],
            [-9.0, -9.0, -1.0, -1.0],
            [30.0, 30.0, 10.0, 10.0],
            [f32::INFINITY, 0.0, f32::INFINITY, 9.0],
        ] {
            assert!(painted([50, 50], corners, "a") == nothing, "{corners:?}");
        }
        let all = painted([50, 50], [f32::NEG_INFINITY, -1e30, 1e30, f32::INFINITY], "");
        assert!(
            [[0, 0], [49, 0], [0, 49], [49, 49]]
                .iter()
                .all(|&[x, y]| all.get_pixel(x, y).0 == FOUND)
        );
    }

    #[test]
    fn names_in_any_script_are_written_in_their_letters() {
        let written = |label: &str| painted([220, 60], [2.0, 30.0, 50.0, 50.0], label);
        let unknown = written("\u{10ffff} ж");
        let mut all = Vec::new();
        for label in ["Tür 猫 é ■", "кот", "γάτα", "고양이", "ねこ", "แมว", "חתול", "猫", "犬"]
        {
            let image = written(label);
            assert!(count(&image, WRITING) > 20, "{label}");
            assert!(image != unknown && !all.contains(&image), "{label} looks like another");
            all.push(image);
        }
        // A mark takes no room, and a control character is seen.
        let [letter, marked] = ["ж", "ж\u{301}"].map(|label| Label::new(label, false).size());
        assert_eq!(letter, marked);
        assert_eq!(Label::new("a\n", false).size(), Label::new(r"a\n", false).size());
        assert!(written("a\u{202e}b") == written(r"a\u202eb"));
        if let Some(folder) = std::env::var_os("DETLOSS_TEST_CHARTS") {
            let image = written("Tür 猫 кот γάτα é ■");
            std::fs::write(std::path::Path::new(&folder).join("letters.png"), png(&image).unwrap())
                .unwrap();
        }
    }

    #[test]
    fn letters_grow_with_the_image() {
        let corners = [100.0, 100.0, 400.0, 400.0];
        let [small, large] = [[450, 450], [2000, 2000]].map(|size| {
            count(&painted(size, corners, "0"), [0; 3]) - count(&painted(size, corners, ""), [0; 3])
        });
        assert!(large > 8 * small, "{small}, {large}");
    }

    #[test]
    fn a_grid_is_a_png_of_all_scenes_with_truth_on_the_left() {
        let digits = Digits::new(64, 1, 1);
        let scenes: Vec<(&Scene, Vec<Detected>)> = digits.held_out()[..7]
            .iter()
            .map(|scene| {
                let found = scene.objects.iter().map(|object| Detected {
                    class: object.class,
                    corners: object.corners.map(|corner| corner + 1.0),
                    score: 0.87,
                });
                (scene, found.collect())
            })
            .collect();
        let bytes =
            grid("left: what is there; right: what was found", &scenes, digits.classes()).unwrap();
        if let Some(folder) = std::env::var_os("DETLOSS_TEST_CHARTS") {
            std::fs::write(std::path::Path::new(&folder).join("grid.png"), &bytes).unwrap();
        }
        let image = image::load_from_memory(&bytes).unwrap().into_rgb8();
        assert_eq!(image.dimensions(), (3 * (2 * 256 + 16) + 8, 14 + 8 + 3 * (256 + 4)));
        let half = |left: u32| imageops::crop_imm(&image, left, 22, 256, 256).to_image();
        let [there, found] = [half(4), half(4 + 256 + 4)];
        assert!(count(&there, TRUTH) > 300 && count(&there, FOUND) == 0);
        assert!(count(&found, FOUND) > 300 && count(&found, TRUTH) == 0);
    }

    #[test]
    fn a_grid_of_nothing_has_its_caption() {
        let bytes = grid("nothing", &[], &[]).unwrap();
        let image = image::load_from_memory(&bytes).unwrap().into_rgb8();
        assert_eq!(image.dimensions(), (7 * 7 + 2 + 8, 14 + 8));
        assert!(count(&image, WRITING) > 20);
    }
}
