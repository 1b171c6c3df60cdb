//! What images look like, so that one is known again in other bytes or at another size.

use std::collections::{BTreeSet, HashMap};

use image::RgbImage;
use image::imageops;

/// Cells of the small image, along each side.
const CELLS: u32 = 16;
/// Squares across and down whose differences are the bits of the hash.
const BITS: u32 = 8;
/// Bits of the same picture that differ: those between squares of almost one brightness.
const DIFFERENT: u32 = 3;
/// Levels of 255 by which its cells differ: what JPEG and rescaling do to the mean of a cell, and less than any object that moved.
const LEVELS: u8 = 6;
/// Sides of the same picture have the same quotient, but for rounding.
const QUOTIENT: f64 = 0.02;

/// What an image looks like.
pub(super) struct Look {
    /// Krawetz's dHash: of each row of squares, whether the next one is brighter.
    hash: u64,
    /// Width by height.
    quotient: f64,
    /// The colours of the small image.
    cells: Vec<u8>,
}

impl Look {
    pub(super) fn of(image: &RgbImage) -> Self {
        let small = imageops::thumbnail(image, BITS + 1, BITS);
        let grey = imageops::grayscale(&small);
        let mut hash = 0;
        for (row, column) in (0..BITS).flat_map(|row| (0..BITS).map(move |column| (row, column))) {
            let brighter = grey.get_pixel(column + 1, row).0 > grey.get_pixel(column, row).0;
            hash = hash << 1 | u64::from(brighter);
        }
        let cells = imageops::thumbnail(image, CELLS, CELLS).into_raw();
        let quotient = f64::from(image.width()) / f64::from(image.height());
        Self { hash, quotient, cells }
    }

    /// Whether both show the same.
    fn is(&self, other: &Self) -> bool {
        let near = |(&a, &b): (&u8, &u8)| a.abs_diff(b) <= LEVELS;
        (self.hash ^ other.hash).count_ones() <= DIFFERENT
            && (self.quotient / other.quotient - 1.0).abs() <= QUOTIENT
            && self.cells.iter().zip(&other.cells).all(near)
    }

    /// The quarters of the hash, each with its place: if no more than three bits differ, one of them is the same.
    fn quarters(&self) -> [(u8, u16); 4] {
        [0, 1, 2, 3].map(|place| (place, (self.hash >> (16 * place)) as u16))
    }
}

/// For each image that shows what an earlier one does, this one and the earliest such.
pub(super) fn twins(looks: &[Look]) -> Vec<(usize, usize)> {
    let mut twins = Vec::new();
    let mut seen: HashMap<(u8, u16), Vec<usize>> = HashMap::new();
    for (index, look) in looks.iter().enumerate() {
        let near = look.quarters().into_iter().filter_map(|quarter| seen.get(&quarter));
        let near: BTreeSet<usize> = near.flatten().copied().collect();
        match near.into_iter().find(|&first| looks[first].is(look)) {
            Some(first) => twins.push((index, first)),
            None => {
                look.quarters().into_iter().for_each(|it| seen.entry(it).or_default().push(index))
            }
        }
    }
    twins
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use image::codecs::jpeg::JpegEncoder;
    use image::imageops::FilterType;

    use super::*;

    /// A picture of stripes of these widths, with a square.
    fn picture(across: u32, down: u32, square: u32) -> RgbImage {
        RgbImage::from_fn(160, 120, |x, y| {
            let inside = x.abs_diff(square) < 10 && y.abs_diff(60) < 10;
            let level =
                if inside { 255 } else { 255 * (x / across % 2) / 2 + 127 * (y / down % 2) };
            Rgb([level as u8, 255 - x as u8, y as u8])
        })
    }

    fn encoded(image: &RgbImage, quality: u8) -> RgbImage {
        let mut bytes = Vec::new();
        image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality)).unwrap();
        image::load_from_memory(&bytes).unwrap().into_rgb8()
    }

    #[test]
    fn a_picture_is_known_again_in_other_bytes_and_at_another_size() {
        let image = picture(23, 17, 80);
        let half = imageops::resize(&image, 80, 60, FilterType::Triangle);
        for other in [encoded(&image, 90), encoded(&image, 60), half, image.clone()] {
            assert_eq!(twins(&[Look::of(&image), Look::of(&other)]), [(1, 0)]);
        }
    }

    #[test]
    fn other_pictures_are_others_also_where_only_a_square_moved() {
        let images = [
            picture(23, 17, 80),
            picture(23, 17, 92),
            picture(29, 17, 80),
            imageops::flip_horizontal(&picture(23, 17, 80)),
            imageops::resize(&picture(23, 17, 80), 120, 120, FilterType::Triangle),
            RgbImage::from_pixel(160, 120, Rgb([90; 3])),
            RgbImage::from_pixel(160, 120, Rgb([110; 3])),
        ];
        assert_eq!(twins(&images.map(|image| Look::of(&image))), []);
    }

    #[test]
    fn of_three_that_are_the_same_two_are_copies_of_the_first() {
        let [one, other] = [picture(23, 17, 80), picture(31, 17, 80)];
        let looks = [&one, &other, &encoded(&one, 80), &one].map(Look::of);
        assert_eq!(twins(&looks), [(2, 0), (3, 0)]);
    }
}
