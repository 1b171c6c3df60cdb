use std::fs;

use image::codecs::bmp::BmpEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::tiff::TiffEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageBuffer, ImageEncoder, Luma, Rgb};
use tempfile::TempDir;

use super::*;

const RED: [u8; 3] = [230, 20, 20];
const GREEN: [u8; 3] = [20, 200, 30];
const BLUE: [u8; 3] = [10, 30, 220];
const WHITE: [u8; 3] = [250, 250, 250];

/// The size of the picture as it is displayed.
const WIDE: u32 = 48;
const HIGH: u32 = 32;

/// A picture whose corners are red, green, blue and white.
fn upright() -> RgbImage {
    RgbImage::from_fn(WIDE, HIGH, |x, y| {
        Rgb([[RED, GREEN], [BLUE, WHITE]][usize::from(y >= HIGH / 2)][usize::from(x >= WIDE / 2)])
    })
}

/// The picture as it is stored with this orientation, by the words of the EXIF standard: where the first row and the first column
/// of what is stored are seen.
fn stored(orientation: u8) -> RgbImage {
    // Whether rows are seen as columns, and whether the first is seen at the right, and at the bottom.
    let (turned, right, bottom) = match orientation {
        1 => (false, false, false),
        2 => (false, true, false),
        3 => (false, true, true),
        4 => (false, false, true),
        5 => (true, false, false),
        6 => (true, true, false),
        7 => (true, true, true),
        8 => (true, false, true),
        _ => panic!("eight orientations"),
    };
    let seen = upright();
    let [wide, high] = if turned { [HIGH, WIDE] } else { [WIDE, HIGH] };
    RgbImage::from_fn(wide, high, |column, row| {
        let [x, y] = if turned { [row, column] } else { [column, row] };
        let x = if right { WIDE - 1 - x } else { x };
        let y = if bottom { HIGH - 1 - y } else { y };
        *seen.get_pixel(x, y)
    })
}

/// EXIF data with an orientation and nothing else.
fn exif(orientation: u8, big: bool) -> Vec<u8> {
    let two = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let four = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let mut bytes = if big { b"MM".to_vec() } else { b"II".to_vec() };
    bytes.extend([&two(42)[..], &four(8), &two(1), &two(0x112), &two(3), &four(1)].concat());
    bytes.extend([&two(orientation.into())[..], &two(0), &four(0)].concat());
    bytes
}

fn encoded(
    image: &RgbImage,
    exif: Vec<u8>,
    make: fn(&mut Vec<u8>) -> Box<dyn Encode + '_>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    make(&mut bytes).encode(image, exif);
    bytes
}

/// An encoder, whatever its format.
trait Encode {
    fn encode(self: Box<Self>, image: &RgbImage, exif: Vec<u8>);
}

impl<E: ImageEncoder> Encode for E {
    fn encode(mut self: Box<Self>, image: &RgbImage, exif: Vec<u8>) {
        if !exif.is_empty() {
            self.set_exif_metadata(exif).unwrap();
        }
        self.write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8).unwrap();
    }
}

fn png(image: &RgbImage, exif: Vec<u8>) -> Vec<u8> {
    encoded(image, exif, |bytes| Box::new(PngEncoder::new(bytes)))
}

fn jpeg(image: &RgbImage, exif: Vec<u8>) -> Vec<u8> {
    encoded(image, exif, |bytes| Box::new(JpegEncoder::new_with_quality(bytes, 98)))
}

fn webp(image: &RgbImage, exif: Vec<u8>) -> Vec<u8> {
    encoded(image, exif, |bytes| Box::new(WebPEncoder::new_lossless(bytes)))
}

fn bmp(image: &RgbImage) -> Vec<u8> {
    encoded(image, Vec::new(), |bytes| Box::new(BmpEncoder::new(bytes)))
}

/// A TIFF file of one strip, not compressed: `photometric` is 2 for RGB and 5 for CMYK.
fn tiff([wide, high]: [u32; 2], photometric: u32, orientation: u8, pixels: &[u8]) -> Vec<u8> {
    let samples = pixels.len() as u32 / (wide * high);
    // After the header, ten entries of 12 bytes between a count and the end, and four numbers of bits.
    let (bits, strip) = (8 + 2 + 10 * 12 + 4, 8 + 2 + 10 * 12 + 4 + 8);
    let entries = [
        (256, 4, 1, wide),
        (257, 4, 1, high),
        (258, 3, samples, bits),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, strip),
        (274, 3, 1, orientation.into()),
        (277, 3, 1, samples),
        (278, 4, 1, high),
        (279, 4, 1, pixels.len() as u32),
    ];
    let mut bytes = [&b"II*\0"[..], &8_u32.to_le_bytes(), &10_u16.to_le_bytes()].concat();
    for (tag, kind, count, value) in entries {
        bytes.extend([tag, kind].into_iter().flat_map(u16::to_le_bytes));
        bytes.extend([count, value].into_iter().flat_map(u32::to_le_bytes));
    }
    bytes.extend([0; 4]);
    bytes.extend([8_u16; 4].into_iter().flat_map(u16::to_le_bytes));
    bytes.extend(pixels);
    bytes
}

