//! Image files, opened as they are displayed.
//!
//! Cameras store a picture as the sensor lies and say in its EXIF data how to turn it. Whoever draws boxes sees it turned, so that it
//! is turned here, too. A file that ends before its picture does is an error, also where a decoder would fill the rest with grey.

use std::fs::File;
use std::io::{self, BufReader, Cursor, ErrorKind};
use std::path::{Path, PathBuf};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage};

use crate::problem::Kind;

/// What can be read, in words.
pub const FORMATS: &str = "PNG, JPEG, WebP, BMP or TIFF";

/// How the names of such files end.
pub const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "jpe", "webp", "bmp", "tif", "tiff"];

/// An image file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageFileError {
    /// The system did not give it.
    #[error("could not read {}: {problem}; check the path", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        problem: io::Error,
    },
    /// The file ends before its picture does.
    #[error("{} is cut off after {bytes} bytes: copy or download it again", path.display())]
    CutOff {
        /// The file.
        path: PathBuf,
        /// How long it is.
        bytes: usize,
    },
    /// The file is none that is read here.
    #[error("{} is {what}: give {FORMATS}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: String,
    },
    /// The file is damaged, or of a kind that is not decoded.
    #[error("could not decode {}: {problem}; save it again as PNG or JPEG", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        problem: String,
    },
    /// The image is not as large as its annotation says.
    #[error(
        "{} is {} x {} pixels, and its annotation says {} x {}: its boxes may be those of another picture; \
         give width, height and boxes in pixels of the file",
        path.display(), size[0], size[1], declared[0], declared[1]
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// Width and height as displayed, pixels.
        size: [u32; 2],
        /// What the annotation says they are.
        declared: [f64; 2],
    },
}

impl ImageFileError {
    /// What kind of problem of a data set it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::CutOff { .. } => Kind::CutOff,
            Self::Size { .. } => Kind::WrongSize,
            _ => Kind::UnreadableFile,
        }
    }

    /// What is wrong, without the remedy, which the kind has, too.
    pub fn problem(&self) -> String {
        let words = self.to_string();
        words.split_once(": give ").map_or(&*words, |(words, _)| words).to_owned()
    }
}

/// Whether the name of a file ends as those of images do.
pub fn is_image(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    ENDINGS.contains(&&*ending)
}

/// In which pixels boxes of an image are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Frame {
    /// Those of the image as it is displayed, turned as its EXIF data say.
    Displayed,
    /// Those of the image as it is stored: its annotation has width and height the other way round.
    Stored,
}

/// What a file says of its image before its pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Header {
    /// Width and height as they are stored, pixels.
    pub stored: [u32; 2],
    /// How it is to be turned before it is displayed.
    pub orientation: Orientation,
}

impl Header {
    fn of(decoder: &mut impl ImageDecoder) -> Self {
        let (width, height) = decoder.dimensions();
        // Damaged EXIF data are no reason to refuse a picture.
        let mut orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        // Some programs write the head that EXIF data have in a JPEG before those of a WebP or PNG, too.
        if let Ok(Some(exif)) = decoder.exif_metadata()
            && let Some(body) = exif.strip_prefix(b"Exif\0\0")
        {
            orientation = Orientation::from_exif_chunk(body).unwrap_or(orientation);
        }
        Self { stored: [width, height], orientation }
    }

    /// Width and height as displayed, pixels.
    pub fn size(&self) -> [u32; 2] {
        let [width, height] = self.stored;
        match self.orientation {
            Orientation::NoTransforms
            | Orientation::Rotate180
            | Orientation::FlipHorizontal
            | Orientation::FlipVertical => [width, height],
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH => [height, width],
        }
    }

    /// The pixels that an annotation with this width and height has boxes in; none if the image has other sizes.
    pub fn frame(&self, declared: [f64; 2]) -> Option<Frame> {
        let is = |size: [u32; 2]| size.map(f64::from) == declared;
        if is(self.size()) {
            Some(Frame::Displayed)
        } else {
            is(self.stored).then_some(Frame::Stored)
        }
    }
}

/// Reads the head of a file, not its pixels.
///
/// # Errors
///
/// If it cannot be read, or is no image that can be.
pub fn header(path: &Path) -> Result<Header, ImageFileError> {
    let io = |problem| ImageFileError::Io { path: path.into(), problem };
    let file = BufReader::new(File::open(path).map_err(io)?);
    let reader = ImageReader::new(file).with_guessed_format().map_err(io)?;
    let known = reader.format().is_some_and(|format| format.reading_enabled());
    match reader.into_decoder() {
        Ok(mut decoder) if known => Ok(Header::of(&mut decoder)),
        // The whole file tells what is wrong with it.
        _ => read(path).and_then(|bytes| decoder(path, &bytes).map(|it| Header::of(&mut { it }))),
    }
}

