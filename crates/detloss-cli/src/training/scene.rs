//! What a detector sees, and what is to be found in it.

use detloss_coco::Xywh;

/// Colours of a pixel: red, green, blue.
pub(crate) const CHANNELS: usize = 3;

/// A square picture with its objects.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scene {
    /// The id of the image it was made from.
    pub(crate) image: u64,
    /// Width and height, pixels.
    pub(crate) side: usize,
    /// `side · side · CHANNELS` values, row by row, the colours of a pixel beside each other.
    pub(crate) pixels: Vec<u8>,
    /// How many pixels of the scene one pixel of the image became.
    pub(crate) scale: f32,
    /// Width and height of the image, in its own pixels; what is beside it in the square is grey.
    pub(crate) size: [u32; 2],
    /// What is to be found.
    pub(crate) objects: Vec<Object>,
}

/// Something to be found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Object {
    /// Its class, counted from 0.
    pub(crate) class: usize,
    /// Its corners x1, y1, x2, y2 in pixels of the scene.
    pub(crate) corners: [f32; 4],
}

/// Left, top, width and height of a box with these corners.
pub(crate) fn xywh(corners: [f32; 4]) -> Xywh {
    let [x1, y1, x2, y2] = corners.map(f64::from);
    [x1, y1, x2 - x1, y2 - y1]
}

/// x1, y1, x2 and y2 of a box of an image, in pixels that are `scale` times as many.
pub(crate) fn corners(bbox: Xywh, scale: f32) -> [f32; 4] {
    let [left, top, width, height] = bbox.map(|length| length as f32 * scale);
    [left, top, left + width, top + height]
}