/// A JPEG of 8 by 8 pixels of one colour in four components, with Adobe's mark: each is 255 without ink.
fn cmyk(colour: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8];
    let mut segment = |marker: u8, body: &[u8]| {
        bytes.extend([0xff, marker, 0, body.len() as u8 + 2]);
        bytes.extend(body);
    };
    segment(0xee, b"Adobe\0\x64\0\0\0\0\0");
    segment(0xdb, &[&[0][..], &[8; 64]].concat());
    let components = [1, 2, 3, 4].map(|id| [id, 0x11, 0]);
    segment(0xc0, &[&[8, 0, 8, 0, 8, 4][..], components.as_flattened()].concat());
    // Nine lengths of numbers with codes of four bits; and the end of a block with a code of one.
    let lengths = |at: usize, count: u8| std::array::from_fn(|k| if k == at { count } else { 0 });
    let of_dc: [u8; 16] = lengths(3, 9);
    let of_ac: [u8; 16] = lengths(0, 1);
    segment(0xc4, &[&[0x00][..], &of_dc, &[0, 1, 2, 3, 4, 5, 6, 7, 8]].concat());
    segment(0xc4, &[&[0x10][..], &of_ac, &[0]].concat());
    segment(0xda, &[4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0]);
    let mut bits = String::new();
    for level in colour.map(|level| i32::from(level) - 128) {
        // A mean of the block is 8 times a coefficient that is divided by 8. Negative ones are written minus one.
        let length = i32::BITS - level.unsigned_abs().leading_zeros();
        bits += &format!("{length:04b}");
        if length > 0 {
            let number = if level < 0 { level + (1 << length) - 1 } else { level };
            bits += &format!("{number:0width$b}", width = length as usize);
        }
        bits.push('0');
    }
    while !bits.len().is_multiple_of(8) {
        bits.push('1');
    }
    for byte in bits.as_bytes().chunks(8) {
        let byte = byte.iter().fold(0, |byte, bit| 2 * byte + (bit - b'0'));
        bytes.push(byte);
        if byte == 0xff {
            bytes.push(0);
        }
    }
    bytes.extend([0xff, 0xd9]);
    bytes
}

fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn opened(bytes: &[u8]) -> RgbImage {
    let (_folder, path) = file("image", bytes);
    let image = open(&path).unwrap();
    assert_eq!(header(&path).unwrap().size(), [image.width(), image.height()]);
    image
}

fn error(bytes: &[u8]) -> ImageFileError {
    let (_folder, path) = file("image", bytes);
    let error = open(&path).unwrap_err();
    assert!(error.to_string().contains("image"), "{error}");
    error
}

/// The colours in the middle of the quarters.
fn corners(image: &RgbImage) -> [[u8; 3]; 4] {
    let [x, y] = [image.width() / 4, image.height() / 4];
    [[x, y], [3 * x, y], [x, 3 * y], [3 * x, 3 * y]].map(|[x, y]| image.get_pixel(x, y).0)
}

fn near(a: &[[u8; 3]], b: &[[u8; 3]], by: u8) -> bool {
    a.as_flattened().iter().zip(b.as_flattened()).all(|(a, b)| a.abs_diff(*b) <= by)
}

#[test]
fn the_eight_orientations_are_applied_in_every_format_that_has_them() {
    for orientation in 1..=8 {
        let stored = stored(orientation);
        let size = [stored.width(), stored.height()];
        let headed = [&b"Exif\0\0"[..], &exif(orientation, true)].concat();
        for (format, bytes) in [
            ("png", png(&stored, exif(orientation, true))),
            ("jpeg", jpeg(&stored, exif(orientation, false))),
            ("webp", webp(&stored, exif(orientation, true))),
            ("webp with a head", webp(&stored, headed)),
            ("tiff", tiff(size, 2, orientation, &stored)),
        ] {
            let image = opened(&bytes);
            assert_eq!(image.dimensions(), (WIDE, HIGH), "{format}, {orientation}");
            let seen = corners(&image);
            assert!(
                near(&seen, &[RED, GREEN, BLUE, WHITE], 6),
                "{format}, {orientation}: {seen:?}"
            );
        }
    }
}

#[test]
fn without_exif_data_or_with_damaged_ones_pictures_stay_as_they_are() {
    for exif in [Vec::new(), exif(0, true), exif(9, false), b"II*\0\x08\0\0".to_vec(), vec![7; 40]]
    {
        let image = opened(&jpeg(&upright(), exif));
        assert!(near(&corners(&image), &[RED, GREEN, BLUE, WHITE], 6));
    }
    assert_eq!(opened(&bmp(&upright())), upright());
}

