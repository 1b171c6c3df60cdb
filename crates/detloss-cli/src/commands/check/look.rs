//! What images look like, so that one is known again in other bytes or at another size.

use std::collections::HashMap;

use image::RgbImage;
use image::imageops::{self, FilterType};

/// Cells of the small image, along each side.
const CELLS: u32 = 16;
/// Squares across and down whose differences are the bits of the hash.
const BITS: u32 = 8;
/// Bits of the same picture that differ: those between squares of almost one brightness.
const DIFFERENT: u32 = 6;
/// Levels of 255 by which its cells differ: what JPEG and rescaling do to the mean of a cell, and less than any object that moved.
const LEVELS: u8 = 16;
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
        let small = imageops::resize(image, CELLS, CELLS, FilterType::Triangle);
        let squares = imageops::resize(&small, BITS + 1, BITS, FilterType::Triangle);
        let grey = imageops::grayscale(&squares);
        let mut hash = 0;
        for (row, column) in (0..BITS).flat_map(|row| (0..BITS).map(move |column| (row, column))) {
            let brighter = grey.get_pixel(column + 1, row).0 > grey.get_pixel(column, row).0;
            hash = hash << 1 | u64::from(brighter);
        }
        let quotient = f64::from(image.width()) / f64::from(image.height());
        Self { hash, quotient, cells: small.into_raw() }
    }

    /// Whether both show the same.
    fn is(&self, other: &Self) -> bool {
        let near = |(&a, &b): (&u8, &u8)| a.abs_diff(b) <= LEVELS;
        (self.hash ^ other.hash).count_ones() <= DIFFERENT
            && (self.quotient / other.quotient - 1.0).abs() <= QUOTIENT
            && self.cells.iter().zip(&other.cells).all(near)
    }

    /// The rows of the hash, each with its place: where fewer bits differ than there are rows, one of them is the same.
    fn rows(&self) -> impl Iterator<Item = (usize, u8)> {
        self.hash.to_be_bytes().into_iter().enumerate()
    }
}

/// For each image that shows what an earlier one does, this one and the earliest such.
pub(super) fn twins(looks: &[Look]) -> Vec<(usize, usize)> {
    let mut twins = Vec::new();
    let mut seen: HashMap<(usize, u8), Vec<usize>> = HashMap::new();
    for (index, look) in looks.iter().enumerate() {
        let near = look.rows().filter_map(|row| seen.get(&row)).flatten();
        match near.copied().filter(|&first| looks[first].is(look)).min() {
            Some(first) => twins.push((index, first)),
            None => look.rows().for_each(|row| seen.entry(row).or_default().push(index)),
        }
    }
    twins
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use image::codecs::jpeg::JpegEncoder;

    use super::*;

    /// A picture of clouds, others for each seed, with a square that begins at `left`.
    fn picture(seed: u32, left: u32) -> RgbImage {
        // Knuth's multiplier spreads the bits.
        let level = |place: u32| ((place + 1000 * seed).wrapping_mul(2_654_435_761) >> 24) as u8;
        let small = RgbImage::from_fn(11, 9, |x, y| {
            let place = 3 * (11 * y + x);
            Rgb([level(place), level(place + 1), level(place + 2)])
        });
        let mut image = imageops::resize(&small, 160, 120, FilterType::CatmullRom);
        for (x, y) in (left..left + 20).flat_map(|x| (50..70).map(move |y| (x, y))) {
            image.put_pixel(x, y, Rgb([250, 250, 20]));
        }
        image
    }

    fn encoded(image: &RgbImage, quality: u8) -> RgbImage {
        let mut bytes = Vec::new();
        image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality)).unwrap();
        image::load_from_memory(&bytes).unwrap().into_rgb8()
    }

    #[test]
    fn a_picture_is_known_again_in_other_bytes_and_at_another_size() {
        for seed in 0..20 {
            let image = picture(seed, 70);
            let half = imageops::resize(&image, 80, 60, FilterType::Triangle);
            for other in [encoded(&image, 90), encoded(&image, 60), half, image.clone()] {
                assert_eq!(twins(&[Look::of(&image), Look::of(&other)]), [(1, 0)], "{seed}");
            }
        }
    }

    #[test]
    fn other_pictures_are_others_also_where_only_a_square_moved() {
        let image = picture(1, 70);
        let mut images = vec![
            picture(1, 82),
            imageops::flip_horizontal(&image),
            imageops::resize(&image, 120, 120, FilterType::Triangle),
            RgbImage::from_pixel(160, 120, Rgb([90; 3])),
            RgbImage::from_pixel(160, 120, Rgb([110; 3])),
            image,
        ];
        images.extend((2..100).map(|seed| picture(seed, 70)));
        assert_eq!(twins(&images.iter().map(Look::of).collect::<Vec<_>>()), []);
    }

    #[test]
    fn of_three_that_are_the_same_two_are_copies_of_the_first() {
        let [one, other] = [picture(1, 70), picture(2, 70)];
        let looks = [&one, &other, &encoded(&one, 80), &one].map(Look::of);
        assert_eq!(twins(&looks), [(2, 0), (3, 0)]);
    }
}