/// Opens an image as it is displayed: turned, in 8 bits of red, green and blue, whatever it has in the file.
///
/// # Errors
///
/// If it cannot be read, is cut off, damaged, or no image that can be read.
pub fn open(path: &Path) -> Result<RgbImage, ImageFileError> {
    open_declared(path, None).map(|(image, _)| image)
}

/// Opens an image in the pixels that its boxes are in, by the width and height that its annotation declares.
///
/// # Errors
///
/// What [`open`] refuses, and an image of another size.
pub fn open_declared(
    path: &Path,
    declared: Option<[f64; 2]>,
) -> Result<(RgbImage, Frame), ImageFileError> {
    decode(path, &read(path)?, declared)
}

/// The same of a file that was read: `path` is what errors call it.
pub fn decode(
    path: &Path,
    bytes: &[u8],
    declared: Option<[f64; 2]>,
) -> Result<(RgbImage, Frame), ImageFileError> {
    let mut decoder = decoder(path, bytes)?;
    let header = Header::of(&mut decoder);
    let frame = match declared {
        None => Frame::Displayed,
        Some(declared) => header.frame(declared).ok_or_else(|| {
            let size = header.size();
            ImageFileError::Size { path: path.into(), size, declared }
        })?,
    };
    let mut image =
        DynamicImage::from_decoder(decoder).map_err(|error| problem(path, bytes, &error))?;
    if is_jpeg(bytes) && !jpeg_ends(bytes) {
        return Err(ImageFileError::CutOff { path: path.into(), bytes: bytes.len() });
    }
    if frame == Frame::Displayed {
        image.apply_orientation(header.orientation);
    }
    Ok((image.into_rgb8(), frame))
}

/// Reads the bytes of a file, to [decode] them.
///
/// # Errors
///
/// If the system does not give it.
pub fn read(path: &Path) -> Result<Vec<u8>, ImageFileError> {
    std::fs::read(path).map_err(|problem| ImageFileError::Io { path: path.into(), problem })
}

fn decoder<'a>(path: &Path, bytes: &'a [u8]) -> Result<impl ImageDecoder + 'a, ImageFileError> {
    let foreign = |what: String| ImageFileError::Foreign { path: path.into(), what };
    if bytes.is_empty() {
        return Err(foreign("empty".into()));
    }
    let format =
        image::guess_format(bytes).map_err(|_| foreign("no image that is known".into()))?;
    if !format.reading_enabled() {
        return Err(foreign(format!("{format:?}, which is not read")));
    }
    let reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.into_decoder().map_err(|error| problem(path, bytes, &error))
}

/// What is wrong with a file that a decoder has this to say of.
fn problem(path: &Path, bytes: &[u8], error: &ImageError) -> ImageFileError {
    let path = path.to_owned();
    let ends = matches!(error, ImageError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof)
        || (is_jpeg(bytes) && !jpeg_ends(bytes))
        || riff_lacks(bytes);
    if ends {
        return ImageFileError::CutOff { path, bytes: bytes.len() };
    }
    ImageFileError::Broken { path, problem: error.to_string() }
}

fn is_jpeg(bytes: &[u8]) -> bool {
    matches!(image::guess_format(bytes), Ok(ImageFormat::Jpeg))
}

/// Whether a JPEG has the mark of its end. Decoders do without, and fill what is missing.
fn jpeg_ends(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    loop {
        // Between markers are compressed pixels, in which FF is followed by 00 or by the number of a restart.
        let Some(at) = rest.iter().position(|&byte| byte == 0xff) else { return false };
        rest = &rest[at + 1..];
        match rest {
            [0xd9, ..] => return true,
            [] | [0x00 | 0x01 | 0xd0..=0xd8 | 0xff, ..] => {}
            [_, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                rest = rest.get(1 + length..).unwrap_or_default();
            }
            _ => return false,
        }
    }
}

/// Whether a WebP file is shorter than it says it is.
fn riff_lacks(bytes: &[u8]) -> bool {
    match bytes {
        [b'R', b'I', b'F', b'F', a, b, c, d, ..] => {
            u64::from(u32::from_le_bytes([*a, *b, *c, *d])) + 8 > bytes.len() as u64
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