#[test]
fn grey_16_bit_and_cmyk_become_8_bit_of_red_green_and_blue() {
    let mut deep = Vec::new();
    let grey = ImageBuffer::<Luma<u16>, _>::from_fn(4, 2, |x, _| Luma([x as u16 * 257 * 80]));
    grey.write_to(&mut Cursor::new(&mut deep), ImageFormat::Png).unwrap();
    assert_eq!(opened(&deep).get_pixel(2, 1).0, [160; 3]);
    let mut deep = Vec::new();
    let colours = ImageBuffer::<Rgb<u16>, _>::from_pixel(4, 2, Rgb([65535, 257 * 100, 0]));
    let encoder = TiffEncoder::new(Cursor::new(&mut deep));
    colours.write_with_encoder(encoder).unwrap();
    assert_eq!(opened(&deep).get_pixel(2, 1).0, [255, 100, 0]);
    let mut grey = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut grey, 100);
    encoder.write_image(&[77; 64], 8, 8, ExtendedColorType::L8).unwrap();
    assert_eq!(opened(&grey).get_pixel(3, 3).0, [77; 3]);
    for (colour, rgb) in [
        ([255, 255, 255, 255], [255, 255, 255]),
        ([255, 255, 255, 0], [0, 0, 0]),
        ([0, 255, 255, 255], [0, 255, 255]),
        ([255, 100, 0, 255], [255, 100, 0]),
        ([255, 100, 0, 128], [128, 50, 0]),
    ] {
        let seen = opened(&cmyk(colour)).get_pixel(4, 4).0;
        assert!(near(&[seen], &[rgb], 2), "{colour:?}: {seen:?}");
        let ink = colour.map(|level| 255 - level);
        let seen = opened(&tiff([1, 1], 5, 1, &ink)).get_pixel(0, 0).0;
        assert!(near(&[seen], &[rgb], 2), "{ink:?}: {seen:?}");
    }
}

#[test]
fn a_file_that_ends_too_early_is_named_so_in_every_format() {
    let noise = RgbImage::from_fn(64, 64, |x, y| Rgb([x * y, x ^ y, x * 7 + y].map(|n| n as u8)));
    for (format, bytes) in [
        ("png", png(&noise, Vec::new())),
        ("jpeg", jpeg(&noise, exif(6, true))),
        ("webp", webp(&noise, Vec::new())),
        ("bmp", bmp(&noise)),
        ("tiff", tiff([64, 64], 2, 1, &noise)),
    ] {
        assert_eq!(opened(&bytes).dimensions(), (64, 64));
        for tenth in [3, 5, 7, 9] {
            let length = bytes.len() * tenth / 10;
            let error = error(&bytes[..length]);
            assert!(
                matches!(error, ImageFileError::CutOff { bytes, .. } if bytes == length),
                "{format}, {length} of {}: {error}",
                bytes.len()
            );
        }
    }
}

#[test]
fn whatever_is_no_image_is_told_what_is_read() {
    for (bytes, words) in [
        (&b""[..], "is empty: give PNG, JPEG, WebP, BMP or TIFF"),
        (b"no picture", "is no image that is known: give PNG, JPEG, "),
        (b"GIF89a\x01\0\x01\0\0\0\0", "is Gif, which is not read: give PNG, "),
        (b"\x89PNG\r\n\x1a\nhello, what is this? no header at all", "could not decode "),
    ] {
        let message = error(bytes).to_string();
        assert!(message.contains(words), "{words:?} is not in {message:?}");
        let (_folder, path) = file("image", bytes);
        assert!(header(&path).unwrap_err().to_string().contains(words));
    }
    let missing = open(Path::new("no-such-image.png")).unwrap_err().to_string();
    assert!(missing.contains("no-such-image.png") && missing.contains("check the path"));
}

#[test]
fn the_declared_size_says_in_which_pixels_boxes_are() {
    let (_folder, path) = file("image", &jpeg(&stored(6), exif(6, true)));
    let [wide, high] = [WIDE, HIGH].map(f64::from);
    for (declared, frame) in
        [([wide, high], Some(Frame::Displayed)), ([high, wide], Some(Frame::Stored))]
    {
        assert_eq!(header(&path).unwrap().frame(declared), frame);
        let (image, opened) = open_declared(&path, Some(declared)).unwrap();
        assert_eq!((Some(opened), image.dimensions().0), (frame, declared[0] as u32));
    }
    for declared in [[wide / 2.0, high / 2.0], [wide, wide], [0.0, 0.0]] {
        let error = open_declared(&path, Some(declared)).unwrap_err().to_string();
        assert!(error.contains("image is 48 x 32 pixels, and its annotation says "), "{error}");
    }
    let (_folder, path) = file("image", &png(&upright(), Vec::new()));
    assert!(open_declared(&path, Some([high, wide])).is_err(), "it is not to be turned");
}
