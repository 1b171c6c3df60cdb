//! From images to scenes.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use super::scene::{CHANNELS, Scene};

/// What is beside a picture that is not square.
pub(super) const GREY: u8 = 128;

/// An image as a scene of `side` by `side` pixels, without objects.
pub(crate) fn scene_of(id: u64, image: &RgbImage, side: usize) -> Scene {
    let (pixels, scale) = letterbox(image, side);
    let size = [image.width(), image.height()];
    Scene { image: id, side, pixels, scale, size, objects: Vec::new() }
}

/// Scales an image into the upper left of a square of `side` pixels; the rest is grey. Gives the pixels as those of a
/// [`Scene`], and how many of its pixels one pixel of the image became. The image has at least one pixel.
pub(super) fn letterbox(image: &RgbImage, side: usize) -> (Vec<u8>, f32) {
    let longer = image.width().max(image.height());
    let scale = side as f32 / longer as f32;
    // In whole numbers, rounded, because a quotient in f32 could miss the side by one.
    let scaled = |length: u32| {
        let length =
            (2 * u64::from(length) * side as u64 + u64::from(longer)) / (2 * u64::from(longer));
        length.max(1) as u32
    };
    let small = imageops::resize(
        image,
        scaled(image.width()),
        scaled(image.height()),
        // Averages over all pixels that become one.
        FilterType::Triangle,
    );
    let mut square = RgbImage::from_pixel(side as u32, side as u32, Rgb([GREY; CHANNELS]));
    imageops::replace(&mut square, &small, 0, 0);
    (square.into_raw(), scale)
}
